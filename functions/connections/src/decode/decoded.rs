//! The result for a record, and the answer of a reader.

use std::borrow::Cow;

use gatekeeper_core::hint::Hint;
use serde_json::Value;

/// The result for a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// Where to look. Never empty.
    Hints(Vec<Hint>),
    /// An event that was understood and needs no action.
    Ignored(Ignored),
}

/// Why an event needs no action.
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
    /// CloudTrail recorded something else than a call.
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

/// The answer of the reader of one event.
pub(super) enum Read<'a> {
    Decoded(Decoded),
    /// The event only carries something else.
    Nested(Nested<'a>),
}

/// The event that another event carries.
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
