//! The steps for any number of connections that were observed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::FutureExt as _;
use gatekeeper_core::connection::Phase;
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use gatekeeper_core::judge::Decision;
use gatekeeper_core::plan::Why;
use gatekeeper_core::request::{Request, Status};

use super::decide::Decided;
use super::{Gatekeeper, Sighting};
use crate::clock::Deadline;
use crate::ec2::Which;
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
    /// Judges, records and enforces. Answers for every sighting, and for what else of
    /// the same consumers could be decided once a slot was free.
    pub(super) async fn settle(&self, sightings: Vec<Sighting>, deadline: Deadline) -> Settled {
        let mut settled = self.settle_once(sightings, deadline).boxed().await;
        let freed = self.settle_freed(&settled, deadline).await;
        settled.extend(freed);
        settled
    }

    /// Settles what waits of the consumers that have a slot more than before.
    pub(super) async fn settle_freed(&self, settled: &Settled, deadline: Deadline) -> Settled {
        let mut freed = Settled::new();
        for (service, accounts) in consumers_with_free_slots(settled) {
            if !deadline.leaves(&self.clock, self.limits.margin) {
                // Reconcile finds those that wait.
                return freed;
            }
            let seen_at = self.clock.now();
            let accounts = Vec::from_iter(accounts);
            let listed = self
                .ec2
                .of_consumers(Some(&service), &accounts, Which::Waiting)
                .await;
            match listed {
                Ok(listed) => {
                    let waiting: Vec<Sighting> = listed
                        .connections
                        .into_iter()
                        .filter(|connection| connection.state.phase() == Phase::Waiting)
                        .map(|connection| Sighting::of(connection, seen_at))
                        .collect();
                    if !waiting.is_empty() {
                        freed.extend(self.settle_once(waiting, deadline).boxed().await);
                    }
                }
                Err(error) => self.report(&error, None),
            }
        }
        freed
    }

    async fn settle_once(&self, sightings: Vec<Sighting>, deadline: Deadline) -> Settled {
        let begun = self.clock.now();
        let mut settled = Settled::new();
        let mut undone: Vec<(Option<Status>, Request)> = Vec::new();

        for (endpoint_id, decided) in self.decide(sightings, deadline).await {
            match decided {
                Ok(Decided::Recorded { from, request }) => {
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
            settled.insert(done.endpoint_id, done.outcome);
        }

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
                    version = request.version,
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
                    version = request.version,
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

/// The consumers that have a slot more than before, by service: others of their connections may
/// have waited for it.
fn consumers_with_free_slots(settled: &Settled) -> BTreeMap<ServiceId, BTreeSet<AccountId>> {
    let mut consumers: BTreeMap<ServiceId, BTreeSet<AccountId>> = BTreeMap::new();
    for outcome in settled.values() {
        let Ok(Outcome::Changed { from, request }) = outcome else {
            continue;
        };
        let held = from.is_some_and(Status::holds_slot);
        // Between deciding to accept it and EC2's answer it held one as well.
        let briefly = request.verdict.decision == Decision::Accept;
        if !request.status.holds_slot() && (held || briefly) {
            let accounts = consumers.entry(request.service_id.clone()).or_default();
            accounts.insert(request.account_id.clone());
        }
    }
    consumers
}
