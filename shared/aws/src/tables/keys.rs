//! Keys of both tables, in one type, because one `BatchGetItem` reads both.

use std::fmt;

use gatekeeper_core::approver::{ApproverId, SlackChannelId};
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use gatekeeper_core::outbox::OutboxKey;
use gatekeeper_core::policy::{Rule, Scope};
use gatekeeper_core::policy_item;
use gatekeeper_core::policy_key::{self, PolicyKey};
use gatekeeper_core::precondition::PolicyItemId;
use gatekeeper_core::token::TokenHash;
use serde::Serialize;

use super::item::{Item, text};
use super::unreadable::Unencodable;

/// The key of an item in either table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    /// An allowlist entry.
    Entry(Rule),
    /// A deny with a key that is not in its normal form, and the rule that it means.
    UnexpectedDeny(PolicyKey, Rule),
    /// A service's settings.
    Settings(Scope),
    /// An approver.
    Approver(ApproverId),
    /// A request.
    Request(EndpointId),
    /// A row of a request's history.
    History(EndpointId, u64),
    /// The usage of one account on one service.
    Usage(ServiceId, AccountId),
    /// The outbox item of a write.
    Outbox(OutboxKey),
    /// The held state of a review's approval e-mail.
    HeldEmail(EndpointId),
    /// An outbox item that was put aside because SNS refused it for good, by its id.
    Refused(String),
    /// How many e-mails an approver's address got recently.
    Allowance(ApproverId),
    /// The recent e-mails about one account's reviews at one service.
    EmailGrouping(ServiceId, AccountId),
    /// The link that a token opens.
    Link(TokenHash),
    /// The product's own state, by name.
    State(String),
    /// The unexpected keys of a scope; with `None`, those that belong to no scope.
    UnexpectedKeys(Option<Scope>),
    /// A review's message in a Slack channel.
    Prompt(EndpointId, u64, SlackChannelId),
    /// Reviews of one account at one service that wait to be shown together in a Slack channel.
    WaitingPrompts(ServiceId, AccountId, SlackChannelId),
    /// A message in Slack that shows an announcement, by the announcement's id.
    Notice(String),
}

/// The sort key of a request.
pub(super) const REQUEST: &str = "request";
const USAGE: &str = "usage";
/// The partition of the product's own state.
pub(super) const STATE: &str = "state";
const SETTINGS: &str = policy_item::SETTINGS;
/// The partition of all approvers.
pub(super) const APPROVERS: &str = policy_key::APPROVERS;
/// An approver's sort key begins with this.
const APPROVER: &str = policy_item::APPROVER;
const LINK: &str = "link";
const HELD_EMAIL: &str = "held-email";
const REFUSED: &str = "refused";
const ALLOWANCE: &str = "allowance";
/// The sort key of a prompt begins with this.
pub(super) const PROMPT: &str = "prompt#";
const NOTICE: &str = "notice";
const UNEXPECTED_KEYS: &str = "unexpected-keys";

impl Key {
    pub(super) fn is_policy(&self) -> bool {
        matches!(
            self,
            Self::Entry(_) | Self::UnexpectedDeny(..) | Self::Settings(_) | Self::Approver(_)
        )
    }

    pub(super) fn names(&self) -> (&'static str, &'static str) {
        if self.is_policy() {
            ("service_id", "rule")
        } else {
            ("pk", "sk")
        }
    }

    pub(super) fn values(&self) -> (String, String) {
        match self {
            Self::Entry(rule) => (
                rule.service_id.to_string(),
                format!("{}#{}", rule.effect, rule.principal),
            ),
            Self::UnexpectedDeny(key, _) => (key.service_id.clone(), key.rule.clone()),
            Self::Settings(scope) => (scope.to_string(), SETTINGS.to_owned()),
            Self::Approver(id) => (APPROVERS.to_owned(), format!("{APPROVER}{id}")),
            Self::Request(endpoint) => (endpoint.to_string(), REQUEST.to_owned()),
            Self::History(endpoint, version) => {
                (endpoint.to_string(), format!("history#{version:08}"))
            }
            Self::Usage(service, account) => {
                (format!("usage#{service}#{account}"), USAGE.to_owned())
            }
            Self::Outbox(key) => (key.partition.to_string(), key.id.clone()),
            Self::HeldEmail(endpoint) => {
                (format!("{HELD_EMAIL}#{endpoint}"), HELD_EMAIL.to_owned())
            }
            Self::Refused(id) => (REFUSED.to_owned(), id.clone()),
            Self::Allowance(id) => (format!("{ALLOWANCE}#{id}"), ALLOWANCE.to_owned()),
            Self::EmailGrouping(service, account) => {
                (format!("grouping#{service}#{account}"), "email".to_owned())
            }
            Self::Link(hash) => (format!("{LINK}#{}", hash.as_str()), LINK.to_owned()),
            Self::State(name) => (STATE.to_owned(), name.clone()),
            Self::UnexpectedKeys(scope) => {
                let scope = scope.as_ref().map_or("?".to_owned(), Scope::to_string);
                (
                    format!("{UNEXPECTED_KEYS}#{scope}"),
                    UNEXPECTED_KEYS.to_owned(),
                )
            }
            Self::Prompt(endpoint, review, channel) => (
                format!("{PROMPT}{endpoint}"),
                format!("{review:08}#{channel}"),
            ),
            Self::WaitingPrompts(service, account, channel) => {
                (format!("prompts#{service}#{account}"), channel.to_string())
            }
            Self::Notice(id) => (format!("{NOTICE}#{id}"), NOTICE.to_owned()),
        }
    }

    /// The key's attributes.
    pub(super) fn item(&self) -> Item {
        let (partition, sort) = self.names();
        let (partition_value, sort_value) = self.values();
        Item::from([
            (partition.to_owned(), text(partition_value)),
            (sort.to_owned(), text(sort_value)),
        ])
    }
}

impl From<&PolicyItemId> for Key {
    fn from(item: &PolicyItemId) -> Self {
        match item.clone() {
            PolicyItemId::Settings(scope) => Self::Settings(scope),
            PolicyItemId::Entry(rule) => Self::Entry(rule),
            PolicyItemId::UnexpectedDeny(key, rule) => Self::UnexpectedDeny(key, rule),
            PolicyItemId::UnexpectedKeys(scope) => Self::UnexpectedKeys(Some(scope)),
            PolicyItemId::Approver(id) => Self::Approver(id),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (partition, sort) = self.values();
        write!(f, "{partition} / {sort}")
    }
}

/// An item that is to lie under a key.
pub(super) fn encode(key: &Key, item: impl Serialize) -> Result<Item, Unencodable> {
    let encoded = serde_dynamo::to_item(item);
    encoded.map_err(|error| Unencodable::new(format!("the item {key}"), error))
}
