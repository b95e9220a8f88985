//! The state of approval e-mail between looks: who is subscribed to it.

use std::sync::Arc;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use gatekeeper_core::outbox::OutboxItem;
use gatekeeper_core::reach::{Look, ReachState};
use serde::{Deserialize, Serialize};

use super::item::number;
use super::keys::encode;
use super::outbox::encode_outbox;
use super::watched::{is_held_up, is_overtaken};
use super::{Db, Key, Unencodable};
use crate::error::{Error, Retryable, Source};

/// The state after the last look.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    /// How often it was written; 0 if it does not exist yet.
    revision: u64,
    pub(crate) state: ReachState,
}

#[derive(Debug, Serialize, Deserialize)]
struct ReachItem {
    pk: String,
    sk: String,
    revision: u64,
    /// As JSON, because nothing in DynamoDB reads it.
    state: String,
}

fn reach_key() -> Key {
    Key::State("approval-email".to_owned())
}

/// Reads and writes the state of approval e-mail.
#[derive(Debug, Clone)]
pub(crate) struct ReachMemory {
    db: Db,
}

impl ReachMemory {
    pub(crate) fn new(db: &Db) -> Self {
        Self { db: db.clone() }
    }

    /// The state after the last look at approval e-mail's subscriptions. A state that cannot be
    /// read counts as none: every filter policy is then seen for the first time, and e-mail is held
    /// for a while.
    pub(crate) async fn reach(&self) -> Result<Remembered, Arc<Error>> {
        let what = "what the last look at approval e-mail left could not be read";
        let items = self.db.read([reach_key()].into(), what).await?;
        let Some(item) = items.get(&reach_key()).cloned() else {
            return Ok(Remembered::default());
        };
        let revision = item
            .get("revision")
            .and_then(|n| n.as_n().ok()?.parse().ok());
        let item: Result<ReachItem, _> = serde_dynamo::from_item(item);
        let state = item
            .ok()
            .and_then(|item| serde_json::from_str(&item.state).ok());
        if state.is_none() {
            tracing::error!(item = %reach_key(), "the state of approval e-mail cannot be read; it is looked up again");
        }
        Ok(Remembered {
            revision: revision.unwrap_or_default(),
            state: state.unwrap_or_default(),
        })
    }

    /// Writes the state after a look, together with its announcements. False if another instance
    /// has looked since.
    pub(crate) async fn remember_reach(
        &self,
        before: &Remembered,
        look: &Look,
    ) -> Result<bool, Arc<Error>> {
        if look.alarms.is_empty() && look.state == before.state {
            return Ok(true);
        }
        let writes = self.writes_of_look(before, look);
        let writes = writes.map_err(|error| error.written_in(self.db.step_of_writes()))?;
        let call = self.db.writing(
            "dynamodb:TransactWriteItems",
            Retryable::RememberState,
            "what a look at approval e-mail found could not be written down",
        );
        let sent = self
            .db
            .client
            .transact_write_items()
            .set_transact_items(Some(writes))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(error) if is_overtaken(error.as_service_error()) => Ok(false),
            Err(error) if is_held_up(error.as_service_error()) => Err(call.passes(error).into()),
            Err(error) => Err(call.failed(error)),
        }
    }

    /// The writes of a look's state and its announcements.
    fn writes_of_look(
        &self,
        before: &Remembered,
        look: &Look,
    ) -> Result<Vec<TransactWriteItem>, Unencodable> {
        let key = reach_key();
        let (pk, sk) = key.values();
        let wrong = |error: Source| Unencodable::new("what a look at approval e-mail found", error);
        let state = serde_json::to_string(&look.state).map_err(|error| wrong(error.into()))?;
        let item = ReachItem {
            pk,
            sk,
            revision: before.revision + 1,
            state,
        };
        let put = Put::builder()
            .table_name(&self.db.requests)
            .set_item(Some(encode(&key, item)?))
            .condition_expression("attribute_not_exists(pk) OR revision = :revision")
            .expression_attribute_values(":revision", number(before.revision))
            .build()
            .map_err(|error| wrong(error.into()))?;
        let mut writes = vec![TransactWriteItem::builder().put(put).build()];
        for alarm in &look.alarms {
            let left = OutboxItem::of_reach(alarm.clone());
            writes.push(self.db.put_new(encode_outbox(&left)?)?);
        }
        Ok(writes)
    }
}
