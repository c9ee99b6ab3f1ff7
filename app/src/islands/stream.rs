//! An event stream that is open exactly while the tab is seen.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Document, EventSource, MessageEvent, VisibilityState};

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
    let current: Rc<RefCell<Option<Open>>> = Rc::default();
    let over = Rc::new(Cell::new(false));
    let follower = Rc::new(follower);
    let turn = {
        let document = document.clone();
        move || {
            if document.visibility_state() == VisibilityState::Hidden {
                current.take();
            } else if current.borrow().is_none() && !over.get() {
                let opened = open(&source, &follower, &over);
                current.replace(opened);
            }
        }
    };
    turn();
    let on_turn = Closure::<dyn FnMut()>::new(turn);
    // Only a browser without events refuses; the page then stays as it was drawn.
    let _ = document.add_event_listener_with_callback("visibilitychange", on_turn.as_ref().unchecked_ref());
    on_turn.forget();
}

/// A stream with what listens to it; dropping it closes the stream and gives the listeners back.
struct Open {
    stream: EventSource,
    _on_open: Closure<dyn FnMut()>,
    _on_event: Listener,
    _on_end: Listener,
}

type Listener = Closure<dyn FnMut(MessageEvent)>;

impl Drop for Open {
    fn drop(&mut self) {
        self.stream.close();
    }
}

fn open(source: &str, follower: &Rc<Follower>, over: &Rc<Cell<bool>>) -> Option<Open> {
    let stream = EventSource::new(source).ok()?;
    let opened = Rc::clone(follower);
    let on_open = Closure::<dyn FnMut()>::new(move || (opened.opened)());
    let _ = stream.add_event_listener_with_callback("open", on_open.as_ref().unchecked_ref());
    let told = Rc::clone(follower);
    let on_event = listen(&stream, follower.event, move |data| (told.told)(data));
    let (ending, closing, over) = (Rc::clone(follower), stream.clone(), Rc::clone(over));
    let on_end = listen(&stream, "end", move |data| {
        over.set(true);
        closing.close();
        (ending.ended)(data);
    });
    Some(Open { stream, _on_open: on_open, _on_event: on_event, _on_end: on_end })
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
