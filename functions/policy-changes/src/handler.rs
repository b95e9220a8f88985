//! Handles an invocation: decodes it, runs the gatekeeper, and answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatekeeper_aws::clock::Deadline;
use gatekeeper_aws::error::{Error, chain};
use gatekeeper_aws::gatekeeper::Gatekeeper;
use gatekeeper_aws::telemetry::Metric;
use serde_json::Value;

use crate::batch::{Batch, BatchResponse};
use crate::decode::{NotAStreamEvent, Record, decode};

/// Handles invocations. Share it between them.
#[derive(Debug)]
pub struct Handler {
    gatekeeper: Arc<Gatekeeper>,
}

impl Handler {
    #[must_use]
    pub fn new(gatekeeper: Arc<Gatekeeper>) -> Self {
        Self { gatekeeper }
    }

    /// Handles one invocation.
    ///
    /// # Errors
    /// [`NotAStreamEvent`], before anything else. The runtime logs it.
    pub async fn handle(
        &self,
        payload: &Value,
        deadline: Deadline,
    ) -> Result<BatchResponse, NotAStreamEvent> {
        let mut records = decode(payload)?;
        for record in &records {
            self.log_edit(record);
        }
        let unfollowed = self.follow_keys(&mut records).await;
        let batch = Batch::new(records);
        let handled = self
            .gatekeeper
            .handle_edits(batch.hints(), batch.purged().to_vec(), deadline)
            .await;
        Ok(batch.answer(&handled).and(unfollowed))
    }

    /// Remembers unexpected keys, each partition once. If that fails, the edit is not processed
    /// further: its connections would be decided as if the key did not exist.
    async fn follow_keys(&self, records: &mut [Record]) -> Vec<(usize, Arc<Error>)> {
        let mut followed: BTreeMap<String, Result<(), Arc<Error>>> = BTreeMap::new();
        let mut failed = Vec::new();
        for (index, Record { edit, .. }) in records.iter_mut().enumerate() {
            let Some(key) = &edit.unexpected_key else {
                continue;
            };
            let result = match followed.get(&key.service_id) {
                Some(result) => result.clone(),
                None => self.gatekeeper.follow_key(key).await,
            };
            if let Err(error) = &result {
                edit.subject = None;
                failed.push((index, Arc::clone(error)));
            }
            followed.insert(key.service_id.clone(), result);
        }
        failed
    }

    /// Logs and counts an invalid item once: somebody has to correct it.
    fn log_edit(
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
            tracing::error!(sequence_number, error, "{}", malformed.log_message());
            // An item that stops a single approver must not hide one that stops everybody.
            let stops = [("stops", malformed.stops().as_str())];
            self.gatekeeper
                .metrics()
                .put(Metric::MalformedPolicyEdits, 1.0, &stops);
        } else if let Some(corrected) = &edit.corrected {
            tracing::info!(
                sequence_number,
                error = chain(corrected),
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
