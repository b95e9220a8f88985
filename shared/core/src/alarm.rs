//! The announcements of a service: a finding that begins or ends, and its acknowledgement.

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
use crate::words;

/// The name and version of the document that machines get.
pub const SCHEMA: &str = "privatelink-gatekeeper/alarm/1";

/// Whether a finding begins or ends, or its acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// It was found, or there is other evidence for it than was announced.
    AlarmStarted,
    /// It is no longer found.
    AlarmEnded,
    /// Somebody acknowledged it.
    AlarmAcknowledged,
    /// It is no longer acknowledged.
    AcknowledgementEnded,
}

impl AlarmKind {
    /// The kind in messages and in the attribute that filter policies use.
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

/// Why a finding ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It no longer applies.
    Over,
    /// Its service is no longer managed, and is not looked at.
    Unmanaged,
    /// Its service was deleted.
    Deleted,
}

/// One message about one service. Serialized, it is the document that machines get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The same for every copy of this message.
    pub id: String,
    pub kind: AlarmKind,
    pub finding: Finding,
    pub service_id: ServiceId,
    /// When it was found, or no longer found.
    pub at: Timestamp,
    /// What the finding means.
    pub meaning: String,
    /// What to do about it.
    pub remedy: String,
    /// The evidence, while the finding applies: an acknowledgement names all of it. Otherwise left
    /// out of the document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// Its acknowledgement, if that begins or ends. Otherwise left out of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledgement: Option<Details>,
    /// How many Transit Gateway attachments EC2 lists, if that is the finding. Otherwise left out
    /// of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Tally>,
    /// Whether it ends only because the service is no longer managed, and is not looked at. Left
    /// out of the document if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unmanaged: bool,
    /// Whether it ends because the service was deleted. Left out of the document if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

impl Alarm {
    /// Makes an alarm from its parts.
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

    /// A finding begins, or there is other evidence for it.
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

    /// EC2 lists Transit Gateway attachments, or more of them.
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

    /// An acknowledgement begins.
    #[must_use]
    pub fn acknowledged(service_id: &ServiceId, acknowledged: &Acknowledged) -> Self {
        let (item, at) = (&acknowledged.item, acknowledged.since);
        Self {
            evidence: item.evidence.iter().cloned().collect(),
            acknowledgement: Some(Details::of(acknowledged)),
            ..Self::new(service_id, item.finding, AlarmKind::AlarmAcknowledged, at)
        }
    }

    /// An acknowledgement ends, with the evidence for its finding; `None` if the finding ended.
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

    /// A finding ends.
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
                    "{service}\n\n{}\n\n{}What to do: {}\n\nFound at {}. You are notified again if the evidence changes, and when it is over.\n{}",
                    self.meaning,
                    self.listed_evidence(),
                    self.remedy,
                    words::moment(self.at),
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
                    "{service}\n\nGatekeeper no longer manages the service, as of {}, and no longer checks it. The last finding was:\n\n{}\n",
                    words::moment(self.at),
                    self.meaning
                ),
            ),
            AlarmKind::AlarmEnded if self.deleted => (
                "PrivateLink alarm over",
                format!(
                    "{service}\n\nThe service was deleted: EC2 has none of this id, as of {}. So this is over:\n\n{}\n",
                    words::moment(self.at),
                    self.meaning
                ),
            ),
            AlarmKind::AlarmEnded => (
                "PrivateLink alarm over",
                format!(
                    "{service}\n\nThis is over, as of {}:\n\n{}\n",
                    words::moment(self.at),
                    self.meaning
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

    /// The evidence, one line for each piece, between two texts; empty if there is none.
    fn listed_evidence(&self) -> String {
        if self.evidence.is_empty() {
            return String::new();
        }
        let lines: Vec<String> = self.evidence.iter().map(|one| format!("- {one}")).collect();
        format!("Evidence:\n{}\n\n", lines.join("\n"))
    }

    /// The acknowledgement in words, and whether the finding counts as an alarm.
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

    /// The item that acknowledges the finding; empty if it cannot be acknowledged.
    fn how_to_acknowledge(&self) -> String {
        let item = item_to_write(self.finding, &self.service_id, &self.evidence);
        item.map_or_else(String::new, |item| {
            format!(
                "\nA finding that has to stay for a while can be acknowledged, so that its alarm is free for \
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
    fn an_alarm_names_the_finding_the_service_and_the_remedy() {
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
    fn an_alarm_that_ends_because_the_service_is_unmanaged_does_not_say_that_all_is_well() {
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
                .contains("Gatekeeper no longer manages the service")
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
