//! A token bucket on our side, so that we keep to EC2's documented rates instead of being
//! throttled.
//!
//! Accept and Reject: bucket of 10, 1 token a second each; descriptions: bucket of 100, 20 a second;
//! per account and Region
//! (<https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html>).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{Clock, Deadline};

/// There was no time to wait for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoTime;

#[derive(Debug)]
pub(super) struct Bucket {
    capacity: f64,
    per_second: f64,
    clock: Clock,
    level: Mutex<(f64, Timestamp)>,
}

impl Bucket {
    pub(super) fn new(capacity: f64, per_second: f64, clock: Clock) -> Self {
        let level = Mutex::new((capacity, clock.now()));
        Self {
            capacity,
            per_second,
            clock,
            level,
        }
    }

    /// Takes a token, waiting for it if need be.
    pub(super) async fn wait(&self) {
        // Without a deadline this cannot fail.
        let _ = self.take(Deadline(Timestamp::MAX), Duration::ZERO).await;
    }

    /// Takes a token, waiting for it if need be, unless that would leave less than `margin` before
    /// the deadline.
    pub(super) async fn take(&self, deadline: Deadline, margin: Duration) -> Result<(), NoTime> {
        let wait = {
            let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.clock.now();
            let refilled =
                level.0 + now.duration_since(level.1).as_secs_f64().max(0.0) * self.per_second;
            let left = refilled.min(self.capacity) - 1.0;
            // Below zero the token is borrowed: the caller waits until it is there, and the next
            // caller waits after that.
            let wait = Duration::from_secs_f64((-left / self.per_second).max(0.0));
            if !deadline.leaves(&self.clock, wait + margin) {
                return Err(NoTime);
            }
            *level = (left, now);
            wait
        };
        if !wait.is_zero() {
            self.clock.sleep(wait).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ten_at_once_then_one_a_second() {
        let start = Timestamp::UNIX_EPOCH;
        let clock = Clock::manual(start);
        let bucket = Bucket::new(10.0, 1.0, clock.clone());
        let deadline = Deadline::after(&clock, Duration::from_secs(3600));
        for _ in 0..10 {
            bucket.take(deadline, Duration::ZERO).await.unwrap();
        }
        assert_eq!(clock.now(), start);
        for _ in 0..190 {
            bucket.take(deadline, Duration::ZERO).await.unwrap();
        }
        let spent = clock.now().duration_since(start).as_secs_f64();
        assert!((189.9..190.1).contains(&spent), "{spent}");
        // Idle time fills the bucket, but not beyond its size.
        clock.advance(Duration::from_secs(3600));
        let deadline = Deadline::after(&clock, Duration::from_secs(2));
        let idle = clock.now();
        for _ in 0..10 {
            bucket.take(deadline, Duration::ZERO).await.unwrap();
        }
        assert_eq!(clock.now(), idle);
        bucket.take(deadline, Duration::ZERO).await.unwrap();
        assert!(clock.now() > idle);
    }

    #[tokio::test]
    async fn a_wait_beyond_the_deadline_is_not_begun() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let bucket = Bucket::new(1.0, 1.0, clock.clone());
        let deadline = Deadline::after(&clock, Duration::from_millis(500));
        bucket.take(deadline, Duration::ZERO).await.unwrap();
        let refused = bucket.take(deadline, Duration::ZERO).await;
        assert_eq!(refused, Err(NoTime));
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
        // The refused call borrowed nothing.
        clock.advance(Duration::from_secs(1));
        let deadline = Deadline::after(&clock, Duration::ZERO);
        bucket.take(deadline, Duration::ZERO).await.unwrap();
    }
}
