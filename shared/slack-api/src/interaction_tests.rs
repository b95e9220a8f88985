use proptest::prelude::*;
use serde_json::json;

use super::*;

/// As Slack sends it, shortened: <https://docs.slack.dev/reference/interaction-payloads>.
fn press() -> Value {
    json!({
        "type": "block_actions",
        "user": {"id": "U2CERLKJA", "username": "roadrunner", "name": "roadrunner", "team_id": "T1DC2JH3J"},
        "api_app_id": "A0123456789",
        "token": "Shh_its_a_secret",
        "container": {"type": "message", "message_ts": "1531420618.000200",
                      "channel_id": "C0123456789", "is_ephemeral": false},
        "trigger_id": "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
        "team": {"id": "T1DC2JH3J", "domain": "testteamnow"},
        "enterprise": null,
        "is_enterprise_install": false,
        "channel": {"id": "C0123456789", "name": "approvals"},
        "message": {"type": "message", "ts": "1531420618.000200", "text": "A connection waits", "blocks": []},
        "state": {"values": {}},
        "response_url": "https://hooks.slack.com/actions/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXaIFfN",
        "actions": [{"action_id": "approve", "block_id": "decide", "type": "button",
                     "text": {"type": "plain_text", "text": "Approve", "emoji": true},
                     "value": "vpce-0123456789abcdef0 3", "style": "primary",
                     "action_ts": "1531420618.123456"}]
    })
}

fn submission() -> Value {
    json!({
        "type": "view_submission",
        "team": {"id": "T1DC2JH3J", "domain": "testteamnow"},
        "user": {"id": "U2CERLKJA", "username": "roadrunner", "team_id": "T1DC2JH3J"},
        "api_app_id": "A0123456789",
        "token": "Shh_its_a_secret",
        "trigger_id": "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
        "view": {
            "id": "VNHU13V36", "team_id": "T1DC2JH3J", "type": "modal", "blocks": [],
            "private_metadata": "vpce-0123456789abcdef0 3", "callback_id": "reject",
            "state": {"values": {
                "why": {"reason": {"type": "plain_text_input", "value": "not a customer & <b>"}},
                "more": {"empty": {"type": "plain_text_input", "value": null},
                         "other": {"type": "checkboxes", "selected_options": []}}}},
            "hash": "156663117.cd33ad1f", "title": {"type": "plain_text", "text": "Reject"}
        },
        "response_urls": []
    })
}

fn body(payload: &Value) -> Vec<u8> {
    form::encode(&[("payload", &payload.to_string())]).into_bytes()
}

fn decoded(payload: &Value) -> Result<Interaction, Malformed> {
    decode(&body(payload), &BaseUrl::default())
}

fn without(mut payload: Value, pointer: &str) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = payload.pointer_mut(parent).unwrap();
    parent.as_object_mut().unwrap().remove(key).unwrap();
    payload
}

fn with(mut payload: Value, pointer: &str, value: Value) -> Value {
    *payload.pointer_mut(pointer).unwrap() = value;
    payload
}

