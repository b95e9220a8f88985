//! Transit Gateway attachments are counted and announced, and never judged as endpoints, in
//! whatever form EC2 lists them.

use gatekeeper_core::request::Status;
use gatekeeper_local::function::Function;
use gatekeeper_local::world::World;
use local_aws::State;
use serde_json::{Value, json};

use crate::answers::{as_ever, lists, of_endpoint, with, without};
use crate::support::*;

const FINDING: &str = "transit_gateway_attachments";
const TGW: &str = "tgw-attach-0123456789abcdef0";

/// How EC2 may list an attachment; AWS has not published which form it is.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// Without an endpoint.
    Alone,
    /// With an endpoint's id and owner beside it.
    Beside,
    /// With an endpoint's id, and no owner.
    Ownerless,
}

const FORMS: [Form; 3] = [Form::Alone, Form::Beside, Form::Ownerless];

fn attached(item: &str, form: Form) -> String {
    let item = match form {
        Form::Alone => without(&without(item, "vpcEndpointId"), "vpcEndpointOwner"),
        Form::Beside => item.to_owned(),
        Form::Ownerless => without(item, "vpcEndpointOwner"),
    };
    format!(
        "<transitGatewayAttachmentOwner>000000000001</transitGatewayAttachmentOwner>{item}\
         <transitGatewayAttachmentId>{TGW}</transitGatewayAttachmentId>"
    )
}

/// Makes EC2 list the endpoint 1, which is allowed, as an attachment.
fn attach(world: &World, form: Form) {
    lists(world, move |list| {
        of_endpoint(list, 1, |item| attached(item, form))
    });
}

fn measured(world: &World, name: &str) -> Option<f64> {
    world.gatekeeper(Function::Reconcile).metrics().last(name)
}

fn announced(world: &World) -> (usize, usize) {
    let count = |kind| alarms(world, FINDING, kind);
    (count("alarm_started"), count("alarm_ended"))
}

fn last_alarm(world: &World) -> Value {
    let mut documents = documents(world);
    documents.retain(|document| document["finding"] == FINDING);
    documents.pop().unwrap()
}

async fn assert_left_alone(world: &World, context: &str) {
    assert_eq!(status(world, 1).await, None, "{context}: no request");
    for action in [
        "AcceptVpcEndpointConnections",
        "RejectVpcEndpointConnections",
    ] {
        for call in world.ec2.log() {
            let one = endpoint(1).to_string();
            let names = call.params.iter().any(|(_, value)| *value == one);
            assert!(!(call.action == action && names), "{context}: {action}");
        }
    }
}

#[tokio::test]
async fn an_attachment_is_announced_with_count_and_command_and_hides_no_endpoint() {
    for form in FORMS {
        let context = format!("{form:?}");
        let world = world_of(WORLD).await;
        attach(&world, form);
        runs(&world, 3).await;
        assert_left_alone(&world, &context).await;
        assert_eq!(announced(&world), (1, 0), "{context}: once");
        let alarm = last_alarm(&world);
        let counts = json!({"waiting": 1, "connected": 0, "rejected": 0});
        assert_eq!(alarm["attachments"], counts, "{context}");
        let remedy = alarm["remedy"].as_str().unwrap();
        let command = format!(
            "aws ec2 describe-vpc-endpoint-connections --filters Name=service-id,Values={SERVICE}"
        );
        assert!(remedy.contains(&command), "{context}: {remedy}");
        // It has a metric of its own for its waiting time.
        let age = measured(&world, "OldestUndecidedAttachmentSeconds");
        assert_eq!(age, Some(600.0), "{context}");
        assert_eq!(measured(&world, "OldestUndecidedSeconds"), Some(0.0));
        assert_eq!(measured(&world, "BypassedServices"), Some(0.0));
        // The others are decided.
        assert_eq!(status(&world, 2).await, Some(Status::Rejected));
        assert_eq!(status(&world, 3).await, Some(Status::InReview));

        as_ever(&world);
        world.ec2.set_state(endpoint(1).as_str(), State::Deleted);
        runs(&world, 2).await;
        assert_eq!(announced(&world), (1, 1), "{context}: over");
        let age = measured(&world, "OldestUndecidedAttachmentSeconds");
        assert_eq!(age, Some(0.0), "{context}");
    }
}

