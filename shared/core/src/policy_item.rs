//! Entries, settings and approvers as somebody writes them, and back.
//!
//! An item of the allowlist table and an item of a file differ only in how they say which item it is: the table
//! has its key, a file has attributes for it. All other attributes are read by the same code. They are read
//! strictly: an attribute that nobody knows may be a condition misspelt, and passing it over would let in whom it
//! was meant to keep out (safety rule S2).
//!
//! In two things a file is read more strictly than the table, since its author waits for the answer and nothing
//! else does: a wrong `name` or `slack_channel`, which decides nothing, and a `purge_at` that does not go with
//! `expires_at`. The table's item counts without the one and with the other, and an alarm says so.

use crate::approver::{self, Approver, WrittenApprover};
use crate::ids::ApproverId;
use crate::ignored_setting::IgnoredSetting;
use crate::policy::settings::SETTINGS as SETTINGS_OF_SERVICE;
use crate::policy::{
    ABOUT, About, CONDITIONS, Conditions, Effect, Entry, PURGE_AT, PolicyItem, Rule, Scope,
    ServiceSettings,
};
use crate::policy_key::{APPROVERS, Meaning, PolicyKey, Stops, advice};
use crate::precondition::UnreadablePolicy;
use crate::purge;
use crate::written::{self, Attribute, Attributes, Mistake, Reader, Typed, Value};

/// The sort key of settings.
pub const SETTINGS: &str = "settings";
/// An approver's sort key begins with this.
pub const APPROVER: &str = "approver#";

const OF_ENTRY: &str = "an attribute of an entry";
const A_SETTING: &str = "a setting";
const OF_APPROVER: &str = "an attribute of an approver";

/// The attributes of an entry besides those that say which entry it is.
pub fn entry_attributes() -> impl Iterator<Item = &'static Attribute> {
    CONDITIONS.iter().chain(ABOUT).chain([&PURGE_AT])
}

/// The attributes of an approver besides those that say who it is.
pub fn approver_attributes() -> impl Iterator<Item = &'static Attribute> {
    approver::ATTRIBUTES.iter()
}

/// Reads an item of the allowlist table.
///
/// # Errors
/// [`UnreadablePolicy`], which names the item and all that is wrong with it.
pub fn read(item: &Attributes) -> Result<PolicyItem, UnreadablePolicy> {
    let key = |name: &str| match item.get(name) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let (service_id, rule) = (key("service_id"), key("rule"));
    let stops = match (&service_id, &rule) {
        (Some(service_id), Some(rule)) => PolicyKey::new(service_id, rule).stops(),
        _ => Stops::Nothing,
    };
    let named = |part: Option<String>| part.unwrap_or_else(|| "?".to_owned());
    let key = PolicyKey::new(named(service_id), named(rule));
    let read = if key.rule == SETTINGS {
        table_settings(item)
    } else if key.service_id == APPROVERS {
        table_approver(item, &key).map(PolicyItem::Approver)
    } else {
        table_entry(item, &key).map(PolicyItem::Entry)
    };
    read.map_err(|detail| UnreadablePolicy {
        item: key.to_string(),
        stops,
        detail,
    })
}

/// Reads an entry of a file, where `principal` and `effect` stand in the place of the table's `rule`.
///
/// # Errors
/// All mistakes.
pub fn read_entry(item: &Attributes) -> Result<Entry, Vec<Mistake>> {
    let mut reader = Reader::new(item, OF_ENTRY);
    reader.elsewhere("rule", "write principal and effect in its place");
    let rule = read_rule(&mut reader);
    let entry = entry_of(rule, reader)?;
    purge::check(&entry).map_err(|error| vec![error.mistake()])?;
    Ok(entry)
}

/// Reads which entry is meant, and nothing else.
///
/// # Errors
/// All mistakes.
pub fn read_rule_only(item: &Attributes) -> Result<Rule, Vec<Mistake>> {
    let mut reader = Reader::new(item, "a part of an entry's name");
    let rule = read_rule(&mut reader);
    reader.finish()?;
    rule.ok_or_else(Vec::new)
}

