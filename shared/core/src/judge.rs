//! Judges one connection by the policy.
//!
//! In this order (DESIGN "Policy"):
//!
//! 1. Any unexpired deny whose principal, service and Regions match: **reject**, however general it is.
//! 2. Otherwise the most specific unexpired allow whose principal and service match governs alone:
//!    **accept** if its conditions hold, else **review** (a broader allow does not rescue it).
//! 3. Nothing matches: the service's `on_unlisted`, **review** unless it says reject.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::connection::{Connection, Organization};
use crate::ids::Region;
use crate::policy::{Effect, Entry, OnUnlisted, Policy, Principal, Rule, Scope};

/// The policy's decision about one connection, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub decision: Decision,
    /// The entry that decided; `None` if no entry of the allowlist matched.
    pub rule: Option<Rule>,
    /// Every condition that prevented an accept.
    pub failed: Vec<FailedCondition>,
    /// The explanation for people, in one sentence.
    pub reason: String,
}

impl Verdict {
    /// Whether the consumer's limit prevented an accept.
    #[must_use]
    pub fn is_over_limit(&self) -> bool {
        self.failed
            .iter()
            .any(|condition| matches!(condition, FailedCondition::MaxConnections { .. }))
    }

    /// Whether it names a deny as one that may apply.
    #[must_use]
    pub fn doubts(&self, deny: &Rule) -> bool {
        self.failed.iter().any(
            |condition| matches!(condition, FailedCondition::OrganizationUnknown { rule } if rule == deny),
        )
    }
}

/// What to do with a pending connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Accept,
    Reject,
    /// Ask people.
    Review,
}

impl Decision {
    /// The decision in messages and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Review => "review",
        }
    }
}

/// A condition that prevented an accept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "condition", rename_all = "snake_case")]
pub enum FailedCondition {
    /// The endpoint is in a Region that the entry does not name.
    Regions {
        /// The Region of the endpoint.
        region: Region,
        /// The Regions that the entry allows.
        allowed: Vec<Region>,
    },
    /// The consumer has as many connections as the entry allows.
    MaxConnections {
        /// How many other connections of the account are accepted on the service.
        held: u32,
        /// How many the entry allows.
        max: u32,
    },
    /// A deny for an Organizations path may apply; the account's place could not be looked up.
    OrganizationUnknown {
        /// This deny.
        rule: Rule,
    },
}

/// How many connections the consumer has accepted on the service, without the one that is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Connections of the account's other endpoints.
    pub others: u32,
}

/// Judges one connection. Total: it answers for any policy and any connection.
#[must_use]
pub fn judge(
    policy: &Policy,
    connection: &Connection,
    organization: &Organization,
    usage: Usage,
    now: Timestamp,
) -> Verdict {
    let applying = |effect: Effect| {
        policy.entries.iter().filter(move |entry| {
            entry.rule().effect == effect
                && bearing(entry, connection, organization, now) == Bearing::Applies
        })
    };

    let denial = applying(Effect::Deny).max_by_key(|entry| specificity(entry.rule()));
    if let Some(entry) = denial {
        return denied(entry, connection);
    }

    // A deny that may apply must not lose against an allow that certainly does.
    let doubts = doubts(policy, connection, organization, now);

    match applying(Effect::Allow).max_by_key(|entry| specificity(entry.rule())) {
        Some(entry) => governed(entry, doubts, connection, usage),
        None => unlisted(policy, doubts, connection, organization),
    }
}

/// Whether an entry applies to a connection, or the first reason why it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearing {
    /// It is for another service.
    OtherService,
    /// It is for somebody else.
    OtherPrincipal,
    /// It counts for nothing any more.
    Expired,
    /// It is a deny for other Regions. (An allow for other Regions governs, and its condition fails.)
    OtherRegion,
    /// It is for an Organizations path, and the account's place is unknown.
    PlaceUnknown,
    Applies,
}

