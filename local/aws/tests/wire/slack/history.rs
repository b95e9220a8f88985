use local_aws::SlackAuthor;
use serde_json::{Value, json};

use super::*;

const HISTORY: &str = "conversations.history";

fn texts(answer: &Value) -> Vec<&str> {
    assert_eq!(answer["ok"], true, "{answer}");
    let messages = answer["messages"].as_array().unwrap().iter();
    messages
        .map(|message| message["text"].as_str().unwrap())
        .collect()
}

#[test]
fn the_newest_messages_come_first_with_their_metadata_if_it_is_asked_for() {
    let world = workspace();
    let metadata = json!({ "event_type": "review", "event_payload": { "id": "7" } });
    let first = post(&world, &json!({ "text": "1", "metadata": metadata }));
    post(&world, &json!({ "text": "reply", "thread_ts": first }));
    world.slack.post_as(BOB, CHANNEL, "2");
    let answer = call(&world, HISTORY, &json!({ "channel": CHANNEL }));
    assert_eq!(texts(&answer), ["2", "1"], "replies are in their threads");
    assert_eq!(answer["has_more"], false);
    assert_eq!(answer["messages"][1]["metadata"], Value::Null);
    assert_eq!(answer["messages"][1]["bot_id"], "B0LOCAL0001");
    assert_eq!(answer["messages"][0]["user"], BOB);
    let args = json!({ "channel": CHANNEL, "include_all_metadata": true });
    let answer = call(&world, HISTORY, &args);
    assert_eq!(answer["messages"][1]["metadata"], metadata);
    let thread = call(
        &world,
        "conversations.replies",
        &json!({ "channel": CHANNEL, "ts": first }),
    );
    assert_eq!(texts(&thread), ["1", "reply"]);
    let messages = world.slack.messages(CHANNEL);
    assert_eq!(messages[2].author, SlackAuthor::User(BOB.to_owned()));
    // Unless the channel is to show a reply too.
    let loud = json!({ "text": "loud", "thread_ts": first, "reply_broadcast": true });
    let loud = post(&world, &loud);
    let answer = call(&world, HISTORY, &json!({ "channel": CHANNEL }));
    assert_eq!(texts(&answer), ["loud", "2", "1"]);
    assert_eq!(answer["messages"][0]["subtype"], "thread_broadcast");
    assert!(world.slack.message(CHANNEL, &loud).unwrap().broadcast);
}

#[test]
fn a_range_leaves_its_bounds_out_unless_it_is_inclusive() {
    let world = workspace();
    let all: Vec<String> = (0..5)
        .map(|n| {
            world.advance(60);
            post(&world, &json!({ "text": n.to_string() }))
        })
        .collect();
    let range = |oldest: &str, latest: &str, inclusive: bool| {
        let args = json!({ "channel": CHANNEL, "oldest": oldest, "latest": latest, "inclusive": inclusive });
        texts(&call(&world, HISTORY, &args)).concat()
    };
    for (oldest, latest, inclusive, expected) in [
        (all[1].as_str(), all[3].as_str(), false, "2"),
        (&all[1], &all[3], true, "321"),
        (&all[3], "", false, "4"),
        ("", &all[1], false, "0"),
        ("1767225720", "", false, "4321"),
        ("1767225720.000001", "", false, "432"),
    ] {
        assert_eq!(
            range(oldest, latest, inclusive),
            expected,
            "{oldest} {latest}"
        );
    }
    for (name, code) in [
        ("oldest", "invalid_ts_oldest"),
        ("latest", "invalid_ts_latest"),
        ("cursor", "invalid_cursor"),
    ] {
        let args = json!({ "channel": CHANNEL, name: "x" });
        assert_eq!(error(&world, HISTORY, &args), code);
    }
}

#[test]
fn pages_follow_each_other() {
    let world = workspace();
    for n in 0..7 {
        post(&world, &json!({ "text": n.to_string() }));
    }
    let walk = |limit: u64| {
        let (mut pages, mut cursor) = (Vec::new(), String::new());
        loop {
            let args = json!({ "channel": CHANNEL, "limit": limit, "cursor": cursor });
            let answer = call(&world, HISTORY, &args);
            pages.push(texts(&answer).concat());
            assert!(pages.len() < 20, "it goes on for ever");
            let next = answer["response_metadata"]["next_cursor"].as_str();
            assert_eq!(answer["has_more"], next.is_some());
            match next {
                Some(next) => next.clone_into(&mut cursor),
                None => return pages,
            }
        }
    };
    assert_eq!(walk(3), ["654", "321", "0"]);
    assert_eq!(walk(7), ["6543210"]);
    world.slack.set_options(|options| options.page_size = 2);
    assert_eq!(walk(3), ["65", "43", "21", "0"], "fewer than asked for");
    for limit in [0, 1000] {
        let args = json!({ "channel": CHANNEL, "limit": limit });
        assert_eq!(error(&world, HISTORY, &args), "invalid_limit");
    }
}

#[test]
fn reading_needs_a_scope_and_membership() {
    let world = workspace();
    for channel in [
        NewChannel::new("C0NOBOT", "public").without_app(),
        NewChannel::new("C0SECRET", "private")
            .private()
            .without_app(),
        NewChannel::new("C0PRIVATE", "invited").private(),
    ] {
        world.slack.put_channel(channel);
    }
    let read = |channel: &str| error(&world, HISTORY, &json!({ "channel": channel }));
    assert_eq!(read("C0NONE"), "channel_not_found");
    assert_eq!(read("C0SECRET"), "channel_not_found");
    assert_eq!(read("C0NOBOT"), "not_in_channel");
    assert_eq!(read("C0PRIVATE"), "");
    world
        .slack
        .set_options(|options| options.scopes = ["chat:write".to_owned()].into());
    for (channel, needed) in [
        (CHANNEL, "channels:history"),
        ("C0PRIVATE", "groups:history"),
    ] {
        let answer = call(&world, HISTORY, &json!({ "channel": channel }));
        assert_eq!(
            answer,
            json!({ "ok": false, "error": "missing_scope", "needed": needed, "provided": "chat:write" })
        );
    }
    let args = json!({ "channel": CHANNEL, "ts": "1.000000" });
    assert_eq!(
        error(&world, "conversations.replies", &args),
        "missing_scope"
    );
}

#[test]
fn a_thread_that_is_not_there_is_not_found() {
    let world = workspace();
    let args = json!({ "channel": CHANNEL, "ts": "1.000000" });
    let seen = error(&world, "conversations.replies", &args);
    assert_eq!(seen, "thread_not_found");
}
