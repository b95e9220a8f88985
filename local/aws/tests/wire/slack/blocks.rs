use serde_json::{Value, json};

use super::*;

fn plain(length: usize) -> Value {
    json!({ "type": "plain_text", "text": "é".repeat(length) })
}

fn mrkdwn(length: usize) -> Value {
    json!({ "type": "mrkdwn", "text": "é".repeat(length) })
}

fn section(text: Value) -> Value {
    json!({ "type": "section", "text": text })
}

fn button(name: &str, value: Value) -> Value {
    let mut button = json!({ "type": "button", "text": plain(1) });
    button[name] = value;
    button
}

fn actions(elements: Value) -> Value {
    json!({ "type": "actions", "elements": elements })
}

fn confirm(name: &str, value: Value) -> Value {
    let mut confirm =
        json!({ "title": plain(1), "text": mrkdwn(1), "confirm": plain(1), "deny": plain(1) });
    if value.is_null() {
        confirm.as_object_mut().unwrap().remove(name);
    } else {
        confirm[name] = value;
    }
    actions(json!([button("confirm", confirm)]))
}

/// Slack's answer to a message with these blocks.
fn problems(world: &World, blocks: &Value) -> Vec<String> {
    let args = json!({ "channel": CHANNEL, "text": "m", "blocks": blocks });
    problems_of(&call(world, "chat.postMessage", &args), "invalid_blocks")
}

fn problems_of(answer: &Value, code: &str) -> Vec<String> {
    if answer["ok"] == true {
        return Vec::new();
    }
    assert_eq!(answer["error"], code, "{answer}");
    let messages = answer["response_metadata"]["messages"].as_array().unwrap();
    let messages = messages.iter().map(|message| message.as_str().unwrap());
    messages.map(str::to_owned).collect()
}

