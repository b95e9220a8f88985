//! Errors and exit statuses.

use std::fmt;
use std::sync::Arc;

use gatekeeper_aws::error::{Class, Error as AwsError, Permanent, chain};

/// The exit status of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or there was nothing to do.
    Done,
    /// It failed, or was refused.
    Failed,
    /// The arguments cannot be understood.
    Usage,
    /// A policy file differs from the policy (`policy plan --exit-code`).
    Differs,
}

impl Exit {
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Differs => 3,
        }
    }
}

/// Why a command failed, and what to do next.
#[derive(Debug)]
pub struct CliError {
    what: String,
    next: Option<String>,
    exit: Exit,
}

impl CliError {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            next: None,
            exit: Exit::Failed,
        }
    }

    /// The arguments cannot be understood.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            ..Self::new(what)
        }
    }

    /// Adds what to type or to do next.
    pub(crate) fn next(self, next: impl Into<String>) -> Self {
        Self {
            next: Some(next.into()),
            ..self
        }
    }

    /// What is wrong.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// What to type or to do next.
    pub(crate) fn next_step(&self) -> Option<&str> {
        self.next.as_deref()
    }

    #[must_use]
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        match &self.next {
            Some(next) => write!(f, "\n  {next}"),
            None => Ok(()),
        }
    }
}

impl From<Arc<AwsError>> for CliError {
    fn from(error: Arc<AwsError>) -> Self {
        let failed = Self::new(chain(&*error));
        match error.class() {
            Class::Permanent(Permanent::Forbidden) => failed.next(
                "The credentials lack a permission, are expired or are for another account. Check \
                 them with: aws sts get-caller-identity",
            ),
            Class::Retryable(_) => failed.next("This may pass. Try again in a moment."),
            Class::Permanent(_) => failed,
        }
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        Self::new(format!("the terminal could not be written: {error}"))
    }
}
