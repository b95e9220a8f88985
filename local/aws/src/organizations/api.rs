//! What a world or a test does with the simulator in process. None of it is counted, logged or disturbed.

use axum::Router;

use super::config::{NewOrganization, NewOu};
use super::tree::{Member, Organization, Tree};
use super::{Organizations, errors};
use crate::control::lock;
use crate::error::AwsError;
use crate::http;

impl Organizations {
    /// Answers Organizations' calls, at every path. Under a prefix, mount it with [`Router::nest_service`], as
    /// [`Ec2::router`](crate::Ec2::router).
    pub fn router(&self) -> Router {
        http::router(self.clone())
    }

    /// Makes the organization, with nothing in it but its management account, in the root. One that was there before
    /// is gone, with all that was in it.
    ///
    /// # Errors
    /// `InvalidInputException` if an id has not the form that Organizations gives it; then nothing is changed.
    pub fn put_organization(&self, new: NewOrganization) -> Result<Organization, AwsError> {
        let made = |prefix: &str, len| format!("{prefix}{}", self.ids().hex(len));
        let organization = Organization {
            id: new.id.unwrap_or_else(|| made("o-", 10)),
            root_id: new.root_id.unwrap_or_else(|| made("r-", 4)),
            management_account: new
                .management_account
                .unwrap_or_else(|| self.0.account.clone()),
        };
        *self.tree() = Some(Tree::new(organization.clone(), self.now())?);
        Ok(organization)
    }

    /// The organization, if there is one.
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
    /// `AWSOrganizationsNotInUseException` without an organization, `ParentNotFoundException` if there is no such root
    /// or OU, `ConstraintViolationException` if that is an OU with four others above it; of a given id,
    /// `InvalidInputException` if it is not of the form `ou-<root>-…`, and `DuplicateOrganizationalUnitException`.
    pub fn put_ou(&self, new: NewOu) -> Result<String, AwsError> {
        self.change(|tree| {
            let id = new.id.unwrap_or_else(|| {
                let prefix = tree.organization.ou_prefix();
                loop {
                    let id = format!("{prefix}{}", self.ids().hex(8));
                    if !tree.has_ou(&id) {
                        break id;
                    }
                }
            });
            tree.put_ou(&id, &new.parent_id).map(|()| id)
        })
    }

    /// Adds an account under a root or OU. If it is a member already, it is moved there.
    ///
    /// # Errors
    /// `AWSOrganizationsNotInUseException` without an organization, `ParentNotFoundException` if there is no such root
    /// or OU, `InvalidInputException` if the account has not 12 digits.
    pub fn put_account(&self, account: &str, parent_id: &str) -> Result<(), AwsError> {
        let now = self.now();
        self.change(|tree| tree.put_account(account, parent_id, now))
    }

    /// Moves a member to another root or OU.
    ///
    /// # Errors
    /// `AWSOrganizationsNotInUseException` without an organization, `DestinationParentNotFoundException` if there is
    /// no such root or OU, `AccountNotFoundException` if the account is no member.
    pub fn move_account(&self, account: &str, parent_id: &str) -> Result<(), AwsError> {
        self.change(|tree| tree.move_account(account, parent_id))
    }

    /// Takes a member out of the organization.
    ///
    /// # Errors
    /// `AWSOrganizationsNotInUseException` without an organization, `AccountNotFoundException` if the account is no
    /// member, `MasterCannotLeaveOrganizationException` if it is the management account.
    pub fn remove_account(&self, account: &str) -> Result<(), AwsError> {
        self.change(|tree| tree.remove_account(account))
    }

    /// All members, by their ids, the management account among them.
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

    /// Makes a member a delegated administrator, of whatever service, or no longer one; `false` if it is no member.
    /// The management account may ask everything without being one.
    pub fn set_delegated_administrator(&self, account: &str, delegated: bool) -> bool {
        let mut tree = self.tree();
        let account = tree
            .as_mut()
            .and_then(|tree| tree.accounts.get_mut(account));
        account
            .map(|account| account.delegated_administrator = delegated)
            .is_some()
    }

    /// From now on, before each page of a list comes an empty one with a token, or no longer. "These operations can
    /// occasionally return an empty set of results even when more results are available." Off at first.
    pub fn set_empty_pages(&self, on: bool) {
        *lock(&self.0.empty_pages) = on;
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut Tree) -> Result<T, AwsError>,
    ) -> Result<T, AwsError> {
        change(self.tree().as_mut().ok_or_else(errors::not_in_use)?)
    }
}
