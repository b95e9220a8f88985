//! The policy's verdict on a connection now, and the request that carries it.

use jiff::Timestamp;

use super::facts::Facts;
use crate::change::Change;
use crate::connection::Connection;
use crate::judge::{Verdict, judge};
use crate::precondition::{PolicyRead, Precondition};
use crate::purge;
use crate::request::{Actor, IllegalTransition, Request, Transition};

/// The policy's verdict now, and the deleted entry that caused it, if any.
pub(super) fn verdict(
    facts: &Facts<'_>,
    read: &PolicyRead,
    connection: &Connection,
    now: Timestamp,
) -> Verdict {
    let (policy, place) = (&read.policy, facts.organization);
    let mut verdict = judge(policy, connection, place, facts.usage(), now);
    let purged = &facts.observation.purged;
    if let Some(rule) = purge::cause(purged, policy, connection, place, &verdict, now) {
        verdict.reason = format!("{} {}", verdict.reason, purge::sentence(rule));
    }
    verdict
}

/// Claims a decision that was recorded and not carried out. The writer of the claim asks EC2.
pub(super) fn claimed(
    facts: &Facts<'_>,
    request: &Request,
    verdict: Verdict,
    preconditions: Vec<Precondition>,
    now: Timestamp,
) -> Change {
    let mut after = request.noted();
    after.decided_by = match &request.decided_by {
        Actor::Policy(_) => Actor::Policy(verdict.rule.clone()),
        person => person.clone(),
    };
    // The verdict on record stays, and with it the actor of an earlier decision.
    if (verdict.decision, &verdict.rule) != (request.verdict.decision, &request.verdict.rule) {
        after.verdict = verdict;
    }
    after.claimed_until = facts.claim_end(now);
    Change::note(request, after).on(preconditions)
}

/// The request after a transition that came with a verdict.
pub(super) fn after(
    request: Option<&Request>,
    connection: &Connection,
    verdict: Verdict,
    transition: &Transition,
) -> Result<Request, IllegalTransition> {
    match request {
        None => Request::open(connection, verdict, transition),
        Some(request) => Ok(Request {
            verdict,
            ..request.corrected_by(connection).after(transition)?
        }),
    }
}

/// Updates the names of the customer and the service on a request from the policy.
pub(super) fn name(request: &mut Request, read: &PolicyRead, connection: &Connection) {
    request.service_name = read.policy.settings_of(&connection.service_id).name;
    request.customer = read.policy.customer_of(connection);
}
