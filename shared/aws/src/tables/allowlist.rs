//! Allowlist items to policy and back.
//!
//! An item is read strictly: an attribute nobody knows may be a condition misspelt, and passing it
//! over would let in whom it was meant to keep out (safety rule S2).

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::sync::Arc;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_core::connection::{Connection, Organization};
use gatekeeper_core::ids::{Region, ServiceId};
use gatekeeper_core::ignored_setting::IgnoredSetting;
use gatekeeper_core::policy::settings::{SETTINGS, WrittenSettings};
use gatekeeper_core::policy::{
    About, Conditions, Effect, Entry, Policy, PolicyItem, Rule, Scope, ServiceSettings,
};
use gatekeeper_core::policy_key::{Meaning, PolicyKey, Stops, advice};
use gatekeeper_core::precondition::{PolicyItemId, PolicyRead, UnreadablePolicy};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::approver_item::decode_approver;
use super::item::{Item, all_of, text};
use super::keys::{self, APPROVERS};
use super::unexpected_keys::policy_key;
use super::{Db, Items, Key, Unencodable};
use crate::error::Error;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryItem {
    service_id: String,
    rule: String,
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
    /// Epoch seconds after which DynamoDB may delete the item. Housekeeping, never the gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purge_at: Option<i64>,
}

/// Reads an allowlist item.
///
/// # Errors
/// [`UnreadablePolicy`], which names the item and what is wrong with it.
pub fn decode_policy_item(item: Item) -> Result<PolicyItem, UnreadablePolicy> {
    let name = item_name(&item);
    let stops = policy_key(&item).map_or(Stops::Nothing, |key| key.stops());
    let malformed = |detail: String| UnreadablePolicy {
        item: name.clone(),
        stops,
        detail,
    };
    let is_settings = item
        .get("rule")
        .and_then(|rule| rule.as_s().ok())
        .is_some_and(|rule| rule == keys::SETTINGS);
    if is_settings {
        return decode_settings(item)
            .map(|(scope, settings)| PolicyItem::Settings(scope, settings))
            .map_err(malformed);
    }
    if item
        .get("service_id")
        .and_then(|id| id.as_s().ok())
        .is_some_and(|id| id == APPROVERS)
    {
        return decode_approver(item)
            .map(PolicyItem::Approver)
            .map_err(malformed);
    }
    let mut item = item;
    let purge_at = item.remove("purge_at").map(seconds).transpose();
    let purge_at = purge_at.map_err(malformed)?.flatten();
    let item: EntryItem =
        serde_dynamo::from_item(item).map_err(|error| malformed(error.to_string()))?;
    let key = PolicyKey::new(item.service_id, item.rule);
    let rule = rule_of(&key).map_err(malformed)?;
    let conditions = Conditions {
        max_connections: item.max_connections,
        regions: item.regions,
        expires_at: item.expires_at,
    };
    let about = About {
        customer: item.customer,
        contact: item.contact,
        ticket: item.ticket,
        reason: item.reason,
        created_by: item.created_by,
    };
    Entry::new(rule, conditions, about)
        .map(|entry| PolicyItem::Entry(entry.with_purge_at(purge_at)))
        .map_err(|error| malformed(error.to_string()))
}

