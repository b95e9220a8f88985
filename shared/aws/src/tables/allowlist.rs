//! Allowlist items to policy and back, and what of the policy a verdict rests on.
//!
//! An item is read strictly: an attribute nobody knows may be a condition misspelt, and passing it
//! over would let in whom it was meant to keep out (safety rule S2).

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::sync::Arc;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use gatekeeper_core::approver::SlackChannelId;
use gatekeeper_core::ids::{Region, ServiceId};
use gatekeeper_core::judge::{Decision, Verdict, outranks};
use gatekeeper_core::policy::{
    About, Conditions, Effect, Entry, Policy, PolicyItem, Rule, Scope, ServiceName, ServiceSettings,
};
use gatekeeper_core::vote::Vote;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::approvers::{Approvers, decode_approver};
use super::keys::{APPROVERS, SETTINGS};
use super::{Item, Items, Key, Tables, all_of, text};
use crate::error::{Error, Permanent, Retryable, failed};

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

/// The conditions that a verdict rests on: an entry in which none of these changed says the same.
const JUDGED: [&str; 3] = ["max_connections", "regions", "expires_at"];
/// The settings that a rejection may rest on.
const JUDGED_SETTINGS: [&str; 3] = ["on_unlisted", "on_deadline", "review_hours"];
/// The settings that a decision by votes rests on.
const VOTED_SETTINGS: [&str; 3] = ["approvals_required", "on_deadline", "review_hours"];
/// The settings that a revocation may rest on.
const REVOKING_SETTINGS: [&str; 4] = ["on_unlisted", "revoke", "revoke_at_most", "out_of_band"];

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingsItem {
    service_id: String,
    rule: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<ServiceName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slack_channel: Option<SlackChannelId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_unlisted: Option<gatekeeper_core::policy::OnUnlisted>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approvals_required: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    review_hours: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_deadline: Option<gatekeeper_core::policy::OnDeadline>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remind_hours: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoke: Option<gatekeeper_core::policy::Revoke>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoke_grace_hours: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoke_at_most: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    out_of_band: Option<gatekeeper_core::policy::OutOfBand>,
}

/// Reads an allowlist item.
///
/// # Errors
/// [`Permanent::MalformedPolicy`], which names the item and what is wrong with it.
pub fn decode_policy_item(item: Item) -> Result<PolicyItem, Permanent> {
    let name = item_name(&item);
    let malformed = |detail: String| Permanent::MalformedPolicy {
        item: name.clone(),
        detail,
    };
    let is_settings = item
        .get("rule")
        .and_then(|rule| rule.as_s().ok())
        .is_some_and(|rule| rule == SETTINGS);
    if is_settings {
        let item: SettingsItem =
            serde_dynamo::from_item(item).map_err(|error| malformed(error.to_string()))?;
        let scope = item
            .service_id
            .parse()
            .map_err(|error| malformed(format!("service_id: {error}")))?;
        return Ok(PolicyItem::Settings(
            scope,
            ServiceSettings {
                name: item.name,
                slack_channel: item.slack_channel,
                on_unlisted: item.on_unlisted,
                approvals_required: item.approvals_required,
                review_hours: item.review_hours,
                on_deadline: item.on_deadline,
                remind_hours: item.remind_hours,
                revoke: item.revoke,
                revoke_grace_hours: item.revoke_grace_hours,
                revoke_at_most: item.revoke_at_most,
                out_of_band: item.out_of_band,
            },
        ));
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
    let item: EntryItem =
        serde_dynamo::from_item(item).map_err(|error| malformed(error.to_string()))?;
    let service_id = item
        .service_id
        .parse()
        .map_err(|error| malformed(format!("service_id: {error}")))?;
    let (effect, principal) = match item.rule.split_once('#') {
        Some(("allow", principal)) => (Effect::Allow, principal),
        Some(("deny", principal)) => (Effect::Deny, principal),
        _ => {
            return Err(malformed(format!(
                "rule is {:?}; it must be allow#<principal>, deny#<principal> or settings",
                item.rule
            )));
        }
    };
    let rule = Rule {
        service_id,
        principal: principal
            .parse()
            .map_err(|error| malformed(format!("rule: {error}")))?,
        effect,
    };
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
        .map(PolicyItem::Entry)
        .map_err(|error| malformed(error.to_string()))
}

/// An entry as an allowlist item.
///
/// # Errors
/// [`Permanent::Encode`], which only a bug can cause.
pub fn encode_entry(entry: &Entry) -> Result<Item, Permanent> {
    let (service_id, rule) = Key::Entry(entry.rule().clone()).values();
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
        purge_at: None,
    })
    .map_err(|error| Permanent::Encode(Box::new(error)))
}

