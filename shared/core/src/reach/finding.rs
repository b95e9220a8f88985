//! Findings about who gets approval e-mail, and their announcements.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::filter::Opening;
use crate::alarm::AlarmKind;
use crate::approver::ApproverId;
use crate::chat::Notification;
use crate::message::{Audience, Message};
use crate::words;

/// The name and version of the document that machines get.
pub const SCHEMA: &str = "privatelink-gatekeeper/reach-alarm/1";
/// An SNS subject is shorter than 100 characters.
const SUBJECT_LIMIT: usize = 99;

/// A confirmed subscription to the topic for approval e-mail, with the facts by which people find
/// it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subscriber {
    pub arn: String,
    /// How it is delivered: `email`, `https`, ….
    pub protocol: String,
    /// The address.
    pub endpoint: String,
}

/// Something about who gets approval e-mail that people must know as long as it lasts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum ReachFinding {
    /// A subscription could read other people's links. Approval e-mail is held.
    SubscriptionOpen {
        subscription: Subscriber,
        opening: Opening,
    },
    /// A subscription's filter policy may not be in effect yet. Approval e-mail is held.
    SubscriptionNew {
        subscription: Subscriber,
        /// The approver in its filter policy.
        approver: ApproverId,
    },
    /// An approver's e-mail goes to an address that is not theirs.
    SubscriptionElsewhere {
        subscription: Subscriber,
        /// The approver in its filter policy.
        approver: ApproverId,
    },
    /// No notification of reviews reaches an approver.
    ApproverNotReached { approver: ApproverId },
}

impl ReachFinding {
    /// The finding's name in messages, logs and metrics.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::ApproverNotReached { .. } => "approver_not_reached",
            Self::SubscriptionOpen { .. } => "subscription_open",
            Self::SubscriptionNew { .. } => "subscription_new",
            Self::SubscriptionElsewhere { .. } => "subscription_elsewhere",
        }
    }

    /// Whether approval e-mail is held as long as it lasts.
    #[must_use]
    pub fn holds_email(&self) -> bool {
        matches!(
            self,
            Self::SubscriptionOpen { .. } | Self::SubscriptionNew { .. }
        )
    }

    /// Whether it is about an approver whom nothing reaches.
    #[must_use]
    pub fn is_not_reached(&self) -> bool {
        matches!(self, Self::ApproverNotReached { .. })
    }

    /// Whether an approver's e-mail goes to an address that is not theirs.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        matches!(self, Self::SubscriptionElsewhere { .. })
    }

    /// The approver that it is about, if any.
    #[must_use]
    pub fn approver(&self) -> Option<&ApproverId> {
        match self {
            Self::ApproverNotReached { approver }
            | Self::SubscriptionNew { approver, .. }
            | Self::SubscriptionElsewhere { approver, .. } => Some(approver),
            Self::SubscriptionOpen { .. } => None,
        }
    }

    /// The subscription that it is about, if any.
    #[must_use]
    pub fn subscription(&self) -> Option<&Subscriber> {
        match self {
            Self::SubscriptionOpen { subscription, .. }
            | Self::SubscriptionNew { subscription, .. }
            | Self::SubscriptionElsewhere { subscription, .. } => Some(subscription),
            Self::ApproverNotReached { .. } => None,
        }
    }

    /// A key that identifies this finding.
    #[must_use]
    pub fn key(&self) -> String {
        let subject = match (self.subscription(), self.approver()) {
            (Some(subscription), _) => subscription.arn.as_str(),
            (None, Some(approver)) => approver.as_str(),
            (None, None) => return self.as_str().to_owned(),
        };
        format!("{}#{subject}", self.as_str())
    }

    /// What it means, in a sentence or two.
    #[must_use]
    pub fn meaning(&self) -> String {
        match self {
            Self::ApproverNotReached { approver } => format!(
                "Nothing reaches the approver {approver}: no confirmed subscription to the topic for approval \
                 e-mail has a filter policy that names exactly them, and they are not asked in Slack."
            ),
            Self::SubscriptionOpen {
                subscription:
                    Subscriber {
                        protocol, endpoint, ..
                    },
                opening,
            } => format!(
                "The subscription of {endpoint} ({protocol}) to the topic for approval e-mail {}: it could read \
                 links that are for others, and vote with them. So approval e-mail is held, for every approver.",
                opening.says()
            ),
            Self::SubscriptionNew {
                subscription:
                    Subscriber {
                        protocol, endpoint, ..
                    },
                approver,
            } => format!(
                "The filter policy of the subscription of {endpoint} ({protocol}), which names {approver}, is seen \
                 for the first time. AWS takes up to 15 minutes until such a policy holds, and until then the \
                 subscription could read links that are for others. So approval e-mail is held for 15 minutes, \
                 for every approver."
            ),
            Self::SubscriptionElsewhere {
                subscription:
                    Subscriber {
                        protocol, endpoint, ..
                    },
                approver,
            } => format!(
                "{endpoint} ({protocol}) gets the approval e-mail of {approver}, with the links by which one votes \
                 as {approver}."
            ),
        }
    }

    /// What to do about it, in a sentence or two.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::ApproverNotReached { approver } => format!(
                "Subscribe {approver} by the command in the stack's output SubscribeApproverCommand, wait 15 \
                 minutes, then confirm: they get the open reviews by themselves. Or delete their item, if they \
                 are no approver any more."
            ),
            Self::SubscriptionOpen { subscription, .. } => format!(
                "End it (aws sns unsubscribe --subscription-arn {}), and subscribe the approver anew by the \
                 command in the stack's output SubscribeApproverCommand. Then what is held is sent, 15 minutes \
                 after the new filter policy was seen.",
                subscription.arn
            ),
            Self::SubscriptionNew { subscription, .. } => format!(
                "Nothing, if you have just subscribed them: what is held is sent by itself. If nobody did, end it \
                 (aws sns unsubscribe --subscription-arn {}).",
                subscription.arn
            ),
            Self::SubscriptionElsewhere {
                subscription,
                approver,
            } => format!(
                "If that is not meant, end it (aws sns unsubscribe --subscription-arn {}), and subscribe \
                 {approver} under that address.",
                subscription.arn
            ),
        }
    }
}

