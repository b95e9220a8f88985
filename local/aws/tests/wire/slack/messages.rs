use local_aws::{LinkKind, SlackAuthor, SlackMessage};
use serde_json::{Value, json};

use super::*;

#[test]
fn a_message_is_posted_and_seen() {
    let world = workspace();
    let mut args = review();
    args["channel"] = json!(CHANNEL);
    args["metadata"] = json!({ "event_type": "review", "event_payload": { "id": "1" } });
    let answer = call(&world, "chat.postMessage", &args);
    assert_eq!(
        (
            &answer["ok"],
            &answer["channel"],
            &answer["message"]["text"]
        ),
        (&json!(true), &json!(CHANNEL), &args["text"])
    );
    let ts = answer["ts"].as_str().unwrap();
    assert_eq!(ts, "1767225600.000001");
    let messages = world.slack.messages(CHANNEL);
    assert_eq!(messages.len(), 1);
    let message = &messages[0];
    assert_eq!(world.slack.message(CHANNEL, ts).as_ref(), Some(message));
    assert_eq!((message.ts.as_str(), message.edits), (ts, 0));
    assert_eq!(message.author, SlackAuthor::App);
    assert_eq!(message.metadata, Some(args["metadata"].clone()));
    assert_eq!(message.posted_at, world.clock.now());
    assert_eq!(message.buttons(), ["approve", "reject"]);
    assert_eq!(
        message.shown(),
        "A connection waits\n*Example Ltd* asks\nRegion eu-west-1\n[Approve]\n[Reject…]\nsince 12:00"
    );
    let block_id = message.content.blocks[0]["block_id"].as_str().unwrap();
    assert!(!block_id.is_empty(), "Slack gives what has no id one");
    assert_eq!(message.content.blocks[2]["block_id"], "decide");
}

#[test]
fn every_message_has_a_ts_of_its_own_that_is_later_than_all_others() {
    let world = workspace();
    let mut all = vec![post(&world, &json!({ "text": "1" }))];
    all.push(post(&world, &json!({ "text": "2" })));
    world.advance(1);
    all.push(world.slack.post_as(BOB, CHANNEL, "3"));
    world.clock.set("2025-12-31T00:00:00Z".parse().unwrap());
    all.push(post(&world, &json!({ "text": "4" })));
    assert_eq!(
        all,
        [
            "1767225600.000001",
            "1767225600.000002",
            "1767225601.000001",
            "1767225601.000002"
        ]
    );
    let messages = world.slack.messages(CHANNEL);
    let texts: Vec<_> = messages.iter().map(SlackMessage::shown).collect();
    assert_eq!(texts, ["1", "2", "3", "4"]);
    world.advance(86_500);
    let behind = std::time::Duration::from_secs(30);
    world
        .slack
        .set_options(|options| options.clock_behind = behind);
    assert_eq!(
        post(&world, &json!({ "text": "5" })),
        "1767225670.000001",
        "by Slack's own clock"
    );
}

#[test]
fn what_cannot_be_posted_is_refused_in_slacks_words() {
    let world = workspace();
    for channel in [
        NewChannel::new("C0NOBOT", "public").without_app(),
        NewChannel::new("C0SECRET", "private")
            .private()
            .without_app(),
        NewChannel::new("C0OLD", "old").archived(),
        NewChannel::new("C0PRIVATE", "invited").private(),
    ] {
        world.slack.put_channel(channel);
    }
    let parent = post(&world, &json!({ "text": "parent" }));
    let reply = post(&world, &json!({ "text": "reply", "thread_ts": parent }));
    let metadata =
        |metadata: Value| json!({ "channel": CHANNEL, "text": "m", "metadata": metadata });
    for (args, expected) in [
        (json!({ "text": "m" }), "invalid_arguments"),
        (
            json!({ "channel": "C0NONE", "text": "m" }),
            "channel_not_found",
        ),
        (
            json!({ "channel": "connection-reviews", "text": "m" }),
            "channel_not_found",
        ),
        (
            json!({ "channel": "C0SECRET", "text": "m" }),
            "channel_not_found",
        ),
        (
            json!({ "channel": "C0NOBOT", "text": "m" }),
            "not_in_channel",
        ),
        (json!({ "channel": "C0OLD", "text": "m" }), "is_archived"),
        (json!({ "channel": "C0PRIVATE", "text": "m" }), ""),
        (json!({ "channel": CHANNEL }), "no_text"),
        (json!({ "channel": CHANNEL, "text": "" }), "no_text"),
        (json!({ "channel": CHANNEL, "blocks": [] }), "no_text"),
        (
            json!({ "channel": CHANNEL, "text": "é".repeat(40_000) }),
            "",
        ),
        (
            json!({ "channel": CHANNEL, "text": "é".repeat(40_001) }),
            "msg_too_long",
        ),
        (
            json!({ "channel": CHANNEL, "text": "m", "blocks": {} }),
            "invalid_blocks_format",
        ),
        (
            json!({ "channel": CHANNEL, "text": "m", "blocks": "[" }),
            "invalid_blocks_format",
        ),
        (
            json!({ "channel": CHANNEL, "text": "m", "blocks": [{ "type": "marquee" }] }),
            "invalid_blocks",
        ),
        (
            json!({ "channel": CHANNEL, "text": "m", "thread_ts": "1.000000" }),
            "thread_not_found",
        ),
        (
            json!({ "channel": "C0PRIVATE", "text": "m", "thread_ts": parent }),
            "thread_not_found",
        ),
        (
            json!({ "channel": CHANNEL, "text": "m", "thread_ts": reply }),
            "cannot_reply_to_message",
        ),
        (
            metadata(json!({ "event_type": "a" })),
            "invalid_metadata_format",
        ),
        (
            metadata(json!({ "event_type": "", "event_payload": {} })),
            "invalid_metadata_format",
        ),
        (
            metadata(json!({ "event_type": "a", "event_payload": "b" })),
            "invalid_metadata_format",
        ),
        (
            json!({ "channel": CHANNEL, "text": "m", "attachments": [] }),
            "invalid_arguments",
        ),
    ] {
        let seen = error(&world, "chat.postMessage", &args);
        assert_eq!(seen, expected, "{:.200}", args.to_string());
    }
    let thread = world.slack.replies(CHANNEL, &parent);
    assert_eq!(thread.len(), 1);
    assert_eq!(
        (thread[0].ts.as_str(), thread[0].thread_ts.as_deref()),
        (reply.as_str(), Some(parent.as_str()))
    );
}