/// Each limit from both sides: what just fits, and what just does not, with what is said of it.
#[test]
fn blocks_have_their_limits() {
    let world = workspace();
    let many = |n: usize, item: &Value| Value::from(vec![item.clone(); n]);
    let text_button = |length: usize| actions(json!([button("text", plain(length))]));
    let of_button = |name: &str, value: Value| actions(json!([button(name, value)]));
    let string = |length: usize| json!("x".repeat(length));
    let id = |length: usize| json!({ "type": "divider", "block_id": "x".repeat(length) });
    let fields =
        |n: usize, length: usize| json!({ "type": "section", "fields": many(n, &mrkdwn(length)) });
    let context = |n: usize| json!({ "type": "context", "elements": many(n, &mrkdwn(1)) });
    let buttons = |n: usize| actions(many(n, &button("value", json!("v"))));
    let header = |text: Value| json!({ "type": "header", "text": text });
    let image = |url: usize, alt: usize| json!({ "type": "image", "image_url": "x".repeat(url), "alt_text": "x".repeat(alt) });
    for (fits, does_not, expected) in [
        (
            section(mrkdwn(3000)),
            section(mrkdwn(3001)),
            "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
        ),
        (
            section(plain(1)),
            section(mrkdwn(0)),
            "must be more than 0 characters [json-pointer:/blocks/0/text/text]",
        ),
        (
            fields(10, 2000),
            fields(11, 1),
            "no more than 10 items allowed [json-pointer:/blocks/0/fields]",
        ),
        (
            fields(1, 1),
            fields(1, 2001),
            "must be less than 2001 characters [json-pointer:/blocks/0/fields/0/text]",
        ),
        (
            fields(1, 1),
            json!({ "type": "section" }),
            "missing required field: text [json-pointer:/blocks/0]",
        ),
        (
            buttons(25),
            buttons(26),
            "no more than 25 items allowed [json-pointer:/blocks/0/elements]",
        ),
        (
            buttons(1),
            buttons(0),
            "no fewer than 1 items allowed [json-pointer:/blocks/0/elements]",
        ),
        (
            context(10),
            context(11),
            "no more than 10 items allowed [json-pointer:/blocks/0/elements]",
        ),
        (
            header(plain(150)),
            header(plain(151)),
            "must be less than 151 characters [json-pointer:/blocks/0/text/text]",
        ),
        (
            header(plain(1)),
            header(mrkdwn(1)),
            "must be plain_text [json-pointer:/blocks/0/text/type]",
        ),
        (
            text_button(75),
            text_button(76),
            "must be less than 76 characters [json-pointer:/blocks/0/elements/0/text/text]",
        ),
        (
            text_button(1),
            of_button("text", mrkdwn(1)),
            "must be plain_text [json-pointer:/blocks/0/elements/0/text/type]",
        ),
        (
            of_button("value", string(2000)),
            of_button("value", string(2001)),
            "must be less than 2001 characters [json-pointer:/blocks/0/elements/0/value]",
        ),
        (
            of_button("action_id", string(255)),
            of_button("action_id", string(256)),
            "must be less than 256 characters [json-pointer:/blocks/0/elements/0/action_id]",
        ),
        (
            of_button("url", string(3000)),
            of_button("url", string(3001)),
            "must be less than 3001 characters [json-pointer:/blocks/0/elements/0/url]",
        ),
        (
            of_button("style", json!("danger")),
            of_button("style", json!("red")),
            "must be a valid enum value [json-pointer:/blocks/0/elements/0/style]",
        ),
        (
            of_button("accessibility_label", string(75)),
            of_button("accessibility_label", string(76)),
            "must be less than 76 characters [json-pointer:/blocks/0/elements/0/accessibility_label]",
        ),
        (
            of_button("value", json!("v")),
            of_button("colour", json!("red")),
            "invalid additional property: colour [json-pointer:/blocks/0/elements/0]",
        ),
        (
            of_button("value", json!("v")),
            of_button("value", json!(5)),
            "must provide a string [json-pointer:/blocks/0/elements/0/value]",
        ),
        (
            id(255),
            id(256),
            "must be less than 256 characters [json-pointer:/blocks/0/block_id]",
        ),
        (
            confirm("title", plain(100)),
            confirm("title", plain(101)),
            "must be less than 101 characters [json-pointer:/blocks/0/elements/0/confirm/title/text]",
        ),
        (
            confirm("text", mrkdwn(300)),
            confirm("text", mrkdwn(301)),
            "must be less than 301 characters [json-pointer:/blocks/0/elements/0/confirm/text/text]",
        ),
        (
            confirm("confirm", plain(30)),
            confirm("confirm", plain(31)),
            "must be less than 31 characters [json-pointer:/blocks/0/elements/0/confirm/confirm/text]",
        ),
        (
            confirm("deny", plain(30)),
            confirm("deny", plain(31)),
            "must be less than 31 characters [json-pointer:/blocks/0/elements/0/confirm/deny/text]",
        ),
        (
            confirm("deny", plain(1)),
            confirm("deny", Value::Null),
            "missing required field: deny [json-pointer:/blocks/0/elements/0/confirm]",
        ),
        (
            image(3000, 2000),
            image(3001, 1),
            "must be less than 3001 characters [json-pointer:/blocks/0/image_url]",
        ),
        (
            json!({ "type": "divider" }),
            json!({ "type": "rich_text", "elements": [] }),
            "unsupported type: rich_text [json-pointer:/blocks/0/type]",
        ),
        (
            json!({ "type": "divider" }),
            json!("divider"),
            "unsupported type:  [json-pointer:/blocks/0/type]",
        ),
        (
            section(json!({ "type": "plain_text", "text": "a", "emoji": true })),
            section(json!({ "type": "mrkdwn", "text": "a", "emoji": true })),
            "invalid additional property: emoji [json-pointer:/blocks/0/text]",
        ),
    ] {
        let fitting = problems(&world, &json!([fits]));
        assert_eq!(fitting, [] as [&str; 0], "{:.200}", fits.to_string());
        let wrong = problems(&world, &json!([does_not]));
        let expected = format!("[ERROR] {expected}");
        assert_eq!(wrong, [expected], "{:.200}", does_not.to_string());
    }
}

