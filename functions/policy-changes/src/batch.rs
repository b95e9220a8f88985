//! The records of one invocation: what is to be looked at for them, and what to answer for each.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use gatekeeper_aws::error::Error;
use gatekeeper_core::hint::{Hint, HintKind, Subject};
use gatekeeper_core::policy::Entry;

use crate::decode::Record;

/// What is to be looked at for the records of one invocation.
#[derive(Debug)]
pub struct Batch {
    hints: Vec<Hint>,
    purged: Vec<Entry>,
    /// For each record its sequence number, and which hint it waits for.
    records: Vec<(Option<String>, Option<usize>)>,
}

/// What became of the records of one invocation.
#[derive(Debug, Default)]
pub struct BatchResponse {
    /// Records to hand over again, by their place in the batch, and why.
    pub failed: Vec<(usize, Arc<Error>)>,
    /// Records that failed in a way that trying again does not help, or that concern more than there
    /// was time for, by their place in the batch.
    /// They do not come again: the shard would stand still before them, perhaps before the very edit
    /// that puts things right. Reconcile looks at what they concern.
    pub left: Vec<(usize, Arc<Error>)>,
    sequence_numbers: Vec<Option<String>>,
}

impl Batch {
    /// Puts the records' subjects together, each once: where several edits concern the same, one look
    /// sees what came of them all.
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

    /// The entries that DynamoDB's time to live took away.
    #[must_use]
    pub fn purged(&self) -> &[Entry] {
        &self.purged
    }

    /// Answers for the records, from what came of the hints, in their order.
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

    /// The answer as Lambda takes it: the records to hand over again. Lambda goes on from the first of
    /// them.
    ///
    /// # Errors
    /// The failure of a record that cannot be named: then only all of them can be tried again.
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
