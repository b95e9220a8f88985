//! Errors of EventBridge's that several parts answer; the texts as they are reported in public, or made up.

use std::fmt::Display;

use crate::error::AwsError;

pub(crate) fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::bad("ValidationException", message)
}

/// A parameter breaks a `rule` of the model.
pub(crate) fn constraint(value: impl Display, name: &str, rule: &str) -> AwsError {
    invalid(format!(
        "1 validation error detected: Value {value} at '{name}' failed to satisfy constraint: Member must {rule}"
    ))
}
