//! The three seconds that Slack gives for an answer.

use std::time::Duration;

use gatekeeper_aws::clock::{Clock, Deadline};
use jiff::Timestamp;

/// Until when what is to be done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// Looking up what somebody may do.
    pub(super) look: Timestamp,
    /// A vote that is told of by a call.
    pub(super) decide: Timestamp,
    /// The answer. What is left of the three seconds is the way here, with a cold start, and back.
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
