//! Handles an invocation: decodes it, sends what is due, and answers.

use std::sync::Arc;

use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use gatekeeper_aws::announcements::{Announcements, Swept};
use gatekeeper_aws::clock::Deadline;
use gatekeeper_aws::error::{Error, Step};
use gatekeeper_core::outbox::OutboxKey;
use serde_json::{Value, json};

use crate::decode::{Invocation, Record, decode};

/// Handles invocations. Share it between them.
#[derive(Debug)]
pub struct Handler {
    announcements: Arc<Announcements>,
}

/// The result of an invocation.
#[derive(Debug)]
pub enum HandlerResult {
    /// The records of the stream that are to come again.
    Stream(StreamAnswer),
    /// The result of the sweep.
    Swept(Swept),
}

/// The result for the records of one invocation.
#[derive(Debug, Default)]
pub struct StreamAnswer {
    /// The records to deliver again, by their position in the batch, with the error. Permanent
    /// failures, and those because time ran out, are left to the schedule.
    pub failed: Vec<(usize, Arc<Error>)>,
    sequence_numbers: Vec<Option<String>>,
}

impl Handler {
    #[must_use]
    pub fn new(announcements: Arc<Announcements>) -> Self {
        Self { announcements }
    }

    /// Handles one invocation.
    ///
    /// # Errors
    /// What kept a sweep from being made. It is logged.
    pub async fn handle(
        &self,
        payload: &Value,
        deadline: Deadline,
    ) -> Result<HandlerResult, Arc<Error>> {
        match decode(payload) {
            Invocation::Stream(records) => Ok(HandlerResult::Stream(
                self.handle_stream(records, deadline).await,
            )),
            Invocation::Schedule => {
                let swept = self.announcements.sweep_for_a_minute(deadline).await?;
                Ok(HandlerResult::Swept(swept))
            }
        }
    }

    async fn handle_stream(&self, records: Vec<Record>, deadline: Deadline) -> StreamAnswer {
        let mut places = Vec::new();
        let mut keys: Vec<OutboxKey> = Vec::new();
        let mut sequence_numbers = Vec::new();
        for (place, record) in records.into_iter().enumerate() {
            sequence_numbers.push(record.sequence_number);
            match record.key {
                Some(key) => {
                    places.push(place);
                    keys.push(key);
                }
                None => tracing::debug!(place, "a record is about no item of the outbox"),
            }
        }
        let handled = self.announcements.handle(&keys, deadline).await;
        let failed = places
            .into_iter()
            .zip(handled)
            .filter_map(|(place, handled)| Some((place, handled.err()?)))
            .filter(|(_, error)| error.is_retryable() && !error.is_out_of_time());
        StreamAnswer {
            failed: failed.collect(),
            sequence_numbers,
        }
    }
}

impl HandlerResult {
    /// The answer as Lambda takes it: of the stream, the records to hand over again, where Lambda goes on
    /// from the first of them.
    ///
    /// # Errors
    /// The failure of a record without a sequence number: then only the whole batch can be tried
    /// again.
    pub fn into_response(self) -> Result<Value, Arc<Error>> {
        match self {
            Self::Stream(answer) => answer.into_response(),
            Self::Swept(Swept { due, failed }) => Ok(json!({ "due": due, "failed": failed })),
        }
    }
}

impl StreamAnswer {
    fn into_response(self) -> Result<Value, Arc<Error>> {
        let mut response = DynamoDbEventResponse::default();
        for (place, error) in self.failed {
            let number = self.sequence_numbers.get(place).cloned().flatten();
            if number.is_none() {
                return Err(error);
            }
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = number;
            response.batch_item_failures.push(failure);
        }
        serde_json::to_value(response).map_err(|error| {
            let what = "the answer to Lambda";
            Error::unencodable(Step::Announce, what, error).into()
        })
    }
}
