//! The durable record of one connection, and every legal way it can change.
//!
//! ```text
//!             ┌────────▶ Accepting ──▶ Accepted ◀─▶ Revoking ──▶ Rejected
//!  (observed) ┼────────▶ Rejecting ──▶ Rejected
//!             └─▶ InReview ─▶ Accepting | Rejecting
//!  any ──▶ Gone;  any ──▶ Accepted | Rejected out of band
//! ```
//!
//! [`LEGAL`] is the only place that says which transitions there are.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::connection::Connection;
use crate::ids::{AccountId, ApproverId, EndpointId, Region, ServiceId};
use crate::judge::{Decision, Verdict};
use crate::other_names::OtherNames;
use crate::policy::{Rule, ServiceName};
use crate::vote::{Vote, may_approve};

/// The status of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It waits for people.
    InReview,
    /// It is decided; EC2 is being asked to accept.
    Accepting,
    /// EC2 accepted.
    Accepted,
    /// It is decided; EC2 is being asked to reject.
    Rejecting,
    /// EC2 rejected.
    Rejected,
    /// It is connected, and will be revoked when its grace period is over, unless it is allowed
    /// again.
    Revoking,
    /// The endpoint was deleted, failed or expired.
    Gone,
}

impl Status {
    pub const ALL: [Status; 7] = [
        Status::InReview,
        Status::Accepting,
        Status::Accepted,
        Status::Rejecting,
        Status::Rejected,
        Status::Revoking,
        Status::Gone,
    ];

    /// The status in tables, messages and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InReview => "in_review",
            Self::Accepting => "accepting",
            Self::Accepted => "accepted",
            Self::Rejecting => "rejecting",
            Self::Rejected => "rejected",
            Self::Revoking => "revoking",
            Self::Gone => "gone",
        }
    }

    /// What EC2 is to be asked in this status. During a grace period, EC2 is not asked yet: see
    /// [`Request::due`].
    #[must_use]
    pub fn pending_enforcement(self) -> Option<Enforcement> {
        match self {
            Self::Accepting => Some(Enforcement::Accept),
            Self::Rejecting | Self::Revoking => Some(Enforcement::Reject),
            Self::InReview | Self::Accepted | Self::Rejected | Self::Gone => None,
        }
    }

    /// Whether the request counts against `max_connections`.
    #[must_use]
    pub fn counts_as_usage(self) -> bool {
        matches!(self, Self::Accepting | Self::Accepted | Self::Revoking)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a request status")]
pub struct UnknownStatus(String);

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

/// What EC2 is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Enforcement {
    /// `AcceptVpcEndpointConnections`.
    Accept,
    /// `RejectVpcEndpointConnections`.
    Reject,
}

impl Enforcement {
    /// The status after success.
    #[must_use]
    pub fn outcome(self) -> Status {
        match self {
            Self::Accept => Status::Accepted,
            Self::Reject => Status::Rejected,
        }
    }
}

impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
        })
    }
}

/// Why a request changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The policy judged a pending connection.
    Judged,
    /// Enough people voted.
    Voted,
    /// A review's deadline passed.
    Deadline,
    /// EC2 carried a decision out.
    Enforced,
    /// Somebody else accepted or rejected the connection.
    OutOfBand,
    /// The policy, or a person, revoked an accepted connection.
    Revoked,
    /// A revocation ended: the connection is allowed again, or the service no longer revokes.
    Restored,
    /// EC2 would not accept a connection that had been rejected before.
    Refused,
    /// The endpoint was deleted, failed or expired.
    Ended,
}

impl Cause {
    /// The cause in history rows and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Judged => "judged",
            Self::Voted => "voted",
            Self::Deadline => "deadline",
            Self::Enforced => "enforced",
            Self::OutOfBand => "out_of_band",
            Self::Revoked => "revoked",
            Self::Restored => "restored",
            Self::Refused => "refused",
            Self::Ended => "ended",
        }
    }
}

