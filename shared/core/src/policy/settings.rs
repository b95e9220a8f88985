//! The settings of a service. Each is declared once, in the table below: the struct, the attributes of an item,
//! the keys of a world file, the form of the local page and the edits that are looked at again at once follow
//! from it, and a test holds the documents and the schema of world files to it.

use serde::{Deserialize, Serialize};

use crate::approver::SlackChannelId;
use crate::ids::id;
use crate::ignored_setting::IgnoredSetting;
use crate::written::{Attributes, Mistake, Reader, Shape, Typed, typed_choice, typed_id};

/// What becomes of a connection that no entry speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnlisted {
    /// Ask people.
    #[default]
    Review,
    /// Reject it.
    Reject,
}

/// What becomes of a review that nobody answered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDeadline {
    /// It stays open.
    #[default]
    Keep,
    /// It is rejected.
    Reject,
}

/// Whether a connection that the policy no longer allows is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutOfBand {
    /// It is recorded.
    Record,
    /// It is recorded and announced.
    #[default]
    Alert,
    /// It is recorded, announced and undone.
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

typed_choice! {
    OnUnlisted: &["review", "reject"],
    OnDeadline: &["keep", "reject"],
    Revoke: &["off", "report", "enforce"],
    OutOfBand: &["record", "alert", "revert"],
}
typed_id!(ServiceName: ServiceName::EXPECTED);

/// A setting as people are shown it.
#[derive(Debug)]
pub struct Setting {
    /// As in the allowlist table.
    pub name: &'static str,
    /// In words.
    pub label: &'static str,
    /// As the documents have it.
    pub meaning: &'static str,
    /// What it can be.
    pub kind: Kind,
    /// What holds where nobody says anything, in words.
    pub default: &'static str,
}

/// What a setting can be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// One of these: as in the table, and in words.
    Choice(&'static [(&'static str, &'static str)]),
    /// A whole number.
    Number {
        /// No less than this.
        least: i64,
        /// No more than this.
        most: i64,
    },
    /// What people call a service. It decides nothing.
    Name,
    /// A Slack channel's id. It decides nothing.
    Channel,
}

/// A number of hours: up to ten years.
const HOURS: Kind = Kind::Number {
    least: 0,
    most: 10 * 366 * 24,
};

impl Kind {
    /// Whether an item holds without a setting that makes no sense: what decides nothing must not keep anybody
    /// waiting.
    fn is_ignored_if_wrong(self) -> bool {
        matches!(self, Self::Name | Self::Channel)
    }

    /// How it is read, where it is read as a type of this shape.
    const fn shape(self, of_type: Shape) -> Shape {
        match self {
            Self::Number { least, most } => Shape::Number { least, most },
            Self::Choice(_) | Self::Name | Self::Channel => of_type,
        }
    }
}

