//! The place of a consumer account in the provider's AWS Organization, looked up and remembered for
//! a while.
//!
//! `ListParents` climbs from the account to the root; both operations may be called from the
//! management account and by delegated administrators only
//! (<https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListParents.html>).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_organizations::operation::list_parents::ListParentsError;
use aws_sdk_organizations::types::ParentType;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use gatekeeper_core::connection::Organization;
use gatekeeper_core::ids::{AccountId, OrgPath};
use jiff::{SignedDuration, Timestamp};

use crate::clients::Clients;
use crate::clock::Clock;
use crate::config::{Config, Limits};
use crate::error::{Call, Error, Retryable, Step};
use crate::paging;
use crate::telemetry::{Metrics, log_failure};

/// AWS allows organizational units five levels deep; a longer path is an error.
const DEEPEST: usize = 10;

/// The places of the accounts that were looked up.
pub(crate) type Places = BTreeMap<AccountId, Organization>;

/// Looks accounts up, and remembers the answers for a while.
#[derive(Debug)]
pub(crate) struct Organizations {
    client: aws_sdk_organizations::Client,
    on: bool,
    clock: Clock,
    limits: Limits,
    metrics: Metrics,
    known: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    /// The organization's id. An account cannot change it without leaving.
    id: Option<String>,
    accounts: BTreeMap<AccountId, (Timestamp, Organization)>,
    /// What is above an organizational unit, for the accounts that share it.
    parents: BTreeMap<String, (Timestamp, String)>,
}

impl Organizations {
    pub(crate) fn new(clients: &Clients, config: &Config, clock: Clock, metrics: Metrics) -> Self {
        Self {
            client: clients.organizations.clone(),
            on: config.organizations,
            clock,
            limits: config.limits.clone(),
            metrics,
            known: Mutex::default(),
        }
    }

    /// The places of these accounts. A failed look-up is logged and answered by
    /// [`Organization::Failed`]: then no policy for a path matches, and no verdict rests on one.
    pub(crate) async fn places(&self, accounts: BTreeSet<AccountId>) -> Places {
        if !self.on {
            return accounts
                .into_iter()
                .map(|account| (account, Organization::Off))
                .collect();
        }
        // Do this once, before the look-ups of all accounts. If it fails, each of them reports it.
        if let Some(first) = accounts.first() {
            let _ = self.id(first).await;
        }
        let lookups: Vec<_> = accounts
            .into_iter()
            .map(|account| async move { (account.clone(), self.place(&account).await) }.boxed())
            .collect();
        stream::iter(lookups)
            .buffered(self.limits.concurrency)
            .collect()
            .await
    }

    async fn place(&self, account: &AccountId) -> Organization {
        let now = self.clock.now();
        if let Some((at, place)) = self.known().accounts.get(account) {
            let fresh = match place {
                Organization::Failed => self.limits.places_failed,
                Organization::Known(_) | Organization::Off => self.limits.places_fresh,
            };
            if is_fresh(*at, now, fresh) {
                return place.clone();
            }
        }
        let place = match self.climb(account).await {
            Ok(path) => Organization::Known(path),
            Err(error) => {
                log_failure(&self.metrics, &error, None);
                Organization::Failed
            }
        };
        let known = (now, place.clone());
        self.known().accounts.insert(account.clone(), known);
        place
    }

    /// The account's own path; `None` if it is not a member.
    async fn climb(&self, account: &AccountId) -> Result<Option<OrgPath>, Arc<Error>> {
        let listing = looking_up(account, "organizations:ListParents");
        let mut above = Vec::new();
        let mut child = account.to_string();
        for _ in 0..DEEPEST {
            let is_account = account.as_str() == child;
            let Some(parent) = self.parent(&child, is_account, &listing).await? else {
                return Ok(None);
            };
            let is_root = parent.starts_with("r-");
            above.push(parent.clone());
            child = parent;
            if is_root {
                above.push(self.id(account).await?);
                above.reverse();
                let path = format!("{}/*", above.join("/"));
                return path
                    .parse()
                    .map(Some)
                    .map_err(|error| listing.passes(error).into());
            }
        }
        Err(listing.passes("no root was found above the account").into())
    }

    /// The parent of an account or an organizational unit; `None` if it is not a member.
    async fn parent(
        &self,
        child: &str,
        is_account: bool,
        listing: &Call,
    ) -> Result<Option<String>, Arc<Error>> {
        let now = self.clock.now();
        if let Some((at, parent)) = self.known().parents.get(child)
            && is_fresh(*at, now, self.limits.places_fresh)
        {
            return Ok(Some(parent.clone()));
        }
        let call = self.client.list_parents().child_id(child);
        let page = |token| {
            let call = call.clone().set_next_token(token);
            async move {
                let output = call.send().await?;
                Ok((output.parents, output.next_token))
            }
        };
        let listed = match paging::all(page).await {
            Ok(listed) => listed,
            Err(error)
                if is_account
                    && error
                        .as_service_error()
                        .is_some_and(ListParentsError::is_child_not_found_exception) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(listing.failed(error)),
        };
        // AWS says that there is exactly one.
        let parent = listed.iter().find_map(|parent| {
            let known = matches!(
                parent.r#type(),
                Some(ParentType::Root | ParentType::OrganizationalUnit)
            );
            parent.id().filter(|_| known).map(str::to_owned)
        });
        let Some(parent) = parent else {
            return Err(listing.passes("AWS named no parent").into());
        };
        if !is_account {
            let known = (now, parent.clone());
            self.known().parents.insert(child.to_owned(), known);
        }
        Ok(Some(parent))
    }

    async fn id(&self, account: &AccountId) -> Result<String, Arc<Error>> {
        if let Some(id) = &self.known().id {
            return Ok(id.clone());
        }
        let call = looking_up(account, "organizations:DescribeOrganization");
        let described = self
            .client
            .describe_organization()
            .send()
            .await
            .map_err(|error| call.failed(error))?;
        let id = described
            .organization()
            .and_then(|organization| organization.id())
            .ok_or_else(|| call.passes("AWS named no organization"))?;
        self.known().id = Some(id.to_owned());
        Ok(id.to_owned())
    }

    fn known(&self) -> MutexGuard<'_, Cache> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The call that looks an account up.
fn looking_up(account: &AccountId, operation: &'static str) -> Call {
    let what = format!("where the account {account} sits could not be looked up");
    Call::new(Step::Observe, operation, Retryable::LookUpAccount, what)
}

fn is_fresh(at: Timestamp, now: Timestamp, fresh: SignedDuration) -> bool {
    now.duration_since(at) < fresh
}
