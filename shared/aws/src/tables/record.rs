//! Recording a transition: the only gate. One transaction moves the request, writes its history
//! row, changes the slots, checks that the policy still says what was judged, and puts the
//! announcement into the outbox: all of it or nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Put, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use gatekeeper_core::announcement::{Kind, announcement, note};
use gatekeeper_core::approver::ApproverId;
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::invitation::invitation;
use gatekeeper_core::message::Message;
use gatekeeper_core::request::{Request, SlotChange, Transition};

use super::allowlist::Ground;
use super::outbox::encode_message;
use super::requests::{decode_request, encode_history, encode_request};
use super::{Item, Key, Tables, number, text};
use crate::clock::jittered;
use crate::error::{Class, Error, Permanent, Retryable, class};

/// How often a transaction that ran into another one is tried.
const ATTEMPTS: u32 = 6;

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Write<'a> {
    /// The request as it was read; none if there was none.
    pub(crate) before: Option<&'a Request>,
    /// The request as it is to be, of the next revision.
    pub(crate) after: &'a Request,
    /// What leads there; none to claim a request, or to note something on it, without changing its
    /// status.
    pub(crate) transition: Option<&'a Transition>,
    /// What must not have changed since it was judged.
    pub(crate) grounds: Vec<Ground>,
    /// The limit under which a slot is taken; none takes one without asking.
    pub(crate) max_connections: Option<u32>,
    /// Who is to be told what.
    pub(crate) told: Told,
    /// What is to be told besides, of the request as it is to be.
    pub(crate) notes: Vec<Kind>,
    /// Which approvers are to be asked, in the words of this kind.
    pub(crate) invited: Option<(Kind, BTreeSet<ApproverId>)>,
}

impl<'a> Write<'a> {
    /// A write that tells nobody and rests on nothing but the request.
    pub(crate) fn of(before: Option<&'a Request>, after: &'a Request) -> Self {
        Self {
            before,
            after,
            transition: None,
            grounds: Vec::new(),
            max_connections: None,
            told: Told::Nothing,
            notes: Vec::new(),
            invited: None,
        }
    }
}

/// What is announced of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// Nothing.
    Nothing,
    /// The transition, if it is one that people need to hear of.
    Transition,
    /// This, though the status did not change.
    Note(Kind),
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Recorded {
    /// Written. The messages that it left in the outbox.
    Written(Vec<Message>),
    /// Somebody else changed the request first; this is how it stands now.
    Lost(Option<Box<Request>>),
    /// The policy is not what was judged any more.
    PolicyChanged,
    /// The last slot went to another connection.
    LimitReached,
}

/// What each item of the transaction is there for, to read the reasons of a cancellation.
#[derive(Clone, Copy)]
enum Part {
    Request,
    History,
    Slots,
    Ground,
    Outbox,
}

