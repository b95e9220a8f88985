//! Signed calls: to the approvals API, by which approvers vote under their IAM identity, and to an AWS
//! service whose SDK would change the features of the others.

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

/// A signed `POST` of JSON.
pub(crate) struct SignedCall<'a> {
    pub(crate) url: &'a str,
    /// The name of the AWS service in the signature.
    pub(crate) service: &'a str,
    pub(crate) content_type: &'a str,
    /// The operation, where the service takes it in the header `x-amz-target`.
    pub(crate) target: Option<&'a str>,
    pub(crate) body: &'a Value,
}

/// Sends a vote. Answers the HTTP status and the JSON of the response.
pub(crate) async fn post(
    access: &Access,
    url: &str,
    body: &Value,
    now: Timestamp,
) -> Result<(u16, Value), CliError> {
    let call = SignedCall {
        url,
        service: "execute-api",
        content_type: "application/json",
        target: None,
        body,
    };
    call.send(access, now).await.map_err(|what| {
        CliError::new(format!("the vote could not be sent to {url}: {what}"))
            .next("It may or may not have been recorded. Trying again is safe: a vote counts once.")
    })
}

impl SignedCall<'_> {
    /// Answers the HTTP status and the JSON of the response, or what went wrong.
    pub(crate) async fn send(
        &self,
        access: &Access,
        now: Timestamp,
    ) -> Result<(u16, Value), String> {
        let call = https_connector().call(self.signed(access, now)?);
        let response = tokio::time::timeout(TIME_OUT, call)
            .await
            .map_err(|_| format!("no answer after {} seconds", TIME_OUT.as_secs()))?
            .map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let body = response.into_body();
        let bytes = match body.bytes() {
            Some(bytes) => bytes.to_vec(),
            None => aws_smithy_types::byte_stream::ByteStream::new(body)
                .collect()
                .await
                .map_err(|error| error.to_string())?
                .to_vec(),
        };
        let value = serde_json::from_slice(&bytes)
            .map_err(|_| format!("HTTP status {status}, and no JSON: is the address right?"))?;
        Ok((status, value))
    }

    fn signed(&self, access: &Access, now: Timestamp) -> Result<HttpRequest, String> {
        let body = self.body.to_string();
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
            .name(self.service)
            .time(now.into())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let mut headers = vec![("content-type", self.content_type)];
        headers.extend(self.target.map(|target| ("x-amz-target", target)));
        let signable = SignableRequest::new(
            "POST",
            self.url,
            headers.iter().copied(),
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
        request
            .set_uri(self.url)
            .map_err(|error| error.to_string())?;
        for (name, value) in headers.into_iter().chain(instructions.headers()) {
            request
                .headers_mut()
                .insert(name.to_owned(), value.to_owned());
        }
        Ok(request)
    }
}