/// Every legal transition, by cause: from which statuses (`None`: no request yet) to which.
///
/// A judgement may start from any status: the connection is pending again at EC2, the policy
/// changed between decision and enforcement, or it now allows a rejected connection.
/// [`plan`](crate::plan) says when.
pub const LEGAL: &[(Cause, &[Option<Status>], &[Status])] = {
    use Status::{Accepted, Accepting, Gone, InReview, Rejected, Rejecting, Revoking};
    &[
        (
            Cause::Judged,
            &[
                None,
                Some(InReview),
                Some(Accepting),
                Some(Rejecting),
                Some(Accepted),
                Some(Rejected),
                Some(Revoking),
                Some(Gone),
            ],
            &[InReview, Accepting, Rejecting],
        ),
        (Cause::Voted, &[Some(InReview)], &[Accepting, Rejecting]),
        (Cause::Deadline, &[Some(InReview)], &[Rejecting]),
        (Cause::Enforced, &[Some(Accepting)], &[Accepted]),
        (
            Cause::Enforced,
            &[Some(Rejecting), Some(Revoking)],
            &[Rejected],
        ),
        (
            Cause::OutOfBand,
            &[
                None,
                Some(InReview),
                Some(Accepting),
                Some(Rejecting),
                Some(Accepted),
                Some(Rejected),
                Some(Revoking),
                Some(Gone),
            ],
            &[Accepted, Rejected],
        ),
        (Cause::Revoked, &[Some(Accepted)], &[Revoking]),
        (Cause::Restored, &[Some(Revoking)], &[Accepted]),
        (Cause::Refused, &[Some(Accepting)], &[Rejected]),
        (
            Cause::Ended,
            &[
                Some(InReview),
                Some(Accepting),
                Some(Rejecting),
                Some(Accepted),
                Some(Rejected),
                Some(Revoking),
            ],
            &[Gone],
        ),
    ]
};

fn is_legal(cause: Cause, from: Option<Status>, to: Status) -> bool {
    from != Some(to)
        && LEGAL.iter().any(|(c, sources, targets)| {
            *c == cause && sources.contains(&from) && targets.contains(&to)
        })
}

/// The actor of a transition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Actor {
    /// An allowlist entry; the service's settings if `None`.
    Policy(Option<Rule>),
    /// An approver, by id.
    Approver(String),
    /// An IAM principal, by ARN, from AWS CloudTrail or STS.
    Iam(String),
    /// A deadline of ours.
    Schedule,
    /// AWS or the consumer, without a decision at the provider.
    Aws,
    /// Somebody at the provider whom no event named.
    Unknown,
    /// Somebody before Gatekeeper first looked.
    Found,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(Some(rule)) => write!(f, "the rule \"{rule}\""),
            Self::Policy(None) => f.write_str("the service's settings"),
            Self::Approver(id) => f.write_str(id),
            Self::Iam(arn) => f.write_str(arn),
            Self::Schedule => f.write_str("the schedule"),
            Self::Aws => f.write_str("AWS or the consumer"),
            Self::Unknown => f.write_str("somebody else"),
            Self::Found => f.write_str("somebody, before Gatekeeper looked"),
        }
    }
}

/// EC2's answer to the call that a transition records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ec2Answer {
    /// The error code, or the state that was read back; `ok` for a call that succeeded.
    pub code: String,
    /// AWS's id of the call, to find it in CloudTrail or to quote to AWS Support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// One change of a request's status. Each is written together with exactly one history row (S6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The status before; `None` for a new request.
    pub from: Option<Status>,
    /// The status after.
    pub to: Status,
    pub cause: Cause,
    pub at: Timestamp,
    pub actor: Actor,
    /// The reason, in one sentence.
    pub reason: String,
    /// EC2's answer, if it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ec2: Option<Ec2Answer>,
    /// The approvers' votes in the review that this ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub votes: Vec<Vote>,
}

