//! Enforce: make EC2 agree with the recorded decisions, read the result for each connection, and
//! record it.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream;
use futures_util::{FutureExt as _, StreamExt as _};
use gatekeeper_core::batch::Batches;
use gatekeeper_core::enforcement::{CallResult, Refusal};
use gatekeeper_core::ids::{EndpointId, ServiceId};
use gatekeeper_core::request::{Enforcement, Request, Status};
use jiff::Timestamp;

use super::outcome::{Outcome, Settled};
use crate::clock::{Clock, Deadline};
use crate::ec2::{CallFailure, Connections, Ec2, EnforceCalls, Enforced, FailureKind, ItemFailure};
use crate::error::{Error, Permanent, Retryable, Step};
use crate::tables::{Recorded, Recorder};

/// Asks EC2 to carry decisions out.
#[derive(Debug)]
pub(super) struct Enforcer {
    connections: Connections,
    calls: EnforceCalls,
    recorder: Recorder,
    clock: Clock,
    /// How many outcomes are written at the same time.
    concurrency: usize,
}

/// A decision that EC2 is to carry out.
#[derive(Debug)]
pub(super) struct ToEnforce {
    /// The request's status before the decision; `None` if the request is new.
    pub(super) from: Option<Status>,
    /// The request, which we have claimed.
    pub(super) request: Request,
}

/// The result of one call for each of its connections.
type CallResults = BTreeMap<EndpointId, Result<CallResult, Arc<Error>>>;

impl Enforcer {
    pub(super) fn new(ec2: &Ec2, recorder: Recorder, clock: Clock, concurrency: usize) -> Self {
        Self {
            connections: ec2.connections.clone(),
            calls: ec2.calls.clone(),
            recorder,
            clock,
            concurrency,
        }
    }

    /// Carries decisions out: all accepts and all rejects of one service in as few calls as EC2
    /// allows.
    pub(super) async fn enforce(&self, decisions: Vec<ToEnforce>, deadline: Deadline) -> Settled {
        let mut groups: BTreeMap<(ServiceId, Enforcement), Vec<ToEnforce>> = BTreeMap::new();
        for decision in decisions {
            if let Some(enforcement) = decision.request.status.pending_enforcement() {
                let group = (decision.request.service_id.clone(), enforcement);
                groups.entry(group).or_default().push(decision);
            }
        }
        let mut settled = Settled::new();
        for ((service, enforcement), decisions) in groups {
            let ids = decisions.iter().map(|one| one.request.endpoint_id.clone());
            let size = self.calls.batch_size(enforcement);
            let mut batches = Batches::new(ids.collect(), size);
            loop {
                let next = batches.next_call();
                self.calls.remember_batch_size(enforcement, batches.size());
                let Some(ids) = next else { break };
                let called: Vec<&ToEnforce> = decisions
                    .iter()
                    .filter(|one| ids.contains(&one.request.endpoint_id))
                    .collect();
                let results = self
                    .ask(enforcement, &service, &called, &mut batches, deadline)
                    .await;
                settled.extend(self.write_down(&called, results).await);
            }
        }
        settled
    }

    /// Calls EC2 once and finds out the result for each connection. Connections that belong into
    /// another call have no result.
    async fn ask(
        &self,
        enforcement: Enforcement,
        service: &ServiceId,
        called: &[&ToEnforce],
        batches: &mut Batches,
        deadline: Deadline,
    ) -> CallResults {
        let ids: Vec<EndpointId> = called
            .iter()
            .map(|one| one.request.endpoint_id.clone())
            .collect();
        let until = claimed_until(called, deadline);
        let asked = self.calls.enforce(enforcement, service, &ids, until).await;
        let (answered, enforced) = match asked {
            Ok(enforced) => {
                let (surplus, answered): (Vec<_>, Vec<_>) =
                    ids.into_iter().partition(|id| enforced.is_surplus(id));
                if !answered.is_empty() {
                    batches.took(answered.len());
                    batches.surplus(surplus);
                    (answered, enforced)
                } else if batches.refused(&surplus, &[], true) {
                    return CallResults::new();
                } else {
                    (surplus, enforced)
                }
            }
            Err(CallFailure::Items(failure)) => {
                let may_be_size = matches!(failure.kind, FailureKind::Size | FailureKind::Other);
                if batches.refused(&ids, &failure.named(), may_be_size) {
                    tracing::info!(
                        service_id = %service,
                        endpoints = ids.len(),
                        error = failure.text(),
                        "EC2 refused to {enforcement} them in one call; they are divided"
                    );
                    return CallResults::new();
                }
                let enforced = Enforced::none_of(&ids, &failure);
                (ids, enforced)
            }
            Err(failure) => {
                batches.failed();
                // There is time, but not after the first claim ends. Claim them again.
                let claims_end = until.0 < deadline.0;
                return left_undone(enforcement, ids, failure, claims_end);
            }
        };
        let mut results = CallResults::new();
        let mut unsure = BTreeMap::new();
        for id in answered {
            let result = match enforced.failure_of(&id) {
                None => Ok(CallResult::done(enforcement, enforced.request_id.clone())),
                Some(failure) => match failure.kind {
                    FailureKind::Passing => Err(failure.passes(enforcement, &id)),
                    FailureKind::Forbidden => Err(failure.forbids(enforcement, &id)),
                    FailureKind::State
                    | FailureKind::InProgress
                    | FailureKind::NotFound
                    | FailureKind::Size
                    | FailureKind::Other => {
                        unsure.insert(id, failure);
                        continue;
                    }
                },
            };
            results.insert(id, result);
        }
        if !unsure.is_empty() {
            let looked = self
                .confirm_by_description(enforcement, service, called, unsure)
                .await;
            results.extend(looked);
        }
        results
    }

