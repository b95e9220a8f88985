//! EventBridge's errors: the API reference's exceptions; the texts as they are reported in public, or made up.

use std::fmt::Display;

use crate::error::AwsError;

fn bad(code: &str, message: impl Into<String>) -> AwsError {
    AwsError::new(400, code, message)
}

pub(crate) fn no_rule(name: &str, bus: &str) -> AwsError {
    bad(
        "ResourceNotFoundException",
        format!("Rule {name} does not exist on EventBus {bus}."),
    )
}

pub(crate) fn no_bus(bus: &str) -> AwsError {
    bad(
        "ResourceNotFoundException",
        format!("Event bus {bus} does not exist."),
    )
}

pub(crate) fn invalid_pattern(why: impl Display) -> AwsError {
    bad(
        "InvalidEventPatternException",
        format!("Event pattern is not valid. Reason: {why}"),
    )
}

pub(crate) fn invalid(message: impl Into<String>) -> AwsError {
    bad("ValidationException", message)
}

/// Of a parameter that breaks a `rule` of the model.
pub(crate) fn constraint(value: impl Display, name: &str, rule: &str) -> AwsError {
    invalid(format!(
        "1 validation error detected: Value {value} at '{name}' failed to satisfy constraint: Member must {rule}"
    ))
}

/// "Using an expired pagination token results in an HTTP 400 `InvalidToken` error." (API reference, `ListRules`)
pub(crate) fn invalid_token() -> AwsError {
    bad("InvalidToken", "The pagination token is not valid.")
}

/// Of an entry of `PutEvents`, as the next ones.
pub(crate) fn no_argument(name: &str) -> AwsError {
    bad(
        "InvalidArgument",
        format!("Parameter {name} is not valid. Reason: {name} is a required argument."),
    )
}

pub(crate) fn malformed_detail() -> AwsError {
    bad("MalformedDetail", "Detail is malformed.")
}

pub(crate) fn not_your_source() -> AwsError {
    bad(
        "NotAuthorizedForSourceException",
        "Not authorized for the source.",
    )
}

/// Of all entries together.
pub(crate) fn entries_too_large() -> AwsError {
    invalid("Total size of the entries in the request is over the limit.")
}

pub(crate) fn throttled() -> AwsError {
    bad("ThrottlingException", "Rate exceeded")
}

pub(crate) fn internal() -> AwsError {
    AwsError::new(
        500,
        "InternalException",
        "This exception occurs due to unexpected causes.",
    )
}
