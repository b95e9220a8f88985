//! The two tables. ARCHITECTURE.md lists their items. No DynamoDB type leaves this module.
//!
//! Access is divided by subject, so that the holder of one of these structs can touch nothing else.
//! Each is made of a `Db`, which knows its step:
//!
//! | struct | does |
//! | --- | --- |
//! | `Recorder` | writes a change: the only gate |
//! | `ItemReader` | reads items by their keys, for decisions |
//! | `Requests` | reads requests and their history |
//! | `UsageItems` | counts accounts' connections |
//! | `Allowlist` | reads entries, settings, approvers and acknowledgements |
//! | `AllowlistKeys` | remembers unexpected keys |
//! | `Outbox`, `Allowances`, `Links` | the items for sending |
//! | `ReachMemory`, `HeldEmails` | the state of approval e-mail |
//! | `WatchedServices`, `ReconcileMemory` | the state of services, and of runs |
//! | [`Postings`] | our messages in Slack |
//! | [`Tables`] | reads that no decision needs |
//! | [`OperatorTables`] | reads and writes of an operator |

mod acknowledgements;
mod allowances;
mod allowlist;
mod approvers;
mod batch_get;
mod counted;
mod db;
mod held_emails;
mod item;
mod keys;
mod links;
mod operator;
mod outbox;
mod prompts;
mod reach;
mod reconcile;
mod record;
mod requests;
mod stream;
mod unexpected_keys;
mod unreadable;
mod usage;
mod waiting_prompts;
mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatekeeper_core::findings::Findings;
use gatekeeper_core::ids::{EndpointId, ServiceId};
use gatekeeper_core::policy::ServiceSettings;
use gatekeeper_core::request::{Request, Transition};

use crate::clients::Clients;
use crate::clock::Clock;
use crate::error::{Error, Step};
pub use acknowledgements::{decode_acknowledgement_image, encode_acknowledgement};
pub(crate) use allowances::Allowances;
pub(crate) use allowlist::{Allowlist, ItemCheck, PathDenies, policy_of};
pub use allowlist::{decode_policy_item, encode_approver, encode_entry, encode_settings};
pub(crate) use approvers::Approvers;
pub(crate) use batch_get::Items;
pub(crate) use db::Db;
pub(crate) use held_emails::HeldEmails;
pub(crate) use item::Item;
pub(crate) use keys::Key;
pub(crate) use links::{Link, Links};
pub use operator::{
    AllRequests, HistoryRow, NewItem, OperatorTables, StoredItem, TableState, Written,
};
pub(crate) use outbox::{Left, Outbox};
pub use prompts::{Posting, Postings};
pub(crate) use reach::ReachMemory;
pub(crate) use reconcile::{ReconcileMemory, Unfinished, managed_key};
pub(crate) use record::{Recorded, Recorder};
pub(crate) use requests::Requests;
pub use stream::decode_image;
pub(crate) use unexpected_keys::{AllowlistKeys, ScopeKeys};
pub(crate) use unreadable::UnreadableItem;
pub use unreadable::{Unencodable, UnreadableAcknowledgement};
pub(crate) use usage::{AccountUsage, UsageItems};
pub use waiting_prompts::PromptGroup;
pub(crate) use watched::{LookedAfter, Watched, WatchedServices};

/// What may be read of the tables without deciding anything.
#[derive(Debug, Clone)]
pub struct Tables {
    db: Db,
}

impl Tables {
    /// The tables of these names, for a step, which errors name.
    #[must_use]
    pub fn named(
        clients: &Clients,
        allowlist: &str,
        requests: &str,
        clock: Clock,
        step: Step,
    ) -> Self {
        let db = Db::new(clients, allowlist, requests, clock, step);
        Self { db }
    }

    pub(crate) fn new(db: &Db) -> Self {
        Self { db: db.clone() }
    }

    /// What the last look at approval e-mail left.
    pub(crate) fn reach(&self) -> ReachMemory {
        ReachMemory::new(&self.db)
    }

    /// The reads and writes of an operator.
    #[must_use]
    pub fn operator(&self) -> OperatorTables {
        OperatorTables::new(&self.db)
    }

    /// Our messages in Slack, which can also be written.
    #[must_use]
    pub fn postings(&self) -> Postings {
        Postings::new(&self.db)
    }

    /// The request of an endpoint, if there is one.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or the item is invalid.
    pub async fn request(&self, endpoint: &EndpointId) -> Result<Option<Request>, Arc<Error>> {
        Requests::new(&self.db).request(endpoint).await
    }

    /// The existing requests of endpoints.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or one of them is invalid.
    pub async fn requests_of<'a>(
        &self,
        endpoints: impl Iterator<Item = &'a EndpointId> + Clone,
    ) -> Result<BTreeMap<EndpointId, Request>, Arc<Error>> {
        let what = "the requests that one message shows could not be read";
        let ids = endpoints.clone().cloned();
        let items = Requests::new(&self.db).several(ids, what).await?;
        let mut requests = BTreeMap::new();
        for endpoint in endpoints {
            let request = items.request(endpoint)?;
            requests.extend(request.map(|request| (endpoint.clone(), request)));
        }
        Ok(requests)
    }

    /// The history of a request, oldest first.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or a row is invalid.
    pub async fn history(&self, endpoint: &EndpointId) -> Result<Vec<Transition>, Arc<Error>> {
        Requests::new(&self.db).history(endpoint).await
    }

    /// A service's settings; fields that it does not set come from `*`.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or an item is invalid.
    pub async fn settings_of(&self, service: &ServiceId) -> Result<ServiceSettings, Arc<Error>> {
        Allowlist::new(&self.db).settings_of(service).await
    }

    /// The findings of a service, current and past.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or the item is invalid.
    pub async fn findings(&self, service: &ServiceId) -> Result<Findings, Arc<Error>> {
        WatchedServices::new(&self.db).findings(service).await
    }
}

/// Reads items of both tables by their keys, for decisions.
#[derive(Debug, Clone)]
pub(crate) struct ItemReader {
    db: Db,
}

impl ItemReader {
    pub(crate) fn new(db: &Db) -> Self {
        Self { db: db.clone() }
    }

    /// Reads items, consistently. Answers all of them or an error (safety rule S2); `what` says
    /// what could not be read if it fails.
    pub(crate) async fn read(&self, keys: BTreeSet<Key>, what: &str) -> Result<Items, Arc<Error>> {
        self.db.read(keys, what).await
    }
}
