//! What is to be done about one connection now: the one place where a decision is made.
//!
//! [`next`] is pure and total. It is given what was read and answers what to do with it:
//!
//! 1. [`plan`](fn@plan) compares the request with what EC2 shows: nothing to do, not now, judge it,
//!    carry a decision out, or write down what somebody else did.
//! 2. What waits is judged (`waiting.rs`): the policy decides, or people are asked (`review.rs`).
//! 3. What EC2 shows and the record lacks is written down (`seen.rs`).
//! 4. What is connected is held against the policy (`connected.rs`), where a run audits.
//! 5. Where somebody votes, the vote is counted (`vote.rs`), unless one of these comes first.
//!
//! Where a fact is missing that the answer needs, it says which: whoever runs it reads that and asks again.
//! No missing fact ever leads to an accept, a rejection or a revocation.
//!
//! Every answer says until when it holds: the earliest moment at which the same facts may give another.

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

/// What is to be done about a connection now, by what is known of it.
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
