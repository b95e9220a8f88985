//! Checks on the schedule whether anybody is subscribed to the topics, and announces a topic
//! without subscribers as a finding of every managed service.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatekeeper_core::watch::{Finding, ServiceFacts, Subscribed, look};

use super::AnnouncementsConfig;
use super::topics::Topics;
use crate::clients::Clients;
use crate::error::Error;
use crate::tables::{Db, Watched, WatchedServices};
use crate::telemetry::{Metric, Metrics, log_failure};

/// Checks the topics.
#[derive(Debug)]
pub(super) struct Look {
    topics: Topics,
    watched: WatchedServices,
    metrics: Metrics,
}

impl Look {
    pub(super) fn new(
        clients: &Clients,
        db: &Db,
        config: &AnnouncementsConfig,
        metrics: Metrics,
    ) -> Self {
        Self {
            topics: Topics::new(clients, config),
            watched: WatchedServices::new(db),
            metrics,
        }
    }

    /// Checks the topics, announces what is new, and measures the current findings. If a topic
    /// could not be checked, its metric stays as it was.
    pub(super) async fn look(&self) {
        if !self.topics.are_watched() {
            return self.measure(0);
        }
        let facts = ServiceFacts {
            subscribed: self.subscribed().await,
            ..ServiceFacts::default()
        };
        let seen = look(&facts, None);
        let mut known = match self.watched.looked_after().await {
            Ok(known) => known,
            Err(error) => return self.log_failure(&error),
        };
        // If no service is managed yet, the metric still shows the topics.
        let mut unsubscribed: BTreeSet<Finding> = BTreeSet::new();
        if known.watched.is_empty() && known.looked_through.is_empty() {
            let there = seen.iter().filter(|(_, evidence)| evidence.is_some());
            unsubscribed.extend(there.map(|(finding, _)| *finding));
        }
        for service in known.looked_through {
            let watched = known.watched.entry(service);
            watched.or_insert_with(|| Ok(Watched::new()));
        }
        for (service, watched) in known.watched {
            let mut watched = match watched {
                Ok(watched) => watched,
                Err(error) => {
                    self.log_failure(&error);
                    continue;
                }
            };
            let is_let_go = watched.deleted_at.is_some()
                || (watched.findings.standing).contains_key(&Finding::NoLongerManaged);
            if is_let_go {
                continue;
            }
            let noted = self
                .watched
                .note_findings(&service, &mut watched, &seen, false);
            if let Err(error) = noted.await {
                self.log_failure(&error);
            }
            let findings = &watched.findings;
            let standing = findings.standing.keys().copied();
            let standing =
                standing.filter(|it| it.is_unsubscribed() && !findings.is_acknowledged(*it));
            unsubscribed.extend(standing);
        }
        self.measure(unsubscribed.len());
    }

    fn measure(&self, unsubscribed: usize) {
        let unsubscribed = f64::from(u32::try_from(unsubscribed).unwrap_or(u32::MAX));
        self.metrics
            .put(Metric::UnsubscribedTopics, unsubscribed, &[]);
    }

    /// Whether anybody is subscribed to each topic. An announcement of a topic without subscribers
    /// reaches the others' subscribers, if there are any. That is why there is a metric, too.
    async fn subscribed(&self) -> Subscribed {
        let listened = self.topics.listen().await;
        for error in &listened.failures {
            self.log_failure(error);
        }
        listened.subscribed
    }

    fn log_failure(&self, error: &Arc<Error>) {
        log_failure(&self.metrics, error, None);
    }
}
