//! Reviews whose approval e-mail is held, or was held until some time.

use std::sync::Arc;

use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::review::HeldEmail;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Db, Key, UnreadableItem};
use crate::error::{Error, Retryable};

#[derive(Debug, Serialize, Deserialize)]
struct HeldItem {
    pk: String,
    sk: String,
    review: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

/// The held state of reviews' approval e-mail.
#[derive(Debug, Clone)]
pub(crate) struct HeldEmails {
    db: Db,
}

impl HeldEmails {
    pub(crate) fn new(db: &Db) -> Self {
        Self { db: db.clone() }
    }

    /// The held state of the approval e-mail of an endpoint's review.
    pub(crate) async fn held_email(
        &self,
        endpoint: &EndpointId,
    ) -> Result<Option<HeldEmail>, Arc<Error>> {
        let key = Key::HeldEmail(endpoint.clone());
        let what = format!("whether the approval e-mail of {endpoint} was held could not be read");
        let items = self.db.read([key.clone()].into(), &what).await?;
        let Some(item) = items.get(&key).cloned() else {
            return Ok(None);
        };
        let item: HeldItem = serde_dynamo::from_item(item)
            .map_err(|error| UnreadableItem::new(&key, error).read_in(self.db.step))?;
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
        let what = format!("that the approval e-mail of {endpoint} is held could not be written");
        self.db
            .put(&key, item, Retryable::RememberState, what)
            .await
    }
}
