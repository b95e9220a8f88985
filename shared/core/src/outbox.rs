//! The messages of one write, and how far they are sent.
//!
//! The item holds facts. They are put into words when they are sent, so that a link's life counts
//! from then. The item records for itself which message is on the topic and which approver has
//! their e-mail: if one of these fails, it does not hold up the others, and is sent again alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::alarm::Alarm;
use crate::announcement::{Announcement, AnnouncementKind, note};
use crate::approver::ApproverId;
use crate::message::Message;
use crate::messages::Messages;
use crate::reach::ReachAlarm;
use crate::request::Request;

/// An item that is older than this was left behind by an invocation that failed.
pub const LEFT_BEHIND_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// One of the parts that the outbox is spread over, so that no single key takes all writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(u8);

/// The key of an item in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutboxKey {
    pub partition: Partition,
    pub id: String,
}

/// The messages of one write, while they are being sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxItem {
    /// Unique among all items.
    pub id: String,
    /// The subject: an endpoint, or a finding by its service and name. It determines the partition.
    pub about: String,
    /// When it was written.
    pub at: Timestamp,
    /// The announcements of a request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub announcements: Vec<Announcement>,
    /// The announcement of a finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Alarm>,
    /// The announcement about who gets approval e-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reach: Option<ReachAlarm>,
    /// The approval e-mails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_emails: Option<ApprovalEmails>,
    /// What of it is sent.
    #[serde(default)]
    pub delivery: Delivery,
}

/// Approvers who are to be notified of a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalEmails {
    /// The review as it was when the item was written.
    pub review: Announcement,
    pub approvers: BTreeSet<ApproverId>,
}

/// What of an item is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Delivery {
    /// How often this was written. The next write requires this number.
    #[serde(default)]
    pub revision: u64,
    /// The ids of the messages that are on the topic.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub published: BTreeSet<String>,
    /// Whether its e-mail is held, and its review's deadline with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// The messages that SNS refused for good, by their ids, with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, String>,
    /// The same for the event bus; `None` if there is no bus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus: Option<OnBus>,
    /// The state of each approver's e-mail. An approver without one is due.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub emails: BTreeMap<ApproverId, EmailState>,
}

/// The state of one approver's e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailState {
    Sent,
    /// It is not sent before this time.
    NotBefore(Timestamp),
    /// It need not be sent any more.
    Dropped,
    /// SNS refused it for good.
    Refused,
}

impl EmailState {
    /// Whether this state is final.
    fn is_over(self) -> bool {
        !matches!(self, Self::NotBefore(_))
    }
}

/// One message of an item, by recipient.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// For everybody: the message's id.
    Everybody(String),
    /// The same on the event bus.
    OnBus(String),
    Approver(ApproverId),
}

impl Partition {
    const COUNT: u8 = 16;

    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }

    /// The partition for a subject. It must be the same in every version, or existing items would
    /// not be found.
    #[must_use]
    pub fn of(about: &str) -> Self {
        // FNV-1a. Endpoint ids are random, but not those of tests.
        let hash = about.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mixed = hash ^ (hash >> 32);
        let last = u8::try_from((mixed ^ (mixed >> 16)) & 0xf);
        Self(last.unwrap_or_default())
    }
}

/// The names of the partitions begin with this.
const OUTBOX: &str = "outbox#";

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OUTBOX}{:x}", self.0)
    }
}

/// A text that names no partition of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("that is no partition of the outbox")]
pub struct InvalidPartition;

impl FromStr for Partition {
    type Err = InvalidPartition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::all()
            .find(|partition| partition.to_string() == text)
            .ok_or(InvalidPartition)
    }
}

impl OutboxItem {
    /// The item for a change's messages; `None` if there are none.
    #[must_use]
    pub fn of_change(after: &Request, messages: &Messages, at: Timestamp) -> Option<Self> {
        if messages.is_empty() {
            return None;
        }
        let asks = messages
            .ask
            .as_ref()
            .filter(|ask| !ask.approvers.is_empty());
        Some(Self {
            id: format!(
                "{}#{:08}.{}",
                after.endpoint_id, after.version, after.revision
            ),
            about: after.endpoint_id.to_string(),
            at,
            announcements: messages.announcements.clone(),
            finding: None,
            reach: None,
            approval_emails: asks.map(|ask| ApprovalEmails {
                review: note(after, ask.kind, at),
                approvers: ask.approvers.clone(),
            }),
            delivery: Delivery::default(),
        })
    }

