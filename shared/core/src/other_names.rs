//! The names that AWS CloudTrail gives for a decision besides the one on record.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::PrincipalArn;

/// As many names that contradict the one on record are kept of a request. With more of them, who it was
/// cannot be told from them anyway.
pub const MOST_OTHER_NAMES: usize = 10;

/// A name that contradicts the one on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherName {
    /// The version of the request that the decision came with.
    pub version: u64,
    /// Whom AWS CloudTrail names for it.
    pub name: PrincipalArn,
    /// When that became known.
    pub at: Timestamp,
}

/// The names that contradict those on record: a bounded list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherNames {
    /// Up to [`MOST_OTHER_NAMES`], in the order in which they became known.
    pub listed: Vec<OtherName>,
    /// Whether there were more than could be kept.
    #[serde(default)]
    pub more: bool,
}

impl OtherNames {
    /// Whether no name contradicts one on record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// The names for the decision that came with this version.
    #[must_use]
    pub fn of(&self, version: u64) -> Vec<PrincipalArn> {
        let of_version = self.listed.iter().filter(|one| one.version == version);
        of_version.map(|one| one.name.clone()).collect()
    }

    /// The same, as people read it beside who is on record.
    #[must_use]
    pub fn words(&self, version: u64) -> Option<String> {
        let others = if self.more { " and others" } else { "" };
        let names = self.of(version);
        (!names.is_empty()).then(|| format!("AWS CloudTrail also names {}{others}", list(&names)))
    }

    /// Adds one. Says whether that is news.
    pub(crate) fn add(&mut self, version: u64, name: &PrincipalArn, at: Timestamp) -> bool {
        let is_known = |one: &OtherName| one.version == version && one.name == *name;
        if self.listed.iter().any(is_known) {
            return false;
        }
        if self.listed.len() < MOST_OTHER_NAMES {
            self.listed.push(OtherName {
                version,
                name: name.clone(),
                at,
            });
            return true;
        }
        !std::mem::replace(&mut self.more, true)
    }
}

/// Names one after the other.
pub(crate) fn list(names: &[PrincipalArn]) -> String {
    let names: Vec<&str> = names.iter().map(PrincipalArn::as_str).collect();
    names.join(", ")
}
