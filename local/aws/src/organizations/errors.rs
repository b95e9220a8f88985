//! Organizations' errors: the API reference's exceptions; the texts as they are there or in public reports, or made up.

use serde_json::{Value, json};

use crate::error::AwsError;

fn bad(code: &str, message: &str) -> AwsError {
    AwsError::new(400, code, message)
}

/// Why an input is invalid. The answer holds this in `Reason`, beside a text that says no more.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reason {
    InputRequired,
    NextToken,
    Pattern,
    TooLarge,
    TooSmall,
}

impl Reason {
    const ALL: [Self; 5] = [
        Self::InputRequired,
        Self::NextToken,
        Self::Pattern,
        Self::TooLarge,
        Self::TooSmall,
    ];

    /// The model's `InvalidInputExceptionReason`.
    fn as_str(self) -> &'static str {
        match self {
            Self::InputRequired => "INPUT_REQUIRED",
            Self::NextToken => "INVALID_NEXT_TOKEN",
            Self::Pattern => "INVALID_PATTERN",
            Self::TooLarge => "MAX_VALUE_EXCEEDED",
            Self::TooSmall => "MIN_VALUE_EXCEEDED",
        }
    }

    /// What the API reference says about the reason.
    fn text(self) -> &'static str {
        match self {
            Self::InputRequired => "You must include a value for all required parameters.",
            Self::NextToken => {
                "Get the value for the NextToken parameter from the response to a previous call of the operation."
            }
            Self::Pattern => "You provided a value that does not match the required pattern.",
            Self::TooLarge => {
                "You provided a numeric parameter that has a larger value than allowed."
            }
            Self::TooSmall => {
                "You provided a numeric parameter that has a smaller value than allowed."
            }
        }
    }
}

const INVALID_INPUT: &str = "InvalidInputException";

pub(crate) fn invalid(reason: Reason) -> AwsError {
    bad(INVALID_INPUT, reason.text())
}

/// The document of an error.
pub(crate) fn document(error: &AwsError) -> Value {
    let mut document = json!({ "__type": error.code, "Message": error.message });
    let reason = Reason::ALL
        .into_iter()
        .find(|reason| error.code == INVALID_INPUT && reason.text() == error.message);
    if let (Some(reason), Some(fields)) = (reason, document.as_object_mut()) {
        fields.insert("Reason".to_owned(), json!(reason.as_str()));
    }
    document
}

pub(crate) fn not_in_use() -> AwsError {
    bad(
        "AWSOrganizationsNotInUseException",
        "Your account is not a member of an organization.",
    )
}

/// Of a member that is neither the management account nor a delegated administrator.
pub(crate) fn not_an_administrator() -> AwsError {
    bad(
        "AccessDeniedException",
        "You don't have permissions to access this resource.",
    )
}

pub(crate) fn no_child() -> AwsError {
    bad(
        "ChildNotFoundException",
        "You specified a child that doesn't exist.",
    )
}

pub(crate) fn no_account() -> AwsError {
    bad(
        "AccountNotFoundException",
        "You specified an account that doesn't exist.",
    )
}

pub(crate) fn no_parent() -> AwsError {
    bad(
        "ParentNotFoundException",
        "You specified a parent that doesn't exist.",
    )
}

pub(crate) fn no_destination() -> AwsError {
    bad(
        "DestinationParentNotFoundException",
        "You specified a destination parent that doesn't exist.",
    )
}

pub(crate) fn duplicate_ou() -> AwsError {
    bad(
        "DuplicateOrganizationalUnitException",
        "You specified an organizational unit that already exists.",
    )
}

pub(crate) fn too_deep() -> AwsError {
    bad(
        "ConstraintViolationException",
        "You have exceeded the maximum nesting depth of organizational units.",
    )
}

pub(crate) fn management_account() -> AwsError {
    bad(
        "MasterCannotLeaveOrganizationException",
        "You can't remove a management account from an organization.",
    )
}

/// With status 400: public reports have it so, where other services answer 429.
pub(crate) fn throttled() -> AwsError {
    bad(
        "TooManyRequestsException",
        "You have sent too many requests in too short a period of time. Try again later.",
    )
}

pub(crate) fn internal() -> AwsError {
    AwsError::new(
        500,
        "ServiceException",
        "Organizations can't complete your request because of an internal service error. Try again later.",
    )
}