#[test]
fn an_update_changes_what_is_shown_and_remembers_what_was() {
    let world = workspace();
    let ts = post(&world, &review());
    let metadata = |ts: &str| world.slack.message(CHANNEL, ts).unwrap().metadata;
    let update = |mut args: Value| {
        args["channel"] = json!(CHANNEL);
        args["ts"] = json!(ts);
        let answer = call(&world, "chat.update", &args);
        assert_eq!(answer["ok"], true, "{answer}");
        assert_eq!(
            (&answer["channel"], &answer["ts"]),
            (&args["channel"], &args["ts"])
        );
        (world.slack.message(CHANNEL, &ts).unwrap(), answer)
    };
    let event = json!({ "event_type": "a", "event_payload": {} });
    let (message, _) = update(json!({ "metadata": event }));
    assert_eq!(
        message.buttons().len(),
        2,
        "neither text nor blocks: both stay"
    );
    let blocks =
        json!([{ "type": "section", "text": { "type": "mrkdwn", "text": "Approved by Alice" } }]);
    let (message, answer) = update(json!({ "text": "Approved", "blocks": blocks }));
    assert_eq!(message.shown(), "Approved by Alice");
    assert_eq!(answer["text"], "Approved");
    assert_eq!(answer["message"]["edited"], Value::Null, "not with blocks");
    assert_eq!(metadata(&ts), Some(event), "metadata stays");
    let (message, answer) = update(json!({ "text": "Gone" }));
    assert_eq!(
        message.shown(),
        "Gone",
        "text without blocks removes blocks"
    );
    assert!(message.content.blocks.is_empty());
    assert!(answer["message"]["edited"].is_object());
    let (message, _) = update(json!({ "metadata": {} }));
    assert_eq!(message.metadata, None, "an empty object removes it");
    assert_eq!((message.edits, message.earlier.len()), (4, 4));
    assert_eq!(message.earlier[0].buttons(), ["approve", "reject"]);
    assert_eq!(message.earlier[2].shown(), "Approved by Alice");
    assert_eq!(world.slack.messages(CHANNEL).len(), 1);
}

