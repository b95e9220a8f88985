//! Observe, for events: from a hint to the state at EC2.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use gatekeeper_core::connection::Connection;
use gatekeeper_core::hint::{ByEndpoint, Hint, HintKind, Subject};
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use gatekeeper_core::observation::Observation;
use gatekeeper_core::policy::Entry;
use gatekeeper_core::request::Status;
use jiff::Timestamp;

use super::attachments::AttachmentWatch;
use super::audit::Auditor;
use super::log::Log;
use super::outcome::{Handled, Settled};
use super::pass::Passes;
use super::pipeline::Pipeline;
use crate::clock::{Clock, Deadline};
use crate::config::Limits;
use crate::ec2::{Connections, Listed, Services, Which};
use crate::error::{Error, Step};
use crate::tables::{Key, Requests};

/// What an invocation keeps back to answer for records whose work did not get done.
const TO_ANSWER: Duration = Duration::from_secs(2);

/// Settles the connections that events point at.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) auditor: Arc<Auditor>,
    pub(super) passes: Arc<Passes>,
    pub(super) attachments: Arc<AttachmentWatch>,
    pub(super) connections: Connections,
    pub(super) services: Services,
    pub(super) requests: Requests,
    pub(super) clock: Clock,
    pub(super) limits: Limits,
    pub(super) log: Log,
}

impl Events {
    /// Settles the connections that a batch of events points at. Answers for each hint, in order
    /// and in time; a hint that failed is to be delivered again.
    pub(super) async fn handle(
        &self,
        hints: &[Hint],
        purged: Vec<Entry>,
        deadline: Deadline,
    ) -> Vec<Handled> {
        if hints.is_empty() {
            return Vec::new();
        }
        let end = deadline.earlier(TO_ANSWER).0;
        match self
            .clock
            .until_done(
                end,
                self.handle_all(hints, &purged.into(), deadline).boxed(),
            )
            .await
        {
            Some(handled) => handled,
            None => {
                let before = "all that events point at was looked at";
                let error = Error::out_of_time(Step::Observe, before);
                self.fail_all(hints, error.into())
            }
        }
    }

    fn fail_all(&self, hints: &[Hint], error: Arc<Error>) -> Vec<Handled> {
        self.log.failure(&error, None);
        hints.iter().map(|_| Err(Arc::clone(&error))).collect()
    }

