//! Why the policy says what it says of one connection: every rule that was considered, and every setting with the
//! item that it comes from.

use std::fmt;

use jiff::Timestamp;

use crate::connection::{Connection, Organization};
use crate::ids::Region;
use crate::judge::{Bearing, Decision, FailedCondition, Usage, Verdict, bearing, judge, outranks};
use crate::policy::settings::{SETTINGS, Setting};
use crate::policy::{Effect, Entry, Policy, Principal, Rule, Scope, ServiceSettings};

/// The verdict on one connection, and how it comes about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    pub verdict: Verdict,
    /// The entries that are for the connection, or were meant for it perhaps: what decides first, then the most
    /// specific.
    pub considered: Vec<Considered>,
    /// How many entries are for somebody else.
    pub others: usize,
    pub settings: Vec<SettingInForce>,
}

/// An entry, and what it does to the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    pub entry: Entry,
    pub role: Role,
}

/// What an entry does to a connection, or why it does nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// It denies the connection.
    Denies,
    /// It denies it too; a more specific one is named.
    DeniesToo,
    /// It governs, and its conditions hold.
    Allows,
    /// It governs, and this is in the way.
    AllowsNot(Vec<FailedCondition>),
    /// A deny wins.
    Overruled(Rule),
    /// A more specific allow governs.
    Outranked(Rule),
    /// It expired.
    Expired(Timestamp),
    /// It denies other Regions.
    OtherRegion,
    /// It is for an Organizations path, and where the account sits is not known: an allow does not count then, and
    /// a deny keeps others from allowing.
    PlaceUnknown,
    /// It is for the same consumer on another service.
    OtherService,
    /// It is for a path that the account is not in.
    OtherPlace,
}

/// A setting, and where it comes from.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct SettingInForce {
    pub name: &'static str,
    pub label: &'static str,
    /// The value as it is written, or the default in words.
    pub value: String,
    pub source: Source,
}

/// Where a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The settings of the service.
    Service,
    /// Those of `*`.
    Every,
    /// Nobody said anything.
    Default,
}

/// Explains the verdict on one connection.
#[must_use]
pub fn explain(
    policy: &Policy,
    connection: &Connection,
    organization: &Organization,
    usage: Usage,
    now: Timestamp,
) -> Explanation {
    let verdict = judge(policy, connection, organization, usage, now);
    let mut considered: Vec<Considered> = policy
        .entries
        .iter()
        .filter_map(|entry| {
            let role = match bearing(entry, connection, organization, now) {
                Bearing::Applies => role(entry, &verdict),
                Bearing::PlaceUnknown => Role::PlaceUnknown,
                Bearing::OtherRegion => Role::OtherRegion,
                Bearing::Expired => Role::Expired(entry.conditions().expires_at?),
                Bearing::OtherService if names_consumer(entry, connection) => Role::OtherService,
                Bearing::OtherPrincipal if is_for_path(entry) => Role::OtherPlace,
                Bearing::OtherService | Bearing::OtherPrincipal => return None,
            };
            let entry = entry.clone();
            Some(Considered { entry, role })
        })
        .collect();
    considered.sort_by(|one, other| {
        let rules = (one.entry.rule(), other.entry.rule());
        let by_rank = (one.role.rank()).cmp(&other.role.rank());
        by_rank.then_with(|| match rules {
            (one, other) if outranks(one, other) => std::cmp::Ordering::Less,
            (one, other) if outranks(other, one) => std::cmp::Ordering::Greater,
            (one, other) => one.cmp(other),
        })
    });
    Explanation {
        others: policy.entries.len() - considered.len(),
        considered,
        verdict,
        settings: settings_in_force(policy, connection),
    }
}

/// What an entry that applies does.
fn role(entry: &Entry, verdict: &Verdict) -> Role {
    let rule = entry.rule();
    let deciding = verdict.rule.as_ref();
    match (rule.effect, deciding) {
        (Effect::Deny, Some(deciding)) if deciding == rule => Role::Denies,
        (Effect::Deny, _) => Role::DeniesToo,
        (Effect::Allow, Some(deciding)) if deciding == rule => match verdict.decision {
            Decision::Accept => Role::Allows,
            Decision::Review | Decision::Reject => Role::AllowsNot(verdict.failed.clone()),
        },
        (Effect::Allow, Some(deciding)) if deciding.effect == Effect::Deny => {
            Role::Overruled(deciding.clone())
        }
        (Effect::Allow, Some(deciding)) => Role::Outranked(deciding.clone()),
        // An allow that applies governs unless another rule decides.
        (Effect::Allow, None) => Role::AllowsNot(verdict.failed.clone()),
    }
}

