//! Reconcile: all connections of all managed services against all requests.
//!
//! What events lost is found here within one period (safety rule S8): pending connections nobody
//! told us of, requests stuck between decision and outcome, and endpoints that vanished.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatekeeper_core::connection::Phase;
use gatekeeper_core::ids::{EndpointId, ServiceId};
use jiff::Timestamp;

use super::settle::{Outcome, Settled};
use super::{Gatekeeper, Sighting};
use crate::clock::Deadline;
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
    /// Since when the oldest connection waits that is still undecided.
    pub oldest_pending: Option<Timestamp>,
}

impl Gatekeeper {
    /// Compares everything and settles the difference. A service that fails does not hold up the
    /// others.
    pub async fn reconcile(&self, deadline: Deadline) -> Reconciled {
        let mut done = Reconciled::default();
        self.sweep_outbox().await;
        let services = match self.ec2.managed_services().await {
            Ok(services) => services,
            Err(error) => {
                self.report(&error, None);
                done.failed.push((None, error));
                return done;
            }
        };
        for service in services.iter() {
            match self.settle_service(service, deadline).await {
                Ok(report) => done.services.push(report),
                Err(error) => {
                    self.report(&error, None);
                    done.failed.push((Some(service.clone()), error));
                }
            }
        }
        self.measure(&done);
        done
    }

    /// Settles every connection of one service, page by page, and every request whose endpoint EC2
    /// no longer lists.
    pub(super) async fn settle_service(
        &self,
        service: &ServiceId,
        deadline: Deadline,
    ) -> Result<ServiceReport, Arc<Error>> {
        let mut report = ServiceReport {
            service_id: service.clone(),
            connections: 0,
            changed: 0,
            failures: 0,
            oldest_pending: None,
        };
        // Read before EC2 is asked: an endpoint that is listed here and not there has vanished,
        // where one the other way round is only new.
        let mut unlisted: BTreeSet<EndpointId> =
            self.tables.open_requests(service).await?.into_iter().collect();
        let mut token = None;
        loop {
            self.must_have_time(deadline)?;
            let page = self.ec2.page(service, token).await?;
            report.connections += page.connections.len();
            let mut sightings = Vec::with_capacity(page.connections.len());
            for connection in page.connections {
                unlisted.remove(&connection.endpoint_id);
                if connection.state.phase() == Phase::Waiting {
                    let since = connection.created_at.unwrap_or_else(|| self.clock.now());
                    report.oldest_pending =
                        Some(report.oldest_pending.map_or(since, |oldest| oldest.min(since)));
                }
                sightings.push(Sighting {
                    endpoint_id: connection.endpoint_id.clone(),
                    connection: Some(connection),
                    actor: None,
                });
            }
            if !sightings.is_empty() {
                count(&mut report, &self.settle(sightings, deadline).await);
            }
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        self.must_have_time(deadline)?;
        if !unlisted.is_empty() {
            let vanished = unlisted.into_iter().map(|endpoint_id| Sighting {
                endpoint_id,
                connection: None,
                actor: None,
            });
            count(&mut report, &self.settle(vanished.collect(), deadline).await);
        }
        Ok(report)
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

fn count(report: &mut ServiceReport, settled: &Settled) {
    for outcome in settled.values() {
        match outcome {
            Ok(Outcome::Changed { .. }) => report.changed += 1,
            Ok(_) => {}
            Err(_) => report.failures += 1,
        }
    }
}
