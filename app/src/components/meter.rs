//! How much of something is used.

use leptos::prelude::*;

/// A bar with its numbers; at 80 % it warns, at the limit it says stop.
#[component]
pub fn Meter(
    #[prop(into)] label: String,
    used: i64,
    limit: i64,
    /// The two numbers in words: `1.5 of 8 CPU`.
    #[prop(into)]
    words: String,
    /// Whether being full is a matter of concern.
    #[prop(default = true)]
    warns: bool,
) -> impl IntoView {
    let share = if limit > 0 { (used as f64 / limit as f64).clamp(0.0, 1.0) } else { 0.0 };
    let tone = match share {
        share if warns && share >= 1.0 => "bad",
        share if warns && share >= 0.8 => "warn",
        _ => "",
    };
    view! {
        <div class=format!("meter {tone}")>
            <div><span class="muted">{label}</span><span class="number">{words}</span></div>
            <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect width=format!("{:.1}", share * 100.0) height="6"></rect></svg>
        </div>
    }
}
