//! What the function that sends needs to know.

use std::time::Duration;

use gatekeeper_core::reach::SETTLES;
use jiff::SignedDuration;

use crate::config::{Approvals, ConfigError, approvals};

/// Where what is told goes.
#[derive(Debug, Clone)]
pub struct AnnouncementsConfig {
    /// The allowlist table's name (`ALLOWLIST_TABLE`).
    pub allowlist_table: String,
    /// The requests table's name (`REQUESTS_TABLE`).
    pub requests_table: String,
    /// The topic for people and machines (`ANNOUNCEMENTS_TOPIC_ARN`).
    pub announcements_topic: String,
    /// How approvers are asked by e-mail (`APPROVALS_TOPIC_ARN`, `APPROVALS_URL`); none asks them nowhere
    /// but in Slack.
    pub approvals: Option<Approvals>,
    /// The topic of the deployment's own alarms (`ALARMS_TOPIC_ARN`). Where it is named, all topics are
    /// looked at, for whether anybody is subscribed.
    pub alarms_topic: Option<String>,
    /// The queue of the function `slack` (`SLACK_QUEUE_ARN`), where people are asked in Slack, too. It hears what is
    /// announced, and is no person.
    pub slack_queue: Option<String>,
    /// How long a new filter policy takes until it holds.
    pub filter_settles: SignedDuration,
    /// Time an invocation keeps back to answer in good order.
    pub margin: Duration,
}

impl AnnouncementsConfig {
    /// Reads the configuration.
    ///
    /// # Errors
    /// [`ConfigError`] with the variable's name, at once and not at the first event.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let required = |name: &'static str| set(name).ok_or(ConfigError::Missing(name));
        Ok(Self {
            allowlist_table: required("ALLOWLIST_TABLE")?,
            requests_table: required("REQUESTS_TABLE")?,
            announcements_topic: required("ANNOUNCEMENTS_TOPIC_ARN")?,
            approvals: approvals(&lookup)?,
            alarms_topic: set("ALARMS_TOPIC_ARN"),
            slack_queue: set("SLACK_QUEUE_ARN"),
            filter_settles: SETTLES,
            margin: Duration::from_secs(5),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &[(&str, &str)]) -> Result<AnnouncementsConfig, String> {
        let topic = "arn:aws:sns:eu-central-1:111122223333:announcements";
        let good = [
            ("ALLOWLIST_TABLE", "allowlist"),
            ("REQUESTS_TABLE", "requests"),
            ("ANNOUNCEMENTS_TOPIC_ARN", topic),
        ];
        let pairs: Vec<_> = good.iter().chain(more).copied().collect();
        let lookup = |name: &str| {
            let mut pairs = pairs.iter().rev();
            let found = pairs.find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        AnnouncementsConfig::from_lookup(lookup).map_err(|error| error.to_string())
    }

    #[test]
    fn links_need_a_topic_and_a_safe_address() {
        assert_eq!(read(&[]).unwrap().approvals, None);
        let topic = (
            "APPROVALS_TOPIC_ARN",
            "arn:aws:sns:eu-central-1:111122223333:approvals",
        );
        let error = read(&[topic]).unwrap_err();
        assert!(error.contains("APPROVALS_URL is not set"), "{error}");
        let error = read(&[topic, ("APPROVALS_URL", "http://example.com")]).unwrap_err();
        assert!(error.contains("does not begin with https://"), "{error}");
        let config = read(&[topic, ("APPROVALS_URL", "https://example.com/")]).unwrap();
        assert_eq!(config.approvals.unwrap().url, "https://example.com");
        assert_eq!(config.slack_queue, None);
        let queue = (
            "SLACK_QUEUE_ARN",
            "arn:aws:sqs:eu-central-1:111122223333:slack",
        );
        assert_eq!(
            read(&[queue]).unwrap().slack_queue.as_deref(),
            Some(queue.1)
        );
        let error = read(&[("REQUESTS_TABLE", "")]).unwrap_err();
        assert!(error.contains("REQUESTS_TABLE is not set"), "{error}");
    }
}
