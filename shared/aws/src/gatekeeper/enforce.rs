//! Enforce: make EC2 agree with what was recorded, read what it did for each connection, and write
//! that down.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream;
use futures_util::{FutureExt as _, StreamExt as _};
use gatekeeper_core::batch::Batches;
use gatekeeper_core::connection::{Connection, Phase};
use gatekeeper_core::ids::{EndpointId, ServiceId};
use gatekeeper_core::messages::Messages;
use gatekeeper_core::request::{Actor, Cause, Ec2Answer, Enforcement, Request, Status, Transition};

use jiff::Timestamp;

use super::Gatekeeper;
use super::decide::enforcer;
use super::settle::Outcome;
use crate::clock::Deadline;
use crate::ec2::{CallFailure, Enforced, FailureKind, ItemFailure};
use crate::error::{Error, Permanent, Retryable};
use crate::tables::{Recorded, Write};

/// A request whose decision is to be carried out, and its status before the decision.
type Undone = (Option<Status>, Request);

/// What came of carrying out one decision.
pub(super) struct Done {
    pub(super) endpoint_id: EndpointId,
    pub(super) outcome: Result<Outcome, Arc<Error>>,
}

/// What EC2 did about one connection.
struct Effect {
    to: Status,
    cause: Cause,
    reason: String,
    answer: Ec2Answer,
}

/// What EC2 did about the connections of one call.
type Effects = BTreeMap<EndpointId, Result<Effect, Arc<Error>>>;

impl Gatekeeper {
    /// Carries decisions out: all accepts and all rejects of one service in as few calls as EC2 allows.
    pub(super) async fn enforce(&self, undone: Vec<Undone>, deadline: Deadline) -> Vec<Done> {
        let mut groups: BTreeMap<(ServiceId, Enforcement), Vec<Undone>> = BTreeMap::new();
        for (from, request) in undone {
            if let Some(enforcement) = request.status.pending_enforcement() {
                let group = (request.service_id.clone(), enforcement);
                groups.entry(group).or_default().push((from, request));
            }
        }
        let mut done = Vec::new();
        for ((service, enforcement), undone) in groups {
            let ids = undone.iter().map(|(_, r)| r.endpoint_id.clone()).collect();
            let mut batches = Batches::new(ids, self.ec2.batch_size(enforcement));
            loop {
                let next = batches.next_call();
                self.ec2.remember_batch_size(enforcement, batches.size());
                let Some(ids) = next else { break };
                let called: Vec<&Undone> = undone
                    .iter()
                    .filter(|(_, request)| ids.contains(&request.endpoint_id))
                    .collect();
                let effects = self
                    .ask(enforcement, &service, &called, &mut batches, deadline)
                    .await;
                done.extend(self.write_down(&called, effects).await);
            }
        }
        done
    }

