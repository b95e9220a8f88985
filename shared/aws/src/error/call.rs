//! A call to AWS, and the errors that it can end in.

use std::error::Error as StdError;
use std::sync::Arc;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::codes::{Meaning, meaning};
use super::{Class, Error, Permanent, Retryable, Source, Step};

/// A call to AWS, with its purpose in the caller's words.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    step: Step,
    operation: &'static str,
    retryable: Retryable,
    what: String,
}

impl Call {
    /// A call in a step. `operation` is its name as AWS writes it: `dynamodb:Query`; `retryable` is
    /// the kind of a temporary failure; `what` says what could not be done if the call fails, and
    /// for whom.
    pub(crate) fn new(
        step: Step,
        operation: &'static str,
        retryable: Retryable,
        what: impl Into<String>,
    ) -> Self {
        Self {
            step,
            operation,
            retryable,
            what: what.into(),
        }
    }

    /// The error for a failed call: permanent or retryable.
    pub(crate) fn failed<E>(&self, error: SdkError<E, Response>) -> Arc<Error>
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        let class = match meaning(&error) {
            Meaning::Forbidden => Permanent::Forbidden.into(),
            Meaning::Refused => Permanent::RefusedCall.into(),
            Meaning::Passing => self.retryable.into(),
        };
        let code = error.code().map(str::to_owned);
        let failed = self.error(class).caused_by(error);
        Arc::new(match code {
            Some(code) => failed.with_code(code),
            None => failed,
        })
    }

    /// The error for a call that failed and may succeed the next time.
    pub(crate) fn passes(&self, source: impl Into<Source>) -> Error {
        self.error(self.retryable.into()).caused_by(source)
    }

    /// The error for a call that AWS refused and will refuse again.
    pub(crate) fn refused(&self, source: impl Into<Source>) -> Error {
        self.error(Permanent::RefusedCall.into()).caused_by(source)
    }

    /// The error for a call that AWS does not allow us.
    pub(crate) fn forbidden(&self, source: impl Into<Source>) -> Error {
        self.error(Permanent::Forbidden.into()).caused_by(source)
    }

    fn error(&self, class: Class) -> Error {
        Error::new(self.step, self.operation, class, self.what.clone())
    }
}