#[tokio::test]
async fn an_attachment_that_is_accepted_by_hand_is_announced_again_and_counted_while_it_exists() {
    for form in FORMS {
        let context = format!("{form:?}");
        let world = world_of(WORLD).await;
        attach(&world, form);
        runs(&world, 1).await;
        somebody_accepts(&world, 1);
        world.clock.advance(LATER);
        runs(&world, 3).await;
        assert_left_alone_by_us(&world, &context).await;
        assert_eq!(announced(&world), (2, 0), "{context}");
        let counts = json!({"waiting": 0, "connected": 1, "rejected": 0});
        assert_eq!(last_alarm(&world)["attachments"], counts, "{context}");
        let age = measured(&world, "OldestUndecidedAttachmentSeconds");
        assert_eq!(age, Some(0.0), "{context}: nobody waits");

        // It was rejected by hand and still exists. That fewer are connected is not announced.
        somebody_rejects(&world, 1);
        world.clock.advance(LATER);
        runs(&world, 2).await;
        assert_eq!(announced(&world), (2, 0), "{context}");
    }
}

async fn assert_left_alone_by_us(world: &World, context: &str) {
    assert_eq!(status(world, 1).await, None, "{context}");
    let held = documents(world)
        .iter()
        .any(|document| document["endpoint_id"] == endpoint(1).as_str());
    assert!(!held, "{context}: nothing is announced of an endpoint");
}

#[tokio::test]
async fn an_attachment_is_left_alone_by_every_path() {
    for form in FORMS {
        let context = format!("{form:?}");
        let world = world_of(WORLD).await;
        attach(&world, form);
        // An event that names the endpoint, one that names the service, and one that names nothing.
        handle(&world, requested(&endpoint(1))).await;
        let detail = json!({"service_id": SERVICE});
        let service = json!({"source": "privatelink.gatekeeper",
            "detail-type": "Connection Requested", "detail": detail});
        handle(&world, service).await;
        assert_eq!(announced(&world), (1, 0), "{context}: by the event");
        // An edit of the policy about the account, and about the endpoint.
        allow(&world, SERVICE, "000000000001").await;
        allow(&world, "*", endpoint(1).as_str()).await;
        edited(&world).await;
        settings(
            &world,
            "on_unlisted: reject, revoke: enforce, revoke_grace_hours: 0",
        )
        .await;
        edited(&world).await;
        runs(&world, 2).await;
        assert_left_alone(&world, &context).await;
        // It does not count against a limit.
        put_policy(
            &world,
            r#"{service_id: "*", principal: "000000000001", effect: allow, max_connections: 1}"#,
        )
        .await;
        remove(&world, SERVICE, "allow", "000000000001").await;
        somebody_accepts(&world, 1);
        somebody_asks(&world, 7, "000000000001");
        world.clock.advance(LATER);
        runs(&world, 1).await;
        assert_eq!(status(&world, 7).await, Some(Status::Accepted), "{context}");
        assert_eq!(announced(&world), (2, 0), "{context}");
    }
}

#[tokio::test]
async fn an_endpoint_that_turns_out_to_be_an_attachments_is_neither_gone_nor_revoked() {
    // Its request, from before EC2 said so, was decided by a person.
    let world = world_of(WORLD).await;
    handle(&world, batch_of(3)).await;
    assert_eq!(status(&world, 1).await, Some(Status::Accepted));
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
    for n in [1, 3] {
        let before = path(&world, n).await;
        lists(&world, move |list| {
            of_endpoint(list, n, |item| attached(item, Form::Beside))
        });
        put_policy(
            &world,
            r#"{service_id: "*", principal: "000000000001", effect: deny}"#,
        )
        .await;
        settings(&world, "revoke: enforce, revoke_grace_hours: 0").await;
        edited(&world).await;
        world.clock.advance(LATER);
        world.ec2.reset_calls();
        handle(&world, requested(&endpoint(n))).await;
        if n == 3 {
            remove(&world, "*", "deny", "000000000001").await;
        }
        for _ in 0..3 {
            world.clock.advance(LATER);
            world.reconcile().await;
        }
        assert_eq!(path(&world, n).await, before, "{n}");
        as_ever(&world);
    }
}

