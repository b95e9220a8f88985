//! The settings of a service, as a form has them.

/// One setting.
pub(super) struct Setting {
    /// As in the allowlist table.
    pub(super) name: &'static str,
    /// In words.
    pub(super) label: &'static str,
    pub(super) kind: Kind,
    /// What holds where nobody says anything.
    pub(super) default: &'static str,
}

/// What a setting can be.
pub(super) enum Kind {
    /// One of these: as in the table, and in words.
    Choice(&'static [(&'static str, &'static str)]),
    /// A whole number.
    Number,
    /// What people call a service.
    Name,
    /// A Slack channel's id.
    Channel,
}

/// All of them, in the order of the README.
pub(super) const SETTINGS: [Setting; 11] = [
    Setting {
        name: "name",
        label: "What people call it",
        kind: Kind::Name,
        default: "its id",
    },
    Setting {
        name: "on_unlisted",
        label: "Whom no entry names",
        kind: Kind::Choice(&[("review", "is left to people"), ("reject", "is rejected")]),
        default: "is left to people",
    },
    Setting {
        name: "approvals_required",
        label: "Approvals that a review needs",
        kind: Kind::Number,
        default: "1",
    },
    Setting {
        name: "review_hours",
        label: "Hours until a review's deadline",
        kind: Kind::Number,
        default: "none",
    },
    Setting {
        name: "on_deadline",
        label: "A review at its deadline",
        kind: Kind::Choice(&[("keep", "stays open"), ("reject", "is rejected")]),
        default: "stays open",
    },
    Setting {
        name: "remind_hours",
        label: "Hours until people are reminded",
        kind: Kind::Number,
        default: "never",
    },
    Setting {
        name: "slack_channel",
        label: "Slack channel",
        kind: Kind::Channel,
        default: "the deployment's",
    },
    Setting {
        name: "revoke",
        label: "What is not allowed any more",
        kind: Kind::Choice(&[
            ("off", "is left alone"),
            ("report", "is reported"),
            ("enforce", "is cut"),
        ]),
        default: "is left alone",
    },
    Setting {
        name: "revoke_grace_hours",
        label: "Hours between telling and cutting",
        kind: Kind::Number,
        default: "24",
    },
    Setting {
        name: "revoke_at_most",
        label: "Cut at most, in one run",
        kind: Kind::Number,
        default: "5",
    },
    Setting {
        name: "out_of_band",
        label: "What others accept or reject",
        kind: Kind::Choice(&[
            ("record", "is recorded"),
            ("alert", "is recorded and told"),
            ("revert", "is undone if the policy says otherwise"),
        ]),
        default: "is recorded and told",
    },
];

impl Setting {
    /// A value in words.
    pub(super) fn in_words<'a>(&self, value: &'a str) -> &'a str {
        match self.kind {
            Kind::Number | Kind::Name | Kind::Channel => value,
            Kind::Choice(values) => {
                let known = values.iter().find(|(name, _)| *name == value);
                known.map_or(value, |(_, words)| words)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use aws_sdk_dynamodb::types::AttributeValue;
    use gatekeeper_aws::tables::{decode_policy_item, encode_settings};
    use gatekeeper_core::policy::{PolicyItem, Scope, ServiceSettings};

    use super::*;

    fn item(name: &str, value: AttributeValue) -> HashMap<String, AttributeValue> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        HashMap::from([
            ("service_id".to_owned(), text("*")),
            ("rule".to_owned(), text("settings")),
            (name.to_owned(), value),
        ])
    }

    #[test]
    fn every_value_that_the_form_offers_is_one_that_the_product_knows() {
        for setting in &SETTINGS {
            let values = match setting.kind {
                Kind::Number => vec![AttributeValue::N("3".to_owned())],
                Kind::Name => vec![AttributeValue::S("Payments API".to_owned())],
                Kind::Channel => vec![AttributeValue::S("C0123ABCD".to_owned())],
                Kind::Choice(choices) => {
                    assert!(choices.iter().any(|(_, words)| *words == setting.default));
                    let value = |choice: &(&str, &str)| AttributeValue::S(choice.0.to_owned());
                    choices.iter().map(value).collect()
                }
            };
            for value in values {
                let read = decode_policy_item(item(setting.name, value)).unwrap();
                let PolicyItem::Settings(_, settings) = read else {
                    panic!("{}", setting.name)
                };
                assert_ne!(settings, ServiceSettings::default(), "{}", setting.name);
                let item = encode_settings(&Scope::Every, &settings).unwrap();
                assert!(item.contains_key(setting.name));
            }
        }
    }
}
