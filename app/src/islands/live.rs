//! A part of a page that is drawn anew, by the server, whenever what it shows changes.

use leptos::prelude::*;

/// Shows its children, then whatever the event stream at `source` sends in their place. Closed while the tab is hidden.
#[island]
pub fn Live(
    /// The event stream's address.
    source: String,
    children: Children,
) -> impl IntoView {
    let place = NodeRef::<leptos::html::Div>::new();
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        if let Some(place) = place.get() {
            stream::follow(&source, &place);
        }
    });
    #[cfg(not(feature = "hydrate"))]
    let _ = source;
    view! { <div node_ref=place class="live">{children()}</div> }
}

#[cfg(feature = "hydrate")]
mod stream {
    use std::{cell::RefCell, rc::Rc};

    use wasm_bindgen::{JsCast, closure::Closure};
    use web_sys::{EventSource, HtmlElement, MessageEvent, VisibilityState};

    /// Opens the stream, and keeps it open exactly while the tab is seen.
    pub fn follow(source: &str, place: &HtmlElement) {
        let Some(document) = web_sys::window().and_then(|window| window.document()) else { return };
        let current: Rc<RefCell<Option<EventSource>>> = Rc::default();
        let turn = {
            let (source, place, document) = (source.to_owned(), place.clone(), document.clone());
            move || {
                if document.visibility_state() == VisibilityState::Hidden {
                    if let Some(stream) = current.borrow_mut().take() {
                        stream.close();
                    }
                } else if current.borrow().is_none() {
                    *current.borrow_mut() = open(&source, &place);
                }
            }
        };
        turn();
        let on_turn = Closure::<dyn FnMut()>::new(turn);
        // Only a browser without events refuses; the page then stays as it was drawn.
        let _ = document.add_event_listener_with_callback("visibilitychange", on_turn.as_ref().unchecked_ref());
        on_turn.forget();
    }

    fn open(source: &str, place: &HtmlElement) -> Option<EventSource> {
        let stream = EventSource::new(source).ok()?;
        let place = place.clone();
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
            if let Some(html) = message.data().as_string()
                && place.inner_html() != html
            {
                place.set_inner_html(&html);
            }
        });
        stream.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        on_message.forget();
        Some(stream)
    }
}
