//! Until when an answer holds.

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

    /// Notes a moment. What is past changes nothing any more.
    pub(super) fn note(&mut self, at: Option<Timestamp>) {
        if let Some(at) = at.filter(|at| *at > self.now) {
            self.earliest = Some(self.earliest.map_or(at, |earliest| earliest.min(at)));
        }
    }

    /// Notes when the policy says something else of a connection by itself: when an entry expires that
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
