//! What EC2, SNS and EventBridge send, on its way to the queue.

use std::sync::{Arc, Mutex, PoisonError};

use local_aws::{ConnectionNotification, Delivery, Ec2, Message as SnsMessage, Sns};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::in_process::Transport;
use crate::queue::Queue;
use crate::slack::Workspace;

/// Connects EC2 to SNS, and SNS and EventBridge to the queue.
pub(crate) struct Wiring {
    sns: Sns,
    queue: Arc<Queue>,
    /// Only in a world that is reached in process: elsewhere, tasks carry the messages.
    pipes: Option<Mutex<Pipes>>,
}

struct Pipes {
    notifications: mpsc::UnboundedReceiver<ConnectionNotification>,
    deliveries: mpsc::UnboundedReceiver<Delivery>,
    events: mpsc::UnboundedReceiver<Value>,
}

impl Pipes {
    fn of(ec2: &Ec2, sns: &Sns) -> Self {
        let (sink, notifications) = mpsc::unbounded_channel();
        ec2.set_notification_sink(sink);
        let (sink, deliveries) = mpsc::unbounded_channel();
        sns.set_delivery_sink(sink);
        let (sink, events) = mpsc::unbounded_channel();
        ec2.set_event_sink(sink);
        Self {
            notifications,
            deliveries,
            events,
        }
    }

    /// Carries everything in tasks of its own.
    fn spawn(mut self, sns: Sns, queue: Arc<Queue>, slack: Option<Arc<Workspace>>) {
        tokio::spawn(async move {
            while let Some(notification) = self.notifications.recv().await {
                publish(&sns, notification);
            }
        });
        let to = Arc::clone(&queue);
        tokio::spawn(async move {
            while let Some(delivery) = self.deliveries.recv().await {
                if !slack.as_ref().is_some_and(|slack| slack.take(&delivery)) {
                    enqueue(&to, &delivery);
                }
            }
        });
        tokio::spawn(async move {
            while let Some(event) = self.events.recv().await {
                queue.send(event.to_string());
            }
        });
    }
}

impl Wiring {
    pub(crate) fn connect(
        transport: &Transport,
        ec2: &Ec2,
        sns: &Sns,
        queue: &Arc<Queue>,
        slack: Option<Arc<Workspace>>,
    ) -> Self {
        let pipes = Pipes::of(ec2, sns);
        let pipes = match transport {
            // The runtime decides when a task runs; a simulation decides that itself.
            Transport::InProcess(_) => Some(Mutex::new(pipes)),
            Transport::Loopback => {
                pipes.spawn(sns.clone(), Arc::clone(queue), slack);
                None
            }
        };
        Self {
            sns: sns.clone(),
            queue: Arc::clone(queue),
            pipes,
        }
    }

    /// In a world that is reached in process: brings to the queue what was sent since the last call.
    pub(crate) fn deliver(&self) {
        let Some(pipes) = &self.pipes else {
            return;
        };
        let mut pipes = pipes.lock().unwrap_or_else(PoisonError::into_inner);
        while let Ok(notification) = pipes.notifications.try_recv() {
            publish(&self.sns, notification);
        }
        while let Ok(delivery) = pipes.deliveries.try_recv() {
            enqueue(&self.queue, &delivery);
        }
        while let Ok(event) = pipes.events.try_recv() {
            self.queue.send(event.to_string());
        }
    }
}

/// A topic that is not there loses the message, as at AWS.
fn publish(sns: &Sns, notification: ConnectionNotification) {
    let message = SnsMessage::new(notification.body);
    let _ = sns.publish(&notification.topic_arn, &message);
}

fn enqueue(queue: &Queue, delivery: &Delivery) {
    if delivery.protocol == "sqs" {
        queue.send(delivery.envelope().to_string());
    }
}
