//! The policy: all that decides. Allowlist entries and service settings, as an operator writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::approver::Approver;
use crate::connection::Connection;
use crate::ids::{AccountId, EndpointId, InvalidId, OrgPath, Region, ServiceId};

pub mod settings;

pub use settings::{OnDeadline, OnUnlisted, OutOfBand, Revoke, ServiceName, ServiceSettings};

pub use crate::scope::Scope;
use crate::written::{
    Attribute, Misfit, Mistake, Shape, Typed, Value, attributes, id, typed_choice,
};

/// Whom an entry is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Principal {
    /// One endpoint.
    Endpoint(EndpointId),
    /// All endpoints of one account.
    Account(AccountId),
    /// All endpoints of the accounts in one branch of the AWS Organization.
    Organization(OrgPath),
    /// Anybody, written `*`.
    Anyone,
}

/// What an entry does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Accept, if the entry's conditions hold.
    Allow,
    /// Reject, whatever else is allowed.
    Deny,
}

/// Names one entry: there is at most one for each service, principal and effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// The services it speaks of.
    pub service_id: Scope,
    /// Whom it is for.
    pub principal: Principal,
    /// What it does.
    pub effect: Effect,
}

/// One rule of the allowlist with its conditions. Made by [`Entry::new`] only, so an entry that
/// contradicts itself does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    rule: Rule,
    conditions: Conditions,
    about: About,
    purge_at: Option<i64>,
}

attributes! {
    /// When an entry holds. An absent condition always holds.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct Conditions, CONDITIONS {
        /// How many connections one consumer account may have accepted on one endpoint service.
        max_connections: u32 {
            meaning: "allow only: accepted connections that one account may have on one service",
            shape: Shape::Number { least: 0, most: 1_000_000 },
        }
        /// Where the endpoint may be (allow) or is refused (deny).
        regions: BTreeSet<Region> {
            meaning: "where the endpoint may be (allow) or is refused (deny); without it, anywhere",
        }
        /// From this second on the entry counts for nothing.
        expires_at: Timestamp {
            meaning: "from then on the entry counts for nothing; without it, it never expires",
            shape: Shape::Time { never: "leave expires_at out of an entry that never expires" },
        }
    }
}

attributes! {
    /// Who an entry is for and who wrote it; decides nothing.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    pub struct About, ABOUT {
        /// The customer's name.
        customer: String {
            meaning: "for people: the customer's name",
        }
        /// Whom to reach at the customer.
        contact: String {
            meaning: "for people: whom to reach at the customer",
        }
        /// The ticket or contract that the entry rests on.
        ticket: String {
            meaning: "for people: the ticket or contract that the entry rests on",
        }
        /// Why the entry is there.
        reason: String {
            meaning: "for people: why the entry is there",
        }
        /// Who wrote it.
        created_by: String {
            meaning: "for people: who wrote the entry",
        }
        /// Whether it was taken over from what existed before Gatekeeper, and no person has confirmed it.
        imported: bool {
            meaning: "for people: taken over from what existed before Gatekeeper, and confirmed by nobody yet",
        }
    }
}

/// When DynamoDB may delete an entry; decides nothing.
pub const PURGE_AT: Attribute = Attribute {
    name: "purge_at",
    shape: Shape::Seconds,
    meaning: "seconds since 1970, later than `expires_at`; DynamoDB may delete the entry after it",
};

/// An entry that contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidEntry {
    /// A limit on a deny has no meaning.
    LimitOnDeny,
    /// An empty list of Regions could be read as all of them or as none.
    NoRegions,
}

impl InvalidEntry {
    pub(crate) fn mistake(self) -> Mistake {
        match self {
            Self::LimitOnDeny => Mistake::conflict(
                "max_connections",
                "is for allow entries only",
                "leave it out of this deny",
            ),
            Self::NoRegions => Mistake::conflict(
                "regions",
                "is empty",
                "name at least one Region, or leave it out for all Regions",
            ),
        }
    }
}

impl fmt::Display for InvalidEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mistake().fmt(f)
    }
}

impl std::error::Error for InvalidEntry {}

