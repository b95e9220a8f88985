//! The settings of a service. Each is declared once, in the table below: the struct, the attributes of an item,
//! the keys of a world file, the form of the local page and the edits that are looked at again at once follow
//! from it, and a test holds the documents and the schema of world files to it.

use serde::{Deserialize, Serialize};

use super::Scope;
use crate::approver::SlackChannelId;
use crate::ids::id;
use crate::ignored_setting::IgnoredSetting;

/// What becomes of a connection that no entry speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnlisted {
    /// Ask people.
    #[default]
    Review,
    /// Reject it.
    Reject,
}

/// What becomes of a review that nobody answered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDeadline {
    /// It stays open.
    #[default]
    Keep,
    /// It is rejected.
    Reject,
}

/// Whether a connection that the policy no longer allows is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revoke {
    /// It is left.
    #[default]
    Off,
    /// People are notified of what would be revoked. Nothing is changed.
    Report,
    /// It is revoked.
    Enforce,
}

/// What follows when somebody accepts or rejects a connection without Gatekeeper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutOfBand {
    /// It is recorded.
    Record,
    /// It is recorded and told.
    #[default]
    Alert,
    /// It is recorded, told and undone.
    Revert,
}

id!(
    /// What people call a service, such as `Payments API`.
    ServiceName,
    is_service_name,
    "a service's name: 1 to 80 characters in one line"
);

fn is_service_name(text: &str) -> bool {
    (1..=80).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

/// A setting as people are shown it.
#[derive(Debug)]
pub struct Setting {
    /// As in the allowlist table.
    pub name: &'static str,
    /// In words.
    pub label: &'static str,
    /// What it can be.
    pub kind: Kind,
    /// What holds where nobody says anything, in words.
    pub default: &'static str,
}

/// What a setting can be.
#[derive(Debug)]
pub enum Kind {
    /// One of these: as in the table, and in words.
    Choice(&'static [(&'static str, &'static str)]),
    /// A whole number.
    Number,
    /// What people call a service.
    Name,
    /// A Slack channel's id.
    Channel,
}

impl Setting {
    /// A value in words.
    #[must_use]
    pub fn in_words<'a>(&self, value: &'a str) -> &'a str {
        match self.kind {
            Kind::Number | Kind::Name | Kind::Channel => value,
            Kind::Choice(values) => {
                let known = values.iter().find(|(name, _)| *name == value);
                known.map_or(value, |(_, words)| words)
            }
        }
    }

    /// Of a setting that decides nothing, what it must be, if this text is not that. An item holds without
    /// such a setting; one that decides makes the whole item unreadable.
    #[must_use]
    pub fn ignored_unless(&self) -> Option<IgnoredUnless> {
        match self.kind {
            Kind::Choice(_) | Kind::Number => None,
            Kind::Name => Some(IgnoredUnless {
                expected: ServiceName::EXPECTED,
                is_valid: |text| text.parse::<ServiceName>().is_ok(),
            }),
            Kind::Channel => Some(IgnoredUnless {
                expected: SlackChannelId::EXPECTED,
                is_valid: |text| text.parse::<SlackChannelId>().is_ok(),
            }),
        }
    }
}

/// What a setting that decides nothing must be so that it counts.
#[derive(Debug)]
pub struct IgnoredUnless {
    /// In words.
    pub expected: &'static str,
    /// Whether a text is that.
    pub is_valid: fn(&str) -> bool,
}

/// When an edit of a setting shows.
#[derive(PartialEq)]
enum Shows {
    /// It can change at once what becomes of a connection, so the connections are looked at again.
    AtOnce,
    /// It holds from the next message or run of reconcile on.
    Later,
}

