//! A service that was managed and no longer is: one alarm until it is managed again, or deleted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_aws::config::Managed;
use gatekeeper_local::function::Function;
use gatekeeper_local::world::{PROVIDER, World};
use local_aws::{CallPhase, Fault, FaultKind, NewService};
use serde_json::Value;

use crate::support::*;

const OTHER: &str = "vpce-svc-0bbbbbbbbbbbbbbbb";
const DESCRIBE: &str = "DescribeVpcEndpointServiceConfigurations";

fn two() -> String {
    format!("services:\n  - service_id: {SERVICE}\n  - service_id: {OTHER}\n")
}

/// A service of an owner, with the tag or without.
fn service(id: &str, owner: &str, tagged: bool) -> NewService {
    let service = NewService::new().id(id).owner(owner).region("us-east-1");
    if tagged {
        service.tag("privatelink-gatekeeper", "managed")
    } else {
        service
    }
}

fn tag(world: &World, id: &str) {
    world.ec2.put_service(service(id, PROVIDER, true));
    let topic = &world.notification_topic;
    let connect = [local_aws::ConnectionEvent::Connect];
    // It may still have one.
    let _ = world.ec2.put_notification(id, topic, connect);
}

fn untag(world: &World, id: &str) {
    world.ec2.put_service(service(id, PROVIDER, false));
}

/// EC2 has no service with this id in the provider's account.
fn delete(world: &World, id: &str) {
    world.ec2.put_service(service(id, "999999999999", false));
}

/// The alarms about a service, in a word each.
fn announced(world: &World, id: &str) -> Vec<String> {
    let about = |document: &Value| {
        document["finding"] == "no_longer_managed" && document["service_id"] == id
    };
    let word = |document: Value| {
        let how = if document["deleted"] == true {
            ", deleted"
        } else {
            ""
        };
        format!("{}{how}", document["kind"].as_str().unwrap())
    };
    documents(world)
        .into_iter()
        .filter(about)
        .map(word)
        .collect()
}

fn measured(world: &World) -> Option<f64> {
    world
        .gatekeeper(Function::Reconcile)
        .metrics()
        .last("UnmanagedServices")
}

const BEGUN: &str = "alarm_started";
const ENDED: &str = "alarm_ended";
const DELETED: &str = "alarm_ended, deleted";

#[tokio::test]
async fn a_service_that_loses_its_tag_is_one_alarm_until_it_has_it_again() {
    let world = world_of(&two()).await;
    runs(&world, 2).await;
    assert_eq!(
        (announced(&world, SERVICE), measured(&world)),
        (vec![], Some(0.0))
    );
    untag(&world, SERVICE);
    runs(&world, 3).await;
    assert_eq!(
        (announced(&world, SERVICE), measured(&world)),
        (vec![BEGUN.to_owned()], Some(1.0))
    );
    let mail = world.sns.inbox().pop().unwrap().message;
    for part in [
        SERVICE,
        "Gatekeeper looked after the service and does not any more",
        "create-tags",
    ] {
        assert!(mail.contains(part), "{part}: {mail}");
    }
    tag(&world, SERVICE);
    runs(&world, 3).await;
    assert_eq!(
        (announced(&world, SERVICE), measured(&world)),
        (vec![BEGUN.into(), ENDED.into()], Some(0.0))
    );
    // Back and forth: each change is announced, and none twice.
    for _ in 0..2 {
        untag(&world, SERVICE);
        runs(&world, 2).await;
        tag(&world, SERVICE);
        runs(&world, 2).await;
    }
    assert_eq!(
        announced(&world, SERVICE),
        [BEGUN, ENDED, BEGUN, ENDED, BEGUN, ENDED]
    );
    assert_eq!(
        announced(&world, OTHER),
        [""; 0],
        "it is managed all the time"
    );
}

#[tokio::test]
async fn each_of_several_services_is_announced_separately() {
    let world = world_of(&two()).await;
    runs(&world, 1).await;
    untag(&world, SERVICE);
    untag(&world, OTHER);
    runs(&world, 2).await;
    assert_eq!(measured(&world), Some(2.0));
    tag(&world, OTHER);
    delete(&world, SERVICE);
    runs(&world, 2).await;
    assert_eq!(announced(&world, SERVICE), [BEGUN, DELETED]);
    assert_eq!(announced(&world, OTHER), [BEGUN, ENDED]);
    assert_eq!(measured(&world), Some(0.0));
}

#[tokio::test]
async fn a_service_that_is_taken_off_the_list_is_announced_as_well() {
    let world = world_of(&two()).await;
    let listing = |nth, ids: &[&str]| {
        let ids = ids.iter().map(|id| id.parse().unwrap()).collect();
        world.instance_with(Function::Reconcile, nth, |config| {
            config.managed = Managed::Listed(ids);
        })
    };
    let both = listing(1, &[SERVICE, OTHER]);
    both.reconcile(deadline(&world)).await;
    let one = listing(2, &[OTHER]);
    for _ in 0..3 {
        minutes_pass(&world, 5);
        one.reconcile(deadline(&world)).await;
    }
    // It has its tag all the time, which does not matter here.
    world.announce().await.unwrap();
    assert_eq!(announced(&world, SERVICE), [BEGUN]);
    assert_eq!(one.metrics().last("UnmanagedServices"), Some(1.0));
    minutes_pass(&world, 5);
    both.reconcile(deadline(&world)).await;
    world.announce().await.unwrap();
    assert_eq!(announced(&world, SERVICE), [BEGUN, ENDED]);
    assert_eq!(announced(&world, OTHER), [""; 0]);
}

