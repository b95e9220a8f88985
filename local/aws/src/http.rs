//! The router that all services of AWS share.

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::caller::Caller;
use crate::error::AwsError;
use crate::exchange::{Course, Incoming, Outcome, exchange};
use crate::fault::{FaultKind, ItemFault};
use crate::json;
use crate::protocol::Protocol;
use crate::query::Params;
use crate::simulator::Simulator;

/// The largest body, a form: 256 KiB of message, each byte of which may be written as three.
const BODY_LIMIT: usize = 4 << 20;

/// One call to a simulator with state `S`, decoded.
pub(crate) struct Call<'a, S> {
    pub(crate) simulator: &'a Simulator<S>,
    pub(crate) action: &'a str,
    pub(crate) caller: &'a Caller,
    /// Whether there is a signature, right or wrong.
    pub(crate) signed: bool,
    pub(crate) params: &'a Params,
    /// As it came; of [`Protocol::Query`], all of it is in `params`.
    pub(crate) body: &'a [u8],
    pub(crate) request_id: &'a str,
    pub(crate) now: Timestamp,
    /// A fault that lets some items of the call fail.
    pub(crate) item_fault: Option<&'a ItemFault>,
}

impl<S> Call<'_, S> {
    /// The body of a call of [`Protocol::Json`].
    pub(crate) fn input<T: DeserializeOwned>(&self) -> Result<T, AwsError> {
        json::input(self.body)
    }
}

/// What makes one AWS service differ from another. It is implemented for the state of the service.
pub(crate) trait Api: Send + Sync + Sized + 'static {
    const PROTOCOL: Protocol;

    /// Carries a call out, and answers the document.
    fn run(call: &Call<'_, Self>) -> Result<String, AwsError>;

    /// The parameters that the log of calls keeps.
    fn logged(params: &Params) -> Vec<(String, String)> {
        params.pairs().to_vec()
    }

    // How the service answers the faults that refuse a call.
    fn throttled() -> AwsError;
    fn internal() -> AwsError;
    fn unavailable() -> AwsError {
        json::unavailable()
    }
    fn unauthorized(call: &Call<'_, Self>) -> AwsError;
}

/// Answers calls at every path, so that it can be mounted anywhere.
pub(crate) fn router<S: Api>(simulator: Simulator<S>) -> Router {
    Router::new()
        .fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let simulator = simulator.clone();
            async move { answer(&simulator, &uri, &headers, &body).await }
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

async fn answer<S: Api>(
    simulator: &Simulator<S>,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let (action, params) = S::PROTOCOL.decode(uri, headers, body);
    let authorization = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let caller = Caller::from_authorization(
        authorization.unwrap_or_default(),
        &simulator.home().account,
        &simulator.home().region,
    );
    let caller = simulator.identify(caller);
    let request_id = simulator.ids().uuid();
    let answer = |course: Course| {
        let mut call = Call {
            simulator,
            action: &action,
            caller: &caller,
            signed: authorization.is_some(),
            params: &params,
            body,
            request_id: &request_id,
            now: simulator.now(),
            item_fault: None,
        };
        let result = match &course {
            Course::Refused(kind) => Err(refusal(kind, &call)),
            Course::Work(item_fault) => {
                call.item_fault = item_fault.as_ref();
                S::run(&call)
            }
        };
        let document = result.as_ref().ok().map(String::as_str);
        let result = simulator
            .answer_instead(&action, document)
            .map_or(result, Ok);
        let reply = |status, document| reply(S::PROTOCOL, status, &request_id, document);
        match result {
            Ok(document) => Outcome::of(reply(StatusCode::OK, document)),
            Err(error) => {
                let status =
                    StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let response = reply(status, S::PROTOCOL.error(&error, &request_id));
                Outcome::failed(response, error.code)
            }
        }
    };
    let incoming = Incoming {
        action: &action,
        params: &params,
        logged: S::logged(&params),
        caller: &caller,
    };
    exchange(simulator, incoming, answer).await
}

/// How a fault refuses the whole call.
fn refusal<S: Api>(kind: &FaultKind, call: &Call<'_, S>) -> AwsError {
    match kind {
        FaultKind::Refused { code, message, .. } => AwsError::bad(code, message),
        FaultKind::Throttle => S::throttled(),
        FaultKind::Unavailable => S::unavailable(),
        FaultKind::Unauthorized => S::unauthorized(call),
        _ => S::internal(),
    }
}

fn reply(protocol: Protocol, status: StatusCode, request_id: &str, document: String) -> Response {
    // SDKs take the id from the header; in XML it stands in the document as well.
    let headers = [
        (CONTENT_TYPE, protocol.content_type()),
        (HeaderName::from_static("x-amzn-requestid"), request_id),
    ];
    (status, headers, document).into_response()
}
