use std::fmt;

use serde::{Serialize, Serializer};

/// The state of an endpoint connection. The names on the wire are in lower camel case, although the constants of
/// the EC2 model are not: `State::as_str` gives the former.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Waits for the provider to accept or reject.
    PendingAcceptance,
    /// Accepted, not usable yet.
    Pending,
    /// In use.
    Available,
    /// The consumer is deleting the endpoint.
    Deleting,
    /// Deleted; it disappears from the lists soon.
    Deleted,
    /// Rejected by the provider. It stays listed until the consumer deletes the endpoint.
    Rejected,
    /// Could not be made.
    Failed,
    /// Nobody accepted in time. AWS does not document the time; here it is only set by hand.
    Expired,
    /// In the model's list of states, and not documented.
    Partial,
}

impl State {
    pub const ALL: [Self; 9] = [
        Self::PendingAcceptance,
        Self::Pending,
        Self::Available,
        Self::Deleting,
        Self::Deleted,
        Self::Rejected,
        Self::Failed,
        Self::Expired,
        Self::Partial,
    ];

    /// The name on the wire, for example `pendingAcceptance`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PendingAcceptance => "pendingAcceptance",
            Self::Pending => "pending",
            Self::Available => "available",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Partial => "partial",
        }
    }

    /// From the name on the wire.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
