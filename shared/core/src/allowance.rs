//! How many e-mails one address takes, counted by the minute and by the second.
//!
//! SNS suspends the subscription of an address that gets more than ten messages in a second, and ends it
//! two days later: <https://docs.aws.amazon.com/sns/latest/dg/sns-email-notifications.html>. All instances
//! that send count in one item, so that together they stay below.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// One address gets no more e-mails than this in a minute.
pub const A_MINUTE: u32 = 60;
/// One address gets no more e-mails than this in a second.
pub const A_SECOND: u32 = 4;

/// The recent e-mails to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Allowance {
    /// The minute that is counted, since the epoch.
    minute: i64,
    in_minute: u32,
    /// The second that is counted, since the epoch.
    second: i64,
    in_second: u32,
}

/// How many of the wanted e-mails may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// This many now.
    pub now: usize,
    /// When the rest may be requested again.
    pub rest_at: Timestamp,
}

impl Allowance {
    /// Takes as many of the wanted number as are left, and counts them.
    pub fn take(&mut self, wanted: usize, now: Timestamp) -> Granted {
        let second = now.as_second();
        let minute = second.div_euclid(60);
        // A clock that lags behind another instance's counts with that one's minute.
        if minute > self.minute {
            (self.minute, self.in_minute) = (minute, 0);
        }
        if second > self.second {
            (self.second, self.in_second) = (second, 0);
        }
        let of_minute = A_MINUTE.saturating_sub(self.in_minute);
        let of_second = A_SECOND.saturating_sub(self.in_second);
        let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
        let granted = wanted.min(of_minute).min(of_second);
        self.in_minute += granted;
        self.in_second += granted;
        let next = if self.in_minute >= A_MINUTE {
            (self.minute + 1).saturating_mul(60)
        } else {
            self.second + 1
        };
        let after = now.checked_add(SignedDuration::from_secs(1));
        let rest_at = Timestamp::from_second(next).or(after).unwrap_or(now);
        Granted {
            now: usize::try_from(granted).unwrap_or_default(),
            rest_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::at;

    #[test]
    fn the_limits_of_a_second_and_a_minute_hold_and_the_rest_has_its_time() {
        let mut allowance = Allowance::default();
        let first = allowance.take(100, at(0));
        assert_eq!((first.now, first.rest_at), (4, at(1)));
        assert_eq!(allowance.take(1, at(0)).now, 0);
        let sent: usize = (1..60).map(|s| allowance.take(100, at(s)).now).sum();
        assert_eq!(first.now + sent, 60);
        assert_eq!(allowance.take(1, at(59)).rest_at, at(60));
        assert_eq!(allowance.take(3, at(60)).now, 3);
    }

    #[test]
    fn a_small_request_is_granted() {
        let mut allowance = Allowance::default();
        for second in 0..200 {
            assert_eq!(allowance.take(1, at(second)).now, 1, "{second}");
        }
    }

    proptest! {
        /// For any requests at any time, no second and no minute grants more.
        #[test]
        fn no_more_than_is_allowed_is_ever_granted(asks in prop::collection::vec((0_i64..300, 0_usize..20), 1..200)) {
            let mut asks = asks;
            asks.sort_unstable();
            let mut allowance = Allowance::default();
            let (mut seconds, mut minutes) = (std::collections::BTreeMap::new(), std::collections::BTreeMap::new());
            for (second, wanted) in asks {
                let granted = allowance.take(wanted, at(second));
                prop_assert!(granted.now <= wanted && granted.rest_at > at(second));
                *seconds.entry(second).or_insert(0) += granted.now;
                *minutes.entry(second / 60).or_insert(0) += granted.now;
            }
            prop_assert!(seconds.values().all(|sent| *sent <= 4), "{:?}", seconds);
            prop_assert!(minutes.values().all(|sent| *sent <= 60), "{:?}", minutes);
        }
    }
}
