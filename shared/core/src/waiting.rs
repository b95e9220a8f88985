//! The reviews that wait for people, with known and unknown accounts apart: a stranger's review
//! that people leave alone must not hide a customer's that they forgot.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::connection::{Connection, Phase};
use crate::ids::AccountId;
use crate::names;
use crate::policy::Principal;
use crate::request::{Request, Status};

/// Whose reviews they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whose {
    /// A known account: an allowlist entry names it, or one of its endpoints is connected.
    Known,
    /// Any other.
    Unknown,
}

impl Whose {
    pub const ALL: [Self; 2] = [Self::Known, Self::Unknown];
}

names!(Whose {
    Known = "known",
    Unknown = "unknown",
});

/// The open reviews that were seen, and the accounts that are known.
#[derive(Debug, Clone, Default)]
pub struct Reviews {
    by_account: BTreeMap<AccountId, OfAccount>,
    known: BTreeSet<AccountId>,
}

#[derive(Debug, Clone, Default)]
struct OfAccount {
    oldest: Option<Timestamp>,
    undecidable: usize,
}

impl Reviews {
    /// Notes a connection from EC2's list, and its request if it has one.
    pub fn note(&mut self, connection: &Connection, request: Option<&Request>) {
        let is_connected = connection.state.phase() == Phase::Connected;
        if is_connected || request.is_some_and(is_named) {
            self.known.insert(connection.owner.clone());
        }
        let Some(request) = request.filter(|request| request.status == Status::InReview) else {
            return;
        };
        let reviews = self.by_account.entry(connection.owner.clone()).or_default();
        reviews.undecidable += usize::from(request.is_out_of_reach());
        if connection.state.phase() == Phase::Waiting {
            let since = request.status_since;
            let oldest = reviews.oldest.map_or(since, |oldest| oldest.min(since));
            reviews.oldest = Some(oldest);
        }
    }

    /// Adds another service's: a customer of one service is known to the others, too.
    pub fn add(&mut self, others: &Self) {
        self.known.extend(others.known.iter().cloned());
        for (account, others) in &others.by_account {
            let reviews = self.by_account.entry(account.clone()).or_default();
            reviews.undecidable += others.undecidable;
            reviews.oldest = reviews.oldest.into_iter().chain(others.oldest).min();
        }
    }

    /// Since when the oldest has waited.
    #[must_use]
    pub fn oldest(&self, whose: Whose) -> Option<Timestamp> {
        self.of(whose).filter_map(|reviews| reviews.oldest).min()
    }

    /// How many need more approvers than may decide them.
    #[must_use]
    pub fn undecidable(&self, whose: Whose) -> usize {
        self.of(whose).map(|reviews| reviews.undecidable).sum()
    }

    fn of(&self, whose: Whose) -> impl Iterator<Item = &OfAccount> {
        let all = self.by_account.iter();
        all.filter_map(move |(account, reviews)| {
            let is_known = self.known.contains(account);
            (is_known == (whose == Whose::Known)).then_some(reviews)
        })
    }
}

/// Whether an allowlist entry names the account, its endpoint or its place in an organization,
/// whatever else it says. An entry for everybody names nobody.
fn is_named(request: &Request) -> bool {
    let rule = request.verdict.rule.as_ref();
    request.customer.is_some() || rule.is_some_and(|rule| rule.principal != Principal::Anyone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::ConnectionState;
    use crate::fixtures;
    use crate::fixtures::at;
    use crate::policy::{Effect, Rule};

    fn asking(account: &str) -> Connection {
        Connection {
            owner: account.parse().unwrap(),
            ..fixtures::connection(ConnectionState::PendingAcceptance)
        }
    }

    fn review(principal: Option<&str>, since: i64) -> Request {
        let mut request = fixtures::request(Status::InReview);
        request.status_since = at(since);
        request.verdict.rule = principal.map(|principal| Rule {
            service_id: "*".parse().unwrap(),
            principal: principal.parse().unwrap(),
            effect: Effect::Allow,
        });
        request
    }

    fn oldest(reviews: &Reviews) -> [Option<Timestamp>; 2] {
        Whose::ALL.map(|whose| reviews.oldest(whose))
    }

    #[test]
    fn an_account_is_known_by_an_entry_of_its_own_and_not_by_one_for_everybody() {
        for (principal, is_known) in [
            (None, false),
            (Some("*"), false),
            (Some("000000000001"), true),
            (Some("vpce-0123456789abcdef0"), true),
            (Some("o-1/r-ab12/*"), true),
        ] {
            let mut reviews = Reviews::default();
            reviews.note(&asking("000000000001"), Some(&review(principal, 5)));
            let since = Some(at(5));
            let expected = if is_known {
                [since, None]
            } else {
                [None, since]
            };
            assert_eq!(oldest(&reviews), expected, "{principal:?}");
        }
        let mut named = review(None, 5);
        named.customer = Some("Example GmbH".to_owned());
        let mut reviews = Reviews::default();
        reviews.note(&asking("000000000001"), Some(&named));
        assert_eq!(oldest(&reviews), [Some(at(5)), None]);
    }

    #[test]
    fn a_connected_account_is_known_in_any_order() {
        let connected = Connection {
            state: ConnectionState::Available,
            ..asking("000000000001")
        };
        let (mut one, mut other) = (Reviews::default(), Reviews::default());
        one.note(&asking("000000000001"), Some(&review(None, 7)));
        one.note(&asking("000000000002"), Some(&review(None, 3)));
        one.note(&asking("000000000002"), Some(&review(None, 4)));
        assert_eq!(oldest(&one), [None, Some(at(3))]);
        other.note(&connected, None);
        for (first, second) in [(&one, &other), (&other, &one)] {
            let mut both = first.clone();
            both.add(second);
            assert_eq!(oldest(&both), [Some(at(7)), Some(at(3))]);
        }
    }

    #[test]
    fn reviews_that_too_few_may_decide_are_counted_apart_likewise() {
        let mut reviews = Reviews::default();
        for (account, principal) in [
            ("000000000001", Some("000000000001")),
            ("000000000002", None),
            ("000000000002", None),
        ] {
            let mut review = review(principal, 0);
            review.out_of_reach_since = Some(at(0));
            (review.deciders, review.approvals_required) = (0, 1);
            reviews.note(&asking(account), Some(&review));
        }
        assert_eq!(Whose::ALL.map(|whose| reviews.undecidable(whose)), [1, 2]);
    }
}
