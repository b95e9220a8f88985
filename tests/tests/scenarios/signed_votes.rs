//! Approvers vote by signed calls, under their IAM identity.

use std::sync::Arc;
use std::time::Duration;

use gatekeeper_approvals::handler::Handler;
use gatekeeper_approvals::http::{Method, Request as HttpRequest, Response};
use gatekeeper_aws::clock::Deadline;
use gatekeeper_core::request::Status;
use gatekeeper_core::vote::Channel;
use gatekeeper_local::function::Function;
use gatekeeper_local::world::World;
use serde_json::{Value, json};

use crate::support::{approval, by_link, endpoint, request, status, vote, word, world_of};

const BOB: &str = "arn:aws:sts::111122223333:assumed-role/Approver/bob";
const STRANGER: &str = "arn:aws:sts::111122223333:assumed-role/Approver/mallory";

/// One approval is enough for 3; two approvers may decide.
const PANEL: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
policy:
  settings:
    - {service_id: "*", name: Payments API}
  approvers:
    - {id: alice@example.com, services: ["*"]}
    - {id: bob@example.com, services: ["*"], iam_principal: "arn:aws:sts::111122223333:assumed-role/Approver/bob"}
"#;

/// The response to a call by somebody, and its JSON.
async fn call(world: &World, caller: Option<&str>, n: u32, body: &Value) -> (u16, Value) {
    let response = respond(
        world,
        caller,
        &format!("/requests/{}/votes", endpoint(n)),
        body,
    )
    .await;
    let value = serde_json::from_str(&response.body).unwrap();
    (response.status, value)
}

async fn respond(world: &World, caller: Option<&str>, path: &str, body: &Value) -> Response {
    let handler = Handler::new(Arc::clone(world.gatekeeper(Function::Approvals)), None);
    let request = HttpRequest {
        method: Method::Post,
        path: path.to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string().into_bytes(),
        caller: caller.map(ToOwned::to_owned),
    };
    let deadline = Deadline::after(&world.clock, Duration::from_secs(15));
    let response = handler.handle(&request, deadline).await;
    world.announce().await.unwrap();
    response
}

async fn panel() -> World {
    let world = world_of(PANEL).await;
    world.reconcile().await;
    world
}

#[tokio::test]
async fn an_approver_looks_and_then_votes_in_the_review_that_was_shown() {
    let world = panel().await;
    let (code, shown) = call(&world, Some(BOB), 3, &json!({})).await;
    assert_eq!(code, 200, "{shown}");
    assert_eq!(shown["state"], "open");
    assert_eq!(
        shown["headline"],
        "May account 000000000003 connect to Payments API?"
    );
    assert_eq!(shown["approver"], "bob@example.com");
    assert_eq!(shown["choices"], json!(["approve", "reject"]));
    assert_eq!(shown["request"]["endpoint_id"], endpoint(3).as_str());
    assert_eq!(shown["request"]["status"], "in_review");
    assert_eq!(shown["request"]["votes"], json!([]));
    assert_eq!(
        status(&world, 3).await,
        Some(Status::InReview),
        "looking changes nothing"
    );

    let review = &shown["request"]["review"];
    let body = json!({"choice": "approve", "reason": "ticket 42", "review": review});
    let (code, voted) = call(&world, Some(BOB), 3, &body).await;
    assert_eq!(code, 200, "{voted}");
    assert_eq!(voted["state"], "done");
    assert_eq!(voted["headline"], "Done: the connection is accepted",);
    assert_eq!(voted["request"]["status"], "accepted");
    assert_eq!(voted["request"]["decision"]["by"], "bob@example.com");
    let request = request(&world, 3).await.unwrap();
    assert_eq!(request.status, Status::Accepted);
    assert_eq!(request.votes[0].channel, Channel::Iam);
    assert_eq!(request.votes[0].reason, "ticket 42");

    // Again, and otherwise: the review is over.
    let (code, again) = call(&world, Some(BOB), 3, &body).await;
    assert_eq!((code, &again["state"]), (200, &json!("already")), "{again}");
    let reject = json!({"choice": "reject", "reason": "no", "review": review});
    let (code, late) = call(&world, Some(BOB), 3, &reject).await;
    assert_eq!((code, &late["state"]), (200, &json!("already")), "{late}");
}

