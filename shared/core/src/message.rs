//! A message as it is published, whatever it is about.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::approver::ApproverId;
use crate::ids::EndpointId;

/// One message, ready to be sent and to be kept until it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The same for every copy of the message. Names it among those not yet sent.
    pub id: String,
    /// When what it tells of happened.
    pub at: Timestamp,
    /// An e-mail subject within SNS's rules: ASCII, one line, under 100 characters.
    pub subject: String,
    /// The message as a person reads it; an approver's link comes after it.
    pub text: String,
    /// The JSON document that machines get.
    pub document: String,
    /// What chat channels get through Amazon Q Developer; nothing of what is meant for one person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification: Option<String>,
    /// What subscribers filter by.
    pub attributes: BTreeMap<String, String>,
    /// Whom it is for.
    #[serde(default)]
    pub to: Audience,
}

/// Whom a message is for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Whoever subscribed to the announcements.
    #[default]
    Everybody,
    /// One approver, who gets a link that nobody else may have. The link is made when the message is
    /// sent, so that it is kept nowhere.
    Approver(Invitation),
}

/// What an approver's link is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Who is asked.
    pub approver: ApproverId,
    /// About which connections, each in which of its reviews.
    pub requests: Vec<(EndpointId, u64)>,
    /// When it is sent.
    pub sent_at: Timestamp,
    /// From when on the link is dead.
    pub expires_at: Timestamp,
}