    /// The item for a finding.
    #[must_use]
    pub fn of_finding(alarm: Alarm) -> Self {
        Self {
            id: alarm.id.clone(),
            about: format!("{}#{}", alarm.service_id, alarm.finding.as_str()),
            at: alarm.at,
            announcements: Vec::new(),
            finding: Some(alarm),
            reach: None,
            approval_emails: None,
            delivery: Delivery::default(),
        }
    }

    /// The item for an announcement about who gets approval e-mail.
    #[must_use]
    pub fn of_reach(alarm: ReachAlarm) -> Self {
        Self {
            id: alarm.id.clone(),
            about: alarm.finding.key(),
            at: alarm.at,
            announcements: Vec::new(),
            finding: None,
            reach: Some(alarm),
            approval_emails: None,
            delivery: Delivery::default(),
        }
    }

    /// The item for an open review and an approver whom no e-mail reached before.
    #[must_use]
    pub fn of_review(review: &Request, approver: &ApproverId, at: Timestamp) -> Self {
        Self {
            id: format!(
                "{}#{:08}.{}@{approver}",
                review.endpoint_id, review.version, review.revision
            ),
            about: review.endpoint_id.to_string(),
            at,
            announcements: Vec::new(),
            finding: None,
            reach: None,
            approval_emails: Some(ApprovalEmails {
                review: note(review, AnnouncementKind::ReviewOpened, at),
                approvers: [approver.clone()].into(),
            }),
            delivery: Delivery::default(),
        }
    }

    #[must_use]
    pub fn key(&self) -> OutboxKey {
        OutboxKey {
            partition: Partition::of(&self.about),
            id: self.id.clone(),
        }
    }

    /// The announcements that are not on the topic yet.
    ///
    /// # Errors
    /// If a document cannot be encoded, which only a bug can cause.
    pub fn announcements_due(&self) -> Result<Vec<Message>, serde_json::Error> {
        let announcements = self.announcements.iter().map(Announcement::message);
        let finding = self.finding.iter().map(Alarm::message);
        let reach = self.reach.iter().map(ReachAlarm::message);
        let is_due = |message: &Message| !self.is_settled(&message.id);
        announcements
            .chain(finding)
            .chain(reach)
            .filter(|message| message.as_ref().map_or(true, is_due))
            .collect()
    }

    /// The approvers whose e-mail is due and not sent yet.
    pub fn emails_due(&self, now: Timestamp) -> impl Iterator<Item = &ApproverId> {
        let emails = self.approval_emails.iter();
        let approvers = emails.flat_map(|emails| &emails.approvers);
        approvers.filter(move |approver| match self.delivery.emails.get(approver) {
            None => true,
            Some(EmailState::NotBefore(then)) => *then <= now,
            Some(_) => false,
        })
    }

    /// Whether an announcement needs no more attempts.
    fn is_settled(&self, id: &str) -> bool {
        let delivery = &self.delivery;
        delivery.published.contains(id) || delivery.refused.contains_key(id)
    }

    /// Whether an approver's e-mail is to be sent later.
    #[must_use]
    pub fn has_to_wait(&self, approver: &ApproverId) -> bool {
        let state = self.delivery.emails.get(approver);
        matches!(state, Some(EmailState::NotBefore(_)))
    }

    /// Notes that a part was sent.
    pub fn sent(&mut self, part: Part) {
        match part {
            Part::Everybody(id) => _ = self.delivery.published.insert(id),
            Part::OnBus(id) => _ = self.delivery.bus.get_or_insert_default().put.insert(id),
            Part::Approver(approver) => self.note_email(approver, EmailState::Sent),
        }
    }

    /// Notes that SNS, or the event bus, refused a part for good, and why.
    pub fn refused(&mut self, part: Part, id: String, why: String) {
        if matches!(part, Part::OnBus(_)) {
            let bus = self.delivery.bus.get_or_insert_default();
            bus.refused.insert(id, why);
            return;
        }
        self.delivery.refused.insert(id, why);
        if let Part::Approver(approver) = part {
            self.note_email(approver, EmailState::Refused);
        }
    }

    /// Notes the state of an approver's e-mail.
    pub fn note_email(&mut self, approver: ApproverId, state: EmailState) {
        let emails = &mut self.delivery.emails;
        // A final state stays, even if another instance reports later.
        let before = emails.get(&approver);
        if before.is_none_or(|before| !before.is_over()) {
            emails.insert(approver, state);
        }
    }

