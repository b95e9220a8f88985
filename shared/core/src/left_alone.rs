//! What is remembered of the connections that a service has and that are not decided: how many
//! Transit Gateway attachments people were told of, and since when what has no date was seen.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attachment::Tally;
use crate::evidence::Evidence;

/// Of so many without a date it is remembered since when they are seen: an item's size has its
/// limit.
const MOST_REMEMBERED: usize = 1000;

/// What is remembered of one service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LeftAlone {
    /// How many attachments there were last; none if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attachments: Option<Tally>,
    /// What has no date, by name, and since when it is seen.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    first_seen: BTreeMap<String, Timestamp>,
}

/// What a look at a service found that is not decided.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its attachments.
    pub attachments: Tally,
    /// Which they are.
    pub evidence: Evidence,
    /// What has no date, by name.
    pub undated: BTreeSet<String>,
    /// Whether all of the service was looked at: what was not found is then not there.
    pub is_all: bool,
}

/// What people are to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// There are attachments, or more that wait or are connected than people were told.
    More(Tally),
    /// No attachment is left.
    Over,
}

impl LeftAlone {
    /// Takes note of what was found.
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

    /// How many attachments there were last; none if there were none.
    #[must_use]
    pub fn attachments(&self) -> Option<Tally> {
        self.attachments
    }

    /// What has no date, by name, and since when it is seen.
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
    fn people_are_told_of_the_first_of_more_and_of_the_end() {
        let mut left = LeftAlone::default();
        let steps = [
            ((0, 0, 0), true, None),
            ((1, 0, 0), true, Some(News::More(tally(1, 0, 0)))),
            ((1, 0, 0), true, None),
            // Accepted by hand.
            ((0, 1, 0), true, Some(News::More(tally(0, 1, 0)))),
            // A part of the service says only what is there at least.
            ((0, 0, 0), false, None),
            ((2, 0, 0), false, Some(News::More(tally(2, 1, 0)))),
            ((1, 1, 0), true, None),
            ((2, 1, 0), true, Some(News::More(tally(2, 1, 0)))),
            ((0, 0, 3), true, None),
            ((0, 0, 0), true, Some(News::Over)),
            ((0, 0, 0), true, None),
            // What was rejected before anybody was told is there.
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
    fn it_is_remembered_when_what_has_no_date_was_first_seen() {
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