#[test]
fn a_button_says_who_pressed_what_where() {
    let Interaction::Pressed(pressed) = decoded(&press()).unwrap() else {
        panic!("a press")
    };
    assert_eq!(pressed.by.user.as_str(), "U2CERLKJA");
    assert_eq!(
        pressed.by.user_tenant.as_ref().unwrap().as_str(),
        "T1DC2JH3J"
    );
    assert_eq!(pressed.by.team.as_ref().unwrap().as_str(), "T1DC2JH3J");
    assert_eq!(pressed.by.organization, None);
    assert_eq!(pressed.by.app.as_str(), "A0123456789");
    assert_eq!(pressed.action_id, "approve");
    assert_eq!(pressed.value, "vpce-0123456789abcdef0 3");
    let place = pressed.message.as_ref().unwrap();
    assert_eq!(place.channel.as_str(), "C0123456789");
    assert_eq!(place.ts.as_str(), "1531420618.000200");
    assert!(pressed.trigger_id.expose().starts_with("398738663015."));
    let answer_at = pressed.response_url.as_ref().unwrap().expose();
    assert!(answer_at.starts_with("https://hooks.slack.com/actions/"));
    let shown = format!("{pressed:?}");
    for secret in ["803a0bc887a1", "96rGlfmib", "Shh_its"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_stranger_in_a_shared_channel_is_told_apart() {
    let shared = with(press(), "/user/team_id", json!("T0STRANGER"));
    let Interaction::Pressed(pressed) = decoded(&shared).unwrap() else {
        panic!("a press")
    };
    assert_eq!(pressed.by.user_tenant.unwrap().as_str(), "T0STRANGER");
    assert_eq!(pressed.by.team.unwrap().as_str(), "T1DC2JH3J");
}

#[test]
fn in_an_organization_slack_says_whose_workspace_it_is_in_several_ways() {
    let enterprise = json!({"id": "E1ORG", "name": "Example"});
    let org_wide = with(press(), "/enterprise", enterprise.clone());
    let org_wide = with(org_wide, "/is_enterprise_install", json!(true));
    let mut named = press();
    named["team"]["enterprise_id"] = json!("E1ORG");
    let of = |payload: Value| match decoded(&payload).unwrap() {
        Interaction::Pressed(pressed) => pressed.by,
        other => panic!("{other:?}"),
    };
    for (payload, team, user) in [
        (
            with(org_wide.clone(), "/team", json!(null)),
            None,
            Some("T1DC2JH3J"),
        ),
        (without(org_wide.clone(), "/team"), None, Some("T1DC2JH3J")),
        (
            with(org_wide.clone(), "/team/id", json!("E1ORG")),
            None,
            Some("T1DC2JH3J"),
        ),
        (org_wide.clone(), Some("T1DC2JH3J"), Some("T1DC2JH3J")),
        (
            with(org_wide.clone(), "/user/team_id", json!("E1ORG")),
            Some("T1DC2JH3J"),
            Some("E1ORG"),
        ),
        (
            without(org_wide.clone(), "/user/team_id"),
            Some("T1DC2JH3J"),
            None,
        ),
        (
            with(org_wide, "/user/team_id", json!(null)),
            Some("T1DC2JH3J"),
            None,
        ),
        (named, Some("T1DC2JH3J"), Some("T1DC2JH3J")),
    ] {
        let by = of(payload);
        assert_eq!(
            by.organization.as_ref().map(EnterpriseId::as_str),
            Some("E1ORG")
        );
        assert_eq!(by.team.as_ref().map(TeamId::as_str), team);
        assert_eq!(by.user_tenant.as_ref().map(TenantId::as_str), user);
    }
    let mut view = with(submission(), "/team", json!(null));
    view["enterprise"] = enterprise;
    let Interaction::Submitted(submitted) = decoded(&view).unwrap() else {
        panic!("a submission")
    };
    assert_eq!(submitted.by.organization.unwrap().as_str(), "E1ORG");
}

#[test]
fn a_button_in_a_modal_is_in_no_message() {
    let container = json!({"type": "view", "view_id": "V0123"});
    let in_modal = without(with(press(), "/container", container), "/response_url");
    let Interaction::Pressed(pressed) = decoded(&in_modal).unwrap() else {
        panic!("a press")
    };
    assert_eq!((pressed.message, pressed.response_url), (None, None));
}

#[test]
fn a_modal_says_who_wrote_what() {
    let Interaction::Submitted(submitted) = decoded(&submission()).unwrap() else {
        panic!("a submission")
    };
    assert_eq!(submitted.by.user.as_str(), "U2CERLKJA");
    assert_eq!(submitted.callback_id, "reject");
    assert_eq!(submitted.private_metadata, "vpce-0123456789abcdef0 3");
    let expected = Some("not a customer & <b>");
    assert_eq!(submitted.input("why", "reason"), expected);
    for (block, action) in [
        ("more", "empty"),
        ("more", "other"),
        ("why", "x"),
        ("x", "reason"),
    ] {
        assert_eq!(submitted.input(block, action), None, "{block} {action}");
    }
}

#[test]
fn a_modal_can_be_closed() {
    let closed = with(submission(), "/type", json!("view_closed"));
    let Interaction::Closed(closed) = decoded(&closed).unwrap() else {
        panic!("a closing")
    };
    assert_eq!(closed.callback_id, "reject");
}

#[test]
fn what_we_have_no_use_for_is_ignored() {
    for kind in ["shortcut", "message_action", "block_suggestion", "x"] {
        assert_eq!(
            decoded(&json!({"type": kind})),
            Ok(Interaction::Ignored(kind.to_owned()))
        );
    }
    let menu = with(press(), "/actions/0/type", json!("static_select"));
    assert_eq!(
        decoded(&menu),
        Ok(Interaction::Ignored("static_select".to_owned()))
    );
}

#[test]
fn a_form_with_anything_but_one_payload_is_refused() {
    let payload = String::from_utf8(body(&press())).unwrap();
    for (body, expected) in [
        (String::new(), Malformed::Fields),
        (format!("{payload}&{payload}"), Malformed::Fields),
        (format!("{payload}&x=1"), Malformed::Fields),
        (payload.replacen("payload", "Payload", 1), Malformed::Fields),
        ("ssl_check=1".to_owned(), Malformed::Fields),
        (press().to_string(), Malformed::NotAForm),
        ("payload=%ff".to_owned(), Malformed::NotAForm),
        (
            "payload=".to_owned() + &"x".repeat(BODY_LIMIT),
            Malformed::TooLong(BODY_LIMIT + 8),
        ),
    ] {
        let said = decode(body.as_bytes(), &BaseUrl::default());
        assert_eq!(said, Err(expected), "{body:.40}");
    }
}

#[test]
fn a_press_is_of_one_button() {
    for count in [0, 2, 3] {
        let actions = vec![press()["actions"][0].clone(); count];
        assert_eq!(
            decoded(&with(press(), "/actions", json!(actions))),
            Err(Malformed::Actions(count))
        );
    }
}

#[test]
fn a_payload_that_lacks_something_is_refused() {
    for pointer in [
        "/type",
        "/user",
        "/user/id",
        "/team/id",
        "/api_app_id",
        "/trigger_id",
        "/actions",
        "/actions/0/type",
        "/actions/0/action_id",
        "/container/channel_id",
        "/container/message_ts",
    ] {
        let refused = decoded(&without(press(), pointer)).unwrap_err();
        let field = pointer.rsplit('/').next().unwrap();
        assert!(refused.to_string().contains(field), "{pointer}: {refused}");
    }
    for pointer in [
        "/user/id",
        "/team/id",
        "/api_app_id",
        "/view",
        "/view/callback_id",
    ] {
        assert!(
            decoded(&without(submission(), pointer)).is_err(),
            "{pointer}"
        );
    }
    for (pointer, wrong) in [
        ("/user/id", json!("alice")),
        ("/user/id", json!(17)),
        ("/user/team_id", json!("example")),
        ("/user/team_id", json!(17)),
        ("/team", json!("T1DC2JH3J")),
        ("/team/id", json!("U2CERLKJA")),
        ("/enterprise", json!("E1ORG")),
        ("/enterprise", json!({"id": "T1DC2JH3J"})),
        ("/trigger_id", json!("")),
        ("/trigger_id", json!("1.2.3\r\n")),
        ("/container/channel_id", json!("approvals")),
        ("/actions", json!({})),
        ("/actions/0/value", json!({})),
    ] {
        assert!(
            decoded(&with(press(), pointer, wrong.clone())).is_err(),
            "{pointer} {wrong}"
        );
    }
}

#[test]
fn answers_go_to_slack_only() {
    for bad in [
        "http://hooks.slack.com/actions/1",
        "https://hooks.slack.com.example.com/actions/1",
        "https://169.254.169.254/latest",
    ] {
        let refused = decoded(&with(press(), "/response_url", json!(bad))).unwrap_err();
        assert!(!refused.to_string().contains(bad));
    }
}

#[test]
fn what_is_said_does_not_grow_with_the_payload() {
    let long = "x".repeat(100_000);
    for payload in [
        with(press(), "/user/id", json!(long)),
        json!({"type": "view_submission", "user": long}),
        json!(long),
    ] {
        let said = decoded(&payload).unwrap_err().to_string();
        assert!(said.len() < 300, "{said}");
    }
    assert!(format!("{:?}", decoded(&json!({"type": long}))).len() < 100);
}

#[test]
fn json_that_is_too_deep_or_says_a_thing_twice_is_refused() {
    let deep = "[".repeat(100_000);
    let twice = press()
        .to_string()
        .replacen('{', r#"{"trigger_id":"1.2.3","#, 1);
    for payload in [deep, twice] {
        let body = form::encode(&[("payload", &payload)]);
        let refused = decode(body.as_bytes(), &BaseUrl::default());
        assert!(matches!(refused, Err(Malformed::Payload(_))), "{refused:?}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        Just(json!("block_actions")),
        Just(json!("T1DC2JH3J")),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body: Vec<u8>) {
        let _ = decode(&body, &BaseUrl::default());
    }

    #[test]
    fn no_payload_makes_it_panic(payload in any_json(), kind in "block_actions|view_(submission|closed)") {
        let _ = decoded(&payload);
        let _ = decoded(&json!({"type": kind, "view": payload, "actions": [payload]}));
    }

    #[test]
    fn nothing_in_its_place_makes_it_panic(
        at in prop::sample::select(vec![
            "/user", "/user/id", "/team", "/actions", "/actions/0", "/actions/0/value", "/container",
            "/container/type", "/trigger_id", "/response_url", "/api_app_id", "/type",
        ]),
        value in any_json(),
    ) {
        let _ = decoded(&with(press(), at, value));
    }
}
