//! DynamoDB: an embedded engine, reached over HTTP or called directly, and in front of it a gate
//! that counts calls, tells of them, and can make them fail the ways DynamoDB does.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::Response;
use dynoxide::Database;
use dynoxide::actions::update_time_to_live::{TimeToLiveSpecification, UpdateTimeToLiveRequest};
use gatekeeper_aws::clock::Clock;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::engine::{Streams, Ticks, carry_out};

/// DynamoDB takes bodies of up to 16 MiB.
const BODY_LIMIT: usize = 16 << 20;

/// The operations that change nothing.
const READS: [&str; 7] = [
    "BatchGetItem",
    "DescribeTable",
    "GetItem",
    "ListTables",
    "Query",
    "Scan",
    "TransactGetItems",
];

/// What is told of each call, after it was carried out and before it is answered.
pub type OnCall = Arc<dyn Fn(&str) + Send + Sync>;

/// What is told of each call that the engine carried out, whatever became of its answer: operation,
/// request and the engine's status. Run before anything else can happen.
pub type OnDone = Arc<dyn Fn(&str, &[u8], StatusCode) + Send + Sync>;

/// A way for calls to fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// `ThrottlingException`, nothing done.
    Throttle,
    /// HTTP 500, nothing done.
    InternalError,
    /// Nothing done and no answer, until the client gives up.
    Hang,
    /// Done, and the answer is lost: HTTP 500.
    AnswerLost,
    /// `AccessDeniedException`, nothing done.
    Forbidden,
    /// `BatchGetItem` and `BatchWriteItem`: every key is left unprocessed.
    Unprocessed,
}

/// DynamoDB on loopback. Clones are the same one.
#[derive(Clone)]
pub struct DynamoDb(Arc<Inner>);

struct Inner {
    engine: Database,
    way: Way,
    streams: Streams,
    on_done: Mutex<Option<OnDone>>,
    calls: Mutex<BTreeMap<String, u64>>,
    writes: AtomicU64,
    faults: Mutex<VecDeque<(String, Fault, u32)>>,
    on_call: Mutex<Option<OnCall>>,
    stop: watch::Sender<bool>,
}

/// How the engine is reached.
enum Way {
    /// Through its server, at this address.
    Http(String, Box<Client<HttpConnector, Body>>),
    /// Without a server.
    Direct,
}

/// Why the engine could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database file could not be opened.
    #[error("the database {path} could not be opened: {detail}")]
    Open {
        /// Which.
        path: String,
        /// What the engine says.
        detail: String,
    },
    /// No port could be had on loopback.
    #[error("no port could be had on loopback")]
    Listen(#[source] std::io::Error),
}