#[test]
fn what_cannot_be_updated_is_refused_in_slacks_words() {
    let world = workspace();
    let ts = post(&world, &review());
    let bobs = world.slack.post_as(BOB, CHANNEL, "mine");
    let shown = call(
        &world,
        "chat.postEphemeral",
        &json!({ "channel": CHANNEL, "user": ALICE, "text": "m" }),
    );
    let of = |channel: &str, ts: &str| json!({ "channel": channel, "ts": ts, "text": "m" });
    for (args, expected) in [
        (of("C0NONE", &ts), "channel_not_found"),
        (of(CHANNEL, "1.000000"), "message_not_found"),
        (
            of(CHANNEL, shown["message_ts"].as_str().unwrap()),
            "message_not_found",
        ),
        (of(CHANNEL, &bobs), "cant_update_message"),
        (json!({ "channel": CHANNEL, "ts": ts }), "no_text"),
        (
            json!({ "channel": CHANNEL, "text": "m" }),
            "invalid_arguments",
        ),
        (
            json!({ "channel": CHANNEL, "ts": ts, "text": "é".repeat(4_001) }),
            "msg_too_long",
        ),
        (
            json!({ "channel": CHANNEL, "ts": ts, "blocks": [{ "type": "header" }] }),
            "invalid_blocks",
        ),
    ] {
        let seen = error(&world, "chat.update", &args);
        assert_eq!(seen, expected, "{:.200}", args.to_string());
    }
    world
        .slack
        .set_options(|options| options.edit_window_closed = true);
    let update = || error(&world, "chat.update", &of(CHANNEL, &ts));
    assert_eq!(update(), "edit_window_closed");
    world
        .slack
        .set_options(|options| options.edit_window_closed = false);
    let archived = NewChannel::new(CHANNEL, "connection-reviews").archived();
    world.slack.put_channel(archived);
    assert_eq!(update(), "is_inactive");
    world
        .slack
        .put_channel(NewChannel::new(CHANNEL, "connection-reviews"));
    assert_eq!(world.slack.message(CHANNEL, &ts).unwrap().edits, 0);
    assert!(world.slack.delete_message(CHANNEL, &ts));
    assert_eq!(update(), "message_not_found");
}

#[test]
fn an_ephemeral_message_is_seen_by_one_person() {
    let world = workspace();
    let say = |user: &str, text: &str| {
        let args = json!({ "channel": CHANNEL, "user": user, "text": text });
        error(&world, "chat.postEphemeral", &args)
    };
    assert_eq!(say(ALICE, "You are no approver."), "");
    assert_eq!(say("U0NOBODY", "m"), "user_not_in_channel");
    assert_eq!(say(ALICE, ""), "no_text");
    let seen = world.slack.ephemerals(CHANNEL, ALICE);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].content.shown(), "You are no approver.");
    assert!(world.slack.ephemerals(CHANNEL, BOB).is_empty());
    assert!(world.slack.messages(CHANNEL).is_empty());
}

#[test]
fn links_mentions_and_unescaped_characters_are_told_apart() {
    let world = workspace();
    let ts = post(
        &world,
        &json!({
            "text": "<!channel> see <https://gatekeeper.example/a|the page>",
            "unfurl_links": false,
            "unfurl_media": false,
            "blocks": [
                { "type": "section", "text": { "type": "mrkdwn", "text": "by <@U0BOB> & co, http://evil.example" },
                  "fields": [{ "type": "plain_text", "text": "<!here> <b> & plain" }],
                  "accessory": { "type": "button", "url": "https://gatekeeper.example/b",
                                 "text": { "type": "plain_text", "text": "Open" } } },
                { "type": "context", "elements": [{ "type": "mrkdwn", "text": "&lt;!here&gt; a &amp; b" },
                    { "type": "mrkdwn", "text": "http://plain.example", "verbatim": true }] },
            ],
        }),
    );
    let links = world.slack.links();
    let seen: Vec<_> = links
        .iter()
        .map(|link| (link.url.as_str(), link.label.as_deref(), link.kind))
        .collect();
    assert_eq!(
        seen,
        [
            (
                "https://gatekeeper.example/a",
                Some("the page"),
                LinkKind::Markup
            ),
            ("http://evil.example", None, LinkKind::Bare),
            ("https://gatekeeper.example/b", None, LinkKind::Button),
        ]
    );
    let place = &links[0].place;
    assert_eq!(
        (place.method.as_str(), place.channel.as_deref(), &place.id),
        ("chat.postMessage", Some(CHANNEL), &ts)
    );
    let found = |all: Vec<local_aws::SlackMarkup>| -> Vec<String> {
        all.into_iter().map(|markup| markup.found).collect()
    };
    assert_eq!(found(world.slack.mentions()), ["<!channel>", "<@U0BOB>"]);
    assert_eq!(found(world.slack.unescaped()), ["&"]);
    assert!(world.slack.unfurled().is_empty());
    call(
        &world,
        "chat.update",
        &json!({ "channel": CHANNEL, "ts": ts, "text": "now <!here>" }),
    );
    assert_eq!(world.slack.mentions()[2].place.method, "chat.update");
}

#[test]
fn links_are_unfurled_unless_that_is_switched_off() {
    for (flags, expected) in [
        (json!({}), 1),
        (json!({ "unfurl_links": false }), 1),
        (json!({ "unfurl_media": false }), 1),
        (json!({ "unfurl_links": false, "unfurl_media": true }), 1),
        (json!({ "unfurl_links": false, "unfurl_media": false }), 0),
    ] {
        let world = workspace();
        let mut args = flags.clone();
        args["text"] = json!("see https://gatekeeper.example/a/secret");
        post(&world, &args);
        assert_eq!(world.slack.unfurled().len(), expected, "{flags}");
        assert_eq!(world.slack.links().len(), 1);
    }
}
