//! Organizations: one organization with a root, nested organizational units (OUs) and member accounts.

mod form;
mod tree;

use std::sync::{Mutex, MutexGuard};

use axum::Router;
use serde::Deserialize;
use serde_json::{Value, json};

pub use tree::{Member, Organization};

use crate::caller::is_account;
use crate::control::lock;
use crate::error::AwsError;
use crate::http::{self, Api, Call};
use crate::json;
use crate::page::Page;
use crate::protocol::Protocol;
use crate::simulator::Simulator;
use tree::Tree;

const MOST: i64 = 20;

/// A simulator of Organizations, which is the same in all Regions.
///
/// ```
/// use local_aws::{Config, NewOrganization, NewOu, Organizations};
///
/// let organizations = Organizations::new(Config::default());
/// let organization = NewOrganization::new().id("o-a1b2c3d4e5").root("r-ab12");
/// let organization = organizations.put_organization(organization)?;
/// let customers = organizations.put_ou(NewOu::new(&organization.root_id).id("ou-ab12-11111111"))?;
/// organizations.put_account("012345678901", &customers)?;
/// let path = organizations.path_of("012345678901");
/// assert_eq!(path.as_deref(), Some("o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/"));
/// # Ok::<(), local_aws::AwsError>(())
/// ```
pub type Organizations = Simulator<OrganizationsState>;

/// The organization, if there is one.
#[derive(Default)]
pub struct OrganizationsState {
    tree: Mutex<Option<Tree>>,
    empty_pages: Mutex<bool>,
}

/// An organization to be put into the world. Without further settings its ids are made, and the default account
/// manages it.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct NewOrganization {
    id: Option<String>,
    root_id: Option<String>,
    management_account: Option<String>,
}

impl NewOrganization {
    pub fn new() -> Self {
        Self::default()
    }

    /// `o-…`.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// `r-…`.
    pub fn root(mut self, id: impl Into<String>) -> Self {
        self.root_id = Some(id.into());
        self
    }

    pub fn management_account(mut self, account: impl Into<String>) -> Self {
        self.management_account = Some(account.into());
        self
    }
}

/// An organizational unit to be put into the organization.
#[derive(Debug, Clone)]
#[must_use]
pub struct NewOu {
    parent_id: String,
    id: Option<String>,
}

impl NewOu {
    /// Under this root or OU, with a made id.
    pub fn new(parent_id: impl Into<String>) -> Self {
        Self {
            parent_id: parent_id.into(),
            id: None,
        }
    }

    /// `ou-<root>-…`.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }
}

/// In process. None of it is counted, logged or disturbed by faults. Methods that change an organization answer
/// `AWSOrganizationsNotInUseException` if there is none.
impl Organizations {
    /// Answers Organizations' calls, at every path. Under a prefix, mount it with [`Router::nest_service`].
    pub fn router(&self) -> Router {
        http::router(self.clone())
    }

    /// Makes the organization, with its management account in the root and nothing else. It replaces one that is there.
    ///
    /// # Errors
    /// `InvalidInputException` if an id has not the form that Organizations gives it; then nothing is changed.
    pub fn put_organization(&self, new: NewOrganization) -> Result<Organization, AwsError> {
        let made = |prefix: &str, len| format!("{prefix}{}", self.ids().hex(len));
        let management = new.management_account;
        let organization = Organization {
            id: new.id.unwrap_or_else(|| made("o-", 10)),
            root_id: new.root_id.unwrap_or_else(|| made("r-", 4)),
            management_account: management.unwrap_or_else(|| self.home().account.clone()),
        };
        *self.tree() = Some(Tree::new(organization.clone(), self.now())?);
        Ok(organization)
    }

    pub fn organization(&self) -> Option<Organization> {
        self.tree().as_ref().map(|tree| tree.organization.clone())
    }

    /// Deletes the organization; `false` if there is none.
    pub fn remove_organization(&self) -> bool {
        self.tree().take().is_some()
    }

