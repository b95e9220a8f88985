//! Signed calls to the approvals API, by which approvers vote under their IAM identity.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use gatekeeper_aws::clients::Access;
use gatekeeper_slack_api::client::https_connector;
use jiff::Timestamp;
use serde_json::Value;

use crate::error::CliError;

/// API Gateway waits for the function this long.
const TIME_OUT: Duration = Duration::from_secs(30);

/// Sends a JSON body by a signed `POST`. Answers the HTTP status and the JSON of the response.
pub(crate) async fn post(
    access: &Access,
    url: &str,
    body: &Value,
    now: Timestamp,
) -> Result<(u16, Value), CliError> {
    let failed = |what: String| {
        CliError::new(format!("the vote could not be sent to {url}: {what}"))
            .next("It may or may not have been recorded. Trying again is safe: a vote counts once.")
    };
    let body = body.to_string();
    let request = signed(access, url, &body, now).map_err(failed)?;
    let call = https_connector().call(request);
    let response = tokio::time::timeout(TIME_OUT, call)
        .await
        .map_err(|_| failed(format!("no answer after {} seconds", TIME_OUT.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    let status = response.status().as_u16();
    let body = response.into_body();
    let bytes = match body.bytes() {
        Some(bytes) => bytes.to_vec(),
        None => aws_smithy_types::byte_stream::ByteStream::new(body)
            .collect()
            .await
            .map_err(|error| failed(error.to_string()))?
            .to_vec(),
    };
    let value = serde_json::from_slice(&bytes).map_err(|_| {
        failed(format!(
            "HTTP status {status}, and no JSON: is the address the stack's output ApprovalsUrl?"
        ))
    })?;
    Ok((status, value))
}

/// A request with a signature for `execute-api`.
fn signed(access: &Access, url: &str, body: &str, now: Timestamp) -> Result<HttpRequest, String> {
    let identity = Credentials::new(
        &access.access_key_id,
        &access.secret_access_key,
        access.session_token.clone(),
        None,
        "gatekeeper",
    )
    .into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(&access.region)
        .name("execute-api")
        .time(now.into())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| error.to_string())?
        .into();
    let headers = [("content-type", "application/json")];
    let signable = SignableRequest::new(
        "POST",
        url,
        headers.into_iter(),
        SignableBody::Bytes(body.as_bytes()),
    )
    .map_err(|error| error.to_string())?;
    let (instructions, _) = sign(signable, &parameters)
        .map_err(|error| error.to_string())?
        .into_parts();
    let mut request = HttpRequest::new(SdkBody::from(body));
    request
        .set_method("POST")
        .map_err(|error| error.to_string())?;
    request.set_uri(url).map_err(|error| error.to_string())?;
    request
        .headers_mut()
        .insert("content-type", "application/json");
    for (name, value) in instructions.headers() {
        request
            .headers_mut()
            .insert(name.to_owned(), value.to_owned());
    }
    Ok(request)
}
