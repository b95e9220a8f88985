//! Approvers' e-mail subscriptions. Each approver has one, which gets only their messages and which
//! the recipient of a forwarded e-mail cannot end.

use std::sync::Arc;

use gatekeeper_core::approver::ApproverId;
use serde_json::json;

use crate::clients::Clients;
use crate::config::Approvals;
use crate::error::{Call, Error, Retryable, Step};

/// Subscribes approvers to their approval e-mail.
#[derive(Debug)]
pub struct Subscriptions {
    client: aws_sdk_sns::Client,
    topic: String,
}

impl Subscriptions {
    /// Subscriptions to the topic for approval e-mail.
    #[must_use]
    pub fn new(clients: &Clients, approvals: &Approvals) -> Self {
        Self {
            client: clients.sns.clone(),
            topic: approvals.topic.clone(),
        }
    }

    /// Subscribes an approver's address, with the filter policy that keeps everybody else's links
    /// from them. SNS sends them an e-mail to confirm it; its token is for [`Self::confirm`].
    /// Answers the subscription's ARN. A second call for the same address changes nothing.
    ///
    /// # Errors
    /// SNS's error.
    pub async fn subscribe(&self, approver: &ApproverId) -> Result<String, Arc<Error>> {
        let filter = json!({ "approver": [approver] }).to_string();
        let output = self
            .client
            .subscribe()
            .topic_arn(&self.topic)
            .protocol("email")
            .endpoint(approver.as_str())
            .attributes("FilterPolicyScope", "MessageAttributes")
            .attributes("FilterPolicy", filter)
            .return_subscription_arn(true)
            .send()
            .await
            .map_err(|error| {
                let what = format!("{approver} could not be subscribed");
                calling("sns:Subscribe", what).failed(error)
            })?;
        Ok(output.subscription_arn.unwrap_or_default())
    }

    /// Confirms a subscription by the token that the approver got. After that, only the owner of
    /// the topic or of the subscription can end it, with their AWS identity; the unsubscribe link
    /// in every e-mail cannot. Answers the subscription's ARN.
    /// <https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html>
    ///
    /// # Errors
    /// SNS's error, for example if the token is wrong or older than two days.
    pub async fn confirm(&self, token: &str) -> Result<String, Arc<Error>> {
        let output = self
            .client
            .confirm_subscription()
            .topic_arn(&self.topic)
            .token(token)
            .authenticate_on_unsubscribe("true")
            .send()
            .await
            .map_err(|error| {
                let what = "an approver's subscription could not be confirmed";
                calling("sns:ConfirmSubscription", what).failed(error)
            })?;
        Ok(output.subscription_arn.unwrap_or_default())
    }

    /// Whether only its owner can end a subscription. One that was confirmed by the link in the
    /// e-mail, as a scanner may do, can no longer be protected: subscribe anew.
    ///
    /// # Errors
    /// SNS's error.
    pub async fn is_protected(&self, subscription: &str) -> Result<bool, Arc<Error>> {
        let output = self
            .client
            .get_subscription_attributes()
            .subscription_arn(subscription)
            .send()
            .await
            .map_err(|error| {
                let what = format!("the subscription {subscription} could not be looked at");
                calling("sns:GetSubscriptionAttributes", what).failed(error)
            })?;
        let says = |name: &str, word: &str| {
            let attributes = output.attributes.as_ref();
            attributes.and_then(|all| all.get(name)).map(String::as_str) == Some(word)
        };
        Ok(says("PendingConfirmation", "false") && says("ConfirmationWasAuthenticated", "true"))
    }
}

/// A call about an approver's subscription.
fn calling(operation: &'static str, what: impl Into<String>) -> Call {
    Call::new(Step::Announce, operation, Retryable::Subscribe, what)
}
