//! Items as a plan's file has them: the key and the attributes of the allowlist table, in JSON.

use serde_json::{Map, Value as Json};

use crate::ids::InvalidId;
use crate::policy::{Effect, PolicyItem, Rule};
use crate::policy_item::{self, APPROVER, SETTINGS};
use crate::policy_key::{APPROVERS, Meaning, PolicyKey, advice};
use crate::precondition::PolicyItemId;
use crate::written::{self, Value};

/// An item's attributes without its key.
pub type Attributes = Map<String, Json>;

/// The attributes of an item.
#[must_use]
pub fn attributes_of(item: &PolicyItem) -> Attributes {
    let written = policy_item::write(item).into_iter();
    written
        .map(|(name, value)| (name, json_of(value)))
        .collect()
}

/// The item with this id and these attributes.
///
/// # Errors
/// All that is wrong with the attributes.
pub fn item_of(id: &PolicyItemId, attributes: Attributes) -> Result<PolicyItem, String> {
    let PolicyKey { service_id, rule } = key_of(id);
    let attributes = attributes.into_iter();
    let mut written: written::Attributes = attributes
        .map(|(name, json)| (name, value_of(json)))
        .collect();
    written.insert("service_id".to_owned(), Value::Text(service_id));
    written.insert("rule".to_owned(), Value::Text(rule));
    policy_item::read(&written).map_err(|error| error.detail)
}

fn json_of(value: Value) -> Json {
    match value {
        Value::Text(text) | Value::Plain(text) => text.into(),
        Value::Number(number) => number.parse::<i64>().map_or(number.into(), Json::from),
        Value::Bool(value) => value.into(),
        Value::List(values) => values.into_iter().map(json_of).collect(),
        // No item that was understood has any of these.
        Value::Null | Value::Map | Value::Other(_) => Json::Null,
    }
}

fn value_of(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(number) => Value::Number(number.to_string()),
        Json::String(text) => Value::Text(text),
        Json::Array(values) => Value::List(values.into_iter().map(value_of).collect()),
        Json::Object(_) => Value::Map,
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
    let in_words = |error: InvalidId| error.to_string();
    if key.service_id == APPROVERS {
        let id = key.rule.strip_prefix(APPROVER).unwrap_or(&key.rule);
        return id.parse().map(PolicyItemId::Approver).map_err(in_words);
    }
    if key.rule == SETTINGS {
        let scope = key.service_id.parse();
        return scope.map(PolicyItemId::Settings).map_err(in_words);
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
