//! Whether anybody listens to what is published.

use std::collections::HashMap;
use std::sync::Arc;

use gatekeeper_core::watch::Heard;

use super::AnnouncementsConfig;
use crate::clients::Clients;
use crate::error::{Error, Retryable, failed};

/// Looks at the deployment's own topics.
#[derive(Debug)]
pub(crate) struct Topics {
    client: aws_sdk_sns::Client,
    announcements: String,
    approvals: Option<String>,
    alarms: Option<String>,
}

/// What was found out, and what went wrong with the rest.
#[derive(Debug, Default)]
pub(crate) struct Listened {
    pub(crate) heard: Heard,
    pub(crate) failures: Vec<Arc<Error>>,
}

impl Topics {
    pub(crate) fn new(clients: &Clients, config: &AnnouncementsConfig) -> Self {
        let approvals = config.approvals.as_ref();
        Self {
            client: clients.sns.clone(),
            announcements: config.announcements_topic.clone(),
            approvals: approvals.map(|approvals| approvals.topic.clone()),
            alarms: config.alarms_topic.clone(),
        }
    }

    /// Whether topics are to be looked at: where the one for alarms is known.
    pub(crate) fn are_watched(&self) -> bool {
        self.alarms.is_some()
    }

    /// Whether each topic is heard. That of approvals need not be where nobody is asked by e-mail only.
    pub(crate) async fn listen(&self, asks_by_mail: Option<bool>) -> Listened {
        let mut listened = Listened::default();
        if !self.are_watched() {
            return listened;
        }
        let approvals = async {
            match asks_by_mail {
                Some(true) => self.is_heard(self.approvals.as_deref()).await,
                Some(false) => Ok(Some(true)),
                None => Ok(None),
            }
        };
        let (announcements, approvals, alarms) = tokio::join!(
            self.is_heard(Some(&self.announcements)),
            approvals,
            self.is_heard(self.alarms.as_deref()),
        );
        let mut known = |looked: Result<Option<bool>, Arc<Error>>| {
            looked.unwrap_or_else(|error| {
                listened.failures.push(error);
                None
            })
        };
        let heard = Heard {
            announcements: known(announcements),
            approvals: known(approvals),
            alarms: known(alarms),
        };
        Listened { heard, ..listened }
    }

    /// Whether a topic has a confirmed subscription; none if SNS does not say.
    async fn is_heard(&self, topic: Option<&str>) -> Result<Option<bool>, Arc<Error>> {
        let Some(topic) = topic else {
            return Ok(None);
        };
        let answer = self.client.get_topic_attributes().topic_arn(topic).send();
        let answer = answer
            .await
            .map_err(|error| failed("GetTopicAttributes", error, Retryable::WatchServices))?;
        Ok(answer.attributes().and_then(confirmed).map(|n| n > 0))
    }
}

/// How many subscriptions are confirmed.
fn confirmed(attributes: &HashMap<String, String>) -> Option<u64> {
    attributes.get("SubscriptionsConfirmed")?.parse().ok()
}
