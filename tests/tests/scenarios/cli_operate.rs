//! The deployment from a terminal: services that are handed over and taken back, approvers who are
//! subscribed, what goes on, and what is wrong.

use gatekeeper_core::request::Status;
use gatekeeper_local::world::{CLOUD_TRAIL_RULE, World};
use local_aws::NewService;
use serde_json::Value;

use crate::desk::Desk;
use crate::support::*;

const SERVICE: &str = "vpce-svc-0a1b2c3d4e5f60718";

const WORLD: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000002, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000002"}
policy:
  settings:
    - {service_id: vpce-svc-0a1b2c3d4e5f60718, name: Payments API}
  approvers:
    - {id: alice@example.com, services: ["*"]}
"#;

async fn started() -> World {
    let world = world_of(WORLD).await;
    world.reconcile().await;
    world.announce().await.unwrap();
    world
}

#[tokio::test]
async fn a_service_is_handed_over_and_taken_back() {
    let world = started().await;
    let mut desk = Desk::of(&world);
    let new = NewService::new().auto_accept().allow("*");
    let new = world.ec2.put_service(new).id;
    let all = desk.run(&["service", "list", "--all"]).await.out;
    let line = all.lines().find(|line| line.starts_with(&new)).unwrap();
    assert!(line.contains(" no "), "{all}");
    assert!(!desk.run(&["service", "list"]).await.out.contains(&new));

    desk.answer = Some("n\n");
    let stopped = desk.run(&["service", "manage", &new]).await;
    assert_eq!(stopped.status, 1, "{stopped:?}");
    let service = || world.ec2.service(&new).unwrap();
    assert!(!service().acceptance_required && service().tags.is_empty());

    desk.answer = Some("y\n");
    let managed = desk.run(&["service", "manage", &new]).await;
    assert_eq!(managed.status, 0, "{managed:?}");
    let topic = "arn:aws:sns:us-east-1:111122223333:connection-notifications";
    let lines: Vec<&str> = managed.err.lines().collect();
    assert_eq!(
        lines,
        [
            format!("Hands {new} over to Gatekeeper:").as_str(),
            "  require that connections are accepted",
            &format!("  create a connection notification to {topic}"),
            "  add the tag privatelink-gatekeeper=managed",
            "warning: the service's permissions hold \"*\": every AWS account can create an endpoint and ask",
            "It has no connections.",
            "Make these changes at EC2? [y/N] 1/3 require that connections are accepted",
            &format!("2/3 create a connection notification to {topic}"),
            "3/3 add the tag privatelink-gatekeeper=managed",
            "Done.",
        ]
    );
    assert!(service().acceptance_required);
    assert_eq!(service().tags["privatelink-gatekeeper"], "managed");
    assert!(desk.run(&["service", "list"]).await.out.contains(&new));
    let again = desk.done(&["service", "manage", &new]).await;
    assert!(again.starts_with("Nothing to do:"), "{again}");

    let released = desk
        .run(&[
            "service",
            "release",
            &new,
            "--reason",
            "Moved to another team.",
            "--yes",
        ])
        .await;
    assert_eq!(released.status, 0, "{released:?}");
    assert!(service().tags.is_empty());
    assert!(
        released.err.contains("1/2 take off the tag"),
        "{released:?}"
    );
    assert!(
        released
            .err
            .contains("The alarm no_longer_managed is acknowledged until"),
        "{released:?}"
    );
    let again = desk.done(&["service", "release", &new]).await;
    assert!(again.starts_with("Nothing to do:"), "{again}");
    let unknown = desk
        .run(&["service", "manage", "vpce-svc-00000000000000000"])
        .await;
    assert_eq!(unknown.status, 1);
    assert!(
        unknown.err.contains("EC2 has no endpoint service"),
        "{unknown:?}"
    );
}

#[tokio::test]
async fn a_released_service_raises_no_alarm_if_a_reason_was_given() {
    let world = started().await;
    let desk = Desk::of(&world);
    let release = [
        "service", "release", SERVICE, "--reason", "Closed.", "--yes",
    ];
    desk.done(&release).await;
    minutes_pass(&world, 10);
    runs(&world, 3).await;
    world.announce().await.unwrap();
    assert_eq!(alarms(&world, "no_longer_managed", "alarm_acknowledged"), 1);
}

