//! Secrets Manager's errors: the API reference's exceptions; the texts as they are reported in public, or made up.

use crate::error::AwsError;

fn bad(code: &str, message: impl Into<String>) -> AwsError {
    AwsError::new(400, code, message)
}

pub(crate) fn no_id() -> AwsError {
    bad(
        "InvalidParameterException",
        "You must provide a value for the SecretId parameter.",
    )
}

pub(crate) fn no_secret() -> AwsError {
    bad(
        "ResourceNotFoundException",
        "Secrets Manager can't find the specified secret.",
    )
}

/// `what` is `staging label` or `VersionId`.
pub(crate) fn no_version(what: &str, value: &str) -> AwsError {
    bad(
        "ResourceNotFoundException",
        format!("Secrets Manager can't find the specified secret value for {what}: {value}"),
    )
}

pub(crate) fn not_the_same_version() -> AwsError {
    bad(
        "InvalidRequestException",
        "You provided a VersionStage that is not associated to the provided VersionId.",
    )
}

pub(crate) fn invalid_name() -> AwsError {
    bad(
        "ValidationException",
        "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
    )
}

pub(crate) fn invalid_value() -> AwsError {
    bad(
        "InvalidParameterException",
        "SecretString must have from 1 to 65536 bytes.",
    )
}

pub(crate) fn throttled() -> AwsError {
    bad("ThrottlingException", "Rate exceeded")
}

pub(crate) fn internal() -> AwsError {
    AwsError::new(
        500,
        "InternalServiceError",
        "An error occurred on the server side.",
    )
}