impl Entry {
    /// Puts an entry together.
    ///
    /// # Errors
    /// [`InvalidEntry`] if its conditions do not fit its effect.
    pub fn new(rule: Rule, conditions: Conditions, about: About) -> Result<Self, InvalidEntry> {
        if rule.effect == Effect::Deny && conditions.max_connections.is_some() {
            return Err(InvalidEntry::LimitOnDeny);
        }
        if conditions.regions.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(InvalidEntry::NoRegions);
        }
        Ok(Self {
            rule,
            conditions,
            about,
            purge_at: None,
        })
    }

    /// The entry with the second, since 1970, after which DynamoDB may delete it. It decides nothing;
    /// [`purge`](crate::purge) says when it is wrong.
    #[must_use]
    pub fn with_purge_at(self, purge_at: Option<i64>) -> Self {
        Self { purge_at, ..self }
    }

    /// The entry, written by somebody else.
    #[must_use]
    pub fn created_by(mut self, writer: String) -> Self {
        self.about.created_by = Some(writer);
        self
    }

    /// Which entry this is.
    #[must_use]
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// When it holds.
    #[must_use]
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// Who it is for and who wrote it.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.about
    }

    /// After which second, since 1970, DynamoDB may delete it.
    #[must_use]
    pub fn purge_at(&self) -> Option<i64> {
        self.purge_at
    }

    /// Whether the entry counts for nothing any more (safety rule S3).
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.conditions.expires_at.is_some_and(|end| end <= now)
    }
}

/// All that was read of the policy: enough to judge the connections it was read for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Allowlist entries in any order. What does not match a connection is passed over.
    pub entries: Vec<Entry>,
    /// Settings by the service they were written for.
    pub settings: BTreeMap<Scope, ServiceSettings>,
    /// Who decides reviews. Read only where somebody has to be asked; judging needs none of them.
    pub approvers: Vec<Approver>,
}

/// An item of the allowlist table, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyItem {
    /// An entry.
    Entry(Entry),
    /// The settings of one service or of all.
    Settings(Scope, ServiceSettings),
    /// Somebody who decides reviews.
    Approver(Approver),
}

impl Policy {
    /// Whose connection it is, by the most particular entry for its endpoint or account that names a
    /// customer. As it fits into a line of an e-mail, where a line of its own would look like ours.
    #[must_use]
    pub fn customer_of(&self, connection: &Connection) -> Option<String> {
        let named = self.entries.iter().filter_map(|entry| {
            let rule = entry.rule();
            let is_theirs = match &rule.principal {
                Principal::Endpoint(id) => *id == connection.endpoint_id,
                Principal::Account(id) => *id == connection.owner,
                Principal::Organization(_) | Principal::Anyone => false,
            };
            let customer = entry.about().customer.as_deref()?;
            (is_theirs && rule.service_id.covers(&connection.service_id)).then_some((
                &rule.principal,
                &rule.service_id,
                rule.effect,
                customer,
            ))
        });
        // Endpoint before account, the own service before all, allow before deny.
        named.min().map(|(_, _, _, customer)| one_line(customer))
    }

    /// The settings that hold for a service: its own, then those of `*`, field by field. What
    /// neither says has its default, and every default is the careful one.
    #[must_use]
    pub fn settings_of(&self, service: &ServiceId) -> ServiceSettings {
        let written = |scope: &Scope| self.settings.get(scope).cloned().unwrap_or_default();
        written(&Scope::Service(service.clone())).or(written(&Scope::Every))
    }
}

/// The part of a customer's name that is used, in characters. The allowlist takes any length, and a
/// request with more might not fit into an item, and its e-mails might not fit into a transaction.
const CUSTOMER_LIMIT: usize = 200;

fn one_line(name: &str) -> String {
    let plain = name.replace(char::is_control, " ");
    let words: Vec<&str> = plain.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(CUSTOMER_LIMIT) {
        Some((end, _)) => format!("{}…", line.split_at(end).0),
        None => line,
    }
}

impl FromStr for Principal {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text {
            "*" => Ok(Self::Anyone),
            path if path.starts_with("o-") => path.parse().map(Self::Organization),
            id if id.starts_with("vpce-") => id.parse().map(Self::Endpoint),
            account => account.parse().map(Self::Account),
        }
    }
}

impl Typed for Principal {
    const SHAPE: Shape = Shape::Id(
        "an account (12 digits), an endpoint (vpce-…), an Organizations path (o-…/r-…/ou-…/*), or * for anybody",
    );

    fn read(value: &Value, shape: &Shape) -> Result<Self, Misfit> {
        let expected = match value.as_text() {
            Some(text) if text.starts_with("o-") => OrgPath::EXPECTED.to_owned(),
            Some(text) if text.starts_with("vpce-svc-") => shape.expected(),
            Some(text) if text.starts_with("vpce-") => EndpointId::EXPECTED.to_owned(),
            Some(text) if text.starts_with(|c: char| c.is_ascii_digit()) => {
                AccountId::EXPECTED.to_owned()
            }
            _ => shape.expected(),
        };
        id(value, &expected)
    }

