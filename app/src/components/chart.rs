//! Time series as small pictures.

use leptos::prelude::*;

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 72.0;
const EDGE: f64 = 2.0;

/// A line over time; `mark` is the point at which something happened.
#[component]
pub fn Sparkline(
    #[prop(into)] label: String,
    points: Vec<f64>,
    /// The newest value in words.
    #[prop(into)]
    now: String,
    #[prop(optional)] mark: Option<usize>,
) -> impl IntoView {
    let line = polyline(&points);
    let under = format!("{EDGE},{base} {line} {right},{base}", base = HEIGHT - 8.0, right = WIDTH - EDGE);
    let mark = mark.filter(|_| points.len() > 1).map(|at| {
        let x = across(at, points.len());
        view! { <path class="mark" d=format!("M{x:.1} 4V{}", HEIGHT - 8.0)></path> }
    });
    let says = format!("{label}, now {now}");
    view! {
        <figure class="chart">
            <figcaption><span class="small muted">{label}</span><strong>{now}</strong></figcaption>
            <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label=says>
                <path class="ground" d=format!("M{EDGE} {base}H{}", WIDTH - EDGE, base = HEIGHT - 8.0)></path>
                {mark}
                <polygon class="under" points=under></polygon>
                <polyline class="over" points=line></polyline>
            </svg>
        </figure>
    }
}

fn across(at: usize, count: usize) -> f64 {
    let steps = count.saturating_sub(1).max(1) as f64;
    EDGE + at as f64 * (WIDTH - 2.0 * EDGE) / steps
}

/// The highest point keeps a margin above it; a flat line of zeros lies on the ground.
fn polyline(points: &[f64]) -> String {
    let top = points.iter().copied().fold(0.0, f64::max);
    let room = HEIGHT - 8.0 - 15.0;
    let place = |value: f64| if top > 0.0 { HEIGHT - 8.0 - value.max(0.0) / top * room } else { HEIGHT - 8.0 };
    let placed: Vec<String> = points.iter().enumerate().map(|(at, value)| format!("{:.1},{:.1}", across(at, points.len()), place(*value))).collect();
    placed.join(" ")
}

#[cfg(test)]
mod tests {
    use super::polyline;

    #[test]
    fn the_highest_point_is_at_the_top_and_zero_on_the_ground() {
        assert_eq!(polyline(&[0.0, 10.0]), "2.0,64.0 298.0,15.0");
        assert_eq!(polyline(&[0.0, 0.0]), "2.0,64.0 298.0,64.0");
        assert_eq!(polyline(&[]), "");
    }
}
