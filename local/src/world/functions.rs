//! Runs the functions: with records of the queue and the streams, and on their schedules.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use gatekeeper_announcements::handler::{
    Handler as AnnouncementsHandler, HandlerResult as AnnouncementsResult,
};
use gatekeeper_aws::clock::Deadline;
use gatekeeper_aws::gatekeeper::Reconciled;
use gatekeeper_connections::handler::BatchResponse;
use gatekeeper_policy_changes::handler::Handler as PolicyChangesHandler;
use gatekeeper_reconcile::handler::Handler as ReconcileHandler;
use serde_json::Value;

use super::World;
use crate::deployment::{
    ALLOWLIST_STREAM, ANNOUNCEMENTS_TIMEOUT, CONNECTIONS_QUEUE, CONNECTIONS_TIMEOUT,
    POLICY_CHANGES_TIMEOUT, RECONCILE_TIMEOUT, REQUESTS_STREAM,
};
use crate::error::{WorldError, made};
use crate::function::Function;
use crate::place::{ALLOWLIST, REQUESTS};
use crate::queue;

/// What became of all records in the queue.
#[derive(Debug, Default)]
pub struct Drained {
    /// Messages that made no sense, by id, and why.
    pub malformed: Vec<(String, String)>,
    /// Messages that failed as often as the queue allows, by id.
    pub dead: Vec<String>,
    /// The last failure of each message that failed, by id.
    pub failures: BTreeMap<String, String>,
}

impl World {
    /// Has DynamoDB delete the items whose `purge_at` has passed. Answers how many; those of the allowlist
    /// are edits.
    ///
    /// # Errors
    /// What the engine says.
    pub fn delete_expired(&self) -> Result<usize, WorldError> {
        let deleted = self.dynamodb.delete_expired();
        deleted.map_err(|error| WorldError::Make("a deletion by time to live", error))
    }

    /// Hands what the allowlist table's stream holds to the function `policy-changes`, as Lambda
    /// does: in batches, and again from the first record that it gives back. Answers how many
    /// records it gave back as often as it may.
    ///
    /// # Errors
    /// What the engine says of the stream.
    pub async fn follow_edits(&self) -> Result<usize, WorldError> {
        let new = self
            .dynamodb
            .stream_records(ALLOWLIST)
            .map_err(|error| WorldError::Make("the allowlist's stream", error))?;
        let mut edits = std::mem::take(&mut *lock(&self.edits));
        edits.extend(new);
        let gatekeeper = self.gatekeeper(Function::PolicyChanges);
        let handler = PolicyChangesHandler::new(Arc::clone(gatekeeper));
        let mut attempts = 0;
        while !edits.is_empty() && attempts < ALLOWLIST_STREAM.max_attempts {
            let batch: Vec<&Value> = edits.iter().take(ALLOWLIST_STREAM.batch).collect();
            let deadline = Deadline::after(&self.clock, POLICY_CHANGES_TIMEOUT);
            let event = serde_json::json!({ "Records": batch });
            let taken = batch.len();
            let first_failed = match handler.handle(&event, deadline).await {
                Ok(answer) => answer.failed.first().map(|(index, _)| *index),
                Err(error) => return Err(made("the stream's event", &error)),
            };
            attempts = first_failed.map_or(0, |_| attempts + 1);
            edits.drain(..first_failed.unwrap_or(taken).min(edits.len()));
        }
        let left = edits.len();
        *lock(&self.edits) = edits;
        self.announce().await?;
        Ok(left)
    }

    /// The records of the requests table's stream that tell of something new in the outbox, since this
    /// was last asked: the mapping's filter in template.yaml.
    ///
    /// # Errors
    /// What the engine says of the stream.
    pub fn outbox_records(&self) -> Result<Vec<Value>, WorldError> {
        let new = self.dynamodb.stream_records(REQUESTS);
        let mut new = new.map_err(|error| WorldError::Make("the requests' stream", error))?;
        new.retain(|record| {
            let partition = record.pointer("/dynamodb/Keys/pk/S");
            let partition = partition.and_then(Value::as_str);
            let is_outbox = partition.is_some_and(|pk| pk.starts_with("outbox#"));
            let is_new = record.get("eventName").and_then(Value::as_str) == Some("INSERT");
            is_new && is_outbox
        });
        Ok(new)
    }

    /// Hands what was written into the outbox to the function `announcements`, as Lambda does. What it
    /// gives back too often is left to the schedule.
    ///
    /// # Errors
    /// What the engine says of the stream, or the function.
    pub async fn announce(&self) -> Result<(), WorldError> {
        let mut records = std::mem::take(&mut *lock(&self.outbox));
        records.extend(self.outbox_records()?);
        let handler = AnnouncementsHandler::new(Arc::clone(&self.announcements));
        let mut attempts = 0;
        while !records.is_empty() {
            let batch: Vec<&Value> = records.iter().take(REQUESTS_STREAM.batch).collect();
            let taken = batch.len();
            let event = serde_json::json!({ "Records": batch });
            let deadline = Deadline::after(&self.clock, ANNOUNCEMENTS_TIMEOUT);
            let answer = handler.handle(&event, deadline).await;
            let first_failed = match answer.map_err(|error| made("an announcement", &*error))? {
                AnnouncementsResult::Stream(answer) => answer.failed.first().map(|(at, _)| *at),
                AnnouncementsResult::Swept(_) => None,
            };
            // Lambda gives the first that failed up, and goes on behind it.
            attempts = first_failed.map_or(0, |_| attempts + 1);
            let done = match first_failed {
                Some(first) if attempts == REQUESTS_STREAM.max_attempts => {
                    attempts = 0;
                    first + 1
                }
                first => first.unwrap_or(taken),
            };
            records.drain(..done.min(records.len()));
        }
        Ok(())
    }