/// Our durable record of one connection, and the attributes of the item that stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The consumer's endpoint. It is the request's key.
    pub endpoint_id: EndpointId,
    pub service_id: ServiceId,
    /// The consumer's account, as EC2 says.
    pub account_id: AccountId,
    /// The Region of the endpoint.
    pub region: Region,
    pub status: Status,
    /// Counts the transitions: the first makes it 1.
    pub version: u64,
    /// Counts the writes, including those that keep the status. A write requires the revision that
    /// it read.
    pub revision: u64,
    /// The policy's last verdict.
    pub verdict: Verdict,
    /// The actor of the current decision.
    pub decided_by: Actor,
    /// The version of the current decision.
    pub decided_in: u64,
    /// The principals whom AWS CloudTrail names for decisions besides those on record.
    #[serde(default, skip_serializing_if = "OtherNames::is_empty")]
    pub other_names: OtherNames,
    /// When the request was opened.
    pub opened_at: Timestamp,
    /// Since when it has this status.
    pub status_since: Timestamp,
    /// Until when the handler that asks EC2 has claimed it. Only between decision and outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_until: Option<Timestamp>,
    /// The name that people call the service by, from the policy as last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_name: Option<ServiceName>,
    /// The customer's name, from the allowlist as last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// The number of the last review: the version at which it opened. Links and buttons name it, so
    /// that those of an earlier review cannot decide a later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<u64>,
    /// The approvers of that review who were notified.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub notified: BTreeSet<ApproverId>,
    /// When all of them last got an approval e-mail with a valid link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_emails_at: Option<Timestamp>,
    /// How many approvers could decide it at the last look.
    #[serde(default)]
    pub deciders: u32,
    /// How many approvals it needed.
    #[serde(default)]
    pub approvals_required: u32,
    /// The votes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub votes: Vec<Vote>,
    /// When a review is ended by the service's `on_deadline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// Whether the connection is rejected then; otherwise the review stays open.
    #[serde(default)]
    pub deadline_rejects: bool,
    /// How many reminders of a review were sent.
    #[serde(default)]
    pub reminders: u32,
    /// When the last reminder was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminded_at: Option<Timestamp>,
    /// When a connection that is being revoked loses its access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Whether somebody accepted it against the policy, and nothing has allowed it since.
    #[serde(default)]
    pub past_policy: bool,
    /// Since when it has been announced that this accepted connection would be revoked if the
    /// service revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_at: Option<Timestamp>,
    /// When a rejected connection was tried again because it had become allowed. It is tried once
    /// only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried_at: Option<Timestamp>,
    /// The allow that was announced as having no effect, because the connection stays rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stays_rejected: Option<StaysRejected>,
    /// Since when the open review has needed more approvals than there are approvers who may decide
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_reach_since: Option<Timestamp>,
    /// The entry that DynamoDB deleted before it expired, if that is the announced reason why an
    /// accepted connection would be revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purged: Option<Rule>,
}

/// A transition that is not in [`LEGAL`], or that does not start at the request's status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a request cannot go from {} to {to} ({})", .from.map_or("nothing", Status::as_str), .cause.as_str())]
pub struct IllegalTransition {
    from: Option<Status>,
    to: Status,
    cause: Cause,
}

impl Request {
    /// Opens the request of a connection that has none.
    ///
    /// # Errors
    /// [`IllegalTransition`] unless the transition starts without a request.
    pub fn open(
        connection: &Connection,
        verdict: Verdict,
        transition: &Transition,
    ) -> Result<Request, IllegalTransition> {
        check(None, transition)?;
        Ok(Request {
            endpoint_id: connection.endpoint_id.clone(),
            service_id: connection.service_id.clone(),
            account_id: connection.owner.clone(),
            region: connection.region.clone(),
            status: transition.to,
            version: 1,
            revision: 1,
            verdict,
            decided_by: transition.actor.clone(),
            decided_in: 1,
            other_names: OtherNames::default(),
            opened_at: transition.at,
            status_since: transition.at,
            claimed_until: None,
            service_name: None,
            customer: None,
            review: (transition.to == Status::InReview).then_some(1),
            notified: BTreeSet::new(),
            approval_emails_at: None,
            deciders: 0,
            approvals_required: 0,
            votes: Vec::new(),
            deadline: None,
            deadline_rejects: false,
            reminders: 0,
            reminded_at: None,
            due: None,
            past_policy: false,
            reported_at: None,
            retried_at: None,
            stays_rejected: None,
            out_of_reach_since: None,
            purged: None,
        })
    }

