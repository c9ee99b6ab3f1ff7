//! A status: colour, icon and word, always together.

use domain::state::Tone;
use leptos::prelude::*;

use super::icon::ToneIcon;

/// A status in its tone.
#[component]
pub fn Status(tone: Tone, #[prop(into)] word: String) -> impl IntoView {
    view! {
        <span class=format!("status {}", tone.class())><ToneIcon tone/>{word}</span>
    }
}
