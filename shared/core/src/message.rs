//! A message as it is published, whatever it is about.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One message, ready to be sent and to be kept until it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The same for every copy of the message. Names it among those not yet sent.
    pub id: String,
    /// When what it tells of happened.
    pub at: Timestamp,
    /// An e-mail subject within SNS's rules: ASCII, one line, under 100 characters.
    pub subject: String,
    /// The message as a person reads it.
    pub text: String,
    /// The JSON document that machines get.
    pub document: String,
    /// What subscribers filter by.
    pub attributes: BTreeMap<String, String>,
}
