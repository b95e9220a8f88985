//! What AWS's error codes mean, whatever the operation.

use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// What an SDK call's failure means, whatever the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
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
pub(crate) fn meaning_of(code: &str) -> Option<Meaning> {
    // As AWS CloudTrail and old APIs write it.
    let code = code
        .strip_prefix("Client.")
        .or_else(|| code.strip_prefix("Server."))
        .unwrap_or(code);
    let among = |codes: &[&str]| codes.iter().any(|known| known.eq_ignore_ascii_case(code));
    if among(THROTTLING_ERRORS) || among(TRANSIENT_ERRORS) || among(PASSING) {
        Some(Meaning::Passing)
    } else if among(FORBIDDEN) {
        Some(Meaning::Forbidden)
    } else {
        None
    }
}

pub(crate) fn meaning<E>(error: &SdkError<E, Response>) -> Meaning
where
    E: ProvideErrorMetadata,
{
    let SdkError::ServiceError(context) = error else {
        return Meaning::Passing;
    };
    let passes = match context.raw().status().as_u16() {
        // Request Timeout, Too Many Requests.
        408 | 429 => true,
        status => status >= 500,
    };
    match meaning_of(error.code().unwrap_or_default()) {
        Some(meaning) => meaning,
        None if passes => Meaning::Passing,
        None => Meaning::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_known_by_the_sdks_lists_and_ours() {
        for code in THROTTLING_ERRORS.iter().chain(TRANSIENT_ERRORS) {
            assert_eq!(meaning_of(code), Some(Meaning::Passing), "{code}");
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
            assert_eq!(meaning_of(code), Some(Meaning::Passing), "{code}");
        }
        for code in ["UnauthorizedOperation", "Client.AuthFailure"] {
            assert_eq!(meaning_of(code), Some(Meaning::Forbidden), "{code}");
        }
        for code in [
            "",
            "InvalidParameter",
            "ValidationException",
            "InvalidState",
        ] {
            assert_eq!(meaning_of(code), None, "{code}");
        }
    }
}
