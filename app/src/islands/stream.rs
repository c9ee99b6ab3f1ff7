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
    let current: Rc<RefCell<Option<EventSource>>> = Rc::default();
    let over = Rc::new(Cell::new(false));
    let follower = Rc::new(follower);
    let turn = {
        let document = document.clone();
        move || {
            if document.visibility_state() == VisibilityState::Hidden {
                if let Some(stream) = current.borrow_mut().take() {
                    stream.close();
                }
            } else if current.borrow().is_none() && !over.get() {
                *current.borrow_mut() = open(&source, &follower, Rc::clone(&over));
            }
        }
    };
    turn();
    let on_turn = Closure::<dyn FnMut()>::new(turn);
    // Only a browser without events refuses; the page then stays as it was drawn.
    let _ = document.add_event_listener_with_callback("visibilitychange", on_turn.as_ref().unchecked_ref());
    on_turn.forget();
}

fn open(source: &str, follower: &Rc<Follower>, over: Rc<Cell<bool>>) -> Option<EventSource> {
    let stream = EventSource::new(source).ok()?;
    let opened = Rc::clone(follower);
    let on_open = Closure::<dyn FnMut()>::new(move || (opened.opened)());
    let _ = stream.add_event_listener_with_callback("open", on_open.as_ref().unchecked_ref());
    on_open.forget();
    let told = Rc::clone(follower);
    listen(&stream, follower.event, move |data| (told.told)(data));
    let (ending, closing) = (Rc::clone(follower), stream.clone());
    listen(&stream, "end", move |data| {
        over.set(true);
        closing.close();
        (ending.ended)(data);
    });
    Some(stream)
}

fn listen(stream: &EventSource, event: &str, then: impl Fn(String) + 'static) {
    let on_event = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
        if let Some(data) = message.data().as_string() {
            then(data);
        }
    });
    let _ = stream.add_event_listener_with_callback(event, on_event.as_ref().unchecked_ref());
    on_event.forget();
}
