//! Moments and messages as people read them.

use jiff::Timestamp;

/// A piece of a text: a link, or what stands between links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Plain(String),
    /// An address with the scheme `http` or `https`, and no other.
    Link(String),
}

/// Finds the links in a text, as mail programs do.
pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let link = link_in(word);
        match word.split_once(link).filter(|_| !link.is_empty()) {
            Some((before, after)) => {
                plain.push_str(before);
                if !plain.is_empty() {
                    pieces.push(Piece::Plain(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Link(link.to_owned()));
                plain.push_str(after);
            }
            None => plain.push_str(word),
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Plain(plain));
    }
    pieces
}

/// The link in a word, without the punctuation around it; empty if there is none.
fn link_in(word: &str) -> &str {
    let word = word.trim_start_matches(['(', '<', '"', '\'']);
    let word = word.trim_end_matches(|c: char| c.is_whitespace() || "()<>\"'.,;:!?".contains(c));
    let rest = word
        .strip_prefix("https://")
        .or_else(|| word.strip_prefix("http://"));
    if rest.is_some_and(|rest| !rest.is_empty()) {
        word
    } else {
        ""
    }
}

/// How long ago, or in how long. The script words it the same.
pub(super) fn ago(moment: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(moment).as_secs();
    let (length, unit) = match seconds.unsigned_abs() {
        0..5 => return "just now".to_owned(),
        s @ 5..60 => (s, "s"),
        s @ 60..3600 => (s / 60, "min"),
        s @ 3600..86_400 => (s / 3600, "h"),
        s => (s / 86_400, "d"),
    };
    if seconds < 0 {
        format!("in {length} {unit}")
    } else {
        format!("{length} {unit} ago")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(text: &str) -> Vec<String> {
        pieces(text)
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Link(link) => Some(link),
                Piece::Plain(_) => None,
            })
            .collect()
    }

    #[test]
    fn links_are_found_without_the_punctuation_around_them() {
        let text = "Decide here: http://127.0.0.1:8700/approvals/x-Y_9, or\n(https://example.com/a?b=1#c).\n";
        assert_eq!(
            links(text),
            [
                "http://127.0.0.1:8700/approvals/x-Y_9",
                "https://example.com/a?b=1#c"
            ]
        );
        for none in [
            "",
            "http://",
            "javascript:alert(1)",
            "data:text/html,x",
            "HTTP://EXAMPLE.COM",
            "xhttp://example.com",
        ] {
            assert!(links(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn nothing_of_a_text_is_lost() {
        for text in [
            "",
            "  two  spaces\r\n\tand a tab ",
            "http://a http://b\n",
            "(http://a)(http://a)",
            "<https://example.com/>, again: https://example.com/.",
            "é http://é.example/ü …",
        ] {
            let whole: String = pieces(text)
                .into_iter()
                .map(|piece| match piece {
                    Piece::Link(text) | Piece::Plain(text) => text,
                })
                .collect();
            assert_eq!(whole, text);
        }
    }

    #[test]
    fn moments_are_told_by_their_distance() {
        let now: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        for (moment, expected) in [
            ("2026-11-20T12:00:00Z", "just now"),
            ("2026-11-20T11:59:55Z", "5 s ago"),
            ("2026-11-20T11:58:01Z", "1 min ago"),
            ("2026-11-20T09:00:00Z", "3 h ago"),
            ("2026-11-17T12:00:00Z", "3 d ago"),
            ("2026-11-20T12:00:30Z", "in 30 s"),
            ("2026-11-21T12:00:00Z", "in 1 d"),
        ] {
            assert_eq!(ago(moment.parse().unwrap(), now), expected);
        }
    }
}
