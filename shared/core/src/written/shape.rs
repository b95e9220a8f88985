//! What an attribute can be.

use super::mistake::Misfit;
use super::value::Value;

/// An attribute of an item, as it is declared: reading, the JSON Schema and the documents follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute {
    pub name: &'static str,
    pub shape: Shape,
    /// As the documents have it.
    pub meaning: &'static str,
}

/// What an attribute can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Any text.
    Text,
    /// A text of a certain form, in words.
    Id(&'static str),
    /// A list or set of such texts.
    Ids(&'static str),
    /// A whole number within bounds.
    Number { least: i64, most: i64 },
    /// A moment in seconds since 1970.
    Seconds,
    /// A moment, as RFC 3339 has it.
    Time {
        /// What to do who means none.
        never: &'static str,
    },
    /// True or false.
    Flag,
    /// One of these.
    Choice(&'static [&'static str]),
}

impl Shape {
    /// The type in DynamoDB's letters, as the documents have it.
    #[must_use]
    pub fn letters(&self) -> &'static str {
        match self {
            Self::Text | Self::Id(_) | Self::Time { .. } | Self::Choice(_) => "S",
            Self::Number { .. } | Self::Seconds => "N",
            Self::Ids(_) => "SS",
            Self::Flag => "BOOL",
        }
    }

    /// What is to be written, in words.
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::Text => "a text".to_owned(),
            Self::Id(expected) => (*expected).to_owned(),
            Self::Ids(expected) => format!("a list, each element {expected}"),
            Self::Number { least, most } => format!("a whole number from {least} to {most}"),
            Self::Seconds => "a whole number of seconds since 1970".to_owned(),
            Self::Time { .. } => "a time such as \"2027-01-31T00:00:00Z\"".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Choice(names) => either(names),
        }
    }
}

/// The names of a choice: `off, report or enforce`.
fn either(names: &[&str]) -> String {
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// What stands in an attribute: read from a [`Value`] and written as one.
pub trait Typed: Sized {
    /// What it can be, if the attribute's declaration says nothing else.
    const SHAPE: Shape;

    /// # Errors
    /// [`Misfit`]: what stands there, and what to write instead.
    fn read(value: &Value, shape: &Shape) -> Result<Self, Misfit>;

    fn write(&self) -> Value;
}
