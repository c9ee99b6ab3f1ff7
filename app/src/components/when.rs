//! Moments and durations, as people say them.

use std::time::Duration;

use domain::Timestamp;
use leptos::prelude::*;

/// How long ago it was, with the exact moment one hover away.
#[component]
pub fn Ago(at: Timestamp) -> impl IntoView {
    let exact = exact(at);
    view! { <time datetime=at.to_string() title=exact>{at.ago(control::clock::now())}</time> }
}

/// `24 Nov 2026 09:31:07 UTC`
#[must_use]
pub fn exact(at: Timestamp) -> String {
    let (date, month) = (at.0.date(), at.0.month().to_string());
    let (hour, minute, second) = at.0.to_hms();
    format!("{} {} {} {hour:02}:{minute:02}:{second:02} UTC", date.day(), &month[..3], date.year())
}

/// A day, with the exact moment one hover away.
#[component]
pub fn Day(at: Timestamp) -> impl IntoView {
    let exact = exact(at);
    view! { <time datetime=at.to_string() title=exact>{day(at)}</time> }
}

/// `24 Nov 2026`
#[must_use]
pub fn day(at: Timestamp) -> String {
    let month = at.0.month().to_string();
    format!("{} {} {}", at.0.day(), &month[..3], at.0.year())
}

/// `0.4 s`, `12 s`, `2 min 4 s`, `1 h 3 min`
#[must_use]
pub fn took(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=9 => format!("{:.1} s", time.as_secs_f64()),
        10..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn durations_are_as_exact_as_anybody_cares() {
        for (millis, words) in [(0, "0.0 s"), (420, "0.4 s"), (12_900, "12 s"), (124_000, "2 min 4 s"), (3_780_000, "1 h 3 min")] {
            assert_eq!(took(Duration::from_millis(millis)), words);
        }
    }

    #[test]
    fn the_exact_moment_is_written_out() {
        assert_eq!(exact(Timestamp(datetime!(2026-11-04 09:01:07 UTC))), "4 Nov 2026 09:01:07 UTC");
    }
}
