//! Sends the messages in the outbox: announcements to the topic, and to an event bus if there is
//! one; and to each approver an e-mail of their own. If one of these fails, only that one is tried
//! again.
//!
//! Decisions never wait for this. What is sent is what is still in the outbox, whatever the
//! stream's record says: Lambda repeats all records after a failure, and most of those were sent
//! already.
//!
//! | step | file | does |
//! | --- | --- | --- |
//! | read | `tables/outbox.rs` | reads what is left to be sent |
//! | look | `reach.rs`, `subscriptions.rs` | holds e-mail that somebody else could read, and drops e-mail without a recipient |
//! | link | `emails.rs` | makes each approver's link |
//! | publish | `publish.rs` | hands messages to SNS, ten in a call |
//! | put | `bus.rs` | hands events to EventBridge, ten in a call |
//! | note | `tables/outbox.rs` | deletes what is sent, and records the progress of the rest |
//!
//! [`Announcements::sweep`] also checks whether anybody is subscribed (`look.rs`, `topics.rs`).

mod bus;
mod config;
mod emails;
mod look;
mod publish;
mod reach;
mod sending;
mod subscriptions;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use gatekeeper_core::outbox::{OutboxItem, OutboxKey};
use jiff::Timestamp;

use crate::clients::{Clients, Timeouts};
use crate::clock::{Clock, Deadline};
use crate::error::{Error, Step, chain};
use crate::tables::{Db, Left, Outbox, UnreadableItem};
use crate::telemetry::{Metric, Metrics, log_failure};
use bus::Bus;
pub use config::{AnnouncementsConfig, EventBus};
use emails::{Email, Emails};
use look::Look;
use publish::{OutgoingMessage, Publisher};
use reach::Reach;
use sending::Sending;
pub(crate) use subscriptions::Subscriptions;

/// Sends messages. Holds all clients; share it between invocations.
#[derive(Debug)]
pub struct Announcements {
    outbox: Outbox,
    publisher: Publisher,
    /// `None` if there is no bus.
    bus: Option<Bus>,
    emails: Emails,
    /// `None` if there is no approval e-mail.
    reach: Option<Reach>,
    look: Look,
    clock: Clock,
    metrics: Metrics,
    margin: std::time::Duration,
}

/// Longer than a round of e-mails takes.
const ROUND: std::time::Duration = std::time::Duration::from_secs(2);

/// The result for an item: everything that is due is sent, or the error.
pub type Handled = Result<(), Arc<Error>>;

/// The result of a sweep.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Swept {
    /// How many items were due.
    pub due: usize,
    /// How many of them could not be sent.
    pub failed: usize,
}

/// The result of sending some items.
struct Sent {
    handled: Vec<Handled>,
    /// When the first of the e-mails that an address does not take now may be sent.
    next: Option<Timestamp>,
    /// The items, with their progress.
    left: Vec<OutboxItem>,
}

/// The result of e-mailing approvers.
struct Asked {
    next: Option<Timestamp>,
    failures: Vec<Arc<Error>>,
}

