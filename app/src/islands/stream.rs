//! An event stream that is open exactly while the tab is seen.

use std::{cell::RefCell, rc::Rc};

use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Document, EventSource, MessageEvent, VisibilityState};

/// Follows the stream at `source`: `opened` each time it opens, `told` with the data of every message.
///
/// The server says that nothing more will come with an event named `end`; the stream then stays closed.
pub fn follow(document: &Document, source: String, opened: impl Fn() + 'static, told: impl Fn(String) + 'static) {
    let current: Rc<RefCell<Option<EventSource>>> = Rc::default();
    let ended = Rc::new(std::cell::Cell::new(false));
    let told: Rc<dyn Fn(String)> = Rc::new(told);
    let turn = {
        let document = document.clone();
        move || {
            if document.visibility_state() == VisibilityState::Hidden {
                if let Some(stream) = current.borrow_mut().take() {
                    stream.close();
                }
            } else if current.borrow().is_none() && !ended.get() {
                opened();
                *current.borrow_mut() = open(&source, Rc::clone(&told), Rc::clone(&ended));
            }
        }
    };
    turn();
    let on_turn = Closure::<dyn FnMut()>::new(turn);
    // Only a browser without events refuses; the page then stays as it was drawn.
    let _ = document.add_event_listener_with_callback("visibilitychange", on_turn.as_ref().unchecked_ref());
    on_turn.forget();
}

fn open(source: &str, told: Rc<dyn Fn(String)>, ended: Rc<std::cell::Cell<bool>>) -> Option<EventSource> {
    let stream = EventSource::new(source).ok()?;
    let on_message = Closure::<dyn FnMut(MessageEvent)>::new(move |message: MessageEvent| {
        if let Some(data) = message.data().as_string() {
            told(data);
        }
    });
    stream.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
    on_message.forget();
    let on_end = {
        let stream = stream.clone();
        Closure::<dyn FnMut()>::new(move || {
            ended.set(true);
            stream.close();
        })
    };
    let _ = stream.add_event_listener_with_callback("end", on_end.as_ref().unchecked_ref());
    on_end.forget();
    Some(stream)
}
