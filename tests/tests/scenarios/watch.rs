//! Configurations that let connections in past Gatekeeper: one alarm when each begins, one when it
//! ends.

use gatekeeper_local::function::Function;
use gatekeeper_local::world::World;
use local_aws::{ConnectionEvent, Fault, FaultKind, NewService};

use crate::support::*;

/// A sound service, to be changed.
fn service() -> NewService {
    NewService::new()
        .id(SERVICE)
        .owner(gatekeeper_local::world::PROVIDER)
        .region("us-east-1")
        .tag("privatelink-gatekeeper", "managed")
}

const SOUND: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
"#;

fn announced(world: &World, finding: &str) -> (usize, usize) {
    let count = |kind| alarms(world, finding, kind);
    (count("alarm_started"), count("alarm_ended"))
}

#[tokio::test]
async fn each_finding_is_announced_once_when_it_begins_and_once_when_it_ends() {
    type Change = fn(NewService) -> NewService;
    let holes: [(&str, Change); 2] = [
        ("acceptance_not_required", NewService::auto_accept),
        ("anyone_may_ask", |service| service.allow("*")),
    ];
    for (finding, open) in holes {
        let world = world_of(SOUND).await;
        world.reconcile().await;
        assert_eq!(
            documents(&world),
            Vec::<serde_json::Value>::new(),
            "a sound service"
        );
        for _ in 0..2 {
            world.ec2.put_service(open(service()));
            for _ in 0..3 {
                minutes_pass(&world, 5);
                world.reconcile().await;
            }
            world.ec2.put_service(service());
            for _ in 0..3 {
                minutes_pass(&world, 5);
                world.reconcile().await;
            }
        }
        assert_eq!(announced(&world, finding), (2, 2), "{finding}");
        assert_eq!(documents(&world).len(), 4, "and nothing else");
        let mail = world.sns.inbox();
        assert!(
            mail[0].message.contains("What to do: "),
            "{}",
            mail[0].message
        );
    }
}

#[tokio::test]
async fn notifications_that_are_missing_elsewhere_or_incomplete_are_told_apart() {
    let elsewhere = "arn:aws:sns:us-east-1:111122223333:other";
    for (finding, topic, events) in [
        ("notification_missing", None, vec![]),
        (
            "notification_elsewhere",
            Some(elsewhere),
            vec![ConnectionEvent::Connect],
        ),
        (
            "notification_incomplete",
            Some("ours"),
            vec![ConnectionEvent::Delete],
        ),
    ] {
        let world = world_of(&format!("{SOUND}    notification: false\n")).await;
        if let Some(topic) = topic {
            let topic = if topic == "ours" {
                &world.notification_topic
            } else {
                topic
            };
            world.ec2.put_notification(SERVICE, topic, events).unwrap();
        }
        for _ in 0..2 {
            world.reconcile().await;
            minutes_pass(&world, 5);
        }
        assert_eq!(announced(&world, finding), (1, 0), "{finding}");
        world
            .ec2
            .put_notification(
                SERVICE,
                &world.notification_topic,
                [ConnectionEvent::Connect],
            )
            .unwrap();
        world.reconcile().await;
        assert_eq!(announced(&world, finding), (1, 1), "{finding}");
        assert_eq!(documents(&world).len(), 2, "{finding} and nothing else");
    }
}

#[tokio::test]
async fn a_finding_that_cannot_be_looked_for_neither_begins_nor_ends() {
    let world = world_of(SOUND).await;
    world.ec2.put_service(service().allow("*"));
    world.reconcile().await;
    assert_eq!(announced(&world, "anyone_may_ask"), (1, 0));
    let action = "DescribeVpcEndpointServicePermissions";
    world
        .ec2
        .inject(Fault::new(action, FaultKind::Unauthorized).always());
    world.ec2.put_service(service());
    minutes_pass(&world, 5);
    let done = world.reconcile().await;
    assert!(
        done.failed.is_empty(),
        "connections are decided all the same"
    );
    assert_eq!(announced(&world, "anyone_may_ask"), (1, 0));
    world.ec2.clear_faults();
    minutes_pass(&world, 5);
    world.reconcile().await;
    assert_eq!(announced(&world, "anyone_may_ask"), (1, 1));
}

#[tokio::test]
async fn a_rule_that_is_disabled_or_gone_is_announced() {
    use gatekeeper_local::world::CLOUD_TRAIL_RULE;
    let world = world_of(SOUND).await;
    world.reconcile().await;
    assert!(world.events.disable_rule(CLOUD_TRAIL_RULE));
    for _ in 0..2 {
        minutes_pass(&world, 5);
        world.reconcile().await;
    }
    assert_eq!(announced(&world, "cloud_trail_rule_missing"), (1, 0));
    assert!(world.events.enable_rule(CLOUD_TRAIL_RULE));
    minutes_pass(&world, 5);
    world.reconcile().await;
    assert_eq!(announced(&world, "cloud_trail_rule_missing"), (1, 1));
    assert!(world.events.delete_rule(CLOUD_TRAIL_RULE));
    minutes_pass(&world, 5);
    world.reconcile().await;
    assert_eq!(announced(&world, "cloud_trail_rule_missing"), (2, 1));
}

