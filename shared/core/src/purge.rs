//! DynamoDB's time to live: when it may delete an entry, and how a deletion that came too early is
//! announced.
//!
//! An entry ends at its `expires_at`. `purge_at` only removes the item after that and decides
//! nothing. But an item that is deleted before it expires has no effect any more: a consumer that
//! was allowed is revoked, and one that was denied may connect. So a `purge_at` that is not after
//! `expires_at` is reported as wrong, and such a deletion is named if it causes a change.

use std::fmt;

use jiff::Timestamp;

use crate::connection::{Connection, Organization};
use crate::judge::{Usage, Verdict, judge};
use crate::policy::{Entry, PURGE_AT, Policy, Rule};
use crate::written::Mistake;

/// What is wrong with an entry's `purge_at`. The entry is valid nevertheless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidPurge {
    /// It is before 1970.
    Negative(i64),
    /// It is so late that it can only be in milliseconds.
    Milliseconds(i64),
    /// The entry does not expire.
    WithoutEnd,
    /// It may be deleted before it expires, or at the same moment.
    NotAfterEnd {
        /// When DynamoDB may delete it.
        purge_at: Timestamp,
        /// When it expires.
        expires_at: Timestamp,
    },
}

impl InvalidPurge {
    pub(crate) fn mistake(&self) -> Mistake {
        let (stands, advice) = match self {
            Self::Negative(seconds) => (
                format!("is {seconds}, which is before 1970"),
                "write whole seconds since 1970",
            ),
            Self::Milliseconds(seconds) => (
                format!("is {seconds}, which is no year of four digits"),
                "write seconds since 1970, not milliseconds",
            ),
            Self::WithoutEnd => (
                "stands without expires_at, so that DynamoDB ends an entry that does not expire"
                    .to_owned(),
                "write expires_at, and a later purge_at, or leave purge_at out",
            ),
            Self::NotAfterEnd {
                purge_at,
                expires_at,
            } => (
                format!(
                    "({purge_at:.0}) is not after expires_at ({expires_at:.0}), so that DynamoDB may end the \
                     entry before it expires"
                ),
                "write a later purge_at, or leave it out",
            ),
        };
        Mistake::conflict(PURGE_AT.name, &stands, advice)
    }
}

impl fmt::Display for InvalidPurge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mistake().fmt(f)
    }
}

impl std::error::Error for InvalidPurge {}

/// Checks when DynamoDB may delete an entry.
///
/// # Errors
/// [`InvalidPurge`].
pub fn check(entry: &Entry) -> Result<(), InvalidPurge> {
    let Some(seconds) = entry.purge_at() else {
        return Ok(());
    };
    if seconds < 0 {
        return Err(InvalidPurge::Negative(seconds));
    }
    let purge_at =
        Timestamp::from_second(seconds).map_err(|_| InvalidPurge::Milliseconds(seconds))?;
    let expires_at = entry.conditions().expires_at;
    let expires_at = expires_at.ok_or(InvalidPurge::WithoutEnd)?;
    if purge_at <= expires_at {
        return Err(InvalidPurge::NotAfterEnd {
            purge_at,
            expires_at,
        });
    }
    Ok(())
}

/// Finds the deleted entry that causes the policy's verdict about a connection: if the entry still
/// existed, it would decide, and differently. `None` if the verdict is the same with all of them.
#[must_use]
pub fn cause<'a>(
    purged: &'a [Entry],
    policy: &Policy,
    connection: &Connection,
    organization: &Organization,
    verdict: &Verdict,
    now: Timestamp,
) -> Option<&'a Rule> {
    let decides = |entry: &&Entry| {
        if policy.entries.iter().any(|it| it.rule() == entry.rule()) {
            // Somebody has restored it.
            return false;
        }
        let mut before = policy.clone();
        before.entries.push((*entry).clone());
        // Judge as if the connection did not count against the limit: the entry is the cause even
        // if a limit is also in the way.
        let was = judge(&before, connection, organization, Usage::default(), now);
        was.rule.as_ref() == Some(entry.rule()) && was.decision != verdict.decision
    };
    purged.iter().filter(decides).map(Entry::rule).min()
}

