//! The services that an entry, a setting or an approver is for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{InvalidId, ServiceId};

/// The services that an entry, a setting or an approver is for, as an operator writes them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Scope {
    /// One service.
    Service(ServiceId),
    /// Every service, written `*`.
    Every,
}

impl Scope {
    /// The scopes that speak of a service: its own, and every service's.
    #[must_use]
    pub fn all_of(service: &ServiceId) -> [Scope; 2] {
        [Scope::Service(service.clone()), Scope::Every]
    }

    /// Whether this speaks of a service.
    #[must_use]
    pub fn covers(&self, service: &ServiceId) -> bool {
        match self {
            Self::Service(own) => own == service,
            Self::Every => true,
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text {
            "*" => Ok(Self::Every),
            id => id.parse().map(Self::Service),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(id) => id.fmt(f),
            Self::Every => f.write_str("*"),
        }
    }
}

impl TryFrom<String> for Scope {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(value: Scope) -> String {
        value.to_string()
    }
}
