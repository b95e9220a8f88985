use std::time::Duration;

use local_aws::{Fault, FaultKind};
use serde_json::{Value, json};

use super::*;

const POST: &str = "chat.postMessage";

#[test]
fn only_the_bots_token_is_let_in() {
    let world = workspace();
    let args = json!({ "channel": CHANNEL, "text": "hi" }).to_string();
    let outcome = |token: Option<&str>| -> Value {
        let answer = world.post_slack(POST, token, JSON, &args).unwrap();
        serde_json::from_str(&answer.body).unwrap()
    };
    assert_eq!(outcome(None), json!({ "ok": false, "error": "not_authed" }));
    let invalid = json!({ "ok": false, "error": "invalid_auth" });
    for token in ["xoxb-another", &format!("{BOT_TOKEN}x")] {
        assert_eq!(outcome(Some(token)), invalid, "{token}");
    }
    assert_eq!(outcome(Some(BOT_TOKEN))["ok"], true);
    world.slack.set_bot_token("xoxb-the-next");
    assert_eq!(outcome(Some(BOT_TOKEN)), invalid);
    assert_eq!(outcome(Some("xoxb-the-next"))["ok"], true);
    assert_eq!(world.slack.messages(CHANNEL).len(), 2);
}

#[test]
fn bodies_must_be_what_their_type_says() {
    let world = workspace();
    for (kind, body, expected) in [
        (JSON, "{", "invalid_json"),
        (JSON, "[]", "json_not_object"),
        ("text/plain", "{}", "invalid_post_type"),
        (JSON, "", "invalid_arguments"),
        (JSON, "{\"channel\": 1}", "invalid_arguments"),
    ] {
        let answer = world.post_slack(POST, Some(BOT_TOKEN), kind, body).unwrap();
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer["error"], expected, "{kind} {body}");
    }
    let body = json!({ "channel": CHANNEL, "text": "é" }).to_string();
    let answer = world
        .post_slack(POST, Some(BOT_TOKEN), "application/json", &body)
        .unwrap();
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        (&answer["ok"], &answer["warning"]),
        (&json!(true), &json!("missing_charset"))
    );
    let form = "application/x-www-form-urlencoded";
    let body = format!("channel={CHANNEL}&text=form&blocks=%5B%7B%22type%22%3A%22divider%22%7D%5D");
    world
        .post_slack(POST, Some(BOT_TOKEN), form, &body)
        .unwrap();
    let posted = world.slack.messages(CHANNEL);
    assert_eq!(posted[0].content.text, "é");
    assert_eq!(posted[1].content.blocks[0]["type"], "divider");
    let unknown = call(&world, "chat.delete", &json!({}));
    assert_eq!(
        (&unknown["error"], &unknown["req_method"]),
        (&json!("unknown_method"), &json!("chat.delete"))
    );
    assert_eq!(world.get("/slack/other").status, 404);
}

#[test]
fn a_scope_that_was_not_granted_is_named() {
    let world = workspace();
    world
        .slack
        .set_options(|options| options.scopes.retain(|scope| scope != "chat:write"));
    let args = json!({ "channel": CHANNEL, "text": "hi" });
    for method in [POST, "chat.update", "chat.postEphemeral"] {
        assert_eq!(
            call(&world, method, &args),
            json!({
                "ok": false,
                "error": "missing_scope",
                "needed": "chat:write",
                "provided": "channels:history,groups:history",
            })
        );
    }
    assert!(world.slack.messages(CHANNEL).is_empty());
    let history = json!({ "channel": CHANNEL });
    assert_eq!(error(&world, "conversations.history", &history), "");
}

