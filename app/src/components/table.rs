//! A table that can be scrolled sideways, with a finger or with the keyboard.

use leptos::prelude::*;

/// Holds `<thead>` and `<tbody>`.
#[component]
pub fn Table(
    /// What its rows are, for whoever hears the page.
    #[prop(into)]
    label: String,
    children: Children,
) -> impl IntoView {
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label=label>
            <table>{children()}</table>
        </div>
    }
}
