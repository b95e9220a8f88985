//! From an API Gateway HTTP API and back: payload format 2.0.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::{Method, Request, Response};

/// The parts of API Gateway's event that are used here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    raw_path: String,
    /// Names in lower case; several values of one name are joined by commas.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    request_context: Context,
}

#[derive(Deserialize)]
struct Context {
    http: Http,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

/// A payload that is not a request. The error does not quote it, because it may hold a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotARequest {
    #[error("the payload is not a request of an HTTP API in format 2.0")]
    Form,
    /// The body is marked as base64 and is not.
    #[error("the request's body is not the base64 that it is said to be")]
    Base64,
}

impl From<NotARequest> for Response {
    /// The sender is at fault.
    fn from(_: NotARequest) -> Self {
        Self::empty(400)
    }
}

/// Reads an invocation's payload.
///
/// # Errors
/// The payload is not a request.
pub fn decode(payload: Value) -> Result<Request, NotARequest> {
    let event: Event = serde_json::from_value(payload).map_err(|_| NotARequest::Form)?;
    let body = event.body.unwrap_or_default();
    let body = if event.is_base64_encoded {
        STANDARD.decode(body).map_err(|_| NotARequest::Base64)?
    } else {
        body.into_bytes()
    };
    Ok(Request {
        method: Method::named(&event.request_context.http.method),
        path: event.raw_path,
        headers: event.headers.into_iter().collect(),
        body,
    })
}

/// A response as API Gateway takes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiGatewayResponse {
    status_code: u16,
    headers: BTreeMap<&'static str, String>,
    body: String,
    is_base64_encoded: bool,
}

impl From<Response> for ApiGatewayResponse {
    fn from(response: Response) -> Self {
        Self {
            status_code: response.status,
            headers: response.headers.into_iter().collect(),
            body: response.body,
            is_base64_encoded: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn event(body: &str, is_base64: bool) -> Value {
        json!({
            "version": "2.0", "routeKey": "POST /a/{token}", "rawPath": "/a/x",
            "rawQueryString": "y=1", "cookies": ["z"],
            "headers": {"content-type": "text/plain", "sec-fetch-site": "none"},
            "requestContext": {"stage": "$default", "http": {
                "method": "POST", "path": "/a/x", "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1", "userAgent": "x"}},
            "pathParameters": {"token": "x"},
            "body": body, "isBase64Encoded": is_base64,
        })
    }

    #[test]
    fn a_request_is_read_as_it_was_sent() {
        let request = decode(event("a=1", false)).unwrap();
        assert_eq!(request.method, Method::Post);
        assert_eq!(request.path, "/a/x");
        assert_eq!(request.header("Content-Type"), Some("text/plain"));
        assert_eq!(request.body, b"a=1");
        let request = decode(event("cGF5bG9hZD0l/w==", true)).unwrap();
        assert_eq!(request.body, b"payload=%\xff", "bytes, not text");
        let mut bare = event("", false);
        bare["body"] = Value::Null;
        bare.as_object_mut().unwrap().remove("headers");
        bare.as_object_mut().unwrap().remove("isBase64Encoded");
        assert!(decode(bare).unwrap().body.is_empty());
    }

    #[test]
    fn what_is_no_request_is_answered_and_not_repeated() {
        for body in ["%", "YQ", "YQ=", "YWJj!", "YWJj\n", "-_-_"] {
            assert_eq!(
                decode(event(body, true)),
                Err(NotARequest::Base64),
                "{body}"
            );
        }
        for payload in [json!(null), json!([]), json!({}), json!({"rawPath": 1})] {
            assert_eq!(decode(payload), Err(NotARequest::Form));
        }
        assert_eq!(Response::from(NotARequest::Form).status, 400);
    }

    #[test]
    fn an_answer_is_what_api_gateway_takes() {
        let answer = ApiGatewayResponse::from(Response::empty(404));
        let answer = serde_json::to_value(answer).unwrap();
        assert_eq!(answer["statusCode"], 404);
        assert_eq!(answer["headers"]["cache-control"], "no-store");
        assert_eq!(answer["isBase64Encoded"], false);
    }

    proptest! {
        #[test]
        fn no_payload_makes_it_panic(
            method in ".{0,8}", path in ".{0,20}", body in ".{0,40}", is_base64: bool,
            odd in prop::sample::select(vec!["rawPath", "headers", "body", "requestContext"]),
            value in prop::sample::select(vec![json!(null), json!(1), json!([]), json!({}), json!("x")]),
            is_odd: bool,
        ) {
            let mut event = event(&body, is_base64);
            event["rawPath"] = json!(path);
            event["requestContext"]["http"]["method"] = json!(method);
            if is_odd {
                event[odd] = value;
            }
            let _ = decode(event);
        }

        #[test]
        fn any_bytes_come_through_base64(body: Vec<u8>) {
            let event = event(&STANDARD.encode(&body), true);
            prop_assert_eq!(decode(event).unwrap().body, body);
        }
    }
}
