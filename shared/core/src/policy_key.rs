//! What the key of an allowlist item means, however it is written.
//!
//! Judging reads items by the exact keys that could match a connection. An item whose key is written
//! otherwise would never be read, and a deny that nobody reads denies nobody. So each partition's
//! keys are looked through, and the ones that judging does not read are remembered as
//! [`UnexpectedKeys`]:
//!
//! | the key | what follows |
//! | --- | --- |
//! | is a deny with one meaning: an account's root ARN, or blanks around | it is read and holds ([`Meaning::Deny`]) |
//! | begins with `allow#` | it denies nobody and lets nobody in; people are notified ([`Meaning::Allow`]) |
//! | is anything else | connections that it may be meant to deny stay undecided until it is corrected ([`Meaning::Unclear`]) |

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::acknowledgement::ACKNOWLEDGEMENTS;
use crate::connection::{Connection, Organization};
use crate::evidence::Evidence;
use crate::ids::{AccountId, EndpointId, OrgPath, ServiceId};
use crate::names;
use crate::policy::{Effect, Principal, Rule, Scope};

/// How many keys of each kind are remembered by their text. Where a scope holds more that may deny,
/// everybody in it stays undecided.
pub const REMEMBERED: usize = 20;

/// The partition of all approvers.
pub const APPROVERS: &str = "approvers";

/// The key of an allowlist item as it is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PolicyKey {
    /// The partition key: a service, `*`, or what somebody wrote in its place.
    pub service_id: String,
    /// The sort key: an effect and a principal, `settings`, or what somebody wrote in its place.
    pub rule: String,
}

/// What a key means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// Judging reads it by its key.
    Expected,
    /// A deny that is written otherwise and can mean only this rule.
    Deny(Rule),
    /// An allow that is written otherwise. It lets nobody in.
    Allow,
    /// It cannot be understood. It may be meant to deny those whom this rule names.
    Unclear(Rule),
}

/// What an item of the allowlist stops while it cannot be understood: each is counted by itself, so that
/// none hides another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stops {
    /// One approver.
    Approver,
    /// What an entry of one service, or its settings, concern.
    Service,
    /// What an entry of `*`, or its settings, concern.
    EveryService,
    /// Those whom an item may be meant to deny whose key judging does not read.
    UnexpectedKey,
    /// Nobody.
    Nothing,
}

names!(Stops {
    Approver = "approver",
    Service = "service",
    EveryService = "every_service",
    UnexpectedKey = "unexpected_key",
    Nothing = "nothing",
});

impl PolicyKey {
    /// A key of these texts.
    #[must_use]
    pub fn new(service_id: impl Into<String>, rule: impl Into<String>) -> Self {
        Self {
            service_id: service_id.into(),
            rule: rule.into(),
        }
    }

    /// The services that the partition means: its own if it is one that judging reads, else the one
    /// service that it names, as a name or an ARN do, or `*` with blanks around. `None` if it names
    /// none, or several.
    #[must_use]
    pub fn scope(&self) -> Option<Scope> {
        if let Ok(scope) = self.service_id.parse() {
            return Some(scope);
        }
        let text = without_blanks(&self.service_id).to_lowercase();
        if let Ok(scope) = text.parse() {
            return Some(scope);
        }
        let mut services: BTreeSet<ServiceId> = words(&text).filter_map(parsed).collect();
        let service = services.pop_first()?;
        services.is_empty().then_some(Scope::Service(service))
    }

    /// What it means. `None` if it belongs to no service: then it concerns nobody.
    #[must_use]
    pub fn meaning(&self) -> Option<Meaning> {
        // Neither is judged by its key; who reads them says what is wrong with it.
        if [APPROVERS, ACKNOWLEDGEMENTS].contains(&self.service_id.as_str()) {
            return Some(Meaning::Expected);
        }
        let scope = self.scope()?;
        let is_own = self.service_id == scope.to_string();
        if is_own && self.is_expected() {
            return Some(Meaning::Expected);
        }
        if begins_with_allow(&self.rule) {
            return Some(Meaning::Allow);
        }
        let deny = |principal| Rule {
            service_id: scope.clone(),
            principal,
            effect: Effect::Deny,
        };
        let is_certain = is_own || trimmed(&self.service_id) == scope.to_string();
        Some(match understood(&self.rule).filter(|_| is_certain) {
            Some(principal) => Meaning::Deny(deny(principal)),
            None => Meaning::Unclear(deny(shown(&self.rule).unwrap_or(Principal::Anyone))),
        })
    }

