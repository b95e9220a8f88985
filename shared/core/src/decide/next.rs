//! The next action for one connection.

use jiff::Timestamp;

use crate::ballot::Refusal;
use crate::change::Change;
use crate::plan;
use crate::precondition::UnreadablePolicy;
use crate::request::IllegalTransition;

/// The next action, and until when it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    pub action: Action,
    /// The earliest moment at which the same facts may give another answer. `None` if they never do.
    pub holds_until: Option<Timestamp>,
}

/// An action for one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Read this, and ask again.
    Need(Need),
    /// Write this change. If it claims the request, ask EC2 then.
    Write(Box<Change>),
    /// Do nothing for now, for this reason.
    Leave(LeaveReason),
    /// Do nothing: all is as it should be.
    Nothing,
}

/// A fact that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The policy for the connection, and what is read with it: the place of the account, the usage, and
    /// since when the service has been managed.
    Policy,
    /// The consumer's usage, compared with EC2's list.
    Usage,
    /// The approvers.
    Approvers,
    /// An entry of the allowlist that names the service.
    AnyEntry,
    /// Whether the review's approval e-mail was held.
    HeldEmail,
}

/// Why a connection is left alone for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaveReason {
    /// The plan's reason.
    Plan(plan::LeaveReason),
    /// An event names somebody, but there is no record yet that could hold the name.
    NameWaits,
    /// An item of the policy cannot be read (safety rule S2).
    Unreadable(UnreadablePolicy),
    /// It would be revoked, but the allowlist has no entry for the service (safety rule S2).
    AllowlistEmpty,
    /// The vote does not count.
    Refused(Refusal),
    /// The status machine has no such change. Only a bug can cause this.
    Illegal(IllegalTransition),
}

impl LeaveReason {
    /// The name for logs and metrics.
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
