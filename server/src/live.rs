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
use tokio::sync::broadcast::{
    Receiver,
    error::{RecvError, TryRecvError},
};
use uuid::Uuid;

use crate::{
    rest::error::{RestError, outside},
    session::Caller,
    state::AppState,
};

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
                    self.draw().await.map_err(outside).ok()?
                }
            };
            if self.shown.as_ref() != Some(&html) {
                self.shown = Some(html.clone());
                return Some(html);
            }
        }
    }

    async fn draw(&mut self) -> control::Result<String> {
        self.ctx = sessions::again(&self.ctx).await?;
        (self.part)(self.ctx.clone()).await
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
        self.catch_up();
        Some(())
    }

    /// Whatever came until now is in the drawing that begins now; what comes while that goes on is not.
    fn catch_up(&mut self) {
        while !matches!(self.changes.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
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

#[cfg(test)]
mod tests {
    use std::{
        io,
        path::Path,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    use control::{Credential, Error, Request, testing};
    use sqlx::PgPool;
    use tokio::{sync::broadcast, time::timeout};

    use super::*;
    use crate::{serve, session::proxies::TrustedProxies};

    const OBJECT: Uuid = Uuid::from_u128(1);

    async fn follow<P>(pool: PgPool, changes: Receiver<Change>, part: P) -> Follow<P> {
        let world = testing::World::new(pool).await;
        let ada = world.user("ada", None).await;
        let secret = sessions::open(&mut ada.write().await.unwrap(), &ada, ada.actor().user_id().unwrap(), "tests").await.unwrap();
        let ctx = ada.with_request(Request { credential: Credential::Session(secret), ..Request::default() });
        let place = Place::take(&serve::state(world.control.clone(), Path::new("/nonexistent"), TrustedProxies(0)), &ctx).unwrap();
        Follow { ctx, object: OBJECT, part, changes, shown: None, next: None, _place: place }
    }

    #[sqlx::test(migrator = "control::db::MIGRATOR")]
    async fn many_changes_are_drawn_once_and_one_that_comes_meanwhile_once_more(pool: PgPool) {
        let (sender, changes) = broadcast::channel(8);
        let drawn = Arc::new(AtomicUsize::new(0));
        let part = {
            let (sender, drawn) = (sender.clone(), Arc::clone(&drawn));
            move |_: Ctx| {
                let (sender, n) = (sender.clone(), drawn.fetch_add(1, Ordering::Relaxed));
                async move {
                    if n == 0 {
                        sender.send(Change::Object(OBJECT)).unwrap();
                    }
                    Ok(format!("drawing {n}"))
                }
            }
        };
        let mut follow = follow(pool, changes, part).await;
        // More than are kept for whoever is slow.
        for _ in 0..20 {
            sender.send(Change::Object(OBJECT)).unwrap();
        }
        assert_eq!(follow.next().await.as_deref(), Some("drawing 0"));
        assert_eq!(follow.next().await.as_deref(), Some("drawing 1"));
        assert!(timeout(PAUSE * 4, follow.next()).await.is_err(), "nothing changed since");
        assert_eq!(drawn.load(Ordering::Relaxed), 2);
    }

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[sqlx::test(migrator = "control::db::MIGRATOR")]
    async fn a_fault_ends_the_stream_with_a_line_in_the_log_and_a_lost_right_without(pool: PgPool) {
        let lines = Lines::default();
        let writer = lines.clone();
        let _logged = tracing::subscriber::set_default(tracing_subscriber::fmt().with_max_level(tracing::Level::ERROR).with_writer(move || writer.clone()).finish());
        let failing = Arc::new(Mutex::new(None::<Error>));
        let part = {
            let failing = Arc::clone(&failing);
            move |_: Ctx| {
                let error = failing.lock().unwrap().take().unwrap();
                async move { Err(error) }
            }
        };
        let (sender, changes) = broadcast::channel(8);
        let mut follow = follow(pool, changes, part).await;
        for (error, logged) in [(Error::from(Rejected::not_found("deployment")), false), (Error::from(anyhow::anyhow!("the disk is full")), true)] {
            failing.lock().unwrap().replace(error);
            sender.send(Change::Object(OBJECT)).unwrap();
            assert_eq!(follow.next().await, None);
            let said = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
            assert_eq!(said.contains("the disk is full"), logged, "{said}");
            assert_eq!(said.lines().count(), usize::from(logged), "{said}");
        }
    }
}