impl DynamoDb {
    /// Starts the engine, in memory or on a file, and its server.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(path: Option<&Path>, clock: Clock) -> Result<Self, StartError> {
        let engine = open(path, clock)?;
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(StartError::Listen)?;
        let address = listener.local_addr().map_err(StartError::Listen)?;
        let way = Way::Http(
            format!("http://{address}/"),
            Box::new(Client::builder(TokioExecutor::new()).build_http()),
        );
        let (stop, mut stopped) = watch::channel(false);
        let served = engine.clone();
        tokio::spawn(async move {
            let until = async move {
                let _ = stopped.wait_for(|stop| *stop).await;
            };
            if let Err(error) = dynoxide::server::serve_with_shutdown(listener, served, until).await
            {
                tracing::error!(error, "the DynamoDB engine stopped");
            }
        });
        Ok(Self::over(engine, way, stop))
    }

    /// Opens the engine, in memory or on a file, without a server: calls go to it directly.
    ///
    /// # Errors
    /// [`StartError::Open`].
    pub fn direct(path: Option<&Path>, clock: Clock) -> Result<Self, StartError> {
        let (stop, _) = watch::channel(false);
        Ok(Self::over(open(path, clock)?, Way::Direct, stop))
    }

    fn over(engine: Database, way: Way, stop: watch::Sender<bool>) -> Self {
        Self(Arc::new(Inner {
            engine,
            way,
            streams: Streams::default(),
            on_done: Mutex::default(),
            calls: Mutex::default(),
            writes: AtomicU64::default(),
            faults: Mutex::default(),
            on_call: Mutex::default(),
            stop,
        }))
    }

    /// Stops the engine; a file is closed when the last clone is dropped.
    pub fn stop(&self) {
        let _ = self.0.stop.send(true);
    }

    /// Answers DynamoDB's calls at every path.
    pub fn router(&self) -> Router {
        let gate = self.clone();
        Router::new()
            .fallback(move |headers: HeaderMap, body: Bytes| {
                let gate = gate.clone();
                async move { gate.answer(&headers, body).await }
            })
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
    }

    /// How often each operation was called, calls that failed included.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<String, u64> {
        lock(&self.0.calls).clone()
    }

    /// Forgets the counts.
    pub fn reset_calls(&self) {
        lock(&self.0.calls).clear();
    }

    /// How many calls that can change something were carried out: as long as it stays the same,
    /// the tables do.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.0.writes.load(Ordering::Relaxed)
    }

    /// Lets the next `times` calls of an operation fail; `*` stands for all operations.
    pub fn inject(&self, operation: &str, fault: Fault, times: u32) {
        lock(&self.0.faults).push_back((operation.to_owned(), fault, times));
    }

    /// Lets calls succeed again.
    pub fn clear_faults(&self) {
        lock(&self.0.faults).clear();
    }

    /// Whom to tell of calls.
    pub fn set_on_call(&self, hook: Option<OnCall>) {
        *lock(&self.0.on_call) = hook;
    }

    /// Whom to tell of what the engine did.
    pub fn set_on_done(&self, hook: Option<OnDone>) {
        *lock(&self.0.on_done) = hook;
    }

    /// The records that a table's stream holds since this was last asked, oldest first, as Lambda
    /// hands them over in `Records`.
    ///
    /// # Errors
    /// What the engine says of a table that is not there or has no stream.
    pub fn stream_records(&self, table: &str) -> Result<Vec<Value>, String> {
        let read = self.0.streams.read(&self.0.engine, table);
        read.map_err(|error| error.to_string())
    }

    /// Has DynamoDB delete the items of a table some time after this attribute says, as its time to live does.
    ///
    /// # Errors
    /// What the engine says.
    pub fn set_time_to_live(&self, table: &str, attribute: &str) -> Result<(), String> {
        let set = self.0.engine.update_time_to_live(UpdateTimeToLiveRequest {
            table_name: table.to_owned(),
            time_to_live_specification: TimeToLiveSpecification {
                attribute_name: attribute.to_owned(),
                enabled: true,
            },
        });
        set.map(drop).map_err(|error| error.to_string())
    }

    /// Deletes what time to live lets be deleted; at AWS that takes up to days. Answers how many items.
    ///
    /// # Errors
    /// What the engine says.
    pub fn delete_expired(&self) -> Result<usize, String> {
        let swept = self.0.engine.sweep_ttl();
        let swept = swept.map_err(|error| error.to_string())?;
        let writes = u64::try_from(swept).unwrap_or(u64::MAX);
        self.0.writes.fetch_add(writes, Ordering::Relaxed);
        Ok(swept)
    }

    fn take_fault(&self, operation: &str) -> Option<Fault> {
        let mut faults = lock(&self.0.faults);
        let at = faults
            .iter()
            .position(|(named, _, _)| named == "*" || named == operation)?;
        let (_, fault, times) = faults.get_mut(at)?;
        let fault = fault.clone();
        *times = times.saturating_sub(1);
        if *times == 0 {
            faults.remove(at);
        }
        Some(fault)
    }

    async fn answer(&self, headers: &HeaderMap, body: Bytes) -> Response {
        let operation = headers
            .get("x-amz-target")
            .and_then(|target| target.to_str().ok())
            .and_then(|target| target.rsplit('.').next())
            .unwrap_or("none")
            .to_owned();
        *lock(&self.0.calls).entry(operation.clone()).or_default() += 1;
        let response = match self.take_fault(&operation) {
            None => self.carry_out(&operation, headers, body).await,
            Some(Fault::AnswerLost) => {
                self.carry_out(&operation, headers, body).await;
                error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")
            }
            Some(Fault::Throttle) => error(StatusCode::BAD_REQUEST, "ThrottlingException"),
            Some(Fault::InternalError) => {
                error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")
            }
            Some(Fault::Forbidden) => error(StatusCode::BAD_REQUEST, "AccessDeniedException"),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Unprocessed) => unprocessed(&operation, &body),
        };
        let hook = lock(&self.0.on_call).clone();
        if let Some(hook) = hook {
            hook(&operation);
        }
        response
    }

    async fn carry_out(&self, operation: &str, headers: &HeaderMap, body: Bytes) -> Response {
        let request = body.clone();
        let response = match &self.0.way {
            Way::Http(address, client) => forward(address, client, headers, body).await,
            Way::Direct => {
                let (status, json) = carry_out(&self.0.engine, operation, &body);
                json_response(status, json)
            }
        };
        if !READS.contains(&operation) {
            self.0.writes.fetch_add(1, Ordering::Relaxed);
        }
        let hook = lock(&self.0.on_done).clone();
        if let Some(hook) = hook {
            hook(operation, &request, response.status());
        }
        response
    }
}

fn open(path: Option<&Path>, clock: Clock) -> Result<Database, StartError> {
    match path {
        None => Database::memory_with_clock(Arc::new(Ticks(clock))),
        Some(path) => Database::new(&path.to_string_lossy()),
    }
    .map_err(|error| StartError::Open {
        path: path.map_or_else(|| "in memory".to_owned(), |path| path.display().to_string()),
        detail: error.to_string(),
    })
}

async fn forward(
    address: &str,
    client: &Client<HttpConnector, Body>,
    headers: &HeaderMap,
    body: Bytes,
) -> Response {
    let mut request = Request::post(address);
    for (name, value) in headers {
        if name != "host" && name != "content-length" {
            request = request.header(name, value);
        }
    }
    let forwarded = async {
        let request = request.body(Body::from(body)).ok()?;
        let response = client.request(request).await.ok()?;
        let (parts, body) = response.into_parts();
        let body = to_bytes(Body::new(body), BODY_LIMIT).await.ok()?;
        let mut answer = Response::new(Body::from(body));
        *answer.status_mut() = parts.status;
        for (name, value) in &parts.headers {
            if name != "transfer-encoding" && name != "content-length" {
                answer.headers_mut().insert(name.clone(), value.clone());
            }
        }
        Some(answer)
    };
    forwarded
        .await
        .unwrap_or_else(|| error(StatusCode::BAD_GATEWAY, "InternalServerError"))
}

fn error(status: StatusCode, code: &str) -> Response {
    let body = json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "injected" });
    json_response(status, body.to_string())
}

/// The answer of a table that had no capacity for any of the keys.
fn unprocessed(operation: &str, body: &[u8]) -> Response {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let items = request.get("RequestItems").cloned().unwrap_or_default();
    let body = match operation {
        "BatchWriteItem" => json!({ "UnprocessedItems": items }),
        _ => json!({ "Responses": {}, "UnprocessedKeys": items }),
    };
    json_response(StatusCode::OK, body.to_string())
}

fn json_response(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    if let Ok(kind) = "application/x-amz-json-1.0".parse() {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    response
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "dynamodb_tests.rs"]
mod tests;
