use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn value(text: &str) -> ButtonValue {
    text.to_owned().try_into().unwrap()
}

fn json_of(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

fn prompt() -> Message {
    let confirm = Confirm::new(
        "Accept this connection?".into(),
        Mrkdwn::line("vpce-1 & more"),
        "Accept".into(),
        "Cancel".into(),
    );
    Message::new(
        Mrkdwn::line("A connection waits"),
        [
            Block::header("A connection waits".into()),
            Block::section(Mrkdwn::lines("a\nb")),
        ]
        .into_iter()
        .chain(Block::fields([
            Mrkdwn::literal("*Account*\n").and(&Mrkdwn::code("012345678901"))
        ]))
        .chain([
            Block::actions(
                "decide",
                [
                    Button::new("approve", "Approve".into(), value("x"))
                        .style(Style::Primary)
                        .confirm(confirm),
                    Button::new("reject", "Reject…".into(), value("x")).style(Style::Danger),
                ],
            ),
            Block::context(Mrkdwn::line("small")),
        ]),
    )
}

#[test]
fn a_message_is_what_slack_takes() {
    let plain = |text: &str| json!({"type": "plain_text", "text": text, "emoji": false});
    let mrkdwn = |text: &str| json!({"type": "mrkdwn", "text": text, "verbatim": true});
    assert_eq!(
        json_of(&prompt()),
        json!({
            "text": "A connection waits",
            "blocks": [
                {"type": "header", "text": plain("A connection waits")},
                {"type": "section", "text": mrkdwn("a\nb")},
                {"type": "section", "fields": [mrkdwn("*Account*\n`012345678901`")]},
                {"type": "actions", "block_id": "decide", "elements": [
                    {"type": "button", "action_id": "approve", "text": plain("Approve"),
                     "value": "x", "style": "primary", "confirm": {
                        "title": plain("Accept this connection?"),
                        "text": mrkdwn("vpce-1 &amp; more"),
                        "confirm": plain("Accept"), "deny": plain("Cancel")}},
                    {"type": "button", "action_id": "reject", "text": plain("Reject…"),
                     "value": "x", "style": "danger"},
                ]},
                {"type": "context", "elements": [mrkdwn("small")]},
            ],
        })
    );
}

#[test]
fn a_modal_is_what_slack_takes() {
    let plain = |text: &str| json!({"type": "plain_text", "text": text, "emoji": false});
    let input = TextInput::multiline("reason", 100_000).placeholder("Why".into());
    let modal = Modal::new(
        "reject",
        "vpce-1".to_owned().try_into().unwrap(),
        "A title that is longer than Slack takes".into(),
        "Cancel".into(),
        [Block::input("why", "Reason".into(), input).hint("Everybody can read it".into())],
    )
    .submit("Reject".into());
    let expected = json!({
        "type": "modal", "callback_id": "reject", "private_metadata": "vpce-1",
        "title": plain("A title that is longer …"),
        "submit": plain("Reject"), "close": plain("Cancel"),
        "blocks": [{"type": "input", "block_id": "why", "label": plain("Reason"),
            "element": {"type": "plain_text_input", "action_id": "reason", "multiline": true,
                        "min_length": 1, "max_length": 3000, "placeholder": plain("Why")},
            "hint": plain("Everybody can read it"), "optional": false}],
    });
    assert_eq!(json_of(&modal), expected);
    assert_eq!(
        json_of(&SubmissionAnswer::update(modal)),
        json!({"response_action": "update", "view": expected})
    );
    assert_eq!(
        json_of(&SubmissionAnswer::error("why", "Say why.".into())),
        json!({"response_action": "errors", "errors": {"why": "Say why."}})
    );
    assert_eq!(
        json_of(&SubmissionAnswer::clear()),
        json!({"response_action": "clear"})
    );
}

#[test]
fn what_must_come_back_is_never_cut() {
    assert!(ButtonValue::try_from("x".repeat(2000)).is_ok());
    assert_eq!(
        ButtonValue::try_from("é".repeat(2001))
            .unwrap_err()
            .to_string(),
        "2001 characters are more than the 2000 that Slack hands back"
    );
    assert!(PrivateMetadata::try_from("x".repeat(3001)).is_err());
}

#[test]
fn where_room_is_short_the_buttons_stay() {
    let long = "x".repeat(5000);
    let sections = (0..60).map(|_| Block::section(Mrkdwn::line(&long)));
    let actions = || {
        let button = Button::new("approve", "Approve".into(), value("x"));
        Block::actions("decide", [button])
    };
    let message = json_of(&Message::new(
        Mrkdwn::default(),
        sections.chain([actions()]),
    ));
    let blocks = message["blocks"].as_array().unwrap();
    assert_eq!(blocks.last().unwrap()["type"], "actions");
    assert!(blocks.len() > 1);
    assert_eq!(message["text"], "–");

    let short = (0..60).map(|_| Block::section(Mrkdwn::line("x")));
    let message = json_of(&Message::new(Mrkdwn::line("x"), short.chain([actions()])));
    let blocks = message["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), 50);
    assert_eq!(blocks.last().unwrap()["type"], "actions");
}

#[test]
fn too_many_long_fields_are_shortened_and_none_is_lost() {
    let fields = (0..23).map(|n| Mrkdwn::line(&format!("{n} {}", "x".repeat(3000))));
    let message = json_of(&Message::new(
        Mrkdwn::line("x"),
        Block::fields(fields.take(10)),
    ));
    let fields = message["blocks"][0]["fields"].as_array().unwrap();
    assert_eq!(fields.len(), 10);
    assert!(fields.iter().all(|field| {
        let text = field["text"].as_str().unwrap();
        text.ends_with('…') && text.len() > 500
    }));
    let short = (0..23).map(|_| Mrkdwn::line("x"));
    let lengths: Vec<usize> = Block::fields(short)
        .iter()
        .map(|block| json_of(block)["fields"].as_array().unwrap().len())
        .collect();
    assert_eq!(lengths, [10, 10, 3]);
}

/// Every text in a message, and the limit that Slack has for it.
fn texts(value: &Value, limit: usize, found: &mut Vec<(String, usize)>) {
    let limit_of = |key: &str| match key {
        "text" => 3000,
        "title" => 100,
        "confirm" | "deny" => 30,
        _ => limit,
    };
    match value {
        Value::Object(object) => {
            let limit = match object.get("type").and_then(Value::as_str) {
                Some("header") => 150,
                Some("button") => 75,
                _ => limit,
            };
            for (key, value) in object {
                match (key.as_str(), value) {
                    ("text", Value::String(text)) => found.push((text.clone(), limit)),
                    ("text", value) => texts(value, limit, found),
                    ("fields", value) => texts(value, 2000, found),
                    ("confirm", value) if value.get("deny").is_some() => {
                        texts(value, 300, found);
                    }
                    (key, value) => texts(value, limit_of(key).min(limit), found),
                }
            }
        }
        Value::Array(array) => array.iter().for_each(|value| texts(value, limit, found)),
        _ => {}
    }
}

fn any_text() -> impl Strategy<Value = String> {
    let nasty = "(<!channel>|<@U1>|<https://example.com\\|x>|&lt;|&|>|`|\\*|\u{202e}|🦀|\n)";
    prop_oneof![
        "(?s).{0,40}",
        prop::collection::vec(nasty, 0..20).prop_map(|parts| parts.concat()),
        (nasty, 0..500_usize).prop_map(|(text, times)| text.repeat(times)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_gives_a_message_within_the_limits_that_mentions_and_links_nothing(
        text in any_text(),
        blocks in prop::collection::vec((0..5, any_text()), 0..12),
    ) {
        let blocks = blocks.iter().flat_map(|(kind, text)| match kind {
            0 => vec![Block::header(Plain::new(text))],
            1 => vec![Block::section(Mrkdwn::lines(text))],
            2 => vec![Block::context(Mrkdwn::line(text))],
            3 => Block::fields((0..13).map(|_| Mrkdwn::code(text))),
            _ => {
                let (plain, line) = (Plain::new(text), Mrkdwn::line(text));
                let confirm = Confirm::new(plain.clone(), line, plain.clone(), plain.clone());
                let button = Button::new("approve", plain, value("x")).confirm(confirm);
                vec![Block::actions("decide", [button])]
            }
        });
        let message = json_of(&Message::new(Mrkdwn::lines(&text), blocks));
        let blocks = message["blocks"].as_array().unwrap();
        prop_assert!(blocks.len() <= 50);
        prop_assert!(message["text"].as_str().unwrap().encode_utf16().count() <= 4000);
        let mut found = Vec::new();
        blocks.iter().for_each(|block| texts(block, 3000, &mut found));
        for (text, limit) in &found {
            prop_assert!((1..=*limit).contains(&text.encode_utf16().count()), "{limit} {text}");
        }
        for block in blocks {
            prop_assert!(block.get("fields").is_none_or(|fields| fields.as_array().unwrap().len() <= 10));
        }
        let has_buttons = blocks.iter().filter(|block| block["type"] == "actions").count();
        let all: usize = found.iter().map(|(text, _)| text.encode_utf16().count()).sum();
        // Buttons are not cut to make room for each other; no message of ours has more than one row.
        prop_assert!(all <= 9000 + has_buttons * 535, "{all}");
        prop_assert!(!message.to_string().contains(['<', '>']));
    }
}
