//! Reviews: who is asked, who is reminded, and what a decision by votes rests on.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatekeeper_core::announcement::Kind;
use gatekeeper_core::approver::{Approver, ApproverId, deciders, people};
use gatekeeper_core::ballot::RestsOn;
use gatekeeper_core::connection::Connection;
use gatekeeper_core::invitation::are_links_old;
use gatekeeper_core::judge::Verdict;
use gatekeeper_core::policy::{OnDeadline, ServiceName, ServiceSettings};
use gatekeeper_core::request::Request;
use gatekeeper_core::review;
use gatekeeper_core::vote::{mark_void, vote_of};

use super::Gatekeeper;
use super::decide::{Attempt, attempt_of, finished};
use super::settle::Outcome;
use crate::error::Error;
use crate::tables::{Approvers, Ground, PolicyView, Told, Write};

/// As many approvers are asked in one transaction, which takes 100 items. The others are asked when the
/// review is looked at next.
const ASKED_AT_ONCE: usize = 50;

/// What people call those whom a request is about.
pub(super) struct Names {
    service: Option<ServiceName>,
    customer: Option<String>,
}

/// The names, as the policy that was read for a connection has them.
pub(super) fn names(view: &PolicyView, connection: &Connection) -> Names {
    Names {
        service: view.policy.settings_of(&connection.service_id).name,
        customer: view.policy.customer(),
    }
}

impl Names {
    pub(super) fn put_on(self, request: &mut Request) {
        request.service_name = self.service;
        request.customer = self.customer;
    }
}

/// Who is to be told when a review opens, or changes while it is open.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) notes: Vec<Kind>,
    pub(super) invited: Option<(Kind, BTreeSet<ApproverId>)>,
}

/// What must not have changed for a decision by votes to be written. None where it needs the policy, and
/// that was not read.
pub(super) fn grounds_of(
    rests_on: &RestsOn,
    approvers: &Approvers,
    view: Option<&PolicyView>,
) -> Option<Vec<Ground>> {
    let rights = rests_on.rights.iter().map(|id| approvers.ground(id));
    let mut grounds: Vec<Ground> = rights.collect();
    if rests_on.nothing_denies {
        grounds.extend(view?.preconditions_of_accept());
    }
    if rests_on.settings {
        grounds.extend(view?.settings_of_votes());
    }
    Some(grounds)
}

impl Gatekeeper {
    /// Fills in what a review that opens needs to know, and says who is to be told of it.
    pub(super) fn open_review(
        &self,
        review: &mut Request,
        settings: &ServiceSettings,
        approvers: &Approvers,
    ) -> Asked {
        let new = self.look_for_deciders(review, settings, approvers);
        set_deadline(review, settings);
        let mut asked = Asked::default();
        if review.is_out_of_reach() && review.deciders > 0 {
            asked.notes.push(Kind::QuorumOutOfReach);
        }
        if !new.is_empty() {
            review.letters_at = Some(self.clock.now());
            asked.invited = Some((Kind::ReviewOpened, new));
        }
        asked
    }

    /// A review that stays one: ask who may decide by now, remind people if it is time, and keep what
    /// they read of it true.
    pub(super) async fn keep_in_review(
        &self,
        request: &Request,
        connection: &Connection,
        verdict: Verdict,
        settings: &ServiceSettings,
        names: Names,
        approvers: &Approvers,
    ) -> Result<Attempt, Arc<Error>> {
        let now = self.clock.now();
        let mut after = Request {
            verdict,
            ..request.corrected_by(connection)
        };
        names.put_on(&mut after);
        set_deadline(&mut after, settings);
        let new = self.look_for_deciders(&mut after, settings, approvers);
        let reminds = review::is_reminder_due(request, settings, now);
        let renews = are_links_old(request, now);
        if !reminds && !renews && after == *request {
            let unchanged = Outcome::Unchanged(Some(Box::new(after)));
            return Ok(finished(unchanged));
        }
        let mut told = match (request.deciders, after.deciders) {
            (0, 1..) => Told::Note(Kind::ReviewOpened),
            (1.., 0) => Told::Note(Kind::NobodyMayDecide),
            _ if !request.is_out_of_reach() && after.is_out_of_reach() => {
                Told::Note(Kind::QuorumOutOfReach)
            }
            _ => Told::Nothing,
        };
        let mut invited = (Kind::ReviewOpened, new);
        if reminds {
            after.reminders = request.reminders.saturating_add(1);
            after.reminded_at = Some(now);
            if told == Told::Nothing {
                told = Told::Note(Kind::ReviewReminder);
            }
        }
        if !invited.1.is_empty() && after.letters_at.is_none() {
            after.letters_at = Some(now);
        }
        if reminds || renews {
            invited = (Kind::ReviewReminder, to_remind(&after, approvers));
            after.letters_at = Some(now);
        }
        after.revision = request.noted().revision;
        let recorded = self
            .tables
            .record(&Write {
                told,
                invited: Some(invited),
                ..Write::of(Some(request), &after)
            })
            .await?;
        Ok(attempt_of(recorded, Some(request), after))
    }

    /// Notes on a review who may decide it, and answers those of them who have not been asked yet and
    /// are now.
    fn look_for_deciders(
        &self,
        review: &mut Request,
        settings: &ServiceSettings,
        approvers: &Approvers,
    ) -> BTreeSet<ApproverId> {
        let deciders = deciders(&approvers.list, review);
        review.deciders = people(&deciders, &approvers.list);
        review.approvals_required = review::approvals_required(settings);
        review.out_of_reach_since = match review.out_of_reach_since {
            _ if !review.is_out_of_reach() => None,
            None => Some(self.clock.now()),
            since => since,
        };
        mark_void(review, &approvers.list);
        let may: BTreeSet<ApproverId> = deciders.iter().map(|it| it.id.clone()).collect();
        review.asked.retain(|id| may.contains(id));
        if self.approvals.is_none() {
            // Nobody can be sent a link.
            return BTreeSet::new();
        }
        let new = may.difference(&review.asked).take(ASKED_AT_ONCE);
        let new: BTreeSet<ApproverId> = new.cloned().collect();
        review.asked.extend(new.iter().cloned());
        new
    }
}

/// Those who were asked and have not voted, under whichever of their names. Where they are more than are
/// asked at once, each reminder goes to those whose turn it is.
fn to_remind(review: &Request, approvers: &Approvers) -> BTreeSet<ApproverId> {
    let asked = |approver: &&Approver| review.asked.contains(&approver.id);
    let is_silent = |approver: &&Approver| vote_of(review, approver, &approvers.list).is_none();
    let silent = approvers.list.iter().filter(asked).filter(is_silent);
    let silent: Vec<&ApproverId> = silent.map(|approver| &approver.id).collect();
    let turns = silent.len().div_ceil(ASKED_AT_ONCE).max(1);
    let turn = usize::try_from(review.reminders).unwrap_or_default() % turns;
    let turn = silent.chunks(ASKED_AT_ONCE).nth(turn).unwrap_or_default();
    turn.iter().map(|id| (*id).clone()).collect()
}

fn set_deadline(review: &mut Request, settings: &ServiceSettings) {
    review.deadline = review::deadline(review, settings);
    review.deadline_rejects = settings.on_deadline == Some(OnDeadline::Reject);
}