    /// Adds an OU, and answers its id.
    ///
    /// # Errors
    /// `ParentNotFoundException` if there is no such root or OU, `ConstraintViolationException` if the parent is an OU
    /// with four others above it; for a given id, `InvalidInputException` if it has not the form `ou-<root>-…`, and
    /// `DuplicateOrganizationalUnitException`.
    pub fn put_ou(&self, new: NewOu) -> Result<String, AwsError> {
        self.change(|tree| {
            let id = new.id.unwrap_or_else(|| {
                let prefix = tree.organization.ou_prefix();
                let mut made = std::iter::repeat_with(|| format!("{prefix}{}", self.ids().hex(8)));
                made.find(|id| !tree.has_ou(id)).unwrap_or_default()
            });
            tree.put_ou(&id, &new.parent_id).map(|()| id)
        })
    }

    /// Adds an account under a root or OU. A member is moved there.
    ///
    /// # Errors
    /// `ParentNotFoundException` if there is no such root or OU, `InvalidInputException` if the account has not 12
    /// digits.
    pub fn put_account(&self, account: &str, parent_id: &str) -> Result<(), AwsError> {
        let now = self.now();
        self.change(|tree| tree.put_account(account, parent_id, now))
    }

    /// Moves a member to another root or OU.
    ///
    /// # Errors
    /// `DestinationParentNotFoundException` if there is no such root or OU, `AccountNotFoundException` if the account
    /// is no member.
    pub fn move_account(&self, account: &str, parent_id: &str) -> Result<(), AwsError> {
        self.change(|tree| tree.move_account(account, parent_id))
    }

    /// Takes a member out of the organization.
    ///
    /// # Errors
    /// `AccountNotFoundException` if the account is no member, `MasterCannotLeaveOrganizationException` if it is the
    /// management account.
    pub fn remove_account(&self, account: &str) -> Result<(), AwsError> {
        self.change(|tree| tree.remove_account(account))
    }

    /// All members by their ids, the management account among them.
    pub fn members(&self) -> Vec<Member> {
        let tree = self.tree();
        let accounts = tree.iter().flat_map(|tree| tree.accounts.values());
        accounts.cloned().collect()
    }

    /// Where an account is, as IAM writes it in `aws:PrincipalOrgPaths`: `o-…/r-…/ou-…/ou-…/`. `None` if it is no
    /// member.
    pub fn path_of(&self, account: &str) -> Option<String> {
        self.tree().as_ref()?.path_of(account)
    }

    /// Makes a member a delegated administrator of some service, or no longer one; `false` if it is no member. The
    /// management account may ask everything without being one.
    pub fn set_delegated_administrator(&self, account: &str, delegated: bool) -> bool {
        let mut tree = self.tree();
        let accounts = tree.as_mut().map(|tree| &mut tree.accounts);
        let account = accounts.and_then(|accounts| accounts.get_mut(account));
        account
            .map(|account| account.delegated_administrator = delegated)
            .is_some()
    }

    /// Whether an empty page with a token comes before each page of a list. "These operations can occasionally return
    /// an empty set of results even when more results are available." Off at first.
    pub fn set_empty_pages(&self, on: bool) {
        *lock(&self.data().empty_pages) = on;
    }

    fn tree(&self) -> MutexGuard<'_, Option<Tree>> {
        lock(&self.data().tree)
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut Tree) -> Result<T, AwsError>,
    ) -> Result<T, AwsError> {
        change(self.tree().as_mut().ok_or_else(not_in_use)?)
    }
}

impl Api for OrganizationsState {
    const PROTOCOL: Protocol = Protocol::Json {
        prefix: "AWSOrganizationsV20161128.",
        message: "Message",
    };

