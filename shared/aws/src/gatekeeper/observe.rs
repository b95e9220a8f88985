//! Observe, for events: from what an event hints at to what EC2 says is so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatekeeper_core::connection::Connection;
use gatekeeper_core::hint::{Hint, HintKind, Subject};
use gatekeeper_core::ids::{EndpointId, ServiceId};

use super::{Gatekeeper, Sighting};
use crate::clock::Deadline;
use crate::error::Error;
use crate::tables::Key;

/// What came of a hint: all it pointed at is settled, or an error says what is left to do.
pub(super) type Handled = Result<(), Arc<Error>>;

impl Gatekeeper {
    /// Settles what a batch of events hints at. Answers for each hint, in order; one that failed
    /// is to be handed over again.
    pub async fn handle(&self, hints: &[Hint], deadline: Deadline) -> Vec<Handled> {
        if hints.is_empty() {
            return Vec::new();
        }
        let managed = match self.ec2.managed_services().await {
            Ok(managed) => managed,
            Err(error) => {
                self.report(&error, None);
                return hints.iter().map(|_| Err(Arc::clone(&error))).collect();
            }
        };
        let endpoints = self.handle_endpoints(hints, &managed, deadline).await;
        let services = self.handle_services(hints, &managed, deadline).await;
        hints
            .iter()
            .enumerate()
            .map(|(index, hint)| {
                if let Some(failed) = services.get(&index) {
                    return failed.clone();
                }
                endpoints_of(hint)
                    .iter()
                    .filter_map(|id| endpoints.get(id))
                    .find(|handled| handled.is_err())
                    .map_or(Ok(()), Clone::clone)
            })
            .collect()
    }

    /// Settles the endpoints that the hints name.
    async fn handle_endpoints(
        &self,
        hints: &[Hint],
        managed: &[ServiceId],
        deadline: Deadline,
    ) -> BTreeMap<EndpointId, Handled> {
        let ids = all_endpoints_of(hints);
        if ids.is_empty() {
            return BTreeMap::new();
        }
        let sightings = match self.sightings(hints, ids.clone(), managed).await {
            Ok(sightings) => sightings,
            Err(error) => {
                self.report(&error, None);
                return ids.into_iter().map(|id| (id, Err(Arc::clone(&error)))).collect();
            }
        };
        let settled = self.settle(sightings, deadline).await;
        self.finish_announcements(&settled).await;
        settled
            .into_iter()
            .map(|(id, settled)| (id, settled.map(|_| ())))
            .collect()
    }

    /// What EC2 says of the endpoints now. Those of services that are not ours are left out, and
    /// so are those that neither EC2 nor we know.
    async fn sightings(
        &self,
        hints: &[Hint],
        mut missing: BTreeSet<EndpointId>,
        managed: &[ServiceId],
    ) -> Result<Vec<Sighting>, Arc<Error>> {
        let mut seen = BTreeMap::new();
        self.look(&mut missing, &mut seen, managed).await?;

        // What we know and EC2 no longer lists is gone.
        let mut known = BTreeSet::new();
        if !missing.is_empty() {
            let keys = missing.iter().cloned().map(Key::Request).collect();
            let items = self.tables.read(keys).await?;
            for id in &missing {
                if items.request(id)?.is_some() {
                    known.insert(id.clone());
                }
            }
        }
        missing.retain(|id| !known.contains(id));

        // What nobody knows is too new for EC2 to list, or was never there: look again, then leave
        // it to reconcile.
        missing.retain(|id| !hints.iter().all(|hint| hint.kind == HintKind::Deleted || !endpoints_of(hint).contains(id)));
        for _ in 0..self.limits.look_again {
            if missing.is_empty() {
                break;
            }
            self.clock.sleep(self.limits.look_again_after).await;
            self.look(&mut missing, &mut seen, managed).await?;
        }
        for endpoint_id in &missing {
            tracing::info!(%endpoint_id, "EC2 lists no such endpoint among the connections; nothing is done");
        }

        let mut sightings = Vec::new();
        for (endpoint_id, connection) in seen {
            if !managed.contains(&connection.service_id) {
                tracing::info!(%endpoint_id, service_id = %connection.service_id, "the endpoint's service is not managed; nothing is done");
                continue;
            }
            sightings.push(Sighting {
                actor: actor_for(hints, &endpoint_id),
                endpoint_id,
                connection: Some(connection),
            });
        }
        sightings.extend(known.into_iter().map(|endpoint_id| Sighting {
            actor: None,
            endpoint_id,
            connection: None,
        }));
        Ok(sightings)
    }

