use std::future::Future;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;

use crate::caller::Caller;
use crate::control::{CallPhase, CallRecord, Control};
use crate::error::AwsError;
use crate::fault::{FaultKind, ItemFault};
use crate::protocol::Protocol;
use crate::query::Params;

/// The largest body, a form: 256 KiB of message, each byte of which may be written as three.
const BODY_LIMIT: usize = 4 << 20;

/// How long [`serve`] waits for calls under way when it is told to stop.
const GRACE: Duration = Duration::from_millis(500);

/// One call, decoded.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) action: &'a str,
    pub(crate) caller: &'a Caller,
    pub(crate) params: &'a Params,
    /// As it came; of [`Protocol::Query`], all of it is in `params`.
    pub(crate) body: &'a [u8],
    pub(crate) request_id: &'a str,
    pub(crate) item_fault: Option<ItemFault>,
}

/// A service, whatever protocol it speaks.
pub(crate) trait Api: Clone + Send + Sync + 'static {
    const PROTOCOL: Protocol;

    fn control(&self) -> &Control;
    /// The account and the Region of callers that name none.
    fn home(&self) -> (&str, &str);
    fn request_id(&self) -> String;
    /// The parameters that the log of calls keeps.
    fn logged(params: &Params) -> Vec<(String, String)> {
        params.pairs().to_vec()
    }
    /// The document of the answer.
    fn run(&self, call: &Call<'_>) -> Result<String, AwsError>;
    /// The document of an error.
    fn error(&self, error: &AwsError, request_id: &str) -> String;
    /// How this service answers a fault that refuses the whole call.
    fn refusal(&self, kind: &FaultKind, call: &Call<'_>) -> AwsError;
}

/// Answers calls of `api` at every path, so that it can be mounted anywhere.
pub(crate) fn router(api: impl Api) -> Router {
    Router::new()
        .fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let api = api.clone();
            async move { answer(&api, &uri, &headers, &body).await }
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

async fn answer<A: Api>(api: &A, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Response {
    let control = api.control();
    let (action, params) = A::PROTOCOL.decode(uri, headers, body);
    let authorization = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let (account, region) = api.home();
    let caller = Caller::from_authorization(authorization.unwrap_or_default(), account, region);
    let caller = control.identify(caller);
    let request_id = api.request_id();
    let action = action.as_str();
    let mut call = Call {
        action,
        caller: &caller,
        params: &params,
        body,
        request_id: &request_id,
        item_fault: None,
    };
    let record = |error: Option<&str>| {
        control.record(CallRecord {
            action: action.to_owned(),
            caller: caller.clone(),
            params: A::logged(&params),
            error: error.map(str::to_owned),
        });
    };

    control.count(action);
    control.hook(action, CallPhase::Before);
    let mut lost = false;
    let refused = match control.take_fault(action, &params) {
        None => None,
        Some(FaultKind::Hang) => {
            // Before it shows in the log, so that whoever saw it there can release it.
            let mut released = control.released();
            record(Some("Hang"));
            // An error means that the simulator is gone, which is an end as well.
            let _ = released.changed().await;
            return broken();
        }
        Some(FaultKind::AnswerLost) => {
            lost = true;
            None
        }
        Some(FaultKind::Unsuccessful {
            code,
            message,
            items,
        }) => {
            call.item_fault = Some(ItemFault::from((code, message, items)));
            None
        }
        Some(FaultKind::Refused { code, message, .. }) => Some(AwsError::new(400, code, message)),
        Some(kind) => Some(api.refusal(&kind, &call)),
    };
    let result = match refused {
        Some(error) => Err(error),
        None => api.run(&call),
    };
    control.hook(action, CallPhase::After);
    if lost {
        record(Some("AnswerLost"));
        return broken();
    }
    record(result.as_ref().err().map(|error| error.code.as_str()));
    let reply = |status, document| reply(A::PROTOCOL, status, &request_id, document);
    match result {
        Ok(document) => reply(StatusCode::OK, document),
        Err(error) => {
            let status =
                StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            reply(status, api.error(&error, &request_id))
        }
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
