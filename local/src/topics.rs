//! SNS topics, the event bus, and who subscribes to them.

use gatekeeper_aws::announcements::EventBus;
use gatekeeper_core::approver::ApproverId;
use gatekeeper_core::ids::InvalidId;
use local_aws::{AwsError, Events, NewRule, NewSubscription, Sns};

use crate::error::WorldError;
use crate::options::Options;
use crate::place::{
    ANNOUNCEMENTS_TOPIC, APPROVALS, CLOUD_TRAIL_RULE, EVENT_BUS, NOTIFICATIONS, PROVIDER, READER,
    REGION,
};
use crate::slack;

/// The topics' ARNs.
pub(crate) struct Topics {
    pub(crate) announcements: String,
    pub(crate) approvals: String,
    pub(crate) notifications: String,
    /// There if the subscriptions of topics are watched.
    pub(crate) alarms: Option<String>,
    /// There if announcements are put on an event bus, too.
    pub(crate) event_bus: Option<EventBus>,
}

impl Topics {
    /// Makes the topics, the bus and the rule for CloudTrail's events.
    pub(crate) fn make(options: &Options, sns: &Sns, events: &Events) -> Result<Self, WorldError> {
        let topic = |name| sns.put_topic(name).map_err(made("a topic"));
        let rule = NewRule::new(CLOUD_TRAIL_RULE, r#"{"source":["aws.ec2"]}"#);
        let _ = events.put_rule(rule);
        let announcements = topic(ANNOUNCEMENTS_TOPIC)?;
        let event_bus = match options.event_bus {
            true => {
                let bus = events.put_bus(EVENT_BUS);
                Some(event_bus_of(&bus, &announcements)?)
            }
            false => None,
        };
        let approvals = topic(APPROVALS)?;
        let notifications = topic(NOTIFICATIONS)?;
        let alarms = match options.watch_topics {
            true => Some(topic("alarms")?),
            false => None,
        };
        Ok(Self {
            announcements,
            approvals,
            notifications,
            alarms,
            event_bus,
        })
    }

    /// Subscribes a reader and the functions' queues.
    pub(crate) fn subscribe(&self, sns: &Sns, has_slack: bool) -> Result<(), WorldError> {
        let connections = format!("arn:aws:sqs:{REGION}:{PROVIDER}:connections");
        subscribe(
            sns,
            NewSubscription::new(&self.announcements, "email", READER),
        )?;
        subscribe(
            sns,
            NewSubscription::new(&self.notifications, "sqs", connections),
        )?;
        if has_slack {
            let queue = slack::queue_arn();
            subscribe(sns, NewSubscription::new(&self.announcements, "sqs", queue))?;
        }
        Ok(())
    }
}

/// Subscribes an approver to the messages for them, and to no others.
pub(crate) fn subscribe_approver(
    sns: &Sns,
    topic: &str,
    id: &ApproverId,
) -> Result<(), WorldError> {
    let filter = serde_json::json!({ "approver": [id] });
    let subscription = NewSubscription::new(topic, "email", id.as_str());
    subscribe(sns, subscription.filter_policy(filter.to_string()))
}

fn subscribe(sns: &Sns, subscription: NewSubscription) -> Result<(), WorldError> {
    sns.subscribe(subscription)
        .map(drop)
        .map_err(made("a subscription"))
}

fn event_bus_of(bus: &str, topic: &str) -> Result<EventBus, WorldError> {
    let invalid = |error: InvalidId| WorldError::Make("an event bus", error.to_string());
    Ok(EventBus {
        arn: bus.parse().map_err(invalid)?,
        home: topic.parse().map_err(invalid)?,
    })
}

fn made(what: &'static str) -> impl Fn(AwsError) -> WorldError {
    move |error| WorldError::Make(what, error.to_string())
}
