//! The moments at which an answer may change.

use jiff::Timestamp;

use super::facts::Facts;
use crate::precondition::PolicyRead;

/// The earliest of the moments at which an answer may change.
pub(super) struct Moments {
    now: Timestamp,
    pub(super) earliest: Option<Timestamp>,
}

impl Moments {
    pub(super) fn after(now: Timestamp) -> Self {
        Self {
            now,
            earliest: None,
        }
    }

    /// Notes a moment. Past moments are ignored.
    pub(super) fn note(&mut self, at: Option<Timestamp>) {
        if let Some(at) = at.filter(|at| *at > self.now) {
            self.earliest = Some(self.earliest.map_or(at, |earliest| earliest.min(at)));
        }
    }

    /// Notes when the policy's answer about a connection changes by itself: when an entry expires that
    /// matches it, or may match it.
    pub(super) fn note_expiries(&mut self, facts: &Facts<'_>, policy: &PolicyRead) {
        let Some(connection) = &facts.observation.connection else {
            return;
        };
        for entry in &policy.policy.entries {
            if crate::judge::may_match(entry, connection, facts.organization) {
                self.note(entry.conditions().expires_at);
            }
        }
    }
}
