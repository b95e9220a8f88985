//! Approvers' links: the approver and requests of each, under the hash of its token. The token is
//! stored nowhere. A vote does not change its link, because the request says who has voted.

use std::sync::Arc;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use gatekeeper_core::approver::ApproverId;
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::message::Invitation;
use gatekeeper_core::token::TokenHash;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::keys::encode;
use super::{Db, Key, Unencodable, UnreadableItem};
use crate::error::{Error, Retryable};

/// How long an expired link is kept, so that it can be told from one that never existed.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The content of a link.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Link {
    pk: String,
    sk: String,
    pub(crate) approver: ApproverId,
    /// The requests that the message lists, each with the number of its review.
    pub(crate) requests: Vec<(EndpointId, u64)>,
    pub(crate) sent_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// Epoch seconds after which DynamoDB may delete the item. Only housekeeping; no decision
    /// depends on it.
    purge_at: i64,
}

/// Reads and writes approvers' links.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    db: Db,
}

impl Links {
    pub(crate) fn new(db: &Db) -> Self {
        Self { db: db.clone() }
    }

    /// The link for a token; `None` if there is none.
    pub(crate) async fn link(&self, token: &TokenHash) -> Result<Option<Link>, Arc<Error>> {
        let key = Key::Link(token.clone());
        let what = "what an approver's link is bound to could not be read";
        let items = self.db.read([key.clone()].into(), what).await?;
        let Some(item) = items.get(&key).cloned() else {
            return Ok(None);
        };
        let read = serde_dynamo::from_item(item).map(Some);
        read.map_err(|error| {
            UnreadableItem::new(&key, error)
                .read_in(self.db.step)
                .into()
        })
    }

    /// Stores links that are about to be sent.
    pub(crate) async fn put_links(
        &self,
        links: &[(TokenHash, &Invitation)],
    ) -> Result<(), Arc<Error>> {
        for chunk in links.chunks(super::db::WRITES_PER_CALL) {
            let mut writes = Vec::new();
            for (token, invitation) in chunk {
                let key = Key::Link(token.clone());
                let (pk, sk) = key.values();
                let kept = invitation.expires_at.checked_add(KEPT);
                let link = Link {
                    pk,
                    sk,
                    approver: invitation.approver.clone(),
                    requests: invitation.requests.clone(),
                    sent_at: invitation.sent_at,
                    expires_at: invitation.expires_at,
                    purge_at: kept.unwrap_or(Timestamp::MAX).as_second(),
                };
                let put = encode(&key, link).and_then(|item| {
                    let put = PutRequest::builder().set_item(Some(item)).build();
                    put.map_err(|error| Unencodable::new("an approver's link", error))
                });
                let put = put.map_err(|error| error.written_in(self.db.step_of_writes()))?;
                writes.push(WriteRequest::builder().put_request(put).build());
            }
            let what = "the links of approval e-mails could not be kept";
            self.db.write_all(writes, Retryable::Outbox, what).await?;
        }
        Ok(())
    }
}
