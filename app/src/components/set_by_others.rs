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
    let what = field.what();
    let ChangedField { kind, name, field, manager, wanted, found } = field;
    let of = format!(" of {kind} {name}");
    let value = |value: String| view! { <code>{value}</code> };
    let became = match (manager, found, wanted) {
        (Some(_), Some(found), Some(wanted)) => view! { " is "{value(found)}" instead of "{value(wanted)}", "{what} }.into_any(),
        (Some(_), Some(found), None) => view! { " is "{value(found)}", "{what} }.into_any(),
        (Some(_), None, _) | (None, _, None) => view! { ", "{what} }.into_any(),
        (None, _, Some(wanted)) => view! { " was "{value(wanted)}", and was "{what} }.into_any(),
    };
    view! { <code>{field}</code>{of}{became} }
}
