//! A whole policy as one value.

use std::collections::BTreeMap;

use crate::approver::Approver;
use crate::foretell::GivenPolicy;
use crate::policy::{Entry, Policy, PolicyItem, Scope, ServiceSettings};
use crate::precondition::PolicyItemId;

/// All items of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WholePolicy {
    items: BTreeMap<PolicyItemId, PolicyItem>,
}

impl PolicyItem {
    /// Which item it is, if it stands under the key that judging expects.
    #[must_use]
    pub fn id(&self) -> PolicyItemId {
        match self {
            Self::Entry(entry) => PolicyItemId::Entry(entry.rule().clone()),
            Self::Settings(scope, _) => PolicyItemId::Settings(scope.clone()),
            Self::Approver(approver) => PolicyItemId::Approver(approver.id.clone()),
        }
    }
}

impl WholePolicy {
    /// The policy of these items. A later item replaces an earlier one of the same id.
    #[must_use]
    pub fn of(items: impl IntoIterator<Item = PolicyItem>) -> Self {
        let items = items.into_iter().map(|item| (item.id(), item));
        Self {
            items: items.collect(),
        }
    }

    /// Replaces an item, or removes it with `None`. An entry that stands under an unexpected key has another id
    /// than its rule's.
    pub fn put(&mut self, id: PolicyItemId, item: Option<PolicyItem>) {
        match item {
            Some(item) => self.items.insert(id, item),
            None => self.items.remove(&id),
        };
    }

    #[must_use]
    pub fn get(&self, id: &PolicyItemId) -> Option<&PolicyItem> {
        self.items.get(id)
    }

    pub fn items(&self) -> impl Iterator<Item = (&PolicyItemId, &PolicyItem)> {
        self.items.iter()
    }

    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.items.values().filter_map(|item| match item {
            PolicyItem::Entry(entry) => Some(entry),
            PolicyItem::Settings(..) | PolicyItem::Approver(_) => None,
        })
    }

    #[must_use]
    pub fn settings(&self, scope: &Scope) -> Option<&ServiceSettings> {
        match self.items.get(&PolicyItemId::Settings(scope.clone())) {
            Some(PolicyItem::Settings(_, settings)) => Some(settings),
            _ => None,
        }
    }

    pub fn approvers(&self) -> impl Iterator<Item = &Approver> {
        self.items.values().filter_map(|item| match item {
            PolicyItem::Approver(approver) => Some(approver),
            PolicyItem::Settings(..) | PolicyItem::Entry(_) => None,
        })
    }

    /// The same as decisions read it.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let mut policy = Policy::default();
        for item in self.items.values().cloned() {
            match item {
                PolicyItem::Entry(entry) => policy.entries.push(entry),
                PolicyItem::Settings(scope, settings) => {
                    policy.settings.insert(scope, settings);
                }
                PolicyItem::Approver(approver) => policy.approvers.push(approver),
            }
        }
        policy
    }

    /// The same for a forecast.
    #[must_use]
    pub fn given(&self) -> GivenPolicy {
        let mut policy = self.policy();
        let approvers = std::mem::take(&mut policy.approvers);
        GivenPolicy::of(policy, approvers)
    }
}
