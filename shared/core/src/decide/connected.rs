//! Compares an accepted connection with the policy.
//!
//! The revocation of a connection is announced first and carried out by a later run, when the grace
//! period is over. A run may begin and carry out only a bounded number; the caller counts them
//! before it writes the first (safety rule S7): see [`Change::revokes`].

use jiff::Timestamp;

use super::facts::Facts;
use super::moments::Moments;
use super::next::{Action, LeaveReason, Need, illegal};
use crate::announcement::AnnouncementKind;
use crate::audit::{Audit, Entitlement, Run, audit, concerns, entitlement, is_withheld, objection};
use crate::change::Change;
use crate::connection::Connection;
use crate::judge::{Usage, Verdict, judge};
use crate::precondition::{PolicyItemId, PolicyRead, Precondition};
use crate::purge;
use crate::request::{Actor, Cause, Request, Status, Transition};
use crate::words;

/// Compares an accepted connection with the policy.
pub(super) fn audited(
    facts: &Facts<'_>,
    connection: &Connection,
    request: &Request,
    now: Timestamp,
    moments: &mut Moments,
) -> Action {
    let Some(run) = facts.audit else {
        return Action::Nothing;
    };
    let read = match facts.policy {
        None => return Action::Need(Need::Policy),
        Some(Err(error)) => return Action::Leave(LeaveReason::Unreadable(error.clone())),
        Some(Ok(read)) => read,
    };
    let settings = read.policy.settings_of(&connection.service_id);
    if !concerns(request, &settings) {
        return Action::Nothing;
    }
    moments.note_expiries(facts, read);
    moments.note(request.due);
    let (policy, place) = (&read.policy, facts.organization);
    // Judge it as if it did not count against the limit: a lower limit never revokes existing
    // connections.
    let verdict = judge(policy, connection, place, Usage::default(), now);
    let entitlement = entitlement(request, &verdict, place);
    let entry = match (entitlement, run.entry) {
        (Entitlement::Lapsed, None) => return Action::Need(Need::AnyEntry),
        (Entitlement::Lapsed, Some(entry)) => entry,
        // In the other cases, the proof that the allowlist is not empty does not matter.
        _ => None,
    };
    let found = audit(
        request,
        entitlement,
        &settings,
        Run {
            began: run.began,
            now,
            policy_is_empty: entry.is_none(),
        },
    );
    let purged = &facts.observation.purged;
    let purged = purge::cause(purged, policy, connection, place, &verdict, now).cloned();
    match found {
        Audit::Stay if is_withheld(request, entitlement, &settings, entry.is_none()) => {
            Action::Leave(LeaveReason::AllowlistEmpty)
        }
        Audit::Stay => Action::Nothing,
        Audit::Report => {
            let after = Request {
                verdict,
                reported_at: Some(now),
                purged,
                ..request.noted()
            };
            write(Change::note(request, after).announcing([AnnouncementKind::WouldRevoke], now))
        }
        Audit::Forget => {
            let after = Request {
                verdict,
                reported_at: None,
                purged: None,
                past_policy: request.past_policy && entitlement != Entitlement::Allowed,
                ..request.noted()
            };
            write(Change::note(request, after))
        }
        Audit::Restore => {
            let preconditions = read.preconditions_of(&verdict);
            let reason = match entitlement {
                Entitlement::Allowed => format!("{} It stays connected.", verdict.reason),
                Entitlement::Unknown | Entitlement::Denied | Entitlement::Lapsed => {
                    "The service does not revoke it any more; it stays connected.".to_owned()
                }
            };
            let to = (Status::Accepted, Cause::Restored, None);
            moved(request, verdict, to, reason, preconditions, now)
        }
        Audit::Start { due } => {
            let preconditions = of_revocation(read, &verdict, entry);
            let why = objection(request, &verdict, purged.as_ref());
            let reason = format!(
                "{why} It will be revoked at {} unless it is allowed by then.",
                words::moment(due)
            );
            let to = (Status::Revoking, Cause::Revoked, Some(due));
            moved(request, verdict, to, reason, preconditions, now)
        }
        Audit::Revoke => {
            let preconditions = of_revocation(read, &verdict, entry);
            let after = Request {
                verdict,
                claimed_until: facts.claim_end(now),
                ..request.noted()
            };
            write(Change::note(request, after).on(preconditions))
        }
    }
}

/// The preconditions of a revocation. If it happens because nothing allows the connection, the
/// allowlist must also not be empty.
fn of_revocation(
    read: &PolicyRead,
    verdict: &Verdict,
    entry: Option<&PolicyItemId>,
) -> Vec<Precondition> {
    let mut preconditions = read.preconditions_of_revocation(verdict);
    // A transaction takes each item once.
    let is_new = |entry: &&PolicyItemId| !preconditions.iter().any(|one| one.item == **entry);
    let entry = entry.filter(is_new).cloned();
    preconditions.extend(entry.map(Precondition::presence_of));
    preconditions
}

/// A transition by the policy.
fn moved(
    request: &Request,
    verdict: Verdict,
    (to, cause, due): (Status, Cause, Option<Timestamp>),
    reason: String,
    preconditions: Vec<Precondition>,
    now: Timestamp,
) -> Action {
    let transition = Transition {
        from: Some(request.status),
        to,
        cause,
        at: now,
        actor: Actor::Policy(verdict.rule.clone()),
        reason,
        ec2: None,
        votes: Vec::new(),
    };
    match request.after(&transition) {
        Ok(after) => {
            let after = Request {
                verdict,
                due,
                ..after
            };
            write(Change::transition(Some(request), after, transition).on(preconditions))
        }
        Err(error) => illegal(error),
    }
}

fn write(change: Change) -> Action {
    Action::Write(Box::new(change))
}