    /// Asks EC2 once, and finds out what it did for each connection; nothing for those that are to be asked
    /// for in another call.
    async fn ask(
        &self,
        enforcement: Enforcement,
        service: &ServiceId,
        called: &[&Undone],
        batches: &mut Batches,
        deadline: Deadline,
    ) -> Effects {
        let ids: Vec<EndpointId> = called.iter().map(|(_, r)| r.endpoint_id.clone()).collect();
        let until = claimed_until(called, deadline);
        let asked = self.ec2.enforce(enforcement, service, &ids, until).await;
        let (answered, enforced) = match asked {
            Ok(enforced) => {
                let (surplus, answered): (Vec<_>, Vec<_>) =
                    ids.into_iter().partition(|id| enforced.is_surplus(id));
                if !answered.is_empty() {
                    batches.took(answered.len());
                    batches.surplus(surplus);
                    (answered, enforced)
                } else if batches.refused(&surplus, &[], true) {
                    return Effects::new();
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
                    return Effects::new();
                }
                let enforced = Enforced::none_of(&ids, &failure);
                (ids, enforced)
            }
            Err(failure) => {
                batches.failed();
                // There is time, but none of the claims may be outlasted: they are taken anew.
                let claims_end = until.0 < deadline.0;
                return left_undone(enforcement, ids, failure, claims_end);
            }
        };
        let mut effects = Effects::new();
        let mut unsure = BTreeMap::new();
        for id in answered {
            let effect = match enforced.failure_of(&id) {
                None => Ok(Effect {
                    to: enforcement.outcome(),
                    cause: Cause::Enforced,
                    reason: format!("EC2 was asked to {enforcement} the connection and did."),
                    answer: Ec2Answer {
                        code: "ok".to_owned(),
                        request_id: enforced.request_id.clone(),
                    },
                }),
                Some(failure) => match failure.kind {
                    FailureKind::Passing => Err(not_done(enforcement, &id, failure)),
                    FailureKind::Forbidden => Err(Permanent::Forbidden {
                        operation: match enforcement {
                            Enforcement::Accept => "AcceptVpcEndpointConnections",
                            Enforcement::Reject => "RejectVpcEndpointConnections",
                        },
                        source: failure.text().into(),
                    }
                    .into()),
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
            effects.insert(id, effect);
        }
        if !unsure.is_empty() {
            let looked = self.look_closer(enforcement, service, called, unsure).await;
            effects.extend(looked);
        }
        effects
    }

    /// EC2 did not do these, and what it says of them is not to be relied upon: what became of them is what
    /// its description shows.
    async fn look_closer(
        &self,
        enforcement: Enforcement,
        service: &ServiceId,
        called: &[&Undone],
        unsure: BTreeMap<EndpointId, &ItemFailure>,
    ) -> Effects {
        let ids: Vec<EndpointId> = unsure.keys().cloned().collect();
        let seen = match self
            .ec2
            .connections(&ids, std::slice::from_ref(service))
            .await
        {
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
            let tried_again = called
                .iter()
                .any(|(_, request)| request.endpoint_id == id && request.retried_at.is_some());
            let effect = resolve(enforcement, connection, tried_again, failure);
            let effect = effect.ok_or_else(|| match (connection, failure.kind) {
                (Some(_), FailureKind::Size | FailureKind::Other) => Permanent::Refused {
                    enforcement,
                    endpoint_id: id.clone(),
                    service_id: service.clone(),
                    code: failure.code().to_owned(),
                    message: failure.message().to_owned(),
                }
                .into(),
                // It is being changed, is about to be listed, or is gone and still listed.
                _ => not_done(enforcement, &id, failure),
            });
            (id, effect)
        };
        unsure.into_iter().map(look).collect()
    }

    /// Records what EC2 did.
    async fn write_down(&self, called: &[&Undone], mut effects: Effects) -> Vec<Done> {
        let recordings: Vec<_> = called
            .iter()
            .filter_map(|(from, request)| {
                let effect = effects.remove(&request.endpoint_id)?;
                Some(self.write_one(*from, request, effect).boxed())
            })
            .collect();
        stream::iter(recordings)
            .buffered(self.limits.concurrency)
            .collect()
            .await
    }

    async fn write_one(
        &self,
        from: Option<Status>,
        request: &Request,
        effect: Result<Effect, Arc<Error>>,
    ) -> Done {
        let outcome = match effect {
            Ok(effect) => self.record_effect(from, request, effect).await,
            Err(error) => Err(error),
        };
        Done {
            endpoint_id: request.endpoint_id.clone(),
            outcome,
        }
    }

    async fn record_effect(
        &self,
        from: Option<Status>,
        request: &Request,
        effect: Effect,
    ) -> Result<Outcome, Arc<Error>> {
        let transition = Transition {
            from: Some(request.status),
            to: effect.to,
            cause: effect.cause,
            at: self.clock.now(),
            actor: match effect.cause {
                Cause::Enforced | Cause::Refused => enforcer(request),
                Cause::Ended => Actor::Aws,
                _ => Actor::Unknown,
            },
            reason: effect.reason,
            ec2: Some(effect.answer),
            votes: Vec::new(),
        };
        let after = request.after(&transition).map_err(Permanent::Illegal)?;
        let recorded = self
            .tables
            .record(&Write {
                transition: Some(&transition),
                messages: Messages::of_transition(&after, &transition),
                ..Write::of(Some(request), &after)
            })
            .await?;
        Ok(match recorded {
            Recorded::Written => {
                let request = Box::new(after);
                Outcome::Changed { from, request }
            }
            // Another handler took the claim over and wrote the outcome down.
            Recorded::Lost(Some(winner)) => Outcome::Lost(Some(winner)),
            Recorded::Lost(None) | Recorded::PolicyChanged | Recorded::LimitReached => {
                return Err(Retryable::Contended(request.endpoint_id.clone()).into());
            }
        })
    }
}

/// The deadline, or the end of the first of our claims on these requests if that comes sooner: what
/// is asked for after it may meanwhile have been decided otherwise by somebody else.
fn claimed_until(called: &[&Undone], deadline: Deadline) -> Deadline {
    let claims = called
        .iter()
        .map(|(_, request)| request.claimed_until.unwrap_or(Timestamp::MIN));
    Deadline(claims.fold(deadline.0, Timestamp::min))
}

/// What becomes of endpoints for which EC2 was not asked, or said nothing of them.
fn left_undone(
    enforcement: Enforcement,
    ids: Vec<EndpointId>,
    failure: CallFailure,
    claims_end: bool,
) -> Effects {
    let failure: Result<ItemFailure, Arc<Error>> = match failure {
        CallFailure::Forbidden(error) | CallFailure::Service(error) => Err(error.into()),
        CallFailure::OutOfTime(error) => Err(error.into()),
        CallFailure::Retryable(failure) | CallFailure::Items(failure) => Ok(failure),
    };
    let failed = |id: EndpointId| {
        let error = match &failure {
            Err(error) if claims_end && error.is_out_of_time() => {
                Retryable::ClaimEnded(id.clone()).into()
            }
            Err(error) => Arc::clone(error),
            Ok(failure) => not_done(enforcement, &id, failure),
        };
        (id, Err(error))
    };
    ids.into_iter().map(failed).collect()
}

/// EC2 did not do it this time.
fn not_done(
    enforcement: Enforcement,
    endpoint_id: &EndpointId,
    failure: &ItemFailure,
) -> Arc<Error> {
    Retryable::Enforce {
        enforcement,
        endpoint_id: endpoint_id.clone(),
        code: failure.text(),
    }
    .into()
}

/// What a connection's state says about a call that EC2 did not take for it; none if it cannot be told yet,
/// as while EC2's descriptions lag.
fn resolve(
    enforcement: Enforcement,
    connection: Option<&Connection>,
    tried_again: bool,
    failure: &ItemFailure,
) -> Option<Effect> {
    // One that is not listed may be gone, and may be about to be listed.
    let connection = connection?;
    let phase = connection.state.phase();
    let shown = connection.state.as_str();
    let answer = Ec2Answer {
        code: failure.code().to_owned(),
        request_id: None,
    };
    let (to, cause, reason) = match (enforcement, phase) {
        (Enforcement::Accept, Phase::Connected) | (Enforcement::Reject, Phase::Rejected) => (
            enforcement.outcome(),
            Cause::Enforced,
            format!("EC2 shows the connection as {shown} already."),
        ),
        (Enforcement::Accept, Phase::Rejected) if tried_again => match failure.kind {
            FailureKind::State => (
                Status::Rejected,
                Cause::Refused,
                format!(
                    "The policy allows it now, but EC2 does not accept a connection that was \
                     rejected ({}).",
                    failure.code()
                ),
            ),
            // It was rejected before, so that this tells nothing.
            _ => return None,
        },
        (Enforcement::Accept, Phase::Rejected) => (
            Status::Rejected,
            Cause::OutOfBand,
            "EC2 shows the connection as rejected; it was rejected without Gatekeeper.".to_owned(),
        ),
        (_, Phase::Ended) => (
            Status::Gone,
            Cause::Ended,
            format!("EC2 shows the endpoint as {shown}."),
        ),
        (Enforcement::Reject, Phase::Connected) | (_, Phase::Waiting | Phase::Unknown) => {
            return None;
        }
    };
    Some(Effect {
        to,
        cause,
        reason,
        answer,
    })
}
