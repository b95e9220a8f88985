//! All that is to be told of one change, as facts. Words are made of them when they are sent.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::announcement::{Announcement, Kind};
use crate::approver::ApproverId;

/// What is to be told of one change. It is written with the change and sent afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Messages {
    /// What whoever subscribed is told, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub announcements: Vec<Announcement>,
    /// Who is asked to decide, each by an e-mail of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Ask>,
}

/// Approvers who are asked about a review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Whether the review opened, or they are reminded of it.
    pub kind: Kind,
    /// Who.
    pub approvers: BTreeSet<ApproverId>,
}

impl Messages {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.announcements.is_empty() && self.ask.is_none()
    }
}