/// The settings in an item and whose they are; what is wrong with it if it makes no sense.
fn decode_settings(mut item: Item) -> Result<(Scope, ServiceSettings), String> {
    item.remove("rule");
    let mut ignored = Vec::new();
    for setting in SETTINGS {
        let Some(unless) = setting.ignored_unless() else {
            continue;
        };
        let written = match item.get(setting.name) {
            None | Some(AttributeValue::Null(_)) => continue,
            Some(AttributeValue::S(text)) if (unless.is_valid)(text) => continue,
            Some(AttributeValue::S(text)) => format!("{text:?}"),
            Some(other) => in_words(other),
        };
        item.remove(setting.name);
        ignored.push((setting.name, written, unless.expected));
    }
    if let Some(AttributeValue::S(scope)) = item.get("service_id") {
        scope
            .parse::<Scope>()
            .map_err(|error| format!("service_id: {error}"))?;
    }
    let written: WrittenSettings =
        serde_dynamo::from_item(item).map_err(|error| error.to_string())?;
    let (scope, settings) = written.into_parts();
    let ignored = ignored.into_iter().map(|(name, written, expected)| {
        IgnoredSetting::new(scope.clone(), name, &written, expected)
    });
    let ignored = ignored.collect();
    Ok((
        scope,
        ServiceSettings {
            ignored,
            ..settings
        },
    ))
}

/// An attribute's value as an error shows it.
fn in_words(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) => format!("the text {text:?}"),
        AttributeValue::N(number) => format!("the number {number}"),
        AttributeValue::Bool(value) => value.to_string(),
        AttributeValue::Null(_) => "nothing".to_owned(),
        AttributeValue::L(_) => "a list".to_owned(),
        AttributeValue::M(_) => "a map".to_owned(),
        AttributeValue::Ss(_) => "a set of texts".to_owned(),
        AttributeValue::Ns(_) => "a set of numbers".to_owned(),
        AttributeValue::B(_) | AttributeValue::Bs(_) => "binary".to_owned(),
        _ => "of a type that nobody knows".to_owned(),
    }
}

/// A moment as DynamoDB's time to live takes it.
fn seconds(value: AttributeValue) -> Result<Option<i64>, String> {
    let shown = match value {
        AttributeValue::Null(_) => return Ok(None),
        AttributeValue::N(number) => match number.parse() {
            Ok(seconds) => return Ok(Some(seconds)),
            Err(_) => number,
        },
        other => in_words(&other),
    };
    Err(format!(
        "purge_at is {shown}; it must be a whole number of seconds since 1970"
    ))
}

/// An entry as an allowlist item.
///
/// # Errors
/// [`Unencodable`], which only a bug can cause.
pub fn encode_entry(entry: &Entry) -> Result<Item, Unencodable> {
    let key = Key::Entry(entry.rule().clone());
    let (service_id, rule) = key.values();
    let conditions = entry.conditions().clone();
    let about = entry.about().clone();
    serde_dynamo::to_item(EntryItem {
        service_id,
        rule,
        max_connections: conditions.max_connections,
        regions: conditions.regions,
        expires_at: conditions.expires_at,
        customer: about.customer,
        contact: about.contact,
        ticket: about.ticket,
        reason: about.reason,
        created_by: about.created_by,
        purge_at: entry.purge_at(),
    })
    .map_err(|error| Unencodable::new(format!("the item {key}"), error))
}

/// Settings as an allowlist item.
///
/// # Errors
/// [`Unencodable`], which only a bug can cause.
pub fn encode_settings(scope: &Scope, settings: &ServiceSettings) -> Result<Item, Unencodable> {
    let key = Key::Settings(scope.clone());
    let (service_id, rule) = key.values();
    let mut item: Item = serde_dynamo::to_item(settings)
        .map_err(|error| Unencodable::new(format!("the item {key}"), error))?;
    item.insert("service_id".to_owned(), text(service_id));
    item.insert("rule".to_owned(), text(rule));
    Ok(item)
}

fn item_name(item: &Item) -> String {
    let value = |name: &str| {
        item.get(name)
            .and_then(|value| value.as_s().ok())
            .map_or("?", String::as_str)
    };
    PolicyKey::new(value("service_id"), value("rule")).to_string()
}

