//! What went wrong: what may work when it is tried again, and what will not until somebody acts.
//!
//! Variants are named after the operation that failed; `Display` says that and never its source,
//! which stays in the chain. Log with [`chain`], once, where the failure is handled.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::sync::Arc;

use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gatekeeper_core::acknowledgement;
use gatekeeper_core::ids::{EndpointId, ServiceId};
use gatekeeper_core::policy_key::Stops;
use gatekeeper_core::precondition::UnreadablePolicy;
use gatekeeper_core::request::{Enforcement, IllegalTransition};

/// A failure's cause, whatever it is.
pub type Source = Box<dyn StdError + Send + Sync>;

/// A step that failed. One failed call may concern many connections, hence the `Arc`s around it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Try again.
    #[error(transparent)]
    Retryable(#[from] Retryable),
    /// Somebody must act.
    #[error(transparent)]
    Permanent(#[from] Permanent),
}

/// May work when it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Retryable {
    /// `DescribeVpcEndpointConnections` failed.
    #[error("EC2 could not be asked for the connections")]
    DescribeConnections(#[source] Source),
    /// `DescribeVpcEndpointServiceConfigurations` failed.
    #[error("EC2 could not be asked for the endpoint services")]
    DescribeServices(#[source] Source),
    /// `DescribeVpcEndpointConnectionNotifications` failed.
    #[error("EC2 could not be asked for the connection notifications")]
    DescribeNotifications(#[source] Source),
    /// `BatchGetItem` failed.
    #[error("policy and requests could not be read")]
    ReadTables(#[source] Source),
    /// `BatchGetItem` kept leaving keys out.
    #[error(
        "policy and requests could not be read whole: DynamoDB left out {0} keys time and again"
    )]
    ReadTablesWhole(usize),
    /// `Query` failed.
    #[error("the open requests could not be listed")]
    ListRequests(#[source] Source),
    /// `TransactWriteItems` failed.
    #[error("the change of {endpoint_id} could not be recorded")]
    RecordTransition {
        /// Whose request.
        endpoint_id: EndpointId,
        /// What DynamoDB answered.
        #[source]
        source: Source,
    },
    /// The policy, the request or the slots kept changing between reading and recording.
    #[error("policy or record of {0} kept changing while it was judged")]
    Contended(EndpointId),
    /// Accept or Reject failed for the whole call or for one connection, in a way that passes.
    #[error("EC2 did not {enforcement} {endpoint_id} ({code})")]
    Enforce {
        /// What EC2 was asked.
        enforcement: Enforcement,
        /// For which endpoint.
        endpoint_id: EndpointId,
        /// EC2's error code and words, or what became of the call.
        code: String,
    },
    /// `Subscribe`, `ConfirmSubscription` or `GetSubscriptionAttributes` failed.
    #[error("the approver's subscription could not be made, confirmed or looked at")]
    Subscribe(#[source] Source),
    /// `GetSecretValue` failed.
    #[error("the Slack secret could not be read")]
    ReadSecret(#[source] Source),
    /// `PublishBatch` failed.
    #[error("the announcements could not be published")]
    Publish(#[source] Source),
    /// `BatchWriteItem` or `Query` on the outbox failed.
    #[error("the outbox could not be read or cleared")]
    Outbox(#[source] Source),
    /// What the product remembers about itself could not be written.
    #[error("the state of reconcile could not be written")]
    RememberState(#[source] Source),
    /// What became of a message in Slack could not be written.
    #[error("what is posted to Slack could not be written down")]
    RememberPosting(#[source] Source),
    /// `ListParents` or `DescribeOrganization` failed.
    #[error("an account could not be looked up in AWS Organizations")]
    LookUpAccount(#[source] Source),
    /// `DescribeVpcEndpointServicePermissions`, `DescribeRule`, `ListSubscriptionsByTopic` or
    /// `GetSubscriptionAttributes` failed.
    #[error("what could let connections in past Gatekeeper, or unheard, could not be looked at")]
    WatchServices(#[source] Source),
    /// `UpdateItem` on an account's slots failed.
    #[error("an account's slots could not be brought up to date")]
    UpdateSlots(#[source] Source),
    /// A claim ran out while EC2's rate, or its failing, kept the call waiting.
    #[error("the claim on {0} ran out before EC2 could be asked")]
    ClaimEnded(EndpointId),
    /// The system has no random numbers.
    #[error("no token could be made for an approver's link")]
    MakeToken(#[source] Source),
    /// The invocation's time is up.
    #[error("the invocation ran out of time")]
    OutOfTime,
}

/// Will not work until somebody acts.
#[derive(Debug, thiserror::Error)]
pub enum Permanent {
    /// An item of the allowlist table is not an entry or a setting (safety rule S2).
    #[error(
        "the allowlist item {item} cannot be read, so nothing it concerns is decided: {detail}"
    )]
    MalformedPolicy {
        /// Partition and sort key.
        item: String,
        /// What it stops.
        stops: Stops,
        /// What is wrong with it.
        detail: String,
    },
    /// An item of the allowlist table does not acknowledge anything, though it is meant to.
    #[error("the acknowledgement {item} cannot be understood, so it silences nothing: {detail}")]
    MalformedAcknowledgement {
        /// Partition and sort key.
        item: String,
        /// What is wrong with it, attribute by attribute.
        detail: acknowledgement::Malformed,
    },
    /// An item of the requests table is not what it should be.
    #[error("the item {item} of the requests table cannot be read: {detail}")]
    MalformedRequest {
        /// Partition and sort key.
        item: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The Slack secret is there and makes no sense.
    #[error("the Slack secret {arn} cannot be read: {detail}")]
    MalformedSecret {
        /// Which secret.
        arn: String,
        /// What is wrong with it; never what it says.
        detail: &'static str,
    },
    /// AWS does not let us.
    #[error(
        "AWS forbids {operation}; check the function's IAM policy, and the service's owner and Region"
    )]
    Forbidden {
        /// The API operation.
        operation: &'static str,
        /// What AWS answered.
        #[source]
        source: Source,
    },
    /// AWS refused a call for a reason that does not pass: something it names is not there, or the
    /// call makes no sense to it.
    #[error("AWS refused {operation}")]
    RefusedCall {
        /// The API operation.
        operation: &'static str,
        /// What AWS answered.
        #[source]
        source: Source,
    },
    /// EC2 refused for a reason that we do not know to pass.
    #[error("EC2 refused to {enforcement} {endpoint_id} of {service_id}: {code}: {message}")]
    Refused {
        /// What EC2 was asked.
        enforcement: Enforcement,
        /// The endpoint.
        endpoint_id: EndpointId,
        /// Its service.
        service_id: ServiceId,
        /// EC2's code.
        code: String,
        /// EC2's words.
        message: String,
    },
    /// An item could not be put into DynamoDB's form.
    #[error("an item could not be encoded for DynamoDB")]
    Encode(#[source] Source),
    /// A transition that the status machine does not have; a bug of ours.
    #[error("an illegal change was attempted")]
    Illegal(#[from] IllegalTransition),
}

/// The step of the five in which something failed: a metric's dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Asking EC2 what is.
    Observe,
    /// Reading the policy.
    Judge,
    /// Writing a transition.
    Record,
    /// Asking EC2 to accept or reject.
    Enforce,
    /// Publishing.
    Announce,
}

impl Step {
    /// For logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Judge => "judge",
            Self::Record => "record",
            Self::Enforce => "enforce",
            Self::Announce => "announce",
        }
    }
}

impl From<UnreadablePolicy> for Permanent {
    fn from(what: UnreadablePolicy) -> Self {
        Self::MalformedPolicy {
            item: what.item,
            stops: what.stops,
            detail: what.detail,
        }
    }
}

impl Error {
    /// A stable name that alarms can filter by: `Retryable.…` or `Permanent.…`.
    #[must_use]
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Retryable(error) => match error {
                Retryable::DescribeConnections(_) => "Retryable.DescribeConnections",
                Retryable::DescribeServices(_) => "Retryable.DescribeServices",
                Retryable::DescribeNotifications(_) => "Retryable.DescribeNotifications",
                Retryable::ReadTables(_) | Retryable::ReadTablesWhole(_) => "Retryable.ReadTables",
                Retryable::ListRequests(_) => "Retryable.ListRequests",
                Retryable::RecordTransition { .. } => "Retryable.RecordTransition",
                Retryable::Contended(_) => "Retryable.Contended",
                Retryable::Enforce { .. } => "Retryable.Enforce",
                Retryable::Publish(_) => "Retryable.Publish",
                Retryable::Outbox(_) => "Retryable.Outbox",
                Retryable::UpdateSlots(_) => "Retryable.UpdateSlots",
                Retryable::RememberState(_) => "Retryable.RememberState",
                Retryable::RememberPosting(_) => "Retryable.RememberPosting",
                Retryable::LookUpAccount(_) => "Retryable.LookUpAccount",
                Retryable::WatchServices(_) => "Retryable.WatchServices",
                Retryable::ClaimEnded(_) => "Retryable.ClaimEnded",
                Retryable::Subscribe(_) => "Retryable.Subscribe",
                Retryable::ReadSecret(_) => "Retryable.ReadSecret",
                Retryable::MakeToken(_) => "Retryable.MakeToken",
                Retryable::OutOfTime => "Retryable.OutOfTime",
            },
            Self::Permanent(error) => match error {
                Permanent::MalformedPolicy { .. } => "Permanent.MalformedPolicy",
                Permanent::MalformedAcknowledgement { .. } => "Permanent.MalformedAcknowledgement",
                Permanent::MalformedSecret { .. } => "Permanent.MalformedSecret",
                Permanent::MalformedRequest { .. } => "Permanent.MalformedRequest",
                Permanent::Forbidden { .. } => "Permanent.Forbidden",
                Permanent::RefusedCall { .. } => "Permanent.RefusedCall",
                Permanent::Refused { .. } => "Permanent.Refused",
                Permanent::Encode(_) => "Permanent.Encode",
                Permanent::Illegal(_) => "Permanent.Illegal",
            },
        }
    }

    /// The step in which it happened.
    #[must_use]
    pub fn step(&self) -> Step {
        match self {
            Self::Retryable(error) => match error {
                Retryable::DescribeConnections(_)
                | Retryable::DescribeServices(_)
                | Retryable::DescribeNotifications(_)
                | Retryable::LookUpAccount(_)
                | Retryable::WatchServices(_) => Step::Observe,
                Retryable::ReadTables(_)
                | Retryable::ReadTablesWhole(_)
                | Retryable::ListRequests(_) => Step::Judge,
                Retryable::RecordTransition { .. }
                | Retryable::Contended(_)
                | Retryable::RememberState(_)
                | Retryable::RememberPosting(_)
                | Retryable::UpdateSlots(_) => Step::Record,
                Retryable::Enforce { .. } | Retryable::ClaimEnded(_) | Retryable::OutOfTime => {
                    Step::Enforce
                }
                Retryable::Publish(_)
                | Retryable::Outbox(_)
                | Retryable::MakeToken(_)
                | Retryable::Subscribe(_)
                | Retryable::ReadSecret(_) => Step::Announce,
            },
            Self::Permanent(error) => match error {
                Permanent::MalformedPolicy { .. }
                | Permanent::MalformedAcknowledgement { .. }
                | Permanent::MalformedRequest { .. } => Step::Judge,
                Permanent::Forbidden { operation, .. }
                | Permanent::RefusedCall { operation, .. } => step_of(operation),
                Permanent::MalformedSecret { .. } => Step::Announce,
                Permanent::Refused { .. } => Step::Enforce,
                Permanent::Encode(_) | Permanent::Illegal(_) => Step::Record,
            },
        }
    }

    /// What it stops, if it is an item of the allowlist that cannot be understood.
    #[must_use]
    pub fn stops(&self) -> Option<Stops> {
        match self {
            Self::Permanent(Permanent::MalformedPolicy { stops, .. }) => Some(*stops),
            _ => None,
        }
    }

    /// Whether nothing is wrong but that there was no time.
    #[must_use]
    pub fn is_out_of_time(&self) -> bool {
        matches!(self, Self::Retryable(Retryable::OutOfTime))
    }

    /// Whether trying again is all there is to do.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Retryable(_))
    }
}

fn step_of(operation: &str) -> Step {
    match operation {
        "BatchGetItem" | "Query" => Step::Judge,
        "TransactWriteItems" | "UpdateItem" | "PutItem" => Step::Record,
        "AcceptVpcEndpointConnections" | "RejectVpcEndpointConnections" => Step::Enforce,
        "PublishBatch" | "BatchWriteItem" => Step::Announce,
        _ => Step::Observe,
    }
}

/// The whole chain of an error in one line.
#[must_use]
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // The SDK's wrappers often say no more than their sources do.
        let said = cause.to_string();
        if !line.ends_with(&said) {
            // Writing to a string cannot fail.
            let _ = write!(line, ": {said}");
        }
        source = cause.source();
    }
    line
}

/// What an SDK call's failure means, whatever the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Throttled, unavailable, timed out, or the answer was lost.
    Passing,
    /// AWS does not let us.
    Forbidden,
    /// AWS understood and refused.
    Refused,
}

/// Codes that pass, besides those of the SDK.
const PASSING: &[&str] = &[
    // Throttling, by other names.
    "KMSThrottling",
    "KMSThrottlingException",
    // Of one write in a transaction.
    "ProvisionedThroughputExceeded",
    "ThrottlingError",
    // AWS's own trouble; Organizations answers `ServiceException` with status 400.
    "InternalError",
    "InternalException",
    "InternalFailure",
    "InternalServerError",
    "InternalServerException",
    "InternalServiceError",
    "InternalServiceErrorException",
    "InternalServiceException",
    "ServiceException",
    "ServiceFailure",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "Unavailable",
    // Two at a time.
    "ConcurrentModification",
    "ConcurrentModificationException",
    "TransactionConflict",
    "TransactionConflictException",
    // The signature took too long on the way, or the credentials are about to be renewed.
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
];

/// Codes by which AWS says that we may not.
const FORBIDDEN: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "AuthorizationError",
    "AuthorizationErrorException",
    "InvalidClientTokenId",
    "KMSAccessDenied",
    "KMSAccessDeniedException",
    "NotAuthorized",
    "OptInRequired",
    "SignatureDoesNotMatch",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
];

/// What an error code says by itself, whatever the operation and wherever it stands; none where it is the
/// operation's own.
pub(crate) fn class_of(code: &str) -> Option<Class> {
    // As AWS CloudTrail and old APIs write it.
    let code = code
        .strip_prefix("Client.")
        .or_else(|| code.strip_prefix("Server."))
        .unwrap_or(code);
    let among = |codes: &[&str]| codes.iter().any(|known| known.eq_ignore_ascii_case(code));
    if among(THROTTLING_ERRORS) || among(TRANSIENT_ERRORS) || among(PASSING) {
        Some(Class::Passing)
    } else if among(FORBIDDEN) {
        Some(Class::Forbidden)
    } else {
        None
    }
}

pub(crate) fn class<E>(error: &SdkError<E, Response>) -> Class
where
    E: ProvideErrorMetadata,
{
    let SdkError::ServiceError(context) = error else {
        return Class::Passing;
    };
    let passes = match context.raw().status().as_u16() {
        // Request Timeout, Too Many Requests.
        408 | 429 => true,
        status => status >= 500,
    };
    match class_of(error.code().unwrap_or_default()) {
        Some(class) => class,
        None if passes => Class::Passing,
        None => Class::Refused,
    }
}

/// Files an SDK failure of a call that is not about single connections: for good, or worth another
/// try.
pub(crate) fn failed<E>(
    operation: &'static str,
    error: SdkError<E, Response>,
    retryable: impl FnOnce(Source) -> Retryable,
) -> Arc<Error>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    Arc::new(match class(&error) {
        Class::Forbidden => Permanent::Forbidden {
            operation,
            source: Box::new(error),
        }
        .into(),
        Class::Refused => Permanent::RefusedCall {
            operation,
            source: Box::new(error),
        }
        .into(),
        Class::Passing => retryable(Box::new(error)).into(),
    })
}

impl From<Retryable> for Arc<Error> {
    fn from(error: Retryable) -> Self {
        Arc::new(error.into())
    }
}

impl From<Permanent> for Arc<Error> {
    fn from(error: Permanent) -> Self {
        Arc::new(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_known_by_the_sdks_lists_and_ours() {
        for code in THROTTLING_ERRORS.iter().chain(TRANSIENT_ERRORS) {
            assert_eq!(class_of(code), Some(Class::Passing), "{code}");
        }
        for code in [
            "TooManyRequestsException",
            "RequestThrottled",
            "RequestThrottledException",
            "SlowDown",
            "EC2ThrottledException",
            "PriorRequestNotComplete",
            "RequestTimeout",
            "RequestTimeoutException",
            "BandwidthLimitExceeded",
            "ServiceException",
            "ConcurrentModificationException",
            "Unavailable",
            "Server.InternalError",
            "Client.RequestLimitExceeded",
        ] {
            assert_eq!(class_of(code), Some(Class::Passing), "{code}");
        }
        for code in ["UnauthorizedOperation", "Client.AuthFailure"] {
            assert_eq!(class_of(code), Some(Class::Forbidden), "{code}");
        }
        for code in [
            "",
            "InvalidParameter",
            "ValidationException",
            "InvalidState",
        ] {
            assert_eq!(class_of(code), None, "{code}");
        }
    }
}
