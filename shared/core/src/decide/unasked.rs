//! The actions that do not depend on a vote.

use jiff::Timestamp;

use super::facts::Facts;
use super::moments::Moments;
use super::next::{Action, LeaveReason};
use super::verdict::claimed;
use super::{connected, seen, waiting};
use crate::plan::{self, Plan, Seen, plan};

/// The result of the plan.
pub(super) fn unasked(facts: &Facts<'_>, now: Timestamp, moments: &mut Moments) -> Action {
    let observation = facts.observation;
    let seen = Seen {
        connection: observation.connection.as_ref(),
        at: observation.seen_at,
    };
    let plan = plan(facts.request, seen, now, facts.setup.lag);
    if let Some(request) = facts.request {
        // Time changes the plan only while a handler has claimed the request.
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
        // The event is delivered again, so that the name is there when the record exists.
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
        // The plan never judges a connection that EC2 does not list, and never enforces without a decision.
        (Plan::Judge, None, _) | (Plan::Enforce, _, None) => Action::Nothing,
    }
}
