//! A connection according to EC2: who owns the endpoint, where it is, and in what state.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, EndpointId, OrgPath, Region, ServiceId};

/// One consumer endpoint's link to an endpoint service. Made only from EC2's answer, never from an
/// event (safety rule S4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// The provider's endpoint service.
    pub service_id: ServiceId,
    /// The consumer's endpoint.
    pub endpoint_id: EndpointId,
    /// The consumer: the account that owns the endpoint.
    pub owner: AccountId,
    /// The Region of the endpoint. Differs from the service's own Region for cross-Region
    /// `PrivateLink`.
    pub region: Region,
    pub state: ConnectionState,
    /// When the consumer created the endpoint, if EC2 said so.
    pub created_at: Option<Timestamp>,
}

/// The place of a consumer account in the provider's AWS Organization.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Organization {
    /// Look-ups are not configured: entries for Organizations paths match nothing.
    #[default]
    Off,
    /// The look-up answered: the account's own path, or `None` if it is not a member.
    Known(Option<OrgPath>),
    /// The look-up failed: it is unknown whether an entry for a path would match.
    Failed,
}

/// The state of a connection, from EC2's `vpcEndpointState`.
///
/// EC2 writes them in lower camel case (`pendingAcceptance`), its models in Pascal case; so parsing
/// ignores case, and an unknown state is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ConnectionState {
    /// Waits for the provider to accept or reject it.
    PendingAcceptance,
    /// Accepted, and being set up.
    Pending,
    /// Accepted, and carrying traffic.
    Available,
    /// Accepted, and set up in part.
    Partial,
    /// Rejected, before or after it was available; stays listed until the consumer deletes it.
    Rejected,
    /// The consumer is deleting the endpoint.
    Deleting,
    /// The consumer deleted the endpoint.
    Deleted,
    /// Setting it up failed.
    Failed,
    /// The request was left unanswered for too long; AWS does not document how long.
    Expired,
    /// A state that this version does not know. Nothing is done about such a connection.
    Unknown(String),
}

/// What a state means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It waits for a decision.
    Waiting,
    /// Accepted by somebody.
    Connected,
    /// Rejected by somebody.
    Rejected,
    /// The endpoint is gone or going, and will not come back.
    Ended,
    /// Unknown: leave it alone.
    Unknown,
}

impl ConnectionState {
    /// The states EC2 documents, in the order of its model.
    pub const KNOWN: [ConnectionState; 9] = [
        ConnectionState::PendingAcceptance,
        ConnectionState::Pending,
        ConnectionState::Available,
        ConnectionState::Deleting,
        ConnectionState::Deleted,
        ConnectionState::Rejected,
        ConnectionState::Failed,
        ConnectionState::Expired,
        ConnectionState::Partial,
    ];

    /// The state as EC2 writes it in answers and takes it in filters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::PendingAcceptance => "pendingAcceptance",
            Self::Pending => "pending",
            Self::Available => "available",
            Self::Partial => "partial",
            Self::Rejected => "rejected",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Unknown(text) => text,
        }
    }

    /// What the state means for us.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::PendingAcceptance => Phase::Waiting,
            Self::Pending | Self::Available | Self::Partial => Phase::Connected,
            Self::Rejected => Phase::Rejected,
            Self::Deleting | Self::Deleted | Self::Failed | Self::Expired => Phase::Ended,
            Self::Unknown(_) => Phase::Unknown,
        }
    }
}

impl From<String> for ConnectionState {
    fn from(text: String) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|state| state.as_str().eq_ignore_ascii_case(&text))
            .unwrap_or(Self::Unknown(text))
    }
}

impl FromStr for ConnectionState {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::from(text.to_owned()))
    }
}

impl From<ConnectionState> for String {
    fn from(state: ConnectionState) -> String {
        state.as_str().to_owned()
    }
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_in_any_case_and_unknown_ones_are_kept() {
        for text in [
            "pendingAcceptance",
            "PendingAcceptance",
            "PENDINGACCEPTANCE",
        ] {
            assert_eq!(
                ConnectionState::from(text.to_owned()),
                ConnectionState::PendingAcceptance
            );
        }
        let unknown = ConnectionState::from("hibernating".to_owned());
        assert_eq!(unknown, ConnectionState::Unknown("hibernating".to_owned()));
        assert_eq!(unknown.phase(), Phase::Unknown);
        for state in ConnectionState::KNOWN {
            assert_eq!(ConnectionState::from(state.as_str().to_owned()), state);
        }
    }
}
