//! A change of a request, with all that is written together with it: a value, made by
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
    /// The revision of the request that it starts from; none if there must be no request yet.
    pub before_revision: Option<u64>,
    /// The request as it is to be.
    pub after: Request,
    /// What leads there; none where the status stays.
    pub transition: Option<Transition>,
    /// What must be as it was read.
    pub preconditions: Vec<Precondition>,
    /// What becomes of the consumer's usage.
    pub usage: UsageChange,
    /// What it uses up, where it records a vote.
    pub consumes: Option<Right>,
    /// What is to be told of it.
    pub messages: Messages,
}

/// What a change does to a consumer's usage under `max_connections`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageChange {
    /// Nothing.
    Keep,
    /// The connection counts from now on. With a limit, it must not be exceeded by that.
    Take {
        /// How many the consumer may have at most; none takes one whatever there are.
        at_most: Option<u32>,
    },
    /// The connection counts no more.
    Release,
}

/// The right of an approver to say something in a review. A vote uses it up: nobody says the same twice, and nothing
/// goes back (see [`Choice::after`]). The request keeps the vote as long as its review lasts, and two votes cannot both
/// be written, since each names the revision that it rests on; so nothing else has to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// Whose.
    pub approver: ApproverId,
    /// To say what.
    pub choice: Choice,
}

/// How a change revokes a connection, which a run may do so many times only (safety rule S7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// It begins the connection's grace period.
    Start,
    /// It cuts the connection.
    Revoke,
}

impl Change {
    /// A change of no status: something is noted on a request, or a decision is taken up again.
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

    /// A transition, and what is announced of it.
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

    /// The same, resting on these.
    #[must_use]
    pub fn on(mut self, preconditions: Vec<Precondition>) -> Self {
        self.preconditions.extend(preconditions);
        self
    }

    /// The same, recording a vote that uses this up.
    #[must_use]
    pub fn consuming(mut self, right: Right) -> Self {
        self.consumes = Some(right);
        self
    }

    /// The same, and this is told besides, of the request as it is to be.
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

    /// The same, and these approvers are asked.
    #[must_use]
    pub fn asking(mut self, ask: Option<Ask>) -> Self {
        self.messages.ask = ask.filter(|ask| !ask.approvers.is_empty());
        self
    }

    /// The same, within a limit if it lets the connection count.
    #[must_use]
    pub fn within(mut self, limit: Option<u32>) -> Self {
        if let UsageChange::Take { at_most } = &mut self.usage {
            *at_most = limit;
        }
        self
    }

    /// Where the request stood before; none if it is new.
    #[must_use]
    pub fn from(&self) -> Option<Status> {
        match &self.transition {
            Some(transition) => transition.from,
            None => Some(self.after.status),
        }
    }

    /// Whether it is one of those that a run may only make so many of.
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
