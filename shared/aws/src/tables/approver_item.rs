//! Approvers: items of the allowlist table, in a partition of their own.

use std::collections::BTreeSet;

use gatekeeper_core::approver::{Approver, PrincipalPattern, SlackUserId};
use gatekeeper_core::ids::AccountId;
use gatekeeper_core::policy::Scope;
use serde::{Deserialize, Serialize};

use super::item::Item;
use super::keys::{APPROVER, APPROVERS, Key};
use super::unreadable::Unencodable;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ApproverItem {
    service_id: String,
    rule: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slack_user_id: Option<SlackUserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iam_principal: Option<PrincipalPattern>,
    /// Absent, they decide nothing: DynamoDB has no empty set.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    services: BTreeSet<Scope>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    own_accounts: BTreeSet<AccountId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Reads an item of the approvers' partition; what is wrong with it if it makes no sense.
pub(super) fn decode_approver(item: Item) -> Result<Approver, String> {
    let item: ApproverItem = serde_dynamo::from_item(item).map_err(|error| error.to_string())?;
    let id = item.rule.strip_prefix(APPROVER).ok_or_else(|| {
        format!(
            "rule is {:?}; under {APPROVERS} it must be {APPROVER}<e-mail address>",
            item.rule
        )
    })?;
    Ok(Approver {
        id: id.parse().map_err(|error| format!("rule: {error}"))?,
        slack_user_id: item.slack_user_id,
        iam_principal: item.iam_principal,
        services: item.services,
        own_accounts: item.own_accounts,
    })
}

/// An approver as an item of the allowlist table.
///
/// # Errors
/// [`Unencodable`], which only a bug can cause.
pub fn encode_approver(approver: &Approver) -> Result<Item, Unencodable> {
    let key = Key::Approver(approver.id.clone());
    let (service_id, rule) = key.values();
    let approver = approver.clone();
    serde_dynamo::to_item(ApproverItem {
        service_id,
        rule,
        slack_user_id: approver.slack_user_id,
        iam_principal: approver.iam_principal,
        services: approver.services,
        own_accounts: approver.own_accounts,
        created_by: None,
        reason: None,
    })
    .map_err(|error| Unencodable::new(format!("the item {key}"), error))
}
