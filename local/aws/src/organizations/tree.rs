use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::form;
use crate::caller::is_account;
use crate::error::AwsError;

/// "For service control policies, the limit is five." (API reference, `CreateOrganizationalUnit`)
const DEEPEST: usize = 5;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Organization {
    /// `o-…`.
    pub id: String,
    /// `r-…`.
    pub root_id: String,
    /// The account that manages it. It is a member as well.
    pub management_account: String,
}

impl Organization {
    /// The ARN of the organization itself, or of something in it: `kind` and the `rest` of the path.
    pub(crate) fn arn(&self, kind: &str, rest: &str) -> String {
        let Self {
            id,
            management_account,
            ..
        } = self;
        format!("arn:aws:organizations::{management_account}:{kind}/{id}{rest}")
    }

    /// The ids of all its OUs begin with `ou-<root>-`.
    pub(crate) fn ou_prefix(&self) -> String {
        let root = self.root_id.strip_prefix("r-").unwrap_or_default();
        format!("ou-{root}-")
    }
}

/// A member of an organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// 12 digits.
    pub id: String,
    /// The root or OU that it is in.
    pub parent_id: String,
    pub joined_at: Timestamp,
    /// Whether it may ask what otherwise only the management account may.
    pub delegated_administrator: bool,
}

/// An organization with all that is in it.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) organization: Organization,
    /// OUs and their parents.
    ous: BTreeMap<String, String>,
    pub(crate) accounts: BTreeMap<String, Member>,
}

impl Tree {
    /// A tree with the management account in the root.
    pub(crate) fn new(organization: Organization, at: Timestamp) -> Result<Self, AwsError> {
        if !form::is_organization(&organization.id)
            || !form::is_root(&organization.root_id)
            || !is_account(&organization.management_account)
        {
            return Err(not_the_pattern());
        }
        let (management, root) = (
            organization.management_account.clone(),
            organization.root_id.clone(),
        );
        let mut tree = Self {
            organization,
            ous: BTreeMap::new(),
            accounts: BTreeMap::new(),
        };
        tree.put_account(&management, &root, at)?;
        Ok(tree)
    }

    fn is_parent(&self, id: &str) -> bool {
        self.organization.root_id == id || self.ous.contains_key(id)
    }

    pub(crate) fn has_ou(&self, id: &str) -> bool {
        self.ous.contains_key(id)
    }

    pub(crate) fn put_ou(&mut self, id: &str, parent_id: &str) -> Result<(), AwsError> {
        if !form::is_ou(id) || !id.starts_with(&self.organization.ou_prefix()) {
            return Err(not_the_pattern());
        }
        if !self.is_parent(parent_id) {
            return Err(no_parent());
        }
        if self.has_ou(id) {
            return Err(AwsError::bad(
                "DuplicateOrganizationalUnitException",
                "You specified an organizational unit that already exists.",
            ));
        }
        let ous_above = self.above(parent_id).len() - 1;
        if ous_above >= DEEPEST {
            return Err(AwsError::bad(
                "ConstraintViolationException",
                "You have exceeded the maximum nesting depth of organizational units.",
            ));
        }
        self.ous.insert(id.to_owned(), parent_id.to_owned());
        Ok(())
    }

    pub(crate) fn put_account(
        &mut self,
        id: &str,
        parent_id: &str,
        at: Timestamp,
    ) -> Result<(), AwsError> {
        if !is_account(id) {
            return Err(not_the_pattern());
        }
        if !self.is_parent(parent_id) {
            return Err(no_parent());
        }
        let account = self
            .accounts
            .entry(id.to_owned())
            .or_insert_with(|| Member {
                id: id.to_owned(),
                parent_id: String::new(),
                joined_at: at,
                delegated_administrator: false,
            });
        parent_id.clone_into(&mut account.parent_id);
        Ok(())
    }

    pub(crate) fn move_account(&mut self, id: &str, parent_id: &str) -> Result<(), AwsError> {
        if !self.is_parent(parent_id) {
            return Err(AwsError::bad(
                "DestinationParentNotFoundException",
                "You specified a destination parent that doesn't exist.",
            ));
        }
        let account = self.accounts.get_mut(id).ok_or_else(no_account)?;
        parent_id.clone_into(&mut account.parent_id);
        Ok(())
    }

    pub(crate) fn remove_account(&mut self, id: &str) -> Result<(), AwsError> {
        if self.organization.management_account == id {
            return Err(AwsError::bad(
                "MasterCannotLeaveOrganizationException",
                "You can't remove a management account from an organization.",
            ));
        }
        self.accounts.remove(id).map(drop).ok_or_else(no_account)
    }

    /// The root or OU that an account or OU is in; `None` for the root, and for an id that is not in the organization.
    pub(crate) fn parent_of(&self, id: &str) -> Option<&str> {
        let account = self.accounts.get(id).map(|account| &account.parent_id);
        account.or_else(|| self.ous.get(id)).map(String::as_str)
    }

    /// A root or OU and all above it, the root last.
    fn above<'a>(&'a self, parent_id: &'a str) -> Vec<&'a str> {
        std::iter::successors(Some(parent_id), |id| self.parent_of(id)).collect()
    }

    /// The path as in `aws:PrincipalOrgPaths`, with a slash at its end; `None` if the account is no member.
    pub(crate) fn path_of(&self, account: &str) -> Option<String> {
        let account = self.accounts.get(account)?;
        let mut path = format!("{}/", self.organization.id);
        for id in self.above(&account.parent_id).into_iter().rev() {
            path.push_str(id);
            path.push('/');
        }
        Some(path)
    }

