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
use super::{Key, Tables, Unencodable, UnreadableItem, number, text};
use crate::error::{Error, Retryable, Source};

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
        let what = "what the last look at approval e-mail left could not be read";
        let items = self.read([reach_key()].into(), what).await?;
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
        let writes = self.writes_of_look(before, look);
        let writes = writes.map_err(|error| error.written_in(self.step_of_writes()))?;
        let call = self.writing(
            "dynamodb:TransactWriteItems",
            Retryable::RememberState,
            "what a look at approval e-mail found could not be written down",
        );
        let sent = self
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

    /// What is remembered of a look, and what there is to tell of it.
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
            .table_name(&self.requests)
            .set_item(Some(encode(&key, item)?))
            .condition_expression("attribute_not_exists(pk) OR revision = :revision")
            .expression_attribute_values(":revision", number(before.revision))
            .build()
            .map_err(|error| wrong(error.into()))?;
        let mut writes = vec![TransactWriteItem::builder().put(put).build()];
        for alarm in &look.alarms {
            let left = OutboxItem::of_reach(alarm.clone());
            writes.push(self.put_new(encode_outbox(&left)?)?);
        }
        Ok(writes)
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
        let call = self.reading("dynamodb:Scan", "the open reviews could not be listed");
        let mut reviews = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| call.failed(error))?;
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
                let put = encode_outbox(item).and_then(|item| {
                    let put = PutRequest::builder().set_item(Some(item)).build();
                    put.map_err(|error| Unencodable::new("an item of the outbox", error))
                });
                let put = put.map_err(|error| error.written_in(self.step_of_writes()))?;
                writes.push(WriteRequest::builder().put_request(put).build());
            }
            let what = "open reviews could not be put into the outbox for whom e-mail reaches now";
            self.write_all(writes, Retryable::Outbox, what).await?;
        }
        Ok(())
    }

    /// What is remembered of the approval e-mail of an endpoint's review.
    pub(crate) async fn held_email(
        &self,
        endpoint: &EndpointId,
    ) -> Result<Option<HeldEmail>, Arc<Error>> {
        let key = Key::HeldEmail(endpoint.clone());
        let what = format!("whether the approval e-mail of {endpoint} was held could not be read");
        let items = self.read([key.clone()].into(), &what).await?;
        let Some(item) = items.get(&key).cloned() else {
            return Ok(None);
        };
        let item: HeldItem = serde_dynamo::from_item(item)
            .map_err(|error| UnreadableItem::new(&key, error).read_in(self.step))?;
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
        let key = Key::HeldEmail(endpoint.clone());
        let (pk, sk) = key.values();
        let item = HeldItem {
            pk,
            sk,
            review: held.review,
            until: held.until,
        };
        let item = encode(&key, item);
        let item = item.map_err(|error| error.written_in(self.step_of_writes()))?;
        let what = format!("that the approval e-mail of {endpoint} is held could not be written");
        let call = self.writing("dynamodb:PutItem", Retryable::RememberState, what);
        self.client
            .put_item()
            .table_name(&self.requests)
            .set_item(Some(item))
            .send()
            .await
            .map(drop)
            .map_err(|error| call.failed(error))
    }
}
