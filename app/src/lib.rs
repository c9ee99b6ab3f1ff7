//! What people see: pages rendered on the server, and small islands that add liveness.
//!
//! A page is an async function that loads what it shows through `control` and gives back a [`page::Page`]; nothing is
//! fetched while it renders, so its HTML is whole before the first byte leaves. Everything works without JavaScript.

// Views are types, and a page is a deep one.
#![recursion_limit = "512"]

pub mod components;
pub mod islands;

#[cfg(feature = "ssr")]
pub mod buttons;
#[cfg(feature = "ssr")]
pub mod form;
#[cfg(feature = "ssr")]
pub mod page;
#[cfg(feature = "ssr")]
pub mod pages;
#[cfg(feature = "ssr")]
pub mod said;
#[cfg(feature = "ssr")]
pub mod variables;

/// Wakes the islands of a page.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    leptos::mount::hydrate_islands();
    if let Some(document) = web_sys::window().and_then(|window| window.document()) {
        islands::copy::listen(&document);
        if let Some(root) = document.document_element() {
            // The style sheet hides what only the script can answer until then.
            let _ = root.class_list().add_1("awake");
        }
    }
}