    /// Whether an account may ask about others.
    pub(crate) fn is_administrator(&self, account: &str) -> bool {
        let delegated = |account: &Member| account.delegated_administrator;
        self.organization.management_account == account
            || self.accounts.get(account).is_some_and(delegated)
    }
}

/// The input is invalid for one of the model's `InvalidInputExceptionReason`s.
pub(crate) fn invalid(reason: &'static str, text: &str) -> AwsError {
    AwsError {
        reason: Some(reason),
        ..AwsError::bad("InvalidInputException", text)
    }
}

pub(crate) fn not_the_pattern() -> AwsError {
    let text = "You provided a value that does not match the required pattern.";
    invalid("INVALID_PATTERN", text)
}

pub(crate) fn no_account() -> AwsError {
    let text = "You specified an account that doesn't exist.";
    AwsError::bad("AccountNotFoundException", text)
}

fn no_parent() -> AwsError {
    let text = "You specified a parent that doesn't exist.";
    AwsError::bad("ParentNotFoundException", text)
}

#[cfg(test)]
mod tests {
    use super::{Organization, Tree};
    use crate::ManualClock;

    const A: &str = "ou-ab12-11111111";
    const B: &str = "ou-ab12-22222222";

    fn tree() -> Tree {
        let organization = Organization {
            id: "o-a1b2c3d4e5".to_owned(),
            root_id: "r-ab12".to_owned(),
            management_account: "123456789012".to_owned(),
        };
        Tree::new(organization, ManualClock::default().now()).unwrap()
    }

    fn code<T: std::fmt::Debug>(result: Result<T, crate::AwsError>) -> String {
        result.unwrap_err().code
    }

    #[test]
    fn paths_are_what_iam_writes() {
        let (mut tree, now) = (tree(), ManualClock::default().now());
        tree.put_ou(A, "r-ab12").unwrap();
        tree.put_ou(B, A).unwrap();
        let path = |tree: &Tree| tree.path_of("012345678901").unwrap_or_default();
        assert_eq!(path(&tree), "");
        tree.put_account("012345678901", B, now).unwrap();
        assert_eq!(
            path(&tree),
            "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/ou-ab12-22222222/"
        );
        tree.move_account("012345678901", "r-ab12").unwrap();
        assert_eq!(path(&tree), "o-a1b2c3d4e5/r-ab12/");
        tree.put_account("012345678901", A, now).unwrap();
        assert_eq!(path(&tree), "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/");
        tree.remove_account("012345678901").unwrap();
        assert_eq!(path(&tree), "");
        assert_eq!(
            tree.path_of("123456789012").as_deref(),
            Some("o-a1b2c3d4e5/r-ab12/")
        );
    }

    #[test]
    fn parents_are_one_step_up() {
        let mut tree = tree();
        tree.put_ou(A, "r-ab12").unwrap();
        tree.put_ou(B, A).unwrap();
        for (id, expected) in [
            (B, Some(A)),
            (A, Some("r-ab12")),
            ("123456789012", Some("r-ab12")),
            ("r-ab12", None),
            ("444455556666", None),
        ] {
            assert_eq!(tree.parent_of(id), expected, "{id}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let (mut tree, now) = (tree(), ManualClock::default().now());
        tree.put_ou(A, "r-ab12").unwrap();
        for (id, parent, expected) in [
            ("ou-1", A, "InvalidInputException"),
            ("ou-cd34-11111111", A, "InvalidInputException"),
            (B, "ou-ab12-99999999", "ParentNotFoundException"),
            (B, "123456789012", "ParentNotFoundException"),
            (A, "r-ab12", "DuplicateOrganizationalUnitException"),
        ] {
            assert_eq!(code(tree.put_ou(id, parent)), expected, "{id} {parent}");
        }
        for (id, parent, expected) in [
            ("1", A, "InvalidInputException"),
            ("012345678901", B, "ParentNotFoundException"),
        ] {
            assert_eq!(code(tree.put_account(id, parent, now)), expected, "{id}");
        }
        assert_eq!(
            code(tree.move_account("012345678901", A)),
            "AccountNotFoundException"
        );
        assert_eq!(
            code(tree.move_account("123456789012", B)),
            "DestinationParentNotFoundException"
        );
        assert_eq!(
            code(tree.remove_account("012345678901")),
            "AccountNotFoundException"
        );
        assert_eq!(
            code(tree.remove_account("123456789012")),
            "MasterCannotLeaveOrganizationException"
        );
        for (id, root, account) in [
            ("o-1", "r-ab12", "123456789012"),
            ("o-a1b2c3d4e5", "r-1", "123456789012"),
            ("o-a1b2c3d4e5", "r-ab12", "x"),
        ] {
            let organization = Organization {
                id: id.to_owned(),
                root_id: root.to_owned(),
                management_account: account.to_owned(),
            };
            assert_eq!(code(Tree::new(organization, now)), "InvalidInputException");
        }
    }

    #[test]
    fn ous_are_five_deep_at_most() {
        let mut tree = tree();
        let mut parent = "r-ab12".to_owned();
        for n in 1..=5 {
            let id = format!("ou-ab12-{n:08}");
            tree.put_ou(&id, &parent).unwrap();
            parent = id;
        }
        assert_eq!(
            code(tree.put_ou(A, &parent)),
            "ConstraintViolationException"
        );
    }
}
