use std::future::Future;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;

use crate::caller::Caller;
use crate::control::{CallPhase, CallRecord, Control};
use crate::error::AwsError;
use crate::fault::{FaultKind, ItemFault};
use crate::json;
use crate::protocol::Protocol;
use crate::query::Params;
use crate::simulator::Simulator;

/// The largest body, a form: 256 KiB of message, each byte of which may be written as three.
const BODY_LIMIT: usize = 4 << 20;

/// How long [`serve`] waits for calls under way when it is told to stop.
const GRACE: Duration = Duration::from_millis(500);

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

/// A call as the control sees it.
pub(crate) struct Incoming<'a> {
    pub(crate) action: &'a str,
    /// The parameters that a fault looks at.
    pub(crate) params: &'a Params,
    /// The parameters that the log keeps.
    pub(crate) logged: Vec<(String, String)>,
    pub(crate) caller: &'a Caller,
}

pub(crate) enum Course {
    /// It is carried out, perhaps with some items that fail.
    Work(Option<ItemFault>),
    /// It is refused without any work.
    Refused(FaultKind),
}

/// An answer, and the code of the error that it tells.
pub(crate) struct Outcome {
    response: Response,
    error: Option<String>,
}

impl Outcome {
    pub(crate) fn of(response: Response) -> Self {
        let error = None;
        Self { response, error }
    }

    pub(crate) fn failed(response: Response, code: impl Into<String>) -> Self {
        let error = Some(code.into());
        Self { response, error }
    }
}

/// Answers a call with what `answer` makes of it: counted, logged, with the hook run, and disturbed by the first fault
/// that concerns it.
pub(crate) async fn exchange(
    control: &Control,
    call: Incoming<'_>,
    answer: impl Fn(Course) -> Outcome,
) -> Response {
    let record = |error: Option<&str>| {
        control.record(CallRecord {
            action: call.action.to_owned(),
            caller: call.caller.clone(),
            params: call.logged.clone(),
            error: error.map(str::to_owned),
        });
    };
    control.count(call.action);
    control.hook(call.action, CallPhase::Before);
    let fault = control.take_fault(call.action, call.params);
    let course = match fault.clone() {
        None | Some(FaultKind::AnswerLost | FaultKind::AnswerHangs | FaultKind::AnswerFails) => {
            Course::Work(None)
        }
        Some(FaultKind::Hang) => return hang(control, || record(Some("Hang"))).await,
        Some(FaultKind::Unsuccessful {
            code,
            message,
            items,
        }) => Course::Work(Some(ItemFault::from((code, message, items)))),
        Some(kind) => Course::Refused(kind),
    };
    let mut outcome = answer(course);
    control.hook(call.action, CallPhase::After);
    match fault {
        Some(FaultKind::AnswerLost) => {
            record(Some("AnswerLost"));
            return broken();
        }
        Some(FaultKind::AnswerHangs) => {
            return hang(control, || record(Some("AnswerHangs"))).await;
        }
        Some(FaultKind::AnswerFails) => {
            outcome = answer(Course::Refused(FaultKind::InternalError));
        }
        _ => {}
    }
    record(outcome.error.as_deref());
    outcome.response
}

/// Does not answer until it is released.
async fn hang(control: &Control, record: impl FnOnce()) -> Response {
    let mut released = control.released();
    // The log shows the call only from now on, so that a test that sees it there can release it.
    record();
    // An error means that the simulator is gone, which is an end as well.
    let _ = released.changed().await;
    broken()
}

fn reply(protocol: Protocol, status: StatusCode, request_id: &str, document: String) -> Response {
    // SDKs take the id from the header; in XML it stands in the document as well.
    let headers = [
        (CONTENT_TYPE, protocol.content_type()),
        (HeaderName::from_static("x-amzn-requestid"), request_id),
    ];
    (status, headers, document).into_response()
}

/// An answer that breaks off: its body fails, upon which the server closes the connection.
fn broken() -> Response {
    let body = futures_util::stream::once(async {
        Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    // The length that never comes keeps a client from taking the break for the end.
    ([(CONTENT_LENGTH, "1")], Body::from_stream(body)).into_response()
}

/// Serves `app` until `stop` is ready, then for half a second more what is under way, and no longer: a call that
/// hangs does not keep the server up.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    app: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        stop.await;
        let _ = stopping.send(());
    });
    tokio::select! {
        result = server => result,
        () = async {
            // An error means that the server has ended by itself; then the other branch is ready.
            let _ = stopped.await;
            #[expect(
                clippy::disallowed_methods,
                reason = "this waits for sockets, which follow no clock of ours"
            )]
            tokio::time::sleep(GRACE).await;
        } => Ok(()),
    }
}