    /// Runs the function `announcements` as its schedule does: what is due is sent, and whatever came of
    /// looking at the topics.
    pub async fn sweep(&self) {
        let deadline = Deadline::after(&self.clock, ANNOUNCEMENTS_TIMEOUT);
        let handler = AnnouncementsHandler::new(Arc::clone(&self.announcements));
        // What fails is logged there, and tried again by the next one.
        let _ = handler.handle(&Value::Null, deadline).boxed().await;
        self.announce_changes().await;
    }

    /// The same, without staying for what an address would not take at once.
    pub async fn sweep_once(&self) {
        let deadline = Deadline::after(&self.clock, ANNOUNCEMENTS_TIMEOUT);
        let _ = self.announcements.sweep(deadline).await;
        self.announce_changes().await;
    }

    async fn announce_changes(&self) {
        if let Err(error) = self.announce().await {
            tracing::error!(%error, "the outbox cannot be followed");
        }
    }

    /// Has the edits made so far be nobody's: what the allowlist held when everything began.
    ///
    /// # Errors
    /// What the engine says of the stream.
    pub fn forget_edits(&self) -> Result<(), WorldError> {
        lock(&self.edits).clear();
        self.dynamodb
            .stream_records(ALLOWLIST)
            .map(drop)
            .map_err(|error| WorldError::Make("the allowlist's stream", error))
    }

    /// Hands one batch from the queue to the function `connections`; false if none was visible.
    pub async fn pump(&self, drained: &mut Drained) -> bool {
        self.deliver();
        let batch = self.queue.receive(CONNECTIONS_QUEUE.batch);
        if batch.is_empty() {
            drained.dead = self
                .queue
                .dead_letters()
                .into_iter()
                .map(|m| m.id)
                .collect();
            return false;
        }
        let deadline = Deadline::after(&self.clock, CONNECTIONS_TIMEOUT);
        let answer = self.handler.handle(queue::event(&batch), deadline).await;
        self.settle_batch(&batch, &answer, drained);
        true
    }

    fn settle_batch(
        &self,
        batch: &[queue::Message],
        answer: &BatchResponse,
        drained: &mut Drained,
    ) {
        for (index, message) in batch.iter().enumerate() {
            if let Some((_, malformed)) = answer.given_up.iter().find(|(at, _)| *at == index) {
                drained
                    .malformed
                    .push((message.id.clone(), malformed.to_string()));
            }
            match answer.failed.iter().find(|(at, _)| *at == index) {
                Some((_, error)) => {
                    drained
                        .failures
                        .insert(message.id.clone(), gatekeeper_aws::error::chain(&**error));
                }
                None => {
                    self.queue.delete(&message.id);
                    drained.failures.remove(&message.id);
                }
            }
        }
    }

    /// Empties the queue: hands out batch after batch, and moves a manual clock on to the next
    /// redelivery, until every message is handled or dead.
    pub async fn drain(&self) -> Drained {
        let mut drained = Drained::default();
        loop {
            while self.pump(&mut drained).await {}
            let Some(next) = self.queue.next_visible() else {
                drained.dead = self
                    .queue
                    .dead_letters()
                    .into_iter()
                    .map(|m| m.id)
                    .collect();
                self.announce_changes().await;
                return drained;
            };
            self.clock.sleep(self.clock.until(next)).await;
        }
    }

    /// Runs the function `reconcile` once.
    pub async fn reconcile(&self) -> Reconciled {
        self.reconcile_within(RECONCILE_TIMEOUT).await
    }

    /// Runs the function `reconcile` once, with another time-out than at AWS.
    pub async fn reconcile_within(&self, timeout: Duration) -> Reconciled {
        let deadline = Deadline::after(&self.clock, timeout);
        let done = self.run_reconcile(deadline).await;
        self.announce_changes().await;
        // It runs every minute, and so at least once between two runs of reconcile.
        self.sweep().await;
        done
    }

    /// Runs the function `reconcile` once, and nothing after it.
    pub async fn reconcile_alone(&self) -> Reconciled {
        self.run_reconcile(Deadline::after(&self.clock, RECONCILE_TIMEOUT))
            .await
    }

    async fn run_reconcile(&self, deadline: Deadline) -> Reconciled {
        ReconcileHandler::new(Arc::clone(self.gatekeeper(Function::Reconcile)))
            .handle(deadline)
            .await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
