//! For browsers that run no script.

use leptos::prelude::*;

/// What a page that moves by itself says where it cannot: how to see what has moved.
#[component]
pub fn LookAgain() -> impl IntoView {
    view! { <noscript><p class="small muted">"Without JavaScript this page shows how things stood when it was loaded. "<a href="">"Load it again"</a></p></noscript> }
}