/// Whether an entry applies to a connection now.
#[must_use]
pub fn bearing(
    entry: &Entry,
    connection: &Connection,
    organization: &Organization,
    now: Timestamp,
) -> Bearing {
    let rule = entry.rule();
    let is_in_doubt = is_in_doubt(&rule.principal, organization);
    if !rule.service_id.covers(&connection.service_id) {
        Bearing::OtherService
    } else if !is_in_doubt && !principal_matches(&rule.principal, connection, organization) {
        Bearing::OtherPrincipal
    } else if entry.is_expired(now) {
        Bearing::Expired
    } else if rule.effect == Effect::Deny && !region_is_named(entry, connection) {
        Bearing::OtherRegion
    } else if is_in_doubt {
        Bearing::PlaceUnknown
    } else {
        Bearing::Applies
    }
}

/// The denies for Organizations paths that may apply to a connection, in order, because its
/// account's place is unknown.
#[must_use]
pub fn doubts(
    policy: &Policy,
    connection: &Connection,
    organization: &Organization,
    now: Timestamp,
) -> Vec<Rule> {
    let may_apply = |entry: &&Entry| {
        entry.rule().effect == Effect::Deny
            && bearing(entry, connection, organization, now) == Bearing::PlaceUnknown
    };
    let entries = policy.entries.iter().filter(may_apply);
    let rules: BTreeSet<&Rule> = entries.map(Entry::rule).collect();
    rules.into_iter().cloned().collect()
}

/// Whether an entry's principal and service match a connection, or may match it.
#[must_use]
pub fn may_match(entry: &Entry, connection: &Connection, organization: &Organization) -> bool {
    let Rule {
        service_id,
        principal,
        ..
    } = entry.rule();
    service_id.covers(&connection.service_id)
        && (principal_matches(principal, connection, organization)
            || is_in_doubt(principal, organization))
}

/// A verdict names this many of them, because it is stored and sent.
const DOUBTS_NAMED: usize = 20;

fn unknown(doubts: Vec<Rule>) -> impl Iterator<Item = FailedCondition> {
    let named = doubts.into_iter().take(DOUBTS_NAMED);
    named.map(|rule| FailedCondition::OrganizationUnknown { rule })
}

fn principal_matches(
    principal: &Principal,
    connection: &Connection,
    organization: &Organization,
) -> bool {
    match principal {
        Principal::Endpoint(id) => *id == connection.endpoint_id,
        Principal::Account(id) => *id == connection.owner,
        Principal::Organization(branch) => match organization {
            Organization::Known(Some(place)) => branch.covers(place),
            Organization::Known(None) | Organization::Off | Organization::Failed => false,
        },
        Principal::Anyone => true,
    }
}

fn is_in_doubt(principal: &Principal, organization: &Organization) -> bool {
    matches!(principal, Principal::Organization(_))
        && matches!(organization, Organization::Off | Organization::Failed)
}

/// Whether one entry for a connection would govern before another.
#[must_use]
pub fn outranks(one: &Rule, other: &Rule) -> bool {
    specificity(one) > specificity(other)
}

/// Principal first (endpoint, account, longest path, anyone), then the own service before `*`.
pub(crate) fn specificity(rule: &Rule) -> impl Ord + use<> {
    let (class, depth) = match &rule.principal {
        Principal::Endpoint(_) => (0, 0),
        Principal::Account(_) => (1, 0),
        Principal::Organization(path) => (2, path.depth()),
        Principal::Anyone => (3, 0),
    };
    let scope = match rule.service_id {
        Scope::Service(_) => 0,
        Scope::Every => 1,
    };
    (Reverse(class), depth, Reverse(scope))
}

fn region_is_named(entry: &Entry, connection: &Connection) -> bool {
    entry
        .conditions()
        .regions
        .as_ref()
        .is_none_or(|regions| regions.contains(&connection.region))
}

fn denied(entry: &Entry, connection: &Connection) -> Verdict {
    let mut reason = format!(
        "{} is denied on {}",
        who(entry, connection),
        scope_in_words(&entry.rule().service_id)
    );
    if entry.conditions().regions.is_some() {
        reason.push_str(&format!(" from {}", connection.region));
    }
    if let Some(why) = &entry.about().reason {
        reason.push_str(": ");
        reason.push_str(one_line(why).trim_end_matches('.'));
    }
    reason.push('.');
    Verdict {
        decision: Decision::Reject,
        rule: Some(entry.rule().clone()),
        failed: Vec::new(),
        reason,
    }
}

