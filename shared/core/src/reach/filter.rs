//! Reads which approval e-mails a subscription's filter policy lets through.
//!
//! Each approval e-mail is published with the attribute `approver`, which holds one approver's id.
//! So a filter policy keeps other people's links from a subscriber only if it is
//! `{"approver":["<one id>"]}`, on message attributes. Any other policy counts as no filter, so
//! that we need not evaluate an `exists` or a `prefix`.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::approver::ApproverId;

/// The scope of a filter policy if none is set.
const ATTRIBUTES: &str = "MessageAttributes";

/// The e-mail that a subscription gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// One approver's e-mail.
    One(ApproverId),
    /// Perhaps other people's e-mail, too.
    Open(Opening),
}

/// Why a filter policy does not count as one approver's.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Opening {
    /// There is no filter policy.
    NoFilter,
    /// It filters by the message's body, and not by its attributes.
    Scope,
    /// It is not exactly one approver's id.
    NotOneApprover,
}

impl Opening {
    /// The reason, in words that follow "the subscription".
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Self::NoFilter => "has no filter policy",
            Self::Scope => "has a filter policy whose scope is not MessageAttributes",
            Self::NotOneApprover => "has a filter policy that is not exactly one approver's id",
        }
    }
}

/// The only form that keeps other people's links away. Other keys, values or patterns fail to
/// decode, and so does a key that is there twice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneApprover {
    approver: [ApproverId; 1],
}

impl Filter {
    /// Reads a subscription's attributes `FilterPolicy` and `FilterPolicyScope`.
    #[must_use]
    pub fn read(policy: Option<&str>, scope: Option<&str>) -> Self {
        let Some(policy) = policy.map(str::trim).filter(|policy| !policy.is_empty()) else {
            return Self::Open(Opening::NoFilter);
        };
        if scope.is_some_and(|scope| scope != ATTRIBUTES) {
            return Self::Open(Opening::Scope);
        }
        // Serde would also read a struct from a list.
        let read = serde_json::from_str::<OneApprover>(policy);
        match read {
            Ok(OneApprover { approver: [id] }) if policy.starts_with('{') => Self::One(id),
            _ if policy == "{}" => Self::Open(Opening::NoFilter),
            _ => Self::Open(Opening::NotOneApprover),
        }
    }
}

/// A fingerprint that is the same only for the same filter policy and scope.
#[must_use]
pub(super) fn fingerprint(policy: Option<&str>, scope: Option<&str>) -> String {
    let mut hash = Sha256::new();
    for part in [policy, scope] {
        // The length separates the two texts.
        hash.update(
            part.map_or(u64::MAX, |part| part.len() as u64)
                .to_be_bytes(),
        );
        hash.update(part.unwrap_or_default());
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = r#"{"approver":["alice@example.com"]}"#;

    #[test]
    fn a_filter_is_one_approvers_id_or_open() {
        use Opening::{NoFilter, NotOneApprover, Scope};
        let attributes = Some("MessageAttributes");
        let body = Some("MessageBody");
        #[rustfmt::skip]
        let table: &[(Option<&str>, Option<&str>, Option<Opening>)] = &[
            (Some(ALICE), None, None),
            (Some(ALICE), attributes, None),
            (Some("\n { \"approver\" : [ \"alice@example.com\" ] } \n"), attributes, None),
            (Some(r#"{"approver":["\u0061lice@example.com"]}"#), attributes, None),
            // No filter.
            (None, None, Some(NoFilter)),
            (None, attributes, Some(NoFilter)),
            (None, body, Some(NoFilter)),
            (Some(""), attributes, Some(NoFilter)),
            (Some(" "), attributes, Some(NoFilter)),
            (Some("{}"), attributes, Some(NoFilter)),
            // Another scope.
            (Some(ALICE), body, Some(Scope)),
            (Some(ALICE), Some("messageattributes"), Some(Scope)),
            (Some(ALICE), Some(""), Some(Scope)),
            (Some(ALICE), Some("MessageAttributes,MessageBody"), Some(Scope)),
            // Patterns.
            (Some(r#"{"approver":[{"exists":true}]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":[{"exists":false}]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":[{"prefix":"alice@example.com"}]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":[{"prefix":""}]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":[{"suffix":"@example.com"}]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":[{"wildcard":"*@example.com"}]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":[{"equals-ignore-case":"alice@example.com"}]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":[{"anything-but":"bob@example.com"}]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":[{"anything-but":["bob@example.com"]}]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":[{"anything-but":{"prefix":"bob"}}]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":[{"numeric":["=",1]}]}"#), attributes, Some(NotOneApprover)),
            // Values.
            (Some(r#"{"approver":["alice@example.com","bob@example.com"]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":["alice@example.com",{"exists":true}]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":["alice@example.com","alice@example.com"]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":["Alice@example.com"]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":["alice"]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":["*"]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":[""]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":[" alice@example.com"]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":[null]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":[1]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":[]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":[["alice@example.com"]]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":"alice@example.com"}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":{"approver":["alice@example.com"]}}"#), attributes, Some(NotOneApprover)),
            // Keys.
            (Some(r#"{"Approver":["alice@example.com"]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approvers":["alice@example.com"]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"kind":["review_opened"]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":["alice@example.com"],"kind":["review_opened"]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":["alice@example.com"],"approver":["bob@example.com"]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":["alice@example.com"],"approver":["alice@example.com"]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"$or":[{"approver":["alice@example.com"]},{"kind":[{"exists":true}]}]}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":["alice@example.com"],"$or":[]}"#), attributes, Some(NotOneApprover)),
            // Not an object.
            (Some(r#"[["alice@example.com"]]"#), attributes, Some(NotOneApprover)),
            (Some(r#"[{"approver":["alice@example.com"]}]"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":["alice@example.com"]}{}"#), attributes, Some(NotOneApprover)),
            (Some(r#"{"approver":["alice@example.com"]"#), attributes, Some(NotOneApprover)),
            (Some("alice@example.com"), attributes, Some(NotOneApprover)),
            (Some("null"), attributes, Some(NotOneApprover)),
        ];
        for (policy, scope, expected) in table {
            let expected = match expected {
                None => Filter::One("alice@example.com".parse().unwrap()),
                Some(opening) => Filter::Open(*opening),
            };
            assert_eq!(
                Filter::read(*policy, *scope),
                expected,
                "{policy:?} {scope:?}"
            );
        }
    }

    #[test]
    fn a_fingerprint_tells_policies_and_scopes_apart() {
        let all = [
            fingerprint(None, None),
            fingerprint(Some(""), None),
            fingerprint(None, Some("")),
            fingerprint(Some(ALICE), None),
            fingerprint(Some(ALICE), Some("MessageAttributes")),
            fingerprint(Some(ALICE), Some("MessageBody")),
            fingerprint(Some("MessageBody"), Some(ALICE)),
        ];
        let different: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(fingerprint(Some(ALICE), None), all[3]);
    }
}
