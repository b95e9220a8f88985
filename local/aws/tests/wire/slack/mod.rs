//! The double of Slack, called as an app calls it.

mod blocks;
mod calls;
mod history;
mod messages;
mod people;
mod responses;

use local_aws::NewChannel;
use serde_json::{Value, json};

use crate::world::*;

const CHANNEL: &str = "C0REVIEWS";
const JSON: &str = "application/json; charset=utf-8";
const ALICE: &str = "U0ALICE";
const BOB: &str = "U0BOB";

/// A workspace with a channel and two people in it.
fn workspace() -> World {
    let world = World::new();
    let channel = NewChannel::new(CHANNEL, "connection-reviews");
    world.slack.put_channel(channel);
    world.slack.put_user(ALICE, "alice");
    world.slack.put_user(BOB, "bob");
    world
}

/// The answer of a method, with status 200.
fn call(world: &World, method: &str, args: &Value) -> Value {
    let answer = world
        .post_slack(method, Some(BOT_TOKEN), JSON, &args.to_string())
        .unwrap();
    assert_eq!(answer.status, 200, "{method} {args}: {answer:?}");
    assert_eq!(answer.header("content-type"), JSON);
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    assert!(answer["ok"].is_boolean(), "{answer}");
    answer
}

/// The error that a method answers, or nothing.
fn error(world: &World, method: &str, args: &Value) -> String {
    let answer = call(world, method, args);
    let error = answer["error"].as_str().unwrap_or_default();
    assert_eq!(answer["ok"], error.is_empty(), "{answer}");
    error.to_owned()
}

/// Posts a message to the channel, and answers its `ts`.
fn post(world: &World, args: &Value) -> String {
    let mut args = args.clone();
    args["channel"] = json!(CHANNEL);
    let answer = call(world, "chat.postMessage", &args);
    assert_eq!(answer["ok"], true, "{answer}");
    answer["ts"].as_str().unwrap().to_owned()
}

/// A message with a button to approve and one to reject.
fn review() -> Value {
    json!({
        "text": "A connection waits for review",
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": [
            { "type": "header", "text": { "type": "plain_text", "text": "A connection waits" } },
            { "type": "section", "text": { "type": "mrkdwn", "text": "*Example Ltd* asks" },
              "fields": [{ "type": "mrkdwn", "text": "Region eu-west-1" }] },
            { "type": "actions", "block_id": "decide", "elements": [
                { "type": "button", "action_id": "approve", "style": "primary", "value": "vpce-1/2",
                  "text": { "type": "plain_text", "text": "Approve" },
                  "confirm": {
                      "title": { "type": "plain_text", "text": "Approve?" },
                      "text": { "type": "mrkdwn", "text": "It connects *at once*." },
                      "confirm": { "type": "plain_text", "text": "Approve" },
                      "deny": { "type": "plain_text", "text": "Back" } } },
                { "type": "button", "action_id": "reject", "style": "danger", "value": "vpce-1/2",
                  "text": { "type": "plain_text", "text": "Reject…" } },
            ] },
            { "type": "context", "elements": [{ "type": "mrkdwn", "text": "since 12:00" }] },
        ],
    })
}

/// A modal that asks for a reason.
fn reason() -> Value {
    json!({
        "type": "modal",
        "callback_id": "reject",
        "private_metadata": "vpce-1/2",
        "title": { "type": "plain_text", "text": "Reject" },
        "submit": { "type": "plain_text", "text": "Reject" },
        "close": { "type": "plain_text", "text": "Back" },
        "blocks": [{
            "type": "input",
            "block_id": "reason",
            "label": { "type": "plain_text", "text": "Why?" },
            "element": { "type": "plain_text_input", "action_id": "text", "multiline": true, "max_length": 20 },
        }],
    })
}
