//! Watch: find configurations that let connections in past Gatekeeper, and announce when each
//! begins and ends. Also notice when a service is no longer managed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{FutureExt as _, StreamExt as _, stream};
use gatekeeper_core::acknowledgement::{Acknowledged, EndReason};
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::watch::{self, Finding, ServiceFacts, Unlisted, look};

use super::attachments::AttachmentWatch;
use super::log::Log;
use super::report::ServiceReport;
use crate::clock::{Clock, Deadline};
use crate::config::Limits;
use crate::ec2::Services;
use crate::error::Error;
use crate::rules::Rules;
use crate::tables::{Allowlist, LookedAfter, ReconcileMemory, Watched, WatchedServices};
use crate::telemetry::{Metric, Metrics};

/// For each service, each finding that could be looked for, and its evidence.
pub(super) type Seen = BTreeMap<ServiceId, watch::Seen>;

/// Looks at how services are configured.
#[derive(Debug)]
pub(super) struct ServiceWatch {
    pub(super) attachments: Arc<AttachmentWatch>,
    pub(super) services: Services,
    pub(super) watched: WatchedServices,
    pub(super) memory: ReconcileMemory,
    pub(super) allowlist: Allowlist,
    pub(super) rules: Rules,
    /// The topic that services' connection notifications should go to.
    pub(super) notification_topic: Option<String>,
    /// The services that are remembered as looked through.
    pub(super) looked_through: Arc<Mutex<BTreeSet<ServiceId>>>,
    pub(super) clock: Clock,
    pub(super) limits: Limits,
    pub(super) metrics: Metrics,
    pub(super) log: Log,
}

