//! The metrics behind the alarms: what fails, who waits, and whether anybody is subscribed.

use gatekeeper_local::function::Function;
use gatekeeper_local::world::World;
use local_aws::{Fault, FaultKind, NewOrganization, NewSubscription};

use crate::support::*;

fn measured(world: &World, name: &str) -> Option<f64> {
    world.gatekeeper(Function::Reconcile).metrics().last(name)
}

fn unsubscribed(world: &World) -> Option<f64> {
    world.announcements().metrics().last("UnsubscribedTopics")
}

/// How often the findings about topics were announced to begin and to end.
fn announced(world: &World, finding: &str) -> (usize, usize) {
    let count = |kind| alarms(world, finding, kind);
    (count("alarm_started"), count("alarm_ended"))
}

const SOUND: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
"#;

async fn watching(text: &str) -> World {
    let mut options = options();
    options.watch_topics = true;
    world_with(options, text).await
}

fn subscribe(world: &World, topic: &str, address: &str) {
    let topics = world.sns.topics();
    let topic = topics.iter().find(|known| known.arn.ends_with(topic));
    let new = NewSubscription::new(&topic.unwrap().arn, "email", address);
    world.sns.subscribe(new).unwrap();
}

fn unsubscribe(world: &World, topic: &str) {
    for subscription in world.sns.subscriptions() {
        if subscription.topic_arn.ends_with(topic) {
            world.sns.unsubscribe_by_link(&subscription.arn).unwrap();
        }
    }
}

#[tokio::test]
async fn a_topic_without_subscribers_is_measured_and_announced_to_the_others_subscribers() {
    let world = watching(SOUND).await;
    runs(&world, 3).await;
    assert_eq!(announced(&world, "alarms_unsubscribed"), (1, 0), "once");
    assert_eq!(unsubscribed(&world), Some(1.0));
    subscribe(&world, ":alarms", "ops@example.com");
    runs(&world, 2).await;
    assert_eq!(announced(&world, "alarms_unsubscribed"), (1, 1));
    assert_eq!(unsubscribed(&world), Some(0.0));
    assert_eq!(measured(&world, "BypassedServices"), Some(0.0));
    assert_eq!(measured(&world, "RevocationsHeld"), Some(0.0));

    // Only the metric shows that.
    unsubscribe(&world, ":announcements");
    runs(&world, 1).await;
    assert_eq!(unsubscribed(&world), Some(1.0));
}

#[tokio::test]
async fn a_topic_that_cannot_be_looked_at_neither_has_nor_lacks_subscribers() {
    let world = watching(SOUND).await;
    runs(&world, 1).await;
    subscribe(&world, ":alarms", "ops@example.com");
    let action = "ListSubscriptionsByTopic";
    world
        .sns
        .inject(Fault::new(action, FaultKind::Unauthorized).always());
    runs(&world, 2).await;
    assert_eq!(announced(&world, "alarms_unsubscribed"), (1, 0));
    assert_eq!(unsubscribed(&world), Some(1.0), "as before");
    let metrics = world.announcements().metrics();
    let forbidden = ("error_type", "Permanent.Forbidden");
    assert_eq!(metrics.last_of("StepFailures", forbidden), Some(1.0));
    world.sns.clear_faults();
    runs(&world, 1).await;
    assert_eq!(announced(&world, "alarms_unsubscribed"), (1, 1));
}

#[tokio::test]
async fn topics_are_not_checked_if_no_topic_for_alarms_is_named() {
    let world = world_of(OPEN).await;
    unsubscribe(&world, ":announcements");
    runs(&world, 1).await;
    assert_eq!(unsubscribed(&world), Some(0.0));
}

#[tokio::test]
async fn waiting_for_people_and_waiting_for_gatekeeper_are_measured_apart() {
    let world = world_of(OPEN).await;
    let ages = |world: &World| {
        let seconds = ["OldestReviewSeconds", "OldestUndecidedSeconds"];
        seconds.map(|name| measured(world, name))
    };
    world.reconcile().await;
    assert_eq!(ages(&world), [Some(0.0), Some(0.0)]);

    somebody_asks(&world, 1, "000000000001");
    world.reconcile().await;
    hours_pass(&world, 2);
    somebody_asks(&world, 2, "000000000002");
    world.reconcile().await;
    hours_pass(&world, 1);
    world.reconcile().await;
    let hours = 3600.0;
    assert_eq!(ages(&world), [Some(3.0 * hours), Some(0.0)], "the oldest");

    // A connection that cannot be decided, because the policy cannot be read, is no review.
    malformed(&world, SERVICE, "allow#000000000003").await;
    somebody_asks(&world, 3, "000000000003");
    world.reconcile().await;
    hours_pass(&world, 4);
    world.reconcile().await;
    assert_eq!(ages(&world), [Some(7.0 * hours), Some(4.0 * hours)]);

    remove(&world, SERVICE, "allow", "000000000003").await;
    settings(&world, "on_unlisted: reject").await;
    edited(&world).await;
    world.reconcile().await;
    assert_eq!(ages(&world), [Some(0.0), Some(0.0)], "nobody waits");
}

#[tokio::test]
async fn a_failure_is_counted_under_its_step_and_its_type() {
    let world = world_of(OPEN).await;
    let metrics = world.gatekeeper(Function::Reconcile).metrics();
    let counted = |name, value| metrics.last_of("StepFailures", (name, value));
    malformed(&world, SERVICE, "allow#000000000001").await;
    somebody_asks(&world, 1, "000000000001");
    world.reconcile().await;
    let unreadable = ("error_type", "Permanent.MalformedPolicy");
    assert_eq!(counted(unreadable.0, unreadable.1), Some(1.0));
    assert_eq!(counted("step", "judge"), Some(1.0));
    assert_eq!(counted("step", "observe"), None);
}

#[tokio::test]
async fn an_account_that_may_not_be_looked_up_is_counted_as_forbidden() {
    let mut options = options();
    options.organizations = true;
    let world = world_with(options, OPEN).await;
    let new = NewOrganization::new().id("o-example1234");
    world.organizations.put_organization(new).unwrap();
    world
        .organizations
        .inject(Fault::new("ListParents", FaultKind::Unauthorized).always());
    somebody_asks(&world, 1, "000000000001");
    world.reconcile().await;
    let metrics = world.gatekeeper(Function::Reconcile).metrics();
    let forbidden = ("error_type", "Permanent.Forbidden");
    assert_eq!(metrics.last_of("StepFailures", forbidden), Some(1.0));
}
