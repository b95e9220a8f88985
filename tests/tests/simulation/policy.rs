//! The policy as it stands in the table, and a judge of our own, written from what docs/policy.md promises
//! and not from the product's code.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

/// The allowlist table: items in DynamoDB's JSON, by `service_id` and `rule`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Policy(BTreeMap<(String, String), Value>);

/// The facts of a connection that the policy needs.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) service: String,
    pub(crate) endpoint: String,
    pub(crate) account: String,
    pub(crate) region: String,
}

/// The policy's decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    Accept,
    Reject,
    Review,
}

/// The policy's decision about an accepted connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entitlement {
    /// It is allowed; the consumer's limit does not matter any more.
    Allowed,
    /// It is unknown: the account may belong to an Organizations path that is denied.
    Unknown,
    Denied,
    Lapsed,
}

/// An entry's conditions.
struct Entry {
    max_connections: Option<u64>,
    regions: Option<Vec<String>>,
    expires_at: Option<Timestamp>,
}

const TEXTS: [&str; 5] = ["customer", "contact", "ticket", "reason", "created_by"];
/// Settings with words as values, and these words; then those with numbers.
const WORDS: [(&str, &[&str]); 4] = [
    ("on_unlisted", &["review", "reject"]),
    ("on_deadline", &["keep", "reject"]),
    ("revoke", &["off", "report", "enforce"]),
    ("out_of_band", &["record", "alert", "revert"]),
];

impl Policy {
    pub(crate) fn put(&mut self, item: &Value) {
        self.0.insert(key(item), item.clone());
    }

