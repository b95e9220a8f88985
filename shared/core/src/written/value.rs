//! Values, in whichever form they were written.

use std::collections::BTreeMap;

use crate::visible::marked;

/// The attributes of one item, by name.
pub type Attributes = BTreeMap<String, Value>;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    /// As it is written, in decimal.
    Number(String),
    Bool(bool),
    /// A number, or true or false, that a file holds without quotation marks: it is a text where a text is
    /// expected, so that nobody has to quote a ticket's number.
    Plain(String),
    Null,
    /// A list or a set.
    List(Vec<Value>),
    Map,
    /// Something else, in words.
    Other(&'static str),
}

impl Value {
    /// The text, where a text is expected.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Plain(text) => Some(text),
            _ => None,
        }
    }

    /// As a message shows it.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Text(text) if text.is_empty() => "an empty text".to_owned(),
            Self::Text(text) => format!("the text {}", quoted(text)),
            Self::Number(number) => format!("the number {}", short(number)),
            Self::Bool(value) => value.to_string(),
            Self::Plain(plain) => short(plain),
            Self::Null => "null".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Map => "a map".to_owned(),
            Self::Other(what) => (*what).to_owned(),
        }
    }

    /// As a message shows it where a text is expected: that it is one need not be said.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Text(text) if !text.is_empty() => quoted(text),
            Self::Plain(text) => quoted(text),
            _ => self.in_words(),
        }
    }
}

/// A text in quotation marks, with what nobody could see made visible.
pub(super) fn quoted(text: &str) -> String {
    marked(&format!("{:?}", short(text)))
}

/// A text may be as long as an item: a message must not grow with it.
fn short(text: &str) -> String {
    const SHOWN: usize = 80;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// An attribute's name as a message shows it: in quotation marks if it could be mistaken for something else.
pub(super) fn name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.len() <= 80 && name.chars().all(is_plain) {
        name.to_owned()
    } else {
        quoted(name)
    }
}
