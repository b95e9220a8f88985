use std::collections::BTreeMap;
use std::future::{pending, ready};
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use serde_json::{Value, json};

use super::calls::{
    History, Metadata, OpenView, PostEphemeral, PostMessage, Replies, UpdateMessage,
};
use super::*;
use crate::blocks::{Block, Message, Modal};
use crate::ids::{ChannelId, MessageTs, UserId};
use crate::interaction::{Interaction, Pressed, decode};
use crate::text::Mrkdwn;

/// A Slack that answers the same to everything, and remembers what it was asked.
#[derive(Debug, Clone)]
struct Slack {
    says: Says,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Debug, Clone)]
enum Says {
    Answer(u16, Option<&'static str>, String),
    Nothing,
    Breaks(fn() -> ConnectorError),
}

#[derive(Debug, Clone)]
struct Asked {
    uri: String,
    headers: BTreeMap<String, String>,
    body: String,
}

impl HttpConnector for Slack {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        assert_eq!(request.method(), "POST");
        let headers = request.headers().iter();
        self.asked.lock().unwrap().push(Asked {
            uri: request.uri().to_owned(),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap(),
        });
        let says = self.says.clone();
        HttpConnectorFuture::new(async move {
            match says {
                Says::Nothing => pending().await,
                Says::Breaks(error) => Err(error()),
                Says::Answer(status, retry_after, body) => {
                    let status = StatusCode::try_from(status).unwrap();
                    let mut response = HttpResponse::new(status, SdkBody::from(body));
                    if let Some(seconds) = retry_after {
                        response.headers_mut().insert("retry-after", seconds);
                    }
                    Ok(response)
                }
            }
        })
    }
}

fn slack(says: Says) -> (Client, Slack) {
    let slack = Slack {
        says,
        asked: Arc::default(),
    };
    let connector = SharedHttpConnector::new(slack.clone());
    (Client::new(connector, BaseUrl::default()), slack)
}

fn answers(status: u16, body: &Value) -> Says {
    Says::Answer(status, None, body.to_string())
}

fn token() -> BotToken {
    "xoxb-the-token".parse().unwrap()
}

fn channel() -> ChannelId {
    "C0123456789".parse().unwrap()
}

fn ts() -> MessageTs {
    "1503435956.000247".parse().unwrap()
}

fn message() -> Message {
    Message::new(
        Mrkdwn::line("hello & goodbye"),
        [Block::section(Mrkdwn::line("hello"))],
    )
}

/// Makes a call to a Slack that says this; what was asked and what came of it.
async fn made<C: Call>(call: &C, says: Says) -> (Asked, Result<C::Response, Error>) {
    let (client, slack) = slack(says);
    let made = client.call(&token(), call, pending()).await;
    let mut asked = slack.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 1, "a call is tried once");
    (asked.remove(0), made)
}

/// Posts to a Slack that says this; what went wrong.
async fn failed(says: Says) -> Error {
    let (channel, message) = (channel(), message());
    let call = PostMessage::new(&channel, &message);
    made(&call, says).await.1.unwrap_err()
}