#[tokio::test]
async fn nobody_votes_without_a_checked_signature_or_under_an_unknown_identity() {
    let world = panel().await;
    let approve = json!({"choice": "approve", "review": 1});
    let (code, unsigned) = call(&world, None, 3, &approve).await;
    assert_eq!(code, 403);
    assert!(
        unsigned["error"]
            .as_str()
            .unwrap()
            .contains("signed by an IAM identity"),
        "{unsigned}"
    );
    for caller in [
        STRANGER,
        "arn:aws:sts::111122223333:assumed-role/Approver/bob2",
        "arn:aws:iam::111122223333:user/bob",
    ] {
        for body in [&json!({}), &approve] {
            let (code, answer) = call(&world, Some(caller), 3, body).await;
            assert_eq!((code, &answer["state"]), (403, &json!("not_an_approver")));
            assert_eq!(
                answer.get("request"),
                None,
                "a stranger sees nothing: {answer}"
            );
        }
    }
    // A caller's identity counts on no other route.
    let (alice, path) = (by_link(&world, "alice", 3), "/a/x");
    let response = respond(&world, Some(BOB), path, &approve).await;
    assert_eq!(response.status, 404);
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
    assert_eq!(word(&vote(&world, &alice, &approval()).await), "decided");
}

#[tokio::test]
async fn a_vote_for_another_review_or_endpoint_counts_for_none() {
    let world = panel().await;
    for (n, review) in [(3, 2), (3, 0), (4, 1)] {
        let body = json!({"choice": "approve", "review": review});
        let (code, answer) = call(&world, Some(BOB), n, &body).await;
        assert_eq!(
            (code, &answer["state"]),
            (404, &json!("invalid")),
            "{answer}"
        );
    }
    let (code, answer) = call(&world, Some(BOB), 3, &json!({"choice": "approve"})).await;
    assert_eq!(code, 400);
    assert!(
        answer["error"]
            .as_str()
            .unwrap()
            .contains("names the review")
    );
    for path in [
        "/requests/x/votes",
        "/requests//votes",
        "/requests/vpce-1%2f/votes",
    ] {
        let response = respond(&world, Some(BOB), path, &json!({})).await;
        assert_eq!(response.status, 400, "{path}");
    }
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
}

#[tokio::test]
async fn an_approver_withdraws_and_rejects_by_signed_calls() {
    let world = world_of(&PANEL.replace("name: Payments API", "approvals_required: 2")).await;
    world.reconcile().await;
    let (_, shown) = call(&world, Some(BOB), 3, &json!({})).await;
    let review = &shown["request"]["review"];
    let send =
        |choice: &str, reason: &str| json!({"choice": choice, "reason": reason, "review": review});
    let (_, waiting) = call(&world, Some(BOB), 3, &send("approve", "")).await;
    assert_eq!(waiting["state"], "waiting");
    assert_eq!(waiting["request"]["approvals_given"], 1);
    assert_eq!(waiting["choices"], json!(["withdraw", "reject"]));
    let (_, withdrawn) = call(&world, Some(BOB), 3, &send("withdraw", "")).await;
    assert_eq!(
        withdrawn["headline"],
        "Your approval is withdrawn: 2 more approvals are needed"
    );
    assert_eq!(withdrawn["request"]["votes"][0]["withdrawn"], true);
    let (_, rejected) = call(&world, Some(BOB), 3, &send("reject", "not ours")).await;
    assert_eq!(rejected["state"], "done");
    assert_eq!(
        rejected["request"]["decision"]["reason"],
        "Rejected by bob@example.com. not ours"
    );
    assert_eq!(status(&world, 3).await, Some(Status::Rejected));
}
