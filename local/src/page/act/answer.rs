//! What the forms' actions have in common: answering, and writing the allowlist.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::str::FromStr;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use gatekeeper_aws::error::chain;

use super::super::forms::{Complaint, Form, sentence};
use super::super::read::Reader;
use super::super::show::page;

pub(super) type Item = HashMap<String, AttributeValue>;

/// Back to the page, or the form again with what is wrong with it.
pub(super) async fn answer(
    reader: &Reader,
    form: Form,
    done: Result<(), Complaint>,
    place: &str,
) -> Response {
    match done {
        Ok(()) => Redirect::to(place).into_response(),
        Err(complaint) => {
            let form = form.refused(complaint);
            page(reader, &form, StatusCode::UNPROCESSABLE_ENTITY).await
        }
    }
}

/// Words with spaces or commas between them.
pub(super) fn words<T: FromStr<Err: Display> + Ord>(
    form: &Form,
    field: &'static str,
) -> Result<BTreeSet<T>, Complaint> {
    let words = form.get(field).split([',', ' ']);
    let parsed: Result<BTreeSet<T>, T::Err> = words
        .filter(|word| !word.is_empty())
        .map(str::parse)
        .collect();
    parsed.map_err(|error| Complaint::new(field, sentence(&error.to_string())))
}

/// Writes an item of the allowlist, but not over another of the same key: that one may have
/// conditions that this one lacks. `what` it is, for the message that it is there.
pub(super) async fn put_new(reader: &Reader, item: Item, what: &str) -> Result<(), String> {
    let put = reader
        .source
        .tables
        .put_item()
        .table_name(&reader.source.config.allowlist_table)
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(service_id)")
        .send()
        .await;
    put.map(drop)
        .map_err(|error| match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(_)) => {
                format!("There is {what} already; remove it first.")
            }
            _ => not_written(&error),
        })
}

/// Deletes an item of the allowlist, whatever is in it. It may be gone already.
pub(super) async fn delete(reader: &Reader, service_id: &str, rule: &str) -> Result<(), String> {
    let delete = reader
        .source
        .tables
        .delete_item()
        .table_name(&reader.source.config.allowlist_table)
        .set_key(Some(key(service_id, rule)))
        .send()
        .await;
    delete.map(drop).map_err(|error| not_written(&error))
}

pub(super) fn key(service_id: &str, rule: &str) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    HashMap::from([
        ("service_id".to_owned(), text(service_id)),
        ("rule".to_owned(), text(rule)),
    ])
}

pub(super) fn not_written<E: std::error::Error + 'static>(error: &SdkError<E>) -> String {
    format!("The allowlist could not be written: {}.", chain(error))
}
