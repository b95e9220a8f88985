//! How many e-mails each address was sent of late: an item for each, in which all instances count.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use gatekeeper_core::allowance::{Allowance, Granted};
use gatekeeper_core::approver::ApproverId;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::requests::encode;
use super::{Item, Key, Tables, UnreadableItem, number};
use crate::error::{Error, Retryable};

/// How often an item that another instance counts in at the same time is tried.
const ATTEMPTS: u32 = 8;
/// How long an item is kept that nobody counts in any more.
const KEPT: SignedDuration = SignedDuration::from_hours(24);

#[derive(Debug, Serialize, Deserialize)]
struct AllowanceItem {
    pk: String,
    sk: String,
    /// How often it was written.
    revision: u64,
    #[serde(flatten)]
    allowance: Allowance,
    /// Epoch seconds after which DynamoDB may delete the item. Housekeeping, never the gate.
    purge_at: i64,
}

impl Tables {
    /// Takes what may be sent now of so many e-mails to each address, and counts it.
    pub(crate) async fn take_allowances(
        &self,
        wanted: &BTreeMap<ApproverId, usize>,
    ) -> Result<BTreeMap<ApproverId, Granted>, Arc<Error>> {
        let mut granted = BTreeMap::new();
        for (approver, wanted) in wanted {
            let taken = self.take_allowance(approver, *wanted).await?;
            granted.insert(approver.clone(), taken);
        }
        Ok(granted)
    }

    async fn take_allowance(
        &self,
        approver: &ApproverId,
        wanted: usize,
    ) -> Result<Granted, Arc<Error>> {
        let key = Key::Allowance(approver.clone());
        let call = self.writing(
            "dynamodb:PutItem",
            Retryable::Outbox,
            format!("the e-mails to {approver} could not be counted"),
        );
        for _ in 0..ATTEMPTS {
            let what = format!("how many e-mails {approver} was sent of late could not be read");
            let items = self.read([key.clone()].into(), &what).await?;
            let before = items.get(&key).cloned().map(|item| decode(&key, item));
            let before = before.transpose();
            let before = before.map_err(|error| error.read_in(self.step))?;
            let (revision, mut allowance) = before.unwrap_or_default();
            let now = self.clock.now();
            let granted = allowance.take(wanted, now);
            if granted.now == 0 {
                return Ok(granted);
            }
            let (pk, sk) = key.values();
            let item = encode(
                &key,
                AllowanceItem {
                    pk,
                    sk,
                    revision: revision + 1,
                    allowance,
                    purge_at: now.checked_add(KEPT).unwrap_or(Timestamp::MAX).as_second(),
                },
            );
            let item = item.map_err(|error| error.written_in(self.step_of_writes()))?;
            let put = self
                .client
                .put_item()
                .table_name(&self.requests)
                .set_item(Some(item));
            let put = match revision {
                0 => put.condition_expression("attribute_not_exists(pk)"),
                _ => put
                    .condition_expression("revision = :revision")
                    .expression_attribute_values(":revision", number(revision)),
            };
            match put.send().await {
                Ok(_) => return Ok(granted),
                Err(error) if is_overtaken(error.as_service_error()) => {}
                Err(error) => return Err(call.failed(error)),
            }
        }
        Err(call
            .passes("others count in the same item all the time")
            .into())
    }
}

fn decode(key: &Key, item: Item) -> Result<(u64, Allowance), UnreadableItem> {
    let read: AllowanceItem =
        serde_dynamo::from_item(item).map_err(|error| UnreadableItem::new(key, error))?;
    Ok((read.revision, read.allowance))
}

fn is_overtaken(error: Option<&PutItemError>) -> bool {
    matches!(
        error,
        Some(PutItemError::ConditionalCheckFailedException(_))
    )
}
