//! A change of a request, with everything that is written together with it: a value, made by
//! [`decide`](crate::decide) and written in one transaction.

use jiff::Timestamp;

use crate::announcement::AnnouncementKind;
use crate::approver::ApproverId;
use crate::messages::{Ask, Messages};
use crate::precondition::Precondition;
use crate::request::{Cause, Request, Status, Transition, UsageEffect};
use crate::vote::Choice;

/// A change of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The revision of the request that it starts from; `None` if there must be no request yet.
    pub before_revision: Option<u64>,
    /// The request after the change.
    pub after: Request,
    /// The transition; `None` if the status stays.
    pub transition: Option<Transition>,
    /// The items that must be unchanged since they were read.
    pub preconditions: Vec<Precondition>,
    /// The change of the consumer's usage.
    pub usage: UsageChange,
    /// The right that it uses up, if it records a vote.
    pub consumes: Option<Right>,
    /// The messages about it.
    pub messages: Messages,
}

/// What a change does to a consumer's usage under `max_connections`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageChange {
    /// Nothing.
    Keep,
    /// The connection begins to count. With a limit, the usage must not exceed it.
    Take {
        /// How many the consumer may have; `None` if there is no limit.
        at_most: Option<u32>,
    },
    /// The connection no longer counts.
    Release,
}

/// The right of an approver to cast a vote in a review. A vote uses it up: nobody casts the same
/// vote twice, and no vote goes back (see [`Choice::after`]). The request keeps the vote as long as
/// its review lasts, and two votes cannot both be written, since each requires the revision that it
/// read; so nothing else has to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    pub approver: ApproverId,
    pub choice: Choice,
}

/// How a change revokes a connection, which a run may do only so many times (safety rule S7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// It begins the connection's grace period.
    Start,
    /// It revokes the connection.
    Revoke,
}

impl Change {
    /// A change that keeps the status: a note on a request, or a new claim on a decision.
    #[must_use]
    pub fn note(before: &Request, after: Request) -> Self {
        Self {
            before_revision: Some(before.revision),
            after,
            transition: None,
            preconditions: Vec::new(),
            usage: UsageChange::Keep,
            consumes: None,
            messages: Messages::default(),
        }
    }

    /// A transition, with its announcement.
    #[must_use]
    pub fn transition(before: Option<&Request>, after: Request, transition: Transition) -> Self {
        Self {
            before_revision: before.map(|before| before.revision),
            usage: match transition.usage_effect() {
                UsageEffect::Keep => UsageChange::Keep,
                UsageEffect::Take => UsageChange::Take { at_most: None },
                UsageEffect::Release => UsageChange::Release,
            },
            consumes: None,
            messages: Messages::of_transition(&after, &transition),
            after,
            transition: Some(transition),
            preconditions: Vec::new(),
        }
    }

    /// Adds preconditions.
    #[must_use]
    pub fn on(mut self, preconditions: Vec<Precondition>) -> Self {
        self.preconditions.extend(preconditions);
        self
    }

    /// Adds the right that a recorded vote uses up.
    #[must_use]
    pub fn consuming(mut self, right: Right) -> Self {
        self.consumes = Some(right);
        self
    }

    /// Adds announcements about the changed request.
    #[must_use]
    pub fn announcing(
        mut self,
        kinds: impl IntoIterator<Item = AnnouncementKind>,
        now: Timestamp,
    ) -> Self {
        for kind in kinds {
            self.messages = self.messages.and_note(&self.after, kind, now);
        }
        self
    }

    /// Adds approvers who are notified.
    #[must_use]
    pub fn asking(mut self, ask: Option<Ask>) -> Self {
        self.messages.ask = ask.filter(|ask| !ask.approvers.is_empty());
        self
    }

    /// Adds a limit, which holds if the connection begins to count.
    #[must_use]
    pub fn within(mut self, limit: Option<u32>) -> Self {
        if let UsageChange::Take { at_most } = &mut self.usage {
            *at_most = limit;
        }
        self
    }

    /// The status before; `None` if the request is new.
    #[must_use]
    pub fn from(&self) -> Option<Status> {
        match &self.transition {
            Some(transition) => transition.from,
            None => Some(self.after.status),
        }
    }

    /// The kind of revocation, if a run may make only so many of it.
    #[must_use]
    pub fn revokes(&self) -> Option<Revocation> {
        match &self.transition {
            Some(transition) => (transition.cause == Cause::Revoked).then_some(Revocation::Start),
            None => {
                let claimed = self.after.claimed_until.is_some();
                (claimed && self.after.status == Status::Revoking).then_some(Revocation::Revoke)
            }
        }
    }
}