impl Announcements {
    /// Builds it from its clients. Calls nothing yet.
    #[must_use]
    pub fn new(
        clients: &Clients,
        config: &AnnouncementsConfig,
        clock: Clock,
        metrics: Metrics,
    ) -> Self {
        let (allowlist, requests) = (&config.allowlist_table, &config.requests_table);
        let step = Step::Announce;
        let db = Db::new(clients, allowlist, requests, clock.clone(), step);
        let watching = db.for_step(Step::Observe);
        Self {
            publisher: Publisher::new(clients, config),
            bus: Bus::new(clients, config),
            emails: Emails::new(&db, config),
            reach: Reach::new(clients, &db, config, clock.clone(), metrics.clone()),
            look: Look::new(clients, &watching, config, metrics.clone()),
            outbox: Outbox::new(&db),
            clock,
            metrics,
            margin: config.margin,
        }
    }

    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Sends what is still in the outbox under these keys. Answers for each key.
    pub async fn handle(&self, keys: &[OutboxKey], deadline: Deadline) -> Vec<Handled> {
        let left = match self.outbox.outbox_items(keys).await {
            Ok(left) => left,
            Err(error) => {
                self.log_failure(&error);
                return keys.iter().map(|_| Err(Arc::clone(&error))).collect();
            }
        };
        let mut handled: BTreeMap<&OutboxKey, Handled> = BTreeMap::new();
        let mut items = Vec::new();
        for (key, left) in keys.iter().zip(left) {
            match left {
                None => _ = handled.insert(key, Ok(())),
                // In the order in which they were written, and once, however many records name
                // them.
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
        handled.extend(keys_of.into_iter().zip(sent.handled));
        let of = |key| handled.get(key).cloned().unwrap_or(Ok(()));
        keys.iter().map(of).collect()
    }

    /// Checks whether anybody is subscribed, and sends the messages that waited until now, and
    /// those that an earlier invocation failed to send.
    ///
    /// # Errors
    /// The outbox could not be read. The error is logged here.
    pub async fn sweep(&self, deadline: Deadline) -> Result<Swept, Arc<Error>> {
        self.look().await;
        let due = self.due().await?;
        Ok(self.sweep_once(due, deadline).await.0)
    }

    /// Does the same, and then sends the e-mails that an address did not take at once, as long as
    /// there is time, because the schedule runs only once a minute. Nothing else waits for this.
    ///
    /// # Errors
    /// The outbox could not be read. The error is logged here.
    pub async fn sweep_for_a_minute(&self, deadline: Deadline) -> Result<Swept, Arc<Error>> {
        self.look().await;
        let due = self.due().await?;
        let (mut swept, mut next, mut left) = self.sweep_once(due, deadline).await;
        while let Some(then) = next {
            let pause = self.clock.until(then);
            if left.is_empty() || !deadline.leaves(&self.clock, self.margin + pause + ROUND) {
                break;
            }
            self.clock.sleep(pause).await;
            let (more, later, rest) = self.sweep_once(left, deadline).await;
            swept.failed = more.failed;
            (next, left) = (later, rest);
        }
        Ok(swept)
    }

    /// Checks whether anybody is subscribed to the topics, and whom approval e-mail reaches.
    async fn look(&self) {
        self.look.look().boxed().await;
        if let Some(reach) = &self.reach {
            reach.look().boxed().await;
        }
    }

    /// The due items, oldest first.
    async fn due(&self) -> Result<Vec<OutboxItem>, Arc<Error>> {
        let left = self.outbox.whole_outbox().await;
        let left = left.inspect_err(|error| self.log_failure(error))?;
        let now = self.clock.now();
        let mut due = Vec::new();
        for left in left {
            match left {
                Left::Item(item) if item.is_due(now) => due.push(*item),
                Left::Item(_) => {}
                Left::Unreadable(error) => _ = self.unreadable(error),
            }
        }
        due.sort_by_key(|item| item.at);
        Ok(due)
    }

    async fn sweep_once(
        &self,
        due: Vec<OutboxItem>,
        deadline: Deadline,
    ) -> (Swept, Option<Timestamp>, Vec<OutboxItem>) {
        let mut swept = Swept {
            due: due.len(),
            failed: 0,
        };
        let sent = self.send(due, deadline).boxed().await;
        swept.failed = sent.handled.iter().filter(|one| one.is_err()).count();
        let mut left = sent.left;
        left.retain(|item| !item.is_done());
        (swept, sent.next, left)
    }

    /// Sends the parts of these items that are due, and records their progress.
    async fn send(&self, items: Vec<OutboxItem>, deadline: Deadline) -> Sent {
        let mut sending: Vec<Sending> = items.into_iter().map(Sending::of).collect();
        for one in &mut sending {
            one.item.with_bus(self.bus.is_some());
        }
        let mut failures = self.announce(&mut sending, deadline).await;
        if let Some(reach) = &self.reach {
            failures.extend(reach.withhold(&mut sending).boxed().await);
        }
        let asked = self.ask(&mut sending, deadline).await;
        failures.extend(asked.failures);
        let not_put = self.put(&mut sending, deadline).boxed().await;
        for error in failures.iter().chain(&not_put) {
            self.log_failure(error);
        }
        let noted = self.note(&mut sending).await;
        let failure = failures.iter().chain(&not_put).next();
        let handled = sending.iter().zip(noted).map(|(one, noted)| {
            noted?;
            match failure {
                // An item that waits for its turn has not failed.
                Some(error) if one.is_failed || one.item.is_event_left() => Err(Arc::clone(error)),
                _ => Ok(()),
            }
        });
        Sent {
            handled: handled.collect(),
            next: asked.next,
            left: sending.into_iter().map(|one| one.item).collect(),
        }
    }

    /// Publishes the announcements. Answers what went wrong.
    async fn announce(&self, sending: &mut [Sending], deadline: Deadline) -> Vec<Arc<Error>> {
        let mut failures = Vec::new();
        let mut messages = Vec::new();
        for one in &mut *sending {
            match one.item.announcements_due() {
                Ok(due) => messages.extend(due.into_iter().map(OutgoingMessage::announcement)),
                Err(error) => {
                    one.is_failed = true;
                    let error = Error::unencodable(Step::Announce, &one.item.id, error);
                    failures.push(error.into());
                }
            }
        }
        let mut published = self.publish(messages, deadline).await;
        failures.append(&mut published.failures);
        for one in sending {
            one.note_announced(&published);
        }
        failures
    }

    /// Puts the announcements on the bus, if there is one. Answers what went wrong.
    async fn put(&self, sending: &mut [Sending], deadline: Deadline) -> Vec<Arc<Error>> {
        let Some(bus) = &self.bus else {
            return Vec::new();
        };
        let (mut failures, mut events, mut of) = (Vec::new(), Vec::new(), Vec::new());
        for (index, one) in sending.iter().enumerate() {
            match one.item.events_due(bus.home()) {
                Ok(due) => {
                    of.extend(due.iter().map(|_| index));
                    events.extend(due);
                }
                Err(error) => {
                    let what = format!("{} for the event bus", one.item.id);
                    failures.push(Error::unencodable(Step::Announce, what, error).into());
                }
            }
        }
        // Leave time to record what was sent elsewhere, however long a call takes.
        let call = Timeouts::default().operation;
        let in_time = || deadline.leaves(&self.clock, self.margin + call);
        let mut published = bus.put(&events, in_time).await;
        failures.append(&mut published.failures);
        for (index, event) in of.into_iter().zip(&events) {
            if let Some(one) = sending.get_mut(index) {
                one.note_put(event, &published);
            }
        }
        if let Some(error) = failures.iter().find(|error| !error.is_out_of_time()) {
            let (why, now) = (chain(&**error), self.clock.now());
            for one in sending {
                one.give_up_on_bus(&why, now);
            }
        }
        failures
    }

    /// Sends each approver an e-mail of their own. Answers when the first of the e-mails that an
    /// address does not take now may be sent, and what went wrong.
    async fn ask(&self, sending: &mut [Sending], deadline: Deadline) -> Asked {
        let prepared = self.emails.prepare(sending, self.clock.now()).await;
        let mut asked = Asked {
            next: prepared.next,
            failures: prepared.failures,
        };
        let mut published = match self.emails.with_links(&prepared.emails).await {
            Ok(messages) => self.publish(messages, deadline).await,
            Err(error) => publish::Published {
                failures: vec![error],
                ..publish::Published::default()
            },
        };
        asked.failures.append(&mut published.failures);
        for Email { about, message } in prepared.emails {
            for place in about.places {
                if let Some(one) = sending.get_mut(place) {
                    one.note_asked(about.approver.clone(), message.id.clone(), &published);
                }
            }
        }
        if prepared.is_unprepared {
            let now = self.clock.now();
            for one in sending {
                one.is_failed |= one.item.emails_due(now).next().is_some();
            }
        }
        asked
    }

    async fn publish(
        &self,
        messages: Vec<OutgoingMessage>,
        deadline: Deadline,
    ) -> publish::Published {
        let in_time = || deadline.leaves(&self.clock, self.margin);
        self.publisher.publish(messages, in_time).await
    }

    /// Deletes items that are sent, and records the progress of the rest. If that cannot be
    /// recorded, the message is sent a second time, under the same id.
    async fn note(&self, sending: &mut [Sending]) -> Vec<Handled> {
        let mut done = Vec::new();
        let mut left_aside = Vec::new();
        for one in sending.iter().filter(|one| one.item.is_done()) {
            match self.put_aside(&one.item).await {
                Ok(()) => done.push(one.item.key()),
                Err(error) => left_aside.push((one.item.key(), error)),
            }
        }
        let cleared = self.outbox.clear_outbox(&done).await;
        if let Err(error) = &cleared {
            self.log_failure(error);
        }
        let mut noted = Vec::new();
        for one in sending {
            let is_left = left_aside.iter().find(|(key, _)| *key == one.item.key());
            noted.push(if let Some((_, error)) = is_left {
                Err(Arc::clone(error))
            } else if one.item.is_done() {
                cleared.clone()
            } else if one.is_changed {
                let noted = self.outbox.note_delivery(&mut one.item).await;
                if let Err(error) = &noted {
                    self.log_failure(error);
                }
                noted
            } else {
                Ok(())
            });
        }
        noted
    }

    /// Keeps messages that SNS or the bus refused for good where people can look at them, and
    /// notifies people of it.
    async fn put_aside(&self, item: &OutboxItem) -> Handled {
        if !item.is_refused() {
            return Ok(());
        }
        let aside = self.outbox.put_aside(item).await;
        if let Err(error) = &aside {
            self.log_failure(error);
            return aside;
        }
        for (by, id, why) in item.all_refused() {
            tracing::error!(
                message_id = id,
                by,
                error = why,
                "a message was refused for good; it is put aside"
            );
            self.metrics.put(Metric::RefusedMessages, 1.0, &[]);
        }
        Ok(())
    }

    fn unreadable(&self, error: UnreadableItem) -> Arc<Error> {
        let error = error.read_in(Step::Announce).into();
        self.log_failure(&error);
        error
    }

    fn log_failure(&self, error: &Arc<Error>) {
        log_failure(&self.metrics, error, None);
    }
}