#[tokio::test]
async fn a_service_that_was_never_managed_and_one_that_is_deleted_are_no_alarm() {
    let world = world_of(&format!("services:\n  - service_id: {SERVICE}\n")).await;
    untag(&world, OTHER);
    runs(&world, 2).await;
    assert_eq!(announced(&world, OTHER), [""; 0]);
    delete(&world, OTHER);
    delete(&world, SERVICE);
    runs(&world, 3).await;
    assert_eq!(announced(&world, OTHER), [""; 0]);
    assert_eq!(announced(&world, SERVICE), [""; 0]);
    // It is not looked up for ever.
    world.ec2.reset_calls();
    runs(&world, 1).await;
    assert_eq!(
        world.ec2.calls_of(DESCRIBE),
        1,
        "the list of those that are managed"
    );
}

#[tokio::test]
async fn a_service_whose_end_no_run_saw_still_counts_as_managed_before() {
    let world = world_of(&two()).await;
    let pages = Fault::new("DescribeVpcEndpointConnections", FaultKind::InternalError);
    world.ec2.inject(pages.always());
    runs(&world, 1).await;
    world.ec2.clear_faults();
    untag(&world, SERVICE);
    runs(&world, 2).await;
    assert_eq!(announced(&world, SERVICE), [BEGUN]);
}

#[tokio::test]
async fn a_failure_of_ec2_is_neither_an_untagging_nor_a_deletion() {
    let world = world_of(&two()).await;
    runs(&world, 1).await;
    // The list of managed services fails.
    let fault = || Fault::new(DESCRIBE, FaultKind::InternalError).always();
    world.ec2.inject(fault());
    untag(&world, SERVICE);
    runs(&world, 2).await;
    assert_eq!(announced(&world, SERVICE), [""; 0]);
    world.ec2.clear_faults();
    runs(&world, 1).await;
    assert_eq!(announced(&world, SERVICE), [BEGUN]);
    // While the alarm is on, no failure ends it.
    delete(&world, SERVICE);
    world.ec2.inject(fault());
    runs(&world, 2).await;
    assert_eq!(
        (announced(&world, SERVICE), measured(&world)),
        (vec![BEGUN.to_owned()], Some(1.0))
    );
    for kind in [FaultKind::Unauthorized, FaultKind::Throttle] {
        world.ec2.clear_faults();
        world.ec2.inject(Fault::new(DESCRIBE, kind).always());
        runs(&world, 1).await;
        assert_eq!(announced(&world, SERVICE), [BEGUN]);
    }
    world.ec2.clear_faults();
    runs(&world, 1).await;
    assert_eq!(announced(&world, SERVICE), [BEGUN, DELETED]);
}

#[tokio::test]
async fn a_list_that_leaves_a_service_out_by_mistake_is_no_untagging() {
    for lists_wrongly in [1, 2] {
        let world = world_of(&two()).await;
        runs(&world, 1).await;
        // By mistake it is left out of the list of managed services, and also when it is looked up
        // by its id.
        delete(&world, SERVICE);
        let (ec2, count) = (world.ec2.clone(), AtomicUsize::new(0));
        world
            .ec2
            .set_on_call(Some(Arc::new(move |action: &str, phase: CallPhase| {
                if action == DESCRIBE
                    && phase == CallPhase::After
                    && count.fetch_add(1, Ordering::SeqCst) + 1 == lists_wrongly
                {
                    ec2.put_service(service(SERVICE, PROVIDER, true));
                }
            })));
        world.reconcile().await;
        world.ec2.set_on_call(None);
        tag(&world, SERVICE);
        minutes_pass(&world, 5);
        runs(&world, 1).await;
        assert_eq!(announced(&world, SERVICE), [""; 0], "{lists_wrongly}");
    }
}

#[tokio::test]
async fn a_state_item_that_cannot_be_read_hides_nothing() {
    let world = world_of(&two()).await;
    runs(&world, 1).await;
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let put = world
        .tables()
        .put_item()
        .table_name(world.requests_table())
        .item("pk", text("state"))
        .item("sk", text(&format!("watch#{SERVICE}")))
        .item("findings", text("none"));
    put.send().await.unwrap();
    untag(&world, SERVICE);
    untag(&world, OTHER);
    runs(&world, 2).await;
    assert_eq!(
        announced(&world, OTHER),
        [BEGUN],
        "the others' are announced"
    );
    assert_eq!(measured(&world), Some(2.0), "and it is on the metrics");
    let metrics = world.gatekeeper(Function::Reconcile).metrics();
    let unreadable = ("error_type", "Permanent.MalformedRequest");
    assert_eq!(metrics.last_of("StepFailures", unreadable), Some(1.0));
    // Somebody deletes the item, and then it is announced.
    let delete = world
        .tables()
        .delete_item()
        .table_name(world.requests_table())
        .key("pk", text("state"))
        .key("sk", text(&format!("watch#{SERVICE}")));
    delete.send().await.unwrap();
    runs(&world, 2).await;
    assert_eq!(announced(&world, SERVICE), [BEGUN]);
}

#[tokio::test]
async fn a_run_that_is_killed_anywhere_loses_no_alarm_and_announces_none_twice() {
    let ready = async || {
        let world = world_of(&two()).await;
        runs(&world, 1).await;
        untag(&world, SERVICE);
        world
    };
    reconcile_killed_everywhere(ready, async |world, n| {
        runs(world, 2).await;
        let mut announced = announced(world, SERVICE);
        // A message that was published and not removed from the outbox is published again, under
        // its id.
        announced.dedup();
        assert_eq!(announced, [BEGUN], "killed after {n}");
    })
    .await;
}