macro_rules! service_settings {
    ($(
        $(#[$doc:meta])*
        $name:ident: $type:ty {
            label: $label:literal,
            kind: $kind:expr,
            default: $default:literal,
            shows: $shows:ident,
        }
    )*) => {
        /// The settings somebody wrote for one service or for `*`: what is absent was not said.
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
        pub struct ServiceSettings {
            $(
                $(#[$doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $name: Option<$type>,
            )*
            /// What was said and makes no sense, of what decides nothing: it counts as if it were not said.
            #[serde(skip)]
            pub ignored: Vec<IgnoredSetting>,
        }

        /// Settings as an item of the allowlist table and a world file have them.
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct WrittenSettings {
            service_id: Scope,
            $($name: Option<$type>,)*
        }

        /// All of them, in the order in which people are shown them.
        pub const SETTINGS: &[Setting] = &[$(
            Setting { name: stringify!($name), label: $label, kind: $kind, default: $default },
        )*];

        impl WrittenSettings {
            /// Whose settings these are, and what they say.
            #[must_use]
            pub fn into_parts(self) -> (Scope, ServiceSettings) {
                let settings = ServiceSettings { $($name: self.$name,)* ignored: Vec::new() };
                (self.service_id, settings)
            }
        }

        impl ServiceSettings {
            /// These settings, with what they leave unsaid taken from `fallback`, field by field.
            #[must_use]
            pub fn or(mut self, fallback: ServiceSettings) -> ServiceSettings {
                self.ignored.extend(fallback.ignored);
                ServiceSettings { $($name: self.$name.or(fallback.$name),)* ignored: self.ignored }
            }

            /// The settings that can change at once what becomes of a connection.
            #[must_use]
            pub fn at_once(&self) -> ServiceSettings {
                let shows_at_once = |shows: Shows| shows == Shows::AtOnce;
                ServiceSettings {
                    $($name: self.$name.clone().filter(|_| shows_at_once(Shows::$shows)),)*
                    ignored: Vec::new(),
                }
            }
        }
    };
}

service_settings! {
    /// What people call the service; decides nothing.
    name: ServiceName {
        label: "What people call it",
        kind: Kind::Name,
        default: "its id",
        shows: Later,
    }
    /// What becomes of a connection that no entry speaks of.
    on_unlisted: OnUnlisted {
        label: "Whom no entry names",
        kind: Kind::Choice(&[("review", "is left to people"), ("reject", "is rejected")]),
        default: "is left to people",
        shows: AtOnce,
    }
    /// How many approvers must approve a review.
    approvals_required: u32 {
        label: "Approvals that a review needs",
        kind: Kind::Number,
        default: "1",
        shows: AtOnce,
    }
    /// Hours until a review's deadline.
    review_hours: u32 {
        label: "Hours until a review's deadline",
        kind: Kind::Number,
        default: "none",
        shows: AtOnce,
    }
    /// What becomes of a review at its deadline.
    on_deadline: OnDeadline {
        label: "A review at its deadline",
        kind: Kind::Choice(&[("keep", "stays open"), ("reject", "is rejected")]),
        default: "stays open",
        shows: AtOnce,
    }
    /// Hours until the first reminder of an open review.
    remind_hours: u32 {
        label: "Hours until people are reminded",
        kind: Kind::Number,
        default: "never",
        shows: Later,
    }
    /// Where reviews are shown in Slack; decides nothing.
    slack_channel: SlackChannelId {
        label: "Slack channel",
        kind: Kind::Channel,
        default: "the deployment's",
        shows: Later,
    }
    /// Whether connections that are no longer allowed are revoked.
    revoke: Revoke {
        label: "What is not allowed any more",
        kind: Kind::Choice(&[
            ("off", "is left alone"),
            ("report", "is reported"),
            ("enforce", "is revoked"),
        ]),
        default: "is left alone",
        shows: AtOnce,
    }
    /// Hours between the notification that a connection will be revoked and its revocation.
    revoke_grace_hours: u32 {
        label: "Hours between notification and revocation",
        kind: Kind::Number,
        default: "24",
        shows: AtOnce,
    }
    /// How many connections one run may revoke at most.
    revoke_at_most: u32 {
        label: "Revoked at most, in one run",
        kind: Kind::Number,
        default: "5",
        shows: Later,
    }
    /// What follows when somebody decides without Gatekeeper.
    out_of_band: OutOfBand {
        label: "What others accept or reject",
        kind: Kind::Choice(&[
            ("record", "is recorded"),
            ("alert", "is recorded and told"),
            ("revert", "is undone if the policy says otherwise"),
        ]),
        default: "is recorded and told",
        shows: AtOnce,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = include_str!("../../../../docs/policy.md");
    const SCHEMA: &str = include_str!("../../../../docs/world.schema.json");

    #[test]
    fn the_schema_of_world_files_has_every_setting_and_no_other() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let written = &schema["$defs"]["settings"]["properties"];
        let mut names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        names.push("service_id");
        names.sort_unstable();
        let mut known: Vec<&String> = written.as_object().unwrap().keys().collect();
        known.sort_unstable();
        assert_eq!(known, names);
        for setting in SETTINGS {
            let expected = match setting.kind {
                Kind::Number => serde_json::json!({ "$ref": "#/$defs/optional_count" }),
                Kind::Name => serde_json::json!({ "$ref": "#/$defs/service_name" }),
                Kind::Channel => serde_json::json!({ "$ref": "#/$defs/slack_channel" }),
                Kind::Choice(values) => {
                    let names = values.iter().map(|(name, _)| Some(*name)).chain([None]);
                    serde_json::json!({ "enum": names.collect::<Vec<_>>() })
                }
            };
            assert_eq!(written[setting.name], expected, "{}", setting.name);
        }
    }

    #[test]
    fn the_documents_have_a_row_for_every_setting_with_its_values() {
        for setting in SETTINGS {
            let start = format!("| `{}` | ", setting.name);
            let row = POLICY.lines().find(|line| line.starts_with(&start));
            let row = row.unwrap_or_else(|| panic!("docs/policy.md has no row for {start}"));
            if setting.default.parse::<u32>().is_ok() {
                assert!(row.contains(setting.default), "{row}");
            }
            if let Kind::Choice(values) = setting.kind {
                for (value, _) in values {
                    assert!(
                        row.contains(&format!("`{value}`")),
                        "`{value}` is missing: {row}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_defaults_that_people_are_shown_are_those_that_hold() {
        let shown = |name: &str| {
            let setting = SETTINGS.iter().find(|setting| setting.name == name);
            setting.unwrap().default
        };
        let revocation = [
            ("revoke_grace_hours", crate::audit::GRACE_HOURS),
            ("revoke_at_most", crate::audit::AT_MOST),
        ];
        for (name, holds) in revocation {
            assert_eq!(shown(name), holds.to_string(), "{name}");
        }
        let in_words = |name: &str, holds: serde_json::Value| {
            let setting = SETTINGS.iter().find(|setting| setting.name == name);
            let setting = setting.unwrap();
            assert_eq!(setting.in_words(holds.as_str().unwrap()), setting.default);
        };
        in_words("on_unlisted", serde_json::json!(OnUnlisted::default()));
        in_words("on_deadline", serde_json::json!(OnDeadline::default()));
        in_words("revoke", serde_json::json!(Revoke::default()));
        in_words("out_of_band", serde_json::json!(OutOfBand::default()));
    }

    #[test]
    fn a_choice_offers_its_default_and_what_the_product_reads() {
        for setting in SETTINGS {
            let values = match setting.kind {
                Kind::Number => vec![serde_json::json!(3)],
                Kind::Name => vec![serde_json::json!("Payments API")],
                Kind::Channel => vec![serde_json::json!("C0123ABCD")],
                Kind::Choice(choices) => {
                    assert!(choices.iter().any(|(_, words)| *words == setting.default));
                    choices
                        .iter()
                        .map(|(value, _)| serde_json::json!(value))
                        .collect()
                }
            };
            for value in values {
                let written = serde_json::json!({ "service_id": "*", setting.name: value });
                let read: WrittenSettings = serde_json::from_value(written).unwrap();
                let (_, settings) = read.into_parts();
                let again = serde_json::to_value(settings).unwrap();
                assert_eq!(again, serde_json::json!({ setting.name: value }));
            }
        }
    }
}
