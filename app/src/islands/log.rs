//! Lines of replicas, as they are written.

use domain::Timestamp;
use leptos::prelude::*;

/// Shows its children, which are the lines so far; once awake, the stream at `source` takes over, each message one line as JSON.
/// Lines stand in the order of their time, whichever replica they are from. While it is paused, new ones wait.
#[island]
pub fn Log(
    /// The event stream's address. It starts with the last lines, so what was drawn makes room for it.
    source: String,
    children: Children,
) -> impl IntoView {
    let (place, pause) = (NodeRef::<leptos::html::Div>::new(), NodeRef::<leptos::html::Button>::new());
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        if let (Some(place), Some(pause)) = (place.get(), pause.get()) {
            lines::start(source.clone(), place.into(), pause.into());
        }
    });
    #[cfg(not(feature = "hydrate"))]
    let _ = source;
    view! {
        <div class="log-frame">
            <button class="small wakes" type="button" aria-pressed="false" node_ref=pause>"Pause"</button>
            <div node_ref=place class="log" role="log" aria-label="Log lines" tabindex="0">{children()}</div>
        </div>
    }
}

/// `09:31:07.042`, which is enough beside a line; the day is one hover away.
#[must_use]
pub fn clock(at: Timestamp) -> String {
    let (hour, minute, second, milli) = at.0.to_hms_milli();
    format!("{hour:02}:{minute:02}:{second:02}.{milli:03}")
}

#[cfg(feature = "hydrate")]
mod lines {
    use std::{
        cell::{Cell, RefCell},
        rc::Rc,
    };

    use domain::deployment::LogLine;
    use wasm_bindgen::{JsCast, closure::Closure};
    use web_sys::{Document, Element};

    use super::{
        merge::{Merge, Placed},
        said::said,
    };

    /// The lines, and where they are drawn.
    struct Lines {
        document: Document,
        place: Element,
        pause: Element,
        merge: RefCell<Merge>,
        /// What was said at the end, behind all lines.
        said: RefCell<Option<Element>>,
    }

    pub fn start(source: String, place: Element, pause: Element) {
        let Some(document) = place.owner_document() else { return };
        let lines = Rc::new(Lines { document: document.clone(), place, pause, merge: RefCell::default(), said: RefCell::default() });
        lines.listen();
        let fresh = Rc::new(Cell::new(true));
        let opened = {
            let fresh = Rc::clone(&fresh);
            move || fresh.set(true)
        };
        let told = {
            let lines = Rc::clone(&lines);
            move |data: String| {
                let Ok(line) = serde_json::from_str::<LogLine>(&data) else { return };
                if fresh.replace(false) {
                    lines.begin();
                }
                lines.take(line);
            }
        };
        let ended = move |why: String| lines.end(if why.is_empty() { "That was all." } else { &why });
        let follower = crate::islands::stream::Follower { event: "line", opened: Box::new(opened), told: Box::new(told), ended: Box::new(ended) };
        crate::islands::stream::follow(&document, source, follower);
    }

    impl Lines {
        /// The stream begins anew, with the last lines.
        fn begin(&self) {
            if self.merge.borrow_mut().begin() {
                self.empty();
            }
        }

        fn take(&self, line: LogLine) {
            let shown = self.merge.borrow_mut().take(line);
            match shown {
                Some(line) => self.show(&line),
                None => self.name_button(),
            }
        }

        fn listen(self: &Rc<Self>) {
            let lines = Rc::clone(self);
            let on_click = Closure::<dyn FnMut()>::new(move || {
                if lines.merge.borrow().paused() {
                    lines.go_on();
                } else {
                    lines.merge.borrow_mut().pause();
                }
                lines.name_button();
            });
            let _ = self.pause.add_event_listener_with_callback("click", on_click.as_ref().unchecked_ref());
            on_click.forget();
        }

        fn go_on(&self) {
            let went_on = self.merge.borrow_mut().go_on();
            if went_on.anew {
                self.empty();
            }
            for line in went_on.lines {
                self.show(&line);
            }
        }

        fn name_button(&self) {
            let merge = self.merge.borrow();
            let word = match (merge.paused(), merge.unseen()) {
                (false, _) => "Pause".to_owned(),
                (true, 0) => "Go on".to_owned(),
                (true, unseen) => format!("Go on ({unseen} new)"),
            };
            self.pause.set_text_content(Some(&word));
            let _ = self.pause.set_attribute("aria-pressed", if merge.paused() { "true" } else { "false" });
        }

        fn show(&self, line: &LogLine) {
            let Some(row) = draw(&self.document, line) else { return };
            let stays = self.reads();
            let Placed { at, first, over } = self.merge.borrow_mut().place(line.at);
            if first {
                // What the server drew, or said instead of lines, is not counted.
                self.empty();
            }
            let before = u32::try_from(at).ok().and_then(|at| self.place.children().item(at));
            let _ = self.place.insert_before(&row, before.as_ref().map(AsRef::as_ref));
            if over && let Some(oldest) = self.place.first_element_child() {
                oldest.remove();
            }
            self.scroll(stays);
        }

        fn empty(&self) {
            self.place.set_text_content(None);
            if let Some(said) = &*self.said.borrow() {
                let _ = self.place.append_child(said);
            }
        }

        fn end(&self, why: &str) {
            let stays = self.reads();
            if let Ok(said) = self.document.create_element("p") {
                said.set_class_name("said");
                said.set_text_content(Some(why));
                let _ = self.place.append_child(&said);
                self.said.replace(Some(said));
            }
            self.scroll(stays);
        }

        /// Whoever has scrolled up is reading.
        fn reads(&self) -> bool {
            self.place.scroll_top() + self.place.client_height() + 40 < self.place.scroll_height()
        }

        fn scroll(&self, stays: bool) {
            if !stays {
                self.place.set_scroll_top(self.place.scroll_height());
            }
        }
    }

    fn draw(document: &Document, line: &LogLine) -> Option<web_sys::Node> {
        let (row, pod, text) = (document.create_element("p").ok()?, document.create_element("span").ok()?, document.create_element("span").ok()?);
        pod.set_text_content(Some(&line.pod));
        let _ = pod.set_attribute("title", &line.pod);
        text.set_text_content(Some(said(line)));
        row.append_child(&pod).ok()?;
        if let Some(at) = line.at {
            let time = document.create_element("time").ok()?;
            time.set_text_content(Some(&super::clock(at)));
            let _ = time.set_attribute("title", &at.to_string());
            row.append_child(&time).ok()?;
        }
        row.append_child(&text).ok()?;
        Some(row.unchecked_into())
    }
}

#[cfg(any(feature = "hydrate", test))]
mod merge;
pub mod said;