    pub(crate) fn remove(&mut self, item_key: &Value) {
        self.0.remove(&key(item_key));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether no entry names a service, expired ones included.
    pub(crate) fn is_empty_for(&self, service: &str) -> bool {
        let mut keys = self.0.keys();
        !keys.any(|(scope, rule)| (scope == "*" || scope == service) && rule != "settings")
    }

    /// The entitlement of an accepted connection.
    pub(crate) fn entitlement(&self, subject: &Subject, now: Timestamp) -> Entitlement {
        let holds = |entry: &Entry| {
            let in_time = entry.expires_at.is_none_or(|end| now < end);
            let regions = entry.regions.as_ref();
            in_time && regions.is_none_or(|regions| regions.contains(&subject.region))
        };
        let in_order = |effect: &str| {
            let mut found = Vec::new();
            for principal in [&subject.endpoint, &subject.account, "*"] {
                for scope in [&subject.service, "*"] {
                    found.extend(self.entry(scope, &format!("{effect}#{principal}")));
                }
            }
            found
        };
        if in_order("deny").iter().any(holds) {
            return Entitlement::Denied;
        }
        let mut allows = in_order("allow");
        allows.retain(|entry| entry.expires_at.is_none_or(|end| now < end));
        let Some(governing) = allows.first() else {
            return Entitlement::Lapsed;
        };
        let doubt = self.0.keys().any(|(scope, rule)| {
            rule.starts_with("deny#o-")
                && (scope == "*" || *scope == subject.service)
                && self.entry(scope, rule).is_some_and(|entry| holds(&entry))
        });
        match (doubt, holds(governing)) {
            (true, _) => Entitlement::Unknown,
            (false, true) => Entitlement::Allowed,
            (false, false) => Entitlement::Lapsed,
        }
    }

    /// Whether an accepted connection is to be revoked, sooner or later, if nothing changes. A
    /// connection that approvers accepted is revoked only if it is denied.
    pub(crate) fn revokes(
        &self,
        subject: &Subject,
        past_policy: bool,
        by_people: bool,
        now: Timestamp,
    ) -> bool {
        let service = &subject.service;
        let enforces = self.word(service, "revoke") == Some("enforce");
        let undoes = self.word(service, "out_of_band") == Some("revert") && past_policy;
        let falls = match self.entitlement(subject, now) {
            Entitlement::Denied => true,
            Entitlement::Lapsed => !by_people && !self.is_empty_for(service),
            Entitlement::Allowed | Entitlement::Unknown => false,
        };
        falls && (enforces || undoes)
    }

    /// The person who an approver is, if they may decide about a connection: two with one Slack
    /// user are one.
    pub(crate) fn decider(&self, id: &str, subject: &Subject) -> Option<String> {
        let rule = format!("approver#{id}");
        let item = self.0.get(&("approvers".to_owned(), rule.clone()))?;
        let has = |item: &Value, name: &str, wanted: &str| {
            let all = item.get(name).and_then(texts).unwrap_or_default();
            all.iter().any(|one| one == wanted)
        };
        let slack_of = |item: &Value| Some(item.get("slack_user_id")?["S"].as_str()?.to_owned());
        let slack = slack_of(item);
        // An account that belongs to a person by one of their items belongs to them by all.
        let is_own = self.0.iter().any(|((partition, key), other)| {
            let is_theirs = *key == rule || (slack.is_some() && slack_of(other) == slack);
            partition == "approvers"
                && is_theirs
                && is_sound(key, other)
                && has(other, "own_accounts", &subject.account)
        });
        let may = is_sound(&rule, item)
            && (has(item, "services", "*") || has(item, "services", &subject.service))
            && !is_own;
        may.then(|| slack.unwrap_or_else(|| id.to_owned()))
    }

    /// The keys of all items.
    pub(crate) fn keys(&self) -> Vec<(String, String)> {
        self.0.keys().cloned().collect()
    }

    /// The invalid items.
    pub(crate) fn malformed(&self) -> Vec<(String, String)> {
        let all = self.0.iter();
        all.filter(|(key, item)| !is_sound(&key.1, item))
            .map(|(key, _)| key.clone())
            .collect()
    }

    /// An invalid item that concerns the connection.
    pub(crate) fn unreadable(&self, subject: &Subject) -> Option<String> {
        let concerns = |(service, rule): &(String, String)| {
            let own = [&subject.endpoint, &subject.account, "*"];
            let principal = rule.split_once('#').map(|(_, principal)| principal);
            (service == "*" || *service == subject.service)
                && (rule == "settings"
                    || rule.starts_with("deny#o-")
                    || principal.is_some_and(|principal| own.contains(&principal)))
        };
        self.malformed()
            .into_iter()
            .find(concerns)
            .map(|(service, rule)| format!("{service} / {rule}"))
    }

    /// The decision about a connection, if `others` of its account's connections count on the
    /// service.
    pub(crate) fn says(&self, subject: &Subject, others: usize, now: Timestamp) -> Says {
        let in_time = |entry: &Entry| entry.expires_at.is_none_or(|end| now < end);
        let in_region = |entry: &Entry| {
            let regions = entry.regions.as_ref();
            regions.is_none_or(|regions| regions.contains(&subject.region))
        };
        let principals = [&subject.endpoint, &subject.account, "*"];
        let scopes = [subject.service.as_str(), "*"];
        let entries = |effect: &'static str| {
            principals.into_iter().flat_map(move |principal| {
                scopes
                    .into_iter()
                    .filter_map(move |scope| self.entry(scope, &format!("{effect}#{principal}")))
            })
        };
        if entries("deny").any(|entry| in_time(&entry) && in_region(&entry)) {
            return Says::Reject;
        }
        // Accounts are not looked up, so a deny for an Organizations path may concern this one.
        let doubt = self.0.keys().any(|(scope, rule)| {
            rule.starts_with("deny#o-")
                && scopes.contains(&scope.as_str())
                && self
                    .entry(scope, rule)
                    .is_some_and(|entry| in_time(&entry) && in_region(&entry))
        });
        // From the most specific to the least; the first governs alone.
        let governing = entries("allow").find(in_time);
        match governing {
            Some(entry) => {
                let room = entry
                    .max_connections
                    .is_none_or(|max| (others as u64) < max);
                if in_region(&entry) && room && !doubt {
                    Says::Accept
                } else {
                    Says::Review
                }
            }
            None => match self.word(&subject.service, "on_unlisted") {
                Some("reject") => Says::Reject,
                _ => Says::Review,
            },
        }
    }