impl Tables {
    /// Writes a transition and all that goes with it, or nothing.
    pub(crate) async fn record(&self, write: &Write<'_>) -> Result<Recorded, Arc<Error>> {
        let endpoint_id = &write.after.endpoint_id;
        let (parts, items, messages) = self.transaction(write)?;
        let mut pause = Duration::from_millis(20);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let sent = self
                .client
                .transact_write_items()
                .set_transact_items(Some(items.clone()))
                .send()
                .await;
            let error = match sent {
                Ok(_) => return Ok(Recorded::Written(messages)),
                Err(error) => error,
            };
            if let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) =
                error.as_service_error()
            {
                let reasons = canceled.cancellation_reasons();
                if let Some(outcome) = cancelled(endpoint_id, &parts, reasons)? {
                    return Ok(outcome);
                }
            } else {
                match class(&error) {
                    // The SDK has tried these as often as it should.
                    Class::Passing => return Err(unrecorded(endpoint_id, error)),
                    Class::Forbidden => {
                        return Err(Permanent::Forbidden {
                            operation: "TransactWriteItems",
                            source: Box::new(error),
                        }
                        .into());
                    }
                    Class::Refused => {
                        return Err(Permanent::RefusedCall {
                            operation: "TransactWriteItems",
                            source: Box::new(error),
                        }
                        .into());
                    }
                }
            }
            // A conflict with another transaction, or throttling within this one.
            if attempt == ATTEMPTS {
                return Err(unrecorded(endpoint_id, error));
            }
            self.clock.sleep(jittered(pause)).await;
            pause *= 2;
        }
    }

    fn transaction(
        &self,
        write: &Write<'_>,
    ) -> Result<(Vec<Part>, Vec<TransactWriteItem>, Vec<Message>), Permanent> {
        let mut parts = vec![Part::Request];
        let mut items = vec![self.put_request(write)?];
        let after = write.after;
        if let Some(transition) = write.transition {
            parts.push(Part::History);
            let row = encode_history(after, transition)?;
            items.push(self.put_new(row)?);
            if let Some(slots) = self.change_slots(write, transition)? {
                parts.push(Part::Slots);
                items.push(slots);
            }
        }
        let told = match (write.told, write.transition) {
            (Told::Transition, Some(transition)) => announcement(after, transition),
            (Told::Note(kind), _) => Some(note(after, kind, self.clock.now())),
            (Told::Nothing, _) | (Told::Transition, None) => None,
        };
        let mut messages = Vec::new();
        let notes = write
            .notes
            .iter()
            .map(|kind| note(after, *kind, self.clock.now()));
        for told in told.into_iter().chain(notes) {
            messages.push(told.message().map_err(unwritable)?);
        }
        if let Some((kind, approvers)) = &write.invited {
            let told = note(after, *kind, self.clock.now());
            for approver in approvers {
                messages.extend(invitation(after, &told, approver).map_err(unwritable)?);
            }
        }
        for message in &messages {
            parts.push(Part::Outbox);
            items.push(self.put_new(encode_message(message)?)?);
        }
        for ground in &write.grounds {
            parts.push(Part::Ground);
            items.push(self.check(ground)?);
        }
        Ok((parts, items, messages))
    }

    fn put_request(&self, write: &Write<'_>) -> Result<TransactWriteItem, Permanent> {
        let put = Put::builder()
            .table_name(&self.requests)
            .set_item(Some(encode_request(write.after)?))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match write.before {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(before) => put
                .condition_expression("revision = :revision")
                .expression_attribute_values(":revision", number(before.revision)),
        };
        Ok(TransactWriteItem::builder()
            .put(put.build().map_err(encoding)?)
            .build())
    }

    pub(super) fn put_new(&self, item: Item) -> Result<TransactWriteItem, Permanent> {
        let put = Put::builder()
            .table_name(&self.requests)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .map_err(encoding)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn change_slots(
        &self,
        write: &Write<'_>,
        transition: &Transition,
    ) -> Result<Option<TransactWriteItem>, Permanent> {
        let after = write.after;
        let key = Key::Slots(after.service_id.clone(), after.account_id.clone());
        let id = after.endpoint_id.to_string();
        let update = Update::builder()
            .table_name(&self.requests)
            .set_key(Some(key.item()))
            .expression_attribute_values(":own", AttributeValue::Ss(vec![id.clone()]));
        let update = match (transition.slot_change(), write.max_connections) {
            (SlotChange::Keep, _) => return Ok(None),
            (SlotChange::Release, _) => update.update_expression("DELETE endpoints :own"),
            (SlotChange::Take, None) => update.update_expression("ADD endpoints :own"),
            (SlotChange::Take, Some(max)) => update
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

    fn check(&self, ground: &Ground) -> Result<TransactWriteItem, Permanent> {
        let check = ConditionCheck::builder()
            .table_name(self.table_of(&ground.key))
            .set_key(Some(ground.key.item()));
        let (partition, _) = ground.key.names();
        let check = match &ground.item {
            None => check.condition_expression(format!("attribute_not_exists({partition})")),
            Some(item) => {
                let mut check = check;
                let mut condition = format!("attribute_exists({partition})");
                for name in ground.attributes {
                    // By placeholder: some of them are words that DynamoDB keeps to itself.
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

/// Reads why a transaction was cancelled; none if it only ran into another one.
fn cancelled(
    endpoint_id: &EndpointId,
    parts: &[Part],
    reasons: &[CancellationReason],
) -> Result<Option<Recorded>, Permanent> {
    let failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    let is_invalid = |reason: &CancellationReason| reason.code() == Some("ValidationError");
    if let Some(reason) = reasons.iter().find(|reason| is_invalid(reason)) {
        // DynamoDB does not take what was sent; no retry changes that.
        return Err(Permanent::RefusedCall {
            operation: "TransactWriteItems",
            source: reason.message().unwrap_or("ValidationError").into(),
        });
    }
    let mut outcome = None;
    for (part, reason) in parts
        .iter()
        .zip(reasons)
        .filter(|(_, reason)| failed(reason))
    {
        match part {
            // Whoever changed the request decides what this attempt means, whatever else changed.
            Part::Request => {
                let now = reason.item().cloned().map(decode_request).transpose()?;
                return Ok(Some(Recorded::Lost(now.map(Box::new))));
            }
            // The request is where it was read, and yet this version of it is written already: the
            // item was tampered with. Taken for a race, it would be passed over for ever.
            Part::History | Part::Outbox => {
                return Err(Permanent::MalformedRequest {
                    item: format!("{endpoint_id} / request"),
                    detail: "its history goes further than the request itself; was the item \
                             deleted or replaced by hand?"
                        .to_owned(),
                });
            }

            Part::Ground => outcome = Some(Recorded::PolicyChanged),
            Part::Slots => {
                if outcome.is_none() {
                    outcome = Some(Recorded::LimitReached);
                }
            }
        }
    }
    Ok(outcome)
}

fn unrecorded(
    endpoint_id: &EndpointId,
    error: aws_sdk_dynamodb::error::SdkError<TransactWriteItemsError>,
) -> Arc<Error> {
    Retryable::RecordTransition {
        endpoint_id: endpoint_id.clone(),
        source: Box::new(error),
    }
    .into()
}

fn unwritable(error: serde_json::Error) -> Permanent {
    Permanent::Encode(Box::new(error))
}

fn encoding(error: aws_sdk_dynamodb::error::BuildError) -> Permanent {
    Permanent::Encode(Box::new(error))
}
