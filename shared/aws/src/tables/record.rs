//! Recording a change is the only gate. One transaction writes the request and its history row,
//! changes the usage, checks that every precondition is as it was read, and puts the messages into
//! the outbox: all of it or nothing.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use gatekeeper_core::change::{Change, UsageChange};
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::outbox::OutboxItem;
use gatekeeper_core::request::Request;

use super::allowlist::ItemCheck;
use super::item::{number, text};
use super::outbox::encode_outbox;
use super::requests::{decode_request, encode_history, encode_request};
use super::{Db, Key, Unencodable, UnreadableItem};
use crate::clock::jittered;
use crate::error::{Call, Error, Retryable, Step};

/// How often a transaction that conflicted with another one is tried.
const ATTEMPTS: u32 = 6;

/// The result of recording a change.
#[derive(Debug)]
pub(crate) enum Recorded {
    /// The change is written.
    Written,
    /// Somebody else changed the request first; this is its current state.
    Lost(Option<Box<Request>>),
    /// The policy is no longer the one that was judged.
    PolicyChanged,
    /// The last place under the limit went to another connection.
    LimitReached,
}

/// The purpose of each item of the transaction, to read the reasons of a cancellation.
#[derive(Clone, Copy)]
enum Part {
    Request,
    History,
    Usage,
    Precondition,
    Outbox,
}

/// Writes changes.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    db: Db,
}

impl Recorder {
    pub(crate) fn new(db: &Db) -> Self {
        Self { db: db.clone() }
    }

    /// Writes a change with everything that belongs to it, or nothing. `checks` are the items of
    /// its preconditions.
    pub(crate) async fn record(
        &self,
        change: &Change,
        checks: Vec<ItemCheck>,
    ) -> Result<Recorded, Arc<Error>> {
        let endpoint_id = &change.after.endpoint_id;
        // Writing a change is the step Record, whatever step came before.
        let call = Call::new(
            Step::Record,
            "dynamodb:TransactWriteItems",
            Retryable::RecordTransition,
            format!("the change of {endpoint_id} could not be recorded"),
        );
        let transaction = self.transaction(change, &checks);
        let (parts, items) = transaction.map_err(|error| error.written_in(Step::Record))?;
        let mut pause = Duration::from_millis(20);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let sent = self
                .db
                .client
                .transact_write_items()
                .set_transact_items(Some(items.clone()))
                .send()
                .await;
            let error = match sent {
                Ok(_) => return Ok(Recorded::Written),
                Err(error) => error,
            };
            if let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
                error.as_service_error()
            {
                let reasons = canceled.cancellation_reasons();
                if let Some(outcome) = cancelled(endpoint_id, &parts, reasons, &call)? {
                    return Ok(outcome);
                }
            } else {
                // If the failure is temporary, the SDK has retried it as often as it should.
                return Err(call.failed(error));
            }
            // A conflict with another transaction, or throttling within this one.
            if attempt == ATTEMPTS {
                return Err(call.passes(error).into());
            }
            self.db.clock.sleep(jittered(pause)).await;
            pause *= 2;
        }
    }

    fn transaction(
        &self,
        change: &Change,
        checks: &[ItemCheck],
    ) -> Result<(Vec<Part>, Vec<TransactWriteItem>), Unencodable> {
        let mut parts = vec![Part::Request];
        let mut items = vec![self.put_request(change)?];
        if let Some(transition) = &change.transition {
            parts.push(Part::History);
            items.push(
                self.db
                    .put_new(encode_history(&change.after, transition)?)?,
            );
        }
        if let Some(usage) = self.change_usage(change)? {
            parts.push(Part::Usage);
            items.push(usage);
        }
        let left = OutboxItem::of_change(&change.after, &change.messages, self.db.clock.now());
        if let Some(left) = left {
            parts.push(Part::Outbox);
            items.push(self.db.put_new(encode_outbox(&left)?)?);
        }
        for check in checks {
            parts.push(Part::Precondition);
            items.push(self.check(check)?);
        }
        Ok((parts, items))
    }

    fn put_request(&self, change: &Change) -> Result<TransactWriteItem, Unencodable> {
        let put = Put::builder()
            .table_name(&self.db.requests)
            .set_item(Some(encode_request(&change.after)?))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match change.before_revision {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(revision) => put
                .condition_expression("revision = :revision")
                .expression_attribute_values(":revision", number(revision)),
        };
        Ok(TransactWriteItem::builder()
            .put(put.build().map_err(encoding)?)
            .build())
    }

    fn change_usage(&self, change: &Change) -> Result<Option<TransactWriteItem>, Unencodable> {
        let after = &change.after;
        let key = Key::Usage(after.service_id.clone(), after.account_id.clone());
        let id = after.endpoint_id.to_string();
        let update = Update::builder()
            .table_name(&self.db.requests)
            .set_key(Some(key.item()))
            .expression_attribute_values(":own", AttributeValue::Ss(vec![id.clone()]));
        let update = match change.usage {
            UsageChange::Keep => return Ok(None),
            UsageChange::Release => update.update_expression("DELETE endpoints :own"),
            UsageChange::Take { at_most: None } => update.update_expression("ADD endpoints :own"),
            UsageChange::Take { at_most: Some(max) } => update
                .update_expression("ADD endpoints :own")
                .condition_expression(
                    "attribute_not_exists(endpoints) OR size(endpoints) < :max OR contains(endpoints, :id)",
                )
                .expression_attribute_values(":max", number(max))
                .expression_attribute_values(":id", text(id)),
        };
        Ok(Some(
            TransactWriteItem::builder()
                .update(update.build().map_err(encoding)?)
                .build(),
        ))
    }

    fn check(&self, one: &ItemCheck) -> Result<TransactWriteItem, Unencodable> {
        let check = ConditionCheck::builder()
            .table_name(self.db.table_of(&one.key))
            .set_key(Some(one.key.item()));
        let (partition, _) = one.key.names();
        let check = match &one.item {
            None => check.condition_expression(format!("attribute_not_exists({partition})")),
            Some(item) => {
                let mut check = check;
                let mut condition = format!("attribute_exists({partition})");
                for name in one.attributes {
                    // Use placeholders, because some of the names are reserved words of DynamoDB.
                    check = check.expression_attribute_names(format!("#{name}"), *name);
                    match item.get(*name) {
                        Some(value) => {
                            condition.push_str(&format!(" AND #{name} = :{name}"));
                            check = check
                                .expression_attribute_values(format!(":{name}"), value.clone());
                        }
                        None => condition.push_str(&format!(" AND attribute_not_exists(#{name})")),
                    }
                }
                check.condition_expression(condition)
            }
        };
        Ok(TransactWriteItem::builder()
            .condition_check(check.build().map_err(encoding)?)
            .build())
    }
}

