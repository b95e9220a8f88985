//! What is to be done about one connection.

use jiff::Timestamp;

use crate::ballot::Refusal;
use crate::change::Change;
use crate::plan;
use crate::precondition::UnreadablePolicy;
use crate::request::IllegalTransition;

/// What is to be done, and until when that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// What is to be done.
    pub action: Action,
    /// The earliest moment at which the same facts may give another answer; none if they never do.
    pub holds_until: Option<Timestamp>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Read this, and ask again.
    Need(Need),
    /// Write this change. Where it claims the request, EC2 is to be asked then.
    Write(Box<Change>),
    /// Do nothing for now, for this reason.
    Leave(LeaveReason),
    /// Do nothing: all is as it should be.
    Nothing,
}

/// A fact that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The policy for the connection, and what is read with it: where the account sits, the usage, and since
    /// when the service is looked after.
    Policy,
    /// The consumer's usage, compared with what EC2 shows as connected.
    Usage,
    /// The approvers.
    Approvers,
    /// Some entry of the allowlist that speaks of the service.
    AnyEntry,
    /// Whether the review's approval e-mail was held.
    HeldEmail,
}

/// Why a connection is left alone for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaveReason {
    /// What the plan says.
    Plan(plan::LeaveReason),
    /// An event names somebody, and there is no record yet on which the name could be put.
    NameWaits,
    /// The policy cannot be read whole (safety rule S2).
    Unreadable(UnreadablePolicy),
    /// It would be revoked, and is not because the allowlist holds no entry for the service (safety rule S2).
    AllowlistEmpty,
    /// Somebody votes, and the vote does not count.
    Refused(Refusal),
    /// The change is one that the status machine does not know. Only a bug can cause that.
    Illegal(IllegalTransition),
}

impl LeaveReason {
    /// For logs and metrics.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Plan(why) => why.as_str(),
            Self::NameWaits => "name_waits",
            Self::Unreadable(_) => "policy_unreadable",
            Self::AllowlistEmpty => "allowlist_empty",
            Self::Refused(_) => "vote_refused",
            Self::Illegal(_) => "illegal_transition",
        }
    }
}

pub(super) fn illegal(error: IllegalTransition) -> Action {
    Action::Leave(LeaveReason::Illegal(error))
}