    /// Merges another instance's record of the same item.
    pub fn and(mut self, other: &OutboxItem) -> Self {
        self.delivery.revision = self.delivery.revision.max(other.delivery.revision);
        let published = other.delivery.published.iter().cloned();
        self.delivery.published.extend(published);
        self.delivery.held |= other.delivery.held;
        let refused = other.delivery.refused.clone();
        self.delivery.refused.extend(refused);
        if let Some(bus) = &other.delivery.bus {
            self.delivery.bus = Some(self.delivery.bus.unwrap_or_default().and(bus));
        }
        for (approver, state) in &other.delivery.emails {
            match state {
                EmailState::NotBefore(_) if self.delivery.emails.contains_key(approver) => {}
                state => _ = self.delivery.emails.insert(approver.clone(), *state),
            }
        }
        self
    }

    /// Whether nothing of it is left to be sent, now or later.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let delivery = &self.delivery;
        let is_over = |approver: &ApproverId| {
            let state = delivery.emails.get(approver);
            state.is_some_and(|state| state.is_over())
        };
        let emails = self.approval_emails.iter();
        self.message_ids().all(|id| self.is_settled(id))
            && !self.is_event_left()
            && emails.flat_map(|emails| &emails.approvers).all(is_over)
    }

    /// The ids of its announcements.
    pub(crate) fn message_ids(&self) -> impl Iterator<Item = &String> {
        let announcements = self.announcements.iter();
        announcements
            .map(|announcement| &announcement.id)
            .chain(self.finding.iter().map(|alarm| &alarm.id))
            .chain(self.reach.iter().map(|alarm| &alarm.id))
    }

    /// Whether a part was refused, so that people have to look at it.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.all_refused().next().is_some()
    }

    /// The refused messages: by whom, the id, and the reason.
    pub fn all_refused(&self) -> impl Iterator<Item = (&'static str, &String, &String)> {
        let by_sns = self.delivery.refused.iter();
        let by_bus = self.delivery.bus.iter().flat_map(|bus| &bus.refused);
        let by_sns = by_sns.map(|(id, why)| ("SNS", id, why));
        by_sns.chain(by_bus.map(|(id, why)| ("the event bus", id, why)))
    }

    /// Whether the schedule has to send it: a part that waited is due, or an invocation failed.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        let mut states = self.delivery.emails.values();
        let waited =
            |state: &EmailState| matches!(state, EmailState::NotBefore(then) if *then <= now);
        self.is_left_behind(now) || states.any(waited)
    }

    fn is_left_behind(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) >= LEFT_BEHIND_AFTER
    }
}

/// What became of an item on the bus, by its messages' ids.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OnBus {
    /// These are there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub put: BTreeSet<String>,
    /// These the bus refused for good, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, String>,
}

impl OnBus {
    /// Whether nothing becomes of it there any more.
    #[must_use]
    pub fn is_settled(&self, id: &str) -> bool {
        self.put.contains(id) || self.refused.contains_key(id)
    }

    /// Takes over what another instance wrote down.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.put.extend(other.put.iter().cloned());
        let refused = other.refused.clone();
        self.refused.extend(refused);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{at, request};
    use crate::request::Status;
    use crate::watch::Finding;

    fn approvers(names: &[&str]) -> BTreeSet<ApproverId> {
        let id = |name: &&str| format!("{name}@example.com").parse().unwrap();
        names.iter().map(id).collect()
    }

    fn item(names: &[&str]) -> OutboxItem {
        let review = request(Status::InReview);
        let messages = Messages::of_note(&review, AnnouncementKind::ReviewOpened, at(0))
            .and_note(&review, AnnouncementKind::QuorumOutOfReach, at(0))
            .and_ask(AnnouncementKind::ReviewOpened, approvers(names));
        OutboxItem::of_change(&review, &messages, at(0)).unwrap()
    }

    fn id(name: &str) -> ApproverId {
        format!("{name}@example.com").parse().unwrap()
    }

    #[test]
    fn a_change_without_messages_leaves_no_item() {
        let review = request(Status::InReview);
        let nobody = Messages::default().and_ask(AnnouncementKind::ReviewOpened, BTreeSet::new());
        assert!(nobody.is_empty());
        assert_eq!(OutboxItem::of_change(&review, &nobody, at(0)), None);
    }

