//! The three seconds that Slack gives for an answer.

use std::time::Duration;

use gatekeeper_aws::clock::{Clock, Deadline};
use jiff::Timestamp;

/// When each part of an answer to Slack must be done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// Reading the review.
    pub(super) look: Timestamp,
    /// A vote whose result is sent by a call to Slack.
    pub(super) decide: Timestamp,
    /// The answer. The rest of the three seconds is for the network and a cold start.
    pub(super) answer: Timestamp,
}

impl Budget {
    pub(super) fn from_now(clock: &Clock) -> Self {
        let within = |millis| Deadline::after(clock, Duration::from_millis(millis)).0;
        Self {
            look: within(1300),
            decide: within(1900),
            answer: within(2500),
        }
    }
}
