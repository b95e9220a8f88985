//! Errors: the step, what failed, and whether trying again helps.
//!
//! An [`Error`] is made at the call that failed, by the code that knows the purpose of the call and
//! names it. `Display` says what failed and never the source, which stays in the chain. Log with
//! [`chain`], once, where the failure is handled.

mod call;
pub(crate) mod codes;

use std::error::Error as StdError;
use std::fmt::{self, Write as _};

use gatekeeper_core::names;
use gatekeeper_core::policy_key::Stops;
use gatekeeper_core::precondition::UnreadablePolicy;

pub(crate) use call::Call;

/// The cause of a failure.
pub type Source = Box<dyn StdError + Send + Sync>;

/// A step that failed. One failed call may concern many connections, hence the `Arc`s around it.
#[derive(Debug)]
pub struct Error {
    step: Step,
    operation: &'static str,
    what: String,
    class: Class,
    code: Option<String>,
    source: Option<Source>,
}

/// Whether a retry can succeed, and what kind of failure it is. Each kind has a stable name by
/// which logs and alarms are filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Try again.
    Retryable(Retryable),
    /// Somebody must act.
    Permanent(Permanent),
}

/// Kinds of failure that a retry may fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retryable {
    /// EC2 did not list connections.
    DescribeConnections,
    /// EC2 did not list services, or did not describe them.
    DescribeServices,
    /// EC2 did not list connection notifications.
    DescribeNotifications,
    /// A table could not be read, or only in part.
    ReadTables,
    /// A change could not be written.
    RecordTransition,
    /// The items that a write depends on kept changing between reading and writing.
    Contended,
    /// EC2 did not accept or reject a connection, for a temporary reason.
    Enforce,
    /// SNS did not take a message, or EventBridge an event.
    Publish,
    /// The outbox, or the state that sending keeps beside it, could not be written.
    Outbox,
    /// An account's usage could not be updated.
    UpdateSlots,
    /// The product's own state could not be written.
    RememberState,
    /// The state of a message in Slack could not be written.
    RememberPosting,
    /// An account's place in its organization could not be found out.
    LookUpAccount,
    /// The configuration of services or topics could not be checked.
    WatchServices,
    /// A claim ran out while the call waited for EC2's rate, or for retries.
    ClaimEnded,
    /// An approver's subscription could not be made, confirmed or read.
    Subscribe,
    /// The Slack secret could not be read.
    ReadSecret,
    /// The system has no random numbers.
    MakeToken,
    /// The invocation's time is up.
    OutOfTime,
}

/// Kinds of failure that last until somebody acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permanent {
    /// An item of the allowlist table is not an entry, a setting or an approver (safety rule S2).
    /// The value says what it stops.
    MalformedPolicy(Stops),
    /// An item of the allowlist table is meant as an acknowledgement and is not a valid one.
    MalformedAcknowledgement,
    /// An item of the requests table is not valid.
    MalformedRequest,
    /// The Slack secret exists and is not valid.
    MalformedSecret,
    /// AWS does not allow us the call.
    Forbidden,
    /// AWS refused a call for a lasting reason: something that it names does not exist, or the call
    /// is invalid.
    RefusedCall,
    /// EC2 refused to accept or reject a connection, for a reason that we do not know to be
    /// temporary.
    Refused,
    /// An item could not be encoded for DynamoDB, or a message in its format.
    Encode,
    /// A transition that the status machine does not have, which is a bug of ours.
    Illegal,
}

/// The step in which something failed: a metric's dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Asking EC2, AWS Organizations and others for the current state, and remembering it.
    Observe,
    /// Reading the facts for a decision, or the history of one.
    Judge,
    /// Writing a change, and the usage that decisions count.
    Record,
    /// Asking EC2 to accept or reject, and reading the result.
    Enforce,
    /// Notifying people: sending the outbox, e-mailing approvers, showing reviews in Slack.
    Announce,
}

names!(Step {
    Observe = "observe",
    Judge = "judge",
    Record = "record",
    Enforce = "enforce",
    Announce = "announce",
});

impl Class {
    /// A stable name that alarms can filter by: `Retryable.…` or `Permanent.…`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Retryable(kind) => kind.as_str(),
            Self::Permanent(kind) => kind.as_str(),
        }
    }
}

names!(Retryable {
    DescribeConnections = "Retryable.DescribeConnections",
    DescribeServices = "Retryable.DescribeServices",
    DescribeNotifications = "Retryable.DescribeNotifications",
    ReadTables = "Retryable.ReadTables",
    RecordTransition = "Retryable.RecordTransition",
    Contended = "Retryable.Contended",
    Enforce = "Retryable.Enforce",
    Publish = "Retryable.Publish",
    Outbox = "Retryable.Outbox",
    UpdateSlots = "Retryable.UpdateSlots",
    RememberState = "Retryable.RememberState",
    RememberPosting = "Retryable.RememberPosting",
    LookUpAccount = "Retryable.LookUpAccount",
    WatchServices = "Retryable.WatchServices",
    ClaimEnded = "Retryable.ClaimEnded",
    Subscribe = "Retryable.Subscribe",
    ReadSecret = "Retryable.ReadSecret",
    MakeToken = "Retryable.MakeToken",
    OutOfTime = "Retryable.OutOfTime",
});

