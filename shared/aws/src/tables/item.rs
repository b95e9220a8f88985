//! Items as DynamoDB has them, and how they are listed.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

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

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
