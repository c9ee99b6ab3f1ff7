//! Named points inside steps where a process can die. Tests stop a worker there; outside tests they cost nothing.

/// Says that a point was reached. A test that waits for it decides whether it is ever passed.
#[cfg(not(any(test, feature = "testing")))]
pub async fn reached(_: &'static str) {}

#[cfg(any(test, feature = "testing"))]
pub use hooks::{Stopped, reached, stop_at};

#[cfg(any(test, feature = "testing"))]
mod hooks {
    use std::sync::{Mutex, PoisonError};

    use tokio::sync::oneshot;

    static STOP: Mutex<Option<(&'static str, oneshot::Sender<()>)>> = Mutex::new(None);

    /// Resolves when some worker stands at the point.
    pub struct Stopped(oneshot::Receiver<()>);

    impl Stopped {
        /// Waits until a worker stands there, never to go on: drop it, as death would.
        pub async fn wait(self) {
            // The sender is only dropped by another call of `stop_at`, which the test would know about.
            let _ = self.0.await;
        }
    }

    /// Lets the next worker that comes to the point stand there for ever.
    pub fn stop_at(point: &'static str) -> Stopped {
        let (sender, receiver) = oneshot::channel();
        *STOP.lock().unwrap_or_else(PoisonError::into_inner) = Some((point, sender));
        Stopped(receiver)
    }

    /// Says that a point was reached.
    pub async fn reached(point: &'static str) {
        let stopped = {
            let mut stop = STOP.lock().unwrap_or_else(PoisonError::into_inner);
            stop.take_if(|(wanted, _)| *wanted == point)
        };
        if let Some((_, sender)) = stopped {
            // Nobody waiting any more is fine.
            let _ = sender.send(());
            std::future::pending::<()>().await;
        }
    }
}
