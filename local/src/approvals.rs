//! The function `approvals` behind the local world's address, where at AWS an HTTP API is.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response as HttpResponse};
use axum::routing::any;
use gatekeeper_approvals::handler::Handler;
use gatekeeper_approvals::http::{Method, Request, Response};
use gatekeeper_aws::clock::{Clock, Deadline};

use crate::deployment::APPROVALS_TIMEOUT;
use crate::place::PROVIDER;

/// What API Gateway takes of a body; the function takes less
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>).
const BODY_LIMIT: usize = 10 << 20;

/// The API's routes. Which methods there are, the function says.
pub(crate) fn router(handler: Arc<Handler>, clock: Clock) -> Router {
    Router::new()
        .route("/a/{*token}", any(answer))
        .route("/slack/interactions", any(answer))
        .route("/requests/{endpoint_id}/votes", any(answer))
        .with_state((handler, clock))
}

async fn answer(
    State((handler, clock)): State<(Arc<Handler>, Clock)>,
    request: HttpRequest,
) -> HttpResponse {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let headers = parts.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.as_str().to_owned(), value.into_owned())
    });
    let path = parts.uri.path();
    let caller = is_signed_route(path)
        .then(|| caller(&parts.headers))
        .flatten();
    let request = Request {
        method: Method::named(parts.method.as_str()),
        path: path.to_owned(),
        headers: headers.collect(),
        body: body.to_vec(),
        caller,
    };
    let deadline = Deadline::after(&clock, APPROVALS_TIMEOUT);
    encoded(handler.handle(&request, deadline).await)
}

fn is_signed_route(path: &str) -> bool {
    path.starts_with("/requests/") && path.ends_with("/votes")
}

/// Who signed a call: the IAM user whose name is the access key id. API Gateway checks the
/// signature; the local world does not, and everybody on this machine may be anybody here.
fn caller(headers: &HeaderMap) -> Option<String> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = header.split_once("Credential=")?;
    let (key, _) = credential.split_once('/')?;
    let is_name = !key.is_empty()
        && key
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || b"+=,.@_-".contains(&c));
    is_name.then(|| format!("arn:aws:iam::{PROVIDER}:user/{key}"))
}

fn encoded(answer: Response) -> HttpResponse {
    let mut response = HttpResponse::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    let response = response.body(Body::from(answer.body));
    response.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
