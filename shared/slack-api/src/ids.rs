//! Slack's ids as types, so that a channel is never taken for a user.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not the id it was taken for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not {expected}")]
pub struct InvalidId {
    given: String,
    expected: &'static str,
}

impl InvalidId {
    fn new(given: &str, expected: &'static str) -> Self {
        // A payload may carry anything in an id's place: an error must not grow with it.
        const SHOWN: usize = 40;
        let mut shown: String = given.chars().take(SHOWN).collect();
        if given.chars().nth(SHOWN).is_some() {
            shown.push('…');
        }
        Self {
            given: shown,
            expected,
        }
    }
}

/// Declares a text newtype that holds only what `$valid` lets through.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $valid:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as Slack writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId::new(text, $expected))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A workspace, `T…`.
    TeamId,
    |text| is_id(text, b"T"),
    "a Slack workspace's id: T, and capital letters and digits"
);
id!(
    /// An Enterprise organization, `E…`, to which workspaces belong.
    EnterpriseId,
    |text| is_id(text, b"E"),
    "a Slack organization's id: E, and capital letters and digits"
);
id!(
    /// An app, `A…`.
    AppId,
    |text| is_id(text, b"A"),
    "a Slack app's id: A, and capital letters and digits"
);
id!(
    /// A person, `U…` or, in an Enterprise organization, `W…`.
    UserId,
    |text| is_id(text, b"UW"),
    "a Slack user's id: U or W, and capital letters and digits"
);
id!(
    /// A conversation: a channel `C…`, a private one of old `G…`, or a direct message `D…`.
    ChannelId,
    |text| is_id(text, b"CGD"),
    "a Slack channel's id (not its name): C, G or D, and capital letters and digits"
);
id!(
    /// A message's time, such as `1503435956.000247`: in its channel, it is the message's id.
    MessageTs,
    is_ts,
    "a Slack message's ts: seconds, a dot and six digits"
);

/// To whom a person belongs, or for whom an app is installed: in an Enterprise organization, Slack says of
/// people sometimes their workspace and sometimes the organization.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TenantId {
    /// A workspace.
    Workspace(TeamId),
    /// A whole organization.
    Organization(EnterpriseId),
}

impl TenantId {
    /// The id as Slack writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Workspace(id) => id.as_str(),
            Self::Organization(id) => id.as_str(),
        }
    }
}

impl FromStr for TenantId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let organization = text.parse().map(Self::Organization);
        let expected =
            "the id of a Slack workspace or organization: T or E, and capital letters and digits";
        organization
            .or_else(|_| text.parse().map(Self::Workspace))
            .map_err(|_| InvalidId::new(text, expected))
    }
}

impl TryFrom<String> for TenantId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<TenantId> for String {
    fn from(id: TenantId) -> String {
        id.as_str().to_owned()
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Slack gives out 9 to 11 characters today and asks not to rely on that.
fn is_id(text: &str, prefixes: &[u8]) -> bool {
    let bytes = text.as_bytes();
    (2..=64).contains(&bytes.len())
        && bytes.first().is_some_and(|first| prefixes.contains(first))
        && bytes
            .iter()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn is_ts(text: &str) -> bool {
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    text.split_once('.').is_some_and(|(seconds, rest)| {
        (1..=12).contains(&seconds.len()) && digits(seconds) && rest.len() == 6 && digits(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_different_things_cannot_be_mixed_up() {
        assert!("T0123ABCD".parse::<TeamId>().is_ok());
        assert!("A0123ABCD".parse::<AppId>().is_ok());
        for user in ["U2CERLKJA", "W012A3CDE"] {
            assert!(user.parse::<UserId>().is_ok());
            assert!(user.parse::<ChannelId>().is_err());
            assert!(user.parse::<TeamId>().is_err());
        }
        for channel in ["C012AB3CD", "G8PSS9T3V", "D024BE91L"] {
            assert!(channel.parse::<ChannelId>().is_ok());
            assert!(channel.parse::<UserId>().is_err());
        }
        for bad in [
            "",
            "U",
            "u2cerlkja",
            "U2CER LKJA",
            "U2CERLKJA\n",
            "Ü2CERLKJA",
            "<@U2CERLKJA>",
            "alice",
        ] {
            assert!(bad.parse::<UserId>().is_err(), "{bad:?}");
        }
        assert_eq!(
            "#approvals".parse::<ChannelId>().unwrap_err().to_string(),
            r##""#approvals" is not a Slack channel's id (not its name): C, G or D, and capital letters and digits"##
        );
    }

    #[test]
    fn a_workspace_and_an_organization_are_told_apart() {
        let workspace: TenantId = "T0123ABCD".parse().unwrap();
        assert_eq!(workspace, TenantId::Workspace("T0123ABCD".parse().unwrap()));
        let organization: TenantId = "E0123ABCD".parse().unwrap();
        assert_eq!(
            organization,
            TenantId::Organization("E0123ABCD".parse().unwrap())
        );
        for bad in ["", "T", "U0123ABCD", "T0123ABCD,E0123ABCD", "e0123abcd"] {
            let error = bad.parse::<TenantId>().unwrap_err().to_string();
            assert!(error.contains("T or E"), "{error}");
        }
    }

    #[test]
    fn a_ts_is_seconds_a_dot_and_six_digits() {
        assert!("1503435956.000247".parse::<MessageTs>().is_ok());
        for bad in [
            "",
            "1503435956",
            "1503435956.",
            ".000247",
            "1503435956.00024",
            "-1503435956.000247",
            "1503435956.0002471",
            "1503435956.000.247",
            "١٥.000247",
        ] {
            assert!(bad.parse::<MessageTs>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_error_does_not_grow_with_its_input() {
        let error = "x".repeat(100_000).parse::<UserId>().unwrap_err();
        assert!(error.to_string().len() < 200);
    }
}
