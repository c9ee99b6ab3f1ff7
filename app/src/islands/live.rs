//! Parts of a page that are drawn anew, by the server, whenever what they show changes.

use leptos::prelude::*;

/// Shows its children, then what the event stream at `source` sends. Parts of a message whose id is on the page go to the
/// element with that id, wherever it is; a message without such takes the place of the children. Closed while the tab is hidden.
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
            start(source.clone(), &place);
        }
    });
    #[cfg(not(feature = "hydrate"))]
    let _ = source;
    view! { <div node_ref=place class="live">{children()}</div> }
}

#[cfg(feature = "hydrate")]
fn start(source: String, place: &web_sys::HtmlElement) {
    let Some(document) = place.owner_document() else { return };
    // The frame keeps server-drawn children in an element of its own.
    let place: web_sys::Element = place.query_selector("leptos-children").ok().flatten().unwrap_or_else(|| place.clone().into());
    let told = {
        let document = document.clone();
        move |html: String| super::morph::put(&document, &place, &html)
    };
    let follower = super::stream::Follower { event: "message", opened: Box::new(|| {}), told: Box::new(told), ended: Box::new(|_| {}) };
    super::stream::follow(&document, source, follower);
}