    /// Whether no deny matches a connection, and some allow for it holds: the least that an accept
    /// needs, even if another allow is in the way.
    pub(crate) fn admits(&self, subject: &Subject, others: usize, now: Timestamp) -> bool {
        let holds = |effect: &str| {
            let all = [&subject.endpoint, &subject.account, "*"]
                .into_iter()
                .flat_map(|principal| [&subject.service, "*"].map(|scope| (scope, principal)));
            let mut found = all.filter_map(|(scope, principal)| {
                self.entry(scope, &format!("{effect}#{principal}"))
            });
            found.any(|entry| {
                entry.expires_at.is_none_or(|end| now < end)
                    && entry
                        .regions
                        .is_none_or(|all| all.contains(&subject.region))
                    && entry
                        .max_connections
                        .is_none_or(|max| (others as u64) < max)
            })
        };
        !holds("deny") && holds("allow")
    }

    /// A setting: the service's own, or else that of `*`.
    pub(crate) fn setting(&self, service: &str, name: &str) -> Option<&Value> {
        [service, "*"].into_iter().find_map(|scope| {
            let item = self.0.get(&(scope.to_owned(), "settings".to_owned()))?;
            item.get(name)
        })
    }

    pub(crate) fn word(&self, service: &str, name: &str) -> Option<&str> {
        self.setting(service, name)?.get("S")?.as_str()
    }

    pub(crate) fn number(&self, service: &str, name: &str) -> Option<u64> {
        number(self.setting(service, name)?)
    }

    fn entry(&self, scope: &str, rule: &str) -> Option<Entry> {
        let item = self.0.get(&(scope.to_owned(), rule.to_owned()))?;
        Some(Entry {
            max_connections: item.get("max_connections").and_then(number),
            regions: item.get("regions").and_then(texts),
            expires_at: item.get("expires_at").and_then(time),
        })
    }
}

fn key(item: &Value) -> (String, String) {
    let text = |name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
    (text("service_id"), text("rule"))
}

fn number(value: &Value) -> Option<u64> {
    value.get("N")?.as_str()?.parse().ok()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.get("S")?.as_str()?.parse().ok()
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let texts = value.get("SS")?.as_array()?.iter();
    texts.map(|text| Some(text.as_str()?.to_owned())).collect()
}

/// Whether an item has nothing but what docs/policy.md documents, in the documented types.
fn is_sound(rule: &str, item: &Value) -> bool {
    let Some(fields) = item.as_object() else {
        return false;
    };
    let is_key = |name: &str| name == "service_id" || name == "rule";
    if rule == "settings" {
        return fields.iter().all(|(name, value)| {
            let words = WORDS.iter().find(|(word, _)| word == name);
            let numbers = [
                "approvals_required",
                "review_hours",
                "remind_hours",
                "revoke_at_most",
                "revoke_grace_hours",
            ];
            match words {
                Some((_, words)) => value["S"]
                    .as_str()
                    .is_some_and(|word| words.contains(&word)),
                None => {
                    is_key(name) || (numbers.contains(&name.as_str()) && number(value).is_some())
                }
            }
        });
    }
    if rule.starts_with("approver#") {
        return fields.iter().all(|(name, value)| match name.as_str() {
            "services" | "own_accounts" => texts(value).is_some(),
            "slack_user_id" => value["S"].as_str().is_some_and(|id| id.starts_with('U')),
            name => is_key(name),
        });
    }
    let deny = rule.starts_with("deny#");
    fields.iter().all(|(name, value)| match name.as_str() {
        "max_connections" => !deny && number(value).is_some(),
        "regions" => texts(value).is_some_and(|regions| {
            !regions.is_empty() && regions.iter().all(|region| region.contains('-'))
        }),
        "expires_at" => time(value).is_some(),
        "purge_at" => number(value).is_some(),
        "imported" => value.get("BOOL").is_some(),
        name => is_key(name) || (TEXTS.contains(&name) && value.get("S").is_some()),
    })
}
