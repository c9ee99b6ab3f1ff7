//! Copies what people copy. One listener for the page, so that buttons drawn later work too.

use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Document, Element, Event, HtmlElement};

const SAID_FOR_MS: i32 = 1600;

/// Answers every button with `data-copies`, which holds the id of the element to copy.
pub fn listen(document: &Document) {
    let on_click = {
        let document = document.clone();
        Closure::<dyn FnMut(Event)>::new(move |event: Event| {
            let button = event.target().and_then(|target| target.dyn_into::<Element>().ok()).and_then(|target| target.closest("button[data-copies]").ok().flatten());
            if let Some(button) = button {
                copy(&document, &button.unchecked_into());
            }
        })
    };
    let _ = document.add_event_listener_with_callback("click", on_click.as_ref().unchecked_ref());
    on_click.forget();
}

fn copy(document: &Document, button: &HtmlElement) {
    let Some(source) = button.dataset().get("copies").and_then(|id| document.get_element_by_id(&id)) else { return };
    let Some(window) = document.default_view() else { return };
    let text = source.text_content().unwrap_or_default();
    let clipboard = window.navigator().clipboard();
    let button = button.clone();
    leptos::task::spawn_local(async move {
        // Browsers refuse outside of secure origins; the text can still be selected.
        let done = !clipboard.is_undefined() && wasm_bindgen_futures::JsFuture::from(clipboard.write_text(&text)).await.is_ok();
        // Kept with the button: a second press in the meantime must not take the answer for the button's own word.
        let kept = button.dataset().get("says").or_else(|| button.text_content()).unwrap_or_default();
        let _ = button.dataset().set("says", &kept);
        button.set_text_content(Some(if done { "Copied" } else { "Select and copy" }));
        let again = Closure::once_into_js(move || button.set_text_content(Some(&kept)));
        let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(again.unchecked_ref(), SAID_FOR_MS);
    });
}