#[tokio::test]
async fn a_notification_that_aws_disables_is_announced_and_a_gateways_service_needs_none() {
    let world = world_of(&format!("{SOUND}    notification: false\n")).await;
    world.ec2.put_service(service().gateway_load_balancer());
    world.reconcile().await;
    assert_eq!(documents(&world), Vec::<serde_json::Value>::new());

    let world = world_of(&format!("{SOUND}    notification: false\n")).await;
    let id = world
        .ec2
        .put_notification(
            SERVICE,
            &world.notification_topic,
            [ConnectionEvent::Connect],
        )
        .unwrap();
    world.reconcile().await;
    assert!(world.ec2.set_notification_enabled(&id, false));
    for _ in 0..2 {
        minutes_pass(&world, 5);
        world.reconcile().await;
    }
    assert_eq!(announced(&world, "notification_disabled"), (1, 0));
    assert!(world.ec2.set_notification_enabled(&id, true));
    minutes_pass(&world, 5);
    world.reconcile().await;
    assert_eq!(announced(&world, "notification_disabled"), (1, 1));
}

#[tokio::test]
async fn functions_that_run_at_the_same_time_announce_a_finding_once() {
    let world = world_of(SOUND).await;
    world.ec2.put_service(service().allow("*"));
    let (one, two) = (
        world.instance(Function::Reconcile, 1),
        world.instance(Function::Reconcile, 2),
    );
    let until = deadline(&world);
    tokio::join!(one.reconcile(until), two.reconcile(until));
    world.announce().await.unwrap();
    assert_eq!(announced(&world, "anyone_may_ask"), (1, 0));
}

/// How many services let anybody ask, and have more to revoke than one run may, by the last
/// metrics.
fn measured(world: &World) -> (Option<f64>, Option<f64>) {
    let last = |name| world.gatekeeper(Function::Reconcile).metrics().last(name);
    (last("OpenServices"), last("RevocationsHeld"))
}

#[tokio::test]
async fn a_finding_that_cannot_be_looked_for_stays_on_its_metric() {
    let services = "DescribeVpcEndpointServiceConfigurations";
    let permissions = "DescribeVpcEndpointServicePermissions";
    let revokes = "policy:\n  entries:\n    - {service_id: \"*\", principal: \"999999999999\", effect: allow}\n  settings:\n    - {service_id: \"*\", revoke: enforce, revoke_at_most: 0}\n";
    let world = world_of(&format!("{SOUND}connections:\n  - {{endpoint_id: {}, service_id: {SERVICE}, owner: \"000000000001\", state: available}}\n{revokes}", endpoint(1))).await;
    world.ec2.put_service(service().allow("*"));
    for _ in 0..2 {
        world.reconcile().await;
        minutes_pass(&world, 5);
    }
    assert_eq!(measured(&world), (Some(1.0), Some(1.0)));

    malformed(&world, SERVICE, "allow#000000000001").await;
    for blind in [permissions, services] {
        world
            .ec2
            .inject(Fault::new(blind, FaultKind::Unauthorized).always());
        world.reconcile().await;
        minutes_pass(&world, 5);
        assert_eq!(measured(&world), (Some(1.0), Some(1.0)), "without {blind}");
    }

    world.ec2.clear_faults();
    world.ec2.put_service(service());
    remove(&world, SERVICE, "allow", "000000000001").await;
    settings(&world, "revoke: off").await;
    world.reconcile().await;
    assert_eq!(measured(&world), (Some(0.0), Some(0.0)));
}

#[tokio::test]
async fn the_findings_of_a_service_that_is_no_longer_managed_end() {
    let world = world_of(SOUND).await;
    world.ec2.put_service(service().allow("*"));
    world.reconcile().await;
    assert_eq!(announced(&world, "anyone_may_ask"), (1, 0));
    let untagged = NewService::new()
        .id(SERVICE)
        .owner(gatekeeper_local::world::PROVIDER)
        .region("us-east-1")
        .allow("*");
    world.ec2.put_service(untagged);
    let services = "DescribeVpcEndpointServiceConfigurations";
    world
        .ec2
        .inject(Fault::new(services, FaultKind::Unauthorized).always());
    minutes_pass(&world, 5);
    world.reconcile().await;
    assert_eq!(
        announced(&world, "anyone_may_ask"),
        (1, 0),
        "who could not be asked for may be managed"
    );
    world.ec2.clear_faults();
    for _ in 0..2 {
        minutes_pass(&world, 5);
        world.reconcile().await;
    }
    assert_eq!(announced(&world, "anyone_may_ask"), (1, 1));
    assert_eq!(measured(&world), (Some(0.0), Some(0.0)));
    let over = documents(&world).pop().unwrap();
    assert_eq!(over["unmanaged"], true, "{over}");
    let mail = world.sns.inbox().pop().unwrap().message;
    assert!(
        mail.contains("Gatekeeper no longer manages the service"),
        "{mail}"
    );
    // When it is managed again, this is announced again.
    world.ec2.put_service(service().allow("*"));
    minutes_pass(&world, 5);
    world.reconcile().await;
    assert_eq!(announced(&world, "anyone_may_ask"), (2, 1));
}
