//! What tests in other languages do behind the simulators' callers' backs, over HTTP:
//!
//! | | |
//! | --- | --- |
//! | `POST /faults` `{"at": "ec2", "action": "*", "kind": "Throttle", "times": 3}` | calls go wrong; without `times`, until they are cleared |
//! | `DELETE /faults` | none does any more |
//! | `GET /calls` | what was called, by whom, with which parameters and error |
//! | `POST /ec2/attachments` `{"service_id", "owner", "endpoint_ids": []}` | a transit gateway attachment that waits; without endpoints it is listed without one. Answers its id |
//! | `PUT /ec2/options` `{"attachment_listing": "PerZone", "attachments_by_endpoint": false, "decide_at_most": 25, "accept_after_reject": true, "reject_endpoint_id_filter": true, "empty_pages": true}` | what AWS does not document, one way or the other; what is not named stays |
//! | `PUT /slack/channels` `{"id": "C0REVIEWS", "name": "reviews"}` | a channel that the app is in |
//! | `POST /slack/press` `{"user", "channel", "ts", "action_id"}` | what Slack would post to the app: `headers` and `body` |

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use local_aws::{
    AttachmentListing, Control, Ec2, Fault, FaultKind, NewAttachment, NewChannel, Organizations,
    Slack,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The simulators that are controlled.
#[derive(Clone)]
pub(crate) struct Simulators {
    pub(crate) ec2: Ec2,
    pub(crate) organizations: Organizations,
    pub(crate) slack: Slack,
}

impl Simulators {
    fn all(&self) -> [(&'static str, &Control); 3] {
        [
            ("ec2", &self.ec2),
            ("organizations", &self.organizations),
            ("slack", &self.slack),
        ]
    }
}

pub(crate) fn router(simulators: Simulators) -> Router {
    Router::new()
        .route("/faults", post(add_fault).delete(clear_faults))
        .route("/calls", get(calls))
        .route("/ec2/attachments", post(put_attachment))
        .route("/ec2/options", put(set_options))
        .route("/slack/channels", put(put_channel))
        .route("/slack/press", post(press))
        .with_state(simulators)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFault {
    at: String,
    action: String,
    kind: String,
    times: Option<u32>,
}

async fn add_fault(State(simulators): State<Simulators>, body: Bytes) -> Result<Response, Refusal> {
    let new: NewFault = parsed(&body)?;
    let kind = match new.kind.as_str() {
        "Throttle" => FaultKind::Throttle,
        "InternalError" => FaultKind::InternalError,
        "Unavailable" => FaultKind::Unavailable,
        "Unauthorized" => FaultKind::Unauthorized,
        "AnswerLost" => FaultKind::AnswerLost,
        "AnswerFails" => FaultKind::AnswerFails,
        other => return Err(Refusal(format!("there is no fault {other:?}"))),
    };
    let fault = Fault::new(new.action, kind).times(new.times.unwrap_or(u32::MAX));
    let (_, control) = simulators
        .all()
        .into_iter()
        .find(|(name, _)| *name == new.at)
        .ok_or_else(|| Refusal(format!("nothing here is called {:?}", new.at)))?;
    control.inject(fault);
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn clear_faults(State(simulators): State<Simulators>) -> StatusCode {
    for (_, control) in simulators.all() {
        control.clear_faults();
        control.release();
    }
    StatusCode::NO_CONTENT
}

async fn calls(State(simulators): State<Simulators>) -> Response {
    let calls = simulators.all().into_iter().flat_map(|(name, control)| {
        control.log().into_iter().map(move |call| {
            json!({
                "at": name,
                "action": call.action,
                "account": call.caller.account,
                "access_key": call.caller.access_key,
                "params": call.params,
                "error": call.error,
            })
        })
    });
    answer(&calls.collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attachment {
    service_id: String,
    owner: String,
    #[serde(default)]
    endpoint_ids: Vec<String>,
}

async fn put_attachment(
    State(simulators): State<Simulators>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let new: Attachment = parsed(&body)?;
    let new = NewAttachment::new(new.service_id, new.owner).endpoint_ids(new.endpoint_ids);
    let made = simulators.ec2.put_attachment(new);
    let made = made.map_err(|error| Refusal(error.to_string()))?;
    Ok(answer(&json!({ "attachment_id": made.attachment_id })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    attachment_listing: Option<String>,
    attachments_by_endpoint: Option<bool>,
    decide_at_most: Option<usize>,
    accept_after_reject: Option<bool>,
    reject_endpoint_id_filter: Option<bool>,
    empty_pages: Option<bool>,
}

async fn set_options(
    State(simulators): State<Simulators>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let new: Options = parsed(&body)?;
    let listing = match new.attachment_listing.as_deref() {
        None => None,
        Some("WithoutEndpoint") => Some(AttachmentListing::WithoutEndpoint),
        Some("PerZone") => Some(AttachmentListing::PerZone),
        Some("PerZoneWithoutOwner") => Some(AttachmentListing::PerZoneWithoutOwner),
        Some(other) => return Err(Refusal(format!("there is no listing {other:?}"))),
    };
    simulators.ec2.set_options(|options| {
        options.attachment_listing = listing.unwrap_or(options.attachment_listing);
        // 0 takes the limit away.
        options.decide_at_most = match new.decide_at_most {
            Some(most) => Some(most).filter(|most| *most > 0),
            None => options.decide_at_most,
        };
        for (new, option) in [
            (
                new.attachments_by_endpoint,
                &mut options.attachments_by_endpoint,
            ),
            (new.accept_after_reject, &mut options.accept_after_reject),
            (
                new.reject_endpoint_id_filter,
                &mut options.reject_endpoint_id_filter,
            ),
            (new.empty_pages, &mut options.empty_pages),
        ] {
            *option = new.unwrap_or(*option);
        }
    });
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Channel {
    id: String,
    name: String,
}

async fn put_channel(
    State(simulators): State<Simulators>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let channel: Channel = parsed(&body)?;
    let channel = NewChannel::new(channel.id, channel.name);
    simulators.slack.put_channel(channel);
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Press {
    user: String,
    channel: String,
    ts: String,
    action_id: String,
}

async fn press(State(simulators): State<Simulators>, body: Bytes) -> Result<Response, Refusal> {
    let press: Press = parsed(&body)?;
    let interaction = simulators
        .slack
        .press(&press.user, &press.channel, &press.ts, &press.action_id)
        .map_err(|why| Refusal(why.to_string()))?;
    let headers: BTreeMap<_, _> = interaction.headers.into_iter().collect();
    let body = String::from_utf8_lossy(&interaction.body);
    Ok(answer(&json!({ "headers": headers, "body": body })))
}

/// Why a request makes no sense.
struct Refusal(String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, self.0).into_response()
    }
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal(error.to_string()))
}

fn answer(value: &Value) -> Response {
    ([(CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
