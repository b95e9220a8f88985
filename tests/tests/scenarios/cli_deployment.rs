//! A deployment that is named by its stack: names, versions and the caller come from AWS.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use gatekeeper_local::world::World;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::desk::Desk;
use crate::support::*;

const WORLD: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
policy:
  settings:
    - {service_id: vpce-svc-0a1b2c3d4e5f60718, name: Payments API}
"#;

/// CloudFormation and STS, as far as the command asks them: an answer for each operation.
struct Answers(Arc<Mutex<BTreeMap<&'static str, (u16, String)>>>);

impl Answers {
    /// Serves answers on loopback until the test ends. Answers the address.
    async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::clone(&self.0);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answers = Arc::clone(&answers);
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    let mut buffer = [0; 4096];
                    let answer = loop {
                        let read = stream.read(&mut buffer).await.unwrap_or(0);
                        request.extend_from_slice(&buffer[..read]);
                        let text = String::from_utf8_lossy(&request).into_owned();
                        let answers = answers.lock().unwrap();
                        let called = |name: &&&str| {
                            text.contains(&format!("Action={name}&"))
                                || text.contains(&format!(".{name}\r\n"))
                        };
                        if let Some(name) = answers.keys().find(called) {
                            break answers[name].clone();
                        }
                        if read == 0 {
                            return;
                        }
                    };
                    let (status, body) = answer;
                    let head = format!(
                        "HTTP/1.1 {status} -\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all((head + &body).as_bytes()).await;
                });
            }
        });
        address
    }

    fn put(&self, operation: &'static str, status: u16, body: impl Into<String>) {
        self.0
            .lock()
            .unwrap()
            .insert(operation, (status, body.into()));
    }
}

fn stack(outputs: &[(&str, &str)]) -> String {
    let outputs: String = outputs
        .iter()
        .map(|(key, value)| {
            format!(
                "<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>"
            )
        })
        .collect();
    format!(
        "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><DescribeStacksResult><Stacks>\
         <member><StackName>gatekeeper</StackName><CreationTime>2026-11-01T00:00:00Z</CreationTime>\
         <StackStatus>CREATE_COMPLETE</StackStatus><Outputs>{outputs}</Outputs></member></Stacks></DescribeStacksResult>\
         </DescribeStacksResponse>"
    )
}

const IDENTITY: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
    <Arn>arn:aws:sts::111122223333:assumed-role/Operator/dana</Arn><UserId>A</UserId><Account>111122223333</Account>\
    </GetCallerIdentityResult></GetCallerIdentityResponse>";

fn environment(world: &World, at: &str) -> BTreeMap<&'static str, String> {
    let of = |service: &str| format!("http://{}/{service}", world.address());
    [
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "111122223333".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "any".to_owned()),
        ("AWS_ENDPOINT_URL_EC2", of("ec2")),
        ("AWS_ENDPOINT_URL_DYNAMODB", of("dynamodb")),
        ("AWS_ENDPOINT_URL_SNS", of("sns")),
        ("AWS_ENDPOINT_URL_CLOUDFORMATION", at.to_owned()),
        ("AWS_ENDPOINT_URL_STS", at.to_owned()),
        ("AWS_ENDPOINT_URL_CLOUDWATCH", at.to_owned()),
    ]
    .into()
}

#[tokio::test]
async fn a_stack_names_the_tables_and_the_caller_is_noted() {
    let world = world_of(WORLD).await;
    let answers = Answers(Arc::default());
    let at = answers.serve().await;
    answers.put("GetCallerIdentity", 200, IDENTITY);
    let outputs = [
        ("AllowlistTable", "allowlist"),
        ("RequestsTable", "requests"),
        ("Version", env!("CARGO_PKG_VERSION")),
    ];
    answers.put("DescribeStacks", 200, stack(&outputs));
    let mut desk = Desk::of(&world);
    desk.environment = Some(environment(&world, &at));
    let allow = [
        "--stack",
        "gatekeeper",
        "allow",
        "pay",
        "000000000002",
        "--yes",
    ];
    desk.done(&allow).await;
    let entries = desk
        .done(&["--stack", "gatekeeper", "entries", "--output", "json"])
        .await;
    assert!(
        entries.contains("arn:aws:sts::111122223333:assumed-role/Operator/dana"),
        "{entries}"
    );
    // Somebody else who says the same changes nothing.
    answers.put("GetCallerIdentity", 200, IDENTITY.replace("dana", "erik"));
    assert!(desk.done(&allow).await.contains("Nothing to do"));
    // Without the permission, the entry is written all the same.
    answers.put(
        "GetCallerIdentity",
        403,
        "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>",
    );
    desk.done(&[
        "--stack",
        "gatekeeper",
        "allow",
        "pay",
        "000000000003",
        "--yes",
    ])
    .await;

    // Functions that are older than the command might not read what it writes.
    let older = outputs.map(|(key, value)| (key, if key == "Version" { "0.0.9" } else { value }));
    answers.put("DescribeStacks", 200, stack(&older));
    let refused = desk
        .run(&[
            "--stack",
            "gatekeeper",
            "deny",
            "pay",
            "000000000004",
            "--yes",
        ])
        .await;
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(
        refused.err.contains("the deployed functions are 0.0.9"),
        "{refused:?}"
    );
    assert!(refused.err.contains("Nothing was written."), "{refused:?}");
    assert!(
        !desk
            .done(&["--stack", "gatekeeper", "entries"])
            .await
            .contains("000000000004")
    );
}

