//! What others set in a cluster.

use domain::operation::OwnedField;
use leptos::prelude::*;

/// Each field with its owner; nothing where there is none.
#[component]
pub fn SetByOthers(fields: Vec<OwnedField>) -> impl IntoView {
    let items = fields.into_iter().map(|owned| view! { <li><code>{owned.field}</code>", set by "{owned.manager}</li> }).collect::<Vec<_>>();
    (!items.is_empty()).then(|| view! { <ul>{items}</ul> })
}
