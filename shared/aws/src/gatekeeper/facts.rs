//! Reads the facts that a decision needs: the requests, the policy, the accounts' places in their
//! organization, the approvers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use gatekeeper_core::connection::{Connection, Organization};
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use gatekeeper_core::policy::Scope;
use gatekeeper_core::precondition::{PolicyItemId, PolicyRead, Precondition, UnreadablePolicy};
use gatekeeper_core::request::Request;
use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::log::Log;
use crate::error::Error;
use crate::organizations::{Organizations, Places};
use crate::tables::{
    AccountUsage, Allowlist, AllowlistKeys, Approvers, Db, Item, ItemCheck, ItemReader, Items, Key,
    PathDenies, managed_key, policy_of,
};

/// The facts that were read for a number of connections. It tells a fact that was not read from one
/// that does not exist.
#[derive(Debug, Default)]
pub(super) struct FactsRead {
    items: Items,
    denies: PathDenies,
    places: Places,
    /// Requests that are known without having been read here.
    requests: BTreeMap<EndpointId, Request>,
    /// Read only if people have to be notified.
    approvers: OnceCell<Approvers>,
}

/// An entry that shows that the allowlist is not empty for a service.
pub(super) type AnyEntry = Option<(PolicyItemId, Item)>;

impl FactsRead {
    /// Adds requests as they are known from before.
    pub(super) fn with_requests<'a>(mut self, requests: impl Iterator<Item = &'a Request>) -> Self {
        let by_id = requests.map(|request| (request.endpoint_id.clone(), request.clone()));
        self.requests.extend(by_id);
        self
    }

    pub(super) fn request(&self, endpoint_id: &EndpointId) -> Result<Option<Request>, Error> {
        match self.requests.get(endpoint_id) {
            Some(request) => Ok(Some(request.clone())),
            None => self.items.request(endpoint_id),
        }
    }

    /// The place of the consumer's account in its organization.
    pub(super) fn place(&self, connection: &Connection) -> &Organization {
        self.places
            .get(&connection.owner)
            .unwrap_or(&Organization::Failed)
    }

    /// Whether everything that a decision about the connection needs was read.
    pub(super) fn covers(&self, connection: &Connection) -> bool {
        let place = self.places.get(&connection.owner);
        place.is_some_and(|place| {
            self.items.covers_policy(connection, place)
                && (is_certain(place) || self.denies.covers(&connection.service_id))
        })
    }

    /// The policy for a connection, or the error that keeps it from being understood. `None` if it
    /// was not read.
    pub(super) fn policy(
        &self,
        connection: &Connection,
    ) -> Option<Result<PolicyRead, UnreadablePolicy>> {
        let place = self.place(connection);
        self.covers(connection)
            .then(|| policy_of(connection, place, &self.items, &self.denies))
    }

    /// The consumer's usage on the service.
    pub(super) fn usage(&self, connection: &Connection) -> Result<AccountUsage, Error> {
        self.items.usage(&connection.service_id, &connection.owner)
    }

    /// Since when the service is managed; `None` if it is not yet.
    pub(super) fn managed_since(&self, service: &ServiceId) -> Option<Timestamp> {
        self.items.managed_since(service)
    }

    /// The approvers, if they were read.
    pub(super) fn approvers(&self) -> Option<&Approvers> {
        self.approvers.get()
    }

    /// The items that a change depends on, as they were read.
    pub(super) fn checks(
        &self,
        preconditions: &[Precondition],
        entry: Option<&AnyEntry>,
    ) -> Vec<ItemCheck> {
        let entry = entry.and_then(Option::as_ref);
        let check = |precondition: &Precondition| {
            let id = &precondition.item;
            let key = Key::from(id);
            let item = match (id, entry) {
                (PolicyItemId::Approver(approver), _) => {
                    let approvers = self.approvers.get();
                    // An approver who was not read must have an item without rights.
                    let right = approvers.and_then(|approvers| approvers.item(approver));
                    Some(right.cloned().unwrap_or_default())
                }
                (id, Some((of_entry, item))) if id == of_entry => Some(item.clone()),
                _ => self.items.get(&key).cloned(),
            };
            ItemCheck {
                key,
                item,
                attributes: precondition.attributes,
            }
        };
        preconditions.iter().map(check).collect()
    }
}

