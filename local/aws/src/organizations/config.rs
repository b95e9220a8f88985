use std::fmt;

use crate::clock::{Clock, system_clock};

/// What is fixed when a simulator is made.
#[derive(Clone)]
pub struct OrganizationsConfig {
    /// The account of callers whose access key id is not an account.
    pub account: String,
    /// The Region of callers that name none. Organizations is the same in all.
    pub region: String,
    /// The time.
    pub clock: Clock,
    /// Where ids begin; `None` takes a random place, the same number gives the same ids.
    pub seed: Option<u64>,
}

/// Account 123456789012, us-east-1, the machine's clock, random ids.
impl Default for OrganizationsConfig {
    fn default() -> Self {
        Self {
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            clock: system_clock(),
            seed: None,
        }
    }
}

impl fmt::Debug for OrganizationsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrganizationsConfig")
            .field("account", &self.account)
            .field("region", &self.region)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// An organization to be put into the world. Without further settings its ids are made, and the default account is its
/// management account.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct NewOrganization {
    pub(crate) id: Option<String>,
    pub(crate) root_id: Option<String>,
    pub(crate) management_account: Option<String>,
}

impl NewOrganization {
    /// With all defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this id, `o-…`, rather than a made one.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// With this root, `r-…`, rather than a made one.
    pub fn root(mut self, id: impl Into<String>) -> Self {
        self.root_id = Some(id.into());
        self
    }

    /// With this management account.
    pub fn management_account(mut self, account: impl Into<String>) -> Self {
        self.management_account = Some(account.into());
        self
    }
}

/// An organizational unit to be put into the organization.
#[derive(Debug, Clone)]
#[must_use]
pub struct NewOu {
    pub(crate) parent_id: String,
    pub(crate) id: Option<String>,
}

impl NewOu {
    /// Under this root or OU, with a made id.
    pub fn new(parent_id: impl Into<String>) -> Self {
        Self {
            parent_id: parent_id.into(),
            id: None,
        }
    }

    /// With this id, `ou-<root>-…`, rather than a made one.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }
}