    /// The request after a transition.
    ///
    /// # Errors
    /// [`IllegalTransition`] if there is no such transition from the request's status.
    pub fn after(&self, transition: &Transition) -> Result<Request, IllegalTransition> {
        check(Some(self.status), transition)?;
        let version = self.version.saturating_add(1);
        let before = || (self.decided_by.clone(), self.decided_in);
        let (decided_by, decided_in) = match (transition.cause, self.status) {
            // The actor who accepted it is remembered until it is revoked, in case it is restored.
            (Cause::Enforced, Status::Revoking) => (transition.actor.clone(), version),
            (Cause::Revoked | Cause::Restored, _) => before(),
            // These carry out or end a decision; they are none themselves.
            (Cause::Enforced | Cause::Refused | Cause::Ended, _) => before(),
            _ => (transition.actor.clone(), version),
        };
        let tried_again = self.status == Status::Rejected && transition.to == Status::Accepting;
        let reviewed = if transition.to == Status::InReview {
            Request {
                review: Some(version),
                notified: BTreeSet::new(),
                approval_emails_at: None,
                deciders: 0,
                approvals_required: 0,
                votes: Vec::new(),
                ..self.clone()
            }
        } else {
            self.clone()
        };
        Ok(Request {
            status: transition.to,
            version,
            revision: self.revision.saturating_add(1),
            decided_by,
            decided_in,
            status_since: transition.at,
            claimed_until: None,
            deadline: None,
            deadline_rejects: false,
            reminders: 0,
            reminded_at: None,
            due: None,
            // During a revocation, and after it was restored, it is the same connection.
            past_policy: self.past_policy
                && matches!(transition.cause, Cause::Revoked | Cause::Restored),
            reported_at: None,
            retried_at: if tried_again {
                Some(transition.at)
            } else {
                self.retried_at
            },
            stays_rejected: match (transition.cause, &self.verdict.rule) {
                (Cause::Refused, Some(allow)) => Some(StaysRejected {
                    allow: allow.clone(),
                    announced_at: transition.at,
                }),
                _ => None,
            },
            out_of_reach_since: None,
            purged: None,
            ..reviewed
        })
    }

    /// A copy of the request for a note: a write that keeps the status.
    #[must_use]
    pub fn noted(&self) -> Request {
        Request {
            revision: self.revision.saturating_add(1),
            ..self.clone()
        }
    }

    /// Whether EC2 and the request agree on the connection's owner, service and Region.
    #[must_use]
    pub fn is_about(&self, connection: &Connection) -> bool {
        self.service_id == connection.service_id
            && self.account_id == connection.owner
            && self.region == connection.region
    }

    /// The request with the owner that EC2 names (safety rule S4). Votes on another owner's request
    /// no longer count, and approvers are notified anew. A request that counts against a limit
    /// keeps counting where it did.
    #[must_use]
    pub fn corrected_by(&self, connection: &Connection) -> Request {
        if self.is_about(connection) || self.status.counts_as_usage() {
            return self.clone();
        }
        Request {
            service_id: connection.service_id.clone(),
            account_id: connection.owner.clone(),
            region: connection.region.clone(),
            votes: Vec::new(),
            notified: BTreeSet::new(),
            approval_emails_at: None,
            ..self.clone()
        }
    }

    /// Whether EC2 may be asked, once, to accept this rejected connection if the policy now allows
    /// it. A rejection by approvers stays, and so does one from before Gatekeeper.
    #[must_use]
    pub fn may_be_tried_again(&self) -> bool {
        self.retried_at.is_none()
            && match self.decided_by {
                Actor::Policy(_) | Actor::Schedule => true,
                // Only where the service undoes others' decisions, which its settings say.
                Actor::Iam(_) | Actor::Unknown => true,
                Actor::Approver(_) | Actor::Found | Actor::Aws => false,
            }
    }

    /// The actor behind what EC2 is asked to do.
    #[must_use]
    pub fn enforcer(&self) -> Actor {
        match self.status {
            // The actor who accepted it is remembered until it is revoked.
            Status::Revoking => Actor::Policy(self.verdict.rule.clone()),
            _ => self.decided_by.clone(),
        }
    }

    /// Whether it is in review, and nobody may decide it.
    #[must_use]
    pub fn nobody_may_decide(&self) -> bool {
        self.status == Status::InReview && self.deciders == 0
    }

    /// How many people have approved its review or may still do so.
    #[must_use]
    pub fn may_approve(&self) -> u32 {
        may_approve(self.deciders, &self.votes)
    }

    /// Whether it is in review and needs more approvals than there are people who may approve.
    #[must_use]
    pub fn is_out_of_reach(&self) -> bool {
        self.status == Status::InReview && self.may_approve() < self.approvals_required
    }

