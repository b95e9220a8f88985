//! The evidence for a finding, in texts that people can compare and copy.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// If there are more pieces than this, the first are named, and all of them by one hash, because
/// items and messages are limited in size.
const NAMED: usize = 20;
/// A piece is shown up to this many characters, and named by its hash beyond.
const LONGEST: usize = 200;

/// The evidence for one finding: never empty, bounded, and the same for the same pieces in any
/// order. An acknowledgement names all of it, so that it covers no piece that nobody knew of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Evidence(BTreeSet<String>);

impl Evidence {
    #[must_use]
    pub fn of(pieces: impl IntoIterator<Item = String>) -> Self {
        let all: BTreeSet<String> = pieces
            .into_iter()
            .map(|piece| in_one_line(&piece))
            .collect();
        if all.is_empty() {
            return Self::only("no details");
        }
        if all.len() <= NAMED {
            return Self(all);
        }
        let more = format!(
            "and {} more, SHA-256 of all {}",
            all.len() - NAMED,
            hash(all.iter())
        );
        let named = all.into_iter().take(NAMED);
        Self(named.chain([more]).collect())
    }

    /// One piece, if there is nothing more to say.
    #[must_use]
    pub fn only(piece: &str) -> Self {
        Self(BTreeSet::from([in_one_line(piece)]))
    }

    /// Its pieces, as they are announced and acknowledged.
    #[must_use]
    pub fn pieces(&self) -> &BTreeSet<String> {
        &self.0
    }
}

/// A piece in one line, with hidden characters made visible.
fn in_one_line(piece: &str) -> String {
    let is_plain = |c: char| c == ' ' || !(c.is_control() || c.is_whitespace());
    let line = if !piece.is_empty() && piece.trim() == piece && piece.chars().all(is_plain) {
        piece.to_owned()
    } else {
        format!("{piece:?}")
    };
    if line.chars().nth(LONGEST).is_none() {
        return line;
    }
    let begin: String = line.chars().take(LONGEST).collect();
    format!("{begin}… SHA-256 {}", hash([&line]))
}

fn hash<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    }
    let hash = hash.finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pieces: &[&str]) -> Evidence {
        Evidence::of(pieces.iter().map(|piece| (*piece).to_owned()))
    }

    #[test]
    fn order_and_repetition_do_not_matter() {
        assert_eq!(of(&["b", "a", "b"]), of(&["a", "b"]));
        assert_ne!(of(&["a", "b"]), of(&["a"]));
        assert_ne!(of(&["a b"]), of(&["a", "b"]));
    }

    #[test]
    fn it_is_never_empty_and_has_no_empty_piece() {
        assert_eq!(of(&[]).pieces().len(), 1);
        let blank = of(&["", " ", "\n"]);
        let pieces: Vec<&String> = blank.pieces().iter().collect();
        assert_eq!(pieces, ["\" \"", "\"\"", "\"\\n\""]);
    }

    #[test]
    fn it_stays_small_and_differs_for_different_pieces() {
        let many: Vec<String> = (0..1000).map(|n| format!("vpce-{n:017x}")).collect();
        let all = Evidence::of(many.clone());
        assert_eq!(all.pieces().len(), NAMED + 1);
        assert!(
            all.pieces()
                .iter()
                .any(|piece| piece.starts_with("and 980 more, "))
        );
        let mut fewer = many.clone();
        fewer.remove(500);
        assert_ne!(Evidence::of(fewer.clone()), all);
        fewer.push("vpce-other".to_owned());
        assert_ne!(Evidence::of(fewer), all);

        let long = "x".repeat(1000);
        let one = of(&[&format!("{long}1")]);
        assert_ne!(one, of(&[&format!("{long}2")]));
        assert!(one.pieces().iter().all(|piece| piece.chars().count() < 300));
    }
}
