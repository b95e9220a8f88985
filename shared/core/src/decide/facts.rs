//! What is known of one connection.

use jiff::{SignedDuration, Timestamp};

use crate::approver::Approver;
use crate::ballot::CastBallot;
use crate::connection::Organization;
use crate::judge::Usage;
use crate::observation::Observation;
use crate::precondition::{PolicyItemId, PolicyRead, UnreadablePolicy};
use crate::request::Request;
use crate::review::HeldEmail;

/// What is known of one connection. Whatever is none was not read.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What EC2 said.
    pub observation: &'a Observation,
    /// The request as it was read; none if there is none.
    pub request: Option<&'a Request>,
    /// The policy as it was read for the connection, or what of it cannot be understood.
    pub policy: Option<Result<&'a PolicyRead, &'a UnreadablePolicy>>,
    /// Where the consumer's account sits in the organization.
    pub organization: &'a Organization,
    /// The consumer's other connections that count.
    pub usage: Option<UsageRead>,
    /// Everybody who may decide anything.
    pub approvers: Option<&'a [Approver]>,
    /// What is remembered of a review's approval e-mail; none within if it was never held.
    pub held: Option<Option<&'a HeldEmail>>,
    /// Since when the service is looked after; none if no run has looked it through yet. Known wherever the
    /// policy is.
    pub managed_since: Option<Timestamp>,
    /// The run that holds what is connected against the policy; none where nothing is audited.
    pub audit: Option<AuditRun<'a>>,
    /// The vote that somebody casts; none where nobody votes.
    pub ballot: Option<CastBallot<'a>>,
    /// How the product is set up.
    pub setup: Setup,
}

/// The consumer's usage as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageRead {
    /// How many of the consumer's other connections to the service count.
    pub others: u32,
    /// Whether what was connected before anybody counted is among them.
    pub is_counted: bool,
    /// Whether they were just compared with what EC2 shows.
    pub is_compared: bool,
}

/// A run that holds what is connected against the policy.
#[derive(Debug, Clone, Copy)]
pub struct AuditRun<'a> {
    /// When the run began. It does not revoke what it finds itself.
    pub began: Timestamp,
    /// An entry of the allowlist that speaks of the service, so that it is not empty; none within if it is
    /// empty, and none if it was not looked for.
    pub entry: Option<Option<&'a PolicyItemId>>,
}

/// How the product is set up, as far as decisions depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// For how long after a change of ours EC2's descriptions are not held against us.
    pub lag: SignedDuration,
    /// For how long whoever carries a decision out has it to themselves.
    pub claim: SignedDuration,
    /// Whether approvers can be sent links.
    pub asks_by_email: bool,
}

impl Facts<'_> {
    /// The usage that a verdict goes by.
    pub(super) fn usage(&self) -> Usage {
        Usage {
            others: self.usage.map_or(0, |usage| usage.others),
        }
    }

    pub(super) fn claim_end(&self, now: Timestamp) -> Option<Timestamp> {
        now.checked_add(self.setup.claim).ok()
    }
}
