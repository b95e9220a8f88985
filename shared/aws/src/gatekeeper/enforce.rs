//! Enforce: make EC2 agree with what was recorded, read what it did for each connection, and write
//! that down.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream;
use futures_util::{FutureExt as _, StreamExt as _};
use gatekeeper_core::connection::{Connection, Phase};
use gatekeeper_core::ids::{EndpointId, ServiceId};
use gatekeeper_core::message::Message;
use gatekeeper_core::request::{Actor, Cause, Ec2Answer, Enforcement, Request, Status, Transition};

use jiff::Timestamp;

use super::Gatekeeper;
use super::decide::enforcer;
use super::settle::Outcome;
use crate::clock::Deadline;
use crate::ec2::{CallFailure, ItemFailure};
use crate::error::{Error, Permanent, Retryable};
use crate::tables::{Recorded, Told, Write};

/// How many calls of one chunk may be refused whole before it is no longer cut in two: one fault
/// among fifty stands alone after six.
const REFUSALS: u32 = 8;

/// A request whose decision is to be carried out, and its status before the decision.
type Undone = (Option<Status>, Request);

/// What came of carrying out one decision.
pub(super) struct Done {
    pub(super) endpoint_id: EndpointId,
    pub(super) outcome: Result<(Outcome, Vec<Message>), Arc<Error>>,
}

/// What EC2 did about one connection.
struct Effect {
    to: Status,
    cause: Cause,
    reason: String,
    answer: Ec2Answer,
}

impl Gatekeeper {
    /// Carries decisions out: all accepts and all rejects of one service in as few calls as the
    /// batch size allows.
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
            for chunk in undone.chunks(self.limits.enforce_batch) {
                let effects = self.ask(enforcement, &service, chunk, deadline).await;
                done.extend(self.write_down(chunk, effects).await);
            }
        }
        done
    }

    /// Asks EC2 about one chunk and finds out what it did for each connection.
    async fn ask(
        &self,
        enforcement: Enforcement,
        service: &ServiceId,
        chunk: &[Undone],
        deadline: Deadline,
    ) -> BTreeMap<EndpointId, Result<Effect, Arc<Error>>> {
        let mut effects = BTreeMap::new();
        let mut unsure: BTreeMap<EndpointId, String> = BTreeMap::new();
        // A call that EC2 refuses whole, for what may be one endpoint's fault, is cut in two until
        // the fault stands alone; unless it looks as if the fault were not an endpoint's at all.
        let mut refusals = 0;
        let mut calls = vec![
            chunk
                .iter()
                .map(|(_, r)| r.endpoint_id.clone())
                .collect::<Vec<_>>(),
        ];
        while let Some(ids) = calls.pop() {
            let fail = |error: Arc<Error>| {
                let ids = ids.clone().into_iter();
                ids.map(move |id| (id, Err(Arc::clone(&error))))
            };
            let until = claimed_until(chunk, &ids, deadline);
            let all = |failure: ItemFailure| {
                let ids = ids.iter();
                (
                    None,
                    ids.map(|id| (id.to_string(), failure.clone())).collect(),
                )
            };
            let (request_id, mut failures) =
                match self.ec2.enforce(enforcement, service, &ids, until).await {
                    Ok(enforced) => (enforced.request_id, enforced.failures),
                    Err(CallFailure::Items(_)) if ids.len() > 1 && refusals < REFUSALS => {
                        refusals += 1;
                        let (left, right) = ids.split_at(ids.len() / 2);
                        calls.extend([right.to_vec(), left.to_vec()]);
                        continue;
                    }
                    Err(CallFailure::Items(failure)) => all(failure),
                    Err(CallFailure::Retryable { code }) => all(ItemFailure::Retryable { code }),
                    Err(CallFailure::Forbidden(error) | CallFailure::Service(error)) => {
                        effects.extend(fail(error.into()));
                        continue;
                    }
                    // There is time, but none of the claims may be outlasted: they are taken anew.
                    Err(CallFailure::OutOfTime(_)) if until.0 < deadline.0 => {
                        let claims = ids.into_iter();
                        effects.extend(
                            claims.map(|id| (id.clone(), Err(Retryable::ClaimEnded(id).into()))),
                        );
                        continue;
                    }
                    Err(CallFailure::OutOfTime(error)) => {
                        effects.extend(fail(error.into()));
                        continue;
                    }
                };
            for id in ids {
                let failure = failures.remove(id.as_str());
                let answer = |code: &str| Ec2Answer {
                    code: code.to_owned(),
                    request_id: request_id.clone(),
                };
                let effect = match failure {
                    None => Ok(Effect {
                        to: enforcement.outcome(),
                        cause: Cause::Enforced,
                        reason: format!("EC2 was asked to {enforcement} the connection and did."),
                        answer: answer("ok"),
                    }),
                    Some(ItemFailure::Gone { code }) => Ok(Effect {
                        to: Status::Gone,
                        cause: Cause::Ended,
                        reason: "The endpoint was gone before EC2 could be asked.".to_owned(),
                        answer: answer(&code),
                    }),
                    Some(ItemFailure::InvalidState { code }) => {
                        unsure.insert(id, code);
                        continue;
                    }
                    Some(ItemFailure::Retryable { code }) => Err(Retryable::Enforce {
                        enforcement,
                        endpoint_id: id.clone(),
                        code,
                    }
                    .into()),
                    Some(ItemFailure::Forbidden { code, message }) => Err(Permanent::Forbidden {
                        operation: match enforcement {
                            Enforcement::Accept => "AcceptVpcEndpointConnections",
                            Enforcement::Reject => "RejectVpcEndpointConnections",
                        },
                        source: format!("{code}: {message}").into(),
                    }
                    .into()),
                    Some(ItemFailure::Other { code, message }) => Err(Permanent::Refused {
                        enforcement,
                        endpoint_id: id.clone(),
                        service_id: service.clone(),
                        code,
                        message,
                    }
                    .into()),
                };
                effects.insert(id, effect);
            }
        }
        if !unsure.is_empty() {
            self.look_closer(enforcement, service, chunk, unsure, &mut effects)
                .await;
        }
        effects
    }

    /// EC2 says that these are in no state for what it was asked: find out in which they are.
    async fn look_closer(
        &self,
        enforcement: Enforcement,
        service: &ServiceId,
        chunk: &[Undone],
        unsure: BTreeMap<EndpointId, String>,
        effects: &mut BTreeMap<EndpointId, Result<Effect, Arc<Error>>>,
    ) {
        let ids: Vec<EndpointId> = unsure.keys().cloned().collect();
        let seen = match self
            .ec2
            .connections(&ids, std::slice::from_ref(service))
            .await
        {
            Ok(seen) => seen.connections,
            Err(error) => {
                effects.extend(ids.into_iter().map(|id| (id, Err(Arc::clone(&error)))));
                return;
            }
        };
        for (id, code) in unsure {
            let connection = seen.iter().find(|connection| connection.endpoint_id == id);
            let tried_again = chunk
                .iter()
                .any(|(_, request)| request.endpoint_id == id && request.retried_at.is_some());
            let effect = resolve(enforcement, connection, tried_again, &code).ok_or_else(|| {
                Retryable::Enforce {
                    enforcement,
                    endpoint_id: id.clone(),
                    code,
                }
                .into()
            });
            effects.insert(id, effect);
        }
    }

    /// Records what EC2 did.
    async fn write_down(
        &self,
        chunk: &[Undone],
        mut effects: BTreeMap<EndpointId, Result<Effect, Arc<Error>>>,
    ) -> Vec<Done> {
        let recordings: Vec<_> = chunk
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
    ) -> Result<(Outcome, Vec<Message>), Arc<Error>> {
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
                told: Told::Transition,
                ..Write::of(Some(request), &after)
            })
            .await?;
        Ok(match recorded {
            Recorded::Written(messages) => {
                let request = Box::new(after);
                (Outcome::Changed { from, request }, messages)
            }
            // Another handler took the claim over and wrote the outcome down.
            Recorded::Lost(Some(winner)) => (Outcome::Lost(Some(winner)), Vec::new()),
            Recorded::Lost(None) | Recorded::PolicyChanged | Recorded::LimitReached => {
                return Err(Retryable::Contended(request.endpoint_id.clone()).into());
            }
        })
    }
}

