//! Transit Gateway attachments: people are notified of them and decide them at EC2.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatekeeper_core::attachment::Attachments;
use gatekeeper_core::hint::{Hint, Subject};
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::left_alone::Found;
use gatekeeper_core::watch::Finding;

use super::log::Log;
use super::outcome::Handled;
use super::report::ServiceReport;
use crate::clock::Clock;
use crate::ec2::Connections;
use crate::tables::{Watched, WatchedServices};

/// Reports Transit Gateway attachments and everything else that Gatekeeper does not decide.
#[derive(Debug)]
pub(super) struct AttachmentWatch {
    pub(super) connections: Connections,
    pub(super) watched: WatchedServices,
    pub(super) clock: Clock,
    pub(super) log: Log,
}

impl AttachmentWatch {
    /// Looks for the attachments that the hints mention. Answers by what the hints point at.
    pub(super) async fn handle<'a>(
        &self,
        hints: &'a [Hint],
        managed: &BTreeSet<ServiceId>,
    ) -> BTreeMap<&'a Subject, Handled> {
        let mut looked: BTreeMap<&ServiceId, Handled> = BTreeMap::new();
        let mut by_subject = BTreeMap::new();
        for hint in hints {
            let Subject::Attachments(named) = &hint.subject else {
                continue;
            };
            if by_subject.contains_key(&hint.subject) {
                continue;
            }
            let services = managed
                .iter()
                .filter(|id| named.as_ref().is_none_or(|named| named == *id));
            let mut handled = Ok(());
            for service in services {
                if !looked.contains_key(service) {
                    let looked_now = self.look_for_attachments(service).await;
                    looked.insert(service, looked_now);
                }
                if let Some(Err(error)) = looked.get(service) {
                    handled = Err(Arc::clone(error));
                }
            }
            by_subject.insert(&hint.subject, handled);
        }
        by_subject
    }

    /// Announces the attachments that a pass found. If the pass did not look for all of them, they
    /// are listed now, so that the count is right; if that fails, reconcile does it.
    pub(super) async fn announce(&self, report: &ServiceReport) {
        if report.attachments.tally().listed() == 0 {
            return;
        }
        let service = &report.service_id;
        // A failure is logged by the callee.
        let _ = if report.is_whole {
            let attachments = &report.attachments;
            self.note_attachments(service, attachments).await
        } else {
            self.look_for_attachments(service).await
        };
    }

    async fn look_for_attachments(&self, service: &ServiceId) -> Handled {
        match self.connections.attachments(service).await {
            Ok(attachments) => self.note_attachments(service, &attachments).await,
            Err(error) => {
                self.log.failure(&error, None);
                Err(error)
            }
        }
    }

    /// Records how many attachments a service has, and announces what is new.
    async fn note_attachments(&self, service: &ServiceId, attachments: &Attachments) -> Handled {
        warn_of(service, attachments);
        let noted = async {
            let mut watched = self.watched.watched_of(service).await?;
            let found = Found {
                attachments: attachments.tally(),
                evidence: attachments.evidence(),
                // Reconcile remembers when attachments without a date were first seen.
                undated: watched.left_alone.first_seen().keys().cloned().collect(),
                is_all: true,
            };
            let noting = self.watched.note_left_alone(service, &mut watched, &found);
            noting.await
        };
        let noted = noted.await;
        if let Err(error) = &noted {
            self.log.failure(error, None);
        }
        noted
    }

    /// Records what a pass of reconcile found and does not decide, and announces what is new.
    pub(super) async fn note_left_alone(&self, report: &mut ServiceReport, watched: &mut Watched) {
        let service = &report.service_id;
        warn_of(service, &report.attachments);
        let attachments = report.undecided_attachments(self.clock.now());
        let undated: BTreeSet<String> = report
            .undecided
            .undated()
            .union(attachments.undated())
            .cloned()
            .collect();
        let found = Found {
            attachments: report.attachments.tally(),
            evidence: report.attachments.evidence(),
            undated,
            is_all: report.is_whole,
        };
        let noted = self.watched.note_left_alone(service, watched, &found).await;
        report
            .first_seen
            .clone_from(watched.left_alone.first_seen());
        if let Err(error) = noted {
            self.log.failure(&error, None);
        }
    }
}

fn warn_of(service: &ServiceId, attachments: &Attachments) {
    let tally = attachments.tally();
    if tally.listed() > 0 {
        tracing::warn!(
            service_id = %service,
            finding = Finding::TransitGatewayAttachments.as_str(),
            waiting = tally.waiting,
            connected = tally.connected,
            rejected = tally.rejected,
            "{}", tally.meaning()
        );
    }
}
