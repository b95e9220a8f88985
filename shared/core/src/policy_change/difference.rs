//! How two policies differ, item by item.

use std::collections::BTreeSet;

use serde_json::Value;

use super::WholePolicy;
use super::attributes::attributes_of;
use crate::policy::PolicyItem;
use crate::precondition::PolicyItemId;

/// An item that differs. One of its sides is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemChange {
    pub id: PolicyItemId,
    pub before: Option<PolicyItem>,
    pub after: Option<PolicyItem>,
}

/// An attribute that differs: as it is written, `None` where it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeChange {
    pub name: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

impl ItemChange {
    /// The attributes that differ, in the order of their names.
    #[must_use]
    pub fn attributes(&self) -> Vec<AttributeChange> {
        let written = |side: &Option<PolicyItem>| side.as_ref().map(attributes_of);
        let before = written(&self.before).unwrap_or_default();
        let after = written(&self.after).unwrap_or_default();
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let changes = names.into_iter().map(|name| AttributeChange {
            name: name.clone(),
            before: before.get(name).cloned(),
            after: after.get(name).cloned(),
        });
        changes
            .filter(|change| change.before != change.after)
            .collect()
    }
}

/// The items that differ, in the order of their ids. A setting that makes no sense and counts for nothing is no
/// difference.
#[must_use]
pub fn difference(before: &WholePolicy, after: &WholePolicy) -> Vec<ItemChange> {
    let ids: BTreeSet<&PolicyItemId> = before
        .items()
        .chain(after.items())
        .map(|(id, _)| id)
        .collect();
    let changes = ids.into_iter().map(|id| ItemChange {
        id: id.clone(),
        before: before.get(id).cloned(),
        after: after.get(id).cloned(),
    });
    changes
        .filter(|change| !is_same(change.before.as_ref(), change.after.as_ref()))
        .collect()
}

pub(super) fn is_same(one: Option<&PolicyItem>, other: Option<&PolicyItem>) -> bool {
    match (one, other) {
        (Some(PolicyItem::Settings(_, one)), Some(PolicyItem::Settings(_, other))) => {
            one.without_ignored() == other.without_ignored()
        }
        (one, other) => one == other,
    }
}
