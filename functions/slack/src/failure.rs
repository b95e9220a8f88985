//! What kept a message from being posted.

use std::sync::Arc;

use gatekeeper_aws::error::Error;
use gatekeeper_slack_api::client::error::Error as SlackError;
use gatekeeper_slack_api::client::method::Method;
use gatekeeper_slack_api::client::refusal::Reason;
use gatekeeper_slack_api::ids::InvalidId;
use gatekeeper_slack_api::secret::InvalidSecret;

/// What kept a message from being posted.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Another instance is about to post or to change the same message, or was when it died.
    #[error("another instance has a message to itself")]
    Busy,
    /// It is to be shown with others of the same account, which may come yet. Nothing is wrong.
    #[error("it waits for others of the same account")]
    Waits,
    /// Slack wants to be left alone for longer than there is time.
    #[error("Slack takes no {0} for longer than this invocation lasts")]
    Paused(Method),
    /// The invocation's time is up.
    #[error("the invocation ran out of time")]
    OutOfTime,
    /// DynamoDB or Secrets Manager.
    #[error(transparent)]
    Aws(#[from] Arc<Error>),
    /// Slack.
    #[error(transparent)]
    Slack(#[from] SlackError),
    /// The secret holds no bot token.
    #[error("the Slack secret holds no bot token: {0}")]
    Token(#[from] InvalidSecret),
    /// An item says of a message where no message can be.
    #[error("an item of the requests table names a message that cannot be: {0}")]
    Noted(#[from] InvalidId),
}

impl Failure {
    /// Whether trying again is all there is to do.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy | Self::Waits | Self::Paused(_) | Self::OutOfTime => true,
            Self::Aws(error) => error.is_retryable(),
            Self::Slack(error) => error.is_retryable(),
            Self::Token(_) | Self::Noted(_) => false,
        }
    }

    /// Whether it may work within this invocation.
    pub(crate) fn passes_soon(&self) -> bool {
        match self {
            Self::Busy => true,
            Self::Slack(error) => error.retry_after().is_some(),
            _ => false,
        }
    }

    /// Whether nothing else will work in this invocation either.
    pub(crate) fn concerns_all(&self) -> bool {
        match self {
            Self::Token(_) | Self::OutOfTime => true,
            Self::Slack(error) => error
                .refusal()
                .is_some_and(|refusal| refusal.reason() == Reason::Token),
            Self::Busy | Self::Waits | Self::Paused(_) | Self::Aws(_) | Self::Noted(_) => false,
        }
    }

    /// A stable name that alarms can filter by: `Retryable.…` or `Permanent.…`.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Busy => "Retryable.SlackBusy",
            Self::Waits => "Retryable.SlackWaits",
            Self::Paused(_) => "Retryable.SlackRateLimited",
            Self::OutOfTime => "Retryable.OutOfTime",
            Self::Aws(error) => error.error_type(),
            Self::Slack(error) => error.error_type(),
            Self::Token(_) => "Permanent.SlackToken",
            Self::Noted(_) => "Permanent.SlackNoted",
        }
    }
}
