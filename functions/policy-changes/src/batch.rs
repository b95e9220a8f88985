//! The records of one invocation: their subjects, each once, and the answer for each record.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use gatekeeper_aws::error::Error;
use gatekeeper_core::hint::{Hint, HintKind, Subject};
use gatekeeper_core::policy::Entry;

use crate::decode::Record;

/// The subjects of an invocation's records.
#[derive(Debug)]
pub struct Batch {
    hints: Vec<Hint>,
    purged: Vec<Entry>,
    /// For each record its sequence number, and the hint that it waits for.
    records: Vec<(Option<String>, Option<usize>)>,
}

/// The result for the records of one invocation.
#[derive(Debug, Default)]
pub struct BatchResponse {
    /// Records to hand over again, by their place in the batch, and why.
    pub failed: Vec<(usize, Arc<Error>)>,
    /// Records that failed permanently, or that concern more than there was time for, by their
    /// position in the batch. They are not delivered again: they would block the shard, perhaps
    /// before the very edit that corrects the mistake. Reconcile looks at what they concern.
    pub left: Vec<(usize, Arc<Error>)>,
    sequence_numbers: Vec<Option<String>>,
}

impl Batch {
    /// Collects the records' subjects, each once: if several edits concern the same subject, one
    /// look sees the result of all.
    #[must_use]
    pub fn new(records: Vec<Record>) -> Self {
        let mut hints: Vec<Hint> = Vec::new();
        let mut known: HashMap<Subject, usize> = HashMap::new();
        let mut hint_for = |subject: Subject| {
            *known.entry(subject).or_insert_with_key(|subject| {
                hints.push(Hint {
                    kind: HintKind::PolicyEdited,
                    subject: subject.clone(),
                    actor: None,
                });
                hints.len() - 1
            })
        };
        let mut purged = Vec::new();
        let records = records
            .into_iter()
            .map(|record| {
                purged.extend(record.edit.purged);
                let hint = record.edit.subject.map(&mut hint_for);
                (record.sequence_number, hint)
            })
            .collect();
        Self {
            hints,
            purged,
            records,
        }
    }

    /// Where to look.
    #[must_use]
    pub fn hints(&self) -> &[Hint] {
        &self.hints
    }

    /// The entries that DynamoDB's time to live deleted.
    #[must_use]
    pub fn purged(&self) -> &[Entry] {
        &self.purged
    }

    /// The answer for the records, from the results of the hints, in their order.
    #[must_use]
    pub fn answer(self, handled: &[Result<(), Arc<Error>>]) -> BatchResponse {
        let mut answer = BatchResponse::default();
        for (index, (sequence_number, hint)) in self.records.into_iter().enumerate() {
            answer.sequence_numbers.push(sequence_number);
            let failure = hint
                .and_then(|hint| handled.get(hint))
                .and_then(|handled| handled.as_ref().err());
            match failure {
                Some(error) if error.is_retryable() && !error.is_out_of_time() => {
                    answer.failed.push((index, error.clone()));
                }
                Some(error) => answer.left.push((index, error.clone())),
                None => {}
            }
        }
        answer
    }
}

impl BatchResponse {
    /// The answer, with more records that failed, by their place in the batch.
    #[must_use]
    pub fn and(mut self, failed: Vec<(usize, Arc<Error>)>) -> Self {
        for (index, error) in failed {
            let is_retryable = error.is_retryable();
            let records = if is_retryable {
                &mut self.failed
            } else {
                &mut self.left
            };
            records.push((index, error));
        }
        self.failed.sort_by_key(|(index, _)| *index);
        self
    }

    /// The answer in Lambda's format: the records to deliver again. Lambda continues from the first
    /// of them.
    ///
    /// # Errors
    /// The failure of a record without a sequence number: then only the whole batch can be tried
    /// again.
    pub fn into_response(self) -> Result<DynamoDbEventResponse, Arc<Error>> {
        let mut response = DynamoDbEventResponse::default();
        for (index, error) in self.failed {
            let number = self.sequence_numbers.get(index).cloned().flatten();
            if number.is_none() {
                return Err(error);
            }
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = number;
            response.batch_item_failures.push(failure);
        }
        Ok(response)
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
