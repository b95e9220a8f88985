//! Texts of customers and operators are shown to people with a mark for each invisible character,
//! and to programs unchanged.

use gatekeeper_core::request::Status;
use gatekeeper_core::visible::visible;
use serde_json::Value;

use crate::approvals_page::{get, post};
use crate::logs;
use crate::slack::{CHANNEL, Workspace};
use crate::support::*;

/// A name that looks like another one, and how people see it.
const NAME: &str = "Acme\u{202e}HbmG\u{3164}\u{200b}\u{e0041}";
const SEEN: &str = "Acme\\u{202e}HbmG\\u{3164}\\u{200b}\\u{e0041}";

fn panel() -> String {
    format!(
        r#"
services:
  - service_id: {SERVICE}
connections:
  - {{endpoint_id: vpce-00000000000000003, service_id: {SERVICE}, owner: "000000000003"}}
policy:
  settings:
    - {{service_id: "*", name: "Pay\u00ADments"}}
  entries:
    - {{service_id: "*", principal: "000000000003", effect: allow, regions: [eu-central-1], customer: "{NAME}"}}
  approvers:
    - {{id: alice@example.com, services: ["*"], slack_user_id: U0ALICE}}
"#
    )
}

fn all_texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(array) => array.iter().flat_map(all_texts).collect(),
        Value::Object(object) => object.values().flat_map(all_texts).collect(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn nobody_reads_a_name_that_holds_what_is_not_seen_and_programs_get_it_as_it_is() {
    let mut space = Workspace::of(&panel()).await;
    // In a line of JSON a backslash is written twice.
    let in_log = SEEN.replace('\\', "\\\\");
    logs::keep(&in_log);
    logs::keep(NAME);
    space.world.reconcile().await;
    assert_eq!(space.deliver().await, [""; 0]);
    let world = &space.world;

    let mut published = 0;
    for message in world.sns.published() {
        let bodies: Value = serde_json::from_str(&message.message).unwrap();
        for (to, body) in bodies.as_object().unwrap() {
            let body = body.as_str().unwrap();
            let document: Option<Value> = serde_json::from_str(body).ok();
            let read = match to.as_str() {
                "default" => {
                    assert_eq!(document.unwrap()["customer"], NAME, "a program's");
                    continue;
                }
                "https" => all_texts(&document.unwrap()["content"]).join("\n"),
                _ => body.to_owned(),
            };
            assert!(read.contains(SEEN), "{to}: {read}");
            assert_eq!(visible(&read), read, "{to}");
            published += 1;
        }
        let subject = message.subject.unwrap();
        assert_eq!(visible(&subject), subject);
    }
    assert_eq!(published, 3, "everybody's mail and chat, and Alice's");

    let [shown] = space.slack.messages(CHANNEL).try_into().unwrap();
    let shown = shown.content.shown();
    assert!(shown.contains(SEEN) && visible(&shown) == shown, "{shown}");

    let page = get(world, &token(world, "alice", 3)).await.body;
    assert!(page.contains(SEEN) && visible(&page) == page, "{page}");
    assert!(page.contains("Pay\\u{ad}ments"), "{page}");

    assert!(
        !logs::kept(&in_log).is_empty(),
        "the decision's line has it"
    );
    assert_eq!(logs::kept(NAME), [""; 0]);
}

#[tokio::test]
async fn a_vote_is_confirmed_on_any_keyboard() {
    for (typed, is_right) in [
        ("０００００３", true),
        ("\u{feff}０0\u{200b}０0０3\u{202c}", true),
        ("０００００４", false),
    ] {
        let world = world_of(&panel()).await;
        world.reconcile().await;
        let token = token(&world, "alice", 3);
        let fields = [("choice", "approve"), ("reason", ""), ("typed", typed)];
        let answer = post(&world, &token, &fields).await;
        let expected = if is_right {
            (200, Some(Status::Accepted))
        } else {
            (422, Some(Status::InReview))
        };
        assert_eq!((answer.status, status(&world, 3).await), expected);
    }
}
