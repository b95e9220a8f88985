//! The messages of a change, as facts. They are put into words when they are sent
//! ([`outbox`](crate::outbox)), so that deciding needs no words.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::announcement::{Announcement, AnnouncementKind, announcement_of, note};
use crate::approver::ApproverId;
use crate::request::{Request, Transition};

/// The messages of one change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Messages {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub announcements: Vec<Announcement>,
    /// The approvers who are notified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Ask>,
}

/// Approvers who are notified of the changed request, each by an e-mail of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Whether this is the first notification or a reminder.
    pub kind: AnnouncementKind,
    pub approvers: BTreeSet<ApproverId>,
}

impl Messages {
    /// The announcement of a transition; `after` is the request after it.
    #[must_use]
    pub fn of_transition(after: &Request, transition: &Transition) -> Self {
        Self {
            announcements: announcement_of(after, transition).into_iter().collect(),
            ask: None,
        }
    }

    /// The announcement about a request whose status did not change.
    #[must_use]
    pub fn of_note(after: &Request, kind: AnnouncementKind, at: Timestamp) -> Self {
        Self::default().and_note(after, kind, at)
    }

    /// Adds an announcement about the request.
    #[must_use]
    pub fn and_note(mut self, after: &Request, kind: AnnouncementKind, at: Timestamp) -> Self {
        self.announcements.push(note(after, kind, at));
        self
    }

    /// Adds approvers who are notified, if there are any.
    #[must_use]
    pub fn and_ask(mut self, kind: AnnouncementKind, approvers: BTreeSet<ApproverId>) -> Self {
        if !approvers.is_empty() {
            self.ask = Some(Ask { kind, approvers });
        }
        self
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        let asks = self.ask.as_ref();
        self.announcements.is_empty() && asks.is_none_or(|ask| ask.approvers.is_empty())
    }
}
