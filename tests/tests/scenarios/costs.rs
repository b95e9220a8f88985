//! The cost of a decision and of a run of reconcile, counted on the wire. docs/cost.py calculates
//! with docs/cost-measured.json, and this test checks that file.

use std::sync::{Arc, Mutex};

use gatekeeper_aws::gatekeeper::Voter;
use gatekeeper_core::request::Status;
use gatekeeper_local::dynamodb::OnDone;
use gatekeeper_local::world::World;
use serde_json::{Map, Value, json};

use crate::support::*;

const MEASURED: &str = include_str!("../../../docs/cost-measured.json");
/// How many connections the runs of reconcile are measured with.
const MANY: u32 = 100;

/// A service, and two who may decide about it.
const SERVICE_WITH_APPROVERS: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
    principals: ["*"]
policy:
  settings:
    - {service_id: "*", on_unlisted: review, name: Payments API}
  entries:
    - {service_id: "*", principal: "000000000001", effect: allow, customer: Example GmbH, max_connections: 5}
    - {service_id: "*", principal: "000000000002", effect: deny, reason: contract ended}
  approvers:
    - {id: alice@example.com, services: ["*"]}
    - {id: bob@example.com, services: ["*"]}
"#;

/// DynamoDB's units on demand, and calls of others that cost something.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html>
///
/// The size of reads is not visible here: each item counts as one of up to 4 KB, each query as one
/// that finds that much. All of ours are smaller, except the index of open requests.
#[derive(Debug, Default)]
struct Units {
    half_reads: usize,
    writes: usize,
}

impl Units {
    fn add(&mut self, operation: &str, body: &Value) {
        match operation {
            "BatchGetItem" => {
                for asked in fields(&body["RequestItems"]).values() {
                    let keys = asked["Keys"].as_array().unwrap().len();
                    self.half_reads += keys * half_reads(asked);
                }
            }
            "GetItem" | "Query" => self.half_reads += half_reads(body),
            "PutItem" => self.writes += put(&body["Item"]),
            "UpdateItem" | "DeleteItem" => self.writes += 1,
            "BatchWriteItem" => {
                for writes in fields(&body["RequestItems"]).values() {
                    for write in writes.as_array().unwrap() {
                        self.writes += match write.get("PutRequest") {
                            Some(request) => put(&request["Item"]),
                            // A deletion counts by the size of the item: our messages have two or
                            // three KB.
                            None => 3,
                        };
                    }
                }
            }
            "TransactWriteItems" => {
                for item in body["TransactItems"].as_array().unwrap() {
                    // A write in a transaction costs twice as much.
                    self.writes += match item.get("Put") {
                        Some(request) => 2 * put(&request["Item"]),
                        None => 2,
                    };
                }
            }
            other => unreachable!("{other} is not reckoned with"),
        }
    }
}

fn fields(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

fn half_reads(request: &Value) -> usize {
    if request["ConsistentRead"] == true {
        2
    } else {
        1
    }
}

/// The units of a write, including the index if the item is in it.
fn put(item: &Value) -> usize {
    let units = size(item).div_ceil(1024);
    if item.get("open_service_id").is_some() {
        2 * units
    } else {
        units
    }
}

/// An item's size: names and values in UTF-8, without DynamoDB's types.
fn size(item: &Value) -> usize {
    match item {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(size).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let is_type = name.len() <= 4 && name.chars().all(char::is_uppercase);
                size(value) + if is_type { 0 } else { name.len() }
            })
            .sum(),
        _ => 1,
    }
}

/// Counts from now on.
struct Meter {
    units: Arc<Mutex<Units>>,
    publishes: u64,
    mails: usize,
}

impl Meter {
    fn of(world: &World) -> Self {
        let units = Arc::new(Mutex::new(Units::default()));
        let counted = Arc::clone(&units);
        let hook: OnDone = Arc::new(move |operation, body, status| {
            if status.is_success() {
                let body = serde_json::from_slice(body).unwrap();
                counted.lock().unwrap().add(operation, &body);
            }
        });
        world.dynamodb.set_on_done(Some(hook));
        Self {
            units,
            publishes: world.sns.calls_of("PublishBatch"),
            mails: mails(world),
        }
    }

