//! What people copy.

use leptos::prelude::*;

/// Text to copy, as it is. The button is seen where the script is awake; without it the text can be selected.
#[component]
pub fn CopyBlock(
    /// Unlike any other on the page.
    #[prop(into)]
    id: String,
    #[prop(into)] text: String,
    /// What it is, for whoever hears the page.
    #[prop(into)]
    label: String,
) -> impl IntoView {
    view! {
        <div class="copy">
            <pre id=id.clone() tabindex="0" role="region" aria-label=label.clone()>{text}</pre>
            <button type="button" data-copies=id aria-label=format!("Copy {label}")>"Copy"</button>
        </div>
    }
}

/// The raw words of something outside, one click away.
#[component]
pub fn Raw(#[prop(into)] title: String, #[prop(into)] text: String) -> impl IntoView {
    view! {
        <details>
            <summary class="small">{title.clone()}</summary>
            <pre class="wrap" tabindex="0" role="region" aria-label=title>{text}</pre>
        </details>
    }
}
