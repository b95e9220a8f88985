//! An item that is being sent.

use gatekeeper_core::approver::ApproverId;
use gatekeeper_core::event::Event;
use gatekeeper_core::outbox::{EmailState, OutboxItem, Part};
use jiff::Timestamp;

use super::publish::Published;

/// An item, and whether its progress has to be recorded.
pub(super) struct Sending {
    pub(super) item: OutboxItem,
    pub(super) is_changed: bool,
    /// Whether a part of it should have been sent by now, and is not.
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

    /// Notes the result of publishing the announcement.
    pub(super) fn note_announced(&mut self, published: &Published) {
        let due = self.item.announcements_due().unwrap_or_default();
        for message in due {
            let part = Part::Everybody(message.id.clone());
            self.is_failed |= !self.note(part, message.id, published);
        }
    }

    /// Notes the result of putting the announcement on the bus.
    pub(super) fn note_put(&mut self, event: &Event, published: &Published) {
        let part = Part::OnBus(event.id.clone());
        self.note(part, event.id.clone(), published);
    }

    /// Gives up an event that the bus did not take for a day, with the reason.
    pub(super) fn give_up_on_bus(&mut self, why: &str, now: Timestamp) {
        self.is_changed |= self.item.give_up_on_bus(why, now);
    }

    /// Notes the result of an approver's e-mail, by its message's id.
    pub(super) fn note_asked(&mut self, approver: ApproverId, id: String, published: &Published) {
        let part = Part::Approver(approver);
        self.is_failed |= !self.note(part, id, published);
    }

    /// Notes the result of a part; false if there is none.
    fn note(&mut self, part: Part, id: String, published: &Published) -> bool {
        if published.sent.contains(&id) {
            self.item.sent(part);
        } else if let Some(why) = published.refused.get(&id) {
            self.item.refused(part, id, why.clone());
        } else {
            return false;
        }
        self.is_changed = true;
        true
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