    /// What an item with this key stops while it cannot be understood.
    #[must_use]
    pub fn stops(&self) -> Stops {
        match self.meaning() {
            _ if self.service_id == APPROVERS => Stops::Approver,
            Some(Meaning::Expected) if self.service_id == "*" => Stops::EveryService,
            Some(Meaning::Expected) if self.service_id != ACKNOWLEDGEMENTS => Stops::Service,
            Some(Meaning::Deny(_) | Meaning::Unclear(_)) => Stops::UnexpectedKey,
            Some(Meaning::Expected | Meaning::Allow) | None => Stops::Nothing,
        }
    }

    /// Whether the sort key is one that judging reads in a partition of its own.
    fn is_expected(&self) -> bool {
        if self.rule == "settings" {
            return true;
        }
        ["allow#", "deny#"].iter().any(|effect| {
            let principal = self.rule.strip_prefix(effect);
            principal.is_some_and(|text| text.parse::<Principal>().is_ok())
        })
    }
}

impl fmt::Display for PolicyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {}", visible(&self.service_id), visible(&self.rule))
    }
}

/// A text from outside as it fits into a line, with what nobody could see made visible.
fn visible(text: &str) -> String {
    const LONGEST: usize = 200;
    let short: String = text.chars().take(LONGEST).collect();
    let cut = if short.len() < text.len() { "…" } else { "" };
    let is_plain = !short.is_empty() && short.chars().all(|c| !is_blank(c) && c != '"');
    if is_plain && cut.is_empty() {
        short
    } else {
        format!("{short:?}{cut}")
    }
}

/// The keys that belong to a scope and that judging does not read by itself: bounded, and the same
/// for the same keys in any order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnexpectedKeys {
    /// How many may deny somebody.
    pub denying: usize,
    /// How many are allows, which let nobody in.
    pub allowing: usize,
    /// The first [`REMEMBERED`] of each, in order.
    pub keys: Vec<PolicyKey>,
    /// SHA-256 of all of them, in hexadecimal.
    pub hash: String,
}

impl Default for UnexpectedKeys {
    fn default() -> Self {
        Self::of([])
    }
}

impl UnexpectedKeys {
    /// Of all the keys that belong to one scope, those that judging does not read.
    #[must_use]
    pub fn of(keys: impl IntoIterator<Item = PolicyKey>) -> Self {
        let (mut denying, mut allowing) = (BTreeSet::new(), BTreeSet::new());
        for key in keys {
            match key.meaning() {
                Some(Meaning::Expected) => {}
                Some(Meaning::Deny(_) | Meaning::Unclear(_)) => {
                    denying.insert(key);
                }
                // What belongs to no service is remembered as well: it denies nobody.
                Some(Meaning::Allow) | None => {
                    allowing.insert(key);
                }
            }
        }
        let mut hash = Sha256::new();
        for key in denying.iter().chain(&allowing) {
            for text in [&key.service_id, &key.rule] {
                hash.update(text.len().to_be_bytes());
                hash.update(text);
            }
        }
        let hash = hash.finalize();
        let first = |keys: &BTreeSet<PolicyKey>| {
            let first: Vec<PolicyKey> = keys.iter().take(REMEMBERED).cloned().collect();
            first
        };
        Self {
            denying: denying.len(),
            allowing: allowing.len(),
            keys: [first(&denying), first(&allowing)].concat(),
            hash: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// The evidence that there are some of this kind. `None` if there are none.
    #[must_use]
    pub fn evidence(parts: &[&Self]) -> Option<Evidence> {
        let parts = parts.iter().filter(|part| !part.is_empty());
        let pieces: BTreeSet<String> = parts
            .flat_map(|part| {
                let all = part.denying + part.allowing;
                let more = (all > part.keys.len())
                    .then(|| format!("{all} in one partition, SHA-256 of all {}", part.hash));
                let keys = part.keys.iter().map(PolicyKey::to_string);
                keys.chain(more).collect::<Vec<_>>()
            })
            .collect();
        (!pieces.is_empty()).then(|| Evidence::of(pieces))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.denying == 0 && self.allowing == 0
    }

    /// Whether all that may deny are among the keys that are remembered.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.denying <= REMEMBERED
    }

    /// The denies among them that hold and may match a connection, with the rule that each means.
    pub fn denies(
        &self,
        connection: &Connection,
        organization: &Organization,
    ) -> impl Iterator<Item = (&PolicyKey, Rule)> {
        self.keys.iter().filter_map(|key| match key.meaning() {
            Some(Meaning::Deny(rule)) if may_match(&rule, connection, organization) => {
                Some((key, rule))
            }
            _ => None,
        })
    }

    /// Why a connection stays undecided because of them, if it does.
    #[must_use]
    pub fn objection(
        &self,
        connection: &Connection,
        organization: &Organization,
    ) -> Option<Objection> {
        let unclear = self.keys.iter().find(|key| {
            let meaning = key.meaning();
            matches!(meaning, Some(Meaning::Unclear(rule)) if may_match(&rule, connection, organization))
        });
        match unclear {
            Some(key) => Some(Objection::Unclear(key.clone())),
            None if !self.is_whole() => Some(Objection::TooMany {
                denying: self.denying,
                first: self.keys.first()?.clone(),
            }),
            None => None,
        }
    }
}

/// Why the meaning of a key keeps connections undecided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Objection {
    /// It may be meant to deny the connection.
    Unclear(PolicyKey),
    /// There are more denies that are written otherwise than are remembered one by one.
    TooMany {
        /// How many.
        denying: usize,
        /// The first of them.
        first: PolicyKey,
    },
}