fn pressed() -> Pressed {
    let payload = json!({
        "type": "block_actions", "user": {"id": "U1", "team_id": "T1"}, "team": {"id": "T1"},
        "api_app_id": "A1", "trigger_id": "1.2.the-trigger",
        "response_url": "https://hooks.slack.com/actions/T1/1/the-way-back",
        "actions": [{"type": "button", "action_id": "approve"}],
    });
    let body = crate::form::encode(&[("payload", &payload.to_string())]);
    match decode(body.as_bytes(), &BaseUrl::default()).unwrap() {
        Interaction::Pressed(pressed) => pressed,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_message_is_posted_without_previews_and_says_where_it_is() {
    let (channel, thread, message) = (channel(), ts(), message());
    let mark = Metadata::new("privatelink_gatekeeper", "vpce-1 3");
    let call = PostMessage::new(&channel, &message)
        .in_thread(&thread)
        .broadcast()
        .marked(&mark);
    let says =
        json!({"ok": true, "channel": "C0123456789", "ts": "1503435956.000300", "message": {}});
    let (asked, posted) = made(&call, answers(200, &says)).await;
    let posted = posted.unwrap();
    assert_eq!(posted.channel, channel);
    assert_eq!(posted.ts.as_str(), "1503435956.000300");
    assert_eq!(asked.uri, "https://slack.com/api/chat.postMessage");
    assert_eq!(asked.headers["authorization"], "Bearer xoxb-the-token");
    assert_eq!(
        asked.headers["content-type"],
        "application/json; charset=utf-8"
    );
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(
        body,
        json!({
            "channel": "C0123456789",
            "thread_ts": "1503435956.000247", "reply_broadcast": true,
            "text": "hello &amp; goodbye",
            "blocks": [{"type": "section", "text":
                {"type": "mrkdwn", "text": "hello", "verbatim": true}}],
            "metadata": {"event_type": "privatelink_gatekeeper", "event_payload": {"id": "vpce-1 3"}},
            "unfurl_links": false, "unfurl_media": false,
        })
    );
}

#[tokio::test]
async fn the_other_calls_are_what_slack_takes() {
    let (channel, message, ts, pressed) = (channel(), message(), ts(), pressed());
    let ok = || answers(200, &json!({"ok": true, "more": 1}));

    let call = UpdateMessage::new(&channel, &ts, &message);
    let (asked, done) = made(&call, ok()).await;
    assert!(done.is_ok());
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(asked.uri, "https://slack.com/api/chat.update");
    assert_eq!(body["ts"], "1503435956.000247");
    assert_eq!(body["blocks"].as_array().unwrap().len(), 1);
    assert_eq!(body["unfurl_links"], false);
    assert!(body.get("metadata").is_none(), "it keeps its mark");

    let user: UserId = "U1".parse().unwrap();
    let call = PostEphemeral::new(&channel, &user, &message);
    let (asked, done) = made(&call, ok()).await;
    assert!(done.is_ok());
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(asked.uri, "https://slack.com/api/chat.postEphemeral");
    assert_eq!(
        (&body["channel"], &body["user"]),
        (&json!("C0123456789"), &json!("U1"))
    );

    let modal = Modal::new(
        "reject",
        String::new().try_into().unwrap(),
        "Reject".into(),
        "Cancel".into(),
        [Block::section(Mrkdwn::line("x"))],
    );
    let call = OpenView::new(&pressed.trigger_id, &modal);
    let (asked, done) = made(&call, ok()).await;
    assert!(done.is_ok());
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(asked.uri, "https://slack.com/api/views.open");
    assert_eq!(body["trigger_id"], "1.2.the-trigger");
    assert_eq!(body["view"]["callback_id"], "reject");
    assert!(!format!("{call:?}").contains("the-trigger"), "{call:?}");
}

#[tokio::test]
async fn messages_are_read_page_by_page_whatever_others_put_into_theirs() {
    let (channel, ts) = (channel(), ts());
    let says = json!({
        "ok": true,
        "messages": [
            {"type": "message", "ts": "3.000000", "app_id": "A1",
             "metadata": {"event_type": "privatelink_gatekeeper", "event_payload": {"id": "a"}}},
            {"type": "message", "ts": "2.000000", "app_id": 7, "metadata": "odd"},
            {"type": "message", "ts": "1.000000", "text": "hi"},
        ],
        "has_more": true,
        "response_metadata": {"next_cursor": "bmV4dA=="},
    });
    let call = History::of(&channel).since(&ts).page("cursor=");
    let (asked, page) = made(&call, answers(200, &says)).await;
    let page = page.unwrap();
    assert_eq!(page.next(), Some("bmV4dA=="));
    let [ours, odd, plain] = page.messages.as_slice() else {
        panic!("{page:?}")
    };
    assert_eq!(ours.app_id.as_ref().unwrap().as_str(), "A1");
    assert_eq!(
        ours.metadata,
        Some(Metadata::new("privatelink_gatekeeper", "a"))
    );
    assert_eq!((&odd.app_id, &odd.metadata), (&None, &None));
    assert_eq!(plain.metadata, None);
    assert_eq!(asked.uri, "https://slack.com/api/conversations.history");
    assert_eq!(
        asked.headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    assert_eq!(
        asked.body,
        "channel=C0123456789&include_all_metadata=true&limit=100&oldest=1503435956.000247\
         &inclusive=true&cursor=cursor%3D"
    );

    let says = json!({"ok": true, "messages": [], "response_metadata": {"next_cursor": ""}});
    let (asked, page) = made(&Replies::to(&channel, &ts), answers(200, &says)).await;
    assert_eq!(page.unwrap().next(), None);
    assert_eq!(asked.uri, "https://slack.com/api/conversations.replies");
    assert!(
        asked.body.ends_with("&ts=1503435956.000247"),
        "{}",
        asked.body
    );
}

#[tokio::test]
async fn an_interaction_is_answered_where_it_says_and_without_the_token() {
    let (pressed, message) = (pressed(), message());
    let url = pressed.response_url.unwrap();
    let (client, slack) = slack(Says::Answer(200, None, "ok".to_owned()));
    let reply = Reply::ephemeral(&message);
    client.respond(&url, &reply, pending()).await.unwrap();
    let asked = slack.asked.lock().unwrap().remove(0);
    assert_eq!(
        asked.uri,
        "https://hooks.slack.com/actions/T1/1/the-way-back"
    );
    assert!(!asked.headers.contains_key("authorization"));
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(body["response_type"], "ephemeral");
    assert_eq!(body["replace_original"], false);

    for says in [
        answers(200, &json!({"ok": false, "error": "used_url"})),
        answers(404, &json!({"ok": false, "error": "expired_url"})),
    ] {
        let (client, _) = super::tests::slack(says);
        let error = client.respond(&url, &reply, pending()).await.unwrap_err();
        assert_eq!(error.refusal().unwrap().reason(), refusal::Reason::Trigger);
        assert!(!format!("{error:?} {error}").contains("the-way-back"));
    }
}

#[tokio::test]
async fn too_many_calls_are_told_with_how_long_to_wait() {
    for (says, seconds) in [
        (Says::Answer(429, Some("30"), String::new()), 30),
        (
            Says::Answer(
                429,
                Some("30"),
                r#"{"ok":false,"error":"ratelimited"}"#.to_owned(),
            ),
            30,
        ),
        (
            Says::Answer(
                200,
                Some("7"),
                r#"{"ok":false,"error":"rate_limited"}"#.to_owned(),
            ),
            7,
        ),
        (
            answers(429, &json!({"ok": false, "error": "a_code_of_next_year"})),
            60,
        ),
        (Says::Answer(429, None, String::new()), 60),
        (Says::Answer(429, Some("soon"), "busy".to_owned()), 60),
        (Says::Answer(429, Some("99999999"), String::new()), 3600),
    ] {
        let error = failed(says).await;
        assert_eq!(error.retry_after(), Some(Duration::from_secs(seconds)));
        assert_eq!(error.method(), Method::PostMessage);
        assert!(error.is_retryable() && !error.may_have_happened());
    }
}

#[tokio::test]
async fn what_leaves_open_whether_slack_did_it_says_so() {
    let too_long = json!({"ok": true, "channel": "C1", "ts": "1.000000",
        "message": "x".repeat(ANSWER_LIMIT)});
    let too_long = too_long.to_string();
    let refused = || {
        ConnectorError::io(Box::new(std::io::Error::from(
            std::io::ErrorKind::ConnectionRefused,
        )))
    };
    let reset = || {
        ConnectorError::io(Box::new(std::io::Error::from(
            std::io::ErrorKind::ConnectionReset,
        )))
    };
    for (says, open) in [
        (Says::Breaks(refused), false),
        (Says::Breaks(reset), true),
        (Says::Breaks(|| ConnectorError::timeout("x".into())), true),
        (Says::Answer(500, None, String::new()), true),
        (
            Says::Answer(
                503,
                None,
                r#"{"ok":false,"error":"service_unavailable"}"#.to_owned(),
            ),
            true,
        ),
        (
            Says::Answer(
                200,
                None,
                r#"{"ok":false,"error":"internal_error"}"#.to_owned(),
            ),
            true,
        ),
        (
            Says::Answer(
                200,
                None,
                r#"{"ok":false,"error":"request_timeout"}"#.to_owned(),
            ),
            false,
        ),
        (Says::Answer(200, None, "<html>".to_owned()), true),
        (Says::Answer(200, None, r#"{"ok":true}"#.to_owned()), true),
        (
            Says::Answer(
                200,
                None,
                r#"{"ok":true,"channel":"C1","ts":"now"}"#.to_owned(),
            ),
            true,
        ),
        (Says::Answer(200, None, too_long), true),
        (
            answers(500, &json!({"ok": false, "error": "invalid_auth"})),
            true,
        ),
    ] {
        let shown = format!("{says:.80?}");
        let error = failed(says).await;
        assert!(error.is_retryable(), "{shown}: {error}");
        assert_eq!(error.may_have_happened(), open, "{shown}: {error}");
        assert!(error.to_string().len() < 300, "{error}");
    }
}

#[tokio::test]
async fn what_does_not_pass_is_told_as_such() {
    for (says, error_type) in [
        (
            answers(200, &json!({"ok": false, "error": "invalid_auth"})),
            "Permanent.SlackRefused",
        ),
        (
            answers(403, &json!({"ok": false, "error": "channel_not_found"})),
            "Permanent.SlackRefused",
        ),
        (
            Says::Answer(404, None, "<html>".to_owned()),
            "Permanent.SlackStatus",
        ),
        (
            Says::Answer(302, None, String::new()),
            "Permanent.SlackStatus",
        ),
    ] {
        let error = failed(says).await;
        assert_eq!(error.error_type(), error_type, "{error}");
        assert!(!error.may_have_happened());
    }
    let scope =
        json!({"ok": false, "error": "missing_scope", "needed": "chat:write", "provided": ""});
    let error = failed(answers(200, &scope)).await;
    let refusal = error.refusal().unwrap();
    assert_eq!(
        (refusal.code(), refusal.needed()),
        ("missing_scope", Some("chat:write"))
    );
    let blocks = json!({"ok": false, "error": "invalid_blocks",
        "response_metadata": {"messages": ["[ERROR] must be more than 0 characters"]}});
    let error = failed(answers(200, &blocks)).await.to_string();
    assert!(error.contains("must be more than 0 characters"), "{error}");
}

#[tokio::test]
async fn a_slack_that_does_not_answer_is_given_up_on() {
    let (client, _) = slack(Says::Nothing);
    let (channel, message) = (channel(), message());
    let call = PostMessage::new(&channel, &message);
    let error = client.call(&token(), &call, ready(())).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Slack did not answer chat.postMessage in time"
    );
    assert!(error.is_retryable() && error.may_have_happened());
    // An answer that is there counts, though time is up.
    let says = answers(200, &json!({"ok": true, "channel": "C1", "ts": "1.000000"}));
    let (client, _) = super::tests::slack(says);
    assert!(client.call(&token(), &call, ready(())).await.is_ok());
}

#[tokio::test]
async fn the_token_does_not_show() {
    let (client, slack) = slack(Says::Breaks(|| ConnectorError::timeout("x".into())));
    let (channel, message) = (channel(), message());
    let call = PostMessage::new(&channel, &message);
    let error = client.call(&token(), &call, pending()).await.unwrap_err();
    assert!(slack.asked.lock().unwrap()[0].headers["authorization"].contains("the-token"));
    for shown in [format!("{error:?}"), error.to_string(), format!("{call:?}")] {
        assert!(!shown.contains("the-token"), "{shown}");
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_done() {
    // A socket that has its port and does not listen.
    let nobody = tokio::net::TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = nobody.local_addr().unwrap();
    let base = format!("http://{address}").parse().unwrap();
    let client = Client::new(https_connector(), base);
    let (channel, message) = (channel(), message());
    let call = PostMessage::new(&channel, &message);
    let error = client.call(&token(), &call, pending()).await.unwrap_err();
    assert!(
        error.is_retryable() && !error.may_have_happened(),
        "{error:?}"
    );
}