/// The rule of an entry with this key; what is wrong with the key if it is none that is read.
fn rule_of(key: &PolicyKey) -> Result<Rule, String> {
    match key.meaning() {
        Some(Meaning::Expected) => {}
        Some(Meaning::Deny(rule)) => return Ok(rule),
        Some(Meaning::Allow | Meaning::Unclear(_)) | None => return Err(advice(key)),
    }
    let (effect, principal) = match key.rule.split_once('#') {
        Some(("allow", principal)) => (Effect::Allow, principal),
        Some(("deny", principal)) => (Effect::Deny, principal),
        _ => return Err(advice(key)),
    };
    Ok(Rule {
        service_id: key
            .service_id
            .parse()
            .map_err(|error| format!("service_id: {error}"))?,
        principal: principal
            .parse()
            .map_err(|error| format!("rule: {error}"))?,
        effect,
    })
}

/// By what name an entry is read that has this item.
fn id_of(item: &Item, rule: &Rule) -> PolicyItemId {
    let expected = PolicyItemId::Entry(rule.clone());
    match policy_key(item) {
        Some(key)
            if (key.service_id.clone(), key.rule.clone()) != Key::from(&expected).values() =>
        {
            PolicyItemId::UnexpectedDeny(key, rule.clone())
        }
        _ => expected,
    }
}

/// The entries for Organizations paths that deny, by the services they speak of. Where nobody knows
/// where an account sits, none of them can be named by its key, and each may apply.
#[derive(Debug, Default)]
pub(crate) struct PathDenies(BTreeMap<Scope, Vec<Item>>);

impl PathDenies {
    /// Whether the denies for this service, and for all, were read.
    pub(crate) fn covers(&self, service: &ServiceId) -> bool {
        [Scope::Service(service.clone()), Scope::Every]
            .iter()
            .all(|scope| self.0.contains_key(scope))
    }
}

/// The items of the allowlist, to be read: entries and settings here, approvers and acknowledgements beside.
#[derive(Debug, Clone)]
pub(crate) struct Allowlist {
    pub(super) db: Db,
}

impl Allowlist {
    pub(crate) fn new(db: &Db) -> Self {
        Self { db: db.clone() }
    }

    /// Reads the denies for Organizations paths on these services, unless they were read already.
    pub(crate) async fn read_path_denies(
        &self,
        denies: &mut PathDenies,
        scopes: BTreeSet<Scope>,
    ) -> Result<(), Arc<Error>> {
        for scope in scopes {
            if let btree_map::Entry::Vacant(unread) = denies.0.entry(scope) {
                let query = self.entries(unread.key(), "deny#o-");
                let scope = unread.key();
                let what =
                    format!("the denies of {scope} for Organizations paths could not be read");
                let call = self.db.reading("dynamodb:Query", what);
                unread.insert(all_of(query, call).await?);
            }
        }
        Ok(())
    }

    /// A service's settings, with those of `*` where its own say nothing.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or an item makes no sense.
    pub(crate) async fn settings_of(
        &self,
        service: &ServiceId,
    ) -> Result<ServiceSettings, Arc<Error>> {
        let keys = [Scope::Service(service.clone()), Scope::Every].map(Key::Settings);
        let what = format!("the settings of {service} could not be read");
        let items = self.db.read(keys.clone().into(), &what).await?;
        let mut policy = Policy::default();
        for item in keys.iter().filter_map(|key| items.get(key)) {
            let read = decode_policy_item(item.clone())
                .map_err(|error| self.db.unreadable_policy(error))?;
            if let PolicyItem::Settings(scope, settings) = read {
                policy.settings.insert(scope, settings);
            }
        }
        Ok(policy.settings_of(service))
    }

