//! Errors about records, in one sentence that is short for any record.

use serde_json::Value;

/// How many characters of a record an error shows.
const SHOWN: usize = 80;

/// Why a record cannot be read. A retry does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is empty.
    #[error("the body is empty")]
    Empty,
    /// Text that is no event and mentions none.
    #[error("the body is not JSON and names neither an endpoint nor a service ({reason}): {shown}")]
    NotJson {
        /// The JSON parser's message.
        reason: String,
        /// How the body begins.
        shown: String,
    },
    /// JSON of an unknown shape that names neither an endpoint nor a service.
    #[error("the JSON is none of the events that are understood here: {shown}")]
    NotAnEvent {
        /// How the JSON begins.
        shown: String,
    },
    /// Events inside events inside events.
    #[error("events lie inside one another more than {most} deep")]
    TooDeep {
        /// The maximum depth.
        most: usize,
    },
    /// A known event with an invalid field.
    #[error("in {event}, `{field}` {problem}")]
    Field {
        /// The event, with its article.
        event: &'static str,
        /// The path of the field in the event.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl Malformed {
    pub(super) fn not_json(text: &str, error: &serde_json::Error) -> Self {
        if text.trim().is_empty() {
            return Self::Empty;
        }
        Self::NotJson {
            reason: error.to_string(),
            shown: shortened(text),
        }
    }

    pub(super) fn not_an_event(value: &Value) -> Self {
        Self::NotAnEvent {
            shown: shortened(&value.to_string()),
        }
    }

    pub(super) fn field(
        event: &'static str,
        field: &'static str,
        problem: impl Into<String>,
    ) -> Self {
        Self::Field {
            event,
            field,
            problem: problem.into(),
        }
    }
}

/// The beginning of a text from outside, fit for one line of a log or a terminal.
fn shortened(text: &str) -> String {
    printable(text, SHOWN)
}

/// At most `most` characters of a text from outside. Characters that do not print (line ends,
/// terminal sequences, direction marks) are escaped, so that the text cannot forge a line.
pub(super) fn printable(text: &str, most: usize) -> String {
    let mut shown = String::new();
    let mut rest = text.chars();
    for c in rest.by_ref().take(most) {
        match c {
            // `escape_debug` would escape these too, which makes JSON hard to read.
            '"' | '\'' | '\\' => shown.push(c),
            other => shown.extend(other.escape_debug()),
        }
    }
    if rest.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_content_is_short_printable_and_cut_between_characters() {
        assert_eq!(shortened(r#"{"a":"b\n"}"#), r#"{"a":"b\n"}"#);
        assert_eq!(
            shortened("a\nb\u{1b}[31m\u{202e}"),
            r"a\nb\u{1b}[31m\u{202e}"
        );
        let cut = shortened(&"é".repeat(100_000));
        assert_eq!(cut, format!("{}…", "é".repeat(80)));
        assert_eq!(shortened(&"é".repeat(80)), "é".repeat(80));
    }

    #[test]
    fn an_error_does_not_grow_with_its_record() {
        let text = "\u{0}".repeat(256 * 1024);
        let error = serde_json::from_str::<Value>(&text).unwrap_err();
        assert!(Malformed::not_json(&text, &error).to_string().len() < 800);
        let value = Value::String(text);
        assert!(Malformed::not_an_event(&value).to_string().len() < 800);
    }
}
