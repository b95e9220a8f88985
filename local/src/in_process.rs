//! AWS's stand-ins reached without a socket: the SDK clients' HTTP requests are handed to the local
//! world's router as they are. On a current-thread runtime nothing then happens but what the caller
//! polls, so that a test that holds up calls decides the order of everything.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_async::rt::sleep::{AsyncSleep, Sleep};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::Request;
use gatekeeper_aws::clock::Clock;
use tower_service::Service as _;

/// Bodies here are no larger than DynamoDB's.
const BODY_LIMIT: usize = 16 << 20;

/// How the functions reach AWS's stand-ins.
#[derive(Debug, Clone, Default)]
pub enum Transport {
    /// Over HTTP on loopback, where every other SDK can reach them too.
    #[default]
    Loopback,
    /// Directly, past the watcher, if there is one.
    InProcess(Option<Arc<dyn Watcher>>),
}

/// Stands between the clients and AWS's stand-ins: sees each call, and holds it up as it likes.
pub trait Watcher: Send + Sync + fmt::Debug {
    /// A call has been made. It is carried out once this is done, without anything in between.
    fn before<'a>(&'a self, call: &'a Call) -> Held<'a>;

    /// A call has been carried out; this is begun without anything in between. The caller hears of
    /// the answer once this is done, and never if it never is: that is a function that was killed.
    fn after<'a>(&'a self, call: &'a Call, answer: Option<&'a ServiceResponse>) -> Held<'a>;
}

/// How long a call is held up, and what comes of it.
pub type Held<'a> = Pin<Box<dyn Future<Output = Passage> + Send + 'a>>;

/// What comes of a call that was held up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It goes on.
    Through,
    /// Its client has waited long enough: for the caller, the call has failed.
    TimedOut,
}

/// A call on the wire.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who makes it: the instance's name, as it was given to [`World::instance`](crate::world::World::instance).
    pub caller: Arc<str>,
    /// `ec2`, `sns` or `dynamodb`.
    pub service: String,
    /// Such as `TransactWriteItems`.
    pub operation: String,
    /// JSON for DynamoDB, a form for the others.
    pub body: Bytes,
}

/// An answer on the wire.
#[derive(Debug, Clone)]
pub struct ServiceResponse {
    /// HTTP's.
    pub status: u16,
    /// JSON from DynamoDB, XML from the others.
    pub body: Bytes,
}

/// One caller's way to the router.
#[derive(Clone)]
struct Connector {
    caller: Arc<str>,
    router: Router,
    watcher: Option<Arc<dyn Watcher>>,
}

/// The HTTP client of the instance `caller`.
pub(crate) fn http_client(
    caller: &str,
    router: Router,
    watcher: Option<Arc<dyn Watcher>>,
) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Connector {
        caller: caller.into(),
        router,
        watcher,
    });
    http_client_fn(move |_, _| connector.clone())
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.clone();
        HttpConnectorFuture::new(async move { connector.exchange(request).await })
    }
}

impl Connector {
    async fn exchange(mut self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request
            .try_into_http1x()
            .map_err(|error| ConnectorError::user(error.into()))?;
        let (parts, body) = request.into_parts();
        // The clients of this product send nothing that is not in memory.
        let body = Bytes::copy_from_slice(body.bytes().unwrap_or_default());
        let call = Call {
            caller: Arc::clone(&self.caller),
            service: service_of(parts.uri.path()).to_owned(),
            operation: operation_of(&parts, &body),
            body: body.clone(),
        };
        if let Some(watcher) = &self.watcher {
            in_time(watcher.before(&call).await)?;
        }
        let request = Request::from_parts(parts, Body::from(body));
        let response = match self.router.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (parts, body) = response.into_parts();
        let answer = to_bytes(body, BODY_LIMIT)
            .await
            .map(|body| ServiceResponse {
                status: parts.status.as_u16(),
                body,
            });
        if let Some(watcher) = &self.watcher {
            in_time(watcher.after(&call, answer.as_ref().ok()).await)?;
        }
        let answer = answer.map_err(|error| ConnectorError::io(error.into()))?;
        let mut response = HttpResponse::new(parts.status.into(), SdkBody::from(answer.body));
        for (name, value) in &parts.headers {
            if let Ok(value) = value.to_str() {
                response
                    .headers_mut()
                    .insert(name.as_str().to_owned(), value.to_owned());
            }
        }
        Ok(response)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

fn in_time(passage: Passage) -> Result<(), ConnectorError> {
    match passage {
        Passage::Through => Ok(()),
        Passage::TimedOut => Err(ConnectorError::timeout("the call took too long".into())),
    }
}

/// The first part of the path, under which the world mounts the service.
pub(crate) fn service_of(path: &str) -> &str {
    path.split('/').find(|part| !part.is_empty()).unwrap_or("")
}

/// The operation: named in a header by DynamoDB's clients, in the form by the others.
pub(crate) fn operation_of(parts: &axum::http::request::Parts, body: &[u8]) -> String {
    let target = parts.headers.get("x-amz-target");
    if let Some(target) = target.and_then(|target| target.to_str().ok()) {
        return target.rsplit('.').next().unwrap_or_default().to_owned();
    }
    let form = String::from_utf8_lossy(body);
    let action = form
        .split('&')
        .find_map(|pair| pair.strip_prefix("Action="));
    action.unwrap_or_default().to_owned()
}

/// Waits on the world's clock, where the SDK would on the machine's.
#[derive(Debug)]
pub(crate) struct ClockSleep(pub(crate) Clock);

impl AsyncSleep for ClockSleep {
    fn sleep(&self, duration: Duration) -> Sleep {
        let clock = self.0.clone();
        Sleep::new(async move { clock.sleep(duration).await })
    }
}
