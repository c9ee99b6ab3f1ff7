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
        collections::VecDeque,
        rc::Rc,
    };

    use domain::{Timestamp, deployment::LogLine};
    use wasm_bindgen::{JsCast, closure::Closure};
    use web_sys::{Document, Element};

    use super::order;

    /// More than anybody reads in a browser; older lines make room.
    const KEPT: usize = 3000;

    /// The lines that are shown, and those that wait while it is paused.
    struct Lines {
        document: Document,
        place: Element,
        pause: Element,
        /// The times of what is shown, row by row.
        times: RefCell<VecDeque<Option<Timestamp>>>,
        waiting: RefCell<VecDeque<LogLine>>,
        paused: Cell<bool>,
    }

    pub fn start(source: String, place: Element, pause: Element) {
        let Some(document) = place.owner_document() else { return };
        let lines = Rc::new(Lines { document: document.clone(), place, pause, times: RefCell::default(), waiting: RefCell::default(), paused: Cell::new(false) });
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
                    lines.clear();
                }
                lines.take(line);
            }
        };
        let ended = move |why: String| lines.end(if why.is_empty() { "That was all." } else { &why });
        let follower = crate::islands::stream::Follower { event: "line", opened: Box::new(opened), told: Box::new(told), ended: Box::new(ended) };
        crate::islands::stream::follow(&document, source, follower);
    }

    impl Lines {
        /// The stream begins anew with the last lines. What is paused stays as it is being read, until it goes on.
        fn clear(&self) {
            self.waiting.borrow_mut().clear();
            if !self.paused.get() {
                self.place.set_text_content(None);
                self.times.borrow_mut().clear();
            }
        }

        fn take(&self, line: LogLine) {
            if !self.paused.get() {
                return self.show(&line);
            }
            let mut waiting = self.waiting.borrow_mut();
            waiting.push_back(line);
            if waiting.len() > KEPT {
                waiting.pop_front();
            }
            self.pause.set_text_content(Some(&format!("Go on ({} new)", waiting.len())));
        }

        fn listen(self: &Rc<Self>) {
            let lines = Rc::clone(self);
            let on_click = Closure::<dyn FnMut()>::new(move || {
                let paused = !lines.paused.get();
                lines.paused.set(paused);
                let _ = lines.pause.set_attribute("aria-pressed", if paused { "true" } else { "false" });
                lines.pause.set_text_content(Some(if paused { "Go on" } else { "Pause" }));
                let waiting = std::mem::take(&mut *lines.waiting.borrow_mut());
                for line in waiting {
                    lines.show(&line);
                }
            });
            let _ = self.pause.add_event_listener_with_callback("click", on_click.as_ref().unchecked_ref());
            on_click.forget();
        }

        fn show(&self, line: &LogLine) {
            let Some(row) = draw(&self.document, line) else { return };
            let stays = self.reads();
            let mut times = self.times.borrow_mut();
            if times.is_empty() {
                // What the server drew, or said instead of lines, is not counted.
                self.place.set_text_content(None);
            }
            let at = order::place(&times, line.at);
            let before = u32::try_from(at).ok().and_then(|at| self.place.children().item(at));
            let _ = self.place.insert_before(&row, before.as_ref().map(AsRef::as_ref));
            times.insert(at, line.at);
            while times.len() > KEPT {
                times.pop_front();
                if let Some(oldest) = self.place.first_element_child() {
                    oldest.remove();
                }
            }
            self.scroll(stays);
        }

        fn end(&self, why: &str) {
            let stays = self.reads();
            if let Ok(said) = self.document.create_element("p") {
                said.set_class_name("said");
                said.set_text_content(Some(why));
                let _ = self.place.append_child(&said);
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
        text.set_text_content(Some(&line.text));
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
mod order {
    use std::collections::VecDeque;

    use domain::Timestamp;

    /// Where a line of this time goes among lines that are in order: behind those of the same time. One without a time comes last.
    pub fn place(times: &VecDeque<Option<Timestamp>>, at: Option<Timestamp>) -> usize {
        let Some(at) = at else { return times.len() };
        // Lines come nearly in order, so the place is near the end.
        times.iter().rposition(|shown| shown.is_none_or(|shown| shown.0 <= at.0)).map_or(0, |last| last + 1)
    }

    #[cfg(test)]
    mod tests {
        use std::time::Duration;

        use time::macros::datetime;

        use super::*;

        #[test]
        fn lines_of_several_replicas_are_in_the_order_of_their_time() {
            let at = |second: u64| Some(Timestamp(datetime!(2026-11-24 09:00:00 UTC) + Duration::from_secs(second)));
            let mut times = VecDeque::new();
            // The last lines of one replica come before those of the next.
            for second in [1, 4, 9, 2, 4, 8, 10, 0] {
                let place = place(&times, at(second));
                times.insert(place, at(second));
            }
            assert_eq!(times, [0, 1, 2, 4, 4, 8, 9, 10].map(at));
            assert_eq!(place(&times, None), 8);
        }
    }
}