    /// Whether this review is open now.
    #[must_use]
    pub fn is_open_review(&self, review: u64) -> bool {
        self.status == Status::InReview && self.review == Some(review)
    }

    /// Whether a handler has claimed the request now.
    #[must_use]
    pub fn is_claimed(&self, now: Timestamp) -> bool {
        self.claimed_until.is_some_and(|until| now < until)
    }
}

fn check(from: Option<Status>, transition: &Transition) -> Result<(), IllegalTransition> {
    let Transition { to, cause, .. } = *transition;
    if transition.from == from && is_legal(cause, from, to) {
        Ok(())
    } else {
        Err(IllegalTransition { from, to, cause })
    }
}

impl Decision {
    /// The status that a verdict leads to.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::Accept => Status::Accepting,
            Self::Reject => Status::Rejecting,
            Self::Review => Status::InReview,
        }
    }
}

/// What a transition does to the consumer's usage under `max_connections`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageEffect {
    /// The request begins to count.
    Take,
    /// The request no longer counts.
    Release,
    /// Nothing changes.
    Keep,
}

impl Transition {
    /// The transition's effect on the consumer's usage.
    #[must_use]
    pub fn usage_effect(&self) -> UsageEffect {
        let before = self.from.is_some_and(Status::counts_as_usage);
        match (before, self.to.counts_as_usage()) {
            (false, true) => UsageEffect::Take,
            (true, false) => UsageEffect::Release,
            (true, true) | (false, false) => UsageEffect::Keep,
        }
    }
}

