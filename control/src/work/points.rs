//! Named points inside steps. Tests hold a worker there, to let it go on later or to kill it; outside tests they cost nothing.

/// Says that a point was reached. A test that holds it decides when it is passed, if ever.
#[cfg(not(any(test, feature = "testing")))]
pub async fn reached(_: &'static str) {}

#[cfg(any(test, feature = "testing"))]
pub use hooks::{Held, hold_at, reached};

#[cfg(any(test, feature = "testing"))]
mod hooks {
    use std::sync::{Mutex, PoisonError};

    use tokio::sync::oneshot;

    struct Hold {
        point: &'static str,
        stands: oneshot::Sender<()>,
        go_on: oneshot::Receiver<()>,
    }

    static HOLD: Mutex<Option<Hold>> = Mutex::new(None);

    /// A point at which the next worker stands still.
    pub struct Held {
        stands: oneshot::Receiver<()>,
        go_on: oneshot::Sender<()>,
    }

    impl Held {
        /// Waits until a worker stands there.
        pub async fn stands(&mut self) {
            // The sender is only dropped by another call of `hold_at`, which the test would know about.
            let _ = (&mut self.stands).await;
        }

        /// Lets it go on. Dropped instead, it stands there for ever, as if dead.
        pub fn release(self) {
            // A worker that was killed, or whose step took too long, goes nowhere.
            let _ = self.go_on.send(());
        }
    }

    /// Holds the next worker that comes to the point.
    pub fn hold_at(point: &'static str) -> Held {
        let ((here, stands), (go_on, released)) = (oneshot::channel(), oneshot::channel());
        *HOLD.lock().unwrap_or_else(PoisonError::into_inner) = Some(Hold { point, stands: here, go_on: released });
        Held { stands, go_on }
    }

    /// Says that a point was reached.
    pub async fn reached(point: &'static str) {
        let hold = HOLD.lock().unwrap_or_else(PoisonError::into_inner).take_if(|hold| hold.point == point);
        if let Some(Hold { stands, go_on, .. }) = hold {
            // Nobody waiting any more is fine.
            let _ = stands.send(());
            if go_on.await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use std::time::Duration;

        use super::*;

        #[tokio::test]
        async fn whoever_comes_to_a_point_stands_there_until_it_is_released() {
            let mut held = hold_at("test.here");
            reached("test.elsewhere").await;
            let step = tokio::spawn(reached("test.here"));
            held.stands().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            assert!(!step.is_finished());
            held.release();
            step.await.unwrap();
            reached("test.here").await;

            let mut dead = hold_at("test.here");
            let step = tokio::spawn(reached("test.here"));
            dead.stands().await;
            drop(dead);
            assert!(tokio::time::timeout(Duration::from_millis(50), step).await.is_err(), "nobody released it");
        }
    }
}