    /// Some entry that speaks of a service, its expiry left aside: as long as there is one, the
    /// allowlist is not empty for the service (safety rule S2). None if there is none.
    pub(crate) async fn any_entry(
        &self,
        service: &ServiceId,
    ) -> Result<Option<(PolicyItemId, Item)>, Arc<Error>> {
        let what = format!("whether the allowlist has an entry for {service} could not be read");
        let call = self.db.reading("dynamodb:Query", what);
        for scope in [Scope::Service(service.clone()), Scope::Every] {
            for effect in ["allow#", "deny#"] {
                let output = self
                    .entries(&scope, effect)
                    .limit(1)
                    .send()
                    .await
                    .map_err(|error| call.failed(error))?;
                for item in output.items.unwrap_or_default() {
                    let read = decode_policy_item(item.clone())
                        .map_err(|error| self.db.unreadable_policy(error))?;
                    if let PolicyItem::Entry(entry) = read {
                        return Ok(Some((id_of(&item, entry.rule()), item)));
                    }
                }
            }
        }
        Ok(None)
    }

    fn entries(&self, scope: &Scope, beginning: &str) -> QueryFluentBuilder {
        self.db
            .client
            .query()
            .table_name(&self.db.allowlist)
            .consistent_read(true)
            .key_condition_expression("service_id = :scope AND begins_with(#rule, :beginning)")
            .expression_attribute_names("#rule", "rule")
            .expression_attribute_values(":scope", text(scope.to_string()))
            .expression_attribute_values(":beginning", text(beginning))
    }
}

/// Puts together what was read for a connection, whose account sits there. It must have been read whole: see
/// [`Items::covers_policy`].
///
/// # Errors
/// [`UnreadablePolicy`] for an item that cannot be understood and may concern the connection (safety rule
/// S2).
pub(crate) fn policy_of(
    connection: &Connection,
    organization: &Organization,
    items: &Items,
    denies: &PathDenies,
) -> Result<PolicyRead, UnreadablePolicy> {
    let scopes = Scope::all_of(&connection.service_id);
    for keys in scopes
        .iter()
        .filter_map(|scope| items.unexpected_keys(Some(scope)))
    {
        for part in keys.parts() {
            if let Some(objection) = part.objection(connection, organization) {
                return Err(UnreadablePolicy {
                    item: objection.key().to_string(),
                    stops: Stops::UnexpectedKey,
                    detail: objection.to_string(),
                });
            }
        }
    }
    let mut read = PolicyRead {
        policy: Policy::default(),
        items: PolicyItemId::all_of(connection, organization),
    };
    let unexpected = items.unexpected_denies(connection, organization);
    read.items.extend(unexpected);
    for item in &read.items {
        if matches!(item, PolicyItemId::UnexpectedKeys(_)) {
            continue;
        }
        let Some(item) = items.get(&Key::from(item)).cloned() else {
            continue;
        };
        match decode_policy_item(item)? {
            PolicyItem::Entry(entry) => read.policy.entries.push(entry),
            PolicyItem::Settings(scope, settings) => {
                read.policy.settings.insert(scope, settings);
            }
            PolicyItem::Approver(_) => {}
        }
    }
    for item in scopes
        .iter()
        .filter_map(|scope| denies.0.get(scope))
        .flatten()
    {
        // What keys are not written as they are read was looked at above.
        let is_expected = |key: &PolicyKey| key.meaning() == Some(Meaning::Expected);
        if policy_key(item).is_none_or(|key| is_expected(&key))
            && let PolicyItem::Entry(entry) = decode_policy_item(item.clone())?
        {
            read.policy.entries.push(entry);
        }
    }
    Ok(read)
}

/// An item that must be as it was read when a change is written.
#[derive(Debug, Clone)]
pub(crate) struct ItemCheck {
    pub(crate) key: Key,
    /// The item as it was read; none if it was absent.
    pub(crate) item: Option<Item>,
    /// The attributes that matter.
    pub(crate) attributes: &'static [&'static str],
}

