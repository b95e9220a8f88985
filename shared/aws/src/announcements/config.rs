//! The configuration of the function that sends messages.

use std::time::Duration;

use gatekeeper_core::event::{BusArn, Home};
use gatekeeper_core::ids::{InvalidId, Region};
use gatekeeper_core::reach::SETTLES;
use jiff::SignedDuration;

use crate::config::{Approvals, ConfigError, approvals};

/// Where messages are sent.
#[derive(Debug, Clone)]
pub struct AnnouncementsConfig {
    /// The allowlist table's name (`ALLOWLIST_TABLE`).
    pub allowlist_table: String,
    /// The requests table's name (`REQUESTS_TABLE`).
    pub requests_table: String,
    /// The topic for people and machines (`ANNOUNCEMENTS_TOPIC_ARN`).
    pub announcements_topic: String,
    /// The topic and URL of approval e-mails (`APPROVALS_TOPIC_ARN`, `APPROVALS_URL`). With `None`,
    /// approvers are notified in Slack only.
    pub approvals: Option<Approvals>,
    /// The topic of the deployment's own alarms (`ALARMS_TOPIC_ARN`). If it is named, all topics
    /// are checked for subscribers.
    pub alarms_topic: Option<String>,
    /// The queue of the function `slack` (`SLACK_QUEUE_ARN`), which shows reviews in Slack. It is
    /// subscribed to the announcements, but does not count as a person.
    pub slack_queue: Option<String>,
    /// The EventBridge bus on which all announcements are put (`EVENT_BUS_ARN`), if any.
    pub event_bus: Option<EventBus>,
    /// How long a new filter policy takes until it is in effect.
    pub filter_settles: SignedDuration,
    /// The time that an invocation keeps back to answer in good order.
    pub margin: Duration,
}

/// An EventBridge bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBus {
    pub arn: BusArn,
    /// The account and Region of the deployment, which its events name. They are taken from the ARN
    /// of the topic for announcements.
    pub home: Home,
}

impl AnnouncementsConfig {
    /// Reads the configuration.
    ///
    /// # Errors
    /// [`ConfigError`] with the variable's name, at the start and not at the first event.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let required = |name: &'static str| set(name).ok_or(ConfigError::Missing(name));
        let announcements_topic = required("ANNOUNCEMENTS_TOPIC_ARN")?;
        let event_bus = match set("EVENT_BUS_ARN") {
            None => None,
            Some(bus) => Some(event_bus(
                &bus,
                &required("AWS_REGION")?,
                &announcements_topic,
            )?),
        };
        Ok(Self {
            allowlist_table: required("ALLOWLIST_TABLE")?,
            requests_table: required("REQUESTS_TABLE")?,
            announcements_topic,
            approvals: approvals(&lookup)?,
            alarms_topic: set("ALARMS_TOPIC_ARN"),
            slack_queue: set("SLACK_QUEUE_ARN"),
            event_bus,
            filter_settles: SETTLES,
            margin: Duration::from_secs(5),
        })
    }
}

fn event_bus(bus: &str, region: &str, topic: &str) -> Result<EventBus, ConfigError> {
    let wrong = |name, detail: String| ConfigError::Invalid { name, detail };
    let arn: BusArn = bus
        .parse()
        .map_err(|error: InvalidId| wrong("EVENT_BUS_ARN", error.to_string()))?;
    let region: Region = region
        .parse()
        .map_err(|error: InvalidId| wrong("AWS_REGION", error.to_string()))?;
    if !arn.is_in(&region) {
        let detail = format!(
            "{arn} is in another Region, and EventBridge takes events for {region} here; give a bus of \
             {region}, and have a rule there send on what others want"
        );
        return Err(wrong("EVENT_BUS_ARN", detail));
    }
    let home = topic
        .parse()
        .map_err(|error: InvalidId| wrong("ANNOUNCEMENTS_TOPIC_ARN", error.to_string()))?;
    Ok(EventBus { arn, home })
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

    #[test]
    fn a_bus_that_takes_no_events_of_ours_is_refused_at_the_start() {
        let region = ("AWS_REGION", "eu-central-1");
        let bus = |arn| read(&[region, ("EVENT_BUS_ARN", arn)]);
        assert_eq!(bus("").unwrap().event_bus, None, "off by default");
        let here = "arn:aws:events:eu-central-1:444455556666:event-bus/security";
        let read_here = bus(here).unwrap().event_bus.unwrap();
        assert_eq!(read_here.arn.as_str(), here, "of any account");
        let error = bus("security").unwrap_err();
        assert!(
            error.contains("EVENT_BUS_ARN") && error.contains("\"security\" is not the ARN"),
            "{error}"
        );
        let error = bus("arn:aws:events:eu-west-1:444455556666:event-bus/security").unwrap_err();
        assert!(
            error.contains("EVENT_BUS_ARN") && error.contains("give a bus of eu-central-1"),
            "{error}"
        );
        let error = read(&[("EVENT_BUS_ARN", here)]).unwrap_err();
        assert!(error.contains("AWS_REGION is not set"), "{error}");
        let topic = ("ANNOUNCEMENTS_TOPIC_ARN", "announcements");
        let error = read(&[region, topic, ("EVENT_BUS_ARN", here)]).unwrap_err();
        assert!(error.contains("ANNOUNCEMENTS_TOPIC_ARN"), "{error}");
    }
}
