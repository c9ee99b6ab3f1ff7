//! What is shown instead of a page.

use domain::Rejected;
use leptos::prelude::*;

use crate::page::{Nav, Page};

/// Something the reader can act on.
#[must_use]
pub fn rejected(rejected: &Rejected) -> Page {
    let (title, message, status) = (rejected.code.title(), rejected.message.clone(), rejected.code.status());
    let raw = rejected.raw.clone();
    Page::new(title, Nav::None, move || {
        view! {
            <div class="head"><h1>{title}</h1></div>
            <section class="card"><div class="in">
                <p>{message}</p>
                {raw.map(|raw| view! { <details><summary class="small">"What was said"</summary><pre>{raw}</pre></details> })}
                <div class="row"><a class="button" href="/">"Go to the start page"</a></div>
            </div></section>
        }
    })
    .status(status)
}

/// Something of ours, with the request to ask about.
#[must_use]
pub fn fault(request: &str) -> Page {
    let request = request.to_owned();
    Page::new("Something went wrong", Nav::None, move || {
        view! {
            <div class="head"><h1>"Something went wrong on our side"</h1></div>
            <section class="card"><div class="in">
                <p>"Nothing was changed. Try again; if it stays, tell your platform admin the number of this request."</p>
                <pre>{request}</pre>
                <div class="row"><a class="button" href="/">"Go to the start page"</a></div>
            </div></section>
        }
    })
    .status(500)
}
