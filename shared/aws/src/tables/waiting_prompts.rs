//! Reviews that wait to be shown in Slack together with others of the same account at the same service.

use std::sync::Arc;

use gatekeeper_core::approver::SlackChannelId;
use gatekeeper_core::grouping::{Prompted, WaitingReviews};
use gatekeeper_core::ids::{AccountId, ServiceId};
use jiff::Timestamp;

use super::{Key, Postings};
use crate::error::{Error, Retryable};

/// The account and service of reviews, and the channel that shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptGroup {
    pub service: ServiceId,
    pub account: AccountId,
    pub channel: SlackChannelId,
}

impl PromptGroup {
    fn key(&self) -> Key {
        let (service, account) = (self.service.clone(), self.account.clone());
        Key::WaitingPrompts(service, account, self.channel.clone())
    }

    /// A description of the item, for errors.
    fn what(&self) -> String {
        let Self {
            service,
            account,
            channel,
        } = self;
        format!("which reviews of {account} at {service} wait to be shown in {channel}")
    }
}

impl Postings {
    /// Until when a review waits to be shown together with others; `None` if it is shown at once.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written.
    pub async fn place_prompt(
        &self,
        group: &PromptGroup,
        review: &Prompted,
    ) -> Result<Option<Timestamp>, Arc<Error>> {
        let place = |waiting: &mut WaitingReviews, now| waiting.place(review, now);
        let (key, what) = (group.key(), group.what());
        let kind = Retryable::RememberPosting;
        self.db.count(&key, kind, &what, place).await
    }

    /// The reviews that wait to be shown together.
    ///
    /// # Errors
    /// If DynamoDB cannot be read.
    pub async fn waiting_prompts(&self, group: &PromptGroup) -> Result<Vec<Prompted>, Arc<Error>> {
        let list = |waiting: &mut WaitingReviews, _| waiting.all().to_vec();
        let (key, what) = (group.key(), group.what());
        let kind = Retryable::RememberPosting;
        self.db.count(&key, kind, &what, list).await
    }

    /// Notes that reviews no longer wait.
    ///
    /// # Errors
    /// If DynamoDB cannot be read or written.
    pub async fn prompts_shown(
        &self,
        group: &PromptGroup,
        reviews: &[Prompted],
    ) -> Result<(), Arc<Error>> {
        let shown = |waiting: &mut WaitingReviews, _| waiting.shown(reviews);
        let (key, what) = (group.key(), group.what());
        let kind = Retryable::RememberPosting;
        self.db.count(&key, kind, &what, shown).await
    }
}
