//! A status: colour, icon and word, always together. The icon comes with the style sheet: lists have many of them.

use domain::state::Tone;
use leptos::prelude::*;

/// A status in its tone.
#[component]
pub fn Status(tone: Tone, #[prop(into)] word: String) -> impl IntoView {
    view! { <span class=class(tone)>{word}</span> }
}

/// Colour and icon alone, beside words that say the same.
#[component]
pub fn Dot(tone: Tone) -> impl IntoView {
    let class = match tone {
        Tone::Good => "dot good",
        Tone::Busy => "dot busy",
        Tone::Warn => "dot warn",
        Tone::Bad => "dot bad",
        Tone::Idle => "dot idle",
    };
    view! { <span class=class aria-hidden="true"></span> }
}

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "status good",
        Tone::Busy => "status busy",
        Tone::Warn => "status warn",
        Tone::Bad => "status bad",
        Tone::Idle => "status idle",
    }
}
