//! Reduces an event to where to look. This is pure, and never says who owns an endpoint.
//!
//! [`invocation()`] splits Lambda's payload into records, [`decode`] turns the body of one record
//! into hints. A body may hold another event as text (SNS in SQS, EventBridge in SNS, …); each is
//! opened in turn, up to a small depth.
//!
//! | event | gives |
//! | --- | --- |
//! | SNS connection notification with any text | the ids in it, else the service, else the topic |
//! | its text alone, by raw message delivery | the ids in it, else the kind of change that it names |
//! | AWS CloudTrail record of one of four EC2 calls | the ids in it |
//! | the same as EventBridge's event of our own account | also who accepted or rejected |
//! | our own `Connection Requested` | its `service_id` and `endpoint_id` |
//! | any other event of these kinds | [`Ignored`] |
//! | anything else | [`Malformed`] |

mod cloudtrail;
mod connection_requested;
mod decoded;
mod fields;
mod invocation;
mod malformed;
mod mentioned;
mod nested;
mod notification;
mod own_roles;
mod shape;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use gatekeeper_core::hint::{Budget, Hint};

pub use decoded::{Decoded, Ignored};
pub use invocation::{Invocation, Record, invocation, records_of};
pub use malformed::Malformed;
pub use own_roles::{InvalidRoleArn, OwnRoles};

/// Reads the body of one record. However much it holds, it has no more looked up than
/// [`Budget::of_record`] allows.
///
/// `own_roles` are the roles that this deployment calls EC2 with. They also tell its own account.
///
/// # Errors
/// [`Malformed`] if the body is no event that this function understands. A body that holds several
/// events is malformed only if none of them gives a hint: what can be looked at is looked at.
pub fn decode(body: &str, own_roles: &OwnRoles) -> Result<Decoded, Malformed> {
    let decoded = nested::read(body, own_roles)?;
    Ok(match decoded {
        Decoded::Hints(hints) => Decoded::Hints(within_budget(hints)),
        ignored @ Decoded::Ignored(_) => ignored,
    })
}

/// The hints within the budget of one record, each once.
fn within_budget(hints: Vec<Hint>) -> Vec<Hint> {
    let mut budget = Budget::of_record();
    let mut known = HashSet::new();
    hints
        .into_iter()
        .map(|hint| budget.admit(hint))
        .filter(|hint| known.insert(hint.clone()))
        .collect()
}
