//! Looks at who is subscribed to approval e-mail, remembers it, and has the open reviews sent to whom it did not
//! reach before. What a look means is said in `gatekeeper_core::reach`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use gatekeeper_core::approver::{Approver, ApproverId};
use gatekeeper_core::outbox::OutboxItem;
use gatekeeper_core::reach::{self, Look, ReachFacts, ReachFinding, holds, is_to_be_sent};
use jiff::SignedDuration;

use super::AnnouncementsConfig;
use super::subscriptions::Subscriptions;
use crate::clients::Clients;
use crate::clock::Clock;
use crate::error::{Error, Retryable};
use crate::tables::Tables;
use crate::telemetry::{Metrics, Unit, report};

/// How often a look is begun anew because another instance looked at the same time.
const ATTEMPTS: u32 = 4;

/// Looks, and keeps the newest look.
#[derive(Debug)]
pub(super) struct Reach {
    subscriptions: Subscriptions,
    topic: String,
    slack: bool,
    own_queues: Vec<String>,
    settles: SignedDuration,
    newest: Mutex<Option<Arc<Look>>>,
    tables: Arc<Tables>,
    clock: Clock,
    metrics: Metrics,
}

impl Reach {
    /// None where approvers are asked by no e-mail.
    pub(super) fn new(
        clients: &Clients,
        tables: Arc<Tables>,
        config: &AnnouncementsConfig,
        clock: Clock,
        metrics: Metrics,
    ) -> Option<Self> {
        let approvals = config.approvals.as_ref()?;
        Some(Self {
            subscriptions: Subscriptions::new(clients.sns.clone()),
            topic: approvals.topic.clone(),
            slack: config.slack_queue.is_some(),
            own_queues: config.slack_queue.iter().cloned().collect(),
            settles: config.filter_settles,
            newest: Mutex::default(),
            tables,
            clock,
            metrics,
        })
    }

    /// A look by which it can be decided what becomes of e-mail to these approvers; none if it failed.
    pub(super) async fn look_for(&self, approvers: &BTreeSet<ApproverId>) -> Option<Arc<Look>> {
        let newest = self.newest().clone();
        match newest {
            Some(look) if look.is_good_for(approvers, self.clock.now()) => Some(look),
            _ => self.look().await,
        }
    }

    /// Looks anew, and measures what is wrong. None if that failed: it is logged here.
    pub(super) async fn look(&self) -> Option<Arc<Look>> {
        let look = match self.try_to_look().await {
            Ok(look) => Some(Arc::new(look)),
            Err(error) => {
                report(&self.metrics, &error, None);
                None
            }
        };
        self.newest().clone_from(&look);
        self.measure(look.as_deref());
        look
    }

    async fn try_to_look(&self) -> Result<Look, Arc<Error>> {
        for _ in 0..ATTEMPTS {
            // Before anybody is asked: a look is as old as what it begins with.
            let now = self.clock.now();
            let (remembered, approvers, subscriptions) = tokio::try_join!(
                self.tables.reach(),
                self.tables.approvers(),
                self.subscriptions.confirmed(&self.topic),
            )?;
            let facts = ReachFacts {
                subscriptions: &subscriptions,
                approvers: &approvers.list,
                slack: self.slack,
                own_queues: &self.own_queues,
                settles: self.settles,
            };
            let look = reach::look(&remembered.state, &facts, now);
            // Before it is remembered that they are reached: what fails in between is done again.
            self.send_open_reviews(&look, &approvers.list).await?;
            if self.tables.remember_reach(&remembered, &look).await? {
                return Ok(look);
            }
        }
        let why = "other instances kept looking at the same time";
        Err(Retryable::RememberState(why.into()).into())
    }

    /// Has the open reviews sent to those whom e-mail reaches now and did not before.
    async fn send_open_reviews(&self, look: &Look, approvers: &[Approver]) -> Result<(), Arc<Error>> {
        let appeared = approvers.iter().filter(|it| look.appeared.contains(&it.id));
        let appeared: Vec<&Approver> = appeared.collect();
        if appeared.is_empty() {
            return Ok(());
        }
        let mut items = Vec::new();
        for review in &self.tables.open_reviews().await? {
            for approver in &appeared {
                if is_to_be_sent(review, approver, approvers) {
                    items.push(OutboxItem::of_review(review, &approver.id, look.at));
                }
            }
        }
        self.tables.put_in_outbox(&items).await
    }

    fn measure(&self, look: Option<&Look>) {
        self.count("ApprovalEmailHeld", usize::from(holds(look)));
        // What a look that failed did not see stays on the metric as it was.
        if let Some(look) = look {
            let count = |wanted: fn(&ReachFinding) -> bool| {
                look.findings.iter().filter(|finding| wanted(finding)).count()
            };
            let unreached = |it: &ReachFinding| matches!(it, ReachFinding::ApproverNotReached { .. });
            let elsewhere = |it: &ReachFinding| matches!(it, ReachFinding::SubscriptionElsewhere { .. });
            self.count("ApproversNotReached", count(unreached));
            self.count("ApprovalEmailElsewhere", count(elsewhere));
        }
    }

    fn count(&self, name: &'static str, value: usize) {
        let value = f64::from(u32::try_from(value).unwrap_or(u32::MAX));
        self.metrics.put(name, Unit::Count, value, &[]);
    }

    fn newest(&self) -> std::sync::MutexGuard<'_, Option<Arc<Look>>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
