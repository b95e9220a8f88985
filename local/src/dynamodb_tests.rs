//! Calls that reach the engine directly are answered as over its server.

use gatekeeper_aws::clock::Clock;
use jiff::Timestamp;

use super::*;

fn clock() -> Clock {
    Clock::manual("2026-11-20T12:00:00Z".parse().unwrap())
}

async fn both() -> [DynamoDb; 2] {
    [
        DynamoDb::start(None, clock()).await.unwrap(),
        DynamoDb::direct(None, clock()).unwrap(),
    ]
}

async fn call(gate: &DynamoDb, operation: &str, body: &Value) -> (u16, Value) {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("content-type", "application/x-amz-json-1.0".to_owned()),
        ("x-amz-target", format!("DynamoDB_20120810.{operation}")),
        ("x-amz-date", "20261120T120000Z".to_owned()),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=111122223333/20261120/us-east-1/dynamodb/aws4_request, \
             SignedHeaders=host, Signature=00"
                .to_owned(),
        ),
    ] {
        headers.insert(name, value.parse().unwrap());
    }
    let response = gate.answer(&headers, Bytes::from(body.to_string())).await;
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), BODY_LIMIT).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

fn table(name: &str) -> Value {
    json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
            {"AttributeName": "open", "AttributeType": "S"},
        ],
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        "GlobalSecondaryIndexes": [{
            "IndexName": "open",
            "KeySchema": [
                {"AttributeName": "open", "KeyType": "HASH"},
                {"AttributeName": "pk", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    })
}

fn item(pk: &str, version: u32) -> Value {
    json!({
        "pk": {"S": pk}, "sk": {"S": "request"}, "open": {"S": "svc"},
        "version": {"N": version.to_string()}, "ids": {"SS": ["a", "b"]},
        "verdict": {"M": {"failed": {"L": []}, "rule": {"NULL": true}, "yes": {"BOOL": true}}},
    })
}

fn key(pk: &str) -> Value {
    json!({"pk": {"S": pk}, "sk": {"S": "request"}})
}

/// A put under the condition that the item has this version, which wants the item back if it has not.
fn put_if(pk: &str, version: u32) -> Value {
    json!({
        "TableName": "tab", "Item": item(pk, version + 1),
        "ConditionExpression": "version = :v AND attribute_not_exists(claimed)",
        "ExpressionAttributeValues": {":v": {"N": version.to_string()}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    })
}

fn transaction(version: u32) -> Value {
    json!({"TransactItems": [
        {"Put": put_if("a", version)},
        {"Put": {"TableName": "tab", "Item": {"pk": {"S": "a"}, "sk": {"S": format!("history#{version}")}},
                 "ConditionExpression": "attribute_not_exists(pk)"}},
        {"Update": {"TableName": "tab", "Key": {"pk": {"S": "usage"}, "sk": {"S": "usage"}},
                    "UpdateExpression": "ADD endpoints :own",
                    "ConditionExpression": "attribute_not_exists(endpoints) OR size(endpoints) < :max",
                    "ExpressionAttributeValues": {":own": {"SS": ["a"]}, ":max": {"N": "1"}}}},
        {"ConditionCheck": {"TableName": "tab", "Key": key("b"),
                            "ConditionExpression": "attribute_not_exists(pk)"}},
    ]})
}

/// What the functions and the tests send, with each way it can go wrong.
fn calls() -> Vec<(&'static str, Value)> {
    let query = |condition: &str, values: Value| json!({"TableName": "tab", "KeyConditionExpression": condition, "ExpressionAttributeValues": values});
    let mut by_index = query("#o = :o", json!({":o": {"S": "svc"}}));
    by_index["IndexName"] = json!("open");
    by_index["ExpressionAttributeNames"] = json!({"#o": "open"});
    vec![
        ("ListTables", json!({})),
        ("PutItem", json!({"TableName": "tab", "Item": item("a", 1)})),
        ("PutItem", put_if("a", 7)),
        (
            "PutItem",
            json!({"TableName": "tab", "Item": {"pk": {"S": "a"}}}),
        ),
        (
            "PutItem",
            json!({"TableName": "tab", "Item": {"pk": {"N": "1"}, "sk": {"S": "x"}}}),
        ),
        (
            "PutItem",
            json!({"TableName": "nowhere", "Item": item("a", 1)}),
        ),
        (
            "GetItem",
            json!({"TableName": "tab", "Key": key("a"), "ConsistentRead": true}),
        ),
        ("GetItem", json!({"TableName": "tab", "Key": key("none")})),
        ("TransactWriteItems", transaction(1)),
        ("TransactWriteItems", transaction(1)),
        ("TransactWriteItems", transaction(2)),
        (
            "TransactWriteItems",
            json!({"TransactItems": [
            {"Put": put_if("a", 1)}, {"Put": put_if("a", 1)}]}),
        ),
        (
            "TransactWriteItems",
            json!({"TransactItems": [{"ConditionCheck": {
            "TableName": "tab", "Key": key("a"), "ConditionExpression": "version ="}}]}),
        ),
        (
            "TransactGetItems",
            json!({"TransactItems": [{"Get": {"TableName": "tab", "Key": key("a")}}]}),
        ),
        (
            "UpdateItem",
            json!({"TableName": "tab", "Key": key("a"),
            "UpdateExpression": "SET decided_by = :a", "ConditionExpression": "version = :v",
            "ExpressionAttributeValues": {":a": {"S": "x"}, ":v": {"N": "99"}}}),
        ),
        (
            "UpdateItem",
            json!({"TableName": "tab", "Key": {"pk": {"S": "usage"}, "sk": {"S": "usage"}},
            "UpdateExpression": "DELETE endpoints :stale",
            "ExpressionAttributeValues": {":stale": {"SS": ["a"]}}, "ReturnValues": "ALL_NEW"}),
        ),
        (
            "BatchGetItem",
            json!({"RequestItems": {"tab": {"ConsistentRead": true,
            "Keys": [key("a"), key("b"), key("none")]}}}),
        ),
        ("BatchGetItem", json!({"RequestItems": {}})),
        (
            "Query",
            query(
                "pk = :p AND begins_with(sk, :h)",
                json!({":p": {"S": "a"}, ":h": {"S": "history#"}}),
            ),
        ),
        ("Query", by_index),
        ("Query", query("pk > :p", json!({":p": {"S": "a"}}))),
        ("Scan", json!({"TableName": "tab"})),
        (
            "BatchWriteItem",
            json!({"RequestItems": {"tab": [{"DeleteRequest": {"Key": key("a")}}]}}),
        ),
        (
            "DeleteItem",
            json!({"TableName": "tab", "Key": key("a"), "ReturnValues": "ALL_OLD"}),
        ),
        ("Scan", json!({"TableName": "tab"})),
    ]
}

#[tokio::test]
async fn both_ways_to_the_engine_answer_alike() {
    let ways = both().await;
    for gate in &ways {
        let (status, body) = call(gate, "CreateTable", &table("tab")).await;
        assert_eq!(status, 200, "{body}");
    }
    let mut statuses = std::collections::BTreeSet::new();
    let mut errors = std::collections::BTreeSet::new();
    for (operation, body) in calls() {
        let [server, direct] = [&ways[0], &ways[1]];
        let expected = call(server, operation, &body).await;
        let answered = call(direct, operation, &body).await;
        assert_eq!(answered, expected, "{operation} {body}");
        statuses.insert(expected.0);
        if let Some(kind) = expected.1["__type"].as_str() {
            errors.insert(kind.rsplit('#').next().unwrap().to_owned());
        }
    }
    assert_eq!(Vec::from_iter(statuses), [200, 400]);
    let expected = [
        "ConditionalCheckFailedException",
        "ResourceNotFoundException",
        "TransactionCanceledException",
        "ValidationException",
    ];
    assert_eq!(Vec::from_iter(errors), expected);
}

#[tokio::test]
async fn faults_and_hooks_are_the_same_both_ways() {
    for gate in both().await {
        call(&gate, "CreateTable", &table("tab")).await;
        let done = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&done);
        gate.set_on_done(Some(Arc::new(move |operation, body, status| {
            assert!(!body.is_empty());
            lock(&seen).push(format!("{operation} {}", status.as_u16()));
        })));
        let put = json!({"TableName": "tab", "Item": item("a", 1)});
        gate.inject("PutItem", Fault::AnswerLost, 1);
        gate.inject("PutItem", Fault::Throttle, 1);
        assert_eq!(call(&gate, "PutItem", &put).await.0, 500);
        assert_eq!(call(&gate, "PutItem", &put).await.0, 400);
        assert_eq!(call(&gate, "PutItem", &put_if("a", 9)).await.0, 400);
        // The lost answer was work done, the throttled call was none.
        assert_eq!(*lock(&done), ["PutItem 200", "PutItem 400"]);
        assert_eq!(gate.calls().get("PutItem"), Some(&3));
    }
}

#[tokio::test]
async fn a_stream_hands_out_what_is_new_as_lambda_does() {
    let clock = clock();
    let gate = DynamoDb::direct(None, clock.clone()).unwrap();
    call(&gate, "CreateTable", &table("tab")).await;
    assert_eq!(gate.stream_records("tab"), Ok(vec![]));
    call(
        &gate,
        "PutItem",
        &json!({"TableName": "tab", "Item": item("a", 1)}),
    )
    .await;
    clock.advance(std::time::Duration::from_secs(60));
    call(
        &gate,
        "PutItem",
        &json!({"TableName": "tab", "Item": item("a", 2)}),
    )
    .await;
    let records = gate.stream_records("tab").unwrap();
    let names: Vec<&str> = records
        .iter()
        .map(|r| r["eventName"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["INSERT", "MODIFY"]);
    let changed = &records[1];
    assert_eq!(changed["eventSource"], "aws:dynamodb");
    assert_eq!(changed["awsRegion"], "us-east-1");
    let arn = changed["eventSourceARN"].as_str().unwrap();
    assert!(
        arn.starts_with("arn:aws:dynamodb:us-east-1:111122223333:table/tab/stream/"),
        "{arn}"
    );
    assert_eq!(changed["eventID"].as_str().unwrap().len(), 32);
    assert_ne!(changed["eventID"], records[0]["eventID"]);
    assert_eq!(
        changed.get("userIdentity"),
        None,
        "nobody but TTL bears one"
    );
    let body = &changed["dynamodb"];
    assert_eq!(body["Keys"], key("a"));
    assert_eq!(body["OldImage"], item("a", 1));
    assert_eq!(body["NewImage"], item("a", 2));
    assert_eq!(body["StreamViewType"], "NEW_AND_OLD_IMAGES");
    let at = Timestamp::from_second(body["ApproximateCreationDateTime"].as_f64().unwrap() as i64);
    assert_eq!(at.unwrap(), clock.now(), "the world's clock");
    assert!(body["SequenceNumber"].as_str() > records[0]["dynamodb"]["SequenceNumber"].as_str());

    assert_eq!(gate.stream_records("tab"), Ok(vec![]), "handed out once");
    call(
        &gate,
        "DeleteItem",
        &json!({"TableName": "tab", "Key": key("a")}),
    )
    .await;
    let removed = gate.stream_records("tab").unwrap();
    assert_eq!(removed.len(), 1);
    assert_eq!(removed[0]["eventName"], "REMOVE");
    assert_eq!(removed[0]["dynamodb"].get("NewImage"), None);
    assert!(gate.stream_records("nowhere").is_err());
}
