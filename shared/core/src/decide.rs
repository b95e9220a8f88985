//! Decides what to do about one connection now. This is the only place where decisions are made.
//!
//! [`next`](fn@next) is pure and total. It gets the facts that were read and answers what to do:
//!
//! 1. [`plan`](crate::plan::plan) compares the request with EC2: do nothing, leave it for now, judge it,
//!    carry a decision out, or record what somebody else did.
//! 2. Pending connections are judged (`waiting.rs`): the policy decides, or a review opens
//!    (`review.rs`).
//! 3. Changes at EC2 that the record lacks are recorded (`seen.rs`).
//! 4. If a run audits, accepted connections are compared with the policy (`connected.rs`).
//! 5. If somebody votes, the vote is counted (`vote.rs`), unless one of these comes first.
//!
//! If the answer needs a fact that is missing, it names the fact; the caller reads it and asks
//! again. A missing fact never leads to an accept, a rejection or a revocation.
//!
//! Every answer says until when it holds: the earliest moment at which the same facts may give
//! another answer.

mod connected;
mod facts;
mod moments;
mod next;
mod review;
mod seen;
mod unasked;
mod verdict;
mod vote;
mod waiting;

use jiff::Timestamp;

use moments::Moments;
use unasked::unasked;

pub use facts::{AuditRun, Facts, Setup, UsageRead};
pub use next::{Action, LeaveReason, Need, Next};

/// Decides what to do about a connection now, by the facts that are known.
#[must_use]
pub fn next(facts: &Facts<'_>, now: Timestamp) -> Next {
    let mut moments = Moments::after(now);
    let action = action(facts, now, &mut moments);
    Next {
        action,
        holds_until: moments.earliest,
    }
}

fn action(facts: &Facts<'_>, now: Timestamp, moments: &mut Moments) -> Action {
    match &facts.ballot {
        Some(ballot) => vote::cast(facts, ballot, now, moments),
        None => unasked(facts, now, moments),
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
