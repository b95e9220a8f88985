//! Handles an invocation: decodes it, runs the gatekeeper, and answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lambda_events::sqs::SqsBatchResponse;
use gatekeeper_aws::clock::Deadline;
use gatekeeper_aws::error::{Error, chain};
use gatekeeper_aws::gatekeeper::Gatekeeper;
use gatekeeper_aws::telemetry::Metric;
use gatekeeper_core::hint::{Budget, Hint};
use serde_json::Value;

use crate::decode::{Decoded, Invocation, Malformed, OwnRoles, Record, decode, invocation};

/// Handles invocations. Share it between them.
#[derive(Debug)]
pub struct Handler {
    gatekeeper: Arc<Gatekeeper>,
    own_roles: OwnRoles,
}

/// The result of an invocation.
#[derive(Debug, Default)]
pub struct BatchResponse {
    /// Records to hand over again, by their place in the batch, and why.
    pub failed: Vec<(usize, Arc<Error>)>,
    /// The records that are malformed, by their position in the batch. They are not delivered
    /// again.
    pub given_up: Vec<(usize, Malformed)>,
    /// The records' SQS message ids, if they came from a queue.
    ids: Vec<Option<String>>,
    /// Whether the records came from a queue, which can deliver single ones again.
    queue: bool,
}

impl Handler {
    /// Makes a handler that tells calls made under `own_roles` from other people's.
    #[must_use]
    pub fn new(gatekeeper: Arc<Gatekeeper>, own_roles: OwnRoles) -> Self {
        Self {
            gatekeeper,
            own_roles,
        }
    }

    /// Handles one invocation. Whatever the payload is, there is an answer.
    pub async fn handle(&self, payload: Value, deadline: Deadline) -> BatchResponse {
        let (queue, records) = match invocation(payload) {
            Ok(Invocation::Queue(records)) => (true, records),
            Ok(Invocation::Direct(records)) => (false, records),
            Err(malformed) => {
                self.give_up(None, &malformed);
                return BatchResponse {
                    given_up: vec![(0, malformed)],
                    ..BatchResponse::default()
                };
            }
        };
        let mut answer = BatchResponse {
            queue,
            ..BatchResponse::default()
        };
        let mut found = Vec::new();
        for (index, Record { id, body }) in records.into_iter().enumerate() {
            match decode(&body, &self.own_roles) {
                Ok(Decoded::Hints(hints)) => {
                    found.extend(hints.into_iter().map(|hint| (index, hint)));
                }
                Ok(Decoded::Ignored(why)) => {
                    tracing::debug!(message_id = id, why = why.as_str(), "event ignored");
                }
                Err(malformed) => {
                    self.give_up(id.as_deref(), &malformed);
                    answer.given_up.push((index, malformed));
                }
            }
            answer.ids.push(id);
        }
        let (records, hints) = within_budget(found);
        let handled = self.gatekeeper.handle(&hints, deadline).await;
        let mut failed = BTreeMap::new();
        for (index, handled) in records.into_iter().zip(handled) {
            if let Err(error) = handled {
                failed.entry(index).or_insert(error);
            }
        }
        answer.failed.extend(failed);
        answer
    }

    /// Logs and counts a malformed record once and drops it, because it would be malformed the next
    /// time, too.
    fn give_up(&self, message_id: Option<&str>, malformed: &Malformed) {
        tracing::warn!(
            message_id,
            error = chain(malformed),
            "malformed record given up"
        );
        self.gatekeeper
            .metrics()
            .put(Metric::MalformedRecords, 1.0, &[]);
    }
}

/// The hints within the budget of one batch, and the record of each.
fn within_budget(mut found: Vec<(usize, Hint)>) -> (Vec<usize>, Vec<Hint>) {
    // Only our own account's CloudTrail names who decided, and only for endpoints that are looked
    // up. Sort these hints first, so that others' events cannot use up the budget.
    found.sort_by_key(|(_, hint)| hint.actor.is_none());
    let mut budget = Budget::of_batch();
    found
        .into_iter()
        .map(|(index, hint)| (index, budget.admit(hint)))
        .unzip()
}

impl BatchResponse {
    /// The answer as Lambda takes it: for a queue, the records to hand over again; else nothing.
    ///
    /// # Errors
    /// The first failure, if only the whole invocation can be tried again.
    pub fn into_response(self) -> Result<Option<SqsBatchResponse>, Arc<Error>> {
        let mut response = SqsBatchResponse::default();
        for (index, error) in self.failed {
            match self.ids.get(index).cloned().flatten() {
                Some(id) if self.queue => response.add_failure(id),
                _ => return Err(error),
            }
        }
        Ok(self.queue.then_some(response))
    }
}