/// The announcement of one finding that begins or ends. Serialized, it is the document that
/// machines get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReachAlarm {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The same for every copy of this message.
    pub id: String,
    pub kind: AlarmKind,
    /// When it was found, or no longer found.
    pub at: Timestamp,
    #[serde(flatten)]
    pub finding: ReachFinding,
    /// What the finding means.
    pub meaning: String,
    /// What to do about it.
    pub remedy: String,
}

impl ReachAlarm {
    /// Makes an alarm from its parts.
    #[must_use]
    pub fn new(finding: ReachFinding, kind: AlarmKind, at: Timestamp) -> Self {
        let (key, meaning, remedy) = (finding.key(), finding.meaning(), finding.remedy());
        Self {
            schema: SCHEMA.to_owned(),
            id: format!("{key}.{}.{}", kind.as_str(), at.as_millisecond()),
            kind,
            at,
            finding,
            meaning,
            remedy,
        }
    }

    /// The message as it is sent.
    ///
    /// # Errors
    /// If the document cannot be encoded, which only a bug can cause.
    pub fn message(&self) -> Result<Message, serde_json::Error> {
        let kind = self.kind.as_str();
        let attributes = [("kind", kind), ("finding", self.finding.as_str())];
        let (head, text) = match self.kind {
            AlarmKind::AlarmStarted => (
                "PrivateLink alarm",
                format!(
                    "{}\n\nWhat to do: {}\n\nFound at {}. You are notified once more, when it is over.\n",
                    self.meaning,
                    self.remedy,
                    words::moment(self.at)
                ),
            ),
            // Reach findings cannot be acknowledged.
            AlarmKind::AlarmEnded
            | AlarmKind::AlarmAcknowledged
            | AlarmKind::AcknowledgementEnded => (
                "PrivateLink alarm over",
                format!(
                    "This is over, as of {}:\n\n{}\n",
                    words::moment(self.at),
                    self.meaning
                ),
            ),
        };
        let subject = self.subject(head);
        let notification = Notification {
            id: &self.id,
            title: &subject,
            text: &text,
            next_steps: Vec::new(),
            thread: self.finding.as_str(),
            kind,
            service_id: "",
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

    /// The subject with the approver, or the address, if SNS can carry it.
    fn subject(&self, head: &str) -> String {
        let finding = self.finding.as_str();
        let subject = match (self.finding.approver(), self.finding.subscription()) {
            (Some(approver), _) => approver.as_str(),
            (None, Some(subscription)) => subscription.endpoint.as_str(),
            (None, None) => "",
        };
        let wanted = format!("{head}: {finding} {subject}");
        let wanted = wanted.trim_end();
        let fits =
            wanted.len() <= SUBJECT_LIMIT && wanted.bytes().all(|c| matches!(c, b' '..=b'~'));
        if fits {
            wanted.to_owned()
        } else {
            format!("{head}: {finding}")
        }
    }
}
