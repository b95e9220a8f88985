//! A message as it is published, for any subject.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::approver::ApproverId;
use crate::ids::EndpointId;
use crate::visible::Shown;

/// One message, ready to be sent and to be kept until it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The same for every copy of the message. Unique among the messages that are not sent yet.
    pub id: String,
    /// When the announced thing happened.
    pub at: Timestamp,
    /// An e-mail subject within SNS's rules: ASCII, one line, under 100 characters.
    pub subject: Shown,
    /// The message for people; an approver's link is appended to it.
    pub text: Shown,
    /// The JSON document that machines get.
    pub document: String,
    /// The message for chat channels through Amazon Q Developer; `None` for messages to one person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification: Option<String>,
    /// The attributes that subscribers filter by.
    pub attributes: BTreeMap<String, String>,
    #[serde(default)]
    pub to: Audience,
}

/// The recipients of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// All subscribers to the announcements.
    #[default]
    Everybody,
    /// One approver, who gets a link that nobody else may have. The link is made when the message
    /// is sent, so that it is stored nowhere.
    Approver(Invitation),
}

/// The approver and the requests of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    pub approver: ApproverId,
    /// The connections, each with the number of its review.
    pub requests: Vec<(EndpointId, u64)>,
    /// When it is sent.
    pub sent_at: Timestamp,
    /// When the link expires.
    pub expires_at: Timestamp,
}