fn names_consumer(entry: &Entry, connection: &Connection) -> bool {
    match &entry.rule().principal {
        Principal::Endpoint(id) => *id == connection.endpoint_id,
        Principal::Account(id) => *id == connection.owner,
        Principal::Organization(_) | Principal::Anyone => false,
    }
}

fn is_for_path(entry: &Entry) -> bool {
    matches!(entry.rule().principal, Principal::Organization(_))
}

impl Role {
    /// What decides, what could, what cannot.
    fn rank(&self) -> u8 {
        match self {
            Self::Denies | Self::Allows | Self::AllowsNot(_) => 0,
            Self::DeniesToo | Self::Overruled(_) | Self::Outranked(_) => 1,
            Self::PlaceUnknown => 2,
            Self::OtherRegion | Self::Expired(_) => 3,
            Self::OtherService | Self::OtherPlace => 4,
        }
    }
}

impl fmt::Display for Role {
    /// In words, to follow "it" or the entry's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denies => f.write_str("denies it"),
            Self::DeniesToo => f.write_str("denies it too"),
            Self::Allows => f.write_str("allows it: its conditions hold"),
            Self::AllowsNot(failed) => {
                f.write_str("would allow it, but ")?;
                for (number, condition) in failed.iter().enumerate() {
                    if number > 0 {
                        f.write_str("; ")?;
                    }
                    in_words(condition, f)?;
                }
                Ok(())
            }
            Self::Overruled(deny) => write!(f, "does not count: \"{deny}\" wins"),
            Self::Outranked(allow) => {
                write!(
                    f,
                    "does not count: \"{allow}\" is more specific and governs alone"
                )
            }
            Self::Expired(at) => write!(f, "expired at {at:.0}"),
            Self::OtherRegion => f.write_str("denies other Regions only"),
            Self::PlaceUnknown => {
                f.write_str("may apply: where the account sits in the organization is not known")
            }
            Self::OtherService => f.write_str("is for another service"),
            Self::OtherPlace => f.write_str("is for a path that the account is not in"),
        }
    }
}

fn in_words(condition: &FailedCondition, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match condition {
        FailedCondition::Regions { region, allowed } => {
            let names: Vec<&str> = allowed.iter().map(Region::as_str).collect();
            write!(
                f,
                "the endpoint is in {region}, and it is for {}",
                names.join(", ")
            )
        }
        FailedCondition::MaxConnections { held, max } => write!(
            f,
            "the account has {held} connections, and max_connections is {max}"
        ),
        FailedCondition::OrganizationUnknown { rule } => {
            write!(
                f,
                "\"{rule}\" may apply, and where the account sits is not known"
            )
        }
    }
}

fn settings_in_force(policy: &Policy, connection: &Connection) -> Vec<SettingInForce> {
    let sources = [
        (
            Source::Service,
            Scope::Service(connection.service_id.clone()),
        ),
        (Source::Every, Scope::Every),
    ];
    let written = sources.map(|(source, scope)| (source, values(policy.settings.get(&scope))));
    let in_force = |setting: &'static Setting| {
        let found = written.iter().find_map(|(source, values)| {
            let value = match values.get(setting.name)? {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            Some((value, *source))
        });
        let (value, source) =
            found.unwrap_or_else(|| (setting.default.to_owned(), Source::Default));
        SettingInForce {
            name: setting.name,
            label: setting.label,
            value,
            source,
        }
    };
    SETTINGS.iter().map(in_force).collect()
}

