use std::time::Duration;

use local_aws::{Interaction, slack_signature};
use serde_json::{Value, json};

use super::*;

const QUICK: Duration = Duration::from_millis(100);

/// Whether an interaction is signed with this secret, as the app would find.
fn is_signed(interaction: &Interaction, secret: &str) -> bool {
    let timestamp = interaction.header("x-slack-request-timestamp").unwrap();
    let signature = interaction.header("x-slack-signature");
    signature == Some(&slack_signature(secret, timestamp, &interaction.body))
}

/// The payload in the body, decoded as the app would.
fn decoded(interaction: &Interaction) -> Value {
    let fields: Vec<(String, String)> = form_urlencoded::parse(&interaction.body)
        .into_owned()
        .collect();
    assert_eq!(fields.len(), 1);
    assert_eq!(fields[0].0, "payload");
    serde_json::from_str(&fields[0].1).unwrap()
}

fn open_view(world: &World, interaction: &Interaction, view: &Value) -> Value {
    let args = json!({ "trigger_id": interaction.trigger_id(), "view": view });
    call(world, "views.open", &args)
}

#[test]
fn a_press_is_posted_as_slack_posts_it() {
    let world = workspace();
    let ts = post(&world, &review());
    world.advance(5);
    let pressed = world.slack.press(ALICE, CHANNEL, &ts, "approve").unwrap();
    assert_eq!(
        pressed.header("Content-Type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(
        pressed.header("X-Slack-Request-Timestamp"),
        Some("1767225605")
    );
    assert!(is_signed(&pressed, SIGNING_SECRET));
    let payload = decoded(&pressed);
    assert_eq!(&payload, pressed.payload());
    let base = format!("{}/actions/T0LOCAL0001/", world.slack_url());
    assert!(pressed.response_url().unwrap().starts_with(&base));
    let trigger: Vec<&str> = pressed.trigger_id().split('.').collect();
    assert_eq!((trigger.len(), trigger[2].len()), (3, 32));
    assert_eq!(
        payload,
        json!({
            "type": "block_actions",
            "user": { "id": ALICE, "username": "alice", "name": "alice", "team_id": "T0LOCAL0001" },
            "api_app_id": "A0LOCAL0001",
            "token": payload["token"],
            "container": { "type": "message", "message_ts": ts, "channel_id": CHANNEL, "is_ephemeral": false },
            "trigger_id": pressed.trigger_id(),
            "team": { "id": "T0LOCAL0001", "domain": "local" },
            "enterprise": null,
            "is_enterprise_install": false,
            "channel": { "id": CHANNEL, "name": "connection-reviews" },
            "message": {
                "type": "message",
                "ts": ts,
                "team": "T0LOCAL0001",
                "user": "U0LOCAL0001",
                "bot_id": "B0LOCAL0001",
                "app_id": "A0LOCAL0001",
                "text": "A connection waits for review",
                "blocks": world.slack.message(CHANNEL, &ts).unwrap().content.blocks,
            },
            "state": { "values": {} },
            "response_url": pressed.response_url(),
            "actions": [{
                "type": "button",
                "action_id": "approve",
                "block_id": "decide",
                "text": { "type": "plain_text", "text": "Approve" },
                "value": "vpce-1/2",
                "style": "primary",
                "confirm": review()["blocks"][2]["elements"][0]["confirm"],
                "action_ts": "1767225605.000001",
            }],
        })
    );
}

#[test]
fn what_is_not_there_cannot_be_pressed() {
    let world = workspace();
    let ts = post(&world, &review());
    let press = |ts: &str, action: &str| world.slack.press(ALICE, CHANNEL, ts, action);
    let none = press("1.000000", "approve").unwrap_err().to_string();
    assert!(none.contains("no message 1.000000"), "{none}");
    let none = press(&ts, "delete").unwrap_err().to_string();
    assert!(none.contains("no button delete"), "{none}");
    let update = json!({ "channel": CHANNEL, "ts": ts, "text": "Approved" });
    call(&world, "chat.update", &update);
    assert!(press(&ts, "approve").is_err());
    let stale = world
        .slack
        .press_stale(ALICE, CHANNEL, &ts, "approve")
        .unwrap();
    assert_eq!(decoded(&stale)["actions"][0]["value"], "vpce-1/2");
    assert_eq!(decoded(&stale)["message"]["text"], "Approved");
    assert!(world.slack.press_stale(ALICE, CHANNEL, &ts, "x").is_err());
}

#[test]
fn an_interaction_can_be_made_into_what_slack_would_never_send() {
    let world = workspace();
    let ts = post(&world, &review());
    let pressed = || world.slack.press(ALICE, CHANNEL, &ts, "approve").unwrap();
    let team = pressed().with_team("T0OTHER");
    assert_eq!(decoded(&team)["team"]["id"], "T0OTHER");
    assert_eq!(decoded(&team)["user"]["team_id"], "T0OTHER");
    let guest = pressed().with_users_team("T0OTHER");
    assert_eq!(decoded(&guest)["team"]["id"], "T0LOCAL0001");
    assert_eq!(decoded(&guest)["user"]["team_id"], "T0OTHER");
    let app = pressed().with_app("A0OTHER");
    assert_eq!(decoded(&app)["api_app_id"], "A0OTHER");
    let user = pressed().with_user("U0MALLORY");
    assert_eq!(decoded(&user)["user"]["id"], "U0MALLORY");
    let payload = pressed().with_payload(|payload| payload["actions"] = json!([]));
    assert_eq!(decoded(&payload)["actions"], json!([]));
    let old = pressed().signed_at("2025-12-31T23:54:59Z".parse().unwrap());
    assert_eq!(old.header("X-Slack-Request-Timestamp"), Some("1767225299"));
    let body = pressed().with_body("payload=");
    assert_eq!(body.body, b"payload=");
    for altered in [&team, &guest, &app, &user, &payload, &old, &body] {
        assert!(is_signed(altered, SIGNING_SECRET), "{altered:?}");
    }
    let forged = pressed().signed_with("guessed");
    assert!(is_signed(&forged, "guessed") && !is_signed(&forged, SIGNING_SECRET));
    let tampered = pressed().tampered(|body| body.push(b' '));
    assert!(!is_signed(&tampered, SIGNING_SECRET));
    let bare = pressed().with_header("x-slack-signature", None);
    assert_eq!(bare.header("X-Slack-Signature"), None);
    let odd = pressed().with_header("X-Slack-Signature", Some("v1=00"));
    assert_eq!(odd.header("x-slack-signature"), Some("v1=00"));
    assert_eq!(odd.headers.len(), pressed().headers.len());
    world.slack.set_signing_secret("the-next");
    assert!(is_signed(&pressed(), "the-next"));
}

#[test]
fn a_trigger_opens_one_modal_within_three_seconds() {
    let world = workspace();
    let ts = post(&world, &review());
    let press = || world.slack.press(ALICE, CHANNEL, &ts, "reject").unwrap();
    let pressed = press();
    world.advance(3);
    let opened = open_view(&world, &pressed, &reason());
    assert_eq!(opened["ok"], true, "{opened}");
    let views = world.slack.views(ALICE);
    assert_eq!(views.len(), 1);
    assert_eq!(opened["view"]["id"], views[0].id);
    assert_eq!(opened["view"]["private_metadata"], "vpce-1/2");
    assert_eq!(views[0].shown(), "Reject\nWhy?\nReject\nBack");
    assert!(world.slack.views(BOB).is_empty());
    let again = open_view(&world, &pressed, &reason());
    assert_eq!(again["error"], "exchanged_trigger_id");
    let late = press();
    world.clock.advance(Duration::from_millis(3001));
    assert_eq!(
        open_view(&world, &late, &reason())["error"],
        "expired_trigger_id"
    );
    let made_up = json!({ "trigger_id": "1.2.3", "view": reason() });
    assert_eq!(error(&world, "views.open", &made_up), "invalid_trigger_id");
    let mut large = reason();
    large["private_metadata"] = json!("x".repeat(250_000));
    assert_eq!(
        open_view(&world, &press(), &large)["error"],
        "view_too_large"
    );
    let no_view = json!({ "trigger_id": press().trigger_id() });
    assert_eq!(error(&world, "views.open", &no_view), "invalid_arguments");
    assert_eq!(world.slack.views(ALICE).len(), 1);
}

#[test]
fn a_modal_is_updated_by_its_id() {
    let world = workspace();
    let ts = post(&world, &review());
    let pressed = world.slack.press(ALICE, CHANNEL, &ts, "reject").unwrap();
    let opened = open_view(&world, &pressed, &reason());
    let mut view = reason();
    view["title"]["text"] = json!("Rejected");
    let (id, hash) = (&opened["view"]["id"], &opened["view"]["hash"]);
    let update = |args: Value| error(&world, "views.update", &args);
    assert_eq!(
        update(json!({ "view_id": id, "view": view, "hash": hash })),
        ""
    );
    assert!(
        world.slack.views(ALICE)[0]
            .shown()
            .starts_with("Rejected\n")
    );
    let conflict = json!({ "view_id": id, "view": view, "hash": hash });
    assert_eq!(update(conflict), "hash_conflict");
    assert_eq!(
        update(json!({ "view_id": "V0", "view": view })),
        "not_found"
    );
    assert_eq!(update(json!({ "view": view })), "invalid_arguments");
}

/// A modal that Alice has open.
fn opened(world: &World, view: &Value) -> String {
    let ts = post(world, &review());
    let pressed = world.slack.press(ALICE, CHANNEL, &ts, "reject").unwrap();
    let answer = open_view(world, &pressed, view);
    answer["view"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_submission_holds_what_was_filled_in() {
    let world = workspace();
    let id = opened(&world, &reason());
    let submitted = world
        .slack
        .submit_view(ALICE, &id, &[("reason", "not known")])
        .unwrap();
    assert!(is_signed(&submitted, SIGNING_SECRET));
    let payload = decoded(&submitted);
    assert_eq!(payload["type"], "view_submission");
    assert_eq!(payload["user"]["id"], ALICE);
    assert_eq!(payload["team"]["id"], "T0LOCAL0001");
    assert_eq!(payload["view"]["callback_id"], "reject");
    assert_eq!(payload["view"]["private_metadata"], "vpce-1/2");
    assert_eq!(
        payload["view"]["state"],
        json!({ "values": { "reason": { "text": { "type": "plain_text_input", "value": "not known" } } } })
    );
    assert_eq!(payload["response_urls"], json!([]));
    let submit = |user: &str, id: &str, values: &[(&str, &str)]| {
        let result = world.slack.submit_view(user, id, values);
        result.map(drop).map_err(|error| error.to_string())
    };
    for (user, id, values, why) in [
        (ALICE, id.as_str(), &[][..], "must be filled in"),
        (ALICE, &id, &[("reason", "")], "must be filled in"),
        (
            ALICE,
            &id,
            &[("reason", "a reason that is too long")],
            "takes 0 to 20 characters",
        ),
        (
            ALICE,
            &id,
            &[("reason", "r"), ("x", "y")],
            "no input block x",
        ),
        (BOB, &id, &[("reason", "r")], "has no modal"),
        (ALICE, "V0", &[("reason", "r")], "has no modal V0"),
    ] {
        let error = submit(user, id, values).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn optional_inputs_and_choices_come_back_as_they_are() {
    let world = workspace();
    let mut view = reason();
    let option =
        |value: &str| json!({ "text": { "type": "plain_text", "text": value }, "value": value });
    view["blocks"][0]["optional"] = json!(true);
    let kind = json!({
        "type": "input",
        "block_id": "kind",
        "label": { "type": "plain_text", "text": "Kind" },
        "element": { "type": "static_select", "action_id": "pick", "options": [option("a"), option("b")] },
    });
    view["blocks"].as_array_mut().unwrap().push(kind);
    let id = opened(&world, &view);
    let values = |values: &[(&str, &str)]| {
        let submitted = world.slack.submit_view(ALICE, &id, values);
        submitted.map(|submitted| decoded(&submitted)["view"]["state"]["values"].clone())
    };
    let state = values(&[("kind", "b")]).unwrap();
    assert_eq!(state["reason"]["text"]["value"], Value::Null);
    assert_eq!(state["kind"]["pick"]["selected_option"], option("b"));
    assert!(values(&[("kind", "c")]).is_err() && values(&[]).is_err());
}

#[test]
fn an_answer_in_time_closes_the_modal_or_does_what_it_says() {
    let world = workspace();
    let mut second = reason();
    second["title"]["text"] = json!("Really?");
    let answers = |answer: Value| answer.to_string().into_bytes();
    let bad = json!({ "type": "modal" });
    let titles = |user: &str| -> Vec<String> {
        let views = world.slack.views(user).into_iter();
        views
            .map(|view| view.view["title"]["text"].as_str().unwrap().to_owned())
            .collect()
    };
    for (status, body, took, left, error) in [
        (200, Vec::new(), 3000, vec![], ""),
        (
            200,
            answers(json!({ "response_action": "clear" })),
            1,
            vec![],
            "",
        ),
        (
            200,
            answers(json!({ "response_action": "update", "view": second })),
            1,
            vec!["Really?"],
            "",
        ),
        (
            200,
            answers(json!({ "response_action": "push", "view": second })),
            1,
            vec!["Reject", "Really?"],
            "",
        ),
        (
            200,
            answers(json!({ "response_action": "errors", "errors": { "reason": "Too short" } })),
            1,
            vec!["Reject"],
            "",
        ),
        (
            200,
            answers(json!({ "response_action": "errors", "errors": { "other": "?" } })),
            1,
            vec!["Reject"],
            "no input block other",
        ),
        (
            200,
            answers(json!({ "response_action": "update", "view": bad })),
            1,
            vec!["Reject"],
            "missing required field: title",
        ),
        (
            200,
            answers(json!({ "response_action": "vanish" })),
            1,
            vec!["Reject"],
            "vanish",
        ),
        (200, b"thanks".to_vec(), 1, vec!["Reject"], "not JSON"),
        (500, Vec::new(), 1, vec!["Reject"], "status was 500"),
        (200, Vec::new(), 3001, vec!["Reject"], "took 3001 ms"),
    ] {
        let id = opened(&world, &reason());
        let submitted = world
            .slack
            .submit_view(ALICE, &id, &[("reason", "r")])
            .unwrap();
        let before = world.slack.errors_shown(ALICE).len();
        let took = Duration::from_millis(took);
        world.slack.answered(&submitted, status, &body, took);
        let body = String::from_utf8(body).unwrap();
        assert_eq!(titles(ALICE), left, "{status} {body}");
        let errors = world.slack.errors_shown(ALICE);
        let shown = errors.get(before).map(|error| error.why.clone());
        let shown = shown.unwrap_or_default();
        assert!(shown.contains(error), "{body}: {shown}");
        assert_eq!(shown.is_empty(), error.is_empty(), "{body}: {shown}");
        if body.contains("Too short") {
            let view = &world.slack.views(ALICE)[0];
            assert_eq!(view.errors["reason"], "Too short");
            assert!(view.shown().ends_with("Too short"));
        }
        for view in world.slack.views(ALICE) {
            assert!(world.slack.close_view(ALICE, &view.id).unwrap().is_none());
        }
    }
    assert!(world.slack.errors_shown(BOB).is_empty());
}

#[test]
fn a_press_that_is_not_answered_in_time_shows_an_error() {
    let world = workspace();
    let ts = post(&world, &review());
    let pressed = world.slack.press(ALICE, CHANNEL, &ts, "approve").unwrap();
    world.slack.answered(&pressed, 200, b"", QUICK);
    assert!(world.slack.errors_shown(ALICE).is_empty());
    world.slack.answered(&pressed, 401, b"", QUICK);
    let late = Duration::from_millis(3001);
    world.slack.answered(&pressed, 200, b"", late);
    let shown = world.slack.errors_shown(ALICE);
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[0].why, "the answer's status was 401");
    assert_eq!(shown[0].at, world.clock.now());
}

#[test]
fn no_fourth_view_is_pushed() {
    let world = workspace();
    let id = opened(&world, &reason());
    let push = json!({ "response_action": "push", "view": reason() }).to_string();
    for pushed in 1..=3 {
        let submitted = world
            .slack
            .submit_view(ALICE, &id, &[("reason", "r")])
            .unwrap();
        world
            .slack
            .answered(&submitted, 200, push.as_bytes(), QUICK);
        let (views, errors) = (world.slack.views(ALICE), world.slack.errors_shown(ALICE));
        assert_eq!((views.len(), errors.len()), (3.min(pushed + 1), pushed / 3));
    }
}

#[test]
fn the_app_hears_of_a_modal_that_was_closed_if_it_wants_to() {
    let world = workspace();
    let mut view = reason();
    view["notify_on_close"] = json!(true);
    let id = opened(&world, &view);
    let closed = world.slack.close_view(ALICE, &id).unwrap().unwrap();
    let payload = decoded(&closed);
    assert_eq!(
        (&payload["type"], &payload["view"]["id"]),
        (&json!("view_closed"), &json!(id))
    );
    assert!(is_signed(&closed, SIGNING_SECRET));
    assert!(world.slack.views(ALICE).is_empty());
    assert!(world.slack.close_view(ALICE, &id).is_err());
}
