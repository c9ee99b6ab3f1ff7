//! Icons, drawn with the text's colour and hidden from readers, which get the word beside them.

use domain::state::Tone;
use leptos::prelude::*;

/// The sign of a tone.
#[component]
pub fn ToneIcon(tone: Tone) -> impl IntoView {
    let (path, class) = match tone {
        Tone::Good => ("M2.5 6.5 5 9l4.5-6", ""),
        Tone::Busy => ("M6 1.5A4.5 4.5 0 1 1 1.5 6", "turn"),
        Tone::Warn => ("M6 2v4.5M6 9.6v.1", ""),
        Tone::Bad => ("m3 3 6 6M9 3 3 9", ""),
        Tone::Idle => ("M6 3.5a2.5 2.5 0 1 0 0 5a2.5 2.5 0 1 0 0-5", ""),
    };
    view! {
        <svg class=class viewBox="0 0 12 12" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
            <path d=path></path>
        </svg>
    }
}
