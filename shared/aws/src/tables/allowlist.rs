//! Allowlist items to policy and back, by core's [`policy_item`].

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::sync::Arc;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use gatekeeper_core::approver::Approver;
use gatekeeper_core::connection::{Connection, Organization};
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::policy::{Entry, Policy, PolicyItem, Rule, Scope, ServiceSettings};
use gatekeeper_core::policy_item;
use gatekeeper_core::policy_key::{Meaning, PolicyKey, Stops};
use gatekeeper_core::precondition::{PolicyItemId, PolicyRead, UnreadablePolicy};

use super::item::{Item, all_of, attributes_of, stored, text};
use super::unexpected_keys::policy_key;
use super::{Db, Items, Key, Unencodable};
use crate::error::Error;

/// Reads an allowlist item.
///
/// # Errors
/// [`UnreadablePolicy`], which names the item and what is wrong with it.
pub fn decode_policy_item(item: &Item) -> Result<PolicyItem, UnreadablePolicy> {
    policy_item::read(&attributes_of(item))
}

fn encode(item: &PolicyItem) -> Result<Item, Unencodable> {
    let key = match item {
        PolicyItem::Entry(entry) => Key::Entry(entry.rule().clone()),
        PolicyItem::Settings(scope, _) => Key::Settings(scope.clone()),
        PolicyItem::Approver(approver) => Key::Approver(approver.id.clone()),
    };
    let (service_id, rule) = key.values();
    let keys = [("service_id", service_id), ("rule", rule)];
    let mut encoded: Item = keys
        .map(|(name, value)| (name.to_owned(), text(value)))
        .into();
    for (name, value) in policy_item::write(item) {
        let unencodable = || Unencodable::new(format!("{name} of the item {key}"), "no such value");
        let value = stored(value).ok_or_else(unencodable)?;
        encoded.insert(name, value);
    }
    Ok(encoded)
}

/// An entry as an allowlist item.
///
/// # Errors
/// [`Unencodable`], which only a bug can cause.
pub fn encode_entry(entry: &Entry) -> Result<Item, Unencodable> {
    encode(&PolicyItem::Entry(entry.clone()))
}

/// Settings as an allowlist item.
///
/// # Errors
/// [`Unencodable`], which only a bug can cause.
pub fn encode_settings(scope: &Scope, settings: &ServiceSettings) -> Result<Item, Unencodable> {
    encode(&PolicyItem::Settings(scope.clone(), settings.clone()))
}

/// An approver as an allowlist item.
///
/// # Errors
/// [`Unencodable`], which only a bug can cause.
pub fn encode_approver(approver: &Approver) -> Result<Item, Unencodable> {
    encode(&PolicyItem::Approver(approver.clone()))
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
            let read =
                decode_policy_item(item).map_err(|error| self.db.unreadable_policy(error))?;
            if let PolicyItem::Settings(scope, settings) = read {
                policy.settings.insert(scope, settings);
            }
        }
        Ok(policy.settings_of(service))
    }

    /// Some entry that speaks of a service, its expiry left aside: as long as there is one, the
    /// allowlist is not empty for the service (safety rule S2). `None` if there is none.
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
                    let read = decode_policy_item(&item)
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
        let Some(item) = items.get(&Key::from(item)) else {
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
            && let PolicyItem::Entry(entry) = decode_policy_item(item)?
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
    /// The item as it was read; `None` if it was absent.
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
    use aws_sdk_dynamodb::types::AttributeValue;

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
        let PolicyItem::Entry(entry) = decode_policy_item(&written).unwrap() else {
            panic!("an entry")
        };
        assert_eq!(
            entry.rule().to_string(),
            "allow 012345678901 on vpce-svc-0a1b2c3d4e5f60718"
        );
        assert_eq!(entry.conditions().max_connections, Some(2));
        assert_eq!(entry.about().customer.as_deref(), Some("Example GmbH"));
        assert_eq!(entry.purge_at(), Some(1_800_000_000));
        let again = decode_policy_item(&encode_entry(&entry).unwrap()).unwrap();
        assert_eq!(again, PolicyItem::Entry(entry));
    }

    #[test]
    fn a_value_of_any_type_is_named_where_another_is_expected() {
        use aws_sdk_dynamodb::primitives::Blob;
        let base = [("service_id", s("*")), ("rule", s("allow#012345678901"))];
        let number = |text: &str| AttributeValue::N(text.to_owned());
        let cases = [
            (s("2"), "the text \"2\"; write the number 2"),
            (number("1E+30"), "the number 1E+30; write a whole number"),
            (AttributeValue::Bool(true), "true; write a whole number"),
            (
                AttributeValue::L(vec![number("2")]),
                "a list; write a whole number",
            ),
            (
                AttributeValue::Ns(vec!["2".to_owned()]),
                "a list; write a whole number",
            ),
            (AttributeValue::M([].into()), "a map; write a whole number"),
            (
                AttributeValue::B(Blob::new(b"2")),
                "binary; write a whole number",
            ),
            (
                AttributeValue::Bs(vec![]),
                "a set of binaries; write a whole number",
            ),
        ];
        for (value, expected) in cases {
            let mut bad = item(&base);
            bad.insert("max_connections".to_owned(), value);
            let error = decode_policy_item(&bad).unwrap_err().to_string();
            let expected = format!(
                "the allowlist item * / allow#012345678901 cannot be understood: max_connections is {expected}"
            );
            assert!(error.starts_with(&expected), "{error}");
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
            let PolicyItem::Settings(_, settings) = decode_policy_item(&item).unwrap() else {
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
            let place = format!("vpce-svc-0a1b2c3d4e5f60718 / settings: {attribute} is ");
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
        let read = decode_policy_item(&item(&unsaid)).unwrap();
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
            assert!(decode_policy_item(&bad).is_err(), "{attribute}");
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
            decode_policy_item(&item).unwrap(),
            PolicyItem::Settings(Scope::Every, settings)
        );
    }
}
