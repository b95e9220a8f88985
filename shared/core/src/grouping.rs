//! Decides which messages about one account's reviews at one service are sent at once, and which
//! are combined. Forty endpoints of one account must not become forty messages, which would train
//! people to approve.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::EndpointId;

/// This many messages of one account at one service are sent at once…
const AT_ONCE: usize = 3;
/// …within this time.
const WITHIN: SignedDuration = SignedDuration::from_hours(1);
/// Later ones wait for each other no longer than this.
pub const TOGETHER_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// The recent messages about one account's reviews at one service, in one channel: by e-mail, or in
/// a Slack channel.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Grouping {
    /// The messages that were sent at once, and when.
    at_once: Vec<(String, Timestamp)>,
    /// When the waiting messages are sent together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    together_at: Option<Timestamp>,
}

impl Grouping {
    /// Counts one more message, by its id. Answers when it is sent with others; `None` if it is
    /// sent at once. For a message that is sent at once, a second call answers the same, because
    /// the first sender may have failed.
    pub fn place(&mut self, id: &str, now: Timestamp) -> Option<Timestamp> {
        self.at_once
            .retain(|(_, at)| now.duration_since(*at) < WITHIN);
        if self.at_once.iter().any(|(known, _)| known == id) {
            return None;
        }
        let waits = self.together_at.filter(|then| *then > now);
        if waits.is_none() && self.at_once.len() < AT_ONCE {
            self.at_once.push((id.to_owned(), now));
            self.together_at = None;
            return None;
        }
        self.together_at = waits.or(now.checked_add(TOGETHER_AFTER).ok());
        self.together_at
    }

    /// Notes that the waiting messages were sent: the next ones wait for others anew.
    pub fn went_together(&mut self) {
        self.together_at = None;
    }
}

/// A review that is shown, or waits to be: an endpoint, and the number of its request's review.
pub type Prompted = (EndpointId, u64);

/// The reviews of one account at one service that wait to be shown in one message in a channel.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WaitingReviews {
    grouping: Grouping,
    /// The waiting reviews, in the order in which they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<Prompted>,
    /// Until when they wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

impl WaitingReviews {
    /// The waiting reviews, in the order in which they came.
    #[must_use]
    pub fn all(&self) -> &[Prompted] {
        &self.waiting
    }

    /// Until when a review waits for others; `None` if it is shown at once.
    pub fn place(&mut self, review: &Prompted, now: Timestamp) -> Option<Timestamp> {
        if self.waiting.contains(review) {
            return self.until;
        }
        if self.waiting.is_empty() {
            let id = format!("{} {}", review.0, review.1);
            self.until = Some(self.grouping.place(&id, now)?);
        }
        self.waiting.push(review.clone());
        self.until
    }

    /// Notes that reviews no longer wait.
    pub fn shown(&mut self, reviews: &[Prompted]) {
        self.waiting.retain(|waiting| !reviews.contains(waiting));
        if self.waiting.is_empty() {
            self.until = None;
            self.grouping.went_together();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::at;

    #[test]
    fn three_in_an_hour_are_sent_at_once_and_the_others_together() {
        let mut grouping = Grouping::default();
        let mut place = |n: i64, second: i64| grouping.place(&n.to_string(), at(second));
        for n in 0..3 {
            assert_eq!(place(n, n), None);
        }
        for minute in 1..16 {
            let waits = place(100 + minute, minute * 60);
            assert_eq!(waits, Some(at(16 * 60)), "those that wait go together");
        }
        assert_eq!(place(200, 20 * 60), Some(at(35 * 60)));
        assert_eq!(place(201, 59 * 60), Some(at(74 * 60)));
        // It comes an hour after the first ones, while others wait, and is sent with them.
        assert_eq!(place(202, 61 * 60), Some(at(74 * 60)));
        assert_eq!(place(203, 80 * 60), None);
    }

    #[test]
    fn a_message_that_is_sent_at_once_still_is_on_a_second_call() {
        let mut grouping = Grouping::default();
        for n in 0..5 {
            grouping.place(&n.to_string(), at(n));
        }
        for n in 0..3 {
            assert_eq!(grouping.place(&n.to_string(), at(600)), None);
        }
        assert_eq!(grouping.place("4", at(600)), Some(at(3 + 900)));
    }

    #[test]
    fn a_message_after_a_combined_one_waits_anew() {
        let mut grouping = Grouping::default();
        for n in 0..4 {
            grouping.place(&n.to_string(), at(n));
        }
        grouping.went_together();
        assert_eq!(grouping.place("4", at(600)), Some(at(1500)));
    }

    proptest! {
        /// No matter when they come: no more than three are sent at once in any hour, none waits
        /// longer than a quarter of an hour, and those that wait at the same time wait for the same
        /// moment.
        #[test]
        fn in_any_hour_three_are_sent_at_once_and_the_others_soon(pauses in prop::collection::vec(0_i64..2000, 1..200)) {
            let mut grouping = Grouping::default();
            let (mut now, mut at_once, mut waits) = (0, Vec::new(), None::<Timestamp>);
            for (n, pause) in pauses.into_iter().enumerate() {
                now += pause;
                match grouping.place(&n.to_string(), at(now)) {
                    None => at_once.push(now),
                    Some(then) => {
                        prop_assert!(then > at(now) && then.duration_since(at(now)) <= TOGETHER_AFTER);
                        if let Some(earlier) = waits.filter(|earlier| *earlier > at(now)) {
                            prop_assert_eq!(earlier, then);
                        }
                        waits = Some(then);
                    }
                }
            }
            for hour in at_once.windows(4) {
                prop_assert!(hour[3] - hour[0] >= 3600, "{:?}", hour);
            }
        }
    }

    fn review(n: u32) -> Prompted {
        (format!("vpce-{n:017x}").parse().unwrap(), 1)
    }

    /// This many minutes after the first.
    fn minute(minutes: i64) -> Timestamp {
        at(minutes * 60)
    }

    #[test]
    fn a_review_waits_with_those_that_wait_and_anew_after_them() {
        let mut waiting = WaitingReviews::default();
        for n in 0..3 {
            assert_eq!(waiting.place(&review(n), minute(0)), None);
        }
        assert_eq!(waiting.place(&review(3), minute(1)), Some(minute(16)));
        assert_eq!(waiting.place(&review(4), minute(10)), Some(minute(16)));
        // They are asked about again, late: they are about to be shown.
        assert_eq!(waiting.place(&review(5), minute(70)), Some(minute(16)));
        assert_eq!(waiting.place(&review(3), minute(70)), Some(minute(16)));
        assert_eq!(waiting.waiting, [3, 4, 5].map(review));
        waiting.shown(&[3, 4].map(review));
        assert_eq!(waiting.waiting, [review(5)]);
        waiting.shown(&[review(5)]);
        assert_eq!(waiting.place(&review(6), minute(71)), None);
    }
}
