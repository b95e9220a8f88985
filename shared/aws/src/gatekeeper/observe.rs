//! Observe, for events: from what an event hints at to what EC2 says is so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use gatekeeper_core::connection::Connection;
use gatekeeper_core::hint::{Hint, HintKind, Subject};
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use gatekeeper_core::request::Status;
use jiff::Timestamp;

use super::settle::Settled;
use super::{Gatekeeper, Sighting};
use crate::clock::Deadline;
use crate::ec2::{Listed, Which};
use crate::error::{Error, Retryable};
use crate::tables::Key;

/// What came of a hint: all it pointed at is settled, or an error says what is left to do.
pub(super) type Handled = Result<(), Arc<Error>>;

/// What an invocation keeps back to answer for records whose work did not get done.
const TO_ANSWER: Duration = Duration::from_secs(2);

impl Gatekeeper {
    /// Settles what a batch of events hints at. Answers for each hint, in order and in time; one
    /// that failed is to be handed over again.
    pub async fn handle(&self, hints: &[Hint], deadline: Deadline) -> Vec<Handled> {
        if hints.is_empty() {
            return Vec::new();
        }
        let end = deadline.earlier(TO_ANSWER).0;
        match self
            .clock
            .until_done(end, self.handle_all(hints, deadline).boxed())
            .await
        {
            Some(handled) => handled,
            None => self.fail_all(hints, Retryable::OutOfTime.into()),
        }
    }

    fn fail_all(&self, hints: &[Hint], error: Arc<Error>) -> Vec<Handled> {
        self.report(&error, None);
        hints.iter().map(|_| Err(Arc::clone(&error))).collect()
    }

