//! The handler when AWS cannot be reached, and when it is not needed.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::Duration;

use gatekeeper_aws::clients::{Access, Clients};
use gatekeeper_aws::clock::Clock;
use gatekeeper_aws::config::Config;
use gatekeeper_aws::telemetry::Metrics;
use lambda_runtime::Diagnostic;
use serde_json::json;
use tracing::Dispatch;

use super::*;

/// A handler for which every address refuses connections, and its deadline.
fn handler() -> (Handler, Deadline) {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let address = format!("http://{closed}");
    let topic = "arn:aws:sns:eu-central-1:111122223333:topic";
    let lookup = |name: &str| {
        let value = match name {
            "AWS_ENDPOINT_URL" => address.as_str(),
            "AWS_REGION" => "eu-central-1",
            "AWS_ACCESS_KEY_ID" => "111122223333",
            "AWS_SECRET_ACCESS_KEY" => "unused",
            "ALLOWLIST_TABLE" => "allowlist",
            "REQUESTS_TABLE" => "requests",
            "ANNOUNCEMENTS_TOPIC_ARN" | "CONNECTION_NOTIFICATION_TOPIC_ARN" => topic,
            "MANAGED_SERVICES" => "tagged",
            "OWN_ROLE_ARNS" => "arn:aws:iam::111122223333:role/policy-changes",
            "ORGANIZATIONS" => "off",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let config = Config::from_lookup(lookup).unwrap();
    let mut access = Access::from_lookup(lookup).unwrap();
    access.timeouts.attempts = 1;
    let clock = Clock::manual("2026-11-20T12:00:00Z".parse().unwrap());
    let deadline = Deadline::after(&clock, Duration::from_secs(60));
    let metrics = Metrics::off(clock.clone());
    let gatekeeper = Gatekeeper::new(&Clients::new(&access), &config, clock, metrics);
    (Handler::new(Arc::new(gatekeeper)), deadline)
}

fn inserted(number: &str, rule: &str, more: (&str, &str)) -> Value {
    json!({
        "eventSource": "aws:dynamodb",
        "eventName": "INSERT",
        "dynamodb": {
            "SequenceNumber": number,
            "NewImage": {"service_id": {"S": "*"}, "rule": {"S": rule}, more.0: {"S": more.1}},
        },
    })
}

/// A record that does not say which item was edited.
fn keyless(number: &str) -> Value {
    let mut record = inserted(number, "?", ("customer", "Example Ltd"));
    record["dynamodb"]["NewImage"]["rule"] = json!({"N": "1"});
    record
}

#[tokio::test]
async fn a_record_that_could_not_be_processed_comes_again() {
    let (handler, deadline) = handler();
    let payload = json!({"Records": [
        inserted("1", "allow#012345678901", ("customer", "Example Ltd")),
        keyless("2"),
        inserted("3", "settings", ("created_by", "nobody")),
        {"not": "a record"},
        inserted("5", "deny#*", ("reason", "maintenance")),
    ]});
    let answer = handler.handle(&payload, deadline).await.unwrap();
    // The second has no key that says where to look; the third has one.
    let response = serde_json::to_value(answer.into_response().unwrap()).unwrap();
    let numbers: Vec<_> = response["batchItemFailures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| failure["itemIdentifier"].as_str().unwrap())
        .collect();
    assert_eq!(numbers, ["1", "3", "5"]);
}

#[tokio::test]
async fn a_record_that_concerns_nobody_makes_no_call() {
    let (handler, deadline) = handler();
    let payload = json!({"Records": [
        keyless("1"),
        {"not": "a record"},
    ]});
    let answer = handler.handle(&payload, deadline).await.unwrap();
    assert!(answer.failed.is_empty() && answer.left.is_empty());
}

#[tokio::test]
async fn a_payload_that_is_no_stream_event_is_one_clear_error() {
    let (handler, deadline) = handler();
    let payload = json!({"source": "aws.ec2", "detail": {}});
    let error = handler.handle(&payload, deadline).await.unwrap_err();
    assert_eq!(
        Diagnostic::from(error),
        Diagnostic {
            error_type: "Permanent.NotAStreamEvent".to_owned(),
            error_message:
                "this is no event of the allowlist table's stream, so nothing was done: \
                {\"detail\":{},\"source\":\"aws.ec2\"}"
                    .to_owned(),
        }
    );
}

/// The log of a test.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_item_that_cannot_be_understood_is_logged_once_with_its_name() {
    let (handler, deadline) = handler();
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_writer(move || writer.clone())
        .finish();
    // While a process has only one subscriber, a line that is first reached on another test's
    // thread, which has none, is switched off for every thread. With two subscribers, both are
    // asked.
    let _second = Dispatch::new(tracing_subscriber::registry());
    let logging = tracing::subscriber::set_default(subscriber);
    let mut corrected = inserted("2", "deny", ("note", "x"));
    corrected["eventName"] = json!("REMOVE");
    corrected["dynamodb"]["OldImage"] = corrected["dynamodb"]["NewImage"].take();
    let payload = json!({"Records": [
        inserted("1", "allow", ("customer", "Example Ltd")),
        corrected,
    ]});
    handler.handle(&payload, deadline).await.unwrap();
    drop(logging);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    // The other lines are about calls that failed.
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["sequence_number"].is_string())
        .collect();
    let said: Vec<_> = lines
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            (text("level"), text("sequence_number"), text("error"))
        })
        .collect();
    assert_eq!(said.len(), 2, "{said:?}");
    for ((level, number, error), (expected, item)) in said
        .iter()
        .zip([("ERROR", "* / allow"), ("INFO", "* / deny")])
    {
        assert_eq!(level, expected);
        assert!(["1", "2"].contains(&number.as_str()));
        assert!(
            error.starts_with(&format!("the allowlist item {item} cannot be understood: ")),
            "{error}"
        );
    }
}
