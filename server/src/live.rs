//! Event streams: parts of a page, drawn anew whenever what they show changes. Rights are asked again before every drawing,
//! sign-in too, so that whoever lost them sees nothing more.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::response::{
    Sse,
    sse::{Event, KeepAlive},
};
use control::{Ctx, live::Change, sessions};
use domain::{Code, Rejected};
use futures::{Stream, stream};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use uuid::Uuid;

use crate::{rest::error::RestError, session::Caller, state::AppState};

/// Changes come in bursts; one drawing shows them all.
const PAUSE: Duration = Duration::from_millis(150);
/// Without any change the part is drawn anew so often: ages move, and lost rights are noticed.
const IDLE: Duration = Duration::from_secs(10);
const STREAMS_PER_ACTOR: usize = 24;

/// The stream of one part of a page about `object`; `part` draws it. It ends when the part cannot be drawn any more.
///
/// # Errors
/// When the part cannot be seen at all, or too many streams are open.
pub async fn stream<P, R>(state: AppState, Caller(ctx): Caller, object: Uuid, part: P) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, RestError>
where
    P: Fn(Ctx) -> R + Send + Sync + 'static,
    R: Future<Output = control::Result<String>> + Send + 'static,
{
    let place = Place::take(&state, &ctx)?;
    // Listen first, draw then: nothing falls between.
    let changes = state.control.live.subscribe();
    let first = part(ctx.clone()).await?;
    let follow = Follow { ctx, object, part, changes, shown: None, next: Some(first), _place: place };
    let events = stream::unfold(follow, |mut follow| async move {
        let html = follow.next().await?;
        Some((Ok(Event::default().data(html)), follow))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

struct Follow<P> {
    ctx: Ctx,
    object: Uuid,
    part: P,
    changes: Receiver<Change>,
    shown: Option<String>,
    next: Option<String>,
    _place: Place,
}

impl<P, R> Follow<P>
where
    P: Fn(Ctx) -> R,
    R: Future<Output = control::Result<String>>,
{
    async fn next(&mut self) -> Option<String> {
        loop {
            let html = match self.next.take() {
                Some(html) => html,
                None => {
                    self.wait().await?;
                    self.ctx = sessions::again(&self.ctx).await.ok()?;
                    (self.part)(self.ctx.clone()).await.ok()?
                }
            };
            if self.shown.as_ref() != Some(&html) {
                self.shown = Some(html.clone());
                return Some(html);
            }
        }
    }

    async fn wait(&mut self) -> Option<()> {
        let changed = async {
            loop {
                match self.changes.recv().await {
                    Ok(Change::Object(id)) if id == self.object => return Some(()),
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return Some(()),
                    Err(RecvError::Closed) => return None,
                }
            }
        };
        match tokio::time::timeout(IDLE, changed).await {
            Ok(Some(())) => tokio::time::sleep(PAUSE).await,
            Ok(None) => return None,
            Err(_) => {}
        }
        Some(())
    }
}

/// Open streams by actor.
#[derive(Default)]
pub struct OpenStreams(Mutex<HashMap<String, usize>>);

/// One of an actor's open streams, for as long as this is held.
pub struct Place {
    state: AppState,
    principal: String,
}

impl Place {
    /// Takes one more.
    ///
    /// # Errors
    /// `rate_limited` when the actor has too many.
    pub fn take(state: &AppState, ctx: &Ctx) -> Result<Self, Rejected> {
        let principal = ctx.actor().principal();
        let mut open = state.web.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(principal.clone()).or_default();
        if *count >= STREAMS_PER_ACTOR {
            return Err(Rejected::new(Code::RateLimited, format!("You have {STREAMS_PER_ACTOR} live pages and logs open, which is the most. Close some.")));
        }
        *count += 1;
        drop(open);
        Ok(Self { state: state.clone(), principal })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.state.web.streams.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.principal) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.principal);
            }
        }
    }
}
