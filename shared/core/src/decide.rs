//! What is to be done about one connection now: the one place where a decision is made.
//!
//! [`next`] is pure and total. It is given what was read and answers what to do with it:
//!
//! 1. [`plan`](fn@plan) compares the request with what EC2 shows: nothing to do, not now, judge it,
//!    carry a decision out, or write down what somebody else did.
//! 2. What waits is judged (`waiting.rs`): the policy decides, or people are asked (`review.rs`).
//! 3. What EC2 shows and the record lacks is written down (`seen.rs`).
//! 4. What is connected is held against the policy (`connected.rs`), where a run audits.
//! 5. Where somebody votes, the vote is counted (`vote.rs`), unless one of these comes first.
//!
//! Where a fact is missing that the answer needs, it says which: whoever runs it reads that and asks again.
//! No missing fact ever leads to an accept, a rejection or a revocation.
//!
//! Every answer says until when it holds: the earliest moment at which the same facts may give another.

mod connected;
mod review;
mod seen;
mod vote;
mod waiting;

use jiff::{SignedDuration, Timestamp};

use crate::approver::Approver;
use crate::ballot::{CastBallot, Refusal};
use crate::change::Change;
use crate::connection::Organization;
use crate::judge::Usage;
use crate::observation::Observation;
use crate::plan::{self, Plan, Seen, plan};
use crate::precondition::{PolicyItemId, PolicyRead, UnreadablePolicy};
use crate::request::{IllegalTransition, Request};
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
    /// When the run began. What it finds itself it does not cut.
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

/// What is to be done about a connection now, by what is known of it.
#[must_use]
pub fn next(facts: &Facts<'_>, now: Timestamp) -> Next {
    let mut moments = Moments::after(now);
    let action = action(facts, now, &mut moments);
    Next {
        action,
        holds_until: moments.earliest,
    }
}

fn action(facts: &Facts<'_>, now: Timestamp, moments: &mut Moments) -> Action {
    match &facts.ballot {
        Some(ballot) => vote::cast(facts, ballot, now, moments),
        None => unasked(facts, now, moments),
    }
}

/// What is to be done, whether or not somebody votes.
fn unasked(facts: &Facts<'_>, now: Timestamp, moments: &mut Moments) -> Action {
    let observation = facts.observation;
    let seen = Seen {
        connection: observation.connection.as_ref(),
        at: observation.seen_at,
    };
    let plan = plan(facts.request, seen, now, facts.setup.lag);
    if let Some(request) = facts.request {
        // While somebody has it to themselves, and only then, time changes the plan.
        moments.note(request.claimed_until);
    }
    match (plan, &observation.connection, facts.request) {
        (Plan::Nothing, _, None) => Action::Nothing,
        (Plan::Nothing, Some(connection), Some(request))
            if facts.audit.is_some() && observation.callers.is_empty() =>
        {
            connected::audited(facts, connection, request, now, moments)
        }
        (Plan::Nothing, _, Some(request)) => seen::named(facts, request, now),
        // Until then the names would be forgotten: the event comes again when the record stands.
        (Plan::Leave(plan::LeaveReason::Claimed | plan::LeaveReason::Lag), _, Some(_))
            if !observation.callers.is_empty() =>
        {
            Action::Leave(LeaveReason::NameWaits)
        }
        (Plan::Leave(why), _, _) => Action::Leave(LeaveReason::Plan(why)),
        (Plan::Judge, Some(connection), request) => {
            waiting::judged(facts, connection, request, now, moments)
        }
        (Plan::Enforce, _, Some(request)) => {
            let verdict = request.verdict.clone();
            let claimed = waiting::claimed(facts, request, verdict, Vec::new(), now);
            Action::Write(Box::new(claimed))
        }
        (Plan::Record { to, cause }, _, request) => {
            seen::recorded(facts, request, (to, cause), now, moments)
        }
        // The plan never asks to judge what EC2 does not list, or to enforce what was not decided.
        (Plan::Judge, None, _) | (Plan::Enforce, _, None) => Action::Nothing,
    }
}

/// The earliest of the moments at which an answer may change.
struct Moments {
    now: Timestamp,
    earliest: Option<Timestamp>,
}

impl Moments {
    fn after(now: Timestamp) -> Self {
        Self {
            now,
            earliest: None,
        }
    }

    /// Notes a moment. What is past changes nothing any more.
    fn note(&mut self, at: Option<Timestamp>) {
        if let Some(at) = at.filter(|at| *at > self.now) {
            self.earliest = Some(self.earliest.map_or(at, |earliest| earliest.min(at)));
        }
    }

    /// Notes when the policy says something else of a connection by itself: when an entry expires that
    /// matches it, or may match it.
    fn note_expiries(&mut self, facts: &Facts<'_>, policy: &PolicyRead) {
        let Some(connection) = &facts.observation.connection else {
            return;
        };
        for entry in &policy.policy.entries {
            if crate::judge::may_match(entry, connection, facts.organization) {
                self.note(entry.conditions().expires_at);
            }
        }
    }
}

impl Facts<'_> {
    /// The usage that a verdict goes by.
    fn usage(&self) -> Usage {
        Usage {
            others: self.usage.map_or(0, |usage| usage.others),
        }
    }

    fn claim_end(&self, now: Timestamp) -> Option<Timestamp> {
        now.checked_add(self.setup.claim).ok()
    }
}

fn illegal(error: IllegalTransition) -> Action {
    Action::Leave(LeaveReason::Illegal(error))
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