impl ServiceWatch {
    /// Looks at how the services are configured, as long as there is time. If a service cannot be
    /// looked at, that is logged, and the service is left out.
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
            .map(|service| self.services.principals(service).boxed())
            .collect();
        let (configured, notifications, rule, principals) = tokio::join!(
            self.services.configured(services),
            self.services.notifications(),
            self.rules.cloud_trail_rule(),
            stream::iter(asked)
                .buffered(self.limits.concurrency)
                .collect::<Vec<_>>(),
        );
        let rule = rule.unwrap_or_else(|error| {
            self.log.failure(&error, None);
            None
        });
        let notifications = notifications
            .map_err(|error| self.log.failure(&error, None))
            .ok();
        let configured = configured.unwrap_or_else(|error| {
            self.log.failure(&error, None);
            BTreeMap::new()
        });
        let mut seen = Seen::new();
        for (service, principals) in services.iter().zip(principals) {
            let configured = configured.get(service);
            let principals = principals
                .map_err(|error| self.log.failure(&error, None))
                .ok();
            let facts = ServiceFacts {
                acceptance_required: configured.map(|configured| configured.acceptance_required),
                principals,
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

    /// Records the findings, and what the passes found that Gatekeeper does not decide; announces
    /// what is new; and measures the current findings. If a service could not be looked at, its
    /// metrics stay as they were. A service that was managed before and is not among `managed` is
    /// looked up; there are none if the managed services could not be listed.
    pub(super) async fn note_findings(
        &self,
        managed: Option<&[ServiceId]>,
        seen: &Seen,
        reports: &mut [ServiceReport],
        deadline: Deadline,
    ) {
        for (service, seen) in seen {
            for (finding, _) in seen.iter().filter(|(_, evidence)| evidence.is_some()) {
                warn(service, *finding);
            }
        }
        let mut known = match self.watched.looked_after().await {
            Ok(known) => known,
            Err(error) => return self.log.failure(&error, None),
        };
        let noted = |noted: Result<(), Arc<Error>>| {
            if let Err(error) = noted {
                self.log.failure(&error, None);
            }
        };
        let unlisted = match managed {
            Some(managed) => self.look_for(&known.unlisted(managed), deadline).await,
            None => BTreeMap::new(),
        };
        for (service, unlisted) in &unlisted {
            let watched = known.watched.entry(service.clone());
            let done = match watched.or_insert_with(|| Ok(Watched::new())) {
                Ok(watched) => {
                    self.watched
                        .note_unlisted(service, watched, *unlisted)
                        .await
                }
                Err(error) => Err(Arc::clone(error)),
            };
            noted(done);
        }
        for service in managed.unwrap_or_default() {
            let mut seen = seen.get(service).cloned().unwrap_or_default();
            seen.insert(Finding::NoLongerManaged, None);
            // A service counts as managed even if no run has seen its end.
            let is_new = !known.looked_through.contains(service);
            let watched = known.watched.entry(service.clone());
            let done = match watched.or_insert_with(|| Ok(Watched::new())) {
                Ok(watched) => {
                    let known_services = &self.watched;
                    known_services
                        .note_findings(service, watched, &seen, is_new)
                        .await
                }
                Err(error) => Err(Arc::clone(error)),
            };
            noted(done);
        }
        for report in &mut *reports {
            let service = &report.service_id;
            let watched = known
                .watched
                .entry(service.clone())
                .or_insert_with(|| Ok(Watched::new()));
            // The error is logged above.
            let Ok(watched) = watched else { continue };
            self.attachments.note_left_alone(report, watched).await;
        }
        let managed = managed.unwrap_or_default();
        self.note_acknowledgements(managed, seen, reports, &mut known)
            .await;
        self.forget_deleted(&known).await;
        let alarming: Vec<BTreeSet<Finding>> = known
            .watched
            .iter()
            .map(|(service, watched)| {
                let findings = watched.as_ref().ok().map(|watched| &watched.findings);
                // The findings stay valid even if the earlier ones could not be read.
                let stands = findings
                    .iter()
                    .flat_map(|findings| findings.standing.keys());
                let seen = seen.get(service).into_iter().flatten();
                let seen = seen.filter(|(_, evidence)| evidence.is_some());
                let unmanaged = unlisted.get(service) == Some(&Unlisted::Unmanaged);
                let unmanaged = unmanaged.then_some(Finding::NoLongerManaged);
                let all = stands.chain(seen.map(|(finding, _)| finding)).copied();
                let is_acknowledged = |finding: &Finding| {
                    findings.is_some_and(|findings| findings.is_acknowledged(*finding))
                };
                let all = all.chain(unmanaged);
                all.filter(|finding| !is_acknowledged(finding)).collect()
            })
            .collect();
        let known = known.watched.values().flatten();
        let acknowledged = known.flat_map(|watched| watched.findings.acknowledged.values());
        let acknowledged = acknowledged.filter(|one| one.holds()).count();
        self.measure_findings(&alarming, acknowledged);
    }

    /// Compares the acknowledgements with the findings of each service, after those were recorded,
    /// and logs what is wrong with the acknowledgements.
    async fn note_acknowledgements(
        &self,
        managed: &[ServiceId],
        seen: &Seen,
        reports: &mut [ServiceReport],
        known: &mut LookedAfter,
    ) {
        let read = self.allowlist.acknowledgements().await;
        let read = read.map_err(|error| self.log.failure(&error, None)).ok();
        let read = read.as_ref();
        for error in read.iter().flat_map(|read| &read.malformed) {
            self.log.failure(error, None);
        }
        for service in read.iter().flat_map(|read| read.by_service.keys()) {
            if !known.watched.contains_key(service) {
                // Regions that share an allowlist read each other's.
                tracing::info!(
                    service_id = %service,
                    "an acknowledgement is for a service that is not managed; it has no effect"
                );
            }
        }
        let none = BTreeMap::new();
        for (service, watched) in &mut known.watched {
            // The error is logged where the findings are recorded.
            let Ok(watched) = watched else { continue };
            let report = reports.iter_mut().find(|one| one.service_id == *service);
            let mut looked_for = seen.get(service).cloned().unwrap_or_default();
            if managed.contains(service) {
                looked_for.insert(Finding::NoLongerManaged, None);
            }
            if report.as_ref().is_some_and(|report| report.is_whole) {
                looked_for.insert(Finding::TransitGatewayAttachments, None);
            }
            let items = read.map(|read| read.by_service.get(service).unwrap_or(&none));
            let known_services = &self.watched;
            let noted = known_services.note_acknowledgements(service, watched, items, &looked_for);
            if let Err(error) = noted.await {
                self.log.failure(&error, None);
            }
            for one in watched.findings.acknowledged.values() {
                log_acknowledgement(one);
            }
            if let Some(report) = report {
                let finding = Finding::TransitGatewayAttachments;
                report.attachments_acknowledged = watched.findings.is_acknowledged(finding);
            }
        }
    }

    /// `alarming` has, for each service, the findings that nobody acknowledged. There is one metric
    /// for each kind, so that a finding that stays does not hide others.
    fn measure_findings(&self, alarming: &[BTreeSet<Finding>], acknowledged: usize) {
        let services = |wanted: &dyn Fn(Finding) -> bool| {
            let services = alarming.iter();
            services
                .filter(|findings| findings.iter().any(|finding| wanted(*finding)))
                .count()
        };
        let [bypassed, open, no_rule, held, withheld, unmanaged] = [
            Finding::AcceptanceNotRequired,
            Finding::AnyoneMayAsk,
            Finding::CloudTrailRuleMissing,
            Finding::TooManyRevocations,
            Finding::AllowlistEmpty,
            Finding::NoLongerManaged,
        ]
        .map(|one| services(&|finding| finding == one));
        let unnotified = services(&Finding::is_about_notification);
        for (metric, value) in [
            (Metric::BypassedServices, bypassed),
            (Metric::OpenServices, open),
            (Metric::UnnotifiedServices, unnotified),
            // There is one for all services.
            (Metric::CloudTrailRuleMissing, no_rule.min(1)),
            (Metric::RevocationsHeld, held),
            (Metric::RevocationsWithheld, withheld),
            (Metric::UnmanagedServices, unmanaged),
            (Metric::AcknowledgedFindings, acknowledged),
        ] {
            let value = f64::from(u32::try_from(value).unwrap_or(u32::MAX));
            self.metrics.put(metric, value, &[]);
        }
    }

    /// Asks EC2, by id, for services that were managed and are not listed any more. A service
    /// without a certain answer is left out: a call that fails, or does not mention it, proves
    /// neither that the tag was removed nor that the service was deleted.
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
            tracing::warn!("there was no time to look for services that are no longer managed");
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
        let listed = match self.services.are_managed(services).await {
            Ok(listed) => listed,
            Err(error) => {
                self.log.failure(&error, None);
                return BTreeMap::new();
            }
        };
        let mut found = BTreeMap::new();
        for service in services {
            let unlisted = match listed.get(service) {
                Some(true) => Some(Unlisted::Managed),
                Some(false) => Some(Unlisted::Unmanaged),
                None => match self.services.is_deleted(service).await {
                    Ok(is_deleted) => is_deleted.then_some(Unlisted::Deleted),
                    Err(error) => {
                        self.log.failure(&error, None);
                        None
                    }
                },
            };
            found.extend(unlisted.map(|unlisted| (service.clone(), unlisted)));
        }
        found
    }

    /// Forgets a deleted service. Only the end of its findings still needs to be remembered.
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
        match self.memory.forget_managed(&deleted).await {
            Ok(()) => {
                let mut known = self
                    .looked_through
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                known.retain(|id| !deleted.contains(id));
            }
            Err(error) => self.log.failure(&error, None),
        }
    }
}

/// An acknowledgement that matches a finding, or did, was announced with it. If it never matched,
/// this line is the only notice.
fn log_acknowledgement(acknowledged: &Acknowledged) {
    if let Some(why @ (EndReason::NotThere | EndReason::OtherEvidence | EndReason::Past)) =
        acknowledged.ended
    {
        let item = &acknowledged.item;
        tracing::warn!(
            service_id = %item.service_id,
            finding = item.finding.as_str(),
            acknowledged_by = item.acknowledged_by,
            "an acknowledgement has no effect until it is written anew: {}", why.words()
        );
    }
}

fn warn(service: &ServiceId, finding: Finding) {
    tracing::warn!(
        service_id = %service,
        finding = finding.as_str(),
        "{}", finding.meaning()
    );
}