fn governed(entry: &Entry, doubts: Vec<Rule>, connection: &Connection, usage: Usage) -> Verdict {
    let service = scope_in_words(&entry.rule().service_id);
    let subject = who(entry, connection);
    let mut failed = Vec::new();
    let mut objections = Vec::new();
    if let Some(regions) = &entry.conditions().regions
        && !regions.contains(&connection.region)
    {
        let allowed: Vec<Region> = regions.iter().cloned().collect();
        objections.push(format!(
            "only from {}, and this endpoint is in {}",
            listed(&allowed),
            connection.region
        ));
        failed.push(FailedCondition::Regions {
            region: connection.region.clone(),
            allowed,
        });
    }
    if let Some(max) = entry.conditions().max_connections
        && usage.others >= max
    {
        objections.push(format!(
            "for {max} {} at most, and account {} already has {}",
            plural(max, "connection"),
            connection.owner,
            usage.others
        ));
        failed.push(FailedCondition::MaxConnections {
            held: usage.others,
            max,
        });
    }
    if let Some(deny) = doubts.first() {
        objections.push(format!(
            "unless the rule \"{deny}\" applies, and where the account sits in the organization is not known"
        ));
    }
    failed.extend(unknown(doubts));
    let (decision, reason) = if failed.is_empty() {
        (
            Decision::Accept,
            format!("{subject} is allowed on {service}."),
        )
    } else {
        (
            Decision::Review,
            format!(
                "{subject} is allowed on {service} {}.",
                objections.join("; ")
            ),
        )
    };
    Verdict {
        decision,
        rule: Some(entry.rule().clone()),
        failed,
        reason,
    }
}

fn unlisted(
    policy: &Policy,
    doubts: Vec<Rule>,
    connection: &Connection,
    organization: &Organization,
) -> Verdict {
    let mut on_unlisted = policy
        .settings_of(&connection.service_id)
        .on_unlisted
        .unwrap_or_default();
    if matches!(organization, Organization::Failed) {
        // An entry for a path may list the account, so it is not rejected while its place is
        // unknown.
        on_unlisted = OnUnlisted::Review;
    }
    let mut reason = format!(
        "No allowlist entry matches account {} on {}",
        connection.owner, connection.service_id
    );
    if matches!(organization, Organization::Failed) {
        reason.push_str(" (where it sits in the organization could not be looked up)");
    }
    let decision = match on_unlisted {
        OnUnlisted::Review => {
            reason.push_str("; somebody has to decide.");
            Decision::Review
        }
        OnUnlisted::Reject => {
            reason.push_str("; the service rejects unlisted consumers.");
            Decision::Reject
        }
    };
    let failed = match decision {
        // Tell the approvers which denies may apply.
        Decision::Review => unknown(doubts).collect(),
        Decision::Accept | Decision::Reject => Vec::new(),
    };
    Verdict {
        decision,
        rule: None,
        failed,
        reason,
    }
}

fn who(entry: &Entry, connection: &Connection) -> String {
    let subject = match &entry.rule().principal {
        Principal::Endpoint(id) => format!("Endpoint {id} of account {}", connection.owner),
        Principal::Account(id) => format!("Account {id}"),
        Principal::Organization(path) => format!("Account {} in {path}", connection.owner),
        Principal::Anyone => format!("Account {}, like every account,", connection.owner),
    };
    match &entry.about().customer {
        Some(customer) => format!("{subject} ({})", one_line(customer)),
        None => subject,
    }
}

/// Shortens a text that an operator wrote, for a quotation in one line of a sentence.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 200;
    text.split(char::is_control)
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(LONGEST)
        .collect()
}

fn scope_in_words(scope: &Scope) -> String {
    match scope {
        Scope::Service(id) => id.to_string(),
        Scope::Every => "every service".to_owned(),
    }
}

fn listed(regions: &[Region]) -> String {
    let names: Vec<&str> = regions.iter().map(Region::as_str).collect();
    names.join(", ")
}

fn plural(count: u32, noun: &str) -> String {
    if count == 1 {
        noun.to_owned()
    } else {
        format!("{noun}s")
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
