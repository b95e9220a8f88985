//! Items as a plan's file has them: the key and the attributes of the allowlist table.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::approver::{Approver, PrincipalPattern, SlackUserId};
use crate::ids::{AccountId, Region};
use crate::policy::settings::WrittenSettings;
use crate::policy::{About, Conditions, Effect, Entry, PolicyItem, Rule, Scope};
use crate::policy_key::{APPROVERS, Meaning, PolicyKey, advice};
use crate::precondition::PolicyItemId;

/// An item's attributes without its key.
pub type Attributes = Map<String, Value>;

const SETTINGS: &str = "settings";
const APPROVER: &str = "approver#";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfEntry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_connections: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    regions: Option<BTreeSet<Region>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contact: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ticket: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purge_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfApprover {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    services: BTreeSet<Scope>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    own_accounts: BTreeSet<AccountId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slack_user_id: Option<SlackUserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iam_principal: Option<PrincipalPattern>,
}

/// The attributes of an item.
#[must_use]
pub fn attributes_of(item: &PolicyItem) -> Attributes {
    let written = match item {
        PolicyItem::Entry(entry) => serde_json::to_value(of_entry(entry)),
        PolicyItem::Settings(_, settings) => serde_json::to_value(settings),
        PolicyItem::Approver(approver) => serde_json::to_value(OfApprover {
            services: approver.services.clone(),
            own_accounts: approver.own_accounts.clone(),
            slack_user_id: approver.slack_user_id.clone(),
            iam_principal: approver.iam_principal.clone(),
        }),
    };
    match written {
        Ok(Value::Object(attributes)) => attributes,
        // All three are structs of texts, numbers and lists, which JSON has.
        Ok(_) | Err(_) => Attributes::new(),
    }
}

fn of_entry(entry: &Entry) -> OfEntry {
    let (conditions, about) = (entry.conditions().clone(), entry.about().clone());
    OfEntry {
        max_connections: conditions.max_connections,
        regions: conditions.regions,
        expires_at: conditions.expires_at,
        customer: about.customer,
        contact: about.contact,
        ticket: about.ticket,
        reason: about.reason,
        created_by: about.created_by,
        purge_at: entry.purge_at(),
    }
}

/// The item with this id and these attributes.
///
/// # Errors
/// What is wrong with the attributes.
pub fn item_of(id: &PolicyItemId, attributes: Attributes) -> Result<PolicyItem, String> {
    let value = |attributes| Value::Object(attributes);
    match id {
        PolicyItemId::Settings(scope) => {
            let mut attributes = attributes;
            attributes.insert("service_id".to_owned(), scope.to_string().into());
            let written: WrittenSettings =
                serde_json::from_value(value(attributes)).map_err(|error| error.to_string())?;
            let (scope, settings) = written.into_parts();
            Ok(PolicyItem::Settings(scope, settings))
        }
        PolicyItemId::Approver(id) => {
            let written: OfApprover =
                serde_json::from_value(value(attributes)).map_err(|error| error.to_string())?;
            Ok(PolicyItem::Approver(Approver {
                id: id.clone(),
                slack_user_id: written.slack_user_id,
                iam_principal: written.iam_principal,
                services: written.services,
                own_accounts: written.own_accounts,
            }))
        }
        PolicyItemId::Entry(rule) | PolicyItemId::UnexpectedDeny(_, rule) => {
            let written: OfEntry =
                serde_json::from_value(value(attributes)).map_err(|error| error.to_string())?;
            let conditions = Conditions {
                max_connections: written.max_connections,
                regions: written.regions,
                expires_at: written.expires_at,
            };
            let about = About {
                customer: written.customer,
                contact: written.contact,
                ticket: written.ticket,
                reason: written.reason,
                created_by: written.created_by,
            };
            Entry::new(rule.clone(), conditions, about)
                .map(|entry| PolicyItem::Entry(entry.with_purge_at(written.purge_at)))
                .map_err(|error| error.to_string())
        }
        PolicyItemId::UnexpectedKeys(_) => Err("it is no item of the allowlist".to_owned()),
    }
}

/// The key of an item of the allowlist table.
#[must_use]
pub fn key_of(id: &PolicyItemId) -> PolicyKey {
    match id {
        PolicyItemId::Settings(scope) => PolicyKey::new(scope.to_string(), SETTINGS),
        PolicyItemId::Entry(rule) => PolicyKey::new(
            rule.service_id.to_string(),
            format!("{}#{}", rule.effect, rule.principal),
        ),
        PolicyItemId::UnexpectedDeny(key, _) => key.clone(),
        PolicyItemId::Approver(id) => PolicyKey::new(APPROVERS, format!("{APPROVER}{id}")),
        // It lies in another table, and is never part of a policy.
        PolicyItemId::UnexpectedKeys(scope) => PolicyKey::new(scope.to_string(), "?"),
    }
}

/// The item that has this key.
///
/// # Errors
/// What is wrong with the key.
pub fn id_of(key: &PolicyKey) -> Result<PolicyItemId, String> {
    if key.service_id == APPROVERS {
        let id = key.rule.strip_prefix(APPROVER).unwrap_or(&key.rule);
        return id
            .parse()
            .map(PolicyItemId::Approver)
            .map_err(|error: crate::ids::InvalidId| error.to_string());
    }
    if key.rule == SETTINGS {
        let scope = key.service_id.parse();
        return scope
            .map(PolicyItemId::Settings)
            .map_err(|error: crate::ids::InvalidId| error.to_string());
    }
    match key.meaning() {
        Some(Meaning::Expected) => rule_of(key)
            .map(PolicyItemId::Entry)
            .ok_or_else(|| advice(key)),
        Some(Meaning::Deny(rule)) => Ok(PolicyItemId::UnexpectedDeny(key.clone(), rule)),
        Some(Meaning::Allow | Meaning::Unclear(_)) | None => Err(advice(key)),
    }
}

fn rule_of(key: &PolicyKey) -> Option<Rule> {
    let (effect, principal) = key.rule.split_once('#')?;
    Some(Rule {
        service_id: key.service_id.parse().ok()?,
        principal: principal.parse().ok()?,
        effect: match effect {
            "allow" => Effect::Allow,
            "deny" => Effect::Deny,
            _ => return None,
        },
    })
}