/// The sentence that names an entry's deletion as the cause.
#[must_use]
pub fn sentence(rule: &Rule) -> String {
    format!(
        "DynamoDB deleted the entry \"{rule}\" at its purge_at (time to live), before the entry expired."
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ConnectionState;
    use crate::fixtures::{at, connection};
    use crate::policy::{About, Conditions, Effect};

    fn entry(effect: Effect, principal: &str, expires_at: Option<Timestamp>) -> Entry {
        let rule = Rule {
            service_id: "*".parse().unwrap(),
            principal: principal.parse().unwrap(),
            effect,
        };
        let conditions = Conditions {
            expires_at,
            ..Conditions::default()
        };
        Entry::new(rule, conditions, About::default()).unwrap()
    }

    #[test]
    fn an_entry_may_be_deleted_after_it_expires_and_not_before() {
        let end = at(100);
        let seconds = end.as_second();
        let table = [
            (None, None, ""),
            (None, Some(end), ""),
            (Some(seconds + 1), Some(end), ""),
            (Some(seconds), Some(end), "is not after expires_at"),
            (Some(seconds - 1), Some(end), "is not after expires_at"),
            (Some(0), Some(end), "is not after expires_at"),
            (Some(seconds + 1), None, "stands without expires_at"),
            (Some(-1), Some(end), "before 1970"),
            (Some(i64::MIN), None, "before 1970"),
            ((Some(seconds * 1000)), Some(end), "not milliseconds"),
            ((Some(seconds * 1000)), None, "not milliseconds"),
            (
                Some(Timestamp::MAX.as_second() + 1),
                Some(end),
                "not milliseconds",
            ),
            (Some(Timestamp::MAX.as_second()), Some(end), ""),
            (Some(i64::MAX), None, "not milliseconds"),
        ];
        for (purge_at, expires_at, expected) in table {
            for effect in [Effect::Allow, Effect::Deny] {
                let entry = entry(effect, "012345678901", expires_at).with_purge_at(purge_at);
                let said = check(&entry).map_or_else(|wrong| wrong.to_string(), |()| String::new());
                assert!(
                    said.contains(expected) && said.is_empty() == expected.is_empty(),
                    "{purge_at:?} {expires_at:?}: {said:?}"
                );
            }
        }
        // An end within a second counts exactly, and not as it is displayed.
        let within = end.checked_add(jiff::SignedDuration::from_millis(500));
        let entry = entry(Effect::Allow, "*", within.ok()).with_purge_at(Some(seconds));
        assert!(check(&entry).is_err());
    }

    #[test]
    fn a_deletion_is_the_cause_only_if_the_verdict_differs_without_it() {
        let allow = |principal| entry(Effect::Allow, principal, None);
        let deny = |principal| entry(Effect::Deny, principal, None);
        let expired = |effect| entry(effect, "012345678901", Some(at(0)));
        let table = [
            (
                "the allow is gone",
                vec![],
                vec![allow("012345678901")],
                true,
            ),
            ("an allow for everybody", vec![], vec![allow("*")], true),
            (
                "somebody else's",
                vec![],
                vec![allow("999999999999")],
                false,
            ),
            (
                "it had expired",
                vec![],
                vec![expired(Effect::Allow)],
                false,
            ),
            (
                "another allows it",
                vec![allow("*")],
                vec![allow("012345678901")],
                false,
            ),
            (
                "it was put back",
                vec![allow("012345678901")],
                vec![allow("012345678901")],
                false,
            ),
            (
                "it is denied anyhow",
                vec![deny("*")],
                vec![allow("012345678901")],
                false,
            ),
            (
                "the deny is gone",
                vec![allow("*")],
                vec![deny("012345678901")],
                true,
            ),
            (
                "the deny had expired",
                vec![allow("*")],
                vec![expired(Effect::Deny)],
                false,
            ),
            ("nothing was deleted", vec![], vec![], false),
        ];
        let connection = connection(ConnectionState::Available);
        for (name, entries, purged, expected) in table {
            let policy = Policy {
                entries,
                ..Policy::default()
            };
            let off = Organization::Off;
            let verdict = judge(&policy, &connection, &off, Usage::default(), at(1));
            let found = cause(&purged, &policy, &connection, &off, &verdict, at(1));
            let expected = expected.then(|| purged.first().unwrap().rule());
            assert_eq!(found, expected, "{name}");
        }
    }
}
