//! Errors about records and payloads, in one sentence that is short for any content.

use gatekeeper_aws::tables::UnreadableAcknowledgement;
use gatekeeper_core::policy::PolicyItem;
use gatekeeper_core::policy_key::Stops;
use gatekeeper_core::precondition::UnreadablePolicy;
use gatekeeper_core::purge::{self, InvalidPurge};
use lambda_runtime::Diagnostic;
use serde_json::Value;

/// How many characters of an error's quotation are shown.
const SHOWN: usize = 400;

/// Why a record does not tell, or not completely, what was edited. A retry does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is no record of a stream.
    #[error("this is no record of a DynamoDB stream: {shown}")]
    NotARecord {
        /// How it begins.
        shown: String,
    },
    /// An image is neither an allowlist entry nor settings (safety rule S2).
    #[error("the allowlist item {item} cannot be understood: {detail}")]
    Item {
        /// Partition and sort key.
        item: String,
        /// What it stops until it is corrected.
        stops: Stops,
        /// The mistake.
        detail: String,
    },
    /// An image is meant as an acknowledgement and is not a valid one.
    #[error("the acknowledgement {item} cannot be understood, so it silences nothing: {detail}")]
    Acknowledgement {
        /// Partition and sort key.
        item: String,
        /// The mistakes, attribute by attribute.
        detail: String,
    },
    /// An image is an allowlist entry with a wrong `purge_at`. The entry is valid nevertheless.
    #[error("the allowlist item {item} is wrong: {detail}")]
    Purge {
        /// Partition and sort key.
        item: String,
        /// The mistake.
        detail: InvalidPurge,
    },
    /// An image is settings with an invalid setting that has no effect. The other settings are
    /// valid.
    #[error("the allowlist item {item} is wrong: {detail}")]
    Setting {
        /// Partition and sort key.
        item: String,
        /// The mistake.
        detail: String,
    },
    /// An image is missing.
    #[error("the record has no {image} of {item}; the stream must carry new and old images")]
    NoImage {
        /// Partition and sort key.
        item: String,
        /// `OldImage` or `NewImage`.
        image: &'static str,
    },
}

impl Malformed {
    pub(crate) fn not_a_record(value: &Value) -> Self {
        Self::NotARecord {
            shown: shortened(&value.to_string()),
        }
    }

    /// What is wrong with an item that can be understood.
    pub(crate) fn of(item: &PolicyItem) -> Option<Self> {
        match item {
            PolicyItem::Entry(entry) => {
                let rule = entry.rule();
                Some(Self::Purge {
                    detail: purge::check(entry).err()?,
                    item: format!("{} / {}#{}", rule.service_id, rule.effect, rule.principal),
                })
            }
            PolicyItem::Settings(scope, settings) if !settings.ignored.is_empty() => {
                let ignored = settings.ignored.iter().map(ToString::to_string);
                Some(Self::Setting {
                    item: format!("{scope} / settings"),
                    detail: ignored.collect::<Vec<_>>().join("; "),
                })
            }
            PolicyItem::Settings(..) | PolicyItem::Approver(_) => None,
        }
    }

    /// What waits until somebody corrects it.
    pub(crate) fn stops(&self) -> Stops {
        match self {
            Self::Item { stops, .. } => *stops,
            _ => Stops::Nothing,
        }
    }

    /// The edit, in the words of the log's line.
    pub(crate) fn log_message(&self) -> &'static str {
        match self {
            Self::Purge { .. } => {
                "an entry of the allowlist says wrongly when DynamoDB may delete it"
            }
            Self::Setting { .. } => {
                "a setting without effect makes no sense and is left out; the others hold"
            }
            Self::Acknowledgement { .. } => "an acknowledgement of a finding cannot be understood",
            Self::NotARecord { .. } | Self::Item { .. } | Self::NoImage { .. } => {
                "an edit of the allowlist cannot be understood"
            }
        }
    }

    pub(crate) fn no_image(item: &str, image: &'static str) -> Self {
        Self::NoImage {
            item: shortened(item),
            image,
        }
    }
}

impl From<UnreadablePolicy> for Malformed {
    fn from(error: UnreadablePolicy) -> Self {
        Self::Item {
            item: shortened(&error.item),
            stops: error.stops,
            detail: shortened(&error.detail),
        }
    }
}

impl From<UnreadableAcknowledgement> for Malformed {
    fn from(error: UnreadableAcknowledgement) -> Self {
        Self::Acknowledgement {
            item: shortened(&error.item),
            detail: shortened(&error.detail.to_string()),
        }
    }
}

/// The payload is no event of a DynamoDB stream. This happens only if somebody invokes the function
/// by hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no event of the allowlist table's stream, so nothing was done: {shown}")]
pub struct NotAStreamEvent {
    shown: String,
}

impl NotAStreamEvent {
    pub(crate) fn new(payload: &Value) -> Self {
        Self {
            shown: shortened(&payload.to_string()),
        }
    }
}

impl From<NotAStreamEvent> for Diagnostic {
    fn from(error: NotAStreamEvent) -> Self {
        Self {
            error_type: "Permanent.NotAStreamEvent".to_owned(),
            error_message: error.to_string(),
        }
    }
}

/// The beginning of a text from outside.
fn shortened(text: &str) -> String {
    let mut rest = text.chars();
    let mut shown: String = rest.by_ref().take(SHOWN).collect();
    if rest.next().is_some() {
        shown.push('…');
    }
    shown
}
