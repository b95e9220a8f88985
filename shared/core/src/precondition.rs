//! Preconditions: the policy as it was read for one connection, and which of its items must be
//! unchanged when a decision is written.

use crate::approver::ApproverId;
use crate::connection::{Connection, Organization};
use crate::judge::{Decision, Verdict, outranks};
use crate::policy::{Effect, Policy, Principal, Rule, Scope};
use crate::policy_key::{PolicyKey, Stops};

/// Identifies an item that a decision may depend on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyItemId {
    /// The settings of one service, or of all.
    Settings(Scope),
    /// An allowlist entry.
    Entry(Rule),
    /// A deny with a key that is not in its normal form, and the rule that it means.
    UnexpectedDeny(PolicyKey, Rule),
    /// The remembered unexpected keys of one service, or of all.
    UnexpectedKeys(Scope),
    /// An approver.
    Approver(ApproverId),
}

impl PolicyItemId {
    /// All policy items that could concern a connection, and no others: its own service's and those
    /// of `*`, with each principal that matches it, both effects, the settings, and the remembered
    /// unexpected keys.
    #[must_use]
    pub fn all_of(connection: &Connection, organization: &Organization) -> Vec<PolicyItemId> {
        let mut principals = vec![
            Principal::Endpoint(connection.endpoint_id.clone()),
            Principal::Account(connection.owner.clone()),
            Principal::Anyone,
        ];
        if let Organization::Known(Some(place)) = organization {
            principals.extend(place.branches().into_iter().map(Principal::Organization));
        }
        let mut items = Vec::new();
        for service_id in Scope::all_of(&connection.service_id) {
            items.push(Self::Settings(service_id.clone()));
            items.push(Self::UnexpectedKeys(service_id.clone()));
            for principal in &principals {
                for effect in [Effect::Allow, Effect::Deny] {
                    items.push(Self::Entry(Rule {
                        service_id: service_id.clone(),
                        principal: principal.clone(),
                        effect,
                    }));
                }
            }
        }
        items
    }

    /// The rule of an entry, for any form of its key.
    #[must_use]
    pub fn rule(&self) -> Option<&Rule> {
        match self {
            Self::Entry(rule) | Self::UnexpectedDeny(_, rule) => Some(rule),
            Self::Settings(_) | Self::UnexpectedKeys(_) | Self::Approver(_) => None,
        }
    }

    /// Whether it may hold a deny, or mention one: every accept requires that there is none.
    fn may_deny(&self) -> bool {
        let denies = |rule: &Rule| rule.effect == Effect::Deny;
        matches!(self, Self::UnexpectedKeys(_)) || self.rule().is_some_and(denies)
    }
}

/// An item that must be unchanged when a change is written: present with these attributes, or
/// absent if it was absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Precondition {
    pub item: PolicyItemId,
    /// The attributes that matter; changes of others do not.
    pub attributes: &'static [&'static str],
}

/// The conditions of an entry: if none of these changed, its verdict is the same.
const CONDITIONS: [&str; 3] = ["max_connections", "regions", "expires_at"];
/// The attribute of the remembered keys that a decision depends on.
const REMEMBERED_KEYS: [&str; 1] = ["hash"];
/// The settings that a rejection may depend on.
const JUDGED_SETTINGS: [&str; 3] = ["on_unlisted", "on_deadline", "review_hours"];
/// The settings that a decision by votes depends on.
const VOTED_SETTINGS: [&str; 3] = ["approvals_required", "on_deadline", "review_hours"];
/// The settings that a revocation may depend on.
const REVOKING_SETTINGS: [&str; 4] = ["on_unlisted", "revoke", "revoke_at_most", "out_of_band"];
/// The attributes of an approver that a vote depends on.
const RIGHTS: [&str; 4] = ["services", "own_accounts", "slack_user_id", "iam_principal"];

impl Precondition {
    /// Requires that an approver may still decide.
    #[must_use]
    pub fn right_of(approver: &ApproverId) -> Self {
        Self {
            item: PolicyItemId::Approver(approver.clone()),
            attributes: &RIGHTS,
        }
    }

    /// Requires that an entry exists, with any content: the allowlist is not empty.
    #[must_use]
    pub fn presence_of(entry: PolicyItemId) -> Self {
        Self {
            item: entry,
            attributes: &[],
        }
    }
}