/// An administrator's accept of an attachment, as CloudTrail records it.
fn accepted() -> Value {
    json!({
        "source": "aws.ec2", "detail-type": "AWS API Call via CloudTrail", "account": "111122223333",
        "detail": {
            "eventType": "AwsApiCall", "eventSource": "ec2.amazonaws.com",
            "eventName": "AcceptVpcEndpointConnections", "recipientAccountId": "111122223333",
            "userIdentity": {"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/Admin/somebody"},
            "requestParameters": {"AcceptVpcEndpointConnectionsRequest":
                {"ServiceId": SERVICE, "TransitGatewayAttachmentId": {"content": TGW, "tag": 1}}},
            "responseElements": null,
        },
    })
}

#[tokio::test]
async fn an_event_about_an_attachment_leads_to_a_look_for_attachments_and_settles_nothing() {
    let world = world_of(WORLD).await;
    handle(&world, accepted()).await;
    for n in 1..=5 {
        assert_eq!(
            status(&world, n).await,
            None,
            "{n} is left to its own event"
        );
    }
    assert_eq!(announced(&world), (0, 0));
    attach(&world, Form::Alone);
    somebody_accepts(&world, 1);
    world.clock.advance(LATER);
    handle(&world, accepted()).await;
    assert_eq!(announced(&world), (1, 0));
    let counts = json!({"waiting": 0, "connected": 1, "rejected": 0});
    assert_eq!(last_alarm(&world)["attachments"], counts);
    assert_eq!(status(&world, 2).await, None);
}

#[tokio::test]
async fn an_attachment_without_a_date_ages_from_run_to_run() {
    let world = world_of(WORLD).await;
    lists(&world, |list| {
        of_endpoint(list, 1, |item| {
            without(&attached(item, Form::Alone), "creationTimestamp")
        })
    });
    runs(&world, 4).await;
    let age = measured(&world, "OldestUndecidedAttachmentSeconds");
    assert_eq!(age, Some(900.0));
}

#[tokio::test]
async fn an_attachment_in_an_unknown_state_waits_and_a_deleted_one_does_not_count() {
    let world = world_of(WORLD).await;
    let in_state = |state: &'static str| {
        lists(&world, move |list| {
            of_endpoint(list, 1, |item| {
                with(&attached(item, Form::Beside), "vpcEndpointState", state)
            })
        });
    };
    in_state("awaitingSomething");
    runs(&world, 2).await;
    assert_eq!(announced(&world), (1, 0));
    assert_eq!(
        measured(&world, "OldestUndecidedAttachmentSeconds"),
        Some(300.0)
    );
    in_state("deleted");
    runs(&world, 1).await;
    assert_eq!(announced(&world), (1, 1));
    assert_eq!(
        measured(&world, "OldestUndecidedAttachmentSeconds"),
        Some(0.0)
    );
}

#[tokio::test]
async fn an_incomplete_answer_decides_nothing() {
    let world = world_of(WORLD).await;
    // The list ends after the endpoint's id and state, so that it is unknown whether an
    // attachment's id would follow.
    lists(&world, |list| {
        let id = format!("<vpcEndpointId>{}", endpoint(1));
        match list.find(&id) {
            Some(at) => {
                let end = at + list[at..].find("<creationTimestamp>").unwrap();
                list[..end].to_owned()
            }
            None => list.to_owned(),
        }
    });
    let done = world.reconcile().await;
    assert_eq!(done.failed.len(), 1);
    assert_eq!(
        done.failed[0].1.error_type(),
        "Retryable.DescribeConnections"
    );
    let answer = handle(&world, batch_of(1)).await;
    assert_eq!(
        answer.failed[0].1.error_type(),
        "Retryable.DescribeConnections"
    );
    assert_left_alone(&world, "incomplete").await;
    as_ever(&world);
    world.reconcile().await;
    assert_all_decided(&world, "whole again").await;
}