impl Items {
    /// The denies for a connection whose keys are not written as they are read. None are known where the
    /// unexpected keys were not read.
    pub(crate) fn unexpected_denies(
        &self,
        connection: &Connection,
        organization: &Organization,
    ) -> Vec<PolicyItemId> {
        let scopes = Scope::all_of(&connection.service_id);
        let known = scopes
            .iter()
            .filter_map(|scope| self.unexpected_keys(Some(scope)));
        let mut denies = Vec::new();
        for keys in known {
            for part in keys.parts() {
                let of_part = part.denies(connection, organization);
                denies.extend(
                    of_part.map(|(key, rule)| PolicyItemId::UnexpectedDeny(key.clone(), rule)),
                );
            }
        }
        denies
    }

    /// Whether all was read that bears on a connection, but for the denies for paths where nobody knows
    /// where its account sits.
    pub(crate) fn covers_policy(
        &self,
        connection: &Connection,
        organization: &Organization,
    ) -> bool {
        let keys = |items: Vec<PolicyItemId>| items.iter().map(Key::from).collect::<Vec<_>>();
        let scopes = Scope::all_of(&connection.service_id);
        scopes
            .iter()
            .all(|scope| self.unexpected_keys(Some(scope)).is_some())
            && self.covers(&keys(PolicyItemId::all_of(connection, organization)))
            && self.covers(&keys(self.unexpected_denies(connection, organization)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(pairs: &[(&str, AttributeValue)]) -> Item {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    }

    fn s(value: &str) -> AttributeValue {
        AttributeValue::S(value.to_owned())
    }

    #[test]
    fn an_entry_is_read_as_it_is_written() {
        let written = item(&[
            ("service_id", s("vpce-svc-0a1b2c3d4e5f60718")),
            ("rule", s("allow#012345678901")),
            ("max_connections", AttributeValue::N("2".to_owned())),
            (
                "regions",
                AttributeValue::Ss(vec!["eu-central-1".to_owned()]),
            ),
            ("expires_at", s("2027-01-01T00:00:00Z")),
            ("customer", s("Example GmbH")),
            ("purge_at", AttributeValue::N("1800000000".to_owned())),
        ]);
        let PolicyItem::Entry(entry) = decode_policy_item(written).unwrap() else {
            panic!("an entry")
        };
        assert_eq!(
            entry.rule().to_string(),
            "allow 012345678901 on vpce-svc-0a1b2c3d4e5f60718"
        );
        assert_eq!(entry.conditions().max_connections, Some(2));
        assert_eq!(entry.about().customer.as_deref(), Some("Example GmbH"));
        assert_eq!(entry.purge_at(), Some(1_800_000_000));
        let again = decode_policy_item(encode_entry(&entry).unwrap()).unwrap();
        assert_eq!(again, PolicyItem::Entry(entry));
    }

    #[test]
    fn what_cannot_be_understood_whole_is_not_understood_at_all() {
        let base = [("service_id", s("*")), ("rule", s("allow#012345678901"))];
        let whole = "it must be a whole number of seconds since 1970";
        let number = |text: &str| AttributeValue::N(text.to_owned());
        let cases: [(&str, AttributeValue, &str); 13] = [
            ("purge_at", number("1800000000.5"), whole),
            ("purge_at", number("1E+30"), whole),
            ("purge_at", s("1800000000"), whole),
            ("purge_at", s("2027-01-01T00:00:00Z"), whole),
            ("purge_at", AttributeValue::Bool(true), whole),
            (
                "expires",
                s("2020-01-01T00:00:00Z"),
                "unknown field `expires`",
            ),
            ("expires_at", s("tomorrow"), ""),
            ("expires_at", AttributeValue::N("1".to_owned()), ""),
            ("max_connections", s("2"), ""),
            ("max_connections", AttributeValue::N("-1".to_owned()), ""),
            (
                "regions",
                AttributeValue::Ss(vec!["everywhere".to_owned()]),
                "is not an AWS Region",
            ),
            ("regions", AttributeValue::L(vec![]), "regions is empty"),
            (
                "rule",
                s("permit#012345678901"),
                "its key is not one that is read",
            ),
        ];
        for (name, value, expected) in cases {
            let mut bad = item(&base);
            bad.insert(name.to_owned(), value);
            let error = decode_policy_item(bad).unwrap_err().to_string();
            assert!(error.contains(expected), "{name}: {error}");
            assert!(error.starts_with("the allowlist item * / "), "{error}");
        }
    }

    #[test]
    fn a_setting_that_decides_nothing_stops_nothing() {
        let number = AttributeValue::N("5".to_owned());
        let odd = [
            number.clone(),
            AttributeValue::Bool(true),
            AttributeValue::L(vec![s("C0123ABCD")]),
            AttributeValue::Ss(vec!["C0123ABCD".to_owned()]),
            AttributeValue::M([("id".to_owned(), s("C0123ABCD"))].into()),
            AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(b"C0123ABCD")),
            s(""),
            s(" C0123ABCD"),
            s("two\nlines"),
            s("\u{7}"),
            s(&"x".repeat(81)),
            s(&"x".repeat(300_000)),
        ];
        let channels = ["#reviews", "c0123abcd", "U0123ABCD", "C"].map(s);
        let cases = odd
            .iter()
            .flat_map(|value| [("name", value.clone()), ("slack_channel", value.clone())])
            .chain(channels.map(|value| ("slack_channel", value)));
        for (attribute, value) in cases {
            let mut item = item(&[
                ("service_id", s("vpce-svc-0a1b2c3d4e5f60718")),
                ("rule", s("settings")),
                ("on_unlisted", s("reject")),
                ("name", s("Payments API")),
                ("slack_channel", s("C0123ABCD")),
            ]);
            item.insert(attribute.to_owned(), value.clone());
            let PolicyItem::Settings(_, settings) = decode_policy_item(item).unwrap() else {
                panic!("settings")
            };
            assert!(settings.on_unlisted.is_some(), "{attribute}: {value:?}");
            assert_eq!(settings.name.is_some(), attribute != "name");
            assert_eq!(
                settings.slack_channel.is_some(),
                attribute != "slack_channel"
            );
            let [ignored] = settings.ignored.as_slice() else {
                panic!("{attribute}: {value:?}")
            };
            let announced = ignored.to_string();
            let place = format!("{attribute} of vpce-svc-0a1b2c3d4e5f60718 / settings is ");
            assert!(
                announced.starts_with(&place) && announced.len() < 500,
                "{announced}"
            );
            assert!(!announced.contains(char::is_control), "{announced}");
        }
        // What is not said is nothing wrong.
        let unsaid = [
            ("service_id", s("*")),
            ("rule", s("settings")),
            ("name", AttributeValue::Null(true)),
        ];
        let read = decode_policy_item(item(&unsaid)).unwrap();
        let none = ServiceSettings::default();
        assert_eq!(read, PolicyItem::Settings(Scope::Every, none));
    }

    #[test]
    fn an_unknown_setting_or_a_bad_one_that_decides_makes_the_item_unreadable() {
        for (attribute, value) in [
            ("Name", s("Payments API")),
            ("slack_chanel", s("C0123ABCD")),
            ("on_unlisted", s("rejected")),
            ("approvals_required", s("2")),
        ] {
            let mut bad = item(&[("service_id", s("*")), ("rule", s("settings"))]);
            bad.insert("name".to_owned(), AttributeValue::Bool(true));
            bad.insert(attribute.to_owned(), value);
            assert!(decode_policy_item(bad).is_err(), "{attribute}");
        }
    }

    #[test]
    fn settings_are_read_as_they_are_written() {
        let settings = ServiceSettings {
            on_unlisted: Some(gatekeeper_core::policy::OnUnlisted::Reject),
            review_hours: Some(48),
            ..ServiceSettings::default()
        };
        let item = encode_settings(&Scope::Every, &settings).unwrap();
        assert_eq!(
            decode_policy_item(item).unwrap(),
            PolicyItem::Settings(Scope::Every, settings)
        );
    }
}
