//! What went wrong with a call: what may work when it is tried again, and what will not until somebody
//! acts.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use super::method::Method;
use super::refusal::{Reason, Refusal};

/// A failure's cause, whatever it is.
pub type Source = Box<dyn StdError + Send + Sync>;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Try again.
    #[error(transparent)]
    Retryable(#[from] Retryable),
    /// Somebody must act.
    #[error(transparent)]
    Permanent(#[from] Permanent),
}

/// May work when it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Retryable {
    /// Slack takes no more calls of the method for so long.
    #[error("Slack takes no {method} for {} s: too many calls", .after.as_secs())]
    RateLimited {
        /// Which method; others are not concerned.
        method: Method,
        /// For how long.
        after: Duration,
    },
    /// Slack answered with an HTTP status that passes.
    #[error("Slack answered {method} with HTTP status {status}")]
    Unavailable {
        /// What was called.
        method: Method,
        /// HTTP's status, 408 or from 500 on.
        status: u16,
    },
    /// Slack said in its own words that it failed.
    #[error(transparent)]
    Failed(Refusal),
    /// No answer came in time.
    #[error("Slack did not answer {method} in time")]
    TimedOut {
        /// What was called.
        method: Method,
    },
    /// No connection, or it broke.
    #[error("Slack could not be reached for {method}")]
    Transport {
        /// What was called.
        method: Method,
        /// Whether the request may have reached Slack.
        sent: bool,
        /// What went wrong.
        #[source]
        source: Source,
    },
    /// Slack answered something that cannot be read.
    #[error("Slack's answer to {method} cannot be read: {detail}")]
    Unreadable {
        /// What was called.
        method: Method,
        /// What is wrong with it.
        detail: String,
    },
}

/// Will not work until somebody acts.
#[derive(Debug, thiserror::Error)]
pub enum Permanent {
    /// Slack understood and refused.
    #[error(transparent)]
    Refused(Refusal),
    /// Slack answered with an HTTP status that does not pass: the address may be wrong.
    #[error(
        "Slack answered {method} with HTTP status {status}; check the address that is configured for Slack"
    )]
    Status {
        /// What was called.
        method: Method,
        /// HTTP's status.
        status: u16,
    },
    /// The call could not be put into a request.
    #[error("a call of {method} could not be encoded")]
    Encode {
        /// What was to be called.
        method: Method,
        /// Why not.
        #[source]
        source: Source,
    },
}

impl Retryable {
    pub(super) fn transport(method: Method, source: Source) -> Self {
        Self::Transport {
            method,
            sent: !was_turned_away(source.as_ref()),
            source,
        }
    }

    /// The answer had begun.
    pub(super) fn cut_off(method: Method, source: Source) -> Self {
        Self::Transport {
            method,
            sent: true,
            source,
        }
    }

    pub(super) fn unreadable(method: Method, detail: &impl ToString) -> Self {
        const SAID: usize = 160;
        Self::Unreadable {
            method,
            detail: detail.to_string().chars().take(SAID).collect(),
        }
    }
}

impl Error {
    /// What was called.
    #[must_use]
    pub fn method(&self) -> Method {
        match self {
            Self::Retryable(error) => match error {
                Retryable::RateLimited { method, .. }
                | Retryable::Unavailable { method, .. }
                | Retryable::TimedOut { method }
                | Retryable::Transport { method, .. }
                | Retryable::Unreadable { method, .. } => *method,
                Retryable::Failed(refusal) => refusal.method(),
            },
            Self::Permanent(error) => match error {
                Permanent::Status { method, .. } | Permanent::Encode { method, .. } => *method,
                Permanent::Refused(refusal) => refusal.method(),
            },
        }
    }

    /// Whether trying again is all there is to do.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Retryable(_))
    }

    /// Whether Slack may have done it all the same: then it must not simply be done again.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Retryable(error) => match error {
                Retryable::RateLimited { .. } => false,
                Retryable::Failed(refusal) => refusal.may_have_happened(),
                Retryable::Transport { sent, .. } => *sent,
                Retryable::Unavailable { .. }
                | Retryable::TimedOut { .. }
                | Retryable::Unreadable { .. } => true,
            },
            Self::Permanent(_) => false,
        }
    }

    /// For how long Slack takes no more calls of the [method](Self::method).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Retryable(Retryable::RateLimited { after, .. }) => Some(*after),
            _ => None,
        }
    }

    /// Slack's own words, where it gave some.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Retryable(Retryable::Failed(refusal))
            | Self::Permanent(Permanent::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }

    /// A stable name that alarms can filter by: `Retryable.…` or `Permanent.…`.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Retryable(error) => match error {
                Retryable::RateLimited { .. } => "Retryable.SlackRateLimited",
                Retryable::Unavailable { .. }
                | Retryable::Failed(_)
                | Retryable::TimedOut { .. }
                | Retryable::Transport { .. }
                | Retryable::Unreadable { .. } => "Retryable.SlackUnavailable",
            },
            Self::Permanent(error) => match error {
                Permanent::Refused(_) => "Permanent.SlackRefused",
                Permanent::Status { .. } => "Permanent.SlackStatus",
                Permanent::Encode { .. } => "Permanent.SlackEncode",
            },
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal.reason() {
            Reason::Outage | Reason::Busy => Retryable::Failed(refusal).into(),
            _ => Permanent::Refused(refusal).into(),
        }
    }
}

/// Whether nobody was there to take the request. All else leaves open what Slack has seen.
fn was_turned_away(error: &(dyn StdError + Send + Sync + 'static)) -> bool {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return io.kind() == io::ErrorKind::ConnectionRefused;
        }
        cause = error.source();
    }
    false
}
