//! SNS's errors: the API reference's codes; the texts as they are reported in public.

use crate::error::AwsError;

pub(crate) fn invalid(what: &str) -> AwsError {
    AwsError::bad("InvalidParameter", format!("Invalid parameter: {what}"))
}

/// For message attributes. SNS answers this code although the exception is called `InvalidParameterValueException`.
pub(crate) fn invalid_value(message: String) -> AwsError {
    AwsError::bad("ParameterValueInvalid", message)
}

pub(crate) fn missing(name: &str) -> AwsError {
    let mut chars = name.chars();
    let first = chars.next().map(|c| c.to_ascii_lowercase());
    let name: String = first.into_iter().chain(chars).collect();
    AwsError::bad(
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
    AwsError::bad(
        "InvalidAction",
        format!("The action {action} is not valid for this endpoint."),
    )
}

pub(crate) fn unauthorized(arn: &str, action: &str, resource: &str) -> AwsError {
    AwsError::new(
        403,
        "AuthorizationError",
        format!("User: {arn} is not authorized to perform: SNS:{action} on resource: {resource}"),
    )
}

pub(crate) fn empty_batch() -> AwsError {
    AwsError::bad(
        "EmptyBatchRequest",
        "The batch request doesn't contain any entries.",
    )
}

pub(crate) fn too_many_entries() -> AwsError {
    AwsError::bad(
        "TooManyEntriesInBatchRequest",
        "The batch request contains more entries than permissible.",
    )
}

pub(crate) fn ids_not_distinct() -> AwsError {
    AwsError::bad(
        "BatchEntryIdsNotDistinct",
        "Two or more batch entries in the request have the same Id.",
    )
}

pub(crate) fn invalid_entry_id() -> AwsError {
    AwsError::bad(
        "InvalidBatchEntryId",
        "The Id of a batch entry in a batch request doesn't abide by the specification.",
    )
}

pub(crate) fn batch_too_long() -> AwsError {
    AwsError::bad(
        "BatchRequestTooLong",
        "The length of all the batch messages put together is more than the limit.",
    )
}
