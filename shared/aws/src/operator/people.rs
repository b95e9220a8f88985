//! Who is subscribed to approval e-mail, announcements and alarms.

use std::sync::Arc;

use gatekeeper_core::approver::Approver;
use gatekeeper_core::reach::{self, ReachFacts, ReachFinding};
use jiff::{SignedDuration, Timestamp};

use crate::announcements::Subscriptions;
use crate::clients::Clients;
use crate::error::{Error, Step};
use crate::tables::{ReachMemory, Tables};

/// Looks at subscriptions.
#[derive(Debug)]
pub struct People {
    subscriptions: Subscriptions,
    memory: ReachMemory,
}

impl People {
    #[must_use]
    pub fn new(clients: &Clients, tables: &Tables) -> Self {
        Self {
            subscriptions: Subscriptions::new(clients.sns.clone(), Step::Observe),
            memory: tables.reach(),
        }
    }

    /// Whom approval e-mail reaches, and whether it may be sent. Nothing is remembered. A filter policy
    /// holds after `settles`.
    ///
    /// # Errors
    /// SNS or DynamoDB could not be asked.
    pub async fn findings(
        &self,
        topic: &str,
        approvers: &[Approver],
        all_readable: bool,
        settles: SignedDuration,
        now: Timestamp,
    ) -> Result<Vec<ReachFinding>, Arc<Error>> {
        let remembered = self.memory.reach().await?;
        let subscriptions = self.subscriptions.confirmed(topic).await?;
        let facts = ReachFacts {
            subscriptions: &subscriptions,
            approvers,
            all_readable,
            slack: false,
            own_queues: &[],
            settles,
        };
        let look = reach::look(&remembered.state, &facts, now);
        Ok(look.findings.into_iter().collect())
    }

    /// Whether somebody is subscribed to a topic, other than these queues.
    ///
    /// # Errors
    /// SNS could not be asked.
    pub async fn is_subscribed(
        &self,
        topic: &str,
        own_queues: &[String],
    ) -> Result<bool, Arc<Error>> {
        self.subscriptions.is_subscribed(topic, own_queues).await
    }
}
