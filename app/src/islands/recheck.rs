//! A form that shows what its button would do, while it is being filled in.

use leptos::prelude::*;

/// Whenever the form changes, asks its page to check it, as its button `do=check` does, and takes the part with the answer.
#[island]
pub fn Recheck(
    /// The form's id.
    form: String,
    /// The ids of the parts to take from the answer.
    parts: Vec<String>,
) -> impl IntoView {
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| checking::start(&form, parts.clone()));
    #[cfg(not(feature = "hydrate"))]
    let _ = (form, parts);
}

#[cfg(feature = "hydrate")]
mod checking {
    use std::{cell::Cell, rc::Rc};

    use wasm_bindgen::{JsCast, JsValue, closure::Closure};
    use wasm_bindgen_futures::JsFuture;
    use web_sys::{Document, Element, Event, FormData, HtmlFormElement, RequestInit, Response, UrlSearchParams, Window};

    /// As long as people pause between keys.
    const QUIET_MS: i32 = 350;

    pub fn start(form: &str, parts: Vec<String>) {
        let Some((window, document)) = web_sys::window().and_then(|window| window.document().map(|document| (window, document))) else { return };
        let Some(form) = document.get_element_by_id(form).and_then(|form| form.dyn_into::<HtmlFormElement>().ok()) else { return };
        let parts = Rc::new(parts);
        // Only the newest answer counts.
        let asked = Rc::new(Cell::new(0u32));
        let on_input = {
            let form = form.clone();
            Closure::<dyn FnMut(Event)>::new(move |event: Event| {
                forget_what_was_wrong(&event);
                let turn = asked.get().wrapping_add(1);
                asked.set(turn);
                let (window_later, document, form, parts, asked) = (window.clone(), document.clone(), form.clone(), Rc::clone(&parts), Rc::clone(&asked));
                let later = Closure::once_into_js(move || {
                    if asked.get() == turn {
                        leptos::task::spawn_local(async move {
                            // Without an answer the part stays as it was, and the button says what is wrong.
                            if let Ok(html) = ask(&window_later, &form).await
                                && asked.get() == turn
                            {
                                show(&document, &html, &parts);
                            }
                        });
                    }
                });
                let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(later.unchecked_ref(), QUIET_MS);
            })
        };
        let _ = form.add_event_listener_with_callback("input", on_input.as_ref().unchecked_ref());
        on_input.forget();
    }

    /// What was wrong with a field was said of what stood there before.
    fn forget_what_was_wrong(event: &Event) {
        let typed_into = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        let Some(field) = typed_into.and_then(|input| input.closest(".field.wrong").ok().flatten()) else { return };
        field.set_class_name("field");
        if let Ok(Some(why)) = field.query_selector(".why") {
            why.remove();
        }
        if let Ok(Some(input)) = field.query_selector("[aria-invalid]") {
            let _ = input.remove_attribute("aria-invalid");
        }
    }

    fn show(document: &Document, html: &str, parts: &[String]) {
        for part in parts {
            crate::islands::morph::take(document, html, part);
        }
    }

    async fn ask(window: &Window, form: &HtmlFormElement) -> Result<String, JsValue> {
        let data = FormData::new_with_form(form)?;
        data.set_with_str("do", "check")?;
        let body = UrlSearchParams::new_with_record_from_str_to_str(&js_sys::Object::new())?;
        for pair in js_sys::try_iter(&data)?.into_iter().flatten() {
            let pair: js_sys::Array = pair?.unchecked_into();
            if let (Some(name), Some(value)) = (pair.get(0).as_string(), pair.get(1).as_string()) {
                body.append(&name, &value);
            }
        }
        let init = RequestInit::new();
        init.set_method("POST");
        init.set_body(&body);
        let response: Response = JsFuture::from(window.fetch_with_str_and_init(&form.action(), &init)).await?.dyn_into()?;
        JsFuture::from(response.text()?).await?.as_string().ok_or(JsValue::NULL)
    }
}
