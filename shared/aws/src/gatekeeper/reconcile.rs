//! Reconcile: all connections of all managed services against all requests.
//!
//! What events lost is found here within one period (safety rule S8): pending connections nobody
//! told us of, requests stuck between decision and outcome, and endpoints that vanished.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatekeeper_core::connection::{Connection, Phase};
use gatekeeper_core::ids::{EndpointId, ServiceId};
use gatekeeper_core::request::Status;
use jiff::Timestamp;

use super::settle::{Outcome, Settled};
use super::{Gatekeeper, Sighting};
use crate::clock::Deadline;
use crate::ec2::Which;
use crate::error::{Error, Retryable};
use crate::telemetry::Unit;

/// What a reconcile run found and did.
#[derive(Debug, Default)]
pub struct Reconciled {
    /// Each managed service that could be looked through.
    pub services: Vec<ServiceReport>,
    /// The services that could not, and why.
    pub failed: Vec<(Option<ServiceId>, Arc<Error>)>,
}

/// What was found and done for one service.
#[derive(Debug)]
pub struct ServiceReport {
    /// Which service.
    pub service_id: ServiceId,
    /// How many connections EC2 lists.
    pub connections: usize,
    /// How many requests changed.
    pub changed: usize,
    /// How many connections could not be settled; each is reported in the log.
    pub failures: usize,
    /// The first of these failures.
    pub first_failure: Option<Arc<Error>>,
    /// Since when the oldest connection waits that is still undecided.
    pub oldest_pending: Option<Timestamp>,
}

impl Gatekeeper {
    /// Compares everything and settles the difference. A service that fails does not hold up the
    /// others.
    pub async fn reconcile(&self, deadline: Deadline) -> Reconciled {
        let mut done = Reconciled::default();
        match self.ec2.managed_services().await {
            Ok(services) => {
                for service in services.iter() {
                    match self.settle_service(service, Which::All, deadline).await {
                        Ok(report) => done.services.push(report),
                        Err(error) => {
                            self.report(&error, None);
                            done.failed.push((Some(service.clone()), error));
                        }
                    }
                }
            }
            Err(error) => {
                self.report(&error, None);
                done.failed.push((None, error));
            }
        }
        // Last, so that SNS being away keeps nobody from being decided.
        self.sweep_outbox(deadline).await;
        self.measure(&done);
        done
    }

    /// Settles the connections of one service, page by page; if it is to be all of them, also every
    /// request whose endpoint EC2 no longer lists.
    pub(super) async fn settle_service(
        &self,
        service: &ServiceId,
        which: Which,
        deadline: Deadline,
    ) -> Result<ServiceReport, Arc<Error>> {
        let mut report = ServiceReport {
            service_id: service.clone(),
            connections: 0,
            changed: 0,
            failures: 0,
            first_failure: None,
            oldest_pending: None,
        };
        let begun = self.clock.now();
        // Read before EC2 is asked: an endpoint that is listed here and not there has vanished,
        // where one the other way round is only new.
        let mut unlisted: BTreeSet<EndpointId> = match which {
            Which::All => self
                .tables
                .open_requests(service)
                .await?
                .into_iter()
                .collect(),
            Which::Waiting => BTreeSet::new(),
        };
        let mut token = None;
        loop {
            self.must_have_time(deadline)?;
            let seen_at = self.clock.now();
            let page = self.ec2.page(service, which, token).await?;
            report.connections += page.connections.len();
            for id in &page.unreadable {
                unlisted.remove(id);
            }
            let mut sightings = Vec::with_capacity(page.connections.len());
            let mut waiting = BTreeMap::new();
            for connection in page.connections {
                unlisted.remove(&connection.endpoint_id);
                if connection.state.phase() == Phase::Waiting {
                    let since = connection.created_at.unwrap_or(seen_at);
                    waiting.insert(connection.endpoint_id.clone(), since);
                }
                sightings.push(Sighting {
                    endpoint_id: connection.endpoint_id.clone(),
                    connection: Some(connection),
                    seen_at,
                    actor: None,
                });
            }
            if !sightings.is_empty() {
                let settled = self.settle(sightings, deadline).await;
                report.count(&settled);
                report.note_pending(&settled, &waiting);
            }
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        self.must_have_time(deadline)?;
        if !unlisted.is_empty() {
            let vanished = self.vanished(service, unlisted, begun).await?;
            report.count(&self.settle(vanished, deadline).await);
        }
        Ok(report)
    }

    /// Endpoints with an open request that no page listed. EC2 is asked for them once more: what is
    /// taken for gone gives its slot away.
    async fn vanished(
        &self,
        service: &ServiceId,
        unlisted: BTreeSet<EndpointId>,
        seen_at: Timestamp,
    ) -> Result<Vec<Sighting>, Arc<Error>> {
        let ids: Vec<EndpointId> = unlisted.into_iter().collect();
        let service = std::slice::from_ref(service);
        let again = self.ec2.connections(&ids, service).await?;
        let mut connections: BTreeMap<EndpointId, Connection> = again
            .connections
            .into_iter()
            .map(|connection| (connection.endpoint_id.clone(), connection))
            .collect();
        Ok(ids
            .into_iter()
            .filter(|id| !again.unreadable.contains(id))
            .map(|endpoint_id| Sighting {
                connection: connections.remove(&endpoint_id),
                endpoint_id,
                seen_at,
                actor: None,
            })
            .collect())
    }

    fn must_have_time(&self, deadline: Deadline) -> Result<(), Arc<Error>> {
        if deadline.leaves(&self.clock, self.limits.margin) {
            Ok(())
        } else {
            Err(Retryable::OutOfTime.into())
        }
    }

    fn measure(&self, done: &Reconciled) {
        let changed: usize = done.services.iter().map(|report| report.changed).sum();
        let now = self.clock.now();
        let oldest = done
            .services
            .iter()
            .filter_map(|report| report.oldest_pending)
            .min()
            .map_or(0.0, |since| now.duration_since(since).as_secs_f64());
        let changed = u32::try_from(changed).unwrap_or(u32::MAX);
        self.metrics
            .put("ReconcileDifferences", Unit::Count, f64::from(changed), &[]);
        self.metrics
            .put("OldestPendingSeconds", Unit::Seconds, oldest, &[]);
        tracing::info!(
            services = done.services.len(),
            failed_services = done.failed.len(),
            changed,
            oldest_pending_seconds = oldest,
            "reconciled"
        );
    }
}

impl ServiceReport {
    fn count(&mut self, settled: &Settled) {
        for outcome in settled.values() {
            match outcome {
                Ok(Outcome::Changed { .. }) => self.changed += 1,
                Ok(_) => {}
                Err(error) => {
                    self.failures += 1;
                    self.first_failure.get_or_insert_with(|| Arc::clone(error));
                }
            }
        }
    }

    /// Since when those wait that wait still.
    fn note_pending(&mut self, settled: &Settled, waiting: &BTreeMap<EndpointId, Timestamp>) {
        let waits = |outcome: &Result<Outcome, Arc<Error>>| match outcome {
            Ok(Outcome::Changed { request, .. } | Outcome::Unchanged(Some(request))) => {
                request.status == Status::InReview
            }
            Ok(Outcome::Left(_)) | Err(_) => true,
            Ok(Outcome::Unchanged(None) | Outcome::Lost(_)) => false,
        };
        let since = waiting
            .iter()
            .filter(|(id, _)| settled.get(id).is_some_and(waits))
            .map(|(_, since)| *since)
            .min();
        self.oldest_pending = [self.oldest_pending, since].into_iter().flatten().min();
    }
}
