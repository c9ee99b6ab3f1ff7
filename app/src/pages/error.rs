//! What is shown instead of a page.

use domain::{Code, Rejected, state::Tone};
use leptos::prelude::*;

use crate::{
    components::{code::Raw, status::Status},
    page::{Nav, Page},
};

/// Something the reader can act on.
#[must_use]
pub fn rejected(rejected: &Rejected) -> Page {
    let (code, message, status) = (rejected.code, rejected.message.clone(), rejected.code.status());
    let (raw, blockers) = (rejected.raw.clone(), rejected.blockers.clone());
    Page::new(code.title(), Nav::None, move || {
        let blockers = blockers.into_iter().map(|blocker| view! { <li>{blocker.kind}" "<a href=blocker.path>{blocker.name}</a></li> }).collect_view();
        let next = match code {
            Code::NotFound => "Perhaps it was deleted, or the address was copied in part.",
            Code::Forbidden => "Whoever owns it can give you the role you need.",
            Code::RateLimited => "Wait a moment, then try again.",
            _ if status >= 500 => "It may be over in a moment: try again.",
            _ => "Go back, change what is named above, and try again.",
        };
        let failed = (status >= 500).then(|| view! { <Status tone=Tone::Bad word="Failed"/> });
        view! {
            <div class="head"><div><h1>{code.title()}{failed}</h1></div></div>
            <section class="card"><div class="in">
                <p>{message}</p>
                {(!blockers.is_empty()).then(|| view! { <ul>{blockers}</ul> })}
                <p class="muted">{next}</p>
                {raw.map(|raw| view! { <Raw title="What was said" text=raw/> })}
                <div class="row"><a class="button primary" href="/">"Go to the start page"</a></div>
            </div></section>
        }
    })
    .answer(status)
}

/// Something of ours, with the request to ask about.
#[must_use]
pub fn fault(request: &str) -> Page {
    let request = request.to_owned();
    Page::new("Something went wrong", Nav::None, move || {
        view! {
            <div class="head"><div><h1>"Something went wrong on our side"<Status tone=Tone::Bad word="Failed"/></h1></div></div>
            <section class="card"><div class="in">
                <p>"Try again. If it stays, tell your platform admin the number of this request:"</p>
                <pre>{request}</pre>
                <div class="row"><a class="button primary" href="/">"Go to the start page"</a></div>
            </div></section>
        }
    })
    .answer(500)
}
