//! Watch: look for what lets connections in past Gatekeeper, and tell people when it begins and when it
//! ends; and notice when a service that was looked after is not any
//! more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use futures_util::{FutureExt as _, StreamExt as _, stream};
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::watch::{Finding, ServiceFacts, Unlisted, look};

use super::{Gatekeeper, ServiceReport};
use crate::clock::Deadline;
use crate::error::Error;
use crate::tables::{LookedAfter, Watched};
use crate::telemetry::Unit;

/// What was seen of each service: each finding that could be looked for, and whether it is there.
pub(super) type Seen = BTreeMap<ServiceId, BTreeMap<Finding, bool>>;

impl Gatekeeper {
    /// Looks at how the services are configured, as long as there is time. What cannot be looked at
    /// is reported, and left out.
    pub(super) async fn look_at_services(
        &self,
        services: &[ServiceId],
        deadline: Deadline,
    ) -> Seen {
        let end = deadline.earlier(self.limits.margin).0;
        let looking = self.findings(services).boxed();
        self.clock
            .until_done(end, looking)
            .await
            .unwrap_or_else(|| {
                tracing::warn!("there was no time to look at how the services are configured");
                Seen::new()
            })
    }

    async fn findings(&self, services: &[ServiceId]) -> Seen {
        let asked: Vec<_> = services
            .iter()
            .map(|service| self.ec2.anyone_may_ask(service).boxed())
            .collect();
        let (configured, notifications, rule, anyone) = tokio::join!(
            self.ec2.configured(services),
            self.ec2.notifications(),
            self.rules.cloud_trail_rule(),
            stream::iter(asked)
                .buffered(self.limits.concurrency)
                .collect::<Vec<_>>(),
        );
        let rule = rule.unwrap_or_else(|error| {
            self.report(&error, None);
            None
        });
        let notifications = notifications
            .map_err(|error| self.report(&error, None))
            .ok();
        let configured = configured.unwrap_or_else(|error| {
            self.report(&error, None);
            BTreeMap::new()
        });
        let mut seen = Seen::new();
        for (service, anyone) in services.iter().zip(anyone) {
            let configured = configured.get(service);
            let anyone_may_ask = anyone.map_err(|error| self.report(&error, None)).ok();
            let facts = ServiceFacts {
                acceptance_required: configured.map(|configured| configured.acceptance_required),
                anyone_may_ask,
                notifications: configured
                    .filter(|configured| configured.notifies)
                    .and(notifications.as_ref())
                    .map(|all| all.get(service).cloned().unwrap_or_default()),
                cloud_trail_rule: rule,
                ..ServiceFacts::default()
            };
            let found = look(&facts, self.notification_topic.as_deref());
            seen.insert(service.clone(), found);
        }
        seen
    }

    /// Writes down what was seen, and what the passes found that is not decided here; tells people what is
    /// new, and measures what stands: what could not be looked at is on the metrics as it was before. A
    /// service that was looked after and is not among `managed` is looked for; these are none if they could
    /// not be listed.
    pub(super) async fn note_findings(
        &self,
        managed: Option<&[ServiceId]>,
        seen: &Seen,
        reports: &mut [ServiceReport],
        deadline: Deadline,
    ) {
        for (service, seen) in seen {
            for (finding, _) in seen.iter().filter(|(_, is_there)| **is_there) {
                warn(service, *finding);
            }
        }
        let mut known = match self.tables.looked_after().await {
            Ok(known) => known,
            Err(error) => return self.report(&error, None),
        };
        let noted = |noted: Result<(), Arc<Error>>| {
            if let Err(error) = noted {
                self.report(&error, None);
            }
        };
        let unlisted = match managed {
            Some(managed) => self.look_for(&known.unlisted(managed), deadline).await,
            None => BTreeMap::new(),
        };
        for (service, unlisted) in &unlisted {
            let watched = known.watched.entry(service.clone());
            let done = match watched.or_insert_with(|| Ok(Watched::new())) {
                Ok(watched) => self.tables.note_unlisted(service, watched, *unlisted).await,
                Err(error) => Err(Arc::clone(error)),
            };
            noted(done);
        }
        for service in managed.unwrap_or_default() {
            let mut seen = seen.get(service).cloned().unwrap_or_default();
            seen.insert(Finding::NoLongerManaged, false);
            // One of which no run has seen the end is looked after all the same.
            let is_new = !known.looked_through.contains(service);
            let watched = known.watched.entry(service.clone());
            let done = match watched.or_insert_with(|| Ok(Watched::new())) {
                Ok(watched) => {
                    let tables = &self.tables;
                    tables.note_findings(service, watched, &seen, is_new).await
                }
                Err(error) => Err(Arc::clone(error)),
            };
            noted(done);
        }
        for report in reports {
            let service = &report.service_id;
            let watched = known
                .watched
                .entry(service.clone())
                .or_insert_with(|| Ok(Watched::new()));
            // Why it cannot be read is said above.
            let Ok(watched) = watched else { continue };
            self.note_left_alone(report, watched).await;
        }
        self.forget_deleted(&known).await;
        let standing: Vec<BTreeSet<Finding>> = known
            .watched
            .iter()
            .map(|(service, watched)| {
                // What was seen stands, though what was known before could not be read.
                let stands = watched
                    .iter()
                    .flat_map(|watched| watched.findings.standing.keys());
                let seen = seen.get(service).into_iter().flatten();
                let seen = seen.filter_map(|(finding, is_there)| is_there.then_some(finding));
                let unmanaged = unlisted.get(service) == Some(&Unlisted::Unmanaged);
                let unmanaged = unmanaged.then_some(Finding::NoLongerManaged);
                stands.chain(seen).copied().chain(unmanaged).collect()
            })
            .collect();
        self.measure_findings(&standing);
    }

