//! The life of a review: who is notified when it opens, and who is reminded while it is open.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::facts::Facts;
use super::moments::Moments;
use super::verdict;
use crate::announcement::AnnouncementKind;
use crate::approver::{Approver, ApproverId, deciders, people};
use crate::change::Change;
use crate::connection::Connection;
use crate::invitation::{are_links_old, links_old_at};
use crate::judge::Verdict;
use crate::messages::Ask;
use crate::policy::{OnDeadline, ServiceSettings};
use crate::precondition::PolicyRead;
use crate::quorum::{mark_void, vote_of};
use crate::request::Request;
use crate::review::{approvals_required, deadline, is_reminder_due, reminder_due_at};

impl Moments {
    /// Notes when an open review has to be looked at again.
    pub(super) fn note_review(&mut self, review: &Request, settings: &ServiceSettings) {
        if settings.on_deadline == Some(OnDeadline::Reject) {
            self.note(deadline(review, settings));
        }
        self.note(reminder_due_at(review, settings));
        self.note(links_old_at(review));
    }
}

/// The announcements and e-mails of a review that opens.
#[derive(Default)]
pub(super) struct Opened {
    pub(super) announced: Option<AnnouncementKind>,
    pub(super) ask: Option<Ask>,
}

/// Fills in the fields of a review that opens, and answers who is to be notified.
pub(super) fn open(
    facts: &Facts<'_>,
    review: &mut Request,
    settings: &ServiceSettings,
    approvers: &[Approver],
    now: Timestamp,
) -> Opened {
    let new = look_for_deciders(facts, review, settings, approvers, now);
    set_deadline(review, settings);
    if !new.is_empty() {
        review.approval_emails_at = Some(now);
    }
    Opened {
        announced: (review.is_out_of_reach() && review.deciders > 0)
            .then_some(AnnouncementKind::QuorumOutOfReach),
        ask: Some(Ask {
            kind: AnnouncementKind::ReviewOpened,
            approvers: new,
        }),
    }
}

/// Updates a review that stays open: approvers who may decide it by now are notified, people are
/// reminded if it is time, and its facts are corrected. `None` if there is nothing to write.
pub(super) fn kept(
    facts: &Facts<'_>,
    request: &Request,
    connection: &Connection,
    verdict: Verdict,
    read: &PolicyRead,
    now: Timestamp,
) -> Option<Change> {
    let approvers = facts.approvers?;
    let settings = read.policy.settings_of(&connection.service_id);
    let mut after = Request {
        verdict,
        ..request.corrected_by(connection)
    };
    verdict::name(&mut after, read, connection);
    set_deadline(&mut after, &settings);
    let new = look_for_deciders(facts, &mut after, &settings, approvers, now);
    let reminds = is_reminder_due(request, &settings, now);
    let renews = are_links_old(request, now);
    if !reminds && !renews && after == *request {
        return None;
    }
    let mut announced = match (request.deciders, after.deciders) {
        (0, 1..) => Some(AnnouncementKind::ReviewOpened),
        (1.., 0) => Some(AnnouncementKind::NobodyMayDecide),
        _ => (!request.is_out_of_reach() && after.is_out_of_reach())
            .then_some(AnnouncementKind::QuorumOutOfReach),
    };
    let mut ask = Ask {
        kind: AnnouncementKind::ReviewOpened,
        approvers: new,
    };
    if reminds {
        after.reminders = request.reminders.saturating_add(1);
        after.reminded_at = Some(now);
        announced = announced.or(Some(AnnouncementKind::ReviewReminder));
    }
    if !ask.approvers.is_empty() && after.approval_emails_at.is_none() {
        after.approval_emails_at = Some(now);
    }
    if reminds || renews {
        ask = Ask {
            kind: AnnouncementKind::ReviewReminder,
            approvers: silent(&after, approvers),
        };
        after.approval_emails_at = Some(now);
    }
    after.revision = request.noted().revision;
    Some(
        Change::note(request, after)
            .announcing(announced, now)
            .asking(Some(ask)),
    )
}

/// Notes on a review who may decide it, and answers those who are notified now for the first time.
fn look_for_deciders(
    facts: &Facts<'_>,
    review: &mut Request,
    settings: &ServiceSettings,
    approvers: &[Approver],
    now: Timestamp,
) -> BTreeSet<ApproverId> {
    let deciders = deciders(approvers, &review.service_id, &review.account_id);
    review.deciders = people(&deciders, approvers);
    review.approvals_required = approvals_required(settings);
    review.out_of_reach_since = match review.out_of_reach_since {
        _ if !review.is_out_of_reach() => None,
        None => Some(now),
        since => since,
    };
    mark_void(review, approvers);
    let may: BTreeSet<ApproverId> = deciders.iter().map(|it| it.id.clone()).collect();
    review.notified.retain(|id| may.contains(id));
    if !facts.setup.asks_by_email {
        return BTreeSet::new();
    }
    let new: BTreeSet<ApproverId> = may.difference(&review.notified).cloned().collect();
    review.notified.extend(new.iter().cloned());
    new
}

/// The approvers who were notified and have not voted, under any of their names.
fn silent(review: &Request, approvers: &[Approver]) -> BTreeSet<ApproverId> {
    let notified = |approver: &&Approver| review.notified.contains(&approver.id);
    let is_silent = |approver: &&Approver| vote_of(review, approver, approvers).is_none();
    let silent = approvers.iter().filter(notified).filter(is_silent);
    silent.map(|approver| approver.id.clone()).collect()
}

fn set_deadline(review: &mut Request, settings: &ServiceSettings) {
    review.deadline = deadline(review, settings);
    review.deadline_rejects = settings.on_deadline == Some(OnDeadline::Reject);
}
