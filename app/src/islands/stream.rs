//! An event stream that is open exactly while the tab is seen. Where it cannot be, the page says that it is not live, and the
//! stream is tried again until it is.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Document, Element, EventSource, MessageEvent, VisibilityState};

/// How long a broken connection may take to come back before anybody is told.
const DOUBT_MS: i32 = 4000;
/// The longest wait between two tries.
const LONGEST_MS: i32 = 30_000;
const NOT_LIVE: &str = "<p>This page is not live just now and shows how things stood. It goes on by itself, or you <a href=\"\">load it again</a>.</p>";

/// What is done with a stream.
pub struct Follower {
    /// The events that carry something: `message` for those without a name.
    pub event: &'static str,
    /// Each time it opens, also when the browser has taken a broken connection up again by itself.
    pub opened: Box<dyn Fn()>,
    /// With the data of every event.
    pub told: Box<dyn Fn(String)>,
    /// When the server says, with an event named `end`, that nothing more will come; the stream then stays closed.
    pub ended: Box<dyn Fn(String)>,
}

/// Follows the stream at `source`.
pub fn follow(document: &Document, source: String, follower: Follower) {
    let following = Rc::new(Following {
        document: document.clone(),
        source,
        follower,
        notice: notice(document),
        stream: RefCell::default(),
        over: Cell::default(),
        refused: Cell::default(),
        timer: Cell::default(),
    });
    following.turn();
    let on_turn = Closure::<dyn FnMut()>::new(move || following.turn());
    // Only a browser without events refuses; the page then stays as it was drawn.
    let _ = document.add_event_listener_with_callback("visibilitychange", on_turn.as_ref().unchecked_ref());
    on_turn.forget();
}

/// Where the page says that it is not live. It is there and empty before, so that what it says later is read out.
fn notice(document: &Document) -> Option<Element> {
    let notice = document.create_element("div").ok()?;
    notice.set_class_name("not-live");
    let _ = notice.set_attribute("role", "status");
    document.query_selector("main").ok().flatten()?.append_child(&notice).ok()?;
    Some(notice)
}

struct Following {
    document: Document,
    source: String,
    follower: Follower,
    notice: Option<Element>,
    stream: RefCell<Option<Open>>,
    over: Cell<bool>,
    /// How often the server refused since the stream was open.
    refused: Cell<u32>,
    /// The timer that was set since the stream was open; there is no timer zero.
    timer: Cell<i32>,
}

impl Following {
    fn turn(self: &Rc<Self>) {
        if self.document.visibility_state() == VisibilityState::Hidden {
            self.rest();
            self.stream.take();
        } else if self.stream.borrow().is_none() && !self.over.get() {
            self.open();
        }
    }

    fn open(self: &Rc<Self>) {
        let opened = open(self);
        self.stream.replace(opened);
    }

    fn opened(&self) {
        self.rest();
        self.say("");
        (self.follower.opened)();
    }

    /// A lost connection the browser takes up again by itself; after any answer that is no stream it leaves that to us.
    fn failed(self: &Rc<Self>, stream: &EventSource) {
        if stream.ready_state() == EventSource::CLOSED {
            self.say(NOT_LIVE);
            let refused = self.refused.get();
            self.refused.set(refused + 1);
            // Not all pages at once, when a server is back.
            let wait = f64::from(LONGEST_MS.min(1000 << refused.min(5))) * (0.75 + js_sys::Math::random() / 2.0);
            self.later(wait as i32, Self::open);
        } else if self.timer.get() == 0 {
            self.later(DOUBT_MS, |following| following.say(NOT_LIVE));
        }
    }

    fn say(&self, words: &str) {
        if let Some(notice) = &self.notice {
            notice.set_inner_html(words);
        }
    }

    fn later(self: &Rc<Self>, ms: i32, then: fn(&Rc<Self>)) {
        let Some(window) = self.document.default_view() else { return };
        let following = Rc::clone(self);
        let then = Closure::once_into_js(move || then(&following));
        window.clear_timeout_with_handle(self.timer.get());
        self.timer.set(window.set_timeout_with_callback_and_timeout_and_arguments_0(then.unchecked_ref(), ms).unwrap_or_default());
    }

    /// Nothing is waited for any more.
    fn rest(&self) {
        self.refused.set(0);
        if let Some(window) = self.document.default_view() {
            window.clear_timeout_with_handle(self.timer.replace(0));
        }
    }
}

/// A stream with what listens to it; dropping it closes the stream and gives the listeners back.
struct Open {
    stream: EventSource,
    _on_open: Closure<dyn FnMut()>,
    _on_error: Closure<dyn FnMut()>,
    _on_event: Listener,
    _on_end: Listener,
}

type Listener = Closure<dyn FnMut(MessageEvent)>;

impl Drop for Open {
    fn drop(&mut self) {
        self.stream.close();
    }
}

fn open(following: &Rc<Following>) -> Option<Open> {
    let stream = EventSource::new(&following.source).ok()?;
    let opened = Rc::clone(following);
    let on_open = Closure::<dyn FnMut()>::new(move || opened.opened());
    let _ = stream.add_event_listener_with_callback("open", on_open.as_ref().unchecked_ref());
    let (failed, failing) = (Rc::clone(following), stream.clone());
    let on_error = Closure::<dyn FnMut()>::new(move || failed.failed(&failing));
    let _ = stream.add_event_listener_with_callback("error", on_error.as_ref().unchecked_ref());
    let told = Rc::clone(following);
    let on_event = listen(&stream, following.follower.event, move |data| (told.follower.told)(data));
    let (ended, closing) = (Rc::clone(following), stream.clone());
    let on_end = listen(&stream, "end", move |data| {
        ended.over.set(true);
        closing.close();
        (ended.follower.ended)(data);
    });
    Some(Open { stream, _on_open: on_open, _on_error: on_error, _on_event: on_event, _on_end: on_end })
}

fn listen(stream: &EventSource, event: &str, then: impl Fn(String) + 'static) -> Listener {
    let on_event = Listener::new(move |message: MessageEvent| {
        if let Some(data) = message.data().as_string() {
            then(data);
        }
    });
    let _ = stream.add_event_listener_with_callback(event, on_event.as_ref().unchecked_ref());
    on_event
}
