//! Calls over HTTP and their answers.

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::args::Args;
use super::errors::{self, SlackError};
use super::store::Store;
use super::workspace::{Request, Slack};
use super::{chat, history, response_url, views};
use crate::buckets::Limit;
use crate::clock::after;
use crate::exchange::{Course, Incoming, Outcome, exchange};
use crate::fault::FaultKind;
use crate::json;

/// The largest body: a view of 250 kB, each byte of which may be written as three.
const BODY_LIMIT: usize = 1 << 20;

/// The action of posts to a `response_url`, in the log and in faults.
const RESPONSE_URL: &str = "response_url";

pub(crate) fn router(slack: Slack) -> Router {
    Router::new()
        .fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let slack = slack.clone();
            async move {
                match target(uri.path()) {
                    Some(target) => slack.answer(target, &headers, &body).await,
                    None => StatusCode::NOT_FOUND.into_response(),
                }
            }
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

/// The target of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target<'a> {
    Method(&'a str),
    /// With what stands behind `/actions/`.
    ResponseUrl(&'a str),
}

fn target(path: &str) -> Option<Target<'_>> {
    if let Some((_, behind)) = path.split_once("/actions/") {
        return Some(Target::ResponseUrl(behind));
    }
    let (front, method) = path.rsplit_once('/')?;
    front.ends_with("/api").then_some(Target::Method(method))
}

impl Slack {
    async fn answer(&self, target: Target<'_>, headers: &HeaderMap, body: &[u8]) -> Response {
        let action = match target {
            Target::Method(method) => method,
            Target::ResponseUrl(_) => RESPONSE_URL,
        };
        let args = Args::parse(headers, body);
        let params = json::params(body);
        let caller = self.home();
        let incoming = Incoming {
            action,
            params: &params,
            // Slack takes a token in the body too. The double does not, but keeps it out of the log.
            logged: params
                .pairs()
                .iter()
                .filter(|(name, _)| name != "token")
                .cloned()
                .collect(),
            caller,
        };
        self.note_early(action);
        let answer = |course: Course| match course {
            Course::Refused(kind) => self.refusal(action, kind),
            Course::Work(_) => self.carry_out(target, headers, args.as_ref()),
        };
        exchange(self, incoming, answer).await
    }

    fn carry_out(
        &self,
        target: Target<'_>,
        headers: &HeaderMap,
        args: Result<&Args, &SlackError>,
    ) -> Outcome {
        let now = self.now();
        let request = |method, args| Request {
            slack: self,
            method,
            args,
            now,
        };
        match target {
            Target::ResponseUrl(path) => {
                let result = args
                    .map_err(Clone::clone)
                    .and_then(|args| response_url::post(&request(RESPONSE_URL, args), path));
                match result {
                    Ok(_) => Outcome::of((StatusCode::OK, "ok").into_response()),
                    Err(error) => failed(StatusCode::NOT_FOUND, &error),
                }
            }
            Target::Method(method) => {
                if self.is_limited(method, args.ok()) {
                    return self.refusal(method, FaultKind::Throttle);
                }
                let authorized = authorize(&self.store(), method, headers);
                let result = authorized
                    .and_then(|()| args.map_err(Clone::clone))
                    .and_then(|args| {
                        let answer = run(&request(method, args))?;
                        Ok((answer, args.warning))
                    });
                match result {
                    Ok((answer, warning)) => Outcome::of(done(answer, warning)),
                    Err(error) => failed(StatusCode::OK, &error),
                }
            }
        }
    }

    /// How Slack refuses a call before any work.
    fn refusal(&self, method: &str, kind: FaultKind) -> Outcome {
        match kind {
            FaultKind::Throttle => {
                let mut store = self.store();
                let wait = store.options.retry_after;
                let until = after(self.now(), wait);
                store.limited_until.insert(method.to_owned(), until);
                let seconds = [(RETRY_AFTER, wait.as_secs().to_string())];
                let error = SlackError::new("ratelimited");
                let answer = (
                    StatusCode::TOO_MANY_REQUESTS,
                    seconds,
                    document(&error.to_json()),
                );
                Outcome::failed(answer.into_response(), error.code)
            }
            FaultKind::Unauthorized => failed(StatusCode::OK, &SlackError::new("invalid_auth")),
            FaultKind::Refused { code, message, .. } => {
                let messages = Some(message).filter(|message| !message.is_empty());
                failed(
                    StatusCode::OK,
                    &SlackError::new(code).with_messages(messages),
                )
            }
            FaultKind::Unavailable => page(StatusCode::SERVICE_UNAVAILABLE),
            _ => page(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// Notes a call that did not wait as long as it was told to.
    fn note_early(&self, action: &str) {
        let mut store = self.store();
        let now = self.now();
        let until = store.limited_until.get(action);
        if until.is_some_and(|until| now < *until) {
            store.too_early.push(action.to_owned());
        }
    }

    /// Whether a documented limit is reached, if they are applied.
    fn is_limited(&self, method: &str, args: Option<&Args>) -> bool {
        let mut store = self.store();
        let now = self.now();
        if !store.options.throttling {
            return false;
        }
        let (size, per_second) = match method {
            "chat.postMessage" => (10.0, 1.0),
            "views.open" | "views.update" | "chat.postEphemeral" => (100.0, 100.0 / 60.0),
            _ => (50.0, 50.0 / 60.0),
        };
        let channel = match (method, args) {
            ("chat.postMessage", Some(args)) => args.text("channel").ok().flatten(),
            _ => None,
        };
        let channel = channel.unwrap_or_default().to_owned();
        let key = (self.team_id().to_owned(), channel, method.to_owned());
        !store.buckets.take(key, Limit { size, per_second }, now)
    }
}

/// Whether the token is the app's, and may do this.
fn authorize(store: &Store, method: &str, headers: &HeaderMap) -> Result<(), SlackError> {
    let header = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = header.and_then(|header| header.strip_prefix("Bearer "));
    match token {
        None => return Err(SlackError::new("not_authed")),
        Some(token) if token != store.bot_token => return Err(SlackError::new("invalid_auth")),
        Some(_) => {}
    }
    let scope = "chat:write";
    if method.starts_with("chat.") && !store.options.scopes.contains(scope) {
        let provided = store.options.scopes.iter().cloned();
        return Err(errors::missing_scope(scope, provided));
    }
    Ok(())
}

fn run(req: &Request<'_>) -> Result<Value, SlackError> {
    match req.method {
        "chat.postMessage" => chat::post_message(req),
        "chat.update" => chat::update(req),
        "chat.postEphemeral" => chat::post_ephemeral(req),
        "conversations.history" => history::history(req),
        "conversations.replies" => history::replies(req),
        "views.open" => views::open(req),
        "views.update" => views::update(req),
        other => Err(errors::unknown_method(other)),
    }
}

fn document(json: &Value) -> ([(axum::http::HeaderName, &'static str); 1], String) {
    let kind = "application/json; charset=utf-8";
    ([(CONTENT_TYPE, kind)], json.to_string())
}

fn done(mut answer: Value, warning: Option<&str>) -> Response {
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("ok".to_owned(), json!(true));
        if let Some(warning) = warning {
            fields.insert("warning".to_owned(), json!(warning));
            let metadata = fields.entry("response_metadata").or_insert(json!({}));
            if let Some(metadata) = metadata.as_object_mut() {
                metadata.insert("warnings".to_owned(), json!([warning]));
            }
        }
    }
    document(&answer).into_response()
}

fn failed(status: StatusCode, error: &SlackError) -> Outcome {
    let answer = (status, document(&error.to_json())).into_response();
    Outcome::failed(answer, error.code.clone())
}

/// The proxies in front of Slack answer in HTML, not in JSON.
fn page(status: StatusCode) -> Outcome {
    let text = status.canonical_reason().unwrap_or_default();
    let headers = [(CONTENT_TYPE, "text/html")];
    let answer = (status, headers, format!("<html><body>{text}</body></html>"));
    Outcome::failed(answer.into_response(), text)
}

#[cfg(test)]
mod tests {
    use super::{Target, target};

    #[test]
    fn paths_lead_to_methods_and_response_urls_wherever_they_are_mounted() {
        for (path, expected) in [
            (
                "/api/chat.postMessage",
                Some(Target::Method("chat.postMessage")),
            ),
            (
                "/slack/api/chat.update",
                Some(Target::Method("chat.update")),
            ),
            ("/actions/T1/2/x", Some(Target::ResponseUrl("T1/2/x"))),
            ("/slack/actions/T1/2/x", Some(Target::ResponseUrl("T1/2/x"))),
            ("/chat.postMessage", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(target(path), expected, "{path}");
        }
    }
}