impl Objection {
    /// The item in question.
    #[must_use]
    pub fn key(&self) -> &PolicyKey {
        match self {
            Self::Unclear(key) | Self::TooMany { first: key, .. } => key,
        }
    }
}

impl fmt::Display for Objection {
    /// What is wrong and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclear(key) => advice(key).fmt(f),
            Self::TooMany { denying, first } => write!(
                f,
                "it is the first of {denying} items whose keys are not written as they are read and \
                 may deny somebody, and only the first {REMEMBERED} are told apart, so everybody whom \
                 the partition concerns stays undecided. Of this one: {}",
                advice(first)
            ),
        }
    }
}

/// What is wrong with a key that judging does not read, and what to do: one or two sentences.
#[must_use]
pub fn advice(key: &PolicyKey) -> String {
    let right = |rule: &Rule| {
        let Rule {
            service_id,
            principal,
            effect,
        } = rule;
        format!("service_id \"{service_id}\" and rule \"{effect}#{principal}\"")
    };
    match key.meaning() {
        Some(Meaning::Expected) => "its key is as it should be".to_owned(),
        Some(Meaning::Deny(rule)) => format!(
            "its key is not written as it is read; it holds as the deny that it means. Write it anew \
             with {} and delete this item",
            right(&rule)
        ),
        Some(Meaning::Allow) => "its key is not written as allows are read, so it lets nobody in. \
             Write it anew with the service's id or \"*\" as service_id and allow#<principal> as \
             rule, and delete this item"
            .to_owned(),
        Some(Meaning::Unclear(rule)) => {
            let who = match &rule.principal {
                Principal::Anyone => "everybody whom the partition concerns".to_owned(),
                principal => format!("{principal}, whom it shows,"),
            };
            let example = match &rule.principal {
                Principal::Anyone => "deny#<principal>".to_owned(),
                principal => format!("deny#{principal}"),
            };
            format!(
                "its key is not one that is read and may be meant as a deny, so {who} stays undecided. \
                 If it is one, write it anew with service_id \"{}\" and rule \"{example}\", and \
                 delete this item",
                rule.service_id
            )
        }
        None if is_meant_for(key, ACKNOWLEDGEMENTS) => format!(
            "its service_id names no endpoint service, so it concerns nobody. If it is to acknowledge a \
             finding, write it anew with service_id \"{ACKNOWLEDGEMENTS}\", and delete this item"
        ),
        None => {
            "its service_id names no endpoint service, so it concerns nobody. Write it anew with \
             the service's id or \"*\" as service_id, and delete this item"
                .to_owned()
        }
    }
}

