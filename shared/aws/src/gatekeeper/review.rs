//! Reviews: who is asked, who is reminded, and what the votes come to.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatekeeper_core::announcement::Kind;
use gatekeeper_core::approver::{Approver, ApproverId, deciders, people};
use gatekeeper_core::connection::Connection;
use gatekeeper_core::invitation::are_links_old;
use gatekeeper_core::judge::Verdict;
use gatekeeper_core::messages::Messages;
use gatekeeper_core::policy::{OnDeadline, ServiceName, ServiceSettings};
use gatekeeper_core::request::{Actor, Cause, Request, Status, Transition};
use gatekeeper_core::review;
use gatekeeper_core::vote::{Choice, Tally, mark_void, reason_of, tally, vote_of};
use jiff::Timestamp;

use super::Gatekeeper;
use super::decide::{Attempt, attempt_of, finished};
use super::settle::Outcome;
use crate::error::Error;
use crate::tables::{Approvers, Ground, PolicyView, Write};

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

/// The decision that the votes on a review come to, and what it rests on; none while they do not
/// suffice. Where the policy cannot be read, they may reject, and never approve.
pub(super) fn by_votes(
    request: &Request,
    approvers: &Approvers,
    view: Option<&PolicyView>,
    required: u32,
    now: Timestamp,
) -> Option<(Transition, Vec<Ground>)> {
    let (to, choice, votes, grounds) = match tally(request, &approvers.list, required) {
        Tally::Waiting { .. } => return None,
        Tally::Approved(votes) => {
            let grounds = view?.grounds_of_approval(approvers, &votes);
            (Status::Accepting, Choice::Approve, votes, grounds)
        }
        Tally::Rejected(vote) => {
            let grounds = vec![approvers.ground(&vote.approver)];
            (Status::Rejecting, Choice::Reject, vec![vote], grounds)
        }
    };
    let last = votes.last()?;
    let transition = Transition {
        from: Some(request.status),
        to,
        cause: Cause::Voted,
        at: now,
        actor: Actor::Approver(last.approver.to_string()),
        reason: reason_of(&votes, choice, required),
        ec2: None,
        votes: Vec::new(),
    };
    Some((transition, grounds))
}

impl Gatekeeper {
    /// The deadline that a review has missed, where the service rejects such reviews. Whether its e-mail was held
    /// is asked only where it has.
    pub(super) async fn missed_deadline(
        &self,
        request: &Request,
        settings: &ServiceSettings,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Arc<Error>> {
        if review::missed_deadline(request, settings, None, now).is_none() {
            return Ok(None);
        }
        let held = self.tables.held_email(&request.endpoint_id).await?;
        Ok(review::missed_deadline(
            request,
            settings,
            held.as_ref(),
            now,
        ))
    }

    /// Whether a review's time is over by what it says itself.
    pub(super) async fn is_over(
        &self,
        request: &Request,
        now: Timestamp,
    ) -> Result<bool, Arc<Error>> {
        if !review::is_over(request, None, now) {
            return Ok(false);
        }
        let held = self.tables.held_email(&request.endpoint_id).await?;
        Ok(review::is_over(request, held.as_ref(), now))
    }

    /// Fills in what a review that opens needs to know, and says what is told of it.
    pub(super) fn open_review(
        &self,
        review: &mut Request,
        transition: &Transition,
        settings: &ServiceSettings,
        approvers: &Approvers,
    ) -> Messages {
        let now = self.clock.now();
        let new = self.look_for_deciders(review, settings, approvers);
        set_deadline(review, settings);
        if !new.is_empty() {
            review.letters_at = Some(now);
        }
        let messages = Messages::of_transition(review, transition);
        let messages = if review.is_out_of_reach() && review.deciders > 0 {
            messages.and_note(review, Kind::QuorumOutOfReach, now)
        } else {
            messages
        };
        messages.and_ask(Kind::ReviewOpened, new)
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
            (0, 1..) => Some(Kind::ReviewOpened),
            (1.., 0) => Some(Kind::NobodyMayDecide),
            _ if !request.is_out_of_reach() && after.is_out_of_reach() => {
                Some(Kind::QuorumOutOfReach)
            }
            _ => None,
        };
        let mut asked = (Kind::ReviewOpened, new);
        if reminds {
            after.reminders = request.reminders.saturating_add(1);
            after.reminded_at = Some(now);
            told = told.or(Some(Kind::ReviewReminder));
        }
        if !asked.1.is_empty() && after.letters_at.is_none() {
            after.letters_at = Some(now);
        }
        if reminds || renews {
            asked = (Kind::ReviewReminder, to_remind(&after, approvers));
            after.letters_at = Some(now);
        }
        after.revision = request.noted().revision;
        let messages = told.map_or_else(Messages::default, |kind| {
            Messages::of_note(&after, kind, now)
        });
        let messages = messages.and_ask(asked.0, asked.1);
        let recorded = self
            .tables
            .record(&Write {
                messages,
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
        review.deciders = people(&deciders);
        review.approvals_required = review::approvals_required(settings);
        review.out_of_reach_since = match review.out_of_reach_since {
            _ if !review.is_out_of_reach() => None,
            None => Some(self.clock.now()),
            since => since,
        };
        mark_void(review, &approvers.list);
        let may: BTreeSet<ApproverId> = deciders.iter().map(|it| it.id.clone()).collect();
        review.asked.retain(|id| may.contains(id));
        if !self.asks_by_email {
            // Nobody can be sent a link.
            return BTreeSet::new();
        }
        let new = may.difference(&review.asked);
        let new: BTreeSet<ApproverId> = new.cloned().collect();
        review.asked.extend(new.iter().cloned());
        new
    }
}

/// Those who were asked and have not voted, under whichever of their names.
fn to_remind(review: &Request, approvers: &Approvers) -> BTreeSet<ApproverId> {
    let asked = |approver: &&Approver| review.asked.contains(&approver.id);
    let is_silent = |approver: &&Approver| vote_of(review, approver, &approvers.list).is_none();
    let silent = approvers.list.iter().filter(asked).filter(is_silent);
    silent.map(|approver| approver.id.clone()).collect()
}

fn set_deadline(review: &mut Request, settings: &ServiceSettings) {
    review.deadline = review::deadline(review, settings);
    review.deadline_rejects = settings.on_deadline == Some(OnDeadline::Reject);
}
