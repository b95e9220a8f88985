//! Reviews that wait to be shown in Slack together with others of the same account at the same service.

use std::sync::Arc;

use gatekeeper_core::approver::SlackChannelId;
use gatekeeper_core::grouping::Grouping;
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Key, Postings};
use crate::error::{Error, Retryable};

/// Whose reviews, and where they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptGroup {
    /// The service.
    pub service: ServiceId,
    /// The account.
    pub account: AccountId,
    /// The channel.
    pub channel: SlackChannelId,
}

/// A review that is shown, or waits to be: an endpoint, and which of its request's reviews.
pub type Prompted = (EndpointId, u64);

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct WaitingPrompts {
    grouping: Grouping,
    /// Those that wait, in the order in which they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<Prompted>,
    /// Until when they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

impl PromptGroup {
    fn key(&self) -> Key {
        let (service, account) = (self.service.clone(), self.account.clone());
        Key::WaitingPrompts(service, account, self.channel.clone())
    }

    /// What an item of it says.
    fn what(&self) -> String {
        let Self {
            service,
            account,
            channel,
        } = self;
        format!("which reviews of {account} at {service} wait to be shown in {channel}")
    }
}

impl WaitingPrompts {
    /// Until when a review waits for others; none if it is shown at once.
    fn place(&mut self, review: &Prompted, now: Timestamp) -> Option<Timestamp> {
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

    /// Notes that reviews do not wait any more.
    fn shown(&mut self, reviews: &[Prompted]) {
        self.waiting.retain(|waiting| !reviews.contains(waiting));
        if self.waiting.is_empty() {
            self.until = None;
            self.grouping.went_together();
        }
    }
}

impl Postings {
    /// Until when a review waits to be shown together with others; none if it is shown at once.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written.
    pub async fn place_prompt(
        &self,
        group: &PromptGroup,
        review: &Prompted,
    ) -> Result<Option<Timestamp>, Arc<Error>> {
        let place = |waiting: &mut WaitingPrompts, now| waiting.place(review, now);
        let (key, what) = (group.key(), group.what());
        let kind = Retryable::RememberPosting;
        self.db.count(&key, kind, &what, place).await
    }

    /// The reviews that wait to be shown together.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn waiting_prompts(&self, group: &PromptGroup) -> Result<Vec<Prompted>, Arc<Error>> {
        let list = |waiting: &mut WaitingPrompts, _| waiting.waiting.clone();
        let (key, what) = (group.key(), group.what());
        let kind = Retryable::RememberPosting;
        self.db.count(&key, kind, &what, list).await
    }

    /// Notes that reviews do not wait any more.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written.
    pub async fn prompts_shown(
        &self,
        group: &PromptGroup,
        reviews: &[Prompted],
    ) -> Result<(), Arc<Error>> {
        let shown = |waiting: &mut WaitingPrompts, _| waiting.shown(reviews);
        let (key, what) = (group.key(), group.what());
        let kind = Retryable::RememberPosting;
        self.db.count(&key, kind, &what, shown).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap()
    }

    fn review(n: u32) -> Prompted {
        (format!("vpce-{n:017x}").parse().unwrap(), 1)
    }

    #[test]
    fn who_comes_while_others_wait_waits_with_them_and_who_comes_after_them_anew() {
        let mut waiting = WaitingPrompts::default();
        for n in 0..3 {
            assert_eq!(waiting.place(&review(n), at(0)), None);
        }
        assert_eq!(waiting.place(&review(3), at(1)), Some(at(16)));
        assert_eq!(waiting.place(&review(4), at(10)), Some(at(16)));
        // Late, and asked about again: they are about to be shown.
        assert_eq!(waiting.place(&review(5), at(70)), Some(at(16)));
        assert_eq!(waiting.place(&review(3), at(70)), Some(at(16)));
        assert_eq!(waiting.waiting, [3, 4, 5].map(review));
        waiting.shown(&[3, 4].map(review));
        assert_eq!(waiting.waiting, [review(5)]);
        waiting.shown(&[review(5)]);
        assert_eq!(waiting.place(&review(6), at(71)), None);
    }
}