/// The values of settings by their names.
fn values(settings: Option<&ServiceSettings>) -> serde_json::Map<String, serde_json::Value> {
    let written = settings.map(serde_json::to_value);
    match written {
        Some(Ok(serde_json::Value::Object(values))) => values,
        _ => serde_json::Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ConnectionState;
    use crate::fixtures::{at, connection};
    use crate::policy::{About, Conditions, OnUnlisted};

    const OTHER_SERVICE: &str = "vpce-svc-0000000000000000b";

    fn entry(effect: Effect, principal: &str, service: &str, conditions: Conditions) -> Entry {
        let rule = Rule {
            service_id: service.parse().unwrap(),
            principal: principal.parse().unwrap(),
            effect,
        };
        Entry::new(rule, conditions, About::default()).unwrap()
    }

    fn only_in(region: &str) -> Conditions {
        Conditions {
            regions: Some([region.parse().unwrap()].into()),
            ..Conditions::default()
        }
    }

    fn until(seconds: i64) -> Conditions {
        Conditions {
            expires_at: Some(at(seconds)),
            ..Conditions::default()
        }
    }

    fn explained(entries: Vec<Entry>, organization: &Organization) -> Vec<String> {
        let policy = Policy {
            entries,
            ..Policy::default()
        };
        let connection = connection(ConnectionState::PendingAcceptance);
        let found = explain(&policy, &connection, organization, Usage::default(), at(0));
        let lines = found.considered.iter();
        lines
            .map(|one| format!("{} {}", one.entry.rule(), one.role))
            .chain([format!("{} others", found.others)])
            .collect()
    }

    #[test]
    fn every_rule_says_what_it_does_or_why_it_does_nothing() {
        use Effect::{Allow, Deny};
        let own = "vpce-svc-0a1b2c3d4e5f60718";
        let always = Conditions::default;
        let allows = vec![
            entry(Allow, "*", "*", always()),
            entry(Allow, "012345678901", OTHER_SERVICE, always()),
            entry(Allow, "012345678901", "*", until(0)),
            entry(Allow, "012345678901", own, only_in("us-east-1")),
            entry(Allow, "999999999999", "*", always()),
            entry(Allow, "o-1/*", "*", always()),
            entry(Deny, "*", "*", only_in("us-east-1")),
        ];
        let known = Organization::Known(None);
        assert_eq!(
            explained(allows.clone(), &known),
            [
                "allow 012345678901 on vpce-svc-0a1b2c3d4e5f60718 would allow it, but the endpoint is in \
                 eu-central-1, and it is for us-east-1",
                "allow * on * does not count: \"allow 012345678901 on vpce-svc-0a1b2c3d4e5f60718\" is more \
                 specific and governs alone",
                "allow 012345678901 on * expired at 2027-01-15T08:00:00Z",
                "deny * on * denies other Regions only",
                "allow 012345678901 on vpce-svc-0000000000000000b is for another service",
                "allow o-1/* on * is for a path that the account is not in",
                "1 others",
            ]
        );
        let mut denies = allows;
        denies.push(entry(Deny, "012345678901", "*", always()));
        denies.push(entry(Deny, "*", own, always()));
        let found = explained(denies, &Organization::Failed);
        assert_eq!(
            found[..4],
            [
                "deny 012345678901 on * denies it",
                "allow 012345678901 on vpce-svc-0a1b2c3d4e5f60718 does not count: \"deny 012345678901 on *\" \
                 wins",
                "deny * on vpce-svc-0a1b2c3d4e5f60718 denies it too",
                "allow * on * does not count: \"deny 012345678901 on *\" wins",
            ]
        );
        assert_eq!(
            found[4],
            "allow o-1/* on * may apply: where the account sits in the organization is not known"
        );
    }

    #[test]
    fn a_setting_comes_from_the_service_from_every_service_or_from_nobody() {
        let mut policy = Policy::default();
        let connection = connection(ConnectionState::PendingAcceptance);
        policy.settings.insert(
            Scope::Every,
            ServiceSettings {
                on_unlisted: Some(OnUnlisted::Reject),
                review_hours: Some(8),
                ..ServiceSettings::default()
            },
        );
        policy.settings.insert(
            Scope::Service(connection.service_id.clone()),
            ServiceSettings {
                on_unlisted: Some(OnUnlisted::Review),
                ..ServiceSettings::default()
            },
        );
        let known = Organization::Known(None);
        let found = explain(&policy, &connection, &known, Usage::default(), at(0));
        assert_eq!(found.settings.len(), SETTINGS.len());
        let shown = |name: &str| {
            let one = found.settings.iter().find(|one| one.name == name).unwrap();
            (one.value.as_str(), one.source)
        };
        assert_eq!(shown("on_unlisted"), ("review", Source::Service));
        assert_eq!(shown("review_hours"), ("8", Source::Every));
        assert_eq!(shown("revoke_grace_hours"), ("24", Source::Default));
    }
}
