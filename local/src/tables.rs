//! The two DynamoDB tables, made as template.yaml makes them.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType,
};

use crate::place::{ALLOWLIST, REQUESTS};

/// Makes the tables as template.yaml does, unless they are there already.
pub(crate) async fn make_tables(client: &Client) -> Result<(), String> {
    let existing = client
        .list_tables()
        .send()
        .await
        .map_err(|error| gatekeeper_aws::error::chain(&error))?;
    let is_there = |name: &str| existing.table_names().iter().any(|table| table == name);
    if !is_there(ALLOWLIST) {
        make_table(client, ALLOWLIST, ("service_id", "rule"), None).await?;
    }
    if !is_there(REQUESTS) {
        let open = ("open", "open_service_id", "pk");
        make_table(client, REQUESTS, ("pk", "sk"), Some(open)).await?;
    }
    Ok(())
}

async fn make_table(
    client: &Client,
    name: &str,
    (partition, sort): (&str, &str),
    index: Option<(&str, &str, &str)>,
) -> Result<(), String> {
    let built = |error: aws_sdk_dynamodb::error::BuildError| error.to_string();
    let key = |name: &str, kind: KeyType| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
            .map_err(built)
    };
    let mut names = vec![partition, sort];
    // Each table's stream, as in template.yaml.
    let view = match name {
        ALLOWLIST => StreamViewType::NewAndOldImages,
        _ => StreamViewType::KeysOnly,
    };
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(view)
        .build()
        .map_err(built)?;
    let mut request = client
        .create_table()
        .stream_specification(stream)
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key(partition, KeyType::Hash)?)
        .key_schema(key(sort, KeyType::Range)?);
    if let Some((index, partition, sort)) = index {
        names.push(partition);
        request = request.global_secondary_indexes(
            GlobalSecondaryIndex::builder()
                .index_name(index)
                .key_schema(key(partition, KeyType::Hash)?)
                .key_schema(key(sort, KeyType::Range)?)
                .projection(
                    Projection::builder()
                        .projection_type(ProjectionType::All)
                        .build(),
                )
                .build()
                .map_err(built)?,
        );
    }
    for name in names {
        request = request.attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S)
                .build()
                .map_err(built)?,
        );
    }
    request
        .send()
        .await
        .map(drop)
        .map_err(|error| gatekeeper_aws::error::chain(&error))
}
