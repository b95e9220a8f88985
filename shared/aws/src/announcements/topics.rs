//! Checks whether anybody is subscribed to the deployment's own topics.

use std::sync::Arc;

use gatekeeper_core::watch::Subscribed;

use super::AnnouncementsConfig;
use super::subscriptions::Subscriptions;
use crate::clients::Clients;
use crate::error::{Error, Step};

/// Checks the deployment's own topics.
#[derive(Debug)]
pub(super) struct Topics {
    subscriptions: Subscriptions,
    announcements: String,
    alarms: Option<String>,
    own_queues: Vec<String>,
}

/// What was found out, and the errors.
#[derive(Debug, Default)]
pub(super) struct Listened {
    pub(super) subscribed: Subscribed,
    pub(super) failures: Vec<Arc<Error>>,
}

impl Topics {
    pub(super) fn new(clients: &Clients, config: &AnnouncementsConfig) -> Self {
        Self {
            subscriptions: Subscriptions::new(clients.sns.clone(), Step::Observe),
            announcements: config.announcements_topic.clone(),
            alarms: config.alarms_topic.clone(),
            own_queues: config.slack_queue.iter().cloned().collect(),
        }
    }

    /// Whether topics are to be checked: only if the topic for alarms is known.
    pub(super) fn are_watched(&self) -> bool {
        self.alarms.is_some()
    }

    /// Whether each topic has a confirmed subscription besides the deployment's own.
    pub(super) async fn listen(&self) -> Listened {
        let Some(alarms) = &self.alarms else {
            return Listened::default();
        };
        let (announcements, alarms) = tokio::join!(
            self.subscriptions
                .is_subscribed(&self.announcements, &self.own_queues),
            self.subscriptions.is_subscribed(alarms, &self.own_queues),
        );
        let mut failures = Vec::new();
        let mut known = |looked: Result<bool, Arc<Error>>| {
            let looked = looked.map_err(|error| failures.push(error));
            looked.ok()
        };
        let subscribed = Subscribed {
            announcements: known(announcements),
            alarms: known(alarms),
        };
        Listened {
            subscribed,
            failures,
        }
    }
}
