//! The five steps for any number of connections that were observed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::FutureExt as _;
use gatekeeper_core::connection::Phase;
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use gatekeeper_core::message::Message;
use gatekeeper_core::plan::Why;
use gatekeeper_core::request::{Request, Status};

use super::decide::Decided;
use super::{Gatekeeper, Sighting};
use crate::clock::Deadline;
use crate::error::Error;
use crate::telemetry::Unit;

/// What came of one connection.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The record already agreed with EC2 and the policy.
    Unchanged(Option<Box<Request>>),
    /// It was left alone for now.
    Left(Why),
    /// Somebody else decided first; this is what stands, if it is known.
    Lost(Option<Box<Request>>),
    /// The request changed.
    Changed {
        /// Where it stood; none if it is new.
        from: Option<Status>,
        /// The request as it stands now.
        request: Box<Request>,
    },
}

/// What came of each connection.
pub(super) type Settled = BTreeMap<EndpointId, Result<Outcome, Arc<Error>>>;

impl Gatekeeper {
    /// Judges, records, enforces and announces. Answers for every sighting, and for what else of
    /// the same consumers could be decided once a slot was free.
    pub(super) async fn settle(&self, sightings: Vec<Sighting>, deadline: Deadline) -> Settled {
        let mut settled = self.settle_once(sightings, deadline).boxed().await;
        for (service, account) in consumers_with_free_slots(&settled) {
            match self.waiting_of(&service, &account).await {
                Ok(waiting) if waiting.is_empty() => {}
                Ok(waiting) => {
                    settled.extend(self.settle_once(waiting, deadline).boxed().await);
                }
                // The connection that freed the slot is settled; reconcile finds those that wait.
                Err(error) => self.report(&error, None),
            }
        }
        settled
    }

    /// What of a consumer's connections waits for a decision.
    async fn waiting_of(
        &self,
        service: &ServiceId,
        account: &AccountId,
    ) -> Result<Vec<Sighting>, Arc<Error>> {
        let seen_at = self.clock.now();
        let listed = self.ec2.of_consumer(service, account).await?;
        Ok(listed
            .connections
            .into_iter()
            .filter(|connection| connection.state.phase() == Phase::Waiting)
            .map(|connection| Sighting::of(connection, seen_at))
            .collect())
    }

    async fn settle_once(&self, sightings: Vec<Sighting>, deadline: Deadline) -> Settled {
        let begun = self.clock.now();
        let mut settled = Settled::new();
        let mut outbox: Vec<Message> = Vec::new();
        let mut undone: Vec<(Option<Status>, Request)> = Vec::new();

        for (endpoint_id, decided) in self.decide(sightings, deadline).await {
            match decided {
                Ok(Decided::Recorded {
                    from,
                    request,
                    message,
                }) => {
                    outbox.extend(message.map(|message| *message));
                    if request.claimed_until.is_some() {
                        undone.push((from, *request));
                    } else if from == Some(request.status) {
                        // A note was taken on it, and nothing decided.
                        settled.insert(endpoint_id, Ok(Outcome::Unchanged(Some(request))));
                    } else {
                        settled.insert(endpoint_id, Ok(Outcome::Changed { from, request }));
                    }
                }
                Ok(Decided::Finished(outcome)) => {
                    settled.insert(endpoint_id, Ok(outcome));
                }
                Err(error) => {
                    settled.insert(endpoint_id, Err(error));
                }
            }
        }
        for done in self.enforce(undone, deadline).await {
            let outcome = done.outcome.map(|(outcome, message)| {
                outbox.extend(message);
                outcome
            });
            settled.insert(done.endpoint_id, outcome);
        }
        self.announce(outbox, deadline).await;

        let spent = self.clock.now().duration_since(begun).as_millis_f64();
        let mut out_of_time = None;
        for (endpoint_id, outcome) in &settled {
            match outcome {
                Ok(outcome) => self.tell(outcome, spent),
                Err(error) if error.is_out_of_time() => out_of_time = Some(error),
                Err(error) => self.report(error, Some(endpoint_id)),
            }
        }
        // Once for all of them: they have nothing to do with it.
        if let Some(error) = out_of_time {
            self.report(error, None);
        }
        settled
    }

    /// One wide line for each connection that changed, and the metrics that go with it.
    pub(super) fn tell(&self, outcome: &Outcome, duration_ms: f64) {
        match outcome {
            Outcome::Changed { from, request } => {
                tracing::info!(
                    endpoint_id = %request.endpoint_id,
                    service_id = %request.service_id,
                    account_id = %request.account_id,
                    region = %request.region,
                    verdict = request.verdict.decision.as_str(),
                    rule = request.verdict.rule.as_ref().map(ToString::to_string),
                    reason = request.verdict.reason,
                    decided_by = %request.decided_by,
                    from = from.map(Status::as_str),
                    to = request.status.as_str(),
                    duration_ms,
                    "decision"
                );
                let outcome = request.status.as_str();
                self.metrics
                    .put("Requests", Unit::Count, 1.0, &[("outcome", outcome)]);
                self.metrics.put(
                    "DecisionLatency",
                    Unit::Milliseconds,
                    duration_ms,
                    &[("outcome", outcome)],
                );
            }
            Outcome::Lost(Some(request)) => {
                tracing::info!(
                    endpoint_id = %request.endpoint_id,
                    status = request.status.as_str(),
                    decided_by = %request.decided_by,
                    since = %request.status_since,
                    "somebody else decided first"
                );
            }
            Outcome::Left(why) => tracing::debug!(why = why.as_str(), "left alone"),
            Outcome::Lost(None) | Outcome::Unchanged(_) => {}
        }
    }
}

/// The consumers that have a slot more than before: others of their connections may have waited for
/// it.
fn consumers_with_free_slots(settled: &Settled) -> BTreeSet<(ServiceId, AccountId)> {
    settled
        .values()
        .filter_map(|outcome| match outcome {
            Ok(Outcome::Changed { from, request }) => Some((from, request)),
            _ => None,
        })
        .filter(|(from, request)| {
            let held = from.is_some_and(Status::holds_slot);
            // Between deciding and asking EC2 it held one as well.
            let briefly = request.status == Status::Gone && from.is_none();
            !request.status.holds_slot() && (held || briefly)
        })
        .map(|(_, request)| (request.service_id.clone(), request.account_id.clone()))
        .collect()
}
