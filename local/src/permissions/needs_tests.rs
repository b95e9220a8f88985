use axum::http::Request;
use local_aws::{Config, Ec2, NewService};
use serde_json::json;

use super::*;

fn ec2() -> Ec2 {
    let ec2 = Ec2::new(Config {
        account: PROVIDER.to_owned(),
        region: REGION.to_owned(),
        ..Config::default()
    });
    let new = NewService::new().id("vpce-svc-00000000000000001");
    ec2.put_service(new.tag("team", "network"));
    ec2
}

/// What is needed, one line each.
fn lines(needs: Vec<Need>) -> Vec<String> {
    let line = |need: Need| {
        let context = need.context.iter();
        let context: Vec<String> = context
            .map(|(key, values)| format!(" {key}={values:?}"))
            .collect();
        format!("{} {}{}", need.action, need.resource, context.concat())
    };
    needs.into_iter().map(line).collect()
}

fn of_json(service: &str, operation: &str, body: &Value) -> Vec<String> {
    let request =
        Request::post(format!("/{service}/")).header("x-amz-target", format!("Any.{operation}"));
    let (parts, ()) = request.body(()).unwrap().into_parts();
    lines(of(&parts, body.to_string().as_bytes(), &ec2()))
}

fn of_form(service: &str, body: &str) -> Vec<String> {
    let (parts, ()) = Request::post(format!("/{service}/"))
        .body(())
        .unwrap()
        .into_parts();
    lines(of(&parts, body.as_bytes(), &ec2()))
}

fn key(partition: &str) -> Value {
    json!({ "pk": { "S": partition }, "sk": { "S": "request" } })
}

const REQUESTS: &str = "arn:aws:dynamodb:us-east-1:111122223333:table/requests";
const ALLOWLIST: &str = "arn:aws:dynamodb:us-east-1:111122223333:table/allowlist";

