//! Terms and what they are.

use leptos::prelude::*;

/// A list of terms; holds [`Fact`]s.
#[component]
pub fn Facts(children: Children) -> impl IntoView {
    view! { <dl class="facts">{children()}</dl> }
}

/// One term and what it is.
#[component]
pub fn Fact(#[prop(into)] term: String, children: Children) -> impl IntoView {
    view! { <dt>{term}</dt><dd>{children()}</dd> }
}
