//! Accept and Reject: many endpoints of one service in a call, failures read per endpoint.

use std::collections::BTreeMap;

use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use gatekeeper_core::ids::{EndpointId, ServiceId};
use gatekeeper_core::request::Enforcement;

use super::{Ec2, answer};
use crate::clock::Deadline;
use crate::clock::jittered;
use crate::error::{Class, Permanent, Retryable, Source, class};

/// EC2's answer to one call: HTTP 200, which says nothing about any single endpoint yet.
#[derive(Debug)]
pub(crate) struct Enforced {
    /// AWS's id of the call.
    pub(crate) request_id: Option<String>,
    /// The endpoints for which it did not happen.
    pub(crate) failures: BTreeMap<String, ItemFailure>,
}

/// Why a call did not do its work for one endpoint. AWS publishes no list of these codes;
/// they are those of its error reference and of public reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ItemFailure {
    /// The endpoint is not there any more.
    Gone { code: String },
    /// It is not in a state in which this can be done: perhaps it is already done.
    InvalidState { code: String },
    /// It passes.
    Retryable { code: String },
    /// AWS does not let us.
    Forbidden { code: String, message: String },
    /// Anything else.
    Other { code: String, message: String },
}

impl ItemFailure {
    pub(crate) fn classify(code: &str, message: &str) -> Self {
        let (own_code, own_message) = (code.to_owned(), message.to_owned());
        match code {
            "InvalidVpcEndpointId.NotFound" | "InvalidVpcEndpoint.NotFound" => {
                Self::Gone { code: own_code }
            }
            "InvalidState" | "InvalidVpcEndpointState" | "IncorrectState" => {
                Self::InvalidState { code: own_code }
            }
            "RequestLimitExceeded"
            | "Throttling"
            | "ThrottlingException"
            | "InternalError"
            | "InternalFailure"
            | "Unavailable"
            | "ServiceUnavailable" => Self::Retryable { code: own_code },
            "UnauthorizedOperation" | "AccessDenied" | "AuthFailure" => Self::Forbidden {
                code: own_code,
                message: own_message,
            },
            // Seen in the wild for deleted endpoints, under several codes.
            _ if message.contains("not exist") => Self::Gone { code: own_code },
            _ => Self::Other {
                code: own_code,
                message: own_message,
            },
        }
    }
}

/// Why a whole call failed.
pub(crate) enum CallFailure {
    /// It passes, or nobody knows whether EC2 did it.
    Retryable { code: String },
    /// AWS does not let us.
    Forbidden(Permanent),
    /// EC2 refused the call for the service's sake.
    Service(Permanent),
    /// EC2 refused the call for what may be the fault of one endpoint in it.
    Items(ItemFailure),
    /// Our time is up; EC2 was not asked.
    OutOfTime(Retryable),
}

/// How often one call is tried. Each try takes a token, which the SDK's own retries would not.
const ATTEMPTS: u32 = 4;

impl Ec2 {
    /// Asks EC2 to accept or reject connections of one service, within the documented rate. No try
    /// is begun, nor waited for, that could last beyond the deadline.
    pub(crate) async fn enforce(
        &self,
        enforcement: Enforcement,
        service: &ServiceId,
        ids: &[EndpointId],
        deadline: Deadline,
    ) -> Result<Enforced, CallFailure> {
        let mut pause = self.limits.retry_pause;
        let mut attempt = 1;
        loop {
            self.bucket(enforcement)
                .take(deadline, self.limits.call)
                .await
                .map_err(CallFailure::OutOfTime)?;
            match self.call(enforcement, service, ids).await {
                Err(CallFailure::Retryable { .. })
                    if attempt < ATTEMPTS
                        && deadline.leaves(&self.clock, pause + self.limits.call) =>
                {
                    attempt += 1;
                    self.clock.sleep(jittered(pause)).await;
                    pause *= 2;
                }
                answer => return answer,
            }
        }
    }

    async fn call(
        &self,
        enforcement: Enforcement,
        service: &ServiceId,
        ids: &[EndpointId],
    ) -> Result<Enforced, CallFailure> {
        let ids = Some(ids.iter().map(ToString::to_string).collect());
        let once = aws_sdk_ec2::config::Config::builder().retry_config(RetryConfig::disabled());
        match enforcement {
            Enforcement::Accept => self
                .client
                .accept_vpc_endpoint_connections()
                .service_id(service.as_str())
                .set_vpc_endpoint_ids(ids)
                .customize()
                .config_override(once)
                .send()
                .await
                .map(|output| answer(&output, output.unsuccessful()))
                .map_err(|error| call_failure("AcceptVpcEndpointConnections", error)),
            Enforcement::Reject => self
                .client
                .reject_vpc_endpoint_connections()
                .service_id(service.as_str())
                .set_vpc_endpoint_ids(ids)
                .customize()
                .config_override(once)
                .send()
                .await
                .map(|output| answer(&output, output.unsuccessful()))
                .map_err(|error| call_failure("RejectVpcEndpointConnections", error)),
        }
    }
}

fn call_failure<E>(operation: &'static str, error: aws_sdk_ec2::error::SdkError<E>) -> CallFailure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let code = error.code().unwrap_or("no answer").to_owned();
    match class(&error) {
        Class::Passing => CallFailure::Retryable { code },
        Class::Forbidden => CallFailure::Forbidden(Permanent::Forbidden {
            operation,
            source: Source::from(Box::new(error)),
        }),
        // What is said of the service is no endpoint's fault.
        Class::Refused if code.contains("ServiceId") || code.contains("EndpointService") => {
            CallFailure::Service(Permanent::RefusedCall {
                operation,
                source: Source::from(Box::new(error)),
            })
        }
        Class::Refused => {
            let message = error.message().unwrap_or_default();
            CallFailure::Items(ItemFailure::classify(&code, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_failure_is_told_apart() {
        let class = |code, message| match ItemFailure::classify(code, message) {
            ItemFailure::Gone { .. } => "gone",
            ItemFailure::InvalidState { .. } => "state",
            ItemFailure::Retryable { .. } => "retry",
            ItemFailure::Forbidden { .. } => "forbidden",
            ItemFailure::Other { .. } => "other",
        };
        assert_eq!(class("InvalidVpcEndpointId.NotFound", ""), "gone");
        assert_eq!(class("InvalidVpcEndpoint.NotFound", ""), "gone");
        assert_eq!(
            class("InvalidParameter", "The endpoint does not exist"),
            "gone"
        );
        assert_eq!(class("InvalidState", "not pending"), "state");
        assert_eq!(class("RequestLimitExceeded", ""), "retry");
        assert_eq!(class("InternalError", ""), "retry");
        assert_eq!(class("UnauthorizedOperation", ""), "forbidden");
        assert_eq!(class("SomethingNew", ""), "other");
    }
}
