//! What is to be done about a connection whether or not somebody votes.

use jiff::Timestamp;

use super::facts::Facts;
use super::moments::Moments;
use super::next::{Action, LeaveReason};
use super::verdict::claimed;
use super::{connected, seen, waiting};
use crate::plan::{self, Plan, Seen, plan};

/// What the plan comes to.
pub(super) fn unasked(facts: &Facts<'_>, now: Timestamp, moments: &mut Moments) -> Action {
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
            let claimed = claimed(facts, request, verdict, Vec::new(), now);
            Action::Write(Box::new(claimed))
        }
        (Plan::Record { to, cause }, _, request) => {
            seen::recorded(facts, request, (to, cause), now, moments)
        }
        // The plan never asks to judge what EC2 does not list, or to enforce what was not decided.
        (Plan::Judge, None, _) | (Plan::Enforce, _, None) => Action::Nothing,
    }
}