#[test]
fn ids_are_unique_and_blocks_are_fifty_at_most() {
    let world = workspace();
    let divider = json!({ "type": "divider" });
    assert_eq!(
        problems(&world, &json!(vec![&divider; 50])),
        [] as [&str; 0]
    );
    let wrong = problems(&world, &json!(vec![&divider; 51]));
    assert_eq!(
        wrong,
        ["[ERROR] no more than 50 items allowed [json-pointer:/blocks]"]
    );
    let named = json!({ "type": "divider", "block_id": "a" });
    assert_eq!(
        problems(&world, &json!([named, named])),
        ["[ERROR] block_id \"a\" already exists [json-pointer:/blocks/1/block_id]"]
    );
    let twice = button("action_id", json!("a"));
    assert_eq!(
        problems(&world, &json!([actions(json!([twice, twice]))])),
        ["[ERROR] action_id \"a\" already exists [json-pointer:/blocks/0/elements/1/action_id]"]
    );
    let apart = json!([actions(json!([twice])), actions(json!([twice]))]);
    assert_eq!(problems(&world, &apart), [] as [&str; 0]);
    assert_eq!(
        problems(&world, &json!([section(mrkdwn(0)), section(mrkdwn(3001))])).len(),
        2,
        "all that is wrong is told"
    );
}

#[test]
fn modals_have_their_limits() {
    let world = workspace();
    let ts = post(&world, &review());
    let problems = |name: &str, value: &Value| {
        let mut view = reason();
        if value.is_null() {
            view.as_object_mut().unwrap().remove(name);
        } else {
            view[name] = value.clone();
        }
        let pressed = world.slack.press(ALICE, CHANNEL, &ts, "reject").unwrap();
        let args = json!({ "trigger_id": pressed.trigger_id(), "view": view });
        problems_of(&call(&world, "views.open", &args), "invalid_arguments")
    };
    let input =
        |element: Value| json!([{ "type": "input", "label": plain(1), "element": element }]);
    let text = |name: &str, value: Value| {
        let mut element = json!({ "type": "plain_text_input" });
        element[name] = value;
        input(element)
    };
    let choice = |n: usize| {
        let option = json!({ "text": plain(75), "value": "v" });
        input(json!({ "type": "static_select", "options": vec![option; n] }))
    };
    let divider = json!({ "type": "divider" });
    for (name, fits, does_not, expected) in [
        (
            "title",
            plain(24),
            plain(25),
            "must be less than 25 characters [json-pointer:/view/title/text]",
        ),
        (
            "title",
            plain(1),
            Value::Null,
            "missing required field: title [json-pointer:/view]",
        ),
        (
            "submit",
            plain(24),
            plain(25),
            "must be less than 25 characters [json-pointer:/view/submit/text]",
        ),
        (
            "submit",
            plain(1),
            Value::Null,
            "missing required field: submit [json-pointer:/view]",
        ),
        (
            "close",
            plain(24),
            mrkdwn(1),
            "must be plain_text [json-pointer:/view/close/type]",
        ),
        (
            "private_metadata",
            json!("x".repeat(3000)),
            json!("x".repeat(3001)),
            "must be less than 3001 characters [json-pointer:/view/private_metadata]",
        ),
        (
            "callback_id",
            json!("x".repeat(255)),
            json!("x".repeat(256)),
            "must be less than 256 characters [json-pointer:/view/callback_id]",
        ),
        (
            "blocks",
            json!(vec![&divider; 100]),
            json!(vec![&divider; 101]),
            "no more than 100 items allowed [json-pointer:/view/blocks]",
        ),
        (
            "blocks",
            text("placeholder", plain(150)),
            text("placeholder", plain(151)),
            "must be less than 151 characters [json-pointer:/view/blocks/0/element/placeholder/text]",
        ),
        (
            "blocks",
            text("max_length", json!(3000)),
            text("max_length", json!(3001)),
            "must be a number from 1 to 3000 [json-pointer:/view/blocks/0/element/max_length]",
        ),
        (
            "blocks",
            choice(100),
            choice(101),
            "no more than 100 items allowed [json-pointer:/view/blocks/0/element/options]",
        ),
        (
            "blocks",
            text("multiline", json!(true)),
            input(button("value", json!("v"))),
            "unsupported type: button [json-pointer:/view/blocks/0/element/type]",
        ),
        (
            "notify_on_close",
            json!(true),
            json!("yes"),
            "must provide a boolean [json-pointer:/view/notify_on_close]",
        ),
        (
            "type",
            json!("modal"),
            json!("home"),
            "must be modal [json-pointer:/view/type]",
        ),
    ] {
        assert_eq!(problems(name, &fits), [] as [&str; 0], "{name}");
        let wrong = problems(name, &does_not);
        assert_eq!(wrong, [format!("[ERROR] {expected}")], "{name}");
    }
}