#[derive(Debug)]
pub(super) struct FactReader {
    items: ItemReader,
    allowlist: Allowlist,
    allowlist_keys: AllowlistKeys,
    organizations: Organizations,
    log: Log,
}

impl FactReader {
    pub(super) fn new(db: &Db, organizations: Organizations, log: Log) -> Self {
        Self {
            items: ItemReader::new(db),
            allowlist: Allowlist::new(db),
            allowlist_keys: AllowlistKeys::new(db),
            organizations,
            log,
        }
    }

    /// Reads the approvers, at most once for everything that shares this cell.
    pub(super) async fn read_approvers<'a>(
        &self,
        known: &'a FactsRead,
    ) -> Result<&'a Approvers, Arc<Error>> {
        let read = async {
            let approvers = self.allowlist.approvers().await?;
            for error in &approvers.malformed {
                self.log.failure(error, None);
            }
            Ok(approvers)
        };
        known.approvers.get_or_try_init(|| read).await
    }

    /// Looks for any entry that names the service, at most once.
    pub(super) async fn read_any_entry(
        &self,
        service: &ServiceId,
        entry: &OnceCell<AnyEntry>,
    ) -> Result<(), Arc<Error>> {
        let read = async {
            let entry = self.allowlist.any_entry(service).await?;
            if entry.is_none() {
                tracing::warn!(
                    service_id = %service,
                    "the allowlist holds no entry for the service, so nothing is revoked because no entry allows it"
                );
            }
            Ok::<_, Arc<Error>>(entry)
        };
        entry.get_or_try_init(|| read).await.map(|_| ())
    }

    /// Reads everything that decisions about these connections, and `others`, need, consistently
    /// and in as few calls as possible. Facts that were read before are read again.
    pub(super) async fn read(
        &self,
        known: &mut FactsRead,
        connections: &[&Connection],
        others: BTreeSet<Key>,
    ) -> Result<(), Arc<Error>> {
        let accounts: BTreeSet<AccountId> = connections.iter().map(|c| c.owner.clone()).collect();
        known
            .places
            .extend(self.organizations.places(accounts).await);
        let mut keys = others;
        let mut scopes = BTreeSet::new();
        let mut in_doubt = BTreeSet::new();
        for connection in connections {
            let place = known.place(connection);
            let policy = PolicyItemId::all_of(connection, place);
            keys.extend(policy.iter().map(Key::from));
            keys.insert(managed_key(&connection.service_id));
            keys.insert(Key::Usage(
                connection.service_id.clone(),
                connection.owner.clone(),
            ));
            scopes.extend(Scope::all_of(&connection.service_id));
            if !is_certain(place) {
                in_doubt.extend(Scope::all_of(&connection.service_id));
            }
        }
        let what =
            "the requests, the usage and the policy that decisions rest on could not be read";
        let (mut items, ()) = tokio::try_join!(
            self.items.read(keys, what),
            self.allowlist.read_path_denies(&mut known.denies, in_doubt)
        )?;
        let fresh = scopes
            .iter()
            .map(|scope| self.allowlist_keys.freshen_keys(&items, scope).boxed());
        let fresh: Vec<_> = try_join_all(fresh).await?;
        for fresh in fresh.into_iter().flatten() {
            items.extend(fresh);
        }
        // There is hardly ever one.
        let unexpected: BTreeSet<Key> = connections
            .iter()
            .flat_map(|connection| items.unexpected_denies(connection, known.place(connection)))
            .map(|item| Key::from(&item))
            .collect();
        if !unexpected.is_empty() {
            items.extend(self.items.read(unexpected, what).await?);
        }
        known.items.extend(items);
        Ok(())
    }
}

/// Whether the Organizations paths of the account are known, so that each deny for one of them can
/// be named by its key.
fn is_certain(place: &Organization) -> bool {
    matches!(place, Organization::Known(_))
}