/// Settings as an allowlist item.
///
/// # Errors
/// [`Permanent::Encode`], which only a bug can cause.
pub fn encode_settings(scope: &Scope, settings: &ServiceSettings) -> Result<Item, Permanent> {
    let (service_id, rule) = Key::Settings(scope.clone()).values();
    let settings = settings.clone();
    serde_dynamo::to_item(SettingsItem {
        service_id,
        rule,
        name: settings.name,
        slack_channel: settings.slack_channel,
        on_unlisted: settings.on_unlisted,
        approvals_required: settings.approvals_required,
        review_hours: settings.review_hours,
        on_deadline: settings.on_deadline,
        remind_hours: settings.remind_hours,
        revoke: settings.revoke,
        revoke_grace_hours: settings.revoke_grace_hours,
        revoke_at_most: settings.revoke_at_most,
        out_of_band: settings.out_of_band,
    })
    .map_err(|error| Permanent::Encode(Box::new(error)))
}

fn item_name(item: &Item) -> String {
    let value = |name: &str| {
        item.get(name)
            .and_then(|value| value.as_s().ok())
            .map_or("?", String::as_str)
    };
    format!("{} / {}", value("service_id"), value("rule"))
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

impl Tables {
    /// Reads the denies for Organizations paths on these services, unless they were read already.
    pub(crate) async fn read_path_denies(
        &self,
        denies: &mut PathDenies,
        scopes: BTreeSet<Scope>,
    ) -> Result<(), Arc<Error>> {
        for scope in scopes {
            if let btree_map::Entry::Vacant(unread) = denies.0.entry(scope) {
                let query = self.entries(unread.key(), "deny#o-");
                unread.insert(all_of(query, Retryable::ReadTables).await?);
            }
        }
        Ok(())
    }

    /// A service's settings, with those of `*` where its own say nothing.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or an item makes no sense.
    pub async fn settings_of(&self, service: &ServiceId) -> Result<ServiceSettings, Arc<Error>> {
        let keys = [Scope::Service(service.clone()), Scope::Every].map(Key::Settings);
        let items = self.read(keys.clone().into()).await?;
        let mut policy = Policy::default();
        for item in keys.iter().filter_map(|key| items.get(key)) {
            if let PolicyItem::Settings(scope, settings) = decode_policy_item(item.clone())? {
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
    ) -> Result<Option<Ground>, Arc<Error>> {
        for scope in [Scope::Service(service.clone()), Scope::Every] {
            for effect in ["allow#", "deny#"] {
                let output = self
                    .entries(&scope, effect)
                    .limit(1)
                    .send()
                    .await
                    .map_err(|error| failed("Query", error, Retryable::ReadTables))?;
                for item in output.items.unwrap_or_default() {
                    if let PolicyItem::Entry(entry) = decode_policy_item(item.clone())? {
                        return Ok(Some(Ground {
                            key: Key::Entry(entry.rule().clone()),
                            item: Some(item),
                            attributes: &[],
                        }));
                    }
                }
            }
        }
        Ok(None)
    }

    fn entries(&self, scope: &Scope, beginning: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.allowlist)
            .consistent_read(true)
            .key_condition_expression("service_id = :scope AND begins_with(#rule, :beginning)")
            .expression_attribute_names("#rule", "rule")
            .expression_attribute_values(":scope", text(scope.to_string()))
            .expression_attribute_values(":beginning", text(beginning))
    }
}

/// The policy as it was read for one connection: the parsed policy, and the items it came from.
#[derive(Debug)]
pub(crate) struct PolicyView {
    pub(crate) policy: Policy,
    items: Vec<(Key, Option<Item>)>,
}

/// Something that must not have changed when a decision is recorded.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub(crate) key: Key,
    /// The item as it was read; none if it was absent.
    pub(crate) item: Option<Item>,
    /// The attributes that matter.
    pub(crate) attributes: &'static [&'static str],
}

impl PolicyView {
    /// Puts together what was read for `keys`.
    pub(crate) fn new(
        keys: Vec<Key>,
        items: &Items,
        denies: &PathDenies,
    ) -> Result<Self, Permanent> {
        let mut view = Self {
            policy: Policy::default(),
            items: Vec::new(),
        };
        for key in keys {
            let item = items.get(&key).cloned();
            if let Some(item) = item.clone() {
                match decode_policy_item(item)? {
                    PolicyItem::Entry(entry) => view.policy.entries.push(entry),
                    PolicyItem::Settings(scope, settings) => {
                        view.policy.settings.insert(scope, settings);
                    }
                    PolicyItem::Approver(_) => {}
                }
            }
            view.items.push((key, item));
        }
        for item in denies.0.values().flatten() {
            if let PolicyItem::Entry(entry) = decode_policy_item(item.clone())? {
                view.policy.entries.push(entry);
            }
        }
        Ok(view)
    }