#[test]
fn faults_come_before_the_work_or_after_it() {
    let mut world = workspace();
    let args = json!({ "channel": CHANNEL, "text": "hi" }).to_string();
    let call = |world: &World| world.post_slack(POST, Some(BOT_TOKEN), JSON, &args);
    let revoked = FaultKind::Refused {
        code: "token_revoked".to_owned(),
        message: String::new(),
        items: Vec::new(),
    };
    for (kind, status, body) in [
        (
            FaultKind::Throttle,
            429,
            r#"{"error":"ratelimited","ok":false}"#,
        ),
        (
            FaultKind::InternalError,
            500,
            "<html><body>Internal Server Error</body></html>",
        ),
        (
            FaultKind::Unavailable,
            503,
            "<html><body>Service Unavailable</body></html>",
        ),
        (
            FaultKind::Unauthorized,
            200,
            r#"{"error":"invalid_auth","ok":false}"#,
        ),
        (revoked, 200, r#"{"error":"token_revoked","ok":false}"#),
    ] {
        world.slack.inject(Fault::new(POST, kind));
        let answer = call(&world).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (status, body));
        assert!(world.slack.messages(CHANNEL).is_empty());
    }
    world.slack.inject(Fault::new(POST, FaultKind::Hang));
    world.slack.inject(Fault::new(POST, FaultKind::AnswerHangs));
    world.read_timeout = Duration::from_millis(200);
    for posted in 0..2 {
        assert!(call(&world).is_err());
        assert_eq!(world.slack.messages(CHANNEL).len(), posted);
    }
    world.read_timeout = Duration::from_secs(60);
    world.slack.inject(Fault::new(POST, FaultKind::AnswerLost));
    assert!(call(&world).is_err());
    assert_eq!(world.slack.messages(CHANNEL).len(), 2);
    world.slack.inject(Fault::new(POST, FaultKind::AnswerFails));
    assert_eq!(call(&world).unwrap().status, 500);
    assert_eq!(world.slack.messages(CHANNEL).len(), 3);
    assert_eq!(world.slack.calls_of(POST), 9);
    let errors: Vec<_> = world
        .slack
        .log()
        .into_iter()
        .map(|call| call.error)
        .collect();
    assert_eq!(errors[0].as_deref(), Some("ratelimited"));
    assert_eq!(errors[7].as_deref(), Some("AnswerLost"));
}

#[test]
fn whoever_does_not_wait_after_429_is_noted() {
    let world = workspace();
    let wait = Duration::from_secs(7);
    world
        .slack
        .set_options(|options| options.retry_after = wait);
    world.slack.inject(Fault::new(POST, FaultKind::Throttle));
    let args = json!({ "channel": CHANNEL, "text": "hi" }).to_string();
    let call = |method: &str| {
        world
            .post_slack(method, Some(BOT_TOKEN), JSON, &args)
            .unwrap()
    };
    let answer = call(POST);
    assert_eq!((answer.status, answer.header("retry-after")), (429, "7"));
    world.advance(6);
    call("conversations.history");
    assert!(world.slack.too_early().is_empty(), "another method");
    assert_eq!(call(POST).status, 200);
    assert_eq!(world.slack.too_early(), [POST]);
    world.advance(1);
    call(POST);
    assert_eq!(world.slack.too_early().len(), 1);
}

#[test]
fn the_documented_limits_are_applied_when_they_are_on() {
    let world = workspace();
    world.slack.put_channel(NewChannel::new("C0OTHER", "other"));
    world.slack.set_options(|options| options.throttling = true);
    let until_limited = |method: &str, args: Value| {
        let args = args.to_string();
        (0..200)
            .take_while(|_| {
                let answer = world.post_slack(method, Some(BOT_TOKEN), JSON, &args);
                answer.unwrap().status == 200
            })
            .count()
    };
    let message = |channel: &str| json!({ "channel": channel, "text": "hi" });
    assert_eq!(until_limited(POST, message(CHANNEL)), 10);
    assert_eq!(until_limited(POST, message("C0OTHER")), 10, "by channel");
    assert_eq!(until_limited("chat.update", message(CHANNEL)), 50);
    assert_eq!(until_limited("views.open", json!({})), 100);
    world.advance(3);
    assert_eq!(until_limited(POST, message(CHANNEL)), 3);
}

#[test]
fn no_log_and_no_debug_output_holds_the_token_or_the_secret() {
    let world = workspace();
    let args = json!({ "channel": CHANNEL, "text": "hi", "token": BOT_TOKEN });
    let ts = post(&world, &review());
    call(&world, POST, &args);
    let pressed = world.slack.press(ALICE, CHANNEL, &ts, "approve").unwrap();
    let slack: &local_aws::Slack = &world.slack;
    let control: &local_aws::Control = slack;
    let config = local_aws::SlackConfig {
        bot_token: BOT_TOKEN.to_owned(),
        signing_secret: SIGNING_SECRET.to_owned(),
        ..local_aws::SlackConfig::default()
    };
    let shown = format!(
        "{slack:?} {control:?} {:?} {pressed:?} {config:?}",
        slack.log()
    );
    let signature = pressed.header("X-Slack-Signature").unwrap();
    for secret in [BOT_TOKEN, SIGNING_SECRET, signature] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert_eq!(slack.log()[1].param("text"), Some("hi"));
}
