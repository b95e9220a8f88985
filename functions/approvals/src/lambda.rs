//! From an API Gateway HTTP API and back: payload format 2.0.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::http::{Method, Request, Response};

/// The route whose callers API Gateway checks, as template.yaml has it.
pub const SIGNED_VOTES: &str = "POST /requests/{endpoint_id}/votes";

/// The parts of API Gateway's event that are used here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(default)]
    version: String,
    #[serde(default)]
    route_key: String,
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
    authorizer: Option<Authorizer>,
}

#[derive(Deserialize)]
struct Authorizer {
    /// API Gateway sets it on routes with `AWS_IAM`, after it has checked the signature
    /// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control-iam.html>).
    iam: Option<Iam>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Iam {
    account_id: String,
    user_arn: String,
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

impl Event {
    /// The caller, on the route of signed votes only. A caller of another account than the function's
    /// is not taken.
    fn caller(&self, function_arn: &str) -> Option<String> {
        let iam = self.request_context.authorizer.as_ref()?.iam.as_ref()?;
        let is_own = |account: Option<&str>| account == Some(iam.account_id.as_str());
        let is_taken = self.version == "2.0"
            && self.route_key == SIGNED_VOTES
            && is_own(account_in(function_arn))
            && is_own(account_in(&iam.user_arn));
        is_taken.then(|| iam.user_arn.clone())
    }
}

fn account_in(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}

/// Reads an invocation's payload. `function_arn` is the invoked function's.
///
/// # Errors
/// The payload is not a request.
pub fn decode(payload: Value, function_arn: &str) -> Result<Request, NotARequest> {
    let event: Event = serde_json::from_value(payload).map_err(|_| NotARequest::Form)?;
    let caller = event.caller(function_arn);
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
        caller,
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

    const FUNCTION: &str = "arn:aws:lambda:eu-central-1:111122223333:function:approvals:live";
    const ALICE: &str = "arn:aws:sts::111122223333:assumed-role/Approver/alice";

    fn read(payload: Value) -> Result<Request, NotARequest> {
        decode(payload, FUNCTION)
    }

    fn signed() -> Value {
        let mut event = event("{}", false);
        event["routeKey"] = json!(SIGNED_VOTES);
        event["rawPath"] = json!("/requests/vpce-0123456789abcdef0/votes");
        event["requestContext"]["authorizer"] = json!({"iam": {
            "accessKey": "ASIAEXAMPLE", "accountId": "111122223333", "callerId": "AROAEXAMPLE:alice",
            "cognitoIdentity": null, "principalOrgId": "o-example", "userArn": ALICE,
            "userId": "AROAEXAMPLE:alice"}});
        event
    }

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
        let request = read(event("a=1", false)).unwrap();
        assert_eq!(request.method, Method::Post);
        assert_eq!(request.path, "/a/x");
        assert_eq!(request.header("Content-Type"), Some("text/plain"));
        assert_eq!(request.body, b"a=1");
        let request = read(event("cGF5bG9hZD0l/w==", true)).unwrap();
        assert_eq!(request.body, b"payload=%\xff", "bytes, not text");
        let mut bare = event("", false);
        bare["body"] = Value::Null;
        bare.as_object_mut().unwrap().remove("headers");
        bare.as_object_mut().unwrap().remove("isBase64Encoded");
        assert!(read(bare).unwrap().body.is_empty());
    }

    #[test]
    fn a_caller_is_taken_only_from_the_signed_route_and_the_own_account() {
        let caller = |event: Value| read(event).unwrap().caller;
        assert_eq!(caller(signed()).as_deref(), Some(ALICE));
        let set = |pointer: &str, value: Value| {
            let mut event = signed();
            *event.pointer_mut(pointer).unwrap() = value;
            caller(event)
        };
        for (pointer, value) in [
            ("/routeKey", json!("POST /a/{token+}")),
            ("/routeKey", json!("$default")),
            ("/version", json!("1.0")),
            ("/requestContext/authorizer", json!(null)),
            ("/requestContext/authorizer/iam", json!(null)),
            (
                "/requestContext/authorizer",
                json!({"lambda": {"userArn": ALICE, "accountId": "111122223333"}}),
            ),
            (
                "/requestContext/authorizer/iam/accountId",
                json!("444455556666"),
            ),
            (
                "/requestContext/authorizer/iam/userArn",
                json!("arn:aws:sts::444455556666:assumed-role/Approver/alice"),
            ),
            ("/requestContext/authorizer/iam/userArn", json!("")),
        ] {
            assert_eq!(set(pointer, value.clone()), None, "{pointer} {value}");
        }
        let mut elsewhere = signed();
        elsewhere["headers"] = json!({"x-user-arn": ALICE});
        elsewhere["requestContext"]["authorizer"] = json!({"jwt": {"claims": {"userArn": ALICE}}});
        elsewhere["requestContext"]["identity"] = json!({"userArn": ALICE});
        elsewhere["body"] = json!(format!("{{\"caller\": \"{ALICE}\"}}"));
        assert_eq!(caller(elsewhere), None);
        for function in ["", "approvals", "arn:aws:lambda:eu-central-1::function:x"] {
            assert_eq!(
                decode(signed(), function).unwrap().caller,
                None,
                "{function}"
            );
        }
    }

    #[test]
    fn what_is_no_request_is_answered_and_not_repeated() {
        for body in ["%", "YQ", "YQ=", "YWJj!", "YWJj\n", "-_-_"] {
            assert_eq!(read(event(body, true)), Err(NotARequest::Base64), "{body}");
        }
        for payload in [json!(null), json!([]), json!({}), json!({"rawPath": 1})] {
            assert_eq!(read(payload), Err(NotARequest::Form));
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
            let _ = read(event);
        }

        #[test]
        fn any_bytes_come_through_base64(body: Vec<u8>) {
            let event = event(&STANDARD.encode(&body), true);
            prop_assert_eq!(read(event).unwrap().body, body);
        }
    }
}
