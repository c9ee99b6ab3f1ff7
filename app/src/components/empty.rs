//! Nothing here yet: what it would be, and the next step.

use leptos::prelude::*;

/// Stands where a list or a picture will be; children are the way to the next step.
#[component]
pub fn EmptyState(#[prop(into)] title: String, #[prop(into)] text: String, #[prop(optional)] children: Option<Children>) -> impl IntoView {
    view! {
        <section class="card empty">
            <h2>{title}</h2>
            <p>{text}</p>
            {children.map(|children| view! { <div class="row">{children()}</div> })}
        </section>
    }
}