names!(Permanent {
    MalformedPolicy(_) = "Permanent.MalformedPolicy",
    MalformedAcknowledgement = "Permanent.MalformedAcknowledgement",
    MalformedRequest = "Permanent.MalformedRequest",
    MalformedSecret = "Permanent.MalformedSecret",
    Forbidden = "Permanent.Forbidden",
    RefusedCall = "Permanent.RefusedCall",
    Refused = "Permanent.Refused",
    Encode = "Permanent.Encode",
    Illegal = "Permanent.Illegal",
});

impl From<Retryable> for Class {
    fn from(kind: Retryable) -> Self {
        Self::Retryable(kind)
    }
}

impl From<Permanent> for Class {
    fn from(kind: Permanent) -> Self {
        Self::Permanent(kind)
    }
}

impl Error {
    /// A failure in a step. `operation` is the call's name as AWS writes it (`dynamodb:Query`), or,
    /// without a colon, our own operation; `what` says what could not be done, and for whom.
    #[must_use]
    pub fn new(
        step: Step,
        operation: &'static str,
        class: impl Into<Class>,
        what: impl Into<String>,
    ) -> Self {
        Self {
            step,
            operation,
            what: what.into(),
            class: class.into(),
            code: None,
            source: None,
        }
    }

    /// Adds AWS's code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The invocation's time was up in this step, `before` something could be done.
    #[must_use]
    pub fn out_of_time(step: Step, before: impl fmt::Display) -> Self {
        let what = format!("the invocation ran out of time before {before}");
        Self::new(step, "deadline", Retryable::OutOfTime, what)
    }

    /// An item of the allowlist was read in this step and cannot be understood (safety rule S2).
    #[must_use]
    pub fn unreadable_policy(step: Step, unreadable: UnreadablePolicy) -> Self {
        let UnreadablePolicy {
            item,
            stops,
            detail,
        } = unreadable;
        let what = format!(
            "the allowlist item {item} cannot be read, so nothing it concerns is decided: {detail}"
        );
        let class = Permanent::MalformedPolicy(stops);
        Self::new(step, "read an item", class, what)
    }

    /// Something could not be encoded for AWS; only a bug can cause that.
    #[must_use]
    pub fn unencodable(step: Step, what: impl fmt::Display, source: impl Into<Source>) -> Self {
        let what = format!("{what} could not be encoded");
        Self::new(step, "encode", Permanent::Encode, what).caused_by(source)
    }

    /// The step in which it happened.
    #[must_use]
    pub fn step(&self) -> Step {
        self.step
    }

    /// The call's name as AWS writes it, or our own operation.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Whether trying again helps, and what kind of failure it is.
    #[must_use]
    pub fn class(&self) -> Class {
        self.class
    }

    /// AWS's code; `None` if AWS gave none, or it was not AWS that failed.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// A stable name that alarms can filter by: `Retryable.…` or `Permanent.…`.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        self.class.name()
    }

    /// What an item of the allowlist that cannot be understood stops, if the error is about one.
    #[must_use]
    pub fn stops(&self) -> Option<Stops> {
        match self.class {
            Class::Permanent(Permanent::MalformedPolicy(stops)) => Some(stops),
            _ => None,
        }
    }

    /// Whether time ran out, and nothing else is wrong.
    #[must_use]
    pub fn is_out_of_time(&self) -> bool {
        self.class == Class::Retryable(Retryable::OutOfTime)
    }

    /// Whether AWS understood the call and refused it, for a lasting reason.
    pub(crate) fn is_refused_call(&self) -> bool {
        self.class == Class::Permanent(Permanent::RefusedCall)
    }

    /// Whether a retry can succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self.class, Class::Retryable(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        // Our own operation is already named.
        let Some((_, name)) = self.operation.split_once(':') else {
            return Ok(());
        };
        let code = self.code.as_deref();
        match self.class {
            Class::Permanent(Permanent::Forbidden) => write!(
                f,
                ": AWS forbids {name}; check the caller's IAM policy, and the service's owner and Region"
            ),
            Class::Permanent(Permanent::RefusedCall) => match code {
                Some(code) => write!(f, ": AWS refused {name} ({code})"),
                None => write!(f, ": AWS refused {name}"),
            },
            _ => match code {
                Some(code) => write!(f, " ({}: {code})", self.operation),
                None => write!(f, " ({})", self.operation),
            },
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}

/// For the code that decides.
impl From<UnreadablePolicy> for Error {
    fn from(unreadable: UnreadablePolicy) -> Self {
        Self::unreadable_policy(Step::Judge, unreadable)
    }
}

/// The whole chain of an error, in one line.
#[must_use]
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // The SDK's wrappers often say no more than their sources.
        let said = cause.to_string();
        if !line.ends_with(&said) {
            // Writing to a string cannot fail.
            let _ = write!(line, ": {said}");
        }
        source = cause.source();
    }
    line
}

#[cfg(test)]
#[path = "error/tests.rs"]
mod tests;
