//! What a record comes to, and what a reader answers.

use std::borrow::Cow;

use gatekeeper_core::hint::Hint;
use serde_json::Value;

/// What a record comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// Where to look. Never empty.
    Hints(Vec<Hint>),
    /// An event that was understood and asks nothing of us.
    Ignored(Ignored),
}

/// Why an event asks nothing of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// Our own accept or reject: it is on record already.
    OwnCall,
    /// An EC2 call that AWS refused, or that failed for every endpoint it named.
    CallFailed,
    /// An endpoint for one of AWS's services, or for something else than an endpoint service.
    OtherService,
    /// An API call that has nothing to do with connections.
    OtherCall,
    /// What CloudTrail recorded is no call.
    NoCall,
    /// An EventBridge event that is neither an API call nor one of ours.
    OtherEvent,
    /// SNS asks to confirm a subscription.
    SubscriptionConfirmation,
    /// SNS says that a subscription was removed.
    UnsubscribeConfirmation,
}

impl Ignored {
    /// A short stable name for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OwnCall => "own_call",
            Self::CallFailed => "call_failed",
            Self::OtherService => "other_service",
            Self::OtherCall => "other_call",
            Self::NoCall => "no_call",
            Self::OtherEvent => "other_event",
            Self::SubscriptionConfirmation => "subscription_confirmation",
            Self::UnsubscribeConfirmation => "unsubscribe_confirmation",
        }
    }
}

/// What the reader of one event answers.
pub(super) enum Read<'a> {
    Decoded(Decoded),
    /// The event only carries something else.
    Nested(Nested<'a>),
}

/// What an event carries.
pub(super) enum Nested<'a> {
    Records(&'a [Value]),
    Text(&'a str),
    /// The message of an SNS notification, which may be another event.
    Message {
        message: Cow<'a, Value>,
        /// What the message says if it is no event.
        notification: Decoded,
        /// Whether the message names an endpoint or a service.
        names_ids: bool,
    },
}
