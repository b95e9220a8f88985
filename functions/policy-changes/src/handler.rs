//! An invocation in, the gatekeeper's work, an answer out.

use std::sync::Arc;

use gatekeeper_aws::clock::Deadline;
use gatekeeper_aws::error::chain;
use gatekeeper_aws::gatekeeper::Gatekeeper;
use gatekeeper_aws::telemetry::Unit;
use serde_json::Value;

use crate::batch::{Answer, Batch};
use crate::decode::{NotAStreamEvent, Record, decode};

/// Handles invocations. Share it between them.
#[derive(Debug)]
pub struct Handler {
    gatekeeper: Arc<Gatekeeper>,
}

impl Handler {
    /// A handler.
    #[must_use]
    pub fn new(gatekeeper: Arc<Gatekeeper>) -> Self {
        Self { gatekeeper }
    }

    /// Handles one invocation.
    ///
    /// # Errors
    /// [`NotAStreamEvent`], before anything is done. The runtime logs it.
    pub async fn handle(
        &self,
        payload: &Value,
        deadline: Deadline,
    ) -> Result<Answer, NotAStreamEvent> {
        let records = decode(payload)?;
        for record in &records {
            self.tell(record);
        }
        let batch = Batch::new(records);
        let handled = self
            .gatekeeper
            .handle_edits(batch.hints(), batch.purged().to_vec(), deadline)
            .await;
        Ok(batch.answer(&handled))
    }

    /// An edit that makes no sense is logged once and counted: somebody has to put the item right.
    fn tell(
        &self,
        Record {
            edit,
            sequence_number,
        }: &Record,
    ) {
        let sequence_number = sequence_number.as_deref();
        if let Some(entry) = &edit.purged
            && !entry.is_expired(self.gatekeeper.clock().now())
        {
            tracing::warn!(
                sequence_number,
                rule = %entry.rule(),
                "DynamoDB deleted an entry of the allowlist at its purge_at, before it expired"
            );
        }
        if let Some(malformed) = &edit.malformed {
            let error = chain(malformed);
            if malformed.stops_what_it_concerns() {
                tracing::error!(
                    sequence_number,
                    error,
                    "an edit of the allowlist cannot be understood"
                );
            } else {
                tracing::error!(
                    sequence_number,
                    error,
                    "an entry of the allowlist says wrongly when DynamoDB may delete it"
                );
            }
            self.gatekeeper
                .metrics()
                .put("MalformedPolicyEdits", Unit::Count, 1.0, &[]);
        } else if let Some(mended) = &edit.mended {
            tracing::info!(
                sequence_number,
                error = chain(mended),
                "an allowlist item that was wrong was put right or removed"
            );
        } else if edit.subject.is_none() {
            tracing::debug!(sequence_number, "an edit of the allowlist concerns nobody");
        }
    }
}

#[cfg(test)]
#[path = "handler_tests.rs"]
mod tests;
