//! What AWS's error codes mean, for every operation.

use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// What an SDK call's failure means, for every operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Throttled, unavailable, timed out, or the answer was lost.
    Passing,
    /// AWS does not allow us the call.
    Forbidden,
    /// AWS understood the call and refused it.
    Refused,
}

/// Temporary codes, besides those of the SDK.
const PASSING: &[&str] = &[
    // Throttling, under other names.
    "KMSThrottling",
    "KMSThrottlingException",
    // One write in a transaction was throttled.
    "ProvisionedThroughputExceeded",
    "ThrottlingError",
    // AWS's own failures; Organizations answers `ServiceException` with status 400.
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
    // Two calls at the same time.
    "ConcurrentModification",
    "ConcurrentModificationException",
    "TransactionConflict",
    "TransactionConflictException",
    // The signature took too long to arrive, or the credentials are about to be renewed.
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
];

/// Codes that say that we have no permission.
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

/// What an error code means for every operation, wherever it appears; `None` if that depends on the
/// operation.
pub(crate) fn meaning_of(code: &str) -> Option<Meaning> {
    // Remove the prefix and suffix of AWS CloudTrail and old APIs.
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
    fn temporary_codes_are_those_of_the_sdks_lists_and_ours() {
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
