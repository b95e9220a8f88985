//! The waiting times of undecided connections.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

/// The connections that are neither decided nor in review, by age.
#[derive(Debug, Default)]
pub(super) struct Undecided {
    oldest: Option<Timestamp>,
    /// Those without a creation date from EC2. The time at which they were first seen is remembered
    /// from run to run.
    undated: BTreeSet<String>,
}

impl Undecided {
    /// Counts a connection that was seen at a time. A creation date after that time is treated as
    /// if there were none.
    pub(super) fn note(&mut self, name: &str, created_at: Option<Timestamp>, seen_at: Timestamp) {
        match created_at.filter(|created_at| *created_at <= seen_at) {
            Some(created_at) => self.note_since(created_at),
            None => {
                self.undated.insert(name.to_owned());
            }
        }
    }

    /// Those without a date.
    pub(super) fn undated(&self) -> &BTreeSet<String> {
        &self.undated
    }

    /// Since when the oldest has waited. One without a date has waited since it was first seen.
    pub(super) fn oldest(&self, first_seen: &BTreeMap<String, Timestamp>) -> Option<Timestamp> {
        let undated = self.undated.iter().filter_map(|name| first_seen.get(name));
        undated.copied().chain(self.oldest).min()
    }

    fn note_since(&mut self, since: Timestamp) {
        self.oldest = Some(self.oldest.map_or(since, |known| known.min(since)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn the_oldest_is_found_by_creation_date_or_first_seen_date() {
        let first_seen = BTreeMap::from([("b".to_owned(), at(5)), ("other".to_owned(), at(0))]);
        let oldest = |seen: &[(&str, Option<i64>)]| {
            let mut undecided = Undecided::default();
            for (name, created_at) in seen {
                undecided.note(name, created_at.map(at), at(100));
            }
            undecided.oldest(&first_seen)
        };
        for (seen, expected) in [
            (&[][..], None),
            (&[("a", Some(10))], Some(at(10))),
            (&[("a", Some(10)), ("c", Some(7))], Some(at(7))),
            (&[("a", Some(10)), ("b", None)], Some(at(5))),
            (&[("a", Some(1)), ("b", None)], Some(at(1))),
            // It is not remembered yet.
            (&[("new", None)], None),
            // A date in the future gives no age.
            (&[("b", Some(101))], Some(at(5))),
        ] {
            assert_eq!(oldest(seen), expected, "{seen:?}");
        }
    }
}