#[tokio::test]
async fn a_finding_that_has_to_stay_is_acknowledged() {
    let world = started().await;
    world.ec2.allow_principal(SERVICE, "*").unwrap();
    runs(&world, 1).await;
    let desk = Desk::of(&world);
    let acknowledge = [
        "acknowledge",
        "pay",
        "anyone-may-ask",
        "--reason",
        "A test service.",
        "--yes",
    ];
    let done = desk.done(&acknowledge).await;
    assert!(
        done.contains("until 2026-12-20 11:0")
            && done.contains("It covers this evidence and no other:\n  *\n"),
        "{done}"
    );
    runs(&world, 2).await;
    world.announce().await.unwrap();
    assert_eq!(alarms(&world, "anyone_may_ask", "alarm_acknowledged"), 1);
    for (args, status, said) in [
        (
            [
                "acknowledge",
                "pay",
                "allowlist_empty",
                "--reason",
                "x",
                "--yes",
                "--until",
                "7d",
            ],
            1,
            "allowlist_empty is no finding about Payments API",
        ),
        (
            [
                "acknowledge",
                "pay",
                "anyone_may_ask",
                "--reason",
                "x",
                "--yes",
                "--until",
                "90d",
            ],
            2,
            "an acknowledgement of anyone_may_ask ends between now and",
        ),
        (
            [
                "acknowledge",
                "pay",
                "anyone_may_as",
                "--reason",
                "x",
                "--yes",
                "--until",
                "7d",
            ],
            2,
            "write one of acceptance_not_required",
        ),
    ] {
        let ran = desk.run(&args).await;
        assert_eq!(ran.status, status, "{ran:?}");
        assert!(ran.err.contains(said), "{said}: {ran:?}");
    }
}

/// The checks that did not pass, with their states.
async fn wrong(desk: &Desk<'_>) -> Vec<(String, String)> {
    let ran = desk.run(&["doctor", "--output", "json"]).await;
    let checks: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    checks
        .iter()
        .filter(|one| one["state"] != "ok")
        .map(|one| (text(&one["state"]), text(&one["check"])))
        .collect()
}

#[tokio::test]
async fn a_doctor_finds_what_is_wrong_and_names_what_mends_it() {
    let world = started().await;
    let desk = Desk::of(&world);
    let sound = desk.run(&["doctor"]).await;
    assert_eq!(sound.status, 0, "{sound:?}");
    assert!(sound.out.contains("0 failures,"), "{sound:?}");

    // Three mistakes: anybody is connected, requests are found late, and nobody can be asked.
    let changed = world
        .ec2
        .change_service(SERVICE, |service| service.acceptance_required = false);
    let notification = world.ec2.notifications().pop().unwrap().id;
    assert!(changed && world.ec2.set_notification_enabled(&notification, false));
    malformed(&world, SERVICE, "allow#000000000007").await;
    desk.done(&["approver", "remove", "alice@example.com", "--yes"])
        .await;
    let found = desk.run(&["doctor"]).await;
    assert_eq!(found.status, 1, "{found:?}");
    let checks: Vec<String> = wrong(&desk)
        .await
        .into_iter()
        .map(|(_, check)| check)
        .collect();
    for check in [
        "acceptance_not_required",
        "notification_disabled",
        "unreadable_item",
        "approvers",
    ] {
        assert!(checks.iter().any(|one| one == check), "{check}: {checks:?}");
    }
    assert!(
        found
            .out
            .contains(&format!("gatekeeper service manage {SERVICE}")),
        "{found:?}"
    );
    assert!(
        found.out.contains(&format!(
            "gatekeeper approver add EMAIL --service {SERVICE}"
        )),
        "{found:?}"
    );

    // The commands that it names mend it.
    desk.done(&["service", "manage", SERVICE, "--yes"]).await;
    let add = [
        "approver",
        "add",
        "carol@example.com",
        "--service",
        SERVICE,
        "--no-email",
        "--yes",
    ];
    desk.done(&add).await;
    desk.done(&["remove", "allow", SERVICE, "000000000007", "--yes"])
        .await;
    let left: Vec<String> = wrong(&desk)
        .await
        .into_iter()
        .map(|(_, check)| check)
        .collect();
    assert_eq!(left, ["approver_not_reached"]);
}

