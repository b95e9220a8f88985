use local_aws::Interaction;
use serde_json::{Value, json};

use super::*;

fn pressed(world: &World) -> (String, Interaction) {
    let ts = post(world, &review());
    let pressed = world.slack.press(ALICE, CHANNEL, &ts, "approve").unwrap();
    (ts, pressed)
}

/// Posts to an interaction's URL, without the token; nothing if that is well.
fn respond(world: &World, interaction: &Interaction, message: &Value) -> String {
    let url = interaction.response_url().unwrap();
    let answer = world
        .post_slack(url, None, JSON, &message.to_string())
        .unwrap();
    if answer.status == 200 {
        assert_eq!(answer.body, "ok");
        return String::new();
    }
    assert_eq!(answer.status, 404);
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    answer["error"].as_str().unwrap().to_owned()
}

#[test]
fn a_response_is_seen_by_who_pressed_or_replaces_the_message() {
    let world = workspace();
    let (ts, pressed) = pressed(&world);
    let text = json!({ "text": "You are no approver." });
    assert_eq!(respond(&world, &pressed, &text), "");
    let seen = world.slack.ephemerals(CHANNEL, ALICE);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].content.text, "You are no approver.");
    assert_eq!(world.slack.messages(CHANNEL)[0].edits, 0);
    let replaced = json!({ "replace_original": "true", "text": "Approved" });
    assert_eq!(respond(&world, &pressed, &replaced), "");
    let message = world.slack.message(CHANNEL, &ts).unwrap();
    assert_eq!((message.shown().as_str(), message.edits), ("Approved", 1));
    let said =
        json!({ "response_type": "in_channel", "text": "https://a.example", "thread_ts": ts });
    assert_eq!(respond(&world, &pressed, &said), "");
    assert_eq!(world.slack.replies(CHANNEL, &ts).len(), 1);
    assert_eq!(world.slack.unfurled().len(), 1);
    assert_eq!(world.slack.links()[0].place.method, "response_url");
    let deleted = json!({ "delete_original": true });
    assert_eq!(respond(&world, &pressed, &deleted), "");
    assert_eq!(world.slack.message(CHANNEL, &ts), None);
    assert_eq!(
        respond(&world, &pressed, &replaced),
        "message_not_found",
        "there is nothing to replace any more"
    );
    assert_eq!(world.slack.calls_of("response_url"), 5);
}

#[test]
fn buttons_of_an_ephemeral_message_work_for_who_sees_it() {
    let world = workspace();
    let (_, first) = pressed(&world);
    respond(&world, &first, &review());
    let shown = &world.slack.ephemerals(CHANNEL, ALICE)[0];
    let press = |user: &str| world.slack.press(user, CHANNEL, &shown.ts, "reject");
    assert!(press(BOB).is_err());
    let second = press(ALICE).unwrap();
    let payload = second.payload();
    assert_eq!(payload["container"]["is_ephemeral"], true);
    assert_eq!(payload["message"], Value::Null);
    let replaced = json!({ "replace_original": true, "text": "Done" });
    assert_eq!(respond(&world, &second, &replaced), "");
    let shown = world.slack.ephemerals(CHANNEL, ALICE);
    assert_eq!((shown.len(), shown[0].content.text.as_str()), (1, "Done"));
    assert_eq!(
        respond(&world, &second, &json!({ "delete_original": true })),
        ""
    );
    assert!(world.slack.ephemerals(CHANNEL, ALICE).is_empty());
}

#[test]
fn a_url_takes_five_responses_within_thirty_minutes() {
    let world = workspace();
    let text = json!({ "text": "m" });
    let (_, used) = pressed(&world);
    for _ in 0..5 {
        assert_eq!(respond(&world, &used, &text), "");
    }
    assert_eq!(respond(&world, &used, &text), "used_url");
    let (_, old) = pressed(&world);
    for bad in [
        json!({}),
        json!({ "text": "m", "response_type": "loud" }),
        json!({ "text": "m", "blocks": [{ "type": "marquee" }] }),
    ] {
        assert_ne!(respond(&world, &old, &bad), "", "{bad}");
    }
    world.advance(30 * 60);
    assert_eq!(respond(&world, &old, &text), "");
    world.advance(1);
    assert_eq!(respond(&world, &old, &text), "expired_url");
    let unknown = format!("{}x", old.response_url().unwrap());
    let answer = world.post_slack(&unknown, None, JSON, "{}").unwrap();
    assert_eq!(answer.status, 404);
    assert_eq!(world.slack.ephemerals(CHANNEL, ALICE).len(), 6);
}
