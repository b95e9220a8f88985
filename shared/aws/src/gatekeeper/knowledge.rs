//! What was read of requests and policy for a number of connections: all that they are judged by.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use gatekeeper_core::connection::{Connection, Organization};
use gatekeeper_core::ids::AccountId;
use gatekeeper_core::policy::Scope;

use tokio::sync::OnceCell;

use super::Gatekeeper;
use crate::error::{Error, Permanent};
use crate::organizations::Places;
use crate::tables::{Approvers, Items, Key, PathDenies, PolicyView, Tables};

/// Grows with what is read; says of what it does not hold that it was not read.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    pub(super) items: Items,
    denies: PathDenies,
    places: Places,
    /// Read when somebody has to be asked.
    approvers: OnceCell<Approvers>,
}

impl Knowledge {
    /// Where the consumer's account sits.
    pub(super) fn place(&self, connection: &Connection) -> &Organization {
        self.places
            .get(&connection.owner)
            .unwrap_or(&Organization::Failed)
    }

    /// Whether all was read that bears on a connection.
    pub(super) fn covers(&self, connection: &Connection) -> bool {
        let place = self.places.get(&connection.owner);
        place.is_some_and(|place| {
            self.items.covers_policy(connection, place)
                && (is_certain(place) || self.denies.covers(&connection.service_id))
        })
    }

    /// The policy as it bears on a connection; none if it was not read for it.
    pub(super) fn view(&self, connection: &Connection) -> Result<Option<PolicyView>, Permanent> {
        if !self.covers(connection) {
            return Ok(None);
        }
        let place = self.place(connection);
        PolicyView::new(connection, place, &self.items, &self.denies).map(Some)
    }
}

impl Gatekeeper {
    /// Who may decide reviews, read at most once for all that this knowledge serves.
    pub(super) async fn approvers<'a>(
        &self,
        knowledge: &'a Knowledge,
    ) -> Result<&'a Approvers, Arc<Error>> {
        let read = async {
            let approvers = self.tables.approvers().await?;
            for error in &approvers.malformed {
                self.report(error, None);
            }
            Ok(approvers)
        };
        knowledge.approvers.get_or_try_init(|| read).await
    }

    /// Reads all that bears on these connections, and `others` besides, consistently and in as few
    /// calls as it takes. What was read before is read again.
    pub(super) async fn learn(
        &self,
        knowledge: &mut Knowledge,
        connections: &[&Connection],
        others: BTreeSet<Key>,
    ) -> Result<(), Arc<Error>> {
        let accounts: BTreeSet<AccountId> = connections.iter().map(|c| c.owner.clone()).collect();
        knowledge
            .places
            .extend(self.organizations.places(accounts).await);
        let mut keys = others;
        let mut scopes = BTreeSet::new();
        let mut in_doubt = BTreeSet::new();
        for connection in connections {
            let place = knowledge.place(connection);
            keys.extend(Key::policy_of(connection, place));
            keys.insert(Tables::managed_key(&connection.service_id));
            keys.insert(Key::Slots(
                connection.service_id.clone(),
                connection.owner.clone(),
            ));
            scopes.extend(Scope::all_of(&connection.service_id));
            if !is_certain(place) {
                in_doubt.extend(Scope::all_of(&connection.service_id));
            }
        }
        let (mut items, ()) = tokio::try_join!(
            self.tables.read(keys),
            self.tables
                .read_path_denies(&mut knowledge.denies, in_doubt)
        )?;
        let fresh = scopes
            .iter()
            .map(|scope| self.tables.freshen_keys(&items, scope).boxed());
        let fresh: Vec<_> = try_join_all(fresh).await?;
        for fresh in fresh.into_iter().flatten() {
            items.extend(fresh);
        }
        // Hardly ever is there one.
        let unexpected: BTreeSet<Key> = connections
            .iter()
            .flat_map(|connection| items.unexpected_denies(connection, knowledge.place(connection)))
            .collect();
        if !unexpected.is_empty() {
            items.extend(self.tables.read(unexpected).await?);
        }
        knowledge.items.extend(items);
        Ok(())
    }
}

/// Whether it is known which Organizations paths cover the account, so that each deny for one can
/// be named by its key.
fn is_certain(place: &Organization) -> bool {
    matches!(place, Organization::Known(_))
}
