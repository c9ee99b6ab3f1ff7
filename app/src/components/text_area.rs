//! The one way to show typed text in a `<textarea>`: the framework does not escape a textarea's children, this does.

use leptos::prelude::*;

/// A textarea that holds `text`, whatever is in it.
#[component]
pub fn TextArea(
    #[prop(into)] id: String,
    #[prop(into)] name: String,
    #[prop(into)] text: String,
    #[prop(default = 4)] rows: u8,
    /// The id of the element that says what is wrong.
    #[prop(optional_no_strip)]
    described_by: Option<String>,
    #[prop(default = false)] invalid: bool,
    /// Whether it holds something for machines: JSON, variables.
    #[prop(default = false)]
    code: bool,
) -> impl IntoView {
    view! {
        <textarea class:code=code id=id name=name rows=rows.to_string() aria-describedby=described_by aria-invalid=invalid.then_some("true") autofocus=invalid inner_html=escape(&text)></textarea>
    }
}

/// The first line break after `<textarea>` is dropped by browsers, so one is put before the text.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    escaped.push('\n');
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use leptos::prelude::*;

    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        let html = crate::page::draw_part(|| view! { <TextArea id="d" name="d" text="</textarea><script>alert(1)</script>"/> });
        assert!(!html.contains("<script>"), "{html}");
        assert!(html.contains("&lt;/textarea&gt;&lt;script&gt;"), "{html}");
    }
}
