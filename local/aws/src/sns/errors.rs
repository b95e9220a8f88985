//! SNS's errors: the API reference's codes; the texts as they are reported in public.

use crate::error::AwsError;

fn bad(code: &str, message: impl Into<String>) -> AwsError {
    AwsError::new(400, code, message)
}

pub(crate) fn invalid(what: &str) -> AwsError {
    bad("InvalidParameter", format!("Invalid parameter: {what}"))
}

/// Of message attributes. The code is this one although the exception is called `InvalidParameterValueException`.
pub(crate) fn invalid_value(message: String) -> AwsError {
    bad("ParameterValueInvalid", message)
}

pub(crate) fn missing(name: &str) -> AwsError {
    let mut chars = name.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    let name: String = first.into_iter().chain(chars).collect();
    bad(
        "ValidationError",
        format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        ),
    )
}

pub(crate) fn no_topic() -> AwsError {
    AwsError::new(404, "NotFound", "Topic does not exist")
}

pub(crate) fn no_subscription() -> AwsError {
    AwsError::new(404, "NotFound", "Subscription does not exist")
}

pub(crate) fn invalid_action(action: &str) -> AwsError {
    bad(
        "InvalidAction",
        format!("The action {action} is not valid for this endpoint."),
    )
}

pub(crate) fn throttled() -> AwsError {
    bad("Throttling", "Rate exceeded")
}

pub(crate) fn internal() -> AwsError {
    AwsError::new(500, "InternalError", "An internal error has occurred")
}

pub(crate) fn unavailable() -> AwsError {
    AwsError::new(503, "ServiceUnavailable", "Service is unavailable")
}

pub(crate) fn unauthorized(arn: &str, action: &str, resource: &str) -> AwsError {
    AwsError::new(
        403,
        "AuthorizationError",
        format!("User: {arn} is not authorized to perform: SNS:{action} on resource: {resource}"),
    )
}

pub(crate) fn empty_batch() -> AwsError {
    bad(
        "EmptyBatchRequest",
        "The batch request doesn't contain any entries.",
    )
}

pub(crate) fn too_many_entries() -> AwsError {
    bad(
        "TooManyEntriesInBatchRequest",
        "The batch request contains more entries than permissible.",
    )
}

pub(crate) fn ids_not_distinct() -> AwsError {
    bad(
        "BatchEntryIdsNotDistinct",
        "Two or more batch entries in the request have the same Id.",
    )
}

pub(crate) fn invalid_entry_id() -> AwsError {
    bad(
        "InvalidBatchEntryId",
        "The Id of a batch entry in a batch request doesn't abide by the specification.",
    )
}

pub(crate) fn batch_too_long() -> AwsError {
    bad(
        "BatchRequestTooLong",
        "The length of all the batch messages put together is more than the limit.",
    )
}
