//! A form's field: label, input, hint, and what is wrong, each where a reader looks for it. A page that is shown again puts the
//! focus on the first field that is wrong.

use leptos::prelude::*;

use super::text_area::TextArea;
use crate::{form::Typed, page::stale};

/// A one-line field.
#[component]
pub fn Field(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    typed: Typed,
    /// What it holds before anything was typed.
    #[prop(optional, into)]
    value: String,
    #[prop(optional, into)] hint: Option<String>,
    #[prop(default = "text")] kind: &'static str,
    #[prop(optional)] autocomplete: Option<&'static str>,
    #[prop(default = false)] required: bool,
    #[prop(optional, into)] placeholder: Option<String>,
) -> impl IntoView {
    let why = typed.why(&name);
    let wrong = why.is_some();
    let (why_id, hint_id) = (format!("{name}-why"), format!("{name}-hint"));
    let described = describe(why.is_some().then_some(&why_id), hint.is_some().then_some(&hint_id));
    // A password is never sent back.
    let value = if kind == "password" { String::new() } else { typed.text_or(&name, &value) };
    view! {
        <div class="field" class:wrong=wrong>
            <label for=name.clone()>{label}</label>
            <input id=name.clone() name=name.clone() type=kind value=value autocomplete=autocomplete required=required placeholder=placeholder
                aria-describedby=described aria-invalid=wrong.then_some("true") autofocus=wrong/>
            {why.map(|why| view! { <span class="why" id=why_id>{why}</span> })}
            {hint.map(|hint| view! { <span class="hint" id=hint_id>{hint}</span> })}
        </div>
    }
}

/// A field of several lines.
#[component]
pub fn TextField(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    typed: Typed,
    #[prop(optional, into)] value: String,
    #[prop(optional, into)] hint: Option<String>,
    #[prop(default = 3)] rows: u8,
    /// Whether it holds something for machines: JSON, variables.
    #[prop(default = false)]
    code: bool,
) -> impl IntoView {
    let why = typed.why(&name);
    let wrong = why.is_some();
    let (why_id, hint_id) = (format!("{name}-why"), format!("{name}-hint"));
    let described = describe(why.is_some().then_some(&why_id), hint.is_some().then_some(&hint_id));
    let text = typed.text_or(&name, &value);
    view! {
        <div class="field" class:wrong=wrong>
            <label for=name.clone()>{label}</label>
            <TextArea id=name.clone() name=name.clone() text=text rows=rows described_by=described invalid=wrong code=code/>
            {why.map(|why| view! { <span class="why" id=why_id>{why}</span> })}
            {hint.map(|hint| view! { <span class="hint" id=hint_id>{hint}</span> })}
        </div>
    }
}

/// A choice among a few; `options` are values with the words people read.
#[component]
pub fn Choice(
    #[prop(into)] name: String,
    #[prop(into)] label: String,
    typed: Typed,
    options: Vec<(String, String)>,
    #[prop(optional, into)] value: String,
    #[prop(optional, into)] hint: Option<String>,
) -> impl IntoView {
    let why = typed.why(&name);
    let wrong = why.is_some();
    let (why_id, hint_id) = (format!("{name}-why"), format!("{name}-hint"));
    let described = describe(why.is_some().then_some(&why_id), hint.is_some().then_some(&hint_id));
    let chosen = typed.text_or(&name, &value);
    let options = options
        .into_iter()
        .map(|(value, words)| {
            let selected = value == chosen;
            view! { <option value=value selected=selected>{words}</option> }
        })
        .collect_view();
    view! {
        <div class="field" class:wrong=wrong>
            <label for=name.clone()>{label}</label>
            <select id=name.clone() name=name.clone() aria-describedby=described aria-invalid=wrong.then_some("true") autofocus=wrong>{options}</select>
            {why.map(|why| view! { <span class="why" id=why_id>{why}</span> })}
            {hint.map(|hint| view! { <span class="hint" id=hint_id>{hint}</span> })}
        </div>
    }
}

/// Carried by every form: pressing its button twice does it once.
#[component]
pub fn Once() -> impl IntoView {
    view! { <input type="hidden" name="_key" value=uuid::Uuid::now_v7().to_string()/> }
}

/// Carried by forms that change something: a change of what changed meanwhile is refused, however often it is pressed.
#[component]
pub fn Seen(version: i64) -> impl IntoView {
    view! { <input type="hidden" name="_version" value=stale().unwrap_or(version).to_string()/> }
}

/// The way to insist, in a form that was refused because somebody else changed the same meanwhile. `version` is what it overwrites;
/// `operation` is the form's button.
#[component]
pub fn Overwrite(version: i64, typed: Typed, operation: &'static str) -> impl IntoView {
    (typed.operation() == operation && typed.stale().is_some()).then(|| {
        view! {
            <label class="check"><input type="checkbox" name="_overwrite" value=version.to_string()/><span>"Overwrite it"<br/><span class="small muted">"What was changed meanwhile gives way to what stands here."</span></span></label>
        }
    })
}

fn describe(why: Option<&String>, hint: Option<&String>) -> Option<String> {
    let ids: Vec<&str> = why.into_iter().chain(hint).map(String::as_str).collect();
    (!ids.is_empty()).then(|| ids.join(" "))
}
