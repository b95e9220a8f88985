//! Reconcile's state between runs: where one stopped, and since when each service has been looked
//! through.

use std::sync::Arc;

use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};
use gatekeeper_core::ids::ServiceId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::db::WRITES_PER_CALL;
use super::item::text;
use super::{Db, Items, Key, Unencodable};
use crate::error::{Error, Retryable};

/// The names of items that say since when a service has been looked through begin with this.
pub(super) const MANAGED: &str = "managed#";

/// A service that a reconcile did not finish, and where in EC2's list it stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unfinished {
    pub(crate) service_id: ServiceId,
    /// EC2's token of the next page; `None` if the service was not begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct CursorItem {
    pk: String,
    sk: String,
    unfinished: Vec<Unfinished>,
}

fn cursor() -> Key {
    Key::State("reconcile".to_owned())
}

impl Items {
    /// Since when a service has been looked through from end to end; `None` if it never was.
    pub(crate) fn managed_since(&self, service: &ServiceId) -> Option<Timestamp> {
        let item = self.get(&managed_key(service))?;
        item.get("since")?.as_s().ok()?.parse().ok()
    }
}

/// The key of the item that says since when a service has been looked through.
pub(crate) fn managed_key(service: &ServiceId) -> Key {
    Key::State(format!("{MANAGED}{service}"))
}

/// Reads and writes reconcile's state.
#[derive(Debug, Clone)]
pub(crate) struct ReconcileMemory {
    db: Db,
}

impl ReconcileMemory {
    pub(crate) fn new(db: &Db) -> Self {
        Self { db: db.clone() }
    }

    /// The services that the last reconcile did not finish, in the order in which it would have
    /// continued. A state that cannot be read counts as none: reconcile then begins anew.
    pub(crate) async fn unfinished(&self) -> Result<Vec<Unfinished>, Arc<Error>> {
        let what = "where the last reconcile stopped could not be read";
        let items = self.db.read([cursor()].into(), what).await?;
        let item = items.get(&cursor()).cloned();
        Ok(item
            .and_then(|item| serde_dynamo::from_item::<_, CursorItem>(item).ok())
            .map(|item| item.unfinished)
            .unwrap_or_default())
    }

    /// Remembers the services that this reconcile does not finish.
    pub(crate) async fn leave_unfinished(
        &self,
        unfinished: Vec<Unfinished>,
    ) -> Result<(), Arc<Error>> {
        let (pk, sk) = cursor().values();
        let item = CursorItem { pk, sk, unfinished };
        let what = "where this reconcile stops could not be written down";
        self.db
            .put(&cursor(), item, Retryable::RememberState, what)
            .await
    }

    /// Remembers, the first time, that a service has been looked through. Later changes happened
    /// while it was managed.
    pub(crate) async fn remember_managed(
        &self,
        service: &ServiceId,
        since: Timestamp,
    ) -> Result<(), Arc<Error>> {
        let sent = self
            .db
            .client
            .update_item()
            .table_name(&self.db.requests)
            .set_key(Some(managed_key(service).item()))
            .update_expression("SET since = if_not_exists(since, :since)")
            .expression_attribute_values(":since", text(since.to_string()))
            .send()
            .await;
        let what = format!("that {service} is looked through could not be written down");
        let call = self
            .db
            .writing("dynamodb:UpdateItem", Retryable::RememberState, what);
        sent.map(drop).map_err(|error| call.failed(error))
    }

    /// Forgets that these services were looked through, since they no longer exist.
    pub(crate) async fn forget_managed(&self, services: &[ServiceId]) -> Result<(), Arc<Error>> {
        let mut writes = Vec::new();
        for service in services {
            let key = managed_key(service).item();
            let delete = DeleteRequest::builder()
                .set_key(Some(key))
                .build()
                .map_err(|error| Unencodable::new("a service's deletion", error))
                .map_err(|error| error.written_in(self.db.step_of_writes()))?;
            writes.push(WriteRequest::builder().delete_request(delete).build());
        }
        for chunk in writes.chunks(WRITES_PER_CALL) {
            let what = "services that were deleted could not be forgotten";
            let (writes, kind) = (chunk.to_vec(), Retryable::RememberState);
            self.db.write_all(writes, kind, what).await?;
        }
        Ok(())
    }
}
