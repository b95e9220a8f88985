//! Judges pending connections, and rejected ones that may be allowed by now, and records the
//! result.

use jiff::Timestamp;

use super::facts::Facts;
use super::moments::Moments;
use super::next::{Action, LeaveReason, Need, illegal};
use super::verdict::{after, claimed, name, verdict};
use super::{review, seen};
use crate::ballot::by_votes;
use crate::change::Change;
use crate::connection::{Connection, Phase};
use crate::judge::{Verdict, doubts};
use crate::plan::{Approval, LeaveReason as PlanLeaveReason, approval, is_approved_by_people};
use crate::precondition::{PolicyRead, Precondition};
use crate::rejection::{Rejection, rejection};
use crate::request::{Actor, Cause, Request, Status, Transition};
use crate::review::{approvals_required, missed_deadline, moved_deadline};
use crate::words;

/// Judges a connection by the policy.
pub(super) fn judged(
    facts: &Facts<'_>,
    connection: &Connection,
    request: Option<&Request>,
    now: Timestamp,
    moments: &mut Moments,
) -> Action {
    let read = match facts.policy {
        None => return Action::Need(Need::Policy),
        Some(Err(error)) => return Action::Leave(LeaveReason::Unreadable(error.clone())),
        Some(Ok(read)) => read,
    };
    let Some(usage) = facts.usage else {
        return Action::Need(Need::Policy);
    };
    moments.note_expiries(facts, read);
    let phase = connection.state.phase();
    let mut verdict = verdict(facts, read, connection, now);
    let settings = read.policy.settings_of(&connection.service_id);
    if let Some(request) = request
        && is_approved_by_people(request)
        && phase == Phase::Waiting
    {
        let doubts = doubts(&read.policy, connection, facts.organization, now);
        match approval(request, &verdict, &doubts, facts.organization) {
            Approval::Stands => {
                let (verdict, preconditions) =
                    (request.verdict.clone(), read.preconditions_of_accept());
                return write(claimed(facts, request, verdict, preconditions, now));
            }
            Approval::Unknown => {
                return Action::Leave(LeaveReason::Plan(PlanLeaveReason::DenyUnknown));
            }
            Approval::Overtaken(words) => verdict.reason = words,
        }
    }
    if let Some(request) = request
        && request.status == Status::Rejected
        && phase == Phase::Rejected
    {
        let rejection = rejection(request, &verdict, facts.organization, &settings);
        if rejection != Rejection::TryAgain {
            return seen::stays_rejected(facts, request, verdict, rejection, now);
        }
    }
    let governing = read.policy.entries.iter();
    let mut governing = governing.filter(|entry| Some(entry.rule()) == verdict.rule.as_ref());
    let limit = governing.find_map(|entry| entry.conditions().max_connections);
    // The limit also counts connections that were accepted before Gatekeeper counted. And before
    // anybody is notified of a reached limit, places that no connection uses any more are found.
    let is_uncounted = limit.is_some() && !usage.is_counted;
    if is_uncounted || (verdict.is_over_limit() && !usage.is_compared) {
        return Action::Need(Need::Usage);
    }

    let mut to = verdict.decision.status();
    // EC2 has already rejected it, and there is nothing that people could decide.
    if to == Status::InReview && phase == Phase::Rejected {
        to = Status::Rejecting;
    }
    let transition = Transition {
        from: request.map(|request| request.status),
        to,
        cause: Cause::Judged,
        at: now,
        actor: Actor::Policy(verdict.rule.clone()),
        reason: verdict.reason.clone(),
        ec2: None,
        votes: Vec::new(),
    };
    let preconditions = read.preconditions_of(&verdict);
    let decision = match request.filter(|request| request.status == to) {
        None => Decision {
            transition,
            preconditions,
            // People may accept a connection beyond the limit.
            limit,
        },
        Some(request) if to.pending_enforcement().is_some() => {
            return write(claimed(facts, request, verdict, preconditions, now));
        }
        // The review stays open, unless its time is over or its votes suffice by now.
        Some(request) => {
            moments.note_review(request, &settings);
            let is_missed = missed_deadline(request, &settings, None, now).is_some();
            // While e-mail is held nobody was notified, so their silence does not count.
            let held = match facts.held {
                _ if !is_missed => None,
                None => return Action::Need(Need::HeldEmail),
                Some(held) => held,
            };
            moments.note(held.and_then(|held| moved_deadline(request, &settings, held)));
            if let Some(deadline) = missed_deadline(request, &settings, held, now) {
                Decision {
                    transition: Transition {
                        to: Status::Rejecting,
                        cause: Cause::Deadline,
                        actor: Actor::Schedule,
                        reason: format!(
                            "Nobody decided by {}, and the service rejects reviews at their \
                             deadline.",
                            words::moment(deadline)
                        ),
                        ..transition
                    },
                    preconditions: read.preconditions_of_deadline(),
                    limit: None,
                }
            } else {
                let Some(approvers) = facts.approvers else {
                    return Action::Need(Need::Approvers);
                };
                let required = approvals_required(&settings);
                let corrected = request.corrected_by(connection);
                match by_votes(&corrected, approvers, Some(read), required, now) {
                    // Fewer approvals are required by now, so that the votes suffice.
                    Some((transition, preconditions)) => Decision {
                        transition,
                        preconditions,
                        limit: None,
                    },
                    None => {
                        let kept = review::kept(facts, request, connection, verdict, read, now);
                        return kept.map_or(Action::Nothing, write);
                    }
                }
            }
        }
    };
    decided(facts, request, connection, verdict, read, decision, now)
}

/// A decision that changes a request's status.
struct Decision {
    transition: Transition,
    preconditions: Vec<Precondition>,
    /// How many connections the consumer may have, if an entry with a limit allows it.
    limit: Option<u32>,
}

fn decided(
    facts: &Facts<'_>,
    request: Option<&Request>,
    connection: &Connection,
    verdict: Verdict,
    read: &PolicyRead,
    decision: Decision,
    now: Timestamp,
) -> Action {
    let Decision {
        transition,
        preconditions,
        limit,
    } = decision;
    let mut after = match after(request, connection, verdict, &transition) {
        Ok(after) => after,
        Err(error) => return illegal(error),
    };
    name(&mut after, read, connection);
    after.claimed_until = transition
        .to
        .pending_enforcement()
        .and(facts.claim_end(now));
    let mut opened = review::Opened::default();
    if transition.to == Status::InReview {
        let Some(approvers) = facts.approvers else {
            return Action::Need(Need::Approvers);
        };
        let settings = read.policy.settings_of(&connection.service_id);
        opened = review::open(facts, &mut after, &settings, approvers, now);
    }
    write(
        Change::transition(request, after, transition)
            .on(preconditions)
            .within(limit)
            .announcing(opened.announced, now)
            .asking(opened.ask),
    )
}

fn write(change: Change) -> Action {
    Action::Write(Box::new(change))
}
