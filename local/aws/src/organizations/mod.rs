//! Organizations: one organization with a root, nested organizational units (OUs) and member accounts.

mod api;
mod calls;
mod config;
mod errors;
mod form;
mod tree;

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use config::{NewOrganization, NewOu, OrganizationsConfig};
pub use tree::{Member, Organization};

use crate::caller::Caller;
use crate::clock::Clock;
use crate::control::{Control, lock};
use crate::error::AwsError;
use crate::fault::FaultKind;
use crate::http::{Api, Call};
use crate::ids::Ids;
use crate::json;
use crate::page::Page;
use crate::protocol::Protocol;
use errors::Reason;
use tree::Tree;

/// The bounds of `MaxResults`.
const LEAST: usize = 1;
const MOST: usize = 20;

/// A simulator of Organizations. Clones are the same simulator.
///
/// It is used in process through its methods, and over HTTP through [`Organizations::router`]. Faults, the log of
/// calls and the like are those of [`Control`], to which it dereferences.
///
/// ```
/// use local_aws::{NewOrganization, NewOu, Organizations, OrganizationsConfig};
///
/// let organizations = Organizations::new(OrganizationsConfig::default());
/// let organization = NewOrganization::new().id("o-a1b2c3d4e5").root("r-ab12");
/// let organization = organizations.put_organization(organization)?;
/// let customers = organizations.put_ou(NewOu::new(&organization.root_id).id("ou-ab12-11111111"))?;
/// organizations.put_account("012345678901", &customers)?;
/// let path = organizations.path_of("012345678901");
/// assert_eq!(path.as_deref(), Some("o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/"));
/// # Ok::<(), local_aws::AwsError>(())
/// ```
#[derive(Clone)]
pub struct Organizations(Arc<Inner>);

struct Inner {
    account: String,
    region: String,
    clock: Clock,
    ids: Ids,
    control: Control,
    empty_pages: Mutex<bool>,
    tree: Mutex<Option<Tree>>,
}

impl Organizations {
    /// Without an organization.
    pub fn new(config: OrganizationsConfig) -> Self {
        Self(Arc::new(Inner {
            account: config.account,
            region: config.region,
            clock: config.clock,
            ids: Ids::new(config.seed),
            control: Control::new(),
            empty_pages: Mutex::default(),
            tree: Mutex::default(),
        }))
    }

    fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    fn ids(&self) -> &Ids {
        &self.0.ids
    }

    fn tree(&self) -> MutexGuard<'_, Option<Tree>> {
        lock(&self.0.tree)
    }
}

impl Deref for Organizations {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.0.control
    }
}

impl fmt::Debug for Organizations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Organizations")
            .field("account", &self.0.account)
            .field("region", &self.0.region)
            .finish_non_exhaustive()
    }
}

/// A call with what every operation needs.
struct Request<'a> {
    organizations: &'a Organizations,
    caller: &'a Caller,
    body: &'a [u8],
}

impl Request<'_> {
    fn input<T: DeserializeOwned>(&self) -> Result<T, AwsError> {
        json::input(self.body)
    }

    fn page(
        &self,
        action: &'static str,
        max: Option<i64>,
        token: Option<String>,
    ) -> Result<Page, AwsError> {
        let max = match max.map(usize::try_from) {
            None => MOST,
            Some(Ok(max)) if max > MOST => return Err(errors::invalid(Reason::TooLarge)),
            Some(Ok(max)) if max >= LEAST => max,
            Some(_) => return Err(errors::invalid(Reason::TooSmall)),
        };
        let empty_pages = *lock(&self.organizations.0.empty_pages);
        Page::new(action, max, token.as_deref(), empty_pages)
            .ok_or_else(|| errors::invalid(Reason::NextToken))
    }
}

impl Api for Organizations {
    const PROTOCOL: Protocol = Protocol::Json {
        prefix: "AWSOrganizationsV20161128.",
    };

    fn control(&self) -> &Control {
        &self.0.control
    }

    fn home(&self) -> (&str, &str) {
        (&self.0.account, &self.0.region)
    }

    fn request_id(&self) -> String {
        self.ids().uuid()
    }

    fn run(&self, call: &Call<'_>) -> Result<String, AwsError> {
        let operation: fn(&Request<'_>) -> Result<Value, AwsError> = match call.action {
            "DescribeOrganization" => calls::describe_organization,
            "ListParents" => calls::list_parents,
            "ListRoots" => calls::list_roots,
            "DescribeAccount" => calls::describe_account,
            other => return Err(json::unknown_operation(other)),
        };
        let answer = operation(&Request {
            organizations: self,
            caller: call.caller,
            body: call.body,
        })?;
        Ok(answer.to_string())
    }

    fn error(&self, error: &AwsError, _request_id: &str) -> String {
        errors::document(error).to_string()
    }

    fn refusal(&self, kind: &FaultKind, call: &Call<'_>) -> AwsError {
        match kind {
            FaultKind::Throttle => errors::throttled(),
            FaultKind::Unavailable => json::unavailable(),
            FaultKind::Unauthorized => {
                let permission = format!("organizations:{}", call.action);
                json::unauthorized(&call.caller.arn, &permission, "*")
            }
            _ => errors::internal(),
        }
    }
}
