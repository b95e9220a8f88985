//! What people and machines are told of a service: when something is wrong with it, and when it is
//! well again.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::acknowledgement::{Acknowledged, Details, Past, item_to_write};
use crate::attachment::{self, Tally};
use crate::chat::Notification;
use crate::evidence::Evidence;
use crate::ids::ServiceId;
use crate::message::{Audience, Message};
use crate::watch::Finding;

/// The name and version of the document that machines get.
pub const SCHEMA: &str = "privatelink-gatekeeper/alarm/1";

/// Whether a finding begins or ends, or its acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// It was found, or there is other evidence for it than was told.
    AlarmStarted,
    /// It is found no longer.
    AlarmEnded,
    /// Somebody acknowledged it.
    AlarmAcknowledged,
    /// It is acknowledged no longer.
    AcknowledgementEnded,
}

impl AlarmKind {
    /// The kind as it stands in messages and in the attribute that filter policies use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AlarmStarted => "alarm_started",
            Self::AlarmEnded => "alarm_ended",
            Self::AlarmAcknowledged => "alarm_acknowledged",
            Self::AcknowledgementEnded => "acknowledgement_ended",
        }
    }
}

/// Why a finding is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It is not there any more.
    Over,
    /// Its service is not managed any more, and is not looked at.
    Unmanaged,
    /// Its service was deleted.
    Deleted,
}

/// One message about one service. Serialized, it is the document that machines get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// [`SCHEMA`].
    pub schema: String,
    /// The same for every copy of this message.
    pub id: String,
    /// Whether it begins or ends.
    pub kind: AlarmKind,
    /// What was found.
    pub finding: Finding,
    /// The endpoint service.
    pub service_id: ServiceId,
    /// When it was found, or found no longer.
    pub at: Timestamp,
    /// What it means.
    pub meaning: String,
    /// What to do.
    pub remedy: String,
    /// What shows it, while it is there: an acknowledgement names all of it. Left out of the document
    /// else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// Its acknowledgement, where that begins or ends. Left out of the document else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledgement: Option<Details>,
    /// How many Transit Gateway attachments EC2 lists, where that is the finding. Left out of the
    /// document else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Tally>,
    /// Whether it ends for no other reason than that the service is not managed any more, and is not
    /// looked at. Left out of the document if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unmanaged: bool,
    /// Whether it ends because the service was deleted. Left out of the document if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

