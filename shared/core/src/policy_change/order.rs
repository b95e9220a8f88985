//! The order of writes in which no moment is wrong.
//!
//! An apply writes one item after the other, and Gatekeeper decides by what stands there. At every moment, each
//! connection is accepted, rejected or revoked only if the old policy or the new one does so for the same facts at
//! the same time. These steps give that, in this order:
//!
//! 1. [`Step::HoldBack`]: settings and approvers go to the more careful of both sides: less is rejected and
//!    revoked, more approvals are required, and approvers have only the rights that both sides give.
//! 2. [`Step::Deny`]: denies that are new or deny more.
//! 3. [`Step::Allow`]: allows that are new, wider, or last longer; **the most specific first**.
//! 4. [`Step::Withdraw`]: allows that are removed, narrower, or expire earlier; **the least specific first**.
//! 5. [`Step::Lift`]: denies that are removed or deny less.
//! 6. [`Step::Release`]: settings and approvers go to the new side.
//!
//! Why the steps are these:
//!
//! - The most specific allow governs alone, so adding an allow can take access away, and removing one can give
//!   access that a broader allow has. With the most specific first in step 3 and last in step 4, a connection is
//!   governed at every moment by the very entry that governs it under the old policy or under the new one. This holds
//!   at every time, because an entry that expires earlier than before counts as a removal from then on. One item
//!   is one write, so an allow that is wider and narrower at once needs no state in between.
//! - A deny that denies more and less at once is written twice: in step 2 it denies what either side denies.
//! - Denies are lifted before settings revoke more: otherwise a connection is revoked that was denied while
//!   nothing was revoked, and is not denied any more.
//! - A setting of a service overrides that of `*`. In between, a service has values of its own where those of both
//!   sides together could be stricter than each side.
//! - Fewer approvals are required no earlier than more is rejected: a service comes before `*` in step 1 and after
//!   it in step 6, and one whose own settings reject more requires its own approvals until that very write.
//! - Approvers are held back before the settings and released after them: while less is rejected, no approval
//!   counts that would not count on both sides.
//! - A policy without any entry for a service revokes nothing there. Between no entries and several, some
//!   connections are not allowed yet, so the service does not revoke until the last entry stands, even if no
//!   setting changes.
//!
//! This is about decisions. A review may open in between and end soon after; and where revoking is held back, a
//! revocation that is under way ends and begins anew. The limits:
//!
//! - The facts are given, and the number of a consumer's connections is one of them.
//! - A deny that is written twice and expires at two different times denies too much from the earlier one on. Until
//!   [`Order::exact_until`] the order is exact.
//! - What the old policy has not done yet: a review that has its approvals and that the old policy rejects, and an
//!   approval that EC2 has not taken, if look-ups in the organization are off and a deny for a path comes.

mod approvers;
mod entries;
mod settings;
mod stage;

use jiff::Timestamp;

use super::WholePolicy;
use super::difference::is_same;
use crate::policy::PolicyItem;
use crate::precondition::PolicyItemId;

use stage::Stage;
pub use stage::Step;

/// One write of one item. One of its sides is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    pub step: Step,
    pub id: PolicyItemId,
    /// What must stand there before.
    pub before: Option<PolicyItem>,
    /// What stands there afterwards; `None` removes the item.
    pub after: Option<PolicyItem>,
}

/// All writes from one policy to another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order {
    pub writes: Vec<Write>,
    /// From then on, a deny that is written twice denies too much between its two writes; `None` if that never
    /// happens.
    pub exact_until: Option<Timestamp>,
}

/// Puts the writes from one policy to another in order. `now` is not later than the first write.
#[must_use]
pub fn order(before: &WholePolicy, after: &WholePolicy, now: Timestamp) -> Order {
    let entries = entries::stages(before, after, now);
    let approvers = approvers::stages(before, after);
    // Nobody's approvals count because less is rejected, or before more is.
    let mut stages = approvers.held_back;
    stages.extend(entries.stages);
    stages.extend(settings::stages(before, after));
    stages.extend(approvers.released);
    // Each part has put its own in order already.
    stages.sort_by_key(|stage| stage.step);
    let mut current = before.clone();
    let mut writes = Vec::with_capacity(stages.len());
    for Stage { step, id, after } in stages {
        let before = current.get(&id).cloned();
        if is_same(before.as_ref(), after.as_ref()) {
            continue;
        }
        current.put(id.clone(), after.clone());
        writes.push(Write {
            step,
            id,
            before,
            after,
        });
    }
    Order {
        writes,
        exact_until: entries.exact_until,
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