    fn run(call: &Call<'_, Self>) -> Result<String, AwsError> {
        let input: Input = match call.action {
            "DescribeOrganization" | "ListParents" => call.input()?,
            other => return Err(json::unknown_operation(other)),
        };
        let tree = call.simulator.tree();
        // "You can call this operation from any account in a organization."
        let tree = tree
            .as_ref()
            .filter(|tree| tree.accounts.contains_key(&call.caller.account))
            .ok_or_else(not_in_use)?;
        if call.action == "DescribeOrganization" {
            return Ok(describe_organization(&tree.organization).to_string());
        }
        // "You can only call this operation from the management account or a member account that is a delegated
        // administrator."
        if !tree.is_administrator(&call.caller.account) {
            let text = "You don't have permissions to access this resource.";
            return Err(AwsError::bad("AccessDeniedException", text));
        }
        Ok(list_parents(call, tree, &input)?.to_string())
    }

    /// With status 400: public reports have it so, where other services answer 429.
    fn throttled() -> AwsError {
        let text =
            "You have sent too many requests in too short a period of time. Try again later.";
        AwsError::bad("TooManyRequestsException", text)
    }

    fn internal() -> AwsError {
        let text = "Organizations can't complete your request because of an internal service error. Try again later.";
        AwsError::new(500, "ServiceException", text)
    }

    fn unauthorized(call: &Call<'_, Self>) -> AwsError {
        json::unauthorized(&call.caller.arn, "organizations", call.action, "*")
    }
}

/// The parameters of all operations.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    child_id: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

fn describe_organization(organization: &Organization) -> Value {
    let management = &organization.management_account;
    json!({ "Organization": {
        "Id": organization.id,
        "Arn": organization.arn("organization", ""),
        "FeatureSet": "ALL",
        "MasterAccountArn": organization.arn("account", &format!("/{management}")),
        "MasterAccountId": management,
        "MasterAccountEmail": email(management),
        "AvailablePolicyTypes": [],
    } })
}

fn list_parents(
    call: &Call<'_, OrganizationsState>,
    tree: &Tree,
    input: &Input,
) -> Result<Value, AwsError> {
    let child = input.child_id.as_deref().ok_or_else(input_required)?;
    // The model's pattern has accounts and OUs only: a root is refused like anything else that is neither.
    if !is_account(child) && !form::is_ou(child) {
        return Err(tree::not_the_pattern());
    }
    let page = page(call, "ListParents", input)?;
    let no_child = || {
        let text = "You specified a child that doesn't exist.";
        AwsError::bad("ChildNotFoundException", text)
    };
    let parent = tree.parent_of(child).ok_or_else(no_child)?;
    let kind = match form::is_root(parent) {
        true => "ROOT",
        false => "ORGANIZATIONAL_UNIT",
    };
    // "In the current release, a child can have only a single parent."
    let parents = vec![json!({ "Id": parent, "Type": kind })];
    let (parents, token) = page.of(parents, |_| parent.to_owned());
    Ok(json::page("Parents", parents, token))
}

fn email(account: &str) -> String {
    format!("aws-{account}@example.com")
}

fn page(
    call: &Call<'_, OrganizationsState>,
    action: &'static str,
    input: &Input,
) -> Result<Page, AwsError> {
    let max = input.max_results.unwrap_or(MOST);
    if max > MOST {
        let text = "You provided a numeric parameter that has a larger value than allowed.";
        return Err(tree::invalid("MAX_VALUE_EXCEEDED", text));
    }
    let max = usize::try_from(max).unwrap_or(0);
    if max == 0 {
        let text = "You provided a numeric parameter that has a smaller value than allowed.";
        return Err(tree::invalid("MIN_VALUE_EXCEEDED", text));
    }
    let empty_pages = *lock(&call.simulator.data().empty_pages);
    let page = Page::new(action, max, input.next_token.as_deref(), empty_pages);
    let text = "Get the value for the NextToken parameter from the response to a previous call of the operation.";
    page.ok_or_else(|| tree::invalid("INVALID_NEXT_TOKEN", text))
}

fn not_in_use() -> AwsError {
    let text = "Your account is not a member of an organization.";
    AwsError::bad("AWSOrganizationsNotInUseException", text)
}

fn input_required() -> AwsError {
    let text = "You must include a value for all required parameters.";
    tree::invalid("INPUT_REQUIRED", text)
}