    async fn handle_all(
        &self,
        hints: &[Hint],
        purged: &Arc<[Entry]>,
        deadline: Deadline,
    ) -> Vec<Handled> {
        let managed = match self.services.managed_services().await {
            Ok(managed) => managed.iter().cloned().collect::<BTreeSet<ServiceId>>(),
            Err(error) => return self.fail_all(hints, error),
        };
        // Everything that is looked up for each endpoint or each hint is put together once, because
        // the senders of events choose how many there are.
        let by_endpoint = ByEndpoint::of(hints);
        let endpoints = self
            .handle_endpoints(&by_endpoint, purged, &managed, deadline)
            .await;
        let consumers = self
            .handle_consumers(hints, purged, &managed, deadline)
            .await;
        let services = self
            .handle_services(hints, purged, &managed, deadline)
            .await;
        let attachments = self.attachments.handle(hints, &managed).await;
        hints
            .iter()
            .enumerate()
            .map(|(index, hint)| {
                let of_subject = services
                    .get(&hint.subject)
                    .or_else(|| attachments.get(&hint.subject));
                if let Some(handled) = consumers.get(&index).or(of_subject) {
                    return handled.clone();
                }
                hint.subject
                    .endpoints()
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
        hints: &ByEndpoint<'_>,
        purged: &Arc<[Entry]>,
        managed: &BTreeSet<ServiceId>,
        deadline: Deadline,
    ) -> BTreeMap<EndpointId, Handled> {
        if hints.is_empty() {
            return BTreeMap::new();
        }
        let mut refused = BTreeMap::new();
        let seen = self.observations(hints, managed, &mut refused);
        let mut observations = match seen.await {
            Ok(observations) => observations,
            Err(error) => {
                self.log.failure(&error, None);
                let ids = hints.ids().into_iter();
                return ids.map(|id| (id, Err(Arc::clone(&error)))).collect();
            }
        };
        for observation in &mut observations {
            observation.purged = Arc::clone(purged);
        }
        let is_edited = |id| hints.get(id).is_some_and(|said| said.is_edited);
        let edited: Vec<Connection> = observations
            .iter()
            .filter(|observation| is_edited(&observation.endpoint_id))
            .filter_map(|observation| observation.connection.clone())
            .collect();
        let settled = self.pipeline.settle(observations, deadline).await;
        let audited = self
            .audit_edited(&settled, edited.clone(), purged, deadline)
            .await;
        let mut handled: BTreeMap<EndpointId, Handled> = settled
            .into_iter()
            .map(|(id, settled)| (id, settled.map(|_| ())))
            .collect();
        if let Err(error) = audited {
            for connection in edited {
                handled.insert(connection.endpoint_id, Err(Arc::clone(&error)));
            }
        }
        for (id, error) in refused {
            self.log.failure(&error, Some(&id));
            handled.insert(id, Err(error));
        }
        handled
    }

    /// Settles the connections of the consumers that the hints name. Answers by the hint's index.
    async fn handle_consumers(
        &self,
        hints: &[Hint],
        purged: &Arc<[Entry]>,
        managed: &BTreeSet<ServiceId>,
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
                .settle_consumers(service, &accounts, purged, managed, deadline)
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
                    self.log.failure(&error, None);
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

    /// Settles and audits all connections of some consumers, to one service or to all managed
    /// services. Answers the first failure of each consumer.
    async fn settle_consumers(
        &self,
        service: Option<&ServiceId>,
        accounts: &BTreeSet<&AccountId>,
        purged: &Arc<[Entry]>,
        managed: &BTreeSet<ServiceId>,
        deadline: Deadline,
    ) -> Result<BTreeMap<AccountId, Arc<Error>>, Arc<Error>> {
        let seen_at = self.clock.now();
        let owners: Vec<AccountId> = accounts.iter().map(|account| (*account).clone()).collect();
        let mut listed = self
            .connections
            .of_consumers(service, &owners, Which::All)
            .await?
            .connections;
        // Drop anything outside the filter.
        listed.retain(|connection| {
            managed.contains(&connection.service_id) && accounts.contains(&connection.owner)
        });
        let mut failures = BTreeMap::new();
        for slice in listed.chunks(self.limits.slice.max(1)) {
            let observations = slice
                .iter()
                .map(|connection| Observation {
                    purged: Arc::clone(purged),
                    ..Observation::of(connection.clone(), seen_at)
                })
                .collect();
            let settled = self.pipeline.settle(observations, deadline).await;
            let audited = self
                .audit_edited(&settled, slice.to_vec(), purged, deadline)
                .await;
            for connection in slice {
                let settled = settled.get(&connection.endpoint_id);
                let failure = settled.and_then(|settled| settled.as_ref().err());
                if let Some(error) = failure.or(audited.as_ref().err()) {
                    let first = failures
                        .entry(connection.owner.clone())
                        .or_insert_with(|| Arc::clone(error));
                    // A retryable failure says more about what is left to do.
                    if error.is_retryable() && !first.is_retryable() {
                        *first = Arc::clone(error);
                    }
                }
            }
        }
        Ok(failures)
    }

    /// Audits connections whose policy was edited. Connections that are allowed no longer start
    /// their grace period; reconcile, which sees whole services, revokes them.
    async fn audit_edited(
        &self,
        settled: &Settled,
        connections: Vec<Connection>,
        purged: &Arc<[Entry]>,
        deadline: Deadline,
    ) -> Result<(), Arc<Error>> {
        let mut services: BTreeMap<ServiceId, Vec<Connection>> = BTreeMap::new();
        for connection in connections {
            let service = services.entry(connection.service_id.clone()).or_default();
            service.push(connection);
        }
        for (service, connections) in services {
            let audited = async {
                let mut auditor = self.auditor.begin(&service, self.clock.now()).await?;
                auditor.purged = Arc::clone(purged);
                self.auditor
                    .audit(&mut auditor, settled, &connections)
                    .await?;
                Ok::<_, Arc<Error>>(auditor)
            };
            match audited.await {
                Ok(auditor) => {
                    self.auditor.finish(auditor, false, deadline).await;
                }
                Err(error) => {
                    self.log.failure(&error, None);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The endpoints' state at EC2 now. This leaves out endpoints of services that are not managed,
    /// endpoints that neither EC2 nor we know, and endpoints that EC2 refuses to look for.
    async fn observations(
        &self,
        hints: &ByEndpoint<'_>,
        managed: &BTreeSet<ServiceId>,
        refused: &mut BTreeMap<EndpointId, Arc<Error>>,
    ) -> Result<Vec<Observation>, Arc<Error>> {
        let seen_at = self.clock.now();
        let mut missing = hints.ids();
        let mut seen = self.look(hints, &mut missing, managed, refused).await?;
        let mut observations = self.unlisted(&mut missing, managed, seen_at).await?;

        // An endpoint that nobody knows is too new for EC2 to list, or never existed. Look again,
        // then leave it to reconcile.
        missing.retain(|id| hints.get(id).is_some_and(|said| said.may_be_new(managed)));
        for _ in 0..self.limits.look_again {
            if missing.is_empty() {
                break;
            }
            self.clock.sleep(self.limits.look_again_after).await;
            seen.extend(self.look(hints, &mut missing, managed, refused).await?);
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
            let said = hints.get(&endpoint_id);
            observations.push(Observation {
                callers: said.map_or(Vec::new(), |said| said.callers(&connection.service_id)),
                endpoint_id,
                connection: Some(connection),
                seen_at,
                purged: Arc::default(),
            });
        }
        Ok(observations)
    }

    /// Asks EC2 for the missing endpoints. Those that it lists, or refuses to look for, are then no
    /// longer missing.
    async fn look(
        &self,
        hints: &ByEndpoint<'_>,
        missing: &mut BTreeSet<EndpointId>,
        managed: &BTreeSet<ServiceId>,
        refused: &mut BTreeMap<EndpointId, Arc<Error>>,
    ) -> Result<Vec<Connection>, Arc<Error>> {
        let ids: Vec<EndpointId> = missing.iter().cloned().collect();
        let services = services_to_search(hints, &ids, managed);
        let mut listed = self.connections.connections(&ids, &services).await?;
        for id in listed.refused.keys() {
            missing.remove(id);
        }
        refused.append(&mut listed.refused);
        // An acknowledgement that matches a finding, or did, was announced with it. If it never
        // matched, this line is the only notice.
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

    /// Finds endpoints that EC2 does not list and that have a request. They are gone, unless EC2
    /// lists them among their consumer's connections. They are then no longer missing.
    async fn unlisted(
        &self,
        missing: &mut BTreeSet<EndpointId>,
        managed: &BTreeSet<ServiceId>,
        seen_at: Timestamp,
    ) -> Result<Vec<Observation>, Arc<Error>> {
        let mut observations = Vec::new();
        if missing.is_empty() {
            return Ok(observations);
        }
        let what = "the requests of endpoints that EC2 does not list could not be read";
        let items = self.requests.several(missing.iter().cloned(), what).await?;
        let mut consumers: BTreeMap<(ServiceId, AccountId), OfConsumer> = BTreeMap::new();
        let known: Vec<EndpointId> = missing
            .iter()
            .filter(|id| items.get(&Key::Request((*id).clone())).is_some())
            .cloned()
            .collect();
        for endpoint_id in known {
            missing.remove(&endpoint_id);
            let mut connection = None;
            // A request that cannot be read fails alone, when it is decided.
            if let Ok(Some(request)) = items.request(&endpoint_id) {
                if !managed.contains(&request.service_id) || request.status == Status::Gone {
                    continue;
                }
                let consumer = (request.service_id, request.account_id);
                if !consumers.contains_key(&consumer) {
                    let listed = self
                        .connections
                        .of_consumer(&consumer.0, &consumer.1)
                        .await?;
                    consumers.insert(consumer.clone(), OfConsumer::of(listed));
                }
                if let Some(listed) = consumers.get(&consumer) {
                    if listed.leaves_alone(&endpoint_id) {
                        continue;
                    }
                    connection = listed.connections.get(&endpoint_id).cloned();
                }
            }
            observations.push(Observation {
                endpoint_id,
                connection,
                seen_at,
                callers: Vec::new(),
                purged: Arc::default(),
            });
        }
        Ok(observations)
    }

    /// Settles whole services, for hints that name no endpoint. Answers by what the hints point at.
    async fn handle_services<'a>(
        &self,
        hints: &'a [Hint],
        purged: &Arc<[Entry]>,
        managed: &BTreeSet<ServiceId>,
        deadline: Deadline,
    ) -> BTreeMap<&'a Subject, Handled> {
        // Many hints may point at the same service.
        let mut subjects: BTreeMap<&Subject, Wanted> = BTreeMap::new();
        for hint in hints {
            if matches!(
                hint.subject,
                Subject::Service(_) | Subject::Topic(_) | Subject::Everything
            ) {
                let wanted = subjects.entry(&hint.subject).or_default();
                wanted.all |= which_for(hint.kind) == Which::All;
                wanted.audits |= hint.kind == HintKind::PolicyEdited;
            }
        }
        let mut services: BTreeMap<ServiceId, Wanted> = BTreeMap::new();
        let mut stands_for = BTreeMap::new();
        for (subject, wanted) in subjects {
            let stood_for = self.services_of(subject, managed).await;
            for id in stood_for.iter().flatten() {
                let service = services.entry(id.clone()).or_default();
                service.all |= wanted.all;
                service.audits |= wanted.audits;
            }
            stands_for.insert(subject, stood_for);
        }
        let mut handled: BTreeMap<ServiceId, Handled> = BTreeMap::new();
        for (service, Wanted { all, audits }) in services {
            let which = if all { Which::All } else { Which::Waiting };
            let report = self
                .passes
                .settle_service(&service, which, audits, purged, deadline)
                .await;
            let outcome = match report {
                // Each failure is already logged. Any of them makes the event worth delivering
                // again.
                Ok(report) => {
                    self.attachments.announce(&report).await;
                    report.first_failure.map_or(Ok(()), Err)
                }
                Err(error) => {
                    self.log.failure(&error, None);
                    Err(error)
                }
            };
            handled.insert(service, outcome);
        }
        stands_for
            .into_iter()
            .map(|(subject, services)| {
                let handled = services.and_then(|services| {
                    services
                        .iter()
                        .filter_map(|id| handled.get(id))
                        .find(|handled| handled.is_err())
                        .map_or(Ok(()), Clone::clone)
                });
                (subject, handled)
            })
            .collect()
    }

    /// The managed services that a hint points at as a whole.
    async fn services_of(
        &self,
        subject: &Subject,
        managed: &BTreeSet<ServiceId>,
    ) -> Result<Vec<ServiceId>, Arc<Error>> {
        match subject {
            Subject::Service(id) => Ok(managed.get(id).cloned().into_iter().collect()),
            Subject::Everything => Ok(managed.iter().cloned().collect()),
            Subject::Topic(arn) => self.services_of_topic(arn, managed).await,
            Subject::Endpoints { .. } | Subject::Consumer { .. } | Subject::Attachments(_) => {
                Ok(Vec::new())
            }
        }
    }

    /// The managed services that notify a topic; all managed services if EC2 knows none.
    async fn services_of_topic(
        &self,
        arn: &str,
        managed: &BTreeSet<ServiceId>,
    ) -> Result<Vec<ServiceId>, Arc<Error>> {
        let notifying: BTreeSet<ServiceId> = match self.services.services_notifying(arn).await {
            Ok(services) => services.into_iter().collect(),
            Err(error) => {
                self.log.failure(&error, None);
                return Err(error);
            }
        };
        let ours: Vec<ServiceId> = managed.intersection(&notifying).cloned().collect();
        Ok(if ours.is_empty() {
            managed.iter().cloned().collect()
        } else {
            ours
        })
    }
}

/// How much of a service to look at.
#[derive(Debug, Default)]
struct Wanted {
    /// All connections, and not only the pending ones.
    all: bool,
    /// Whether connections are to be compared with the policy.
    audits: bool,
}

/// One consumer's connections to one service, by endpoint.
struct OfConsumer {
    connections: BTreeMap<EndpointId, Connection>,
    listed: Listed,
}

impl OfConsumer {
    fn of(listed: Listed) -> Self {
        let by_id = |connection: &Connection| (connection.endpoint_id.clone(), connection.clone());
        Self {
            connections: listed.connections.iter().map(by_id).collect(),
            listed,
        }
    }

    /// Whether the endpoint exists, or may exist, but in a form that cannot be read.
    fn leaves_alone(&self, id: &EndpointId) -> bool {
        !self.connections.contains_key(id) && self.listed.leaves_alone(id)
    }
}

/// Where to look for endpoints if EC2 does not look for single ones: in the services that the hints
/// name, if they name one for each endpoint; otherwise in all.
fn services_to_search(
    hints: &ByEndpoint<'_>,
    ids: &[EndpointId],
    managed: &BTreeSet<ServiceId>,
) -> Vec<ServiceId> {
    let mut named: BTreeSet<&ServiceId> = BTreeSet::new();
    for id in ids {
        match hints.get(id).and_then(|said| said.services()) {
            Some(services) => named.extend(services),
            None => return managed.iter().cloned().collect(),
        }
    }
    named
        .into_iter()
        .filter(|id| managed.contains(*id))
        .cloned()
        .collect()
}

/// Which connections to look at for an event that names no endpoint. A new request is among the
/// pending ones. The others are left to reconcile, unless the event says that something else
/// happened.
fn which_for(kind: HintKind) -> Which {
    match kind {
        HintKind::Requested | HintKind::Unspecified => Which::Waiting,
        HintKind::Accepted | HintKind::Rejected | HintKind::Deleted | HintKind::PolicyEdited => {
            Which::All
        }
    }
}