#[tokio::test]
async fn a_stack_that_is_not_there_or_another_is_named() {
    let world = world_of(WORLD).await;
    let answers = Answers(Arc::default());
    let at = answers.serve().await;
    let mut desk = Desk::of(&world);
    desk.environment = Some(environment(&world, &at));
    let entries = ["--stack", "gatekeper", "entries"];
    let error = |code: &str, message: &str| {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        )
    };
    for (status, answer, said) in [
        (
            400,
            error("ValidationError", "Stack with id gatekeper does not exist"),
            "error: there is no stack gatekeper here\n  Check name, Region and account",
        ),
        (
            403,
            error("AccessDenied", "User dana is not authorized"),
            "cloudformation:DescribeStacks",
        ),
        (
            403,
            error(
                "ExpiredToken",
                "The security token included in the request is expired",
            ),
            "expired",
        ),
        (
            200,
            stack(&[("Other", "x")]),
            "the stack gatekeper is not Gatekeeper's: it has no output AllowlistTable",
        ),
    ] {
        answers.put("DescribeStacks", status, answer);
        let ran = desk.run(&entries).await;
        assert_eq!(ran.status, 1, "{ran:?}");
        assert!(ran.err.contains(said), "{said}: {ran:?}");
    }
    // Names that are said need no stack.
    let named = [
        "--allowlist-table",
        "allowlist",
        "--requests-table",
        "requests",
        "entries",
    ];
    desk.done(&named).await;
}

/// The stack's alarms in CloudFormation's words.
fn alarms(names: &[&str]) -> String {
    let members: String = names
        .iter()
        .map(|name| {
            format!(
                "<member><ResourceType>AWS::CloudWatch::Alarm</ResourceType><LogicalResourceId>{name}</LogicalResourceId>\
                 <PhysicalResourceId>gatekeeper-{name}</PhysicalResourceId><ResourceStatus>CREATE_COMPLETE</ResourceStatus>\
                 <LastUpdatedTimestamp>2026-11-01T00:00:00Z</LastUpdatedTimestamp></member>"
            )
        })
        .collect();
    format!(
        "<ListStackResourcesResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><ListStackResourcesResult>\
         <StackResourceSummaries>{members}</StackResourceSummaries></ListStackResourcesResult></ListStackResourcesResponse>"
    )
}

#[tokio::test]
async fn a_doctor_reads_the_stacks_alarms() {
    let world = world_of(WORLD).await;
    let answers = Answers(Arc::default());
    let at = answers.serve().await;
    let outputs = [
        ("AllowlistTable", "allowlist"),
        ("RequestsTable", "requests"),
    ];
    answers.put("DescribeStacks", 200, stack(&outputs));
    answers.put(
        "ListStackResources",
        200,
        alarms(&["ReconcileMissingAlarm", "UndecidedAlarm", "ForbiddenAlarm"]),
    );
    let described = json!({ "MetricAlarms": [
        {"AlarmName": "gatekeeper-ReconcileMissingAlarm", "StateValue": "ALARM", "StateReason": "No datapoint.", "ActionsEnabled": true},
        {"AlarmName": "gatekeeper-UndecidedAlarm", "StateValue": "OK", "ActionsEnabled": false},
        {"AlarmName": "gatekeeper-ForbiddenAlarm", "StateValue": "INSUFFICIENT_DATA", "ActionsEnabled": true},
    ]});
    answers.put("DescribeAlarms", 200, described.to_string());
    let mut desk = Desk::of(&world);
    desk.environment = Some(environment(&world, &at));
    let ask = ["--stack", "gatekeeper", "doctor"];
    let found = desk.run(&ask).await;
    assert_eq!(found.status, 1, "{found:?}");
    for line in [
        "FAILURE  alarm  ReconcileMissingAlarm: No datapoint.",
        "warning  alarm  UndecidedAlarm: its actions are disabled, so nobody is notified",
        "ok       alarms  the stack: 1 of 3 are quiet",
    ] {
        assert!(
            found.out.lines().any(|one| one == line),
            "{line}: {}",
            found.out
        );
    }
    answers.put(
        "DescribeAlarms",
        403,
        json!({"__type": "AccessDenied"}).to_string(),
    );
    let refused = desk.run(&ask).await;
    assert!(
        refused.out.contains("could not be looked at: the alarms could not be described (cloudwatch:DescribeAlarms): HTTP status 403"),
        "{refused:?}"
    );
}