    fn measure_findings(&self, standing: &[BTreeSet<Finding>]) {
        let services = |wanted: fn(Finding) -> bool| {
            let services = standing.iter();
            services
                .filter(|findings| findings.iter().any(|finding| wanted(*finding)))
                .count()
        };
        let unmanaged = services(|finding| finding == Finding::NoLongerManaged);
        for (name, value) in [
            ("BypassedServices", services(Finding::is_bypass)),
            ("RevocationsHeld", services(Finding::holds_revocations)),
            ("UnmanagedServices", unmanaged),
        ] {
            let value = f64::from(u32::try_from(value).unwrap_or(u32::MAX));
            self.metrics.put(name, Unit::Count, value, &[]);
        }
    }

    /// Asks EC2 for services that were looked after and are not listed among the managed ones, by their
    /// ids. One of which it says nothing certain is left out: an answer that fails, or leaves a service
    /// out, is neither an untagging nor a deletion.
    async fn look_for(
        &self,
        services: &[ServiceId],
        deadline: Deadline,
    ) -> BTreeMap<ServiceId, Unlisted> {
        if services.is_empty() {
            return BTreeMap::new();
        }
        let end = deadline.earlier(self.limits.margin).0;
        let looking = self.look_for_all(services).boxed();
        let found = self.clock.until_done(end, looking).await;
        let found = found.unwrap_or_else(|| {
            tracing::warn!("there was no time to look for services that are not managed any more");
            BTreeMap::new()
        });
        for (service, unlisted) in &found {
            if *unlisted == Unlisted::Unmanaged {
                warn(service, Finding::NoLongerManaged);
            }
        }
        found
    }

    async fn look_for_all(&self, services: &[ServiceId]) -> BTreeMap<ServiceId, Unlisted> {
        let listed = match self.ec2.are_managed(services).await {
            Ok(listed) => listed,
            Err(error) => {
                self.report(&error, None);
                return BTreeMap::new();
            }
        };
        let mut found = BTreeMap::new();
        for service in services {
            let unlisted = match listed.get(service) {
                Some(true) => Some(Unlisted::Managed),
                Some(false) => Some(Unlisted::Unmanaged),
                None => match self.ec2.is_deleted(service).await {
                    Ok(is_deleted) => is_deleted.then_some(Unlisted::Deleted),
                    Err(error) => {
                        self.report(&error, None);
                        None
                    }
                },
            };
            found.extend(unlisted.map(|unlisted| (service.clone(), unlisted)));
        }
        found
    }

    /// Of a service that was deleted, nothing needs to be remembered but what is over.
    async fn forget_deleted(&self, known: &LookedAfter) {
        let is_deleted = |id: &&ServiceId| {
            let watched = known
                .watched
                .get(*id)
                .and_then(|watched| watched.as_ref().ok());
            watched.is_some_and(|watched| watched.deleted_at.is_some())
        };
        let deleted = known.looked_through.iter().filter(is_deleted);
        let deleted: Vec<ServiceId> = deleted.cloned().collect();
        if deleted.is_empty() {
            return;
        }
        match self.tables.forget_managed(&deleted).await {
            Ok(()) => {
                let mut known = self
                    .looked_through
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                known.retain(|id| !deleted.contains(id));
            }
            Err(error) => self.report(&error, None),
        }
    }
}

fn warn(service: &ServiceId, finding: Finding) {
    tracing::warn!(
        service_id = %service,
        finding = finding.as_str(),
        "{}", finding.meaning()
    );
}