/// Whether somebody wrote something like this partition's name: in capitals, in the singular, with blanks.
fn is_meant_for(key: &PolicyKey, partition: &str) -> bool {
    let written = without_blanks(&key.service_id).to_lowercase();
    let written = written.trim_end_matches('s').replace("dgm", "dgem");
    written == partition.trim_end_matches('s')
}

/// Whether a deny may match a connection: certainly, or as far as anybody knows.
fn may_match(rule: &Rule, connection: &Connection, organization: &Organization) -> bool {
    match &rule.principal {
        Principal::Endpoint(id) => *id == connection.endpoint_id,
        Principal::Account(id) => *id == connection.owner,
        Principal::Organization(branch) => match organization {
            Organization::Known(Some(place)) => branch.covers(place),
            Organization::Known(None) => false,
            Organization::Off | Organization::Failed => true,
        },
        Principal::Anyone => true,
    }
}

/// The principal of a deny that is exactly one but for blanks around its parts, or for an account's
/// root ARN in the account's place. EC2 itself prints principals as ARNs.
fn understood(rule: &str) -> Option<Principal> {
    let (effect, principal) = rule.split_once('#')?;
    if trimmed(effect) != "deny" {
        return None;
    }
    let principal = trimmed(principal);
    principal
        .parse()
        .ok()
        .or_else(|| root_of(principal).map(Principal::Account))
}

/// The account of `arn:aws:iam::777788889999:root`, in any partition of AWS.
fn root_of(arn: &str) -> Option<AccountId> {
    let mut parts = arn.split(':');
    let prefix = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let account = parts.next()?;
    let is_root = parts.next()? == "root" && parts.next().is_none();
    let is_iam = matches!(prefix, ("arn", partition, "iam", "") if partition == "aws" || partition.starts_with("aws-"));
    (is_root && is_iam).then(|| account.parse().ok())?
}

/// The one account, endpoint or path that a sort key names. `None` if it names none, or several.
fn shown(rule: &str) -> Option<Principal> {
    let squeezed = without_blanks(rule).to_lowercase();
    let squeezed = squeezed.strip_prefix("deny").unwrap_or(&squeezed);
    let squeezed = squeezed.trim_start_matches(['#', ':', '=', '/', '_', '-']);
    // Numbers are written in groups: 7777-8888-9999.
    let digits: String = squeezed
        .chars()
        .filter(|c| !matches!(c, '-' | '.' | '_' | '\'' | ','))
        .collect();
    if let Some(account) = parsed(&digits) {
        return Some(Principal::Account(account));
    }
    if let Some(path) = path_in(squeezed) {
        return Some(Principal::Organization(path));
    }
    let mut principals = BTreeSet::new();
    for word in words(squeezed) {
        principals.extend(parsed(word).map(Principal::Endpoint));
        if !word.starts_with("vpce-") {
            principals.extend(word.split('-').filter_map(parsed).map(Principal::Account));
        }
        // A service or a part of an organization besides may say that it is about something else.
        let is_other = ["vpce-", "o-", "r-", "ou-"]
            .iter()
            .any(|prefix| word.starts_with(prefix));
        if is_other && parsed::<EndpointId>(word).is_none() {
            return None;
        }
    }
    // An endpoint's ARN holds its account as well, and means the endpoint.
    let is_endpoint = |principal: &Principal| matches!(principal, Principal::Endpoint(_));
    if principals.iter().any(is_endpoint) {
        principals.retain(is_endpoint);
    }
    let principal = principals.pop_first()?;
    principals.is_empty().then_some(principal)
}

/// A path that lacks its end, or has one slash too many.
fn path_in(text: &str) -> Option<OrgPath> {
    let path = text.trim_matches('/').trim_end_matches(['*', '/']);
    format!("{path}/*").parse().ok()
}

fn begins_with_allow(rule: &str) -> bool {
    without_blanks(rule).to_lowercase().starts_with("allow#")
}

fn parsed<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// The words of a text in which an id could stand.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .filter(|word| !word.is_empty())
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(is_blank)
}

fn without_blanks(text: &str) -> String {
    text.chars().filter(|c| !is_blank(*c)).collect()
}

/// White space and invisible characters, which come with text that is copied from pages.
fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
        )
}

#[cfg(test)]
#[path = "policy_key_tests.rs"]
mod tests;
