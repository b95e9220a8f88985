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
    faults: Mutex<Option<(DeliveryFaults, fastrand::Rng)>>,
}

/// What may happen to a message between its sender and the queue: SNS and EventBridge promise
/// none of it away, and some of it is what they do. Each is a chance from 0 to 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeliveryFaults {
    /// It never arrives.
    pub drop: f64,
    /// It arrives twice.
    pub duplicate: f64,
    /// It arrives up to this much later.
    pub delay: Duration,
    /// It overtakes those that wait.
    pub reorder: f64,
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
            faults: Mutex::default(),
        }
    }

    /// Has messages that are sent from now on suffer; the same seed, the same sufferings.
    pub fn set_delivery_faults(&self, faults: DeliveryFaults, seed: u64) {
        let faults = Some((faults, fastrand::Rng::with_seed(seed)));
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a message; answers its id.
    pub fn send(&self, body: impl Into<String>) -> String {
        let now = self.clock.now();
        let mut inner = self.inner();
        inner.next_id += 1;
        let id = format!("message-{}", inner.next_id);
        let message = Message {
            id: id.clone(),
            body: body.into(),
            receives: 0,
            visible_at: now,
        };
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((faults, chance)) = faults.as_mut() else {
            inner.messages.push_back(message);
            return id;
        };
        let copies = if chance.f64() < faults.drop {
            0
        } else {
            1 + u32::from(chance.f64() < faults.duplicate)
        };
        for copy in 0..copies {
            let mut message = message.clone();
            if copy > 0 {
                // A message that its sender sent twice has two ids.
                message.id.push_str("-again");
            }
            let delay = faults.delay.mul_f64(chance.f64());
            message.visible_at = now.checked_add(delay).unwrap_or(now);
            if chance.f64() < faults.reorder {
                inner.messages.push_front(message);
            } else {
                inner.messages.push_back(message);
            }
        }
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

    /// When the next message becomes visible; `None` if the queue is empty.
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
    fn delivery_faults_are_the_same_for_the_same_seed() {
        let arrivals = |seed| {
            let queue = Queue::new(
                Clock::manual(Timestamp::UNIX_EPOCH),
                Duration::from_secs(1),
                5,
            );
            let faults = DeliveryFaults {
                drop: 0.3,
                duplicate: 0.3,
                delay: Duration::ZERO,
                reorder: 0.3,
            };
            queue.set_delivery_faults(faults, seed);
            for n in 0..50 {
                queue.send(n.to_string());
            }
            let bodies = queue.receive(100).into_iter().map(|message| message.body);
            bodies.collect::<Vec<_>>()
        };
        assert_eq!(arrivals(1), arrivals(1));
        assert_ne!(arrivals(1), arrivals(2));
        let sent: Vec<String> = (0..50).map(|n| n.to_string()).collect();
        assert_ne!(arrivals(1), sent);
    }

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
