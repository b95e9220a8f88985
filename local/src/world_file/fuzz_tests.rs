//! Files that nobody would write: each is read, or refused with a message and a place in the file.

use gatekeeper_core::visible::visible;
use jiff::Timestamp;
use proptest::prelude::*;

use super::{BadWorld, WorldFile, read_cases, read_policy};

const GOOD: &str = r#"settings:
  - {service_id: "*", on_unlisted: reject, review_hours: 4, name: Payments API}
entries:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
    principal: 012345678901
    effect: allow
    regions: [eu-central-1, us-east-1]
    expires_at: 2027-01-01T00:00:00Z
approvers:
  - {id: alice@example.com, services: ["*"]}
"#;

/// Pieces that mean something in YAML or to the reader, and some that mean nothing anywhere.
const PIECES: [&str; 24] = [
    "\n",
    "  ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "&a ",
    "*a",
    "!!int ",
    "|\n",
    "# ",
    "---\n",
    "~",
    "\t",
    "null",
    "1e999",
    "\u{202e}",
    "\u{0}",
    "🦀",
    "entries: ",
];

/// A good file with a few pieces put in, and a few stretches taken out.
fn any_file() -> impl Strategy<Value = String> {
    let edit = (
        any::<prop::sample::Index>(),
        0usize..20,
        prop::option::of(prop::sample::select(PIECES.to_vec())),
    );
    prop::collection::vec(edit, 0..8).prop_map(|edits| {
        let mut file: Vec<char> = GOOD.chars().collect();
        for (place, length, piece) in edits {
            let at = place.index(file.len() + 1);
            match piece {
                Some(piece) => drop(file.splice(at..at, piece.chars())),
                None => drop(file.drain(at..(at + length).min(file.len()))),
            }
        }
        file.into_iter().collect()
    })
}

/// Each problem is one line, in the file.
fn holds(text: &str, problems: &[BadWorld]) {
    assert!(!problems.is_empty());
    for problem in problems {
        let said = problem.problem();
        assert!(!said.is_empty() && !said.contains('\n'), "{said:?}");
        assert!(said.chars().count() < 1_500, "{said:?}");
        assert_eq!(visible(said), said);
        if let Some(place) = problem.place() {
            let lines = u64::try_from(text.split('\n').count()).unwrap();
            assert!((1..=lines + 1).contains(&place.line), "{problem}: {text:?}");
            assert!(place.column > 0, "{problem}: {text:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_policy_file_is_read_or_refused_with_a_place(text in prop_oneof![9 => any_file(), 1 => any::<String>()]) {
        if let Err(problems) = read_policy(&text) {
            holds(&text, &problems);
        }
    }

    #[test]
    fn a_world_file_and_cases_are_read_or_refused(text in any_file()) {
        if let Err(problem) = WorldFile::parse(&text) {
            holds(&text, &[problem]);
        }
        if let Err(problems) = read_cases(&text.replace("entries", "cases"), Timestamp::UNIX_EPOCH) {
            holds(&text, &problems);
        }
    }
}

#[test]
fn the_file_that_is_mangled_is_good() {
    assert!(read_policy(GOOD).is_ok());
}
