//! SQS, as far as a function that is fed by it can tell: batches, visibility, redelivery, dead letters.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatekeeper_aws::clock::Clock;
use jiff::Timestamp;
use serde_json::{Value, json};

/// A queue with its dead-letter queue.
#[derive(Debug)]
pub struct Queue {
    clock: Clock,
    visibility: Duration,
    max_receives: u32,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next_id: u64,
    messages: VecDeque<Message>,
    dead: Vec<Message>,
}

/// A message in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// SQS's `messageId`.
    pub id: String,
    /// What was sent.
    pub body: String,
    /// How often it was handed out.
    pub receives: u32,
    visible_at: Timestamp,
}

impl Queue {
    /// An empty queue. A message that was handed out and not deleted is handed out again after
    /// `visibility`, and goes to the dead letters when that has happened `max_receives` times.
    #[must_use]
    pub fn new(clock: Clock, visibility: Duration, max_receives: u32) -> Self {
        Self {
            clock,
            visibility,
            max_receives,
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message; answers its id.
    pub fn send(&self, body: impl Into<String>) -> String {
        let mut inner = self.inner();
        inner.next_id += 1;
        let id = format!("message-{}", inner.next_id);
        inner.messages.push_back(Message {
            id: id.clone(),
            body: body.into(),
            receives: 0,
            visible_at: self.clock.now(),
        });
        id
    }

    /// Hands out up to `max` visible messages, the oldest first.
    pub fn receive(&self, max: usize) -> Vec<Message> {
        let now = self.clock.now();
        let mut inner = self.inner();
        let again = now.checked_add(self.visibility).unwrap_or(Timestamp::MAX);
        let mut batch = Vec::new();
        let mut dead = Vec::new();
        let mut kept = VecDeque::with_capacity(inner.messages.len());
        for mut message in inner.messages.drain(..) {
            if batch.len() < max && message.visible_at <= now {
                if message.receives >= self.max_receives {
                    dead.push(message);
                    continue;
                }
                message.receives += 1;
                message.visible_at = again;
                batch.push(message.clone());
            }
            kept.push_back(message);
        }
        inner.messages = kept;
        inner.dead.extend(dead);
        batch
    }

    /// Deletes a message that was handled.
    pub fn delete(&self, id: &str) {
        self.inner().messages.retain(|message| message.id != id);
    }

    /// When the next message becomes visible; none if the queue is empty.
    #[must_use]
    pub fn next_visible(&self) -> Option<Timestamp> {
        self.inner()
            .messages
            .iter()
            .map(|message| message.visible_at)
            .min()
    }

    /// How many messages wait or are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner().messages.len()
    }

    /// Whether nothing waits and nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The dead letters.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<Message> {
        self.inner().dead.clone()
    }
}

/// A batch as Lambda hands it to a function.
#[must_use]
pub fn event(batch: &[Message]) -> Value {
    let records: Vec<Value> = batch
        .iter()
        .map(|message| {
            json!({
                "messageId": message.id,
                "receiptHandle": message.id,
                "body": message.body,
                "attributes": { "ApproximateReceiveCount": message.receives.to_string() },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:111122223333:connections",
                "awsRegion": "us-east-1",
            })
        })
        .collect();
    json!({ "Records": records })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_deleted_comes_again_and_then_goes_to_the_dead_letters() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let queue = Queue::new(clock.clone(), Duration::from_secs(30), 2);
        queue.send("a");
        queue.send("b");
        let batch = queue.receive(10);
        assert_eq!(batch.len(), 2);
        queue.delete(&batch[0].id);
        assert!(queue.receive(10).is_empty(), "b is not visible yet");
        clock.advance(Duration::from_secs(30));
        assert_eq!(queue.receive(10)[0].receives, 2);
        clock.advance(Duration::from_secs(30));
        assert!(queue.receive(10).is_empty());
        assert_eq!(queue.dead_letters()[0].body, "b");
        assert!(queue.is_empty());
    }
}
