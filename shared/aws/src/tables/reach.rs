//! What is remembered of approval e-mail: of who is subscribed to it, from look to look, and of reviews whose
//! e-mail was held.

use std::sync::Arc;

use aws_sdk_dynamodb::types::{Put, PutRequest, TransactWriteItem, WriteRequest};
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::outbox::OutboxItem;
use gatekeeper_core::reach::{Look, ReachState};
use gatekeeper_core::request::{Request, Status};
use gatekeeper_core::review::HeldEmail;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::outbox::{WRITES_PER_CALL, encode_outbox};
use super::requests::{OPEN_INDEX, decode_request, encode};
use super::state::{is_held_up, is_overtaken};
use super::{Key, Tables, number, text};
use crate::error::{Error, Permanent, Retryable, failed};

/// What the last look left.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    /// How often it was written; 0 if it is not there yet.
    revision: u64,
    pub(crate) state: ReachState,
}

#[derive(Debug, Serialize, Deserialize)]
struct ReachItem {
    pk: String,
    sk: String,
    revision: u64,
    /// In JSON: nothing in DynamoDB reads it.
    state: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct HeldItem {
    pk: String,
    sk: String,
    review: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

fn reach_key() -> Key {
    Key::State("approval-email".to_owned())
}

impl Tables {
    /// What the last look at approval e-mail's subscriptions left. What cannot be read is as good as nothing: every
    /// filter policy is then seen for the first time, and e-mail is held for a while.
    pub(crate) async fn reach(&self) -> Result<Remembered, Arc<Error>> {
        let items = self.read([reach_key()].into()).await?;
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
            tracing::error!(item = %reach_key(), "what is known of approval e-mail cannot be read; it is found out anew");
        }
        Ok(Remembered {
            revision: revision.unwrap_or_default(),
            state: state.unwrap_or_default(),
        })
    }

    /// Remembers a look, together with what there is to tell. False if another instance has looked since.
    pub(crate) async fn remember_reach(
        &self,
        before: &Remembered,
        look: &Look,
    ) -> Result<bool, Arc<Error>> {
        if look.alarms.is_empty() && look.state == before.state {
            return Ok(true);
        }
        let (pk, sk) = reach_key().values();
        let state = serde_json::to_string(&look.state)
            .map_err(|error| Permanent::Encode(Box::new(error)))?;
        let put = Put::builder()
            .table_name(&self.requests)
            .set_item(Some(encode(ReachItem {
                pk,
                sk,
                revision: before.revision + 1,
                state,
            })?))
            .condition_expression("attribute_not_exists(pk) OR revision = :revision")
            .expression_attribute_values(":revision", number(before.revision))
            .build()
            .map_err(|error| Permanent::Encode(Box::new(error)))?;
        let mut writes = vec![TransactWriteItem::builder().put(put).build()];
        for alarm in &look.alarms {
            let left = OutboxItem::of_reach(alarm.clone());
            writes.push(self.put_new(encode_outbox(&left)?)?);
        }
        let sent = self
            .client
            .transact_write_items()
            .set_transact_items(Some(writes))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(error) if is_overtaken(error.as_service_error()) => Ok(false),
            Err(error) if is_held_up(error.as_service_error()) => {
                Err(Retryable::RememberState(Box::new(error)).into())
            }
            Err(error) => Err(failed(
                "TransactWriteItems",
                error,
                Retryable::RememberState,
            )),
        }
    }

    /// All open reviews, of all services, from the index.
    pub(crate) async fn open_reviews(&self) -> Result<Vec<Request>, Arc<Error>> {
        let mut items = self
            .client
            .scan()
            .table_name(&self.requests)
            .index_name(OPEN_INDEX)
            .filter_expression("#status = :in_review")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":in_review", text(Status::InReview.as_str()))
            .into_paginator()
            .items()
            .send();
        let mut reviews = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| failed("Scan", error, Retryable::ListRequests))?;
            match decode_request(item) {
                Ok(review) => reviews.push(review),
                // Whoever decides it reports it each time.
                Err(error) => tracing::warn!(%error, "a request is passed over"),
            }
        }
        Ok(reviews)
    }

    /// Puts items into the outbox that are there already or not.
    pub(crate) async fn put_in_outbox(&self, items: &[OutboxItem]) -> Result<(), Arc<Error>> {
        for chunk in items.chunks(WRITES_PER_CALL) {
            let mut writes = Vec::new();
            for item in chunk {
                let put = PutRequest::builder()
                    .set_item(Some(encode_outbox(item)?))
                    .build()
                    .map_err(|error| Permanent::Encode(Box::new(error)))?;
                writes.push(WriteRequest::builder().put_request(put).build());
            }
            self.write_all(writes).await?;
        }
        Ok(())
    }

    /// What is remembered of the approval e-mail of an endpoint's review.
    pub(crate) async fn held_email(
        &self,
        endpoint: &EndpointId,
    ) -> Result<Option<HeldEmail>, Arc<Error>> {
        let key = Key::HeldEmail(endpoint.clone());
        let items = self.read([key.clone()].into()).await?;
        let Some(item) = items.get(&key).cloned() else {
            return Ok(None);
        };
        let item: HeldItem =
            serde_dynamo::from_item(item).map_err(|error| Permanent::MalformedRequest {
                item: key.to_string(),
                detail: error.to_string(),
            })?;
        Ok(Some(HeldEmail {
            review: item.review,
            until: item.until,
        }))
    }

    /// Remembers that the approval e-mail of a review is held, or was.
    pub(crate) async fn note_held_email(
        &self,
        endpoint: &EndpointId,
        held: HeldEmail,
    ) -> Result<(), Arc<Error>> {
        let (pk, sk) = Key::HeldEmail(endpoint.clone()).values();
        let item = encode(HeldItem {
            pk,
            sk,
            review: held.review,
            until: held.until,
        })?;
        self.client
            .put_item()
            .table_name(&self.requests)
            .set_item(Some(item))
            .send()
            .await
            .map(drop)
            .map_err(|error| failed("PutItem", error, Retryable::RememberState))
    }
}
