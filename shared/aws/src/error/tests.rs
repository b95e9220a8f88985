//! The text of errors, and the names under which they are counted.

use aws_sdk_dynamodb::operation::query::QueryError;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::{Response, StatusCode};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::error::ErrorMetadata;

use super::*;

const WHAT: &str = "the history of vpce-0a1b2c3d could not be read";

/// A failed call and the expected error.
struct Case {
    failure: SdkError<QueryError, Response>,
    class: Class,
    code: Option<&'static str>,
    said: &'static str,
    /// A text that only the source has.
    source: &'static str,
}

fn answer(status: u16, code: &'static str) -> SdkError<QueryError, Response> {
    let said = ErrorMetadata::builder().code(code).message("AWS's words");
    let status = StatusCode::try_from(status).unwrap();
    let response = Response::new(status, SdkBody::empty());
    SdkError::service_error(QueryError::generic(said.build()), response)
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            failure: answer(400, "ThrottlingException"),
            class: Retryable::ReadTables.into(),
            code: Some("ThrottlingException"),
            said: "the history of vpce-0a1b2c3d could not be read (dynamodb:Query: ThrottlingException)",
            source: "AWS's words",
        },
        Case {
            failure: answer(500, "SomethingNew"),
            class: Retryable::ReadTables.into(),
            code: Some("SomethingNew"),
            said: "the history of vpce-0a1b2c3d could not be read (dynamodb:Query: SomethingNew)",
            source: "AWS's words",
        },
        Case {
            failure: SdkError::timeout_error("no answer in time"),
            class: Retryable::ReadTables.into(),
            code: None,
            said: "the history of vpce-0a1b2c3d could not be read (dynamodb:Query)",
            source: "no answer in time",
        },
        Case {
            failure: answer(400, "AccessDeniedException"),
            class: Permanent::Forbidden.into(),
            code: Some("AccessDeniedException"),
            said: "the history of vpce-0a1b2c3d could not be read: AWS forbids Query; check the \
                   caller's IAM policy, and the service's owner and Region",
            source: "AWS's words",
        },
        Case {
            failure: answer(400, "ResourceNotFoundException"),
            class: Permanent::RefusedCall.into(),
            code: Some("ResourceNotFoundException"),
            said: "the history of vpce-0a1b2c3d could not be read: AWS refused Query \
                   (ResourceNotFoundException)",
            source: "AWS's words",
        },
    ]
}

#[test]
fn a_failed_call_names_its_purpose_and_never_its_source() {
    for case in cases() {
        for step in [Step::Observe, Step::Judge, Step::Announce] {
            let call = Call::new(step, "dynamodb:Query", Retryable::ReadTables, WHAT);
            let error = match &case.failure {
                SdkError::ServiceError(context) => call.failed(answer(
                    context.raw().status().as_u16(),
                    case.code.unwrap_or_default(),
                )),
                _ => call.failed(SdkError::<QueryError, _>::timeout_error(case.source)),
            };
            assert_eq!(error.step(), step, "{}", case.said);
            assert_eq!(error.operation(), "dynamodb:Query");
            assert_eq!(error.class(), case.class, "{}", case.said);
            assert_eq!(error.code(), case.code);
            assert_eq!(error.to_string(), case.said);
            assert!(!error.to_string().contains(case.source), "{error}");
            let chain = chain(&*error);
            assert!(
                chain.starts_with(case.said) && chain.contains(case.source),
                "{chain}"
            );
        }
    }
}

#[test]
fn a_failure_of_our_own_is_named_without_aws() {
    let unreadable = |stops| UnreadablePolicy {
        item: "* / settings".to_owned(),
        stops,
        detail: "unknown field `x`".to_owned(),
    };
    let stops = Stops::EveryService;
    let cases = [
        (
            Error::out_of_time(Step::Announce, "12 messages were published"),
            Step::Announce,
            "Retryable.OutOfTime",
            None,
            "the invocation ran out of time before 12 messages were published",
        ),
        (
            Error::out_of_time(Step::Enforce, "EC2 was asked to accept vpce-0a1b2c3d"),
            Step::Enforce,
            "Retryable.OutOfTime",
            None,
            "the invocation ran out of time before EC2 was asked to accept vpce-0a1b2c3d",
        ),
        (
            Error::unencodable(Step::Record, "the item x / request", "a bug"),
            Step::Record,
            "Permanent.Encode",
            None,
            "the item x / request could not be encoded",
        ),
        (
            Error::from(unreadable(stops)),
            Step::Judge,
            "Permanent.MalformedPolicy",
            Some(stops),
            "the allowlist item * / settings cannot be read, so nothing it concerns is decided: \
             unknown field `x`",
        ),
        (
            Error::unreadable_policy(Step::Announce, unreadable(Stops::Approver)),
            Step::Announce,
            "Permanent.MalformedPolicy",
            Some(Stops::Approver),
            "the allowlist item * / settings cannot be read, so nothing it concerns is decided: \
             unknown field `x`",
        ),
    ];
    for (error, step, error_type, stops, said) in cases {
        assert_eq!(error.to_string(), said);
        assert_eq!((error.step(), error.error_type()), (step, error_type));
        assert_eq!(error.stops(), stops, "{said}");
        assert_eq!(error.code(), None, "{said}");
        assert!(!error.operation().contains(':'), "{said}");
        let is_retryable = error_type.starts_with("Retryable.");
        assert_eq!(error.is_retryable(), is_retryable, "{said}");
        let is_out_of_time = error_type == "Retryable.OutOfTime";
        assert_eq!(error.is_out_of_time(), is_out_of_time, "{said}");
    }
}