impl Alarm {
    /// Puts an alarm together.
    #[must_use]
    pub fn new(service_id: &ServiceId, finding: Finding, kind: AlarmKind, at: Timestamp) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            id: format!(
                "{service_id}#{}.{}.{}",
                finding.as_str(),
                kind.as_str(),
                at.as_millisecond()
            ),
            kind,
            finding,
            service_id: service_id.clone(),
            at,
            meaning: finding.meaning().to_owned(),
            remedy: finding.remedy().to_owned(),
            evidence: Vec::new(),
            acknowledgement: None,
            attachments: None,
            unmanaged: false,
            deleted: false,
        }
    }

    /// The beginning of a finding, or of other evidence for it.
    #[must_use]
    pub fn started(
        service_id: &ServiceId,
        finding: Finding,
        evidence: &Evidence,
        at: Timestamp,
    ) -> Self {
        Self {
            evidence: evidence.pieces().iter().cloned().collect(),
            ..Self::new(service_id, finding, AlarmKind::AlarmStarted, at)
        }
    }

    /// The beginning of the finding that EC2 lists Transit Gateway attachments, or that it lists more.
    #[must_use]
    pub fn attachments(
        service_id: &ServiceId,
        tally: Tally,
        evidence: &Evidence,
        at: Timestamp,
    ) -> Self {
        let finding = Finding::TransitGatewayAttachments;
        Self {
            meaning: tally.meaning(),
            remedy: attachment::remedy(service_id),
            attachments: Some(tally),
            ..Self::started(service_id, finding, evidence, at)
        }
    }

    /// The beginning of an acknowledgement.
    #[must_use]
    pub fn acknowledged(service_id: &ServiceId, acknowledged: &Acknowledged) -> Self {
        let (item, at) = (&acknowledged.item, acknowledged.since);
        Self {
            evidence: item.evidence.iter().cloned().collect(),
            acknowledgement: Some(Details::of(acknowledged)),
            ..Self::new(service_id, item.finding, AlarmKind::AlarmAcknowledged, at)
        }
    }

    /// The end of an acknowledgement, with the evidence for what it was about; none if that is over.
    #[must_use]
    pub fn acknowledgement_ended(
        service_id: &ServiceId,
        past: &Past,
        evidence: Option<&Evidence>,
    ) -> Self {
        let finding = past.acknowledged.item.finding;
        let evidence = evidence.map(Evidence::pieces).into_iter().flatten();
        Self {
            evidence: evidence.cloned().collect(),
            acknowledgement: Some(Details::of(&past.acknowledged)),
            ..Self::new(
                service_id,
                finding,
                AlarmKind::AcknowledgementEnded,
                past.at,
            )
        }
    }

    /// The end of a finding.
    #[must_use]
    pub fn ended(service_id: &ServiceId, finding: Finding, ending: Ending, at: Timestamp) -> Self {
        Self {
            unmanaged: ending == Ending::Unmanaged,
            deleted: ending == Ending::Deleted,
            ..Self::new(service_id, finding, AlarmKind::AlarmEnded, at)
        }
    }

    /// The message as it is sent.
    ///
    /// # Errors
    /// If the document cannot be encoded, which only a bug can cause.
    pub fn message(&self) -> Result<Message, serde_json::Error> {
        let (kind, service) = (self.kind.as_str(), self.service_id.as_str());
        let attributes = [
            ("kind", kind),
            ("service_id", service),
            ("finding", self.finding.as_str()),
        ];
        let (head, text) = match self.kind {
            AlarmKind::AlarmStarted => (
                "PrivateLink alarm",
                format!(
                    "{service}\n\n{}\n\n{}What to do: {}\n\nFound at {:.0}. You are told again if the evidence changes, and when it is over.\n{}",
                    self.meaning,
                    self.listed_evidence(),
                    self.remedy,
                    self.at,
                    self.how_to_acknowledge()
                ),
            ),
            AlarmKind::AlarmAcknowledged => (
                "PrivateLink alarm acknowledged",
                format!(
                    "{service}\n\n{}\n\n{}{}\n",
                    self.meaning,
                    self.listed_evidence(),
                    self.acknowledgement_in_words()
                ),
            ),
            AlarmKind::AcknowledgementEnded => (
                "PrivateLink acknowledgement over",
                format!(
                    "{service}\n\n{}\n\n{}{}\n",
                    self.meaning,
                    self.listed_evidence(),
                    self.acknowledgement_in_words()
                ),
            ),
            AlarmKind::AlarmEnded if self.unmanaged => (
                "PrivateLink alarm dropped",
                format!(
                    "{service}\n\nThe service is not managed by Gatekeeper any more, as of {:.0}, and is not looked at. The last that was seen:\n\n{}\n",
                    self.at, self.meaning
                ),
            ),
            AlarmKind::AlarmEnded if self.deleted => (
                "PrivateLink alarm over",
                format!(
                    "{service}\n\nThe service was deleted: EC2 has none of this id, as of {:.0}. So this is over:\n\n{}\n",
                    self.at, self.meaning
                ),
            ),
            AlarmKind::AlarmEnded => (
                "PrivateLink alarm over",
                format!(
                    "{service}\n\nThis is over, as of {:.0}:\n\n{}\n",
                    self.at, self.meaning
                ),
            ),
        };
        let subject = format!("{head}: {} on {service}", self.finding.as_str());
        let notification = Notification {
            id: &self.id,
            title: &subject,
            text: &text,
            next_steps: Vec::new(),
            thread: service,
            kind,
            service_id: service,
        };
        Ok(Message {
            id: self.id.clone(),
            at: self.at,
            notification: Some(notification.document()),
            subject: subject.into(),
            text: text.into(),
            document: serde_json::to_string(self)?,
            to: Audience::Everybody,
            attributes: BTreeMap::from(
                attributes.map(|(name, value)| (name.to_owned(), value.to_owned())),
            ),
        })
    }

    /// The evidence, a line for each piece, with what comes before and after; nothing if there is none.
    fn listed_evidence(&self) -> String {
        if self.evidence.is_empty() {
            return String::new();
        }
        let lines: Vec<String> = self.evidence.iter().map(|one| format!("- {one}")).collect();
        format!("Evidence:\n{}\n\n", lines.join("\n"))
    }

    /// What is to be known of its acknowledgement, and whether it counts as an alarm.
    #[must_use]
    pub fn acknowledgement_in_words(&self) -> String {
        let Some(details) = &self.acknowledgement else {
            return String::new();
        };
        let words = details.words(self.finding);
        if details.ended.is_some() && !self.evidence.is_empty() {
            format!("{words} The finding is there, and counts as an alarm again.")
        } else {
            words
        }
    }

    /// The item that acknowledges it; nothing if it cannot be acknowledged.
    fn how_to_acknowledge(&self) -> String {
        let item = item_to_write(self.finding, &self.service_id, &self.evidence);
        item.map_or_else(String::new, |item| {
            format!(
                "\nWhoever lives with it for a while can acknowledge it, so that its alarm is free for \
                 others: docs/operations.md, Acknowledge a finding. The item:\n\n{item}\n"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    #[test]
    fn an_alarm_says_what_is_wrong_where_and_what_to_do() {
        let service = "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap();
        let finding = Finding::AcceptanceNotRequired;
        let alarm = Alarm::new(&service, finding, AlarmKind::AlarmStarted, at(0));
        let message = alarm.message().unwrap();
        assert!(message.subject.is_ascii() && message.subject.len() < 100);
        assert!(message.text.contains(service.as_str()));
        assert!(
            message.text.contains(finding.meaning()) && message.text.contains(finding.remedy())
        );
        let read: Alarm = serde_json::from_str(&message.document).unwrap();
        assert_eq!(read, alarm);
        let over = Alarm::new(&service, finding, AlarmKind::AlarmEnded, at(0));
        assert_ne!(over.id, alarm.id);
    }

    #[test]
    fn an_alarm_about_attachments_holds_their_count_and_the_command() {
        let service = "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap();
        let tally = Tally {
            waiting: 2,
            connected: 1,
            rejected: 0,
        };
        let alarm = Alarm::attachments(
            &service,
            tally,
            &Evidence::only("tgw-attach-1 waiting"),
            at(0),
        );
        let message = alarm.message().unwrap();
        assert!(message.subject.is_ascii() && message.subject.len() < 100);
        assert!(message.text.contains("3 Transit Gateway attachments"));
        assert!(message.text.contains(&attachment::list_command(&service)));
        let document: serde_json::Value = serde_json::from_str(&message.document).unwrap();
        let counts = serde_json::json!({"waiting": 2, "connected": 1, "rejected": 0});
        assert_eq!(document["attachments"], counts);
        let over = Alarm::new(&service, alarm.finding, AlarmKind::AlarmEnded, at(1));
        assert!(!over.message().unwrap().document.contains("\"attachments\""));
    }

    #[test]
    fn an_alarm_that_ends_with_the_management_does_not_say_that_all_is_well() {
        let service = "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap();
        let finding = Finding::AcceptanceNotRequired;
        let over = Alarm::new(&service, finding, AlarmKind::AlarmEnded, at(0));
        let message = over.message().unwrap();
        assert!(message.text.contains("This is over"));
        assert!(!message.document.contains("unmanaged"));
        let unmanaged = Alarm::ended(&service, finding, Ending::Unmanaged, at(0));
        let message = unmanaged.message().unwrap();
        assert!(
            message
                .text
                .contains("is not managed by Gatekeeper any more")
        );
        assert!(!message.text.contains("This is over"));
        assert!(message.document.contains("\"unmanaged\":true"));
        let read: Alarm = serde_json::from_str(&message.document).unwrap();
        assert_eq!(read, unmanaged);
        let deleted = Alarm::ended(&service, finding, Ending::Deleted, at(0));
        let message = deleted.message().unwrap();
        assert!(message.text.contains("The service was deleted"));
        assert!(message.document.contains("\"deleted\":true"));
        assert!(!message.document.contains("unmanaged"));
    }
}