    /// What the rejection of a review at its deadline rests on: that the settings are as they are,
    /// and that nobody was allowed meanwhile.
    pub(crate) fn grounds_of_deadline(&self) -> Vec<Ground> {
        self.grounds_of(Decision::Reject, None)
    }

    /// What a verdict rests on. An accept rests on what every accept rests on, on its allow, and on there
    /// being none that would govern before it; a reject on its deny, or on nothing being listed. A review
    /// lets nobody in and cuts nobody off.
    pub(crate) fn grounds(&self, verdict: &Verdict) -> Vec<Ground> {
        self.grounds_of(verdict.decision, verdict.rule.as_ref())
    }

    /// What every accept rests on besides its own allow or approvers, whoever decided it, when it is decided
    /// and whenever it is taken up again: that no deny has come or changed (safety rule S3).
    pub(crate) fn preconditions_of_accept(&self) -> Vec<Ground> {
        let denies = |key: &Key| matches!(key, Key::Entry(rule) if rule.effect == Effect::Deny);
        self.grounds_that(denies, &[])
    }

    /// What a revocation rests on: its deny; or that nothing else allows the connection. And that
    /// the service still revokes.
    pub(crate) fn grounds_of_revocation(&self, verdict: &Verdict) -> Vec<Ground> {
        let denied = verdict.decision == Decision::Reject;
        let matters = |key: &Key| match (key, &verdict.rule) {
            (Key::Settings(_), _) => true,
            (Key::Entry(rule), Some(deny)) if denied => deny == rule,
            (Key::Entry(rule), _) => rule.effect == Effect::Allow,
            _ => false,
        };
        self.grounds_that(matters, &REVOKING_SETTINGS)
    }

    /// What an approval by people rests on: that nothing denies the connection, that as many are asked
    /// for, and that each who approved may still decide.
    pub(crate) fn grounds_of_approval(&self, approvers: &Approvers, votes: &[Vote]) -> Vec<Ground> {
        let settings = |key: &Key| matches!(key, Key::Settings(_));
        let mut grounds = self.preconditions_of_accept();
        grounds.extend(self.grounds_that(settings, &VOTED_SETTINGS));
        grounds.extend(votes.iter().map(|vote| approvers.ground(&vote.approver)));
        grounds
    }

    fn grounds_of(&self, decision: Decision, governing: Option<&Rule>) -> Vec<Ground> {
        let mut grounds = match decision {
            Decision::Accept => self.preconditions_of_accept(),
            Decision::Reject | Decision::Review => Vec::new(),
        };
        let matters = |key: &Key| match (decision, key) {
            (Decision::Review, _) => false,
            // An allow that would govern before this one may ask for more.
            (Decision::Accept, Key::Entry(rule)) => {
                rule.effect == Effect::Allow
                    && governing.is_some_and(|allow| allow == rule || outranks(rule, allow))
            }
            (Decision::Accept, _) => false,
            (Decision::Reject, key) => match (governing, key) {
                (Some(deny), Key::Entry(rule)) => deny == rule,
                (Some(_), _) => false,
                (None, Key::Entry(rule)) => rule.effect == Effect::Allow,
                (None, Key::Settings(_)) => true,
                (None, _) => false,
            },
        };
        grounds.extend(self.grounds_that(matters, &JUDGED_SETTINGS));
        grounds
    }

    fn grounds_that(
        &self,
        matters: impl Fn(&Key) -> bool,
        settings: &'static [&'static str],
    ) -> Vec<Ground> {
        self.items
            .iter()
            .filter(|(key, _)| matters(key))
            .map(|(key, item)| Ground {
                key: key.clone(),
                item: item.clone(),
                attributes: match key {
                    Key::Settings(_) => settings,
                    _ => &JUDGED,
                },
            })
            .collect()
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
        let PolicyItem::Entry(entry) = decode_policy_item(written).unwrap() else {
            panic!("an entry")
        };
        assert_eq!(
            entry.rule().to_string(),
            "allow 012345678901 on vpce-svc-0a1b2c3d4e5f60718"
        );
        assert_eq!(entry.conditions().max_connections, Some(2));
        assert_eq!(entry.about().customer.as_deref(), Some("Example GmbH"));
        let again = decode_policy_item(encode_entry(&entry).unwrap()).unwrap();
        assert_eq!(again, PolicyItem::Entry(entry));
    }

    #[test]
    fn what_cannot_be_understood_whole_is_not_understood_at_all() {
        let base = [("service_id", s("*")), ("rule", s("allow#012345678901"))];
        let cases: [(&str, AttributeValue, &str); 8] = [
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
                "it must be allow#<principal>",
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