fn read_rule(reader: &mut Reader<'_>) -> Option<Rule> {
    let service_id = reader.required("service_id");
    let principal = reader.required("principal");
    let effect = reader.required("effect");
    Some(Rule {
        service_id: service_id?,
        principal: principal?,
        effect: effect?,
    })
}

/// Reads settings of a file.
///
/// # Errors
/// All mistakes, those of settings that decide nothing included.
pub fn read_settings(item: &Attributes) -> Result<(Scope, ServiceSettings), Vec<Mistake>> {
    let mut reader = Reader::new(item, A_SETTING);
    let scope = reader.required("service_id");
    let (settings, ignored) = settings_of(&mut reader);
    for (_, mistake) in ignored {
        reader.note(mistake);
    }
    reader.finish()?;
    Ok((scope.ok_or_else(Vec::new)?, settings))
}

/// Reads an approver of a file, where `id` stands in the place of the table's `rule`.
///
/// # Errors
/// All mistakes.
pub fn read_approver(item: &Attributes) -> Result<Approver, Vec<Mistake>> {
    let mut reader = Reader::new(item, OF_APPROVER);
    for name in ["rule", "email"] {
        reader.elsewhere(name, "write the e-mail address as id");
    }
    let id = reader.required("id");
    let written = WrittenApprover::read(&mut reader);
    reader.finish()?;
    Ok(approver_of(id.ok_or_else(Vec::new)?, written))
}

/// The attributes of an item of the table, without its key.
#[must_use]
pub fn write(item: &PolicyItem) -> Attributes {
    let mut attributes = Attributes::new();
    match item {
        PolicyItem::Entry(entry) => {
            entry.conditions().write(&mut attributes);
            entry.about().write(&mut attributes);
            if let Some(seconds) = entry.purge_at() {
                attributes.insert(PURGE_AT.name.to_owned(), seconds.write());
            }
        }
        PolicyItem::Settings(_, settings) => settings.write(&mut attributes),
        PolicyItem::Approver(approver) => written_approver(approver).write(&mut attributes),
    }
    attributes
}

fn table_entry(item: &Attributes, key: &PolicyKey) -> Result<Entry, String> {
    let mut reader = Reader::new(item, OF_ENTRY);
    for name in ["principal", "effect"] {
        reader.elsewhere(
            name,
            "the rule says it, as allow#<principal> or deny#<principal>",
        );
    }
    let is_keyed = key_of(&mut reader, item);
    let rule = is_keyed.then(|| rule_of(key)).transpose()?;
    entry_of(rule, reader).map_err(|mistakes| written::all(&mistakes))
}

fn table_settings(item: &Attributes) -> Result<PolicyItem, String> {
    let mut reader = Reader::new(item, A_SETTING);
    let scope: Option<Scope> = reader.required("service_id");
    reader.knows("rule");
    let (settings, ignored) = settings_of(&mut reader);
    reader
        .finish()
        .map_err(|mistakes| written::all(&mistakes))?;
    let scope = scope.ok_or_else(String::new)?;
    let ignored = ignored
        .into_iter()
        .map(|(name, mistake)| IgnoredSetting::new(scope.clone(), name, mistake))
        .collect();
    let settings = ServiceSettings {
        ignored,
        ..settings
    };
    Ok(PolicyItem::Settings(scope, settings))
}

fn settings_of(reader: &mut Reader<'_>) -> (ServiceSettings, Vec<(&'static str, Mistake)>) {
    for attribute in entry_attributes() {
        reader.elsewhere(attribute.name, "write it in an entry");
    }
    ServiceSettings::read(reader)
}

