//! What a change has to tell, as facts. Words are made of them when they are sent
//! ([`outbox`](crate::outbox)), so that who decides chooses none.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::announcement::{Announcement, AnnouncementKind, announcement_of, note};
use crate::approver::ApproverId;
use crate::request::{Request, Transition};

/// The messages of one change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Messages {
    /// What everybody is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub announcements: Vec<Announcement>,
    /// Who is asked to decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask: Option<Ask>,
}

/// Approvers who are asked about the request that changed, each by an e-mail of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Whether they are asked for the first time or reminded.
    pub kind: AnnouncementKind,
    /// Who.
    pub approvers: BTreeSet<ApproverId>,
}

impl Messages {
    /// What is told of a transition, given the request as it stands after it.
    #[must_use]
    pub fn of_transition(after: &Request, transition: &Transition) -> Self {
        Self {
            announcements: announcement_of(after, transition).into_iter().collect(),
            ask: None,
        }
    }

    /// What is told of a request whose status did not change.
    #[must_use]
    pub fn of_note(after: &Request, kind: AnnouncementKind, at: Timestamp) -> Self {
        Self::default().and_note(after, kind, at)
    }

    /// With something more that is told of the request.
    #[must_use]
    pub fn and_note(mut self, after: &Request, kind: AnnouncementKind, at: Timestamp) -> Self {
        self.announcements.push(note(after, kind, at));
        self
    }

    /// With approvers who are asked. Nobody is asked where there are none.
    #[must_use]
    pub fn and_ask(mut self, kind: AnnouncementKind, approvers: BTreeSet<ApproverId>) -> Self {
        if !approvers.is_empty() {
            self.ask = Some(Ask { kind, approvers });
        }
        self
    }

    /// Whether nobody is told anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let asks = self.ask.as_ref();
        self.announcements.is_empty() && asks.is_none_or(|ask| ask.approvers.is_empty())
    }
}