    #[test]
    fn each_part_is_sent_once_and_the_rest_is_known() {
        let mut item = item(&["alice", "bob"]);
        let due = |item: &OutboxItem| {
            let announcements = item.announcements_due().unwrap().len();
            (announcements, item.emails_due(at(1)).count())
        };
        assert_eq!((due(&item), item.is_done()), ((2, 2), false));
        let first = item.announcements_due().unwrap().remove(0);
        item.sent(Part::Everybody(first.id));
        item.sent(Part::Approver(id("bob")));
        assert_eq!((due(&item), item.is_done()), ((1, 1), false));
        let second = item.announcements_due().unwrap().remove(0);
        item.sent(Part::Everybody(second.id));
        item.note_email(id("alice"), EmailState::NotBefore(at(60)));
        assert_eq!((due(&item), item.is_done()), ((0, 0), false));
        assert!(!item.is_due(at(59)) && item.is_due(at(60)));
        assert_eq!(item.emails_due(at(60)).collect::<Vec<_>>(), [&id("alice")]);
        item.note_email(id("alice"), EmailState::Dropped);
        assert!(item.is_done());
        item.note_email(id("alice"), EmailState::NotBefore(at(90)));
        assert!(item.is_done(), "what is over stays over");
    }

    #[test]
    fn an_item_left_behind_is_due_after_five_minutes() {
        let item = item(&[]);
        assert!(!item.is_due(at(299)) && item.is_due(at(300)));
    }

    #[test]
    fn the_records_of_two_instances_are_merged() {
        let (mut one, mut other) = (item(&["alice", "bob"]), item(&["alice", "bob"]));
        one.sent(Part::Approver(id("alice")));
        other.note_email(id("alice"), EmailState::NotBefore(at(60)));
        other.sent(Part::Approver(id("bob")));
        other.delivery.revision = 3;
        let both = one.and(&other);
        assert_eq!(both.emails_due(at(100)).count(), 0);
        assert_eq!(both.delivery.revision, 3);
    }

    #[test]
    fn a_reach_alarm_is_announced_and_an_open_review_is_sent_to_one_approver() {
        use crate::reach::{ReachAlarm, ReachFinding};
        let approver = id("bob");
        let finding = ReachFinding::ApproverNotReached { approver };
        let alarm = ReachAlarm::new(finding, crate::alarm::AlarmKind::AlarmStarted, at(0));
        let mut announcement = OutboxItem::of_reach(alarm.clone());
        assert_eq!(announcement.about, "approver_not_reached#bob@example.com");
        assert_eq!(announcement.announcements_due().unwrap()[0].id, alarm.id);
        assert!(!announcement.is_done());
        announcement.sent(Part::Everybody(alarm.id));
        assert!(announcement.is_done());

        let asked = OutboxItem::of_review(&request(Status::InReview), &id("bob"), at(0));
        assert_eq!(asked.emails_due(at(0)).collect::<Vec<_>>(), [&id("bob")]);
        assert!(asked.announcements_due().unwrap().is_empty());
        let same = OutboxItem::of_review(&request(Status::InReview), &id("bob"), at(9));
        assert_eq!(same.key(), asked.key(), "found out twice, it is sent once");
        let other = OutboxItem::of_review(&request(Status::InReview), &id("eve"), at(0));
        assert_ne!(other.key(), asked.key());
    }

    #[test]
    fn the_outbox_is_spread_and_a_partition_is_found_again() {
        let mut partitions = BTreeSet::new();
        for n in 0..200 {
            let partition = Partition::of(&format!("vpce-{n:017x}"));
            assert_eq!(partition.to_string().parse(), Ok(partition));
            partitions.insert(partition);
        }
        assert_eq!(partitions.len(), 16);
        // A deployed version's items must be found by the next version.
        let place = |about| Partition::of(about).to_string();
        assert_eq!(place("vpce-0123456789abcdef0"), PLACE);
        assert!("outbox#g".parse::<Partition>().is_err());
        assert!("outbox#00".parse::<Partition>().is_err());
        assert!("state".parse::<Partition>().is_err());
        let service = "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap();
        let alarm = Alarm::new(
            &service,
            Finding::AnyoneMayAsk,
            crate::alarm::AlarmKind::AlarmStarted,
            at(0),
        );
        let item = OutboxItem::of_finding(alarm);
        assert_eq!(item.about, format!("{service}#anyone_may_ask"));
        assert_eq!(item.announcements_due().unwrap().len(), 1);
    }

    const PLACE: &str = "outbox#b";
}
