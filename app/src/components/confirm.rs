//! Destroying asks by name and shows what goes.

use leptos::prelude::*;

use super::field::{Field, Once, Seen};
use crate::{form::Typed, page::here};

/// The card with which something is destroyed. Posts `do=operation` and `confirm`, which must hold `name`.
#[component]
pub fn Confirm(
    /// The name that has to be typed.
    #[prop(into)]
    name: String,
    /// `Delete this deployment`
    #[prop(into)]
    title: String,
    /// The button's word.
    #[prop(into)]
    button: String,
    /// What the button names.
    operation: &'static str,
    version: i64,
    typed: Typed,
    /// What goes with it.
    #[prop(optional)]
    goes: Vec<String>,
    /// What has to be known besides, in sentences.
    #[prop(optional, into)]
    note: Option<String>,
) -> impl IntoView {
    let typed = about(typed, operation);
    let goes = (!goes.is_empty()).then(|| {
        let items = goes.into_iter().map(|what| view! { <li>{what}</li> }).collect_view();
        view! { <div><p>"This goes with it:"</p><ul>{items}</ul></div> }
    });
    view! {
        <section class="card" id=operation>
            <header><h2>{title}</h2></header>
            <form class="in" method="post" action=here()>
                <Once/><Seen version/>
                {goes}
                {note.map(|note| view! { <p class="muted">{note}</p> })}
                <Field name="confirm" label=format!("Type {name} to confirm") typed autocomplete="off"/>
                <div class="row"><button class="danger" name="do" value=operation>{button}</button></div>
            </form>
        </section>
    }
}

/// The same for a row of a table: opens without any script, and stays open when the name was mistyped. Posts `do=operation`, `field=value` and `confirm`, which must hold `name`.
#[component]
pub fn ConfirmRow(
    /// The name that has to be typed.
    #[prop(into)]
    name: String,
    /// The button's word: `Remove`.
    button: &'static str,
    /// What it does, for whoever hears the page: `Remove Ada`.
    label: String,
    /// What the button names.
    operation: &'static str,
    /// The field that says which row is meant.
    field: &'static str,
    #[prop(into)] value: String,
    typed: Typed,
    /// What it means, in sentences.
    #[prop(into)]
    note: String,
) -> impl IntoView {
    let typed = if typed.text(field) == value { about(typed, operation) } else { Typed::default() };
    let why = typed.why("confirm");
    let wrong = why.is_some();
    let id = format!("confirm-{value}");
    let why_id = format!("{id}-why");
    let described = wrong.then(|| why_id.clone());
    view! {
        <details class="sure" open=typed.rejection().is_some()>
            <summary class="small" aria-label=label.clone()>{button}</summary>
            <form method="post" action=here() class="stack tight">
                <Once/><input type="hidden" name=field value=value/>
                <p class="small muted">{note}</p>
                <div class="field" class:wrong=wrong>
                    <label for=id.clone()>{format!("Type {name} to confirm")}</label>
                    <input id=id name="confirm" value=typed.text("confirm").to_owned() autocomplete="off" aria-describedby=described aria-invalid=wrong.then_some("true") autofocus=wrong/>
                    {why.map(|why| view! { <span class="why" id=why_id>{why}</span> })}
                </div>
                <div class="row"><button class="small danger" name="do" value=operation aria-label=label>{button}</button></div>
            </form>
        </details>
    }
}

/// What was typed, if it was typed here: a page may ask for several names.
fn about(typed: Typed, operation: &str) -> Typed {
    if typed.operation() == operation { typed } else { Typed::default() }
}
