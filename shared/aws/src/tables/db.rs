//! The two tables, as they are read and written in one step. Each struct in the other files of this
//! module uses one, for its own items.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem, WriteRequest};
use gatekeeper_core::precondition::UnreadablePolicy;
use serde::Serialize;

use super::item::Item;
use super::keys::encode;
use super::{Key, Unencodable};
use crate::clients::Clients;
use crate::clock::{Clock, jittered};
use crate::error::{Call, Error, Retryable, Step};

/// DynamoDB takes this many writes in one `BatchWriteItem`.
pub(super) const WRITES_PER_CALL: usize = 25;
/// How often a batch is sent that DynamoDB takes only in part.
pub(super) const ROUNDS: u32 = 6;

/// One client and the tables' names. Clones are cheap.
#[derive(Debug, Clone)]
pub(crate) struct Db {
    pub(super) client: aws_sdk_dynamodb::Client,
    pub(super) allowlist: String,
    pub(super) requests: String,
    pub(super) clock: Clock,
    pub(super) step: Step,
}

impl Db {
    /// The tables for a step, which errors name.
    pub(crate) fn new(
        clients: &Clients,
        allowlist: &str,
        requests: &str,
        clock: Clock,
        step: Step,
    ) -> Self {
        Self {
            client: clients.dynamodb.clone(),
            allowlist: allowlist.to_owned(),
            requests: requests.to_owned(),
            clock,
            step,
        }
    }

    /// The same for another step.
    pub(crate) fn for_step(&self, step: Step) -> Self {
        Self {
            step,
            ..self.clone()
        }
    }

    /// A call that reads; `what` says what could not be read if it fails.
    pub(super) fn reading(&self, operation: &'static str, what: impl Into<String>) -> Call {
        Call::new(self.step, operation, Retryable::ReadTables, what)
    }

    /// A call that writes; `what` says what could not be written if it fails.
    pub(super) fn writing(
        &self,
        operation: &'static str,
        retryable: Retryable,
        what: impl Into<String>,
    ) -> Call {
        Call::new(self.step_of_writes(), operation, retryable, what)
    }

    /// Deciding reads in the step Judge, and writes in the step Record.
    pub(super) fn step_of_writes(&self) -> Step {
        match self.step {
            Step::Judge => Step::Record,
            step => step,
        }
    }

    /// The error for an item of the allowlist that cannot be understood.
    pub(super) fn unreadable_policy(&self, error: UnreadablePolicy) -> Error {
        Error::unreadable_policy(self.step, error)
    }

    pub(super) fn table_of(&self, key: &Key) -> &str {
        if key.is_policy() {
            &self.allowlist
        } else {
            &self.requests
        }
    }

    /// The write of an item of the requests table that does not exist yet.
    pub(super) fn put_new(&self, item: Item) -> Result<TransactWriteItem, Unencodable> {
        let put = Put::builder()
            .table_name(&self.requests)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(encoding)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Writes an item of the requests table, and replaces an existing one; `what` says what could
    /// not be written if it fails.
    pub(super) async fn put(
        &self,
        key: &Key,
        item: impl Serialize,
        retryable: Retryable,
        what: impl Into<String>,
    ) -> Result<(), Arc<Error>> {
        let item = encode(key, item);
        let item = item.map_err(|error| error.written_in(self.step_of_writes()))?;
        let call = self.writing("dynamodb:PutItem", retryable, what);
        self.client
            .put_item()
            .table_name(&self.requests)
            .set_item(Some(item))
            .send()
            .await
            .map(drop)
            .map_err(|error| call.failed(error))
    }

    /// Writes or deletes items of the requests table; `what` says what could not be written if it fails.
    pub(super) async fn write_all(
        &self,
        mut writes: Vec<WriteRequest>,
        retryable: Retryable,
        what: &str,
    ) -> Result<(), Arc<Error>> {
        let call = self.writing("dynamodb:BatchWriteItem", retryable, what);
        let mut pause = Duration::from_millis(50);
        for _ in 0..ROUNDS {
            let output = self
                .client
                .batch_write_item()
                .request_items(&self.requests, writes)
                .send()
                .await
                .map_err(|error| call.failed(error))?;
            let left = output.unprocessed_items.unwrap_or_default();
            writes = left.into_values().flatten().collect();
            if writes.is_empty() {
                return Ok(());
            }
            self.clock.sleep(jittered(pause)).await;
            pause *= 2;
        }
        let left = format!("DynamoDB left out {} writes time and again", writes.len());
        Err(call.passes(left).into())
    }
}

fn encoding(error: aws_sdk_dynamodb::error::BuildError) -> Unencodable {
    Unencodable::new("a write of a new item", error)
}