/// The whole policy as it was read for one connection, and the items that were read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyRead {
    pub policy: Policy,
    /// The items that were requested, including the absent ones.
    pub items: Vec<PolicyItemId>,
}

/// A part of the policy that may concern the connection cannot be understood: nothing is accepted,
/// rejected or revoked (safety rule S2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the allowlist item {item} cannot be understood: {detail}")]
pub struct UnreadablePolicy {
    /// The item's partition and sort key.
    pub item: String,
    /// What it stops.
    pub stops: Stops,
    /// What is wrong with it.
    pub detail: String,
}

impl PolicyRead {
    /// The preconditions of a verdict. An accept requires what every accept requires, its allow,
    /// and that no allow exists that would govern before it; a reject requires its deny, or that
    /// nothing is listed. A review accepts and revokes nothing.
    #[must_use]
    pub fn preconditions_of(&self, verdict: &Verdict) -> Vec<Precondition> {
        self.judged(verdict.decision, verdict.rule.as_ref())
    }

    /// The preconditions of rejecting a review at its deadline: the settings are unchanged, and
    /// nobody was allowed meanwhile.
    #[must_use]
    pub fn preconditions_of_deadline(&self) -> Vec<Precondition> {
        self.judged(Decision::Reject, None)
    }

    /// The preconditions of every accept, besides its own allow or approvers, when it is decided
    /// and whenever it is claimed again: no deny has come or changed, under any key (safety rule
    /// S3).
    #[must_use]
    pub fn preconditions_of_accept(&self) -> Vec<Precondition> {
        self.those(PolicyItemId::may_deny, &[])
    }

    /// The preconditions of counting votes: the required number, and the time that they have.
    #[must_use]
    pub fn preconditions_of_votes(&self) -> Vec<Precondition> {
        let is_settings = |item: &PolicyItemId| matches!(item, PolicyItemId::Settings(_));
        self.those(is_settings, &VOTED_SETTINGS)
    }

    /// The preconditions of a revocation: its deny, or that nothing else allows the connection; and
    /// that the service still revokes.
    #[must_use]
    pub fn preconditions_of_revocation(&self, verdict: &Verdict) -> Vec<Precondition> {
        let denied = verdict.decision == Decision::Reject;
        let matters = |item: &PolicyItemId| match (item.rule(), &verdict.rule) {
            (None, _) => matches!(item, PolicyItemId::Settings(_)),
            (Some(rule), Some(deny)) if denied => deny == rule,
            (Some(rule), _) => rule.effect == Effect::Allow,
        };
        self.those(matters, &REVOKING_SETTINGS)
    }

    fn judged(&self, decision: Decision, governing: Option<&Rule>) -> Vec<Precondition> {
        let mut preconditions = match decision {
            Decision::Accept => self.preconditions_of_accept(),
            Decision::Reject | Decision::Review => Vec::new(),
        };
        let matters = |item: &PolicyItemId| match (decision, item.rule()) {
            (Decision::Review, _) => false,
            // An allow that would govern before this one may have stricter conditions.
            (Decision::Accept, Some(rule)) => {
                rule.effect == Effect::Allow
                    && governing.is_some_and(|allow| allow == rule || outranks(rule, allow))
            }
            (Decision::Accept, None) => false,
            (Decision::Reject, rule) => match (governing, rule) {
                (Some(deny), rule) => Some(deny) == rule,
                (None, Some(rule)) => rule.effect == Effect::Allow,
                (None, None) => matches!(item, PolicyItemId::Settings(_)),
            },
        };
        preconditions.extend(self.those(matters, &JUDGED_SETTINGS));
        preconditions
    }

    fn those(
        &self,
        matters: impl Fn(&PolicyItemId) -> bool,
        settings: &'static [&'static str],
    ) -> Vec<Precondition> {
        let items = self.items.iter().filter(|item| matters(item));
        items
            .map(|item| Precondition {
                item: item.clone(),
                attributes: match item {
                    PolicyItemId::Settings(_) => settings,
                    PolicyItemId::UnexpectedKeys(_) => &REMEMBERED_KEYS,
                    _ => &CONDITIONS,
                },
            })
            .collect()
    }
}