    /// EC2 did not carry these out, and its error does not tell their state. The description tells
    /// what happened to them.
    async fn confirm_by_description(
        &self,
        enforcement: Enforcement,
        service: &ServiceId,
        called: &[&ToEnforce],
        unsure: BTreeMap<EndpointId, &ItemFailure>,
    ) -> CallResults {
        let ids: Vec<EndpointId> = unsure.keys().cloned().collect();
        let seen = match self.connections.look_again(&ids, service).await {
            Ok(seen) => seen,
            Err(error) => {
                let failed = |id| (id, Err(Arc::clone(&error)));
                return ids.into_iter().map(failed).collect();
            }
        };
        let look = |(id, failure): (EndpointId, &ItemFailure)| {
            if let Some(error) = seen.refused.get(&id) {
                return (id, Err(Arc::clone(error)));
            }
            let connection = seen.connections.iter().find(|one| one.endpoint_id == id);
            let mut requests = called.iter().map(|one| &one.request);
            let request = requests.find(|request| request.endpoint_id == id);
            let refusal = Refusal {
                code: failure.code(),
                is_about_state: failure.kind == FailureKind::State,
            };
            let result = request
                .and_then(|request| CallResult::shown(request, enforcement, connection, refusal));
            let result = result.ok_or_else(|| match (connection, failure.kind) {
                (Some(_), FailureKind::Size | FailureKind::Other) => {
                    failure.refuses(enforcement, &id, service)
                }
                // The connection is being changed, is not listed yet, or is gone and still listed.
                _ => failure.passes(enforcement, &id),
            });
            (id, result)
        };
        unsure.into_iter().map(look).collect()
    }

    /// Records the results of a call.
    async fn write_down(&self, called: &[&ToEnforce], mut results: CallResults) -> Settled {
        let recordings: Vec<_> = called
            .iter()
            .filter_map(|decision| {
                let result = results.remove(&decision.request.endpoint_id)?;
                Some(self.write_one(decision, result).boxed())
            })
            .collect();
        stream::iter(recordings)
            .buffered(self.concurrency)
            .collect()
            .await
    }

    async fn write_one(
        &self,
        decision: &ToEnforce,
        result: Result<CallResult, Arc<Error>>,
    ) -> (EndpointId, Result<Outcome, Arc<Error>>) {
        let outcome = match result {
            Ok(result) => self.record(decision, result).await,
            Err(error) => Err(error),
        };
        (decision.request.endpoint_id.clone(), outcome)
    }

    async fn record(
        &self,
        decision: &ToEnforce,
        result: CallResult,
    ) -> Result<Outcome, Arc<Error>> {
        let request = &decision.request;
        let endpoint_id = &request.endpoint_id;
        let change = result.change(request, self.clock.now()).map_err(|error| {
            let what = format!("an illegal change of {endpoint_id} was attempted");
            let class = Permanent::Illegal;
            Error::new(Step::Record, "change the status", class, what).caused_by(error)
        })?;
        match self.recorder.record(&change, Vec::new()).await? {
            Recorded::Written => Ok(Outcome::Changed {
                from: decision.from,
                request: Box::new(change.after),
            }),
            // Another handler took the claim over and recorded the outcome.
            Recorded::Lost(Some(winner)) => Ok(Outcome::Lost(Some(winner))),
            Recorded::Lost(None) | Recorded::PolicyChanged | Recorded::LimitReached => {
                let what = format!(
                    "what EC2 did about {endpoint_id} could not be recorded: the request is not what it was"
                );
                let class = Retryable::Contended;
                Err(Error::new(Step::Record, "write the outcome", class, what).into())
            }
        }
    }
}

/// The deadline, or the end of our first claim on these requests if that is sooner: after that,
/// another handler may have decided them otherwise.
fn claimed_until(called: &[&ToEnforce], deadline: Deadline) -> Deadline {
    let claims = called
        .iter()
        .map(|one| one.request.claimed_until.unwrap_or(Timestamp::MIN));
    Deadline(claims.fold(deadline.0, Timestamp::min))
}

/// The result for endpoints that EC2 was not asked about, or did not mention.
fn left_undone(
    enforcement: Enforcement,
    ids: Vec<EndpointId>,
    failure: CallFailure,
    claims_end: bool,
) -> CallResults {
    let failure: Result<ItemFailure, Arc<Error>> = match failure {
        CallFailure::All(error) | CallFailure::OutOfTime(error) => Err(error),
        CallFailure::Retryable(failure) | CallFailure::Items(failure) => Ok(failure),
    };
    let failed = |id: EndpointId| {
        let error = match &failure {
            Err(error) if claims_end && error.is_out_of_time() => {
                let what = format!("the claim on {id} ran out before EC2 could be asked");
                let class = Retryable::ClaimEnded;
                Error::new(Step::Enforce, "claim", class, what).into()
            }
            Err(error) => Arc::clone(error),
            Ok(failure) => failure.passes(enforcement, &id),
        };
        (id, Err(error))
    };
    ids.into_iter().map(failed).collect()
}
