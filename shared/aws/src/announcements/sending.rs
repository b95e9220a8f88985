//! An item that is being sent.

use std::collections::{BTreeMap, BTreeSet};

use gatekeeper_core::approver::ApproverId;
use gatekeeper_core::outbox::{EmailState, OutboxItem, Part};

use super::publish::Published;

/// An item, and whether anything became of it that is to be written down.
pub(super) struct Sending {
    pub(super) item: OutboxItem,
    pub(super) is_changed: bool,
    /// Whether something of it should have been sent by now, and is not.
    pub(super) is_failed: bool,
}

impl Sending {
    pub(super) fn of(item: OutboxItem) -> Self {
        Self {
            item,
            is_changed: false,
            is_failed: false,
        }
    }

    /// Notes what became of what everybody is told.
    pub(super) fn note_announced(&mut self, published: &Published) {
        let due = self.item.announcements_due().unwrap_or_default();
        for message in due {
            let part = Part::Everybody(message.id.clone());
            self.note(part, message.id, &published.sent, &published.refused);
        }
    }

    /// Notes what became of an approver's e-mail, by its message's id.
    pub(super) fn note_asked(&mut self, approver: ApproverId, id: String, published: &Published) {
        let part = Part::Approver(approver);
        self.note(part, id, &published.sent, &published.refused);
    }

    fn note(
        &mut self,
        part: Part,
        id: String,
        sent: &BTreeSet<String>,
        refused: &BTreeMap<String, String>,
    ) {
        if sent.contains(&id) {
            self.item.sent(part);
            self.is_changed = true;
        } else if let Some(why) = refused.get(&id) {
            self.item.refused(part, id, why.clone());
            self.is_changed = true;
        } else {
            self.is_failed = true;
        }
    }

    pub(super) fn note_email(&mut self, approver: ApproverId, state: EmailState) {
        self.item.note_email(approver, state);
        self.is_changed = true;
    }

    pub(super) fn note_held(&mut self, is_held: bool) {
        self.item.delivery.held = is_held;
        self.is_changed = true;
    }
}