fn table_approver(item: &Attributes, key: &PolicyKey) -> Result<Approver, String> {
    let mut reader = Reader::new(item, OF_APPROVER);
    for name in ["id", "email"] {
        reader.elsewhere(name, "the rule says it, as approver#<e-mail address>");
    }
    let is_keyed = key_of(&mut reader, item);
    let id = match key.rule.strip_prefix(APPROVER) {
        Some(id) => match ApproverId::read(&Value::Text(id.to_owned()), &ApproverId::SHAPE) {
            Ok(id) => Ok(id),
            Err(misfit) => Err(format!("after {APPROVER}, {}", misfit.advice())),
        },
        None => Err(format!("write {APPROVER} and the person's e-mail address")),
    };
    if let (Err(advice), true) = (&id, is_keyed) {
        let shown = Value::Text(key.rule.clone()).shown();
        reader.note(Mistake::value("rule", &shown, advice));
    }
    let written = WrittenApprover::read(&mut reader);
    reader
        .finish()
        .map_err(|mistakes| written::all(&mistakes))?;
    Ok(approver_of(id?, written))
}

/// Whether the item has a key of texts, as every item of the table has.
fn key_of(reader: &mut Reader<'_>, item: &Attributes) -> bool {
    ["service_id", "rule"]
        .map(|name| {
            reader.knows(name);
            let value = item.get(name);
            let is_text = matches!(value, Some(Value::Text(_)));
            if !is_text {
                let shown = value.map(Value::in_words);
                let mistake = match shown {
                    Some(shown) => Mistake::value(name, &shown, "write a text"),
                    None => Mistake::missing(name, "a text"),
                };
                reader.note(mistake);
            }
            is_text
        })
        .into_iter()
        .all(|is_text| is_text)
}

/// The rule of an entry with this key; what is wrong with the key if it is none that is read.
fn rule_of(key: &PolicyKey) -> Result<Rule, String> {
    let rule = match key.meaning() {
        Some(Meaning::Expected) => {
            let (effect, principal) = key.rule.split_once('#').unwrap_or_default();
            let effect = match effect {
                "allow" => Some(Effect::Allow),
                "deny" => Some(Effect::Deny),
                _ => None,
            };
            let (service_id, principal) = (key.service_id.parse().ok(), principal.parse().ok());
            match (service_id, principal, effect) {
                (Some(service_id), Some(principal), Some(effect)) => Some(Rule {
                    service_id,
                    principal,
                    effect,
                }),
                _ => None,
            }
        }
        Some(Meaning::Deny(rule)) => Some(rule),
        Some(Meaning::Allow | Meaning::Unclear(_)) | None => None,
    };
    rule.ok_or_else(|| advice(key))
}

/// Reads what is left of an entry.
fn entry_of(rule: Option<Rule>, mut reader: Reader<'_>) -> Result<Entry, Vec<Mistake>> {
    for setting in SETTINGS_OF_SERVICE {
        reader.elsewhere(setting.name, "write it in the service's settings");
    }
    let conditions = Conditions::read(&mut reader);
    let about = About::read(&mut reader);
    let purge_at = reader.optional_as(PURGE_AT.name, &PURGE_AT.shape);
    reader.finish()?;
    let rule = rule.ok_or_else(Vec::new)?;
    Entry::new(rule, conditions, about)
        .map(|entry| entry.with_purge_at(purge_at))
        .map_err(|error| vec![error.mistake()])
}

fn approver_of(id: ApproverId, written: WrittenApprover) -> Approver {
    Approver {
        id,
        slack_user_id: written.slack_user_id,
        iam_principal: written.iam_principal,
        services: written.services.unwrap_or_default(),
        own_accounts: written.own_accounts.unwrap_or_default(),
    }
}

fn written_approver(approver: &Approver) -> WrittenApprover {
    let approver = approver.clone();
    // DynamoDB has no empty set.
    WrittenApprover {
        services: Some(approver.services).filter(|set| !set.is_empty()),
        own_accounts: Some(approver.own_accounts).filter(|set| !set.is_empty()),
        slack_user_id: approver.slack_user_id,
        iam_principal: approver.iam_principal,
        reason: None,
        created_by: None,
    }
}

#[cfg(test)]
#[path = "policy_item_tests.rs"]
mod tests;
