//! What a decision rests on: the policy as it was read for one connection, and which of its items must
//! be unchanged when the decision is written.

use crate::approver::ApproverId;
use crate::connection::{Connection, Organization};
use crate::judge::{Decision, Verdict, outranks};
use crate::policy::{Effect, Policy, Principal, Rule, Scope};
use crate::policy_key::{PolicyKey, Stops};

/// Names an item that a decision may rest on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyItemId {
    /// The settings of one service, or of all.
    Settings(Scope),
    /// An allowlist entry.
    Entry(Rule),
    /// A deny whose key is not written as it is read, and the rule that it means.
    UnexpectedDeny(PolicyKey, Rule),
    /// What is remembered of the unexpected keys of one service, or of all.
    UnexpectedKeys(Scope),
    /// An approver.
    Approver(ApproverId),
}

impl PolicyItemId {
    /// Every policy item that could bear on a connection, and no other: its own service's and those of
    /// `*`, with each principal that it is, both effects, the settings, and what is remembered of the
    /// keys there.
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

    /// The rule of an entry, by whichever key it is read.
    #[must_use]
    pub fn rule(&self) -> Option<&Rule> {
        match self {
            Self::Entry(rule) | Self::UnexpectedDeny(_, rule) => Some(rule),
            Self::Settings(_) | Self::UnexpectedKeys(_) | Self::Approver(_) => None,
        }
    }

    /// Whether it may hold a deny, or tell of one: every accept rests on there being none.
    fn may_deny(&self) -> bool {
        let denies = |rule: &Rule| rule.effect == Effect::Deny;
        matches!(self, Self::UnexpectedKeys(_)) || self.rule().is_some_and(denies)
    }
}

/// An item that must be as it was read when a change is written: there with these attributes, or absent
/// if it was absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Precondition {
    /// Which item.
    pub item: PolicyItemId,
    /// The attributes that matter; what else changed in it does not.
    pub attributes: &'static [&'static str],
}

/// The conditions that a verdict rests on: an entry in which none of these changed says the same.
const CONDITIONS: [&str; 3] = ["max_connections", "regions", "expires_at"];
/// What of the unexpected keys a decision rests on.
const REMEMBERED_KEYS: [&str; 1] = ["hash"];
/// The settings that a rejection may rest on.
const JUDGED_SETTINGS: [&str; 3] = ["on_unlisted", "on_deadline", "review_hours"];
/// The settings that a decision by votes rests on.
const VOTED_SETTINGS: [&str; 3] = ["approvals_required", "on_deadline", "review_hours"];
/// The settings that a revocation may rest on.
const REVOKING_SETTINGS: [&str; 4] = ["on_unlisted", "revoke", "revoke_at_most", "out_of_band"];
/// What a vote rests on: the right of whoever cast it.
const RIGHTS: [&str; 4] = ["services", "own_accounts", "slack_user_id", "iam_principal"];

impl Precondition {
    /// That an approver may still decide.
    #[must_use]
    pub fn right_of(approver: &ApproverId) -> Self {
        Self {
            item: PolicyItemId::Approver(approver.clone()),
            attributes: &RIGHTS,
        }
    }

    /// That an entry is there, whatever it says: the allowlist is not empty.
    #[must_use]
    pub fn presence_of(entry: PolicyItemId) -> Self {
        Self {
            item: entry,
            attributes: &[],
        }
    }
}

/// The policy as it was read for one connection, whole: what it says, and of which items that is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyRead {
    /// What it says.
    pub policy: Policy,
    /// The items that were asked for, those that are absent included.
    pub items: Vec<PolicyItemId>,
}

/// A policy of which a part cannot be understood that may concern the connection: nothing is accepted,
/// rejected or revoked by it (safety rule S2).
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
    /// What a verdict rests on. An accept rests on what every accept rests on, on its allow, and on there
    /// being none that would govern before it; a reject on its deny, or on nothing being listed. A review
    /// lets nobody in and cuts nobody off.
    #[must_use]
    pub fn preconditions_of(&self, verdict: &Verdict) -> Vec<Precondition> {
        self.judged(verdict.decision, verdict.rule.as_ref())
    }

    /// What the rejection of a review at its deadline rests on: that the settings are as they are, and
    /// that nobody was allowed meanwhile.
    #[must_use]
    pub fn preconditions_of_deadline(&self) -> Vec<Precondition> {
        self.judged(Decision::Reject, None)
    }

    /// What every accept rests on besides its own allow or approvers, whoever decided it, when it is decided
    /// and whenever it is taken up again: that no deny has come or changed, under whatever key (safety rule
    /// S3).
    #[must_use]
    pub fn preconditions_of_accept(&self) -> Vec<Precondition> {
        self.those(PolicyItemId::may_deny, &[])
    }

    /// What the number of votes that suffice rests on, and the time there is for them.
    #[must_use]
    pub fn preconditions_of_votes(&self) -> Vec<Precondition> {
        let is_settings = |item: &PolicyItemId| matches!(item, PolicyItemId::Settings(_));
        self.those(is_settings, &VOTED_SETTINGS)
    }

    /// What a revocation rests on: its deny; or that nothing else allows the connection. And that the
    /// service still revokes.
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
            // An allow that would govern before this one may ask for more.
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
