//! What others changed in a cluster.

use domain::operation::ChangedField;
use leptos::prelude::*;

/// Each field with what became of it; nothing where there is none.
#[component]
pub fn SetByOthers(fields: Vec<ChangedField>) -> impl IntoView {
    let items = fields.into_iter().map(|field| view! { <li><Changed field/></li> }).collect::<Vec<_>>();
    (!items.is_empty()).then(|| view! { <ul>{items}</ul> })
}

#[component]
fn Changed(field: ChangedField) -> impl IntoView {
    let (of, what) = (field.of(), field.what());
    let value = |value: String| view! { <code>{value}</code> };
    let became = match (field.found, field.wanted) {
        (Some(found), Some(wanted)) => view! { {format!("{of} is ")}{value(found)}" instead of "{value(wanted)}{format!(", {what}")} }.into_any(),
        (Some(found), None) => view! { {format!("{of} is ")}{value(found)}{format!(", {what}")} }.into_any(),
        (None, Some(wanted)) => view! { {format!("{of} was ")}{value(wanted)}{format!(", {what}")} }.into_any(),
        (None, None) => format!("{of}, {what}").into_any(),
    };
    view! { <code>{field.field}</code>{became} }
}
