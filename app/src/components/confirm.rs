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
