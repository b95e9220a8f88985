//! The Web API's methods that we call.
//!
//! | module | does |
//! | --- | --- |
//! | [`calls`] | the methods: what each takes and answers |
//! | [`error`] | what went wrong, and what that means |
//! | [`method`] | the methods that we call |
//! | [`refusal`] | Slack's error codes, and what to do about each |
//!
//! A call is tried once. The caller knows whether it may be made again: Slack has no way to say
//! "this is the same message as before".

pub mod calls;
pub mod error;
pub mod method;
pub mod refusal;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde::Deserialize;

use crate::address::{BaseUrl, ResponseUrl};
use crate::secret::BotToken;
use calls::{Body, Call, Reply};
use error::{Error, Permanent, Retryable, Source};
use method::Method;
use refusal::Refusal;

/// Longer answers are not read. The longest is a page of a channel's history.
const ANSWER_LIMIT: usize = 8 << 20;
/// How long to wait where Slack says that it was too much, and not for how long. Its limits are per
/// minute.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// No `Retry-After` is believed beyond this.
const RETRY_AFTER_AT_MOST: Duration = Duration::from_hours(1);

/// Calls Slack.
#[derive(Debug, Clone)]
pub struct Client {
    connector: SharedHttpConnector,
    base: BaseUrl,
}

/// How long a connection is kept for the next call. One that was idle for longer, while the function
/// was frozen, is likely to be gone, and a call that finds out leaves open whether Slack did it.
const IDLE: Duration = Duration::from_secs(30);

/// Connections to Slack over TLS, made as the SDK's clients make theirs to AWS. Share it.
#[must_use]
pub fn https_connector() -> SharedHttpConnector {
    let connector = Connector::builder()
        .pool_idle_timeout(IDLE)
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::AwsLc,
        ))
        .build();
    SharedHttpConnector::new(connector)
}

/// An answer, read to its end.
struct HttpReply {
    status: u16,
    retry_after: Option<Duration>,
    body: Vec<u8>,
}

/// What every answer of the Web API says.
#[derive(Deserialize)]
struct Envelope {
    ok: bool,
    error: Option<String>,
    needed: Option<String>,
    #[serde(default)]
    response_metadata: Details,
}

#[derive(Deserialize, Default)]
struct Details {
    #[serde(default)]
    messages: Vec<String>,
}

impl Client {
    /// A client. Opens no connection.
    #[must_use]
    pub fn new(connector: SharedHttpConnector, base: BaseUrl) -> Self {
        Self { connector, base }
    }

    /// Where it takes Slack to be.
    #[must_use]
    pub fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// Makes a call, and gives up on it once `time_out` is done.
    ///
    /// # Errors
    /// [`Error`], which says whether it makes sense to try again, and whether Slack may have done it
    /// all the same.
    pub async fn call<C: Call>(
        &self,
        token: &BotToken,
        call: &C,
        time_out: impl Future<Output = ()>,
    ) -> Result<C::Response, Error> {
        let method = C::METHOD;
        let body = call.body();
        let mut request = post(method, self.base.method(method.as_str()), body?)?;
        let bearer = format!("Bearer {}", token.expose());
        request.headers_mut().insert("authorization", bearer);
        let answer = self.exchange(method, request, time_out).await?;
        let envelope: Envelope = understood(method, &answer)?;
        if envelope.ok {
            return serde_json::from_slice(&answer.body)
                .map_err(|source| Retryable::unreadable(method, &source).into());
        }
        Err(refused(method, &answer, envelope))
    }

    /// Answers an interaction at the address that came with it.
    ///
    /// # Errors
    /// As [`Client::call`]'s. An address is good five times within 30 minutes.
    pub async fn respond(
        &self,
        url: &ResponseUrl,
        reply: &Reply<'_>,
        time_out: impl Future<Output = ()>,
    ) -> Result<(), Error> {
        let method = Method::ResponseUrl;
        let body = Body::json(method, reply)?;
        let request = post(method, url.expose().to_owned(), body)?;
        let answer = self.exchange(method, request, time_out).await?;
        // The answer is "ok", or an object like the Web API's.
        match serde_json::from_slice::<Envelope>(&answer.body) {
            Ok(envelope) if !envelope.ok => Err(refused(method, &answer, envelope)),
            _ => by_status(method, &answer),
        }
    }

