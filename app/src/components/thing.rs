//! Things that operations and events are about, with the way to them.

use domain::operation::ObjectKind;
use leptos::prelude::*;

/// The page of a thing; some kinds have none of their own.
#[must_use]
pub fn path(kind: ObjectKind, id: &str) -> Option<String> {
    match kind {
        ObjectKind::Team => Some(format!("/teams/{id}")),
        ObjectKind::Cluster => Some(format!("/clusters/{id}")),
        ObjectKind::Account => Some(format!("/accounts/{id}")),
        ObjectKind::Workspace => Some(format!("/workspaces/{id}")),
        ObjectKind::Model => Some(format!("/models/{id}")),
        ObjectKind::Release => Some(format!("/releases/{id}")),
        ObjectKind::Deployment => Some(format!("/deployments/{id}")),
        ObjectKind::Operation => Some(format!("/operations/{id}")),
        ObjectKind::User | ObjectKind::Invitation => Some("/users".into()),
        ObjectKind::Token | ObjectKind::Installation => None,
    }
}

/// A thing's name, as a link where it has a page.
#[component]
pub fn Thing(kind: ObjectKind, #[prop(into)] id: String, #[prop(into)] name: String) -> impl IntoView {
    match path(kind, &id) {
        Some(path) => view! { <a href=path>{name}</a> }.into_any(),
        None => view! { <span>{name}</span> }.into_any(),
    }
}

/// The first letter made large: verbs begin titles.
#[must_use]
pub fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
