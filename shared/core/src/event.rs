//! Announcements as events on an EventBridge bus: the same documents as on the topic, each in an
//! envelope that rules can match.
//!
//! The bus may be the default one, where the deployment's own rules listen: no [`DetailType`] is
//! one of theirs, because our own events would come back as hints otherwise.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use crate::alarm::Alarm;
use crate::announcement::Announcement;
use crate::ids::{AccountId, InvalidId, Region, id};
use crate::outbox::OutboxItem;
use crate::reach::ReachAlarm;

/// The `source` of all of them.
pub const SOURCE: &str = "privatelink.gatekeeper";

/// How long we offer events to a bus that takes none: as long as EventBridge itself tries a target.
pub const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// An event's `detail-type`: one for each kind of document, so that each has one schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DetailType {
    ConnectionAnnouncement,
    ServiceAlarm,
    /// About who gets approval e-mail.
    ReachAlarm,
}

impl DetailType {
    pub const ALL: [Self; 3] = [
        Self::ConnectionAnnouncement,
        Self::ServiceAlarm,
        Self::ReachAlarm,
    ];

    /// The text that rules match.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionAnnouncement => "Connection Announcement",
            Self::ServiceAlarm => "Service Alarm",
            Self::ReachAlarm => "Reach Alarm",
        }
    }
}

id!(
    /// An event bus.
    BusArn,
    is_bus,
    "the ARN of an event bus: arn:aws:events:REGION:ACCOUNT:event-bus/NAME"
);

impl BusArn {
    /// Whether it is in this Region: EventBridge takes events only for its own.
    #[must_use]
    pub fn is_in(&self, region: &Region) -> bool {
        self.as_str().split(':').nth(3) == Some(region.as_str())
    }
}

fn is_bus(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let [arn, partition, service, region, account, bus] = parts.as_slice() else {
        return false;
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    *arn == "arn"
        && is_partition(partition)
        && *service == "events"
        && region.parse::<Region>().is_ok()
        && account.parse::<AccountId>().is_ok()
        && bus
            .strip_prefix("event-bus/")
            .is_some_and(|name| (1..=256).contains(&name.len()) && name.chars().all(allowed))
}

fn is_partition(text: &str) -> bool {
    let rest = text.strip_prefix("aws");
    rest.is_some_and(|rest| rest.chars().all(|c| c == '-' || c.is_ascii_lowercase()))
}

/// The account and Region of the deployment and its services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    partition: String,
    region: Region,
    account: AccountId,
}

impl FromStr for Home {
    type Err = InvalidId;

    /// Reads it from the ARN of anything in the deployment.
    fn from_str(arn: &str) -> Result<Self, InvalidId> {
        let mut parts = arn.split(':');
        let mut next = || parts.next().unwrap_or_default();
        let (head, partition, _, region, account) = (next(), next(), next(), next(), next());
        if head != "arn" || !is_partition(partition) {
            return Err(InvalidId::new(arn, "an ARN"));
        }
        Ok(Self {
            partition: partition.to_owned(),
            region: region.parse()?,
            account: account.parse()?,
        })
    }
}

impl Home {
    fn service(&self, id: impl fmt::Display) -> String {
        let Self {
            partition,
            region,
            account,
        } = self;
        format!("arn:{partition}:ec2:{region}:{account}:vpc-endpoint-service/{id}")
    }

    /// The ARN of the consumer's endpoint, in their account and Region.
    fn endpoint(&self, announcement: &Announcement) -> String {
        format!(
            "arn:{}:ec2:{}:{}:vpc-endpoint/{}",
            self.partition, announcement.region, announcement.account_id, announcement.endpoint_id
        )
    }
}

/// An event, ready to be put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The document's id: the same for every copy.
    pub id: String,
    /// When the announced thing happened.
    pub at: Timestamp,
    /// The kind of its document.
    pub detail_type: DetailType,
    /// The ARNs of what it is about.
    pub resources: Vec<String>,
    /// The document, as machines get it on the topic.
    pub detail: String,
}

impl Event {
    fn of_announcement(
        announcement: &Announcement,
        home: &Home,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            id: announcement.id.clone(),
            at: announcement.at,
            detail_type: DetailType::ConnectionAnnouncement,
            resources: vec![
                home.service(&announcement.service_id),
                home.endpoint(announcement),
            ],
            detail: serde_json::to_string(announcement)?,
        })
    }

    fn of_alarm(alarm: &Alarm, home: &Home) -> Result<Self, serde_json::Error> {
        Ok(Self {
            id: alarm.id.clone(),
            at: alarm.at,
            detail_type: DetailType::ServiceAlarm,
            resources: vec![home.service(&alarm.service_id)],
            detail: serde_json::to_string(alarm)?,
        })
    }

    fn of_reach(alarm: &ReachAlarm) -> Result<Self, serde_json::Error> {
        let subscription = alarm.finding.subscription().into_iter();
        Ok(Self {
            id: alarm.id.clone(),
            at: alarm.at,
            detail_type: DetailType::ReachAlarm,
            resources: subscription.map(|it| it.arn.clone()).collect(),
            detail: serde_json::to_string(alarm)?,
        })
    }

    /// Its size by EventBridge's count for one call.
    /// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevent-size>
    #[must_use]
    pub fn size(&self) -> usize {
        const TIME: usize = 14;
        let resources: usize = self.resources.iter().map(String::len).sum();
        TIME + SOURCE.len() + self.detail_type.as_str().len() + self.detail.len() + resources
    }
}

impl OutboxItem {
    /// Sets whether there is a bus. If the bus was removed, messages no longer wait for it.
    pub fn with_bus(&mut self, is_there: bool) {
        let before = self.delivery.bus.take();
        self.delivery.bus = is_there.then(|| before.unwrap_or_default());
    }

    /// The announcements that are not on the bus yet; `None` if there is no bus. An approver's e-mail
    /// is for them alone and is never among these.
    ///
    /// # Errors
    /// If a document cannot be encoded, which only a bug can cause.
    pub fn events_due(&self, home: &Home) -> Result<Vec<Event>, serde_json::Error> {
        let Some(bus) = &self.delivery.bus else {
            return Ok(Vec::new());
        };
        let announcements = self.announcements.iter();
        let announcements =
            announcements.map(|announcement| Event::of_announcement(announcement, home));
        let finding = self.finding.iter().map(|it| Event::of_alarm(it, home));
        let reach = self.reach.iter().map(Event::of_reach);
        announcements
            .chain(finding)
            .chain(reach)
            .filter(|event| {
                event
                    .as_ref()
                    .map_or(true, |event| !bus.is_settled(&event.id))
            })
            .collect()
    }

    /// Whether an event is still to be put on the bus.
    #[must_use]
    pub fn is_event_left(&self) -> bool {
        let bus = self.delivery.bus.as_ref();
        bus.is_some_and(|bus| !self.message_ids().all(|id| bus.is_settled(id)))
    }

    /// Gives up events that the bus did not take for a day, so that they do not pile up. Answers
    /// whether it gave up.
    pub fn give_up_on_bus(&mut self, why: &str, now: Timestamp) -> bool {
        let is_over = now.duration_since(self.at) >= GIVE_UP_AFTER;
        if !is_over || !self.is_event_left() {
            return false;
        }
        let ids: Vec<String> = self.message_ids().cloned().collect();
        if let Some(bus) = &mut self.delivery.bus {
            for id in ids {
                if !bus.is_settled(&id) {
                    bus.refused.insert(id, why.to_owned());
                }
            }
        }
        true
    }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
