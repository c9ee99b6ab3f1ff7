//! What has to be noticed: why something was turned down, what stands in the way, what to do.

use domain::{Code, Rejected, operation::Failure, state::Tone};
use leptos::prelude::*;

use super::code::Raw;
use crate::{buttons::RESUME, form::Typed, page::here};

/// A rejection that belongs to no single field, with what stands in the way and the raw message one click away.
#[component]
pub fn Rejection(rejected: Rejected, #[prop(default = Tone::Bad)] tone: Tone) -> impl IntoView {
    let Rejected { code, message, blockers, raw, errors, .. } = rejected;
    let anew = (code == Code::PreconditionFailed).then(|| view! { <p><a href=here()>"Load it anew"</a></p> });
    let blockers = (!blockers.is_empty()).then(|| {
        let items = blockers.into_iter().map(|b| view! { <li>{b.kind}" "<a href=b.path>{b.name}</a></li> }).collect_view();
        view! { <ul>{items}</ul> }
    });
    let errors = (errors.len() > 1).then(|| {
        let items = errors.into_iter().map(|e| view! { <li><a href=format!("#{}", e.field)>{e.message}</a></li> }).collect_view();
        view! { <ul>{items}</ul> }
    });
    view! {
        <section class=format!("notice {}", tone.class()) role="alert">
            <p><strong>{message}</strong></p>
            {anew}
            {errors}
            {blockers}
            {raw.map(|raw| view! { <Raw title="What was said" text=raw/> })}
        </section>
    }
}

/// What is shown above a page's forms: only a rejection that no field shows.
#[component]
pub fn FormRejection(
    typed: Typed,
    /// The fields that show what is wrong with them; without it every field does.
    #[prop(default = None)]
    fields: Option<&'static [&'static str]>,
) -> impl IntoView {
    let shows = |field: &str| fields.is_none_or(|fields| fields.contains(&field));
    // Nothing is wrong with what was typed before somebody signed in again: it waits to be sent.
    let tone = if typed.operation() == RESUME { Tone::Warn } else { Tone::Bad };
    typed.rejection().filter(|rejected| !rejected.errors.iter().any(|error| shows(&error.field))).cloned().map(|rejected| view! { <Rejection rejected tone/> })
}

/// Why something failed: the cause, the next action, and the raw words one click away.
#[component]
pub fn FailureNotice(failure: Failure, #[prop(optional)] children: Option<Children>) -> impl IntoView {
    let Failure { cause, next, raw, .. } = failure;
    view! {
        <section class="notice bad">
            <h2>{cause}</h2>
            <p>{next}</p>
            {children.map(|children| view! { <div class="row">{children()}</div> })}
            {raw.map(|raw| view! { <Raw title="What was said" text=raw/> })}
        </section>
    }
}

/// Something to know, in a tone.
#[component]
pub fn Notice(tone: Tone, #[prop(into)] title: String, children: Children) -> impl IntoView {
    view! {
        <section class=format!("notice {}", tone.class())>
            <h2>{title}</h2>
            {children()}
        </section>
    }
}