    async fn handle_all(&self, hints: &[Hint], deadline: Deadline) -> Vec<Handled> {
        let managed = match self.ec2.managed_services().await {
            Ok(managed) => managed,
            Err(error) => return self.fail_all(hints, error),
        };
        let endpoints = self.handle_endpoints(hints, &managed, deadline).await;
        let consumers = self.handle_consumers(hints, &managed, deadline).await;
        let services = self.handle_services(hints, &managed, deadline).await;
        let attachments = self.handle_attachments(hints, &managed, deadline).await;
        hints
            .iter()
            .enumerate()
            .map(|(index, hint)| {
                let others = [&consumers, &services, &attachments];
                if let Some(handled) = others.iter().find_map(|others| others.get(&index)) {
                    return handled.clone();
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
                return ids
                    .into_iter()
                    .map(|id| (id, Err(Arc::clone(&error))))
                    .collect();
            }
        };
        let edited: Vec<Connection> = sightings
            .iter()
            .filter(|sighting| is_edited(hints, &sighting.endpoint_id))
            .filter_map(|sighting| sighting.connection.clone())
            .collect();
        let settled = self.settle(sightings, deadline).await;
        self.finish_announcements(&settled, deadline).await;
        let audited = self.audit_edited(&settled, edited.clone(), deadline).await;
        let mut handled: BTreeMap<EndpointId, Handled> = settled
            .into_iter()
            .map(|(id, settled)| (id, settled.map(|_| ())))
            .collect();
        if let Err(error) = audited {
            for connection in edited {
                handled.insert(connection.endpoint_id, Err(Arc::clone(&error)));
            }
        }
        handled
    }

    /// Settles the connections of the consumers that the hints name. Answers by the hint's index.
    async fn handle_consumers(
        &self,
        hints: &[Hint],
        managed: &[ServiceId],
        deadline: Deadline,
    ) -> BTreeMap<usize, Handled> {
        let mut wanted: BTreeMap<Option<&ServiceId>, BTreeSet<&AccountId>> = BTreeMap::new();
        let mut by_hint = BTreeMap::new();
        for (index, hint) in hints.iter().enumerate() {
            if let Subject::Consumer {
                service_id,
                account_id,
            } = &hint.subject
            {
                if service_id.as_ref().is_none_or(|id| managed.contains(id)) {
                    let accounts = wanted.entry(service_id.as_ref()).or_default();
                    accounts.insert(account_id);
                }
                by_hint.insert(index, (service_id.as_ref(), account_id));
            }
        }
        let mut failed: BTreeMap<(Option<&ServiceId>, &AccountId), Arc<Error>> = BTreeMap::new();
        for (service, accounts) in wanted {
            match self
                .settle_consumers(service, &accounts, managed, deadline)
                .await
            {
                Ok(failures) => {
                    for account in accounts {
                        if let Some(error) = failures.get(account) {
                            failed.insert((service, account), Arc::clone(error));
                        }
                    }
                }
                Err(error) => {
                    self.report(&error, None);
                    let all = accounts.into_iter();
                    failed.extend(all.map(|account| ((service, account), Arc::clone(&error))));
                }
            }
        }
        by_hint
            .into_iter()
            .map(|(index, consumer)| {
                let handled = failed.get(&consumer).cloned().map_or(Ok(()), Err);
                (index, handled)
            })
            .collect()
    }

    /// Settles and audits all connections of some consumers, to one service or to all that are
    /// managed. Answers the first failure of each consumer.
    async fn settle_consumers(
        &self,
        service: Option<&ServiceId>,
        accounts: &BTreeSet<&AccountId>,
        managed: &[ServiceId],
        deadline: Deadline,
    ) -> Result<BTreeMap<AccountId, Arc<Error>>, Arc<Error>> {
        let seen_at = self.clock.now();
        let owners: Vec<AccountId> = accounts.iter().map(|account| (*account).clone()).collect();
        let mut listed = self
            .ec2
            .of_consumers(service, &owners, Which::All)
            .await?
            .connections;
        // An answer to a question we did not ask is no answer.
        listed.retain(|connection| {
            managed.contains(&connection.service_id) && accounts.contains(&connection.owner)
        });
        let mut failures = BTreeMap::new();
        for slice in listed.chunks(self.limits.slice.max(1)) {
            let sightings = slice
                .iter()
                .map(|connection| Sighting::of(connection.clone(), seen_at))
                .collect();
            let settled = self.settle(sightings, deadline).await;
            let audited = self.audit_edited(&settled, slice.to_vec(), deadline).await;
            for connection in slice {
                let settled = settled.get(&connection.endpoint_id);
                let failure = settled.and_then(|settled| settled.as_ref().err());
                if let Some(error) = failure.or(audited.as_ref().err()) {
                    let first = failures
                        .entry(connection.owner.clone())
                        .or_insert_with(|| Arc::clone(error));
                    // One that is worth another try says more about what is left to do.
                    if error.is_retryable() && !first.is_retryable() {
                        *first = Arc::clone(error);
                    }
                }
            }
        }
        Ok(failures)
    }

    /// Audits connections whose policy was edited. What is no longer allowed begins its grace
    /// period; cutting is left to reconcile, which sees whole services.
    async fn audit_edited(
        &self,
        settled: &Settled,
        connections: Vec<Connection>,
        deadline: Deadline,
    ) -> Result<(), Arc<Error>> {
        let mut services: BTreeMap<ServiceId, Vec<Connection>> = BTreeMap::new();
        for connection in connections {
            let service = services.entry(connection.service_id.clone()).or_default();
            service.push(connection);
        }
        for (service, connections) in services {
            let audited = async {
                let mut auditor = self.begin_audit(&service, self.clock.now()).await?;
                self.audit(&mut auditor, settled, &connections, deadline)
                    .await?;
                Ok::<_, Arc<Error>>(auditor)
            };
            match audited.await {
                Ok(auditor) => {
                    self.finish_audit(auditor, false, deadline).await;
                }
                Err(error) => {
                    self.report(&error, None);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// What EC2 says of the endpoints now. Those of services that are not ours are left out, and
    /// so are those that neither EC2 nor we know.
    async fn sightings(
        &self,
        hints: &[Hint],
        mut missing: BTreeSet<EndpointId>,
        managed: &[ServiceId],
    ) -> Result<Vec<Sighting>, Arc<Error>> {
        let seen_at = self.clock.now();
        let mut seen = self.look(hints, &mut missing, managed).await?;
        let mut sightings = self.unlisted(&mut missing, managed, seen_at).await?;

        // What nobody knows is too new for EC2 to list, or was never there: look again, then leave
        // it to reconcile.
        missing.retain(|id| may_be_new(hints, id, managed));
        for _ in 0..self.limits.look_again {
            if missing.is_empty() {
                break;
            }
            self.clock.sleep(self.limits.look_again_after).await;
            seen.extend(self.look(hints, &mut missing, managed).await?);
        }
        for endpoint_id in &missing {
            tracing::info!(%endpoint_id, "EC2 lists no such endpoint among the connections; nothing is done");
        }
        for connection in seen {
            let endpoint_id = connection.endpoint_id.clone();
            if !managed.contains(&connection.service_id) {
                tracing::info!(%endpoint_id, service_id = %connection.service_id, "the endpoint's service is not managed; nothing is done");
                continue;
            }
            sightings.push(Sighting {
                actor: actor_for(hints, &endpoint_id),
                endpoint_id,
                connection: Some(connection),
                seen_at,
            });
        }
        Ok(sightings)
    }

    /// Asks EC2 for the endpoints that are missing; those that it lists are missing no longer.
    async fn look(
        &self,
        hints: &[Hint],
        missing: &mut BTreeSet<EndpointId>,
        managed: &[ServiceId],
    ) -> Result<Vec<Connection>, Arc<Error>> {
        let ids: Vec<EndpointId> = missing.iter().cloned().collect();
        let services = services_to_search(hints, &ids, managed);
        let listed = self.ec2.connections(&ids, &services).await?;
        // An answer to a question we did not ask is no answer.
        let asked_for = |connection: &&Connection| missing.remove(&connection.endpoint_id);
        let connections = listed.connections.iter().filter(asked_for).cloned();
        let connections: Vec<Connection> = connections.collect();
        missing.retain(|endpoint_id| {
            if listed.is_attachment(endpoint_id) {
                tracing::info!(%endpoint_id, "the endpoint is a Transit Gateway attachment's, which people decide at EC2; nothing is done");
            }
            !listed.leaves_alone(endpoint_id)
        });
        Ok(connections)
    }

    /// Of the endpoints that EC2 does not list, those that have a request: gone, if EC2 does not
    /// list them among their consumer's connections either. They are missing no longer.
    async fn unlisted(
        &self,
        missing: &mut BTreeSet<EndpointId>,
        managed: &[ServiceId],
        seen_at: Timestamp,
    ) -> Result<Vec<Sighting>, Arc<Error>> {
        let mut sightings = Vec::new();
        if missing.is_empty() {
            return Ok(sightings);
        }
        let keys = missing.iter().cloned().map(Key::Request).collect();
        let items = self.tables.read(keys).await?;
        let mut consumers: BTreeMap<(ServiceId, AccountId), Listed> = BTreeMap::new();
        let known: Vec<EndpointId> = missing
            .iter()
            .filter(|id| items.get(&Key::Request((*id).clone())).is_some())
            .cloned()
            .collect();
        for endpoint_id in known {
            missing.remove(&endpoint_id);
            let mut connection = None;
            // One that cannot be read fails alone, when it is decided.
            if let Ok(Some(request)) = items.request(&endpoint_id) {
                if !managed.contains(&request.service_id) || request.status == Status::Gone {
                    continue;
                }
                let consumer = (request.service_id, request.account_id);
                if !consumers.contains_key(&consumer) {
                    let listed = self.ec2.of_consumer(&consumer.0, &consumer.1).await?;
                    consumers.insert(consumer.clone(), listed);
                }
                if let Some(listed) = consumers.get(&consumer) {
                    let mut all = listed.connections.iter();
                    connection = all.find(|c| c.endpoint_id == endpoint_id).cloned();
                    if connection.is_none() && listed.leaves_alone(&endpoint_id) {
                        continue;
                    }
                }
            }
            sightings.push(Sighting {
                endpoint_id,
                connection,
                seen_at,
                actor: None,
            });
        }
        Ok(sightings)
    }

    /// Settles whole services, for hints that name no endpoint. Answers by the hint's index.
    async fn handle_services(
        &self,
        hints: &[Hint],
        managed: &[ServiceId],
        deadline: Deadline,
    ) -> BTreeMap<usize, Handled> {
        let mut topics: BTreeMap<&str, Result<Vec<ServiceId>, Arc<Error>>> = BTreeMap::new();
        let mut wanted: BTreeMap<ServiceId, Wanted> = BTreeMap::new();
        let mut by_hint = BTreeMap::new();
        for (index, hint) in hints.iter().enumerate() {
            let services = match &hint.subject {
                Subject::Endpoints { .. } | Subject::Consumer { .. } | Subject::Attachments(_) => {
                    continue;
                }
                Subject::Service(id) => Ok(managed.iter().filter(|m| *m == id).cloned().collect()),
                Subject::Everything => Ok(managed.to_vec()),
                Subject::Topic(arn) => {
                    if !topics.contains_key(arn.as_str()) {
                        let services = self.services_of_topic(arn, managed).await;
                        topics.insert(arn, services);
                    }
                    topics.get(arn.as_str()).cloned().unwrap_or(Ok(Vec::new()))
                }
            };
            for id in services.iter().flatten() {
                let wanted = wanted.entry(id.clone()).or_default();
                wanted.all |= which_for(hint.kind) == Which::All;
                wanted.audits |= hint.kind == HintKind::PolicyEdited;
            }
            by_hint.insert(index, services);
        }
        let mut handled: BTreeMap<ServiceId, Handled> = BTreeMap::new();
        for (service, Wanted { all, audits }) in wanted {
            let which = if all { Which::All } else { Which::Waiting };
            let report = self.settle_service(&service, which, audits, deadline).await;
            let outcome = match report {
                // Each failure is reported already; any of them is worth the event's coming back.
                Ok(report) => {
                    self.tell_of_attachments(&report, deadline).await;
                    report.first_failure.map_or(Ok(()), Err)
                }
                Err(error) => {
                    self.report(&error, None);
                    Err(error)
                }
            };
            handled.insert(service, outcome);
        }
        by_hint
            .into_iter()
            .map(|(index, services)| {
                let handled = services.and_then(|services| {
                    services
                        .iter()
                        .filter_map(|id| handled.get(id))
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
        Ok(if ours.is_empty() {
            managed.to_vec()
        } else {
            ours
        })
    }
}

/// How much of a service to look at.
#[derive(Debug, Default)]
struct Wanted {
    /// All of it, and not only what waits.
    all: bool,
    /// Whether what is connected is to be held against the policy.
    audits: bool,
}

/// Whether the policy about an endpoint is said to have been edited.
fn is_edited(hints: &[Hint], id: &EndpointId) -> bool {
    hints
        .iter()
        .any(|hint| hint.kind == HintKind::PolicyEdited && endpoints_of(hint).contains(id))
}

fn endpoints_of(hint: &Hint) -> &[EndpointId] {
    match &hint.subject {
        Subject::Endpoints { endpoint_ids, .. } => endpoint_ids,
        Subject::Consumer { .. }
        | Subject::Service(_)
        | Subject::Attachments(_)
        | Subject::Topic(_)
        | Subject::Everything => &[],
    }
}

fn all_endpoints_of(hints: &[Hint]) -> BTreeSet<EndpointId> {
    hints.iter().flat_map(endpoints_of).cloned().collect()
}

/// The services that the hints about an endpoint name; none for a hint that names none.
fn services_named<'a>(
    hints: &'a [Hint],
    id: &'a EndpointId,
) -> impl Iterator<Item = (HintKind, Option<&'a ServiceId>)> {
    hints.iter().filter_map(move |hint| match &hint.subject {
        Subject::Endpoints {
            service_id,
            endpoint_ids,
        } if endpoint_ids.contains(id) => Some((hint.kind, service_id.as_ref())),
        _ => None,
    })
}

/// Where to look for endpoints if EC2 does not look for single ones: the services that the hints
/// name, if they name one for each; else all.
fn services_to_search(hints: &[Hint], ids: &[EndpointId], managed: &[ServiceId]) -> Vec<ServiceId> {
    let named: Option<BTreeSet<&ServiceId>> = ids
        .iter()
        .flat_map(|id| services_named(hints, id))
        .map(|(_, service)| service)
        .collect();
    match named {
        Some(named) => managed
            .iter()
            .filter(|id| named.contains(id))
            .cloned()
            .collect(),
        None => managed.to_vec(),
    }
}

/// Whether an endpoint that EC2 does not list may be about to be listed, among what is ours.
fn may_be_new(hints: &[Hint], id: &EndpointId, managed: &[ServiceId]) -> bool {
    services_named(hints, id).any(|(kind, service)| {
        !matches!(kind, HintKind::Deleted | HintKind::PolicyEdited)
            && service.is_none_or(|service| managed.contains(service))
    })
}

/// What to look at for an event that names no endpoint. A request is among what waits; the rest is
/// reconcile's, unless the event says that something else happened.
fn which_for(kind: HintKind) -> Which {
    match kind {
        HintKind::Requested | HintKind::Unspecified => Which::Waiting,
        HintKind::Accepted | HintKind::Rejected | HintKind::Deleted | HintKind::PolicyEdited => {
            Which::All
        }
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