    /// Sends a request and reads the answer, unless that takes too long.
    async fn exchange(
        &self,
        method: Method,
        request: HttpRequest,
        time_out: impl Future<Output = ()>,
    ) -> Result<HttpReply, Error> {
        let work = async {
            let response = self
                .connector
                .call(request)
                .await
                .map_err(|error| Retryable::transport(method, Box::new(error)))?;
            let status = response.status().as_u16();
            let retry_after = response.headers().get("retry-after").map(retry_after);
            let mut stream = ByteStream::new(response.into_body());
            let mut body = Vec::new();
            while let Some(chunk) = stream.next().await {
                let chunk = chunk.map_err(|error| Retryable::cut_off(method, Box::new(error)))?;
                if body.len() + chunk.len() > ANSWER_LIMIT {
                    let too_long = format!("it is longer than {ANSWER_LIMIT} bytes");
                    return Err(Retryable::unreadable(method, &too_long));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(HttpReply {
                status,
                retry_after,
                body,
            })
        };
        let (mut work, mut time_out) = (pin!(work), pin!(time_out));
        let in_time = poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => time_out.as_mut().poll(context).map(|()| None),
        });
        let done = in_time.await.ok_or(Retryable::TimedOut { method })?;
        Ok(done?)
    }
}

fn post(method: Method, address: String, body: Body) -> Result<HttpRequest, Error> {
    let invalid = |source: Source| Permanent::Encode { method, source };
    let (content_type, body) = body.into_parts();
    let mut request = HttpRequest::new(SdkBody::from(body));
    request
        .set_method("POST")
        .map_err(|error| invalid(Box::new(error)))?;
    request
        .set_uri(address)
        .map_err(|error| invalid(Box::new(error)))?;
    let headers = request.headers_mut();
    headers.insert("content-type", content_type);
    headers.insert(
        "user-agent",
        concat!("privatelink-gatekeeper/", env!("CARGO_PKG_VERSION")),
    );
    Ok(request)
}

/// What an answer says, where it is one of the Web API's.
fn understood(method: Method, answer: &HttpReply) -> Result<Envelope, Error> {
    let envelope = serde_json::from_slice(&answer.body);
    match envelope {
        // Slack says why in its own words, whatever the status.
        Ok(envelope @ Envelope { ok: false, .. }) if answer.status < 500 => Ok(envelope),
        envelope => {
            by_status(method, answer)?;
            envelope.map_err(|source| Retryable::unreadable(method, &source).into())
        }
    }
}

/// What a status alone says.
fn by_status(method: Method, answer: &HttpReply) -> Result<(), Error> {
    match answer.status {
        200..=299 => Ok(()),
        429 => Err(rate_limited(method, answer)),
        status @ (408 | 500..) => Err(Retryable::Unavailable { method, status }.into()),
        status => Err(Permanent::Status { method, status }.into()),
    }
}

fn refused(method: Method, answer: &HttpReply, envelope: Envelope) -> Error {
    let code = envelope.error.unwrap_or_default();
    if answer.status == 429 || refusal::is_rate_limit(&code) {
        return rate_limited(method, answer);
    }
    let details = envelope.response_metadata.messages;
    Refusal::new(method, &code, envelope.needed.as_deref(), &details).into()
}

fn rate_limited(method: Method, answer: &HttpReply) -> Error {
    let after = answer.retry_after.unwrap_or(RETRY_AFTER);
    Retryable::RateLimited { method, after }.into()
}

/// Seconds (<https://docs.slack.dev/apis/web-api/rate-limits>).
fn retry_after(value: &str) -> Duration {
    let seconds = value.trim().parse().map(Duration::from_secs);
    seconds.unwrap_or(RETRY_AFTER).min(RETRY_AFTER_AT_MOST)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
