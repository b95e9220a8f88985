//! Changes at EC2 that the record lacks: somebody else decided, EC2 carried out a decision, or the
//! endpoint is gone. Also who did it, if events name them.

use jiff::Timestamp;

use super::facts::Facts;
use super::moments::Moments;
use super::next::{Action, LeaveReason, Need, illegal};
use super::verdict;
use crate::announcement::AnnouncementKind;
use crate::change::Change;
use crate::connection::{Connection, Organization};
use crate::judge::{Decision, Verdict, judge};
use crate::policy::{OutOfBand, ServiceSettings};
use crate::rejection::{Rejection, StaysRejected, rejection};
use crate::request::{Actor, Cause, Request, Status, Transition};

/// Records EC2's state, with the policy's verdict.
pub(super) fn recorded(
    facts: &Facts<'_>,
    request: Option<&Request>,
    (to, cause): (Status, Cause),
    now: Timestamp,
    moments: &mut Moments,
) -> Action {
    let observation = facts.observation;
    let mut transition = Transition {
        from: request.map(|request| request.status),
        to,
        cause,
        at: now,
        actor: Actor::Aws,
        reason: reason(observation.connection.as_ref(), to, cause),
        ec2: None,
        votes: Vec::new(),
    };
    let mut is_quiet = false;
    let after = match (&observation.connection, cause, request) {
        (Some(connection), Cause::OutOfBand, _) => {
            let (Some(policy), Some(_)) = (facts.policy, facts.usage) else {
                return Action::Need(Need::Policy);
            };
            let verdict = match policy {
                Ok(read) => {
                    moments.note_expiries(facts, read);
                    let (policy, place) = (&read.policy, facts.organization);
                    judge(policy, connection, place, facts.usage(), now)
                }
                // It happened, whatever the policy's verdict would have been.
                Err(error) => Verdict {
                    decision: Decision::Review,
                    rule: None,
                    failed: Vec::new(),
                    reason: format!("What the policy says is not known: {error}."),
                },
            };
            let is_found = request.is_none() && was_there_before(facts, connection);
            transition.actor = match observation.callers.iter().find(|one| one.led_to(to)) {
                Some(caller) => Actor::Iam(caller.arn.to_string()),
                None if is_found => Actor::Found,
                None => Actor::Unknown,
            };
            let past_policy = to == Status::Accepted
                && verdict.decision != Decision::Accept
                && transition.actor != Actor::Found;
            let after = verdict::after(request, connection, verdict, &transition);
            after.map(|mut after| {
                after.past_policy = past_policy;
                if let Ok(read) = policy {
                    let settings = read.policy.settings_of(&connection.service_id);
                    is_quiet = settings.out_of_band == Some(OutOfBand::Record);
                    verdict::name(&mut after, read, connection);
                    if !is_found {
                        after.stays_rejected = in_vain(&after, facts.organization, &settings, now);
                    }
                }
                after
            })
        }
        (_, _, Some(request)) => {
            if cause == Cause::Enforced {
                transition.actor = request.enforcer();
            }
            request.after(&transition)
        }
        // Without a request, only accepted and rejected connections are recorded, and EC2 listed
        // those.
        (_, _, None) => return Action::Nothing,
    };
    let mut after = match after {
        Ok(after) => after,
        Err(error) => return illegal(error),
    };
    let learned = after.learn(&observation.callers, now);
    let contradicted = learned
        .contradiction
        .then_some(AnnouncementKind::DeciderContradicted);
    let mut change = Change::transition(request, after, transition);
    if is_quiet {
        change.messages.announcements.clear();
    }
    Action::Write(Box::new(change.announcing(contradicted, now)))
}

/// The record agrees with EC2, but perhaps an event names the actor: AWS CloudTrail reports that
/// minutes after EC2 shows the change.
pub(super) fn named(facts: &Facts<'_>, request: &Request, now: Timestamp) -> Action {
    let mut after = request.noted();
    let learned = after.learn(&facts.observation.callers, now);
    if !learned.is_news() {
        return Action::Nothing;
    }
    if request.claimed_until.is_some() {
        // A handler began to revoke the connection and will finish that; a name is no reason to do
        // it for them.
        return Action::Leave(LeaveReason::NameWaits);
    }
    let mut announced = Vec::new();
    // For what happened before Gatekeeper, nothing is announced; for what others do, only if the
    // service wants it.
    if learned.name && request.decided_by == Actor::Unknown {
        let is_quiet = match facts.policy {
            None => return Action::Need(Need::Policy),
            Some(Ok(read)) => {
                let settings = read.policy.settings_of(&request.service_id);
                settings.out_of_band == Some(OutOfBand::Record)
            }
            // Settings that cannot be read do not keep the name from being recorded.
            Some(Err(_)) => false,
        };
        announced.extend((!is_quiet).then_some(AnnouncementKind::DeciderNamed));
    }
    announced.extend(
        learned
            .contradiction
            .then_some(AnnouncementKind::DeciderContradicted),
    );
    Action::Write(Box::new(
        Change::note(request, after).announcing(announced, now),
    ))
}

/// Keeps a connection rejected. If an entry allows it by now, announces that the entry has no
/// effect, once for each such entry.
pub(super) fn stays_rejected(
    facts: &Facts<'_>,
    request: &Request,
    verdict: Verdict,
    rejection: Rejection,
    now: Timestamp,
) -> Action {
    let (stays_rejected, announced) = match rejection {
        Rejection::Tell(allow) => {
            let announced_at = now;
            let stays = StaysRejected {
                allow,
                announced_at,
            };
            (Some(stays), Some(AnnouncementKind::StaysRejected))
        }
        Rejection::Forget => (None, None),
        Rejection::TryAgain | Rejection::Stay => return named(facts, request, now),
    };
    let after = Request {
        verdict,
        stays_rejected,
        ..request.noted()
    };
    Action::Write(Box::new(
        Change::note(request, after).announcing(announced, now),
    ))
}

/// The allow under which somebody rejected a connection. They know that it has no effect, and the
/// announcement of the rejection says so.
fn in_vain(
    after: &Request,
    organization: &Organization,
    settings: &ServiceSettings,
    now: Timestamp,
) -> Option<StaysRejected> {
    if after.status != Status::Rejected {
        return None;
    }
    match rejection(after, &after.verdict, organization, settings) {
        Rejection::Tell(allow) => Some(StaysRejected {
            allow,
            announced_at: now,
        }),
        _ => None,
    }
}

/// Whether a connection without a request existed before its service was first looked through.
fn was_there_before(facts: &Facts<'_>, connection: &Connection) -> bool {
    match (connection.created_at, facts.managed_since) {
        (Some(created), Some(since)) => created < since,
        _ => true,
    }
}

fn reason(connection: Option<&Connection>, to: Status, cause: Cause) -> String {
    let shows = connection.map_or_else(
        || "EC2 no longer lists the endpoint".to_owned(),
        |connection| format!("EC2 shows the connection as {}", connection.state),
    );
    match (cause, to) {
        (Cause::OutOfBand, Status::Accepted) => {
            format!("{shows}; it was accepted without Gatekeeper.")
        }
        (Cause::OutOfBand, _) => format!("{shows}; it was rejected without Gatekeeper."),
        (Cause::Enforced, _) => format!("{shows}: it did what it was asked."),
        _ => format!("{shows}."),
    }
}
