//! The state of a service's connections that Gatekeeper does not decide: how many Transit Gateway
//! attachments were announced, and since when connections without a date have been seen.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attachment::Tally;
use crate::evidence::Evidence;

/// For this many without a date it is remembered since when they have been seen, because an item's
/// size is limited.
const MOST_REMEMBERED: usize = 1000;

/// The state of one service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LeftAlone {
    /// How many attachments there were last; `None` if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attachments: Option<Tally>,
    /// The names without a date, and since when each has been seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    first_seen: BTreeMap<String, Timestamp>,
}

/// A look's result about connections that are not decided.
#[derive(Debug, Clone)]
pub struct Found {
    pub attachments: Tally,
    /// The evidence that names them.
    pub evidence: Evidence,
    /// The names without a date.
    pub undated: BTreeSet<String>,
    /// Whether the whole service was looked at: then a connection that was not found does not
    /// exist.
    pub is_all: bool,
}

/// An announcement to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// There are attachments, or more that wait or are connected than were announced.
    More(Tally),
    /// No attachment is left.
    Over,
}

impl LeftAlone {
    /// Notes the result of a look.
    pub fn note(&mut self, found: &Found, now: Timestamp) -> Option<News> {
        if found.is_all {
            self.first_seen
                .retain(|name, _| found.undated.contains(name));
        }
        for name in &found.undated {
            if self.first_seen.len() < MOST_REMEMBERED {
                self.first_seen.entry(name.clone()).or_insert(now);
            }
        }
        let announced = self.attachments;
        let tally = match announced {
            Some(announced) if !found.is_all => found.attachments.at_least(announced),
            _ => found.attachments,
        };
        self.attachments = Some(tally).filter(|tally| tally.listed() > 0);
        match (announced, self.attachments) {
            (None, Some(tally)) => Some(News::More(tally)),
            (Some(announced), Some(tally)) if tally.is_more_than(announced) => {
                Some(News::More(tally))
            }
            (Some(_), None) => Some(News::Over),
            _ => None,
        }
    }

    /// How many attachments there were last; `None` if there were none.
    #[must_use]
    pub fn attachments(&self) -> Option<Tally> {
        self.attachments
    }

    /// The names without a date, and since when each has been seen.
    #[must_use]
    pub fn first_seen(&self) -> &BTreeMap<String, Timestamp> {
        &self.first_seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::at;

    fn tally(waiting: u32, connected: u32, rejected: u32) -> Tally {
        Tally {
            waiting,
            connected,
            rejected,
        }
    }

    #[test]
    fn the_first_more_and_the_end_are_announced() {
        let mut left = LeftAlone::default();
        let steps = [
            ((0, 0, 0), true, None),
            ((1, 0, 0), true, Some(News::More(tally(1, 0, 0)))),
            ((1, 0, 0), true, None),
            // Accepted by hand.
            ((0, 1, 0), true, Some(News::More(tally(0, 1, 0)))),
            // A part of the service shows only a minimum.
            ((0, 0, 0), false, None),
            ((2, 0, 0), false, Some(News::More(tally(2, 1, 0)))),
            ((1, 1, 0), true, None),
            ((2, 1, 0), true, Some(News::More(tally(2, 1, 0)))),
            ((0, 0, 3), true, None),
            ((0, 0, 0), true, Some(News::Over)),
            ((0, 0, 0), true, None),
            // An attachment that was rejected before any announcement is announced.
            ((0, 0, 1), false, Some(News::More(tally(0, 0, 1)))),
        ];
        for (step, ((waiting, connected, rejected), is_all, expected)) in
            steps.into_iter().enumerate()
        {
            let found = Found {
                attachments: tally(waiting, connected, rejected),
                evidence: Evidence::of([]),
                undated: BTreeSet::new(),
                is_all,
            };
            assert_eq!(left.note(&found, at(0)), expected, "step {step}");
        }
    }

    #[test]
    fn it_is_remembered_when_a_connection_without_a_date_was_first_seen() {
        let mut left = LeftAlone::default();
        let mut note = |names: &[&str], is_all, now| {
            let found = Found {
                attachments: Tally::default(),
                evidence: Evidence::of([]),
                undated: names.iter().map(|name| (*name).to_owned()).collect(),
                is_all,
            };
            assert_eq!(left.note(&found, at(now)), None);
            let seen = left.first_seen().iter();
            seen.map(|(name, since)| format!("{name} {}", since.duration_since(at(0)).as_secs()))
                .collect::<Vec<_>>()
        };
        assert_eq!(note(&["a", "b"], true, 1), ["a 1", "b 1"]);
        assert_eq!(note(&["a", "c"], false, 2), ["a 1", "b 1", "c 2"]);
        assert_eq!(note(&["a"], true, 3), ["a 1"]);
        assert_eq!(note(&[], true, 4), Vec::<String>::new());
        assert_eq!(note(&["a"], true, 5), ["a 5"]);
        let many: Vec<String> = (0..2000).map(|n| format!("{n:04}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(note(&many, true, 6).len(), MOST_REMEMBERED);
    }
}