#[test]
fn a_transaction_needs_what_its_parts_need() {
    let parts = json!({ "TransactItems": [
        { "Put": { "TableName": "requests", "Item": key("vpce-0a1b2c3d4e5f60718") } },
        { "Update": { "TableName": "requests", "Key": key("usage#vpce-svc-1#000000000001") } },
        { "Delete": { "TableName": "requests", "Key": key("outbox") } },
        { "ConditionCheck": { "TableName": "allowlist", "Key": { "service_id": { "S": "approvers" } } } },
    ] });
    assert_eq!(
        of_json("dynamodb", "TransactWriteItems", &parts),
        [
            format!(r#"dynamodb:PutItem {REQUESTS} {LEADING_KEYS}={{"vpce-x"}}"#),
            format!(r#"dynamodb:UpdateItem {REQUESTS} {LEADING_KEYS}={{"usage#x"}}"#),
            format!(r#"dynamodb:DeleteItem {REQUESTS} {LEADING_KEYS}={{"outbox"}}"#),
            format!(r#"dynamodb:ConditionCheckItem {ALLOWLIST} {LEADING_KEYS}={{"approvers"}}"#),
        ]
    );
}

#[test]
fn a_batch_is_asked_about_once_for_each_table() {
    let reads = json!({ "RequestItems": {
        "allowlist": { "Keys": [
            { "service_id": { "S": "*" } }, { "service_id": { "S": "vpce-svc-00000000000000001" } },
        ] },
        "requests": { "Keys": [key("vpce-01"), key("vpce-02"), key("link#00ff")] },
    } });
    assert_eq!(
        of_json("dynamodb", "BatchGetItem", &reads),
        [
            format!(r#"dynamodb:BatchGetItem {ALLOWLIST} {LEADING_KEYS}={{"*", "vpce-svc-x"}}"#),
            format!(r#"dynamodb:BatchGetItem {REQUESTS} {LEADING_KEYS}={{"link#x", "vpce-x"}}"#),
        ]
    );
    let writes = json!({ "RequestItems": { "requests": [
        { "PutRequest": { "Item": key("link#00ff") } }, { "DeleteRequest": { "Key": key("outbox") } },
    ] } });
    assert_eq!(
        of_json("dynamodb", "BatchWriteItem", &writes),
        [format!(
            r#"dynamodb:BatchWriteItem {REQUESTS} {LEADING_KEYS}={{"link#x", "outbox"}}"#
        )]
    );
}

#[test]
fn a_query_names_its_index_and_its_partition() {
    let query = json!({
        "TableName": "requests",
        "IndexName": "open",
        "KeyConditionExpression": "open_service_id = :service AND pk > :after",
        "ExpressionAttributeValues": {
            ":after": { "S": "vpce-01" }, ":service": { "S": "vpce-svc-00000000000000001" },
        },
    });
    let wanted = format!(r#"dynamodb:Query {REQUESTS}/index/open {LEADING_KEYS}={{"vpce-svc-x"}}"#);
    assert_eq!(of_json("dynamodb", "Query", &query), [wanted]);
    // A scan has no partition, and that is what a condition sees of it.
    let scan = of_json("dynamodb", "Scan", &json!({ "TableName": "requests" }));
    assert_eq!(scan, [format!("dynamodb:Scan {REQUESTS}")]);
}

#[test]
fn what_is_done_to_one_service_is_asked_with_its_tags() {
    let one = "vpc-endpoint-service/vpce-svc-00000000000000001";
    assert_eq!(
        of_form(
            "ec2",
            "Action=AcceptVpcEndpointConnections&ServiceId=vpce-svc-00000000000000001&VpcEndpointId.1=x"
        ),
        [format!(
            "ec2:AcceptVpcEndpointConnections arn:aws:ec2:us-east-1:111122223333:{one} \
             aws:ResourceTag/team={{\"network\"}}"
        )]
    );
    assert_eq!(
        of_form(
            "ec2",
            "Action=DescribeVpcEndpointServiceConfigurations&ServiceId.1=vpce-svc-00000000000000001"
        ),
        ["ec2:DescribeVpcEndpointServiceConfigurations *"]
    );
}

#[test]
fn the_other_services_name_their_resource() {
    let topic = "arn:aws:sns:us-east-1:111122223333:announcements";
    let form =
        "Action=PublishBatch&TopicArn=arn%3Aaws%3Asns%3Aus-east-1%3A111122223333%3Aannouncements";
    assert_eq!(of_form("sns", form), [format!("sns:Publish {topic}")]);
    let form = "Action=GetSubscriptionAttributes&SubscriptionArn=arn%3Aaws%3Asns%3Aus-east-1%3A111122223333%3Aannouncements%3A5f0c6a5e-8d41-4f0e-9a51-1e7b1f2f7f3e";
    assert_eq!(of_form("sns", form), ["sns:GetSubscriptionAttributes *"]);
    assert_eq!(
        of_json("events", "DescribeRule", &json!({ "Name": "cloud-trail" })),
        ["events:DescribeRule arn:aws:events:us-east-1:111122223333:rule/cloud-trail"]
    );
    let secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:team/slack";
    for id in ["team/slack".to_owned(), format!("{secret}-AbCd3f")] {
        assert_eq!(
            of_json("secrets", "GetSecretValue", &json!({ "SecretId": id })),
            [format!("secretsmanager:GetSecretValue {secret}-XXXXXX")]
        );
    }
    assert_eq!(
        of_json(
            "organizations",
            "ListParents",
            &json!({ "ChildId": "000000000001" })
        ),
        ["organizations:ListParents *"]
    );
}

#[test]
fn events_are_put_on_the_buses_that_they_name() {
    let bus = |name: &str| format!("arn:aws:events:us-east-1:111122223333:event-bus/{name}");
    let entry = |name: &str| json!({ "EventBusName": bus(name), "Source": "s", "Detail": "{}" });
    let entries = json!({ "Entries": [entry("b"), entry("a"), entry("b")] });
    assert_eq!(
        of_json("events", "PutEvents", &entries),
        ["a", "b"].map(|name| format!("events:PutEvents {}", bus(name)))
    );
}
