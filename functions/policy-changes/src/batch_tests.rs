//! Which records get which answer.

use gatekeeper_aws::error::{Retryable, Step};
use gatekeeper_core::policy_key::Stops;
use gatekeeper_core::precondition::UnreadablePolicy;
use serde_json::json;

use super::*;
use crate::decode::Edit;

fn service(n: u32) -> Subject {
    Subject::Service(format!("vpce-svc-{n:08x}").parse().unwrap())
}

fn record(sequence_number: Option<&str>, subject: Option<Subject>) -> Record {
    Record {
        sequence_number: sequence_number.map(ToOwned::to_owned),
        edit: Edit {
            subject,
            ..Edit::default()
        },
    }
}

fn retryable() -> Result<(), Arc<Error>> {
    let what = "the policy could not be read";
    let class = Retryable::ReadTables;
    Err(Error::new(Step::Judge, "dynamodb:BatchGetItem", class, what).into())
}

fn out_of_time() -> Result<(), Arc<Error>> {
    Err(Error::out_of_time(Step::Judge, "it was judged").into())
}

fn permanent() -> Result<(), Arc<Error>> {
    let unreadable = UnreadablePolicy {
        item: "* / settings".to_owned(),
        stops: Stops::EveryService,
        detail: "unknown field".to_owned(),
    };
    Err(Error::from(unreadable).into())
}

fn places(of: &[(usize, Arc<Error>)]) -> Vec<usize> {
    of.iter().map(|(index, _)| *index).collect()
}

fn said(answer: BatchResponse) -> serde_json::Value {
    serde_json::to_value(answer.into_response().unwrap()).unwrap()
}

#[test]
fn the_same_subject_is_looked_at_once_and_all_its_records_answer_for_it() {
    let batch = Batch::new(vec![
        record(Some("1"), Some(service(1))),
        record(Some("2"), Some(service(2))),
        record(Some("3"), None),
        record(Some("4"), Some(service(1))),
        record(Some("5"), Some(Subject::Everything)),
        record(Some("6"), Some(Subject::Everything)),
    ]);
    let subjects: Vec<_> = batch.hints().iter().map(|hint| &hint.subject).collect();
    assert_eq!(subjects, [&service(1), &service(2), &Subject::Everything]);
    assert!(
        batch
            .hints()
            .iter()
            .all(|hint| hint.kind == HintKind::PolicyEdited && hint.actor.is_none())
    );
    let answer = batch.answer(&[retryable(), Ok(()), retryable()]);
    assert_eq!(places(&answer.failed), [0, 3, 4, 5]);
    assert!(answer.left.is_empty());
    assert_eq!(
        said(answer),
        json!({"batchItemFailures": [
            {"itemIdentifier": "1"}, {"itemIdentifier": "4"},
            {"itemIdentifier": "5"}, {"itemIdentifier": "6"},
        ]})
    );
}

#[test]
fn a_permanent_failure_is_not_handed_back() {
    let batch = Batch::new(vec![
        record(Some("1"), Some(service(1))),
        record(Some("2"), Some(service(2))),
        record(Some("3"), Some(service(1))),
        record(None, Some(service(1))),
    ]);
    let answer = batch.answer(&[permanent(), retryable()]);
    assert_eq!(places(&answer.failed), [1]);
    assert_eq!(places(&answer.left), [0, 2, 3]);
    assert_eq!(
        said(answer),
        json!({"batchItemFailures": [{"itemIdentifier": "2"}]})
    );
}

#[test]
fn without_failures_nothing_is_handed_back() {
    let batch = Batch::new(vec![
        record(Some("1"), Some(service(1))),
        record(None, Some(service(2))),
        record(None, None),
    ]);
    let answer = batch.answer(&[Ok(()), Ok(())]);
    assert_eq!(said(answer), json!({"batchItemFailures": []}));
    let nothing = Batch::new(Vec::new());
    assert!(nothing.hints().is_empty());
    assert_eq!(said(nothing.answer(&[])), json!({"batchItemFailures": []}));
}

#[test]
fn a_record_without_a_name_fails_the_whole_invocation() {
    let batch = Batch::new(vec![
        record(Some("1"), Some(service(1))),
        record(None, Some(service(2))),
    ]);
    let error = batch.answer(&[retryable(), retryable()]).into_response();
    assert_eq!(error.unwrap_err().error_type(), "Retryable.ReadTables");
}

#[test]
fn an_edit_that_concerns_more_than_there_is_time_for_is_left_to_reconcile() {
    let batch = Batch::new(vec![record(Some("1"), Some(Subject::Everything))]);
    let answer = batch.answer(&[out_of_time()]);
    assert_eq!(places(&answer.left), [0]);
    assert_eq!(said(answer), json!({ "batchItemFailures": [] }));
}
