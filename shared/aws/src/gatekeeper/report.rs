//! The report of what a run found and did for one service.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatekeeper_core::attachment::{Attachments, Tally};
use gatekeeper_core::connection::{Connection, Phase};
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::ignored_setting::IgnoredSetting;
use gatekeeper_core::request::Status;
use gatekeeper_core::waiting::Reviews;
use gatekeeper_core::watch::Seen;
use jiff::Timestamp;

use super::outcome::{Outcome, Settled};
use super::undecided::Undecided;
use crate::error::Error;

/// What a run found and did for one service.
#[derive(Debug)]
pub struct ServiceReport {
    pub service_id: ServiceId,
    /// How many connections EC2 lists.
    pub connections: usize,
    /// How many requests changed.
    pub changed: usize,
    /// How many connections could not be settled; each is logged.
    pub failures: usize,
    /// The first of these failures; a retryable one if there is any.
    pub first_failure: Option<Arc<Error>>,
    /// The connections that are neither decided nor in review.
    pub(super) undecided: Undecided,
    /// The Transit Gateway attachments, which Gatekeeper does not decide.
    pub(super) attachments: Attachments,
    /// Whether the service was looked through from its beginning to its end.
    pub(super) is_whole: bool,
    /// Since when connections without a date have been seen, as far as that is remembered.
    pub(super) first_seen: BTreeMap<String, Timestamp>,
    /// Settings of this service, or of `*`, that have no effect and make no sense.
    pub(super) ignored_settings: Vec<IgnoredSetting>,
    /// Since when the oldest review has waited for people.
    pub oldest_review: Option<Timestamp>,
    /// The reviews, grouped by whether their account is known.
    pub(super) reviews: Reviews,
    /// Each finding that was looked for, and its evidence.
    pub(super) seen: Seen,
    /// Whether the pending Transit Gateway attachments are acknowledged.
    pub(super) attachments_acknowledged: bool,
    /// How many reviews need more approvers than may decide them.
    pub undecidable: usize,
    /// Whether connections that should be revoked are not, because one run may not revoke so many.
    /// `None` if that could not be found out, for example because time ran out.
    pub revocations_held: Option<bool>,
    /// Whether connections that should be revoked are not, because the allowlist holds no entry for
    /// the service. `None` if that could not be found out.
    pub revocations_withheld: Option<bool>,
}

impl ServiceReport {
    /// Since when the oldest connection that is neither decided nor in review has waited.
    #[must_use]
    pub fn oldest_undecided(&self) -> Option<Timestamp> {
        self.undecided.oldest(&self.first_seen)
    }

    /// How many Transit Gateway attachments EC2 lists.
    #[must_use]
    pub fn attachments(&self) -> Tally {
        self.attachments.tally()
    }

    /// The Transit Gateway attachments that wait for people to decide at EC2.
    pub(super) fn undecided_attachments(&self, now: Timestamp) -> Undecided {
        let mut undecided = Undecided::default();
        for attachment in self.attachments.waiting() {
            undecided.note(&attachment.name, attachment.created_at, now);
        }
        undecided
    }
}

impl ServiceReport {
    pub(super) fn new(service_id: ServiceId) -> Self {
        Self {
            service_id,
            connections: 0,
            changed: 0,
            failures: 0,
            first_failure: None,
            undecided: Undecided::default(),
            attachments: Attachments::default(),
            is_whole: false,
            first_seen: BTreeMap::new(),
            ignored_settings: Vec::new(),
            oldest_review: None,
            undecidable: 0,
            revocations_held: None,
            revocations_withheld: None,
            seen: Seen::new(),
            reviews: Reviews::default(),
            attachments_acknowledged: false,
        }
    }

    pub(super) fn fail(&mut self, error: Arc<Error>) {
        self.failures += 1;
        // A retryable failure says more about what is left to do.
        let outweighs = |first: &Arc<Error>| error.is_retryable() && !first.is_retryable();
        if self.first_failure.as_ref().is_none_or(outweighs) {
            self.first_failure = Some(error);
        }
    }

    pub(super) fn count(&mut self, settled: &Settled) {
        for outcome in settled.values() {
            match outcome {
                Ok(Outcome::Changed { request, .. }) => {
                    self.changed += 1;
                    self.undecidable += usize::from(request.is_out_of_reach());
                }
                Ok(Outcome::Unchanged(Some(request))) => {
                    self.undecidable += usize::from(request.is_out_of_reach());
                }
                Ok(_) => {}
                // It was not its turn yet.
                Err(error) if error.is_out_of_time() => {}
                Err(error) => self.fail(Arc::clone(error)),
            }
        }
    }

    /// Notes since when the connections have waited that are still pending.
    pub(super) fn note_pending(
        &mut self,
        settled: &Settled,
        slice: &[Connection],
        seen_at: Timestamp,
    ) {
        let older = |known: Option<Timestamp>, since: Timestamp| {
            Some(known.map_or(since, |known| known.min(since)))
        };
        let waiting = slice
            .iter()
            .filter(|connection| connection.state.phase() == Phase::Waiting);
        for connection in slice {
            let request = match settled.get(&connection.endpoint_id) {
                Some(Ok(Outcome::Changed { request, .. } | Outcome::Unchanged(Some(request)))) => {
                    Some(&**request)
                }
                _ => None,
            };
            self.reviews.note(connection, request);
        }
        for connection in waiting {
            match settled.get(&connection.endpoint_id) {
                Some(Ok(Outcome::Changed { request, .. } | Outcome::Unchanged(Some(request)))) => {
                    if request.status == Status::InReview {
                        self.oldest_review = older(self.oldest_review, request.status_since);
                    }
                }
                Some(Ok(Outcome::Left(_)) | Err(_)) => {
                    let name = connection.endpoint_id.as_str();
                    self.undecided.note(name, connection.created_at, seen_at);
                }
                Some(Ok(Outcome::Unchanged(None) | Outcome::Lost(_))) | None => {}
            }
        }
    }
}