/// An allow that cannot take effect, since the connection stays rejected, and since when people know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaysRejected {
    /// The entry.
    pub allow: Rule,
    /// When it was told.
    pub announced_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::request;

    const CAUSES: [Cause; 9] = [
        Cause::Judged,
        Cause::Voted,
        Cause::Deadline,
        Cause::Enforced,
        Cause::OutOfBand,
        Cause::Revoked,
        Cause::Restored,
        Cause::Refused,
        Cause::Ended,
    ];

    fn transition(from: Option<Status>, to: Status, cause: Cause) -> Transition {
        Transition {
            from,
            to,
            cause,
            at: Timestamp::UNIX_EPOCH,
            actor: Actor::Aws,
            reason: String::new(),
            ec2: None,
            votes: Vec::new(),
        }
    }

    #[test]
    fn every_transition_is_legal_or_an_error() {
        // The table of legal transitions, written a second time as arrows.
        let mut arrows = Vec::new();
        for from in Status::ALL {
            for to in Status::ALL {
                for cause in CAUSES {
                    if request(from)
                        .after(&transition(Some(from), to, cause))
                        .is_ok()
                    {
                        arrows.push(format!("{from} -{}-> {to}", cause.as_str()));
                    }
                }
            }
        }
        arrows.sort_unstable();
        let expected = include_str!("legal_transitions.txt");
        assert_eq!(arrows.join("\n"), expected.trim_end());
    }

    #[test]
    fn nothing_becomes_accepted_without_a_decision_of_ours_or_others() {
        for from in Status::ALL {
            for cause in CAUSES {
                let accepted =
                    request(from).after(&transition(Some(from), Status::Accepted, cause));
                if accepted.is_ok() {
                    assert!(
                        cause == Cause::OutOfBand
                            || (cause == Cause::Enforced && from == Status::Accepting)
                            // It was accepted all the time.
                            || (cause == Cause::Restored && from == Status::Revoking)
                    );
                }
            }
        }
    }

    #[test]
    fn a_transition_must_start_at_the_requests_status() {
        let stale = transition(Some(Status::InReview), Status::Gone, Cause::Ended);
        assert_eq!(
            request(Status::Accepted)
                .after(&stale)
                .unwrap_err()
                .to_string(),
            "a request cannot go from accepted to gone (ended)"
        );
    }

    #[test]
    fn ec2_says_whose_connection_it_is_and_votes_on_anothers_do_not_count() {
        use crate::connection::ConnectionState;
        use crate::fixtures::{at, connection};
        use crate::vote::{Channel, Choice, Vote};

        let mut notified = request(Status::InReview);
        notified.notified = ["alice@example.com".parse().unwrap()].into();
        notified.approval_emails_at = Some(at(0));
        notified.votes.push(Vote {
            approver: "alice@example.com".parse().unwrap(),
            choice: Choice::Approve,
            reason: String::new(),
            at: at(0),
            channel: Channel::Email,
            void: false,
            taken_back: false,
        });
        let same = connection(ConnectionState::Rejected);
        assert!(notified.is_about(&same));
        assert_eq!(notified.corrected_by(&same), notified);
        let (mut owner, mut service, mut region) = (same.clone(), same.clone(), same);
        owner.owner = "999999999999".parse().unwrap();
        service.service_id = "vpce-svc-00000000000000001".parse().unwrap();
        region.region = "us-east-1".parse().unwrap();
        for other in [owner, service, region] {
            assert!(!notified.is_about(&other));
            let corrected = notified.corrected_by(&other);
            assert!(corrected.is_about(&other));
            assert!(corrected.votes.is_empty() && corrected.notified.is_empty());
            assert_eq!(corrected.approval_emails_at, None);
            let accepted = request(Status::Accepted);
            assert_eq!(accepted.corrected_by(&other), accepted);
        }
    }

    #[test]
    fn a_transition_increases_the_version_and_ends_the_claim() {
        let mut before = request(Status::Accepting);
        before.claimed_until = Some(Timestamp::MAX);
        assert!(before.is_claimed(Timestamp::UNIX_EPOCH));
        let done = transition(Some(Status::Accepting), Status::Accepted, Cause::Enforced);
        let after = before.after(&done).unwrap();
        assert_eq!(
            (after.version, after.revision, after.claimed_until),
            (2, 2, None)
        );
        assert_eq!(
            after.decided_by, before.decided_by,
            "EC2's answer decides nothing"
        );
    }

    #[test]
    fn the_actor_who_accepted_is_remembered_until_the_revocation() {
        let approver = Actor::Approver("alice@example.com".to_owned());
        let mut accepted = request(Status::Accepted);
        accepted.decided_by = approver.clone();
        let mut start = transition(Some(Status::Accepted), Status::Revoking, Cause::Revoked);
        start.actor = Actor::Policy(None);
        let revoking = accepted.after(&start).unwrap();
        assert_eq!(revoking.decided_by, approver);
        let mut undo = transition(Some(Status::Revoking), Status::Accepted, Cause::Restored);
        undo.actor = Actor::Policy(None);
        assert_eq!(revoking.after(&undo).unwrap().decided_by, approver);
        let mut cut = transition(Some(Status::Revoking), Status::Rejected, Cause::Enforced);
        cut.actor = Actor::Policy(None);
        assert_eq!(
            revoking.after(&cut).unwrap().decided_by,
            Actor::Policy(None)
        );
    }

    #[test]
    fn a_rejected_connection_is_tried_again_once() {
        let mut rejected = request(Status::Rejected);
        assert!(rejected.may_be_tried_again());
        let again = transition(Some(Status::Rejected), Status::Accepting, Cause::Judged);
        let accepting = rejected.after(&again).unwrap();
        let refused = transition(Some(Status::Accepting), Status::Rejected, Cause::Refused);
        assert!(!accepting.after(&refused).unwrap().may_be_tried_again());
        for (actor, expected) in [
            (Actor::Schedule, true),
            (Actor::Unknown, true),
            (Actor::Approver("alice@example.com".to_owned()), false),
            (Actor::Found, false),
        ] {
            rejected.decided_by = actor;
            assert_eq!(rejected.may_be_tried_again(), expected, "{rejected:?}");
        }
    }

    #[test]
    fn usage_follows_the_status() {
        let slot = |from, to| transition(from, to, Cause::Judged).usage_effect();
        assert_eq!(slot(None, Status::Accepting), UsageEffect::Take);
        assert_eq!(
            slot(Some(Status::Accepting), Status::Accepted),
            UsageEffect::Keep
        );
        assert_eq!(
            slot(Some(Status::Accepted), Status::Gone),
            UsageEffect::Release
        );
        assert_eq!(
            slot(Some(Status::Accepting), Status::InReview),
            UsageEffect::Release
        );
        assert_eq!(
            slot(Some(Status::InReview), Status::Rejecting),
            UsageEffect::Keep
        );
    }

    #[test]
    fn statuses_are_read_as_they_are_written() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(
                serde_json::to_string(&status).unwrap(),
                format!("\"{status}\"")
            );
        }
        assert!("open".parse::<Status>().is_err());
    }
}
