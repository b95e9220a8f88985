//! The DynamoDB engine, called directly.
//!
//! The engine's own server is left for callers over HTTP: it words its refusal of requests
//! that no SDK sends (bad JSON, wrong types) as DynamoDB does, and does not let that be called. For
//! what an SDK sends, both answer the same, which a test holds.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use dynoxide::actions::get_records::{GetRecordsRequest, GetRecordsResponse, Record};
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::storage_backend::Clock as EngineClock;
use dynoxide::{Database, DynoxideError, streams};
use gatekeeper_aws::clock::Clock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::place::{PROVIDER, REGION};

/// The engine's view of the world's clock.
pub(crate) struct Ticks(pub(crate) Clock);

impl EngineClock for Ticks {
    fn now_unix_secs(&self) -> u64 {
        u64::try_from(self.0.now().as_second()).unwrap_or_default()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        self.0.now().as_duration().as_secs_f64()
    }
}

/// Carries out one operation; answers as the engine's server would.
pub(crate) fn carry_out(engine: &Database, operation: &str, body: &[u8]) -> (StatusCode, String) {
    let result = match operation {
        "BatchGetItem" => run(body, |request| engine.batch_get_item(request)),
        "BatchWriteItem" => run(body, |request| engine.batch_write_item(request)),
        "CreateTable" => run(body, |request| engine.create_table(request)),
        "DeleteItem" => run(body, |request| engine.delete_item(request)),
        "DescribeTable" => run(body, |request| engine.describe_table(request)),
        "GetItem" => run(body, |request| engine.get_item(request)),
        "ListTables" => run(body, |request| engine.list_tables(request)),
        "PutItem" => run(body, |request| engine.put_item(request)),
        "Query" => run(body, |request| engine.query(request)),
        "Scan" => run(body, |request| engine.scan(request)),
        "TransactGetItems" => run(body, |request| engine.transact_get_items(request)),
        "TransactWriteItems" => run(body, |request| engine.transact_write_items(request)),
        "UpdateItem" => run(body, |request| engine.update_item(request)),
        other => Err(DynoxideError::UnsupportedCapability(other.to_owned())),
    };
    match result {
        Ok(json) => (StatusCode::OK, json),
        Err(error) => {
            let status = StatusCode::from_u16(error.status_code());
            (status.unwrap_or(StatusCode::BAD_REQUEST), error.to_json())
        }
    }
}

fn run<Request: DeserializeOwned, Response: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Request) -> Result<Response, DynoxideError>,
) -> Result<String, DynoxideError> {
    let request = serde_json::from_slice(body)
        .map_err(|error| DynoxideError::SerializationException(error.to_string()))?;
    serde_json::to_string(&operation(request)?)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// How far each table's stream has been read: the iterator for what comes next.
#[derive(Default)]
pub(crate) struct Streams(Mutex<BTreeMap<String, String>>);

impl Streams {
    /// The records that a table's stream holds since it was last asked, as Lambda hands them over.
    pub(crate) fn read(&self, engine: &Database, table: &str) -> Result<Vec<Value>, DynoxideError> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = match places.get(table) {
            Some(place) => Some(place.clone()),
            None => {
                engine
                    .get_shard_iterator(GetShardIteratorRequest {
                        stream_arn: streams::stream_arn(table, "any"),
                        shard_id: streams::shard_id(table),
                        shard_iterator_type: "TRIM_HORIZON".to_owned(),
                        sequence_number: None,
                    })?
                    .shard_iterator
            }
        };
        let mut records = Vec::new();
        while let Some(place) = next {
            places.insert(table.to_owned(), place.clone());
            let GetRecordsResponse {
                records: read,
                next_shard_iterator,
            } = engine.get_records(GetRecordsRequest {
                shard_iterator: place,
                limit: None,
            })?;
            // An open shard always has a next place; nothing new there is the end for now.
            next = next_shard_iterator.filter(|_| !read.is_empty());
            for record in &read {
                records.push(as_lambda_has_it(table, record)?);
            }
        }
        Ok(records)
    }
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-example.html>
fn as_lambda_has_it(table: &str, record: &Record) -> Result<Value, DynoxideError> {
    let mut value = serde_json::to_value(record)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))?;
    if let Value::Object(fields) = &mut value {
        // The engine's id is random, and its Region its own.
        let number: u128 = record.dynamodb.sequence_number.parse().unwrap_or_default();
        fields.insert("eventID".to_owned(), json!(format!("{number:032x}")));
        fields.insert("awsRegion".to_owned(), json!(REGION));
        let arn = format!("arn:aws:dynamodb:{REGION}:{PROVIDER}:table/{table}");
        let arn = format!("{arn}/stream/2026-01-01T00:00:00.000");
        fields.insert("eventSourceARN".to_owned(), json!(arn));
    }
    Ok(value)
}
