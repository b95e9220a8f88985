//! Sending what lies in the outbox: to everybody by the topic, and to approvers by an e-mail each.
//!
//! Deciding is not held up by any of it. What is sent is what lies in the outbox, whatever a stream's
//! record says of it: Lambda hands over again all that follows a failure, and most of that is sent.
//!
//! | step | file | does |
//! | --- | --- | --- |
//! | read | `tables/outbox.rs` | what is left to be sent |
//! | look | `reach.rs`, `subscriptions.rs` | holds e-mail that somebody else could read, and drops what would reach nobody |
//! | link | `emails.rs` | makes each approver's link |
//! | publish | `publish.rs` | hands messages to SNS, ten in a call |
//! | note | `tables/outbox.rs` | deletes what is sent, and writes down how far the rest is |
//!
//! Besides, [`Announcements::sweep`] looks whether anybody is subscribed (`look.rs`, `topics.rs`).

mod config;
mod emails;
mod look;
mod publish;
mod reach;
mod subscriptions;
mod topics;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::FutureExt as _;
use gatekeeper_core::outbox::{EmailState, OutboxItem, OutboxKey, Part};

use crate::clients::Clients;
use crate::clock::{Clock, Deadline};
use crate::error::{Error, Permanent, Retryable};
use crate::tables::{Left, Tables};
use crate::telemetry::{Metrics, report};
pub use config::AnnouncementsConfig;
use emails::{Email, Emails};
use look::Look;
use publish::{OutgoingMessage, Publisher};
use reach::Reach;

/// Sends what is told. Holds all clients; share it between invocations.
#[derive(Debug)]
pub struct Announcements {
    tables: Arc<Tables>,
    publisher: Publisher,
    emails: Emails,
    /// None if approvers are asked by no e-mail.
    reach: Option<Reach>,
    look: Look,
    clock: Clock,
    metrics: Metrics,
    margin: std::time::Duration,
}

/// What became of an item: it is sent as far as it is due, or why not.
pub type Handled = Result<(), Arc<Error>>;

/// What a sweep came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// How many items were due.
    pub due: usize,
    /// How many of them could not be sent.
    pub failed: usize,
}

/// An item that is being sent, and whether anything of it was.
struct Sending {
    item: OutboxItem,
    is_changed: bool,
}

impl Announcements {
    /// Puts it together. Talks to nobody yet.
    #[must_use]
    pub fn new(
        clients: &Clients,
        config: &AnnouncementsConfig,
        clock: Clock,
        metrics: Metrics,
    ) -> Self {
        let (allowlist, requests) = (&config.allowlist_table, &config.requests_table);
        let tables = Tables::named(clients, allowlist, requests, clock.clone());
        let tables = Arc::new(tables);
        Self {
            publisher: Publisher::new(clients, config),
            emails: Emails::new(Arc::clone(&tables), config),
            reach: Reach::new(
                clients,
                Arc::clone(&tables),
                config,
                clock.clone(),
                metrics.clone(),
            ),
            look: Look::new(clients, Arc::clone(&tables), config, metrics.clone()),
            tables,
            clock,
            metrics,
            margin: config.margin,
        }
    }

    /// Where metrics go.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Sends what still lies under these keys. Answers for each of them.
    pub async fn handle(&self, keys: &[OutboxKey], deadline: Deadline) -> Vec<Handled> {
        let left = match self.tables.outbox_items(keys).await {
            Ok(left) => left,
            Err(error) => {
                self.report(&error);
                return keys.iter().map(|_| Err(Arc::clone(&error))).collect();
            }
        };
        let mut handled: BTreeMap<&OutboxKey, Handled> = BTreeMap::new();
        let mut items = Vec::new();
        for (key, left) in keys.iter().zip(left) {
            match left {
                None => _ = handled.insert(key, Ok(())),
                // In the order in which it was written, and once, however often it is told.
                Some(Left::Item(item)) if handled.insert(key, Ok(())).is_none() => {
                    items.push((key, *item));
                }
                Some(Left::Item(_)) => {}
                Some(Left::Unreadable(error)) => {
                    _ = handled.insert(key, Err(self.unreadable(error)));
                }
            }
        }
        let (keys_of, items): (Vec<_>, Vec<_>) = items.into_iter().unzip();
        let sent = self.send(items, deadline).boxed().await;
        handled.extend(keys_of.into_iter().zip(sent));
        let of = |key| handled.get(key).cloned().unwrap_or(Ok(()));
        keys.iter().map(of).collect()
    }

    /// Sends what waited and is due, and what somebody left who failed; and looks whether anybody is
    /// subscribed.
    ///
    /// # Errors
    /// What kept the outbox from being read. It is logged here.
    pub async fn sweep(&self, deadline: Deadline) -> Result<Swept, Arc<Error>> {
        self.look.look().boxed().await;
        if let Some(reach) = &self.reach {
            reach.look().boxed().await;
        }
        let left = match self.tables.whole_outbox().await {
            Ok(left) => left,
            Err(error) => {
                self.report(&error);
                return Err(error);
            }
        };
        let now = self.clock.now();
        let mut swept = Swept::default();
        let mut due = Vec::new();
        for left in left {
            match left {
                Left::Item(item) if item.is_due(now) => due.push(*item),
                Left::Item(_) => {}
                Left::Unreadable(error) => {
                    self.unreadable(error);
                    swept.failed += 1;
                }
            }
        }
        swept.due = due.len();
        due.sort_by_key(|item| item.at);
        let sent = self.send(due, deadline).boxed().await;
        swept.failed += sent.iter().filter(|sent| sent.is_err()).count();
        Ok(swept)
    }