#[tokio::test]
async fn a_doctor_warns_of_a_denied_consumer_and_of_no_unlisted_one() {
    let world = started().await;
    let desk = Desk::of(&world);
    world
        .ec2
        .set_state("vpce-00000000000000002", local_aws::State::Available);
    settings(&world, "on_unlisted: reject").await;
    assert_eq!(wrong(&desk).await, []);
    desk.done(&["deny", "pay", "000000000002", "--yes"]).await;
    let warning = |check: &str| ("warning".to_owned(), check.to_owned());
    assert_eq!(wrong(&desk).await, [warning("connected_though_denied")]);
    // What only a run of reconcile can find, as it found it.
    assert!(world.events.disable_rule(CLOUD_TRAIL_RULE));
    runs(&world, 1).await;
    assert_eq!(
        wrong(&desk).await,
        [
            warning("cloud_trail_rule_missing"),
            warning("connected_though_denied")
        ]
    );
    assert_eq!(desk.run(&["doctor"]).await.status, 0);
}

#[tokio::test]
async fn an_approver_is_subscribed_and_confirmed() {
    let world = started().await;
    let desk = Desk::of(&world);
    let add = [
        "approver",
        "add",
        "carol@example.com",
        "--service",
        "*",
        "--yes",
    ];
    let added = desk.done(&add).await;
    assert!(
        added
            .contains("AWS has sent carol@example.com an e-mail with a link. They do not click it"),
        "{added}"
    );
    assert!(added.contains("Wait until 2026-11-20 12:00 UTC"), "{added}");
    let mails = world.sns.inbox_of("carol@example.com");
    let token = mails
        .iter()
        .rev()
        .find_map(|mail| mail.token.clone())
        .unwrap();
    let link =
        format!("https://sns.us-east-1.amazonaws.com/?TopicArn=arn&Token={token}&Endpoint=carol");
    let confirmed = desk.done(&["approver", "confirm", &link]).await;
    assert!(
        confirmed.contains("is confirmed, and only its owner can end it."),
        "{confirmed}"
    );
    let nonsense = desk
        .run(&["approver", "confirm", "https://example.com"])
        .await;
    assert_eq!(nonsense.status, 2, "{nonsense:?}");
    let wrong = desk.run(&["approver", "confirm", "00ff"]).await;
    assert_eq!(wrong.status, 1, "{wrong:?}");
}

#[tokio::test]
async fn what_happens_is_printed_as_it_happens() {
    let world = started().await;
    let desk = Desk::of(&world);
    // The clock of the world moves when the command waits.
    let quiet = desk
        .done(&["watch", "--every", "10s", "--for", "20s"])
        .await;
    assert!(
        quiet.ends_with("1 requests. Looking every 10s; Ctrl-C ends it.\n"),
        "{quiet}"
    );
    let watching = desk.run(&["watch", "--every", "10s", "--for", "1m", "--service", "pay"]);
    let acting = async {
        put_policy(
            &world,
            r#"{service_id: vpce-svc-0a1b2c3d4e5f60718, principal: "000000000002", effect: allow, customer: New Ltd}"#,
        )
        .await;
        edited(&world).await;
    };
    let (watched, ()) = tokio::join!(watching, acting);
    assert_eq!(status(&world, 2).await, Some(Status::Accepted));
    assert!(
        watched.out.contains(
            "vpce-00000000000000002  New Ltd (account 000000000002) on Payments API: in review → "
        ),
        "{watched:?}"
    );
    let wrong = desk.run(&["watch", "--every", "often"]).await;
    assert_eq!(wrong.status, 2, "{wrong:?}");
}
