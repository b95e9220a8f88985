//! Approvers' links: what each is bound to, under the hash of its token. The token is kept nowhere.

use std::sync::Arc;

use aws_sdk_dynamodb::types::{PutRequest, TransactWriteItem, Update, WriteRequest};
use gatekeeper_core::approver::ApproverId;
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::message::Invitation;
use gatekeeper_core::token::TokenHash;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::requests::encode;
use super::{Items, Key, Tables, text};
use crate::error::{Error, Permanent};

/// How long a dead link is kept, so that it is told from one that never was.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// What a link opens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Link {
    pk: String,
    sk: String,
    pub(crate) approver: ApproverId,
    /// The requests that the message lists, each with which of its reviews.
    pub(crate) requests: Vec<(EndpointId, u64)>,
    pub(crate) sent_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// When somebody voted with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) used_at: Option<Timestamp>,
    /// Epoch seconds after which DynamoDB may delete the item. Housekeeping, never the gate.
    purge_at: i64,
}

impl Items {
    /// The link that a token opens; none if there is no such link.
    pub(crate) fn link(&self, token: &TokenHash) -> Result<Option<Link>, Permanent> {
        let key = Key::Link(token.clone());
        let Some(item) = self.get(&key).cloned() else {
            return Ok(None);
        };
        serde_dynamo::from_item(item)
            .map(Some)
            .map_err(|error| Permanent::MalformedRequest {
                item: key.to_string(),
                detail: error.to_string(),
            })
    }
}

impl Tables {
    /// Keeps links that are about to be sent.
    pub(crate) async fn put_links(
        &self,
        links: &[(TokenHash, &Invitation)],
    ) -> Result<(), Arc<Error>> {
        for chunk in links.chunks(super::outbox::WRITES_PER_CALL) {
            let mut writes = Vec::new();
            for (token, invitation) in chunk {
                let (pk, sk) = Key::Link(token.clone()).values();
                let kept = invitation.expires_at.checked_add(KEPT);
                let item = encode(Link {
                    pk,
                    sk,
                    approver: invitation.approver.clone(),
                    requests: invitation.requests.clone(),
                    sent_at: invitation.sent_at,
                    expires_at: invitation.expires_at,
                    used_at: None,
                    purge_at: kept.unwrap_or(Timestamp::MAX).as_second(),
                })?;
                let put = PutRequest::builder()
                    .set_item(Some(item))
                    .build()
                    .map_err(|error| Permanent::Encode(Box::new(error)))?;
                writes.push(WriteRequest::builder().put_request(put).build());
            }
            self.write_all(writes).await?;
        }
        Ok(())
    }

    /// The part of a vote's transaction that uses its link up.
    pub(super) fn use_up(&self, token: &TokenHash) -> Result<TransactWriteItem, Permanent> {
        let update = Update::builder()
            .table_name(&self.requests)
            .set_key(Some(Key::Link(token.clone()).item()))
            .update_expression("SET used_at = :now")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(used_at)")
            .expression_attribute_values(":now", text(self.clock.now().to_string()))
            .build()
            .map_err(|error| Permanent::Encode(Box::new(error)))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}
