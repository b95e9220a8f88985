//! The operations.

use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::{self, Reason};
use super::tree::{Member, Tree};
use super::{Request, form};
use crate::caller::is_account;
use crate::error::AwsError;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listing {
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListParents {
    child_id: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeAccount {
    account_id: Option<String>,
}

/// The organization of the caller. "You can call this operation from any account in a organization."
fn own<'a>(req: &Request<'_>, tree: &'a Option<Tree>) -> Result<&'a Tree, AwsError> {
    let own = |tree: &&Tree| tree.accounts.contains_key(&req.caller.account);
    tree.as_ref().filter(own).ok_or_else(errors::not_in_use)
}

/// "You can only call this operation from the management account or a member account that is a delegated
/// administrator."
fn administered<'a>(req: &Request<'_>, tree: &'a Option<Tree>) -> Result<&'a Tree, AwsError> {
    let tree = own(req, tree)?;
    if tree.is_administrator(&req.caller.account) {
        Ok(tree)
    } else {
        Err(errors::not_an_administrator())
    }
}

pub(crate) fn describe_organization(req: &Request<'_>) -> Result<Value, AwsError> {
    let _: Value = req.input()?;
    let tree = req.organizations.tree();
    let organization = &own(req, &tree)?.organization;
    let management = &organization.management_account;
    Ok(json!({ "Organization": {
        "Id": organization.id,
        "Arn": organization.arn("organization", ""),
        "FeatureSet": "ALL",
        "MasterAccountArn": organization.arn("account", &format!("/{management}")),
        "MasterAccountId": management,
        "MasterAccountEmail": email(management),
        "AvailablePolicyTypes": [],
    } }))
}

pub(crate) fn list_parents(req: &Request<'_>) -> Result<Value, AwsError> {
    let input: ListParents = req.input()?;
    let tree = req.organizations.tree();
    let tree = administered(req, &tree)?;
    let child = input
        .child_id
        .ok_or_else(|| errors::invalid(Reason::InputRequired))?;
    // The model's pattern has accounts and OUs only: a root is refused like anything else that is neither.
    if !is_account(&child) && !form::is_ou(&child) {
        return Err(errors::invalid(Reason::Pattern));
    }
    let page = req.page("ListParents", input.max_results, input.next_token)?;
    let parent = tree.parent_of(&child).ok_or_else(errors::no_child)?;
    let kind = if form::is_root(parent) {
        "ROOT"
    } else {
        "ORGANIZATIONAL_UNIT"
    };
    // "In the current release, a child can have only a single parent."
    let (parents, token) = page.of(vec![parent], ToString::to_string);
    let parents = parents.into_iter();
    Ok(listing(
        "Parents",
        parents.map(|id| json!({ "Id": id, "Type": kind })),
        token,
    ))
}

pub(crate) fn list_roots(req: &Request<'_>) -> Result<Value, AwsError> {
    let input: Listing = req.input()?;
    let tree = req.organizations.tree();
    let organization = &administered(req, &tree)?.organization;
    let page = req.page("ListRoots", input.max_results, input.next_token)?;
    let (roots, token) = page.of(vec![&organization.root_id], ToString::to_string);
    let write = |id: &String| {
        json!({
            "Id": id,
            "Arn": organization.arn("root", &format!("/{id}")),
            "Name": "Root",
            "PolicyTypes": [],
        })
    };
    Ok(listing("Roots", roots.into_iter().map(write), token))
}

pub(crate) fn describe_account(req: &Request<'_>) -> Result<Value, AwsError> {
    let input: DescribeAccount = req.input()?;
    let tree = req.organizations.tree();
    let tree = administered(req, &tree)?;
    let id = input
        .account_id
        .ok_or_else(|| errors::invalid(Reason::InputRequired))?;
    if !is_account(&id) {
        return Err(errors::invalid(Reason::Pattern));
    }
    let account: &Member = tree.accounts.get(&id).ok_or_else(errors::no_account)?;
    let path = tree.path_of(&id).ok_or_else(errors::no_account)?;
    // Not `Status`, which "will be retired on September 9, 2026".
    Ok(json!({ "Account": {
        "Id": id,
        "Arn": tree.organization.arn("account", &format!("/{id}")),
        "Email": email(&id),
        "Name": format!("Account {id}"),
        "State": "ACTIVE",
        "Paths": [format!("{path}{id}/")],
        "JoinedMethod": "INVITED",
        "JoinedTimestamp": account.joined_at.as_second(),
    } }))
}

fn email(account: &str) -> String {
    format!("aws-{account}@example.com")
}

fn listing(name: &str, items: impl Iterator<Item = Value>, token: Option<String>) -> Value {
    let mut listing = json!({ name: items.collect::<Vec<_>>() });
    if let (Some(token), Some(fields)) = (token, listing.as_object_mut()) {
        fields.insert("NextToken".to_owned(), json!(token));
    }
    listing
}