    /// The result of counting.
    fn read(&self, world: &World) -> Value {
        world.dynamodb.set_on_done(None);
        let units = self.units.lock().unwrap();
        json!({
            "reads": units.half_reads.div_ceil(2),
            "writes": units.writes,
            "publishes": world.sns.calls_of("PublishBatch") - self.publishes,
            "mails": mails(world) - self.mails,
        })
    }
}

/// E-mails: to the readers of announcements, and to approvers.
fn mails(world: &World) -> usize {
    let inbox = world.sns.inbox();
    inbox.iter().filter(|mail| mail.protocol == "email").count()
}

/// One who asks, alone in its batch.
async fn one_request(world: &World, n: u32, account: &str) -> Value {
    somebody_asks(world, n, account);
    let meter = Meter::of(world);
    let answer = handle(
        world,
        json!({ "Records": [{
        "messageId": "m", "eventSource": "aws:sqs", "body": requested(&endpoint(n)).to_string(),
    }] }),
    );
    assert!(answer.await.failed.is_empty());
    meter.read(world)
}

/// A run of reconcile that has nothing to do, with this many accepted connections and nothing else.
async fn idle_run(connected: u32, settings_text: &str) -> Value {
    let world = world_of(SERVICE_WITH_APPROVERS).await;
    settings(&world, settings_text).await;
    for n in 1..=connected {
        let account = format!("{:012}", n + 1000);
        allow(&world, "*", &account).await;
        somebody_asks(&world, n, &account);
    }
    runs(&world, 3).await;
    if connected > 0 {
        assert_eq!(status(&world, connected).await, Some(Status::Accepted));
    }
    let meter = Meter::of(&world);
    world.reconcile_alone().await;
    meter.read(&world)
}

/// A sweep of the outbox that finds nothing. The schedule makes one every minute.
async fn idle_sweep() -> Value {
    let mut options = options();
    options.watch_topics = true;
    let world = world_with(options, SERVICE_WITH_APPROVERS).await;
    runs(&world, 2).await;
    let meter = Meter::of(&world);
    world.sweep().await;
    meter.read(&world)
}

async fn measured() -> Value {
    let world = world_of(SERVICE_WITH_APPROVERS).await;
    // Each instance looks these up once: the services, whose usage is counted, and the
    // subscriptions.
    world.sweep().await;
    one_request(&world, 9, "000000000001").await;
    let accept = one_request(&world, 1, "000000000001").await;
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    let reject = one_request(&world, 2, "000000000002").await;
    assert_eq!(status(&world, 2).await, Some(Status::Rejected));
    let review = one_request(&world, 3, "000000000003").await;
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
    let alice = by_link(&world, "alice", 3);
    let meter = Meter::of(&world);
    assert_eq!(look(&world, &alice).await, "open");
    assert_eq!(word(&vote(&world, &alice, &approval()).await), "decided");
    let vote = meter.read(&world);
    let nobodys = Voter::Link {
        token: "ExampleExampleExampleExampleExampleExample0".to_owned(),
        typed: String::new(),
    };
    let meter = Meter::of(&world);
    assert_eq!(look(&world, &nobodys).await, "invalid");
    let stranger = meter.read(&world);

    json!({
        "stranger": stranger,
        "accept": accept,
        "reject": reject,
        "review_with_two_approvers": review,
        "vote": vote,
        "sweep": idle_sweep().await,
        "reconcile": idle_run(0, "revoke: off").await,
        "reconcile_100": idle_run(MANY, "revoke: off").await,
        "reconcile_100_enforcing": idle_run(MANY, "revoke: enforce").await,
    })
}

#[tokio::test]
async fn the_cost_sheet_is_what_was_measured() {
    let measured = measured().await;
    let written: Value = serde_json::from_str(MEASURED).unwrap();
    assert_eq!(
        measured, written,
        "write this into docs/cost-measured.json and run docs/cost.py:\n{measured:#}"
    );
}