/// The deadline, or the end of the first of our claims on these requests if that comes sooner: what
/// is asked for after it may meanwhile have been decided otherwise by somebody else.
fn claimed_until(chunk: &[Undone], ids: &[EndpointId], deadline: Deadline) -> Deadline {
    let claims = chunk
        .iter()
        .filter(|(_, request)| ids.contains(&request.endpoint_id))
        .map(|(_, request)| request.claimed_until.unwrap_or(Timestamp::MIN));
    Deadline(claims.fold(deadline.0, Timestamp::min))
}

/// What a connection's state says about a call that EC2 refused for its state; none if it cannot
/// be told yet, as while EC2's descriptions lag.
fn resolve(
    enforcement: Enforcement,
    connection: Option<&Connection>,
    tried_again: bool,
    code: &str,
) -> Option<Effect> {
    // One that is not listed may be gone, and may be about to be listed.
    let connection = connection?;
    let phase = connection.state.phase();
    let shown = connection.state.as_str();
    let answer = Ec2Answer {
        code: code.to_owned(),
        request_id: None,
    };
    let (to, cause, reason) = match (enforcement, phase) {
        (Enforcement::Accept, Phase::Connected) | (Enforcement::Reject, Phase::Rejected) => (
            enforcement.outcome(),
            Cause::Enforced,
            format!("EC2 shows the connection as {shown} already."),
        ),
        (Enforcement::Accept, Phase::Rejected) if tried_again => (
            Status::Rejected,
            Cause::Refused,
            format!(
                "The policy allows it now, but EC2 does not accept a connection that was rejected \
                 ({code})."
            ),
        ),
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
