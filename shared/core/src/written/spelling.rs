//! Names that are misspelt.

use super::mistake::{Mistake, Problem};

/// An attribute that nobody knows, and which of the known ones was meant.
#[must_use]
pub fn unknown(attribute: &str, of: &'static str, known: &[&str]) -> Mistake {
    let advice = match nearest(attribute, known) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("take it out, or write one of {}", known.join(", ")),
    };
    Mistake {
        attribute: super::value::name(attribute),
        element: None,
        problem: Problem::Unknown { of },
        advice,
    }
}

/// The name that was meant, if one is near.
pub(super) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |name: &str| -> String {
        let letters = name.chars().filter(char::is_ascii_alphanumeric);
        letters.map(|c| c.to_ascii_lowercase()).collect()
    };
    let meant = plain(written);
    let alike = |name: &&str| {
        let name = plain(name);
        let longer = name.len().max(meant.len());
        // Part of a name, such as expires or accounts, or a name with one letter wrong in three.
        let is_part = meant.len() >= 4 && (name.contains(&meant) || meant.contains(&name));
        is_part || distance(&meant, &name) * 3 <= longer
    };
    known
        .iter()
        .copied()
        .filter(alike)
        .min_by_key(|name| distance(&meant, &plain(name)))
}

/// How many letters are wrong, left out, too many or exchanged.
pub(super) fn distance(one: &str, other: &str) -> usize {
    strsim::osa_distance(one, other)
}
