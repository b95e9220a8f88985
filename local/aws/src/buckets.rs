use std::collections::HashMap;

use jiff::Timestamp;

/// How many calls fit at once, and how many come back per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limit {
    pub(crate) size: f64,
    pub(crate) per_second: f64,
}

/// Token buckets, one per account, Region and action, filled by the clock.
#[derive(Debug, Default)]
pub(crate) struct Buckets(HashMap<(String, String, String), (f64, Timestamp)>);

impl Buckets {
    /// Takes one token; `false` if there is none.
    pub(crate) fn take(
        &mut self,
        key: (String, String, String),
        limit: Limit,
        now: Timestamp,
    ) -> bool {
        let (tokens, since) = self.0.entry(key).or_insert((limit.size, now));
        let seconds = now.duration_since(*since).as_secs_f64().max(0.0);
        *tokens = (*tokens + seconds * limit.per_second).min(limit.size);
        *since = now;
        // A third of a token each second adds up to 0.9999…
        let taken = *tokens + 1e-9 >= 1.0;
        if taken {
            *tokens -= 1.0;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::{Buckets, Limit};
    use crate::ManualClock;
    use std::time::Duration;

    #[test]
    fn buckets_empty_and_fill() {
        let clock = ManualClock::default();
        let mut buckets = Buckets::default();
        let limit = Limit {
            size: 4.0,
            per_second: 0.3,
        };
        let mut take = |account: &str| {
            let key = (
                account.to_owned(),
                "us-east-1".to_owned(),
                "CreateVpcEndpoint".to_owned(),
            );
            buckets.take(key, limit, clock.now())
        };
        assert_eq!(
            (0..5).map(|_| take("1")).collect::<Vec<_>>(),
            [true, true, true, true, false]
        );
        assert!(take("2"), "another account has its own bucket");
        clock.advance(Duration::from_millis(3333));
        assert!(!take("1"));
        clock.advance(Duration::from_millis(1));
        assert!(take("1"));
        assert!(!take("1"));
        clock.advance(Duration::from_secs(3600));
        assert_eq!(
            (0..5).map(|_| take("1")).collect::<Vec<_>>(),
            [true, true, true, true, false]
        );
    }
}
