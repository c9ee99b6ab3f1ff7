//! Lines of replicas, as they are written.

use leptos::prelude::*;

/// Shows its children, which are the lines so far; once awake, the stream at `source` takes over, each message one line as JSON.
#[island]
pub fn Log(
    /// The event stream's address. It starts with the last lines, so what was drawn makes room for it.
    source: String,
    children: Children,
) -> impl IntoView {
    let place = NodeRef::<leptos::html::Div>::new();
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        if let Some(place) = place.get() {
            lines::start(source.clone(), place.into());
        }
    });
    #[cfg(not(feature = "hydrate"))]
    let _ = source;
    view! { <div node_ref=place class="log" role="log" aria-label="Log lines" tabindex="0">{children()}</div> }
}

#[cfg(feature = "hydrate")]
mod lines {
    use domain::deployment::LogLine;
    use wasm_bindgen::JsCast;
    use web_sys::{Document, Element};

    /// More than anybody reads in a browser; older lines make room.
    const KEPT: u32 = 3000;

    pub fn start(source: String, place: Element) {
        let Some(document) = place.owner_document() else { return };
        let fresh = std::rc::Rc::new(std::cell::Cell::new(true));
        let opened = {
            let fresh = std::rc::Rc::clone(&fresh);
            move || fresh.set(true)
        };
        let told = {
            let (document, place) = (document.clone(), place.clone());
            move |data: String| {
                let Ok(line) = serde_json::from_str::<LogLine>(&data) else { return };
                if fresh.replace(false) {
                    place.set_text_content(None);
                }
                if let Some(row) = draw(&document, &line) {
                    append(&place, &row);
                }
            }
        };
        let ended = {
            let document = document.clone();
            move |why: String| {
                if let Ok(said) = document.create_element("p") {
                    said.set_class_name("said");
                    said.set_text_content(Some(if why.is_empty() { "That was all." } else { &why }));
                    append(&place, &said);
                }
            }
        };
        let follower = crate::islands::stream::Follower { event: "line", opened: Box::new(opened), told: Box::new(told), ended: Box::new(ended) };
        crate::islands::stream::follow(&document, source, follower);
    }

    fn append(place: &Element, row: &web_sys::Node) {
        let stays = place.scroll_top() + place.client_height() + 40 < place.scroll_height();
        let _ = place.append_child(row);
        while place.child_element_count() > KEPT
            && let Some(oldest) = place.first_element_child()
        {
            oldest.remove();
        }
        // Whoever has scrolled up is reading.
        if !stays {
            place.set_scroll_top(place.scroll_height());
        }
    }

    fn draw(document: &Document, line: &LogLine) -> Option<web_sys::Node> {
        let (row, pod, text) = (document.create_element("p").ok()?, document.create_element("span").ok()?, document.create_element("span").ok()?);
        pod.set_text_content(Some(&line.pod));
        let _ = pod.set_attribute("title", &line.pod);
        text.set_text_content(Some(&line.text));
        if let Some(at) = line.at {
            let _ = text.set_attribute("title", &at.to_string());
        }
        row.append_child(&pod).ok()?;
        row.append_child(&text).ok()?;
        Some(row.unchecked_into())
    }
}