    /// Sends what is due of some items, and writes down how far they are.
    async fn send(&self, items: Vec<OutboxItem>, deadline: Deadline) -> Vec<Handled> {
        let mut sending: Vec<Sending> = items.into_iter().map(Sending::of).collect();
        let mut failures = self.announce(&mut sending, deadline).await;
        if let Some(reach) = &self.reach {
            failures.extend(reach.withhold(&mut sending).boxed().await);
        }
        failures.extend(self.ask(&mut sending, deadline).await);
        for error in &failures {
            self.report(error);
        }
        let noted = self.note(&sending).await;
        let failure = failures.first();
        let handled = sending.iter().zip(noted).map(|(one, noted)| {
            noted?;
            let now = self.clock.now();
            let is_left = one.is_announcement_left() || one.item.emails_due(now).next().is_some();
            match failure {
                Some(error) if is_left => Err(Arc::clone(error)),
                _ => Ok(()),
            }
        });
        handled.collect()
    }

    /// Tells everybody. Answers what went wrong.
    async fn announce(&self, sending: &mut [Sending], deadline: Deadline) -> Vec<Arc<Error>> {
        let mut failures = Vec::new();
        let mut messages = Vec::new();
        for one in &*sending {
            match one.item.announcements_due() {
                Ok(due) => messages.extend(due.into_iter().map(OutgoingMessage::announcement)),
                Err(error) => failures.push(Permanent::Encode(Box::new(error)).into()),
            }
        }
        let published = self.publish(messages, deadline).await;
        failures.extend(published.failures);
        for one in sending {
            one.note_announced(&published.sent);
        }
        failures
    }

    /// Asks approvers, each by an e-mail of their own. Answers what went wrong.
    async fn ask(&self, sending: &mut [Sending], deadline: Deadline) -> Vec<Arc<Error>> {
        let mut failures = Vec::new();
        let mut due = Vec::new();
        let now = self.clock.now();
        for (index, one) in sending.iter_mut().enumerate() {
            let approvers: Vec<_> = one.item.emails_due(now).cloned().collect();
            for approver in approvers {
                match one.item.email(&approver, now) {
                    Ok(Some(message)) if self.emails.can_be_sent() => due.push(Email {
                        index,
                        approver,
                        message,
                    }),
                    // Nobody is asked by e-mail any more, or there is nothing to ask.
                    Ok(_) => one.note_email(approver, EmailState::Dropped),
                    Err(error) => failures.push(Permanent::Encode(Box::new(error)).into()),
                }
            }
        }
        let mut rounds = emails::rounds(due).into_iter().peekable();
        while let Some(round) = rounds.next() {
            let messages = match self.emails.with_links(&round).await {
                Ok(messages) => messages,
                Err(error) => {
                    failures.push(error);
                    continue;
                }
            };
            let published = self.publish(messages, deadline).await;
            failures.extend(published.failures);
            for email in round {
                if published.sent.contains(&email.message.id)
                    && let Some(one) = sending.get_mut(email.index)
                {
                    one.note_email(email.approver, EmailState::Sent);
                }
            }
            if rounds.peek().is_some() {
                if !deadline.leaves(&self.clock, self.margin + emails::ROUND) {
                    failures.push(Retryable::OutOfTime.into());
                    return failures;
                }
                self.clock.sleep(emails::ROUND).await;
            }
        }
        failures
    }

    async fn publish(
        &self,
        messages: Vec<OutgoingMessage>,
        deadline: Deadline,
    ) -> publish::Published {
        let in_time = || deadline.leaves(&self.clock, self.margin);
        self.publisher.publish(messages, in_time).await
    }

    /// Deletes what is sent, and writes down how far the rest is. What cannot be written down is sent a
    /// second time, under the same id.
    async fn note(&self, sending: &[Sending]) -> Vec<Handled> {
        let done = sending.iter().filter(|one| one.item.is_done());
        let done: Vec<OutboxKey> = done.map(|one| one.item.key()).collect();
        let cleared = self.tables.clear_outbox(&done).await;
        if let Err(error) = &cleared {
            self.report(error);
        }
        let mut noted = Vec::new();
        for one in sending {
            noted.push(if one.item.is_done() {
                cleared.clone()
            } else if one.is_changed {
                let noted = self.tables.note_delivery(one.item.clone()).await;
                if let Err(error) = &noted {
                    self.report(error);
                }
                noted
            } else {
                Ok(())
            });
        }
        noted
    }

    fn unreadable(&self, error: Permanent) -> Arc<Error> {
        let error = error.into();
        self.report(&error);
        error
    }

    fn report(&self, error: &Arc<Error>) {
        report(&self.metrics, error, None);
    }
}

impl Sending {
    fn of(item: OutboxItem) -> Self {
        Self {
            item,
            is_changed: false,
        }
    }

    fn note_announced(&mut self, sent: &BTreeSet<String>) {
        let due = self.item.announcements_due().unwrap_or_default();
        for message in due {
            if sent.contains(&message.id) {
                self.item.sent(Part::Everybody(message.id));
                self.is_changed = true;
            }
        }
    }

    fn note_email(&mut self, approver: gatekeeper_core::approver::ApproverId, state: EmailState) {
        self.item.note_email(approver, state);
        self.is_changed = true;
    }

    fn note_held(&mut self, is_held: bool) {
        self.item.delivery.held = is_held;
        self.is_changed = true;
    }

    fn is_announcement_left(&self) -> bool {
        let due = self.item.announcements_due();
        due.is_ok_and(|due| !due.is_empty())
    }
}
