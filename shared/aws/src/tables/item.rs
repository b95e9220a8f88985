//! Items as DynamoDB has them, and how they are listed.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_core::written::{Attributes, Value};

use crate::error::{Call, Error};

/// An item as DynamoDB has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// A query's items, page after page to the end.
pub(super) async fn all_of(query: QueryFluentBuilder, call: Call) -> Result<Vec<Item>, Arc<Error>> {
    query
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .map_err(|error| call.failed(error))
}

/// An item in the form in which core reads it.
pub(super) fn attributes_of(item: &Item) -> Attributes {
    let attribute = |(name, value): (&String, &AttributeValue)| (name.clone(), value_of(value));
    item.iter().map(attribute).collect()
}

fn value_of(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => Value::Text(text.clone()),
        AttributeValue::N(number) => Value::Number(number.clone()),
        AttributeValue::Bool(flag) => Value::Bool(*flag),
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::L(elements) => Value::List(elements.iter().map(value_of).collect()),
        AttributeValue::Ss(texts) => Value::List(texts.iter().cloned().map(Value::Text).collect()),
        AttributeValue::Ns(numbers) => {
            Value::List(numbers.iter().cloned().map(Value::Number).collect())
        }
        AttributeValue::M(_) => Value::Map,
        AttributeValue::B(_) => Value::Other("binary"),
        AttributeValue::Bs(_) => Value::Other("a set of binaries"),
        _ => Value::Other("of a type that nobody knows"),
    }
}

/// A value that core writes, as DynamoDB takes it; none for what no item of ours holds.
pub(super) fn stored(value: Value) -> Option<AttributeValue> {
    Some(match value {
        Value::Text(text) => AttributeValue::S(text),
        Value::Number(number) => AttributeValue::N(number),
        Value::Bool(flag) => AttributeValue::Bool(flag),
        Value::List(elements) => {
            AttributeValue::L(elements.into_iter().map(stored).collect::<Option<_>>()?)
        }
        Value::Plain(_) | Value::Null | Value::Map | Value::Other(_) => return None,
    })
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