/// Reads why a transaction was cancelled; `None` if it only conflicted with another one.
fn cancelled(
    endpoint_id: &EndpointId,
    parts: &[Part],
    reasons: &[CancellationReason],
    call: &Call,
) -> Result<Option<Recorded>, Error> {
    let failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    let is_invalid = |reason: &CancellationReason| reason.code() == Some("ValidationError");
    if let Some(reason) = reasons.iter().find(|reason| is_invalid(reason)) {
        // DynamoDB does not accept the input; no retry changes that.
        let why = reason.message().unwrap_or("ValidationError");
        return Err(call.refused(why).with_code("ValidationError"));
    }
    let mut outcome = None;
    for (part, reason) in parts
        .iter()
        .zip(reasons)
        .filter(|(_, reason)| failed(reason))
    {
        match part {
            // A changed request decides what this attempt means, whatever else changed.
            Part::Request => {
                let now = reason.item().cloned().map(decode_request).transpose();
                let now = now.map_err(|error| error.read_in(Step::Record))?;
                return Ok(Some(Recorded::Lost(now.map(Box::new))));
            }
            // The request is as it was read, and yet this version of it is already written:
            // somebody tampered with the item. If this counted as a race, the request would be
            // skipped for ever.
            Part::History | Part::Outbox => {
                let item = Key::Request(endpoint_id.clone());
                let detail = "its history goes further than the request itself; was the item deleted \
                              or replaced by hand?";
                return Err(UnreadableItem::new(item, detail).read_in(Step::Record));
            }

            Part::Precondition => outcome = Some(Recorded::PolicyChanged),
            Part::Usage => {
                if outcome.is_none() {
                    outcome = Some(Recorded::LimitReached);
                }
            }
        }
    }
    Ok(outcome)
}

fn encoding(error: aws_sdk_dynamodb::error::BuildError) -> Unencodable {
    Unencodable::new("a write of a change", error)
}