    fn write(&self) -> Value {
        Value::Text(self.to_string())
    }
}

typed_choice!(Effect: &["allow", "deny"]);

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(id) => id.fmt(f),
            Self::Account(id) => id.fmt(f),
            Self::Organization(path) => path.fmt(f),
            Self::Anyone => f.write_str("*"),
        }
    }
}

impl TryFrom<String> for Principal {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Principal> for String {
    fn from(value: Principal) -> String {
        value.to_string()
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            service_id,
            principal,
            effect,
        } = self;
        write!(f, "{effect} {principal} on {service_id}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ConnectionState;

    fn rule(effect: Effect) -> Rule {
        Rule {
            service_id: Scope::Every,
            principal: "012345678901".parse().unwrap(),
            effect,
        }
    }

    #[test]
    fn an_entry_that_contradicts_itself_does_not_exist() {
        let limit = Conditions {
            max_connections: Some(1),
            ..Conditions::default()
        };
        assert_eq!(
            Entry::new(rule(Effect::Deny), limit.clone(), About::default()),
            Err(InvalidEntry::LimitOnDeny)
        );
        assert!(Entry::new(rule(Effect::Allow), limit, About::default()).is_ok());
        let nowhere = Conditions {
            regions: Some(BTreeSet::new()),
            ..Conditions::default()
        };
        assert_eq!(
            Entry::new(rule(Effect::Allow), nowhere, About::default()),
            Err(InvalidEntry::NoRegions)
        );
    }

    #[test]
    fn a_customer_is_named_by_the_most_particular_entry_in_one_line() {
        let entry = |principal: &str, customer: &str| {
            let rule = Rule {
                principal: principal.parse().unwrap(),
                ..rule(Effect::Allow)
            };
            let about = About {
                customer: Some(customer.to_owned()),
                ..About::default()
            };
            Entry::new(rule, Conditions::default(), about).unwrap()
        };
        let connection = crate::fixtures::connection(ConnectionState::Available);
        let mut policy = Policy::default();
        assert_eq!(policy.customer_of(&connection), None);
        policy.entries.push(entry("*", "Anybody"));
        assert_eq!(
            policy.customer_of(&connection),
            None,
            "that is nobody's name"
        );
        policy
            .entries
            .push(entry("012345678901", "Example\n\tGmbH"));
        assert_eq!(policy.customer_of(&connection).unwrap(), "Example GmbH");
        policy.entries.push(entry("000000000009", "A Stranger"));
        let long = "ü".repeat(300);
        policy.entries.push(entry("vpce-0123456789abcdef0", &long));
        assert_eq!(
            policy.customer_of(&connection).unwrap().chars().count(),
            201
        );
    }

    #[test]
    fn an_entry_expires_at_its_very_second() {
        let end: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
        let conditions = Conditions {
            expires_at: Some(end),
            ..Conditions::default()
        };
        let entry = Entry::new(rule(Effect::Allow), conditions, About::default()).unwrap();
        assert!(!entry.is_expired("2026-12-31T23:59:59.999Z".parse().unwrap()));
        assert!(entry.is_expired(end));
    }

    #[test]
    fn own_settings_override_those_of_every_service_field_by_field() {
        let service: ServiceId = "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap();
        let mut policy = Policy::default();
        assert_eq!(policy.settings_of(&service), ServiceSettings::default());
        policy.settings.insert(
            Scope::Every,
            ServiceSettings {
                on_unlisted: Some(OnUnlisted::Reject),
                review_hours: Some(24),
                ..ServiceSettings::default()
            },
        );
        policy.settings.insert(
            Scope::Service(service.clone()),
            ServiceSettings {
                on_unlisted: Some(OnUnlisted::Review),
                ..ServiceSettings::default()
            },
        );
        let settings = policy.settings_of(&service);
        assert_eq!(settings.on_unlisted, Some(OnUnlisted::Review));
        assert_eq!(settings.review_hours, Some(24));
    }

    #[test]
    fn principals_are_told_apart_by_their_look() {
        for text in [
            "*",
            "012345678901",
            "vpce-0123456789abcdef0",
            "o-1/r-a/ou-a-1/*",
        ] {
            assert_eq!(text.parse::<Principal>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "vpce-svc-0a1b2c3d4e5f60718",
            "o-1/r-a",
            "12345",
            "arn:aws:iam::012345678901:root",
        ] {
            assert!(bad.parse::<Principal>().is_err(), "{bad:?}");
        }
    }
}
