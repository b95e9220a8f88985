//! The only source of time. The functions use the system's clock; tests and `replay` use a manual
//! one that a sleep moves forward, so that they never wait.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};

/// Tells the time and waits.
#[derive(Debug, Clone)]
pub struct Clock(Kind);

#[derive(Debug, Clone)]
enum Kind {
    System,
    Manual(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// The time of day.
    #[must_use]
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock that stands still except for [`Clock::sleep`] and [`Clock::advance`]. Clones share
    /// it.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self(Kind::Manual(Arc::new(Mutex::new(start))))
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is where time comes from")]
            Kind::System => Timestamp::now(),
            Kind::Manual(now) => *now.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Waits; on a manual clock, moves it instead.
    #[expect(clippy::disallowed_methods, reason = "this is where waiting happens")]
    pub async fn sleep(&self, duration: Duration) {
        match &self.0 {
            Kind::System => tokio::time::sleep(duration).await,
            Kind::Manual(_) => {
                self.advance(duration);
                tokio::task::yield_now().await;
            }
        }
    }

    /// Moves a manual clock forward; does nothing to the system's.
    pub fn advance(&self, duration: Duration) {
        if let Kind::Manual(now) = &self.0 {
            let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
            let step = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
            *now = now.checked_add(step).unwrap_or(Timestamp::MAX);
        }
    }

    /// Waits for something until a moment; `None` if it was not done by then. A manual clock does
    /// not run by itself, so on it everything is done in time.
    pub async fn until_done<T>(
        &self,
        moment: Timestamp,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        match &self.0 {
            Kind::System => tokio::time::timeout(self.until(moment), work).await.ok(),
            Kind::Manual(_) => Some(work.await),
        }
    }

    /// How long until a moment; zero if it has passed.
    #[must_use]
    pub fn until(&self, moment: Timestamp) -> Duration {
        Duration::try_from(moment.duration_since(self.now())).unwrap_or(Duration::ZERO)
    }
}

/// The moment by which an invocation must have answered.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(pub Timestamp);

impl Deadline {
    /// The deadline from the system time in the Lambda context.
    #[must_use]
    pub fn from_system_time(time: SystemTime) -> Self {
        Self(Timestamp::try_from(time).unwrap_or(Timestamp::MAX))
    }

    /// The deadline after this duration.
    #[must_use]
    pub fn after(clock: &Clock, duration: Duration) -> Self {
        let step = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        Self(clock.now().checked_add(step).unwrap_or(Timestamp::MAX))
    }

    /// An earlier deadline.
    #[must_use]
    pub fn earlier(self, by: Duration) -> Self {
        let step = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        Self(self.0.checked_sub(step).unwrap_or(Timestamp::MIN))
    }

    /// Whether at least this much time is left.
    #[must_use]
    pub fn leaves(&self, clock: &Clock, needed: Duration) -> bool {
        clock.until(self.0) >= needed
    }
}

/// Between half of a pause and all of it, so that functions that failed together do not try again
/// together.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}
