//! Announce: publish what was recorded, and only then take it out of the outbox.

use std::collections::BTreeSet;

use gatekeeper_core::message::Message;

use super::Gatekeeper;
use super::settle::{Outcome, Settled};
use crate::clock::Deadline;
use crate::tables::{Key, Tables};

impl Gatekeeper {
    /// Publishes. What fails stays in the outbox, for reconcile: a decision that stands is no
    /// reason to have its event come back.
    pub(super) async fn announce(&self, messages: Vec<Message>, deadline: Deadline) {
        if messages.is_empty() {
            return;
        }
        let in_time = || deadline.leaves(&self.clock, self.limits.margin);
        let published = self.announcer.publish(messages, in_time).await;
        for error in &published.failures {
            self.report(error, None);
        }
        if let Err(error) = self.tables.clear_outbox(&published.sent).await {
            // They will be published a second time, under the same id.
            self.report(&error, None);
        }
    }

    /// Publishes what a crash kept from being published, for the requests that an event led to and
    /// that needed nothing else.
    pub(super) async fn finish_announcements(&self, settled: &Settled, deadline: Deadline) {
        let now = self.clock.now();
        let keys: BTreeSet<Key> = settled
            .values()
            .filter_map(|outcome| match outcome {
                Ok(Outcome::Unchanged(Some(request))) => Some(request),
                _ => None,
            })
            // Younger ones may be on their way from another handler.
            .filter(|request| now.duration_since(request.status_since) >= self.limits.claim)
            .map(|request| Tables::outbox_key(request))
            .collect();
        if keys.is_empty() {
            return;
        }
        match self.tables.read(keys.clone()).await {
            Ok(items) => {
                let messages = keys
                    .iter()
                    .filter_map(|key| Tables::outbox_message(&items, key));
                self.announce(messages.collect(), deadline).await;
            }
            Err(error) => self.report(&error, None),
        }
    }

    /// Publishes everything that crashes and failures left in the outbox.
    pub(super) async fn sweep_outbox(&self, deadline: Deadline) {
        let Ok(before) = self.clock.now().checked_sub(self.limits.claim) else {
            return;
        };
        match self.tables.left_in_outbox(before).await {
            Ok(messages) => self.announce(messages, deadline).await,
            Err(error) => self.report(&error, None),
        }
    }
}
