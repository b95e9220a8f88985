//! Watch: look for what lets connections in past Gatekeeper, and for topics that nobody listens to, and
//! tell people when it begins and when it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::watch::{Finding, Heard, ServiceFacts, look};

use super::{Gatekeeper, ServiceReport};
use crate::clock::Deadline;
use crate::tables::Watched;
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
        let (configured, notifications, rule, heard, anyone) = tokio::join!(
            self.ec2.configured(services),
            self.ec2.notifications(),
            self.rules.cloud_trail_rule(),
            self.heard(),
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
                heard,
            };
            let found = look(&facts, self.notification_topic.as_deref());
            seen.insert(service.clone(), found);
        }
        seen
    }

    /// Whether anybody is subscribed to the topics. An announcement of one that nobody hears goes to the
    /// others' subscribers, if to anybody: hence the metric, too.
    async fn heard(&self) -> Heard {
        if !self.topics.are_watched() {
            return Heard::default();
        }
        let asks_by_mail = match self.tables.approvers().await {
            Ok(approvers) => {
                let mut approvers = approvers.list.iter();
                Some(approvers.any(|approver| approver.slack_user_id.is_none()))
            }
            Err(error) => {
                self.report(&error, None);
                None
            }
        };
        let listened = self.topics.listen(asks_by_mail).await;
        for error in &listened.failures {
            self.report(error, None);
        }
        listened.heard
    }

    /// Writes down what was seen, and what the passes found that is not decided here; tells people
    /// what is new, and measures what stands: what could not be looked at is on the metrics as it
    /// was before. Nothing stands any more of a service
    /// that is not among `managed`, which is none if they could not be listed.
    pub(super) async fn note_findings(
        &self,
        managed: Option<&[ServiceId]>,
        seen: &Seen,
        reports: &mut [ServiceReport],
        deadline: Deadline,
    ) {
        for (service, seen) in seen {
            for (finding, _) in seen.iter().filter(|(_, is_there)| **is_there) {
                tracing::warn!(
                    service_id = %service,
                    finding = finding.as_str(),
                    "{}", finding.meaning()
                );
            }
        }
        let mut known = match self.tables.watched().await {
            Ok(known) => known,
            Err(error) => return self.report(&error, None),
        };
        let mut messages = Vec::new();
        let is_unmanaged = |id: &ServiceId| managed.is_some_and(|managed| !managed.contains(id));
        for (service, watched) in known.iter_mut().filter(|(id, _)| is_unmanaged(id)) {
            let Ok(watched) = watched else { continue };
            match self.tables.end_findings(service, watched).await {
                Ok(new) => messages.extend(new),
                Err(error) => self.report(&error, None),
            }
        }
        for (service, seen) in seen {
            let watched = known
                .entry(service.clone())
                .or_insert_with(|| Ok(Watched::new(service)));
            let noted = match watched {
                Ok(watched) => self.tables.note_findings(service, watched, seen).await,
                Err(error) => Err(Arc::clone(error)),
            };
            match noted {
                Ok(new) => messages.extend(new),
                Err(error) => self.report(&error, None),
            }
        }
        for report in reports {
            let service = &report.service_id;
            let watched = known
                .entry(service.clone())
                .or_insert_with(|| Ok(Watched::new(service)));
            // Why it cannot be read is said above.
            let Ok(watched) = watched else { continue };
            messages.extend(self.note_left_alone(report, watched).await);
        }
        self.announce(messages, deadline).await;
        let standing: Vec<BTreeSet<Finding>> = known
            .iter()
            .map(|(service, watched)| {
                // What was seen stands, though what was known before could not be read.
                let stands = watched.iter().flat_map(|watched| watched.findings.keys());
                let seen = seen.get(service).into_iter().flatten();
                let seen = seen.filter_map(|(finding, is_there)| is_there.then_some(finding));
                stands.chain(seen).copied().collect()
            })
            .collect();
        let services = |wanted: fn(Finding) -> bool| {
            let services = standing.iter();
            services
                .filter(|findings| findings.iter().any(|finding| wanted(*finding)))
                .count()
        };
        let topics: BTreeSet<Finding> = standing.iter().flatten().copied().collect();
        let unheard = topics.iter().filter(|finding| finding.is_unheard());
        let held = services(|finding| finding == Finding::TooManyRevocations);
        for (name, value) in [
            ("BypassedServices", services(Finding::is_bypass)),
            ("RevocationsHeld", held),
            ("UnheardTopics", unheard.count()),
        ] {
            let value = f64::from(u32::try_from(value).unwrap_or(u32::MAX));
            self.metrics.put(name, Unit::Count, value, &[]);
        }
    }
}