impl Setting {
    /// A value in words.
    #[must_use]
    pub fn in_words<'a>(&self, value: &'a str) -> &'a str {
        match self.kind {
            Kind::Number { .. } | Kind::Name | Kind::Channel => value,
            Kind::Choice(values) => {
                let known = values.iter().find(|(name, _)| *name == value);
                known.map_or(value, |(_, words)| words)
            }
        }
    }
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
            meaning: $meaning:literal,
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

        /// All of them, in the order in which people are shown them.
        pub const SETTINGS: &[Setting] = &[$(
            Setting {
                name: stringify!($name),
                label: $label,
                meaning: $meaning,
                kind: $kind,
                default: $default,
            },
        )*];

        impl ServiceSettings {
            /// Reads settings. Answers beside them what is wrong with those that decide nothing.
            pub(crate) fn read(reader: &mut Reader<'_>) -> (Self, Vec<(&'static str, Mistake)>) {
                let mut ignored = Vec::new();
                let settings = Self {
                    $($name: {
                        let name = stringify!($name);
                        let shape = $kind.shape(<$type as Typed>::SHAPE);
                        match reader.attempt(name, &shape) {
                            Some(Ok(read)) => Some(read),
                            Some(Err(misfit)) => {
                                let mistake = misfit.of(name);
                                if $kind.is_ignored_if_wrong() {
                                    ignored.push((name, mistake));
                                } else {
                                    reader.note(mistake);
                                }
                                None
                            }
                            None => None,
                        }
                    },)*
                    ignored: Vec::new(),
                };
                (settings, ignored)
            }

            pub(crate) fn write(&self, attributes: &mut Attributes) {
                $(
                    if let Some(value) = &self.$name {
                        attributes.insert(stringify!($name).to_owned(), value.write());
                    }
                )*
            }

            /// These settings, with what they leave unsaid taken from `fallback`, field by field.
            #[must_use]
            pub fn or(mut self, fallback: ServiceSettings) -> ServiceSettings {
                self.ignored.extend(fallback.ignored);
                ServiceSettings { $($name: self.$name.or(fallback.$name),)* ignored: self.ignored }
            }

            /// The same without what makes no sense and counts for nothing.
            #[must_use]
            pub fn without_ignored(&self) -> ServiceSettings {
                ServiceSettings { ignored: Vec::new(), ..self.clone() }
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
        meaning: "what people call the service",
        kind: Kind::Name,
        default: "its id",
        shows: Later,
    }
    /// What becomes of a connection that no entry speaks of.
    on_unlisted: OnUnlisted {
        label: "Whom no entry names",
        meaning: "a consumer that no entry names is left to people, or is rejected (`reject`)",
        kind: Kind::Choice(&[("review", "is left to people"), ("reject", "is rejected")]),
        default: "is left to people",
        shows: AtOnce,
    }
    /// How many approvers must approve a review.
    approvals_required: u32 {
        label: "Approvals that a review needs",
        meaning: "how many people must approve a review; one rejection rejects it",
        // 0 counts as 1.
        kind: Kind::Number { least: 0, most: 100 },
        default: "1",
        shows: AtOnce,
    }
    /// Hours until a review's deadline.
    review_hours: u32 {
        label: "Hours until a review's deadline",
        meaning: "how long a review has until its deadline",
        kind: HOURS,
        default: "none",
        shows: AtOnce,
    }
    /// What becomes of a review at its deadline.
    on_deadline: OnDeadline {
        label: "A review at its deadline",
        meaning: "with `reject`, a review that nobody answered in time is rejected",
        kind: Kind::Choice(&[("keep", "stays open"), ("reject", "is rejected")]),
        default: "stays open",
        shows: AtOnce,
    }
    /// Hours until the first reminder of an open review.
    remind_hours: u32 {
        label: "Hours until people are reminded",
        meaning: "people are reminded of a review after so many hours, then at pauses that double, up to a week; 0 means none",
        kind: HOURS,
        default: "never",
        shows: Later,
    }
    /// Where reviews are shown in Slack; decides nothing.
    slack_channel: SlackChannelId {
        label: "Slack channel",
        meaning: "where reviews of the service are shown in Slack",
        kind: Kind::Channel,
        default: "the deployment's",
        shows: Later,
    }
    /// Whether connections that are no longer allowed are revoked.
    revoke: Revoke {
        label: "What is not allowed any more",
        meaning: "what happens to a connection that is not allowed any more: nothing, an announcement (`report`), or revocation (`enforce`)",
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
        meaning: "the time between announcing a revocation and doing it",
        kind: HOURS,
        default: "24",
        shows: AtOnce,
    }
    /// How many connections one run may revoke at most.
    revoke_at_most: u32 {
        label: "Revoked at most, in one run",
        meaning: "how many connections one run revokes at most; if there are more, none is revoked and an alarm says so",
        kind: Kind::Number { least: 0, most: 1_000_000 },
        default: "5",
        shows: Later,
    }
    /// What follows when somebody decides without Gatekeeper.
    out_of_band: OutOfBand {
        label: "What others accept or reject",
        meaning: "what somebody else accepts or rejects is recorded (`record`), announced (`alert`), or undone if the policy says otherwise (`revert`)",
        kind: Kind::Choice(&[
            ("record", "is recorded"),
            ("alert", "is recorded and announced"),
            ("revert", "is undone if the policy says otherwise"),
        ]),
        default: "is recorded and announced",
        shows: AtOnce,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::Value;

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
                Kind::Number { least, most } => serde_json::json!({
                    "type": ["integer", "null"], "minimum": least, "maximum": most
                }),
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
    fn the_documents_have_every_setting_in_the_words_of_its_declaration() {
        for setting in SETTINGS {
            let default = match setting.kind {
                Kind::Choice(values) => {
                    let is_default = |(_, words): &&(&str, &str)| *words == setting.default;
                    format!("`{}`", values.iter().find(is_default).unwrap().0)
                }
                _ => setting.default.to_owned(),
            };
            let row = format!("| `{}` | {default} | {} |", setting.name, setting.meaning);
            assert!(
                POLICY.lines().any(|line| line == row),
                "docs/policy.md lacks: {row}"
            );
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
                Kind::Number { least, most } => vec![
                    Value::Number(least.to_string()),
                    Value::Number(most.to_string()),
                ],
                Kind::Name => vec![Value::Text("Payments API".to_owned())],
                Kind::Channel => vec![Value::Text("C0123ABCD".to_owned())],
                Kind::Choice(choices) => {
                    assert!(choices.iter().any(|(_, words)| *words == setting.default));
                    let texts = choices.iter().map(|(value, _)| (*value).to_owned());
                    texts.map(Value::Text).collect()
                }
            };
            for value in values {
                let written = Attributes::from([(setting.name.to_owned(), value)]);
                let mut reader = Reader::new(&written, "settings");
                let (settings, ignored) = ServiceSettings::read(&mut reader);
                assert_eq!((reader.finish(), ignored), (Ok(()), Vec::new()));
                let mut again = Attributes::new();
                settings.write(&mut again);
                assert_eq!(again, written);
            }
        }
    }

    #[test]
    fn a_number_is_read_within_its_bounds_only() {
        for setting in SETTINGS {
            let Kind::Number { least, most } = setting.kind else {
                continue;
            };
            for beyond in [least - 1, most + 1] {
                let value = Value::Number(beyond.to_string());
                let written = Attributes::from([(setting.name.to_owned(), value)]);
                let mut reader = Reader::new(&written, "settings");
                let _ = ServiceSettings::read(&mut reader);
                let said = crate::written::all(&reader.finish().unwrap_err());
                let expected = format!(
                    "{} is the number {beyond}; write a whole number from {least} to {most}",
                    setting.name
                );
                assert_eq!(said, expected);
            }
        }
    }
}
