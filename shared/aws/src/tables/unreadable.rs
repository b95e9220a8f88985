//! Items that cannot be read, or written, as what they are.

use std::error::Error as StdError;
use std::fmt;

use gatekeeper_core::acknowledgement::Malformed;

use crate::error::{Error, Permanent, Source, Step};

/// An item of the requests table is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the item {item} of the requests table cannot be read: {detail}")]
pub(crate) struct UnreadableItem {
    /// Partition and sort key.
    pub(crate) item: String,
    /// What is wrong with it.
    pub(crate) detail: String,
}

/// An item of the allowlist table does not acknowledge anything, though it is meant to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the acknowledgement {item} cannot be understood, so it silences nothing: {detail}")]
pub struct UnreadableAcknowledgement {
    /// Partition and sort key.
    pub item: String,
    /// What is wrong with it, attribute by attribute.
    pub detail: Malformed,
}

/// Something could not be put into DynamoDB's form, which only a bug can cause.
#[derive(Debug)]
pub struct Unencodable {
    what: String,
    source: Source,
}

impl UnreadableItem {
    pub(super) fn new(item: impl ToString, detail: impl ToString) -> Self {
        Self {
            item: item.to_string(),
            detail: detail.to_string(),
        }
    }

    /// As a failure of the step in which it was read.
    pub(crate) fn read_in(&self, step: Step) -> Error {
        let what = self.to_string();
        Error::new(step, "read an item", Permanent::MalformedRequest, what)
    }
}

impl UnreadableAcknowledgement {
    /// As a failure of the step in which it was read.
    pub(super) fn read_in(&self, step: Step) -> Error {
        let what = self.to_string();
        Error::new(
            step,
            "read an item",
            Permanent::MalformedAcknowledgement,
            what,
        )
    }
}

impl Unencodable {
    pub(super) fn new(what: impl Into<String>, source: impl Into<Source>) -> Self {
        Self {
            what: what.into(),
            source: source.into(),
        }
    }

    /// As a failure of the step in which it was to be written.
    pub(super) fn written_in(self, step: Step) -> Error {
        Error::unencodable(step, self.what, self.source)
    }
}

impl fmt::Display for Unencodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} could not be encoded", self.what)
    }
}

impl StdError for Unencodable {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source: &(dyn StdError + 'static) = &*self.source;
        Some(source)
    }
}
