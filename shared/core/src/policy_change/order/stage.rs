//! The steps, and what an item is to be after one.

use serde::{Deserialize, Serialize};

use crate::policy::PolicyItem;
use crate::precondition::PolicyItemId;

/// The steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    HoldBack,
    Deny,
    Allow,
    Withdraw,
    Lift,
    Release,
}

/// What an item is to be after a step.
pub(super) struct Stage {
    pub(super) step: Step,
    pub(super) id: PolicyItemId,
    pub(super) after: Option<PolicyItem>,
}
