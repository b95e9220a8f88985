//! The facts about one connection.

use jiff::{SignedDuration, Timestamp};

use crate::approver::Approver;
use crate::ballot::CastBallot;
use crate::connection::Organization;
use crate::judge::Usage;
use crate::observation::Observation;
use crate::precondition::{PolicyItemId, PolicyRead, UnreadablePolicy};
use crate::request::Request;
use crate::review::HeldEmail;

/// The facts about one connection. `None` means that the fact was not read.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// EC2's answer.
    pub observation: &'a Observation,
    /// The request, if there is one.
    pub request: Option<&'a Request>,
    /// The policy for the connection, or the item that cannot be read.
    pub policy: Option<Result<&'a PolicyRead, &'a UnreadablePolicy>>,
    /// The place of the consumer's account in the organization.
    pub organization: &'a Organization,
    /// The consumer's other connections that count.
    pub usage: Option<UsageRead>,
    /// All approvers.
    pub approvers: Option<&'a [Approver]>,
    /// The held state of a review's approval e-mail. The inner `None` means that it was never held.
    pub held: Option<Option<&'a HeldEmail>>,
    /// Since when the service has been managed. `None` if no run has gone through it yet. It is read
    /// together with the policy.
    pub managed_since: Option<Timestamp>,
    /// The run that compares accepted connections with the policy, if this is one.
    pub audit: Option<AuditRun<'a>>,
    /// The vote, if somebody votes.
    pub ballot: Option<CastBallot<'a>>,
    /// The configuration.
    pub setup: Setup,
}

/// The consumer's usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageRead {
    /// The number of the consumer's other connections to the service that count.
    pub others: u32,
    /// Whether they include the connections from before Gatekeeper counted.
    pub is_counted: bool,
    /// Whether they were just compared with EC2's list.
    pub is_compared: bool,
}

/// A run that compares accepted connections with the policy.
#[derive(Debug, Clone, Copy)]
pub struct AuditRun<'a> {
    /// When the run began. It does not revoke what it finds itself.
    pub began: Timestamp,
    /// An entry of the allowlist that names the service, which shows that the allowlist is not empty. The
    /// outer `None` means that it was not looked for.
    pub entry: Option<Option<&'a PolicyItemId>>,
}

/// The configuration that decisions depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// For how long after our own change EC2's descriptions may lag behind it.
    pub lag: SignedDuration,
    /// For how long the handler that carries a decision out has claimed it.
    pub claim: SignedDuration,
    /// Whether approvers get links by e-mail.
    pub asks_by_email: bool,
}

impl Facts<'_> {
    /// The usage for a verdict.
    pub(super) fn usage(&self) -> Usage {
        Usage {
            others: self.usage.map_or(0, |usage| usage.others),
        }
    }

    pub(super) fn claim_end(&self, now: Timestamp) -> Option<Timestamp> {
        now.checked_add(self.setup.claim).ok()
    }
}