    async fn look(
        &self,
        missing: &mut BTreeSet<EndpointId>,
        seen: &mut BTreeMap<EndpointId, Connection>,
        managed: &[ServiceId],
    ) -> Result<(), Arc<Error>> {
        let ids: Vec<EndpointId> = missing.iter().cloned().collect();
        for connection in self.ec2.connections(&ids, managed).await? {
            // An answer to a question we did not ask is no answer.
            if missing.remove(&connection.endpoint_id) {
                seen.insert(connection.endpoint_id.clone(), connection);
            }
        }
        Ok(())
    }

    /// Settles whole services, for hints that name no endpoint. Answers by the hint's index.
    async fn handle_services(
        &self,
        hints: &[Hint],
        managed: &[ServiceId],
        deadline: Deadline,
    ) -> BTreeMap<usize, Handled> {
        let mut wanted: BTreeMap<ServiceId, Handled> = BTreeMap::new();
        let mut by_hint = BTreeMap::new();
        for (index, hint) in hints.iter().enumerate() {
            let services = match &hint.subject {
                Subject::Endpoints { .. } => continue,
                Subject::Service(id) => Ok([id].into_iter().filter(|id| managed.contains(id)).cloned().collect()),
                Subject::Everything => Ok(managed.to_vec()),
                Subject::Topic(arn) => self.services_of_topic(arn, managed).await,
            };
            if let Ok(services) = &services {
                wanted.extend(services.iter().map(|id| (id.clone(), Ok(()))));
            }
            by_hint.insert(index, services);
        }
        for (service, handled) in &mut wanted {
            // A connection that fails is reported and taken up by reconcile; only a service that
            // could not be looked through is worth the event's coming back.
            *handled = self.settle_service(service, deadline).await.map(|_| ());
            if let Err(error) = handled {
                self.report(error, None);
            }
        }
        by_hint
            .into_iter()
            .map(|(index, services)| {
                let handled = services.and_then(|services| {
                    services
                        .iter()
                        .filter_map(|id| wanted.get(id))
                        .find(|handled| handled.is_err())
                        .map_or(Ok(()), Clone::clone)
                });
                (index, handled)
            })
            .collect()
    }

    /// The managed services that a topic stands for; all of them if EC2 knows of none.
    async fn services_of_topic(
        &self,
        arn: &str,
        managed: &[ServiceId],
    ) -> Result<Vec<ServiceId>, Arc<Error>> {
        let notifying = match self.ec2.services_notifying(arn).await {
            Ok(services) => services,
            Err(error) => {
                self.report(&error, None);
                return Err(error);
            }
        };
        let ours: Vec<ServiceId> = managed
            .iter()
            .filter(|id| notifying.contains(id))
            .cloned()
            .collect();
        Ok(if ours.is_empty() { managed.to_vec() } else { ours })
    }
}

fn all_endpoints_of(hints: &[Hint]) -> BTreeSet<EndpointId> {
    hints.iter().flat_map(endpoints_of).cloned().collect()
}

fn endpoints_of(hint: &Hint) -> &[EndpointId] {
    match &hint.subject {
        Subject::Endpoints { endpoint_ids, .. } => endpoint_ids,
        Subject::Service(_) | Subject::Topic(_) | Subject::Everything => &[],
    }
}

/// Who is said to have decided about an endpoint, and what.
fn actor_for(hints: &[Hint], endpoint_id: &EndpointId) -> Option<(HintKind, String)> {
    hints
        .iter()
        .filter(|hint| matches!(hint.kind, HintKind::Accepted | HintKind::Rejected))
        .filter(|hint| endpoints_of(hint).contains(endpoint_id))
        .find_map(|hint| Some((hint.kind, hint.actor.clone()?)))
}
