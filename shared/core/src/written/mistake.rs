//! What is wrong with an item, attribute by attribute.

use std::fmt;

/// What is wrong with one attribute, and what to write instead. The reader of the item adds the item's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    pub attribute: String,
    /// Which element of its list is wrong, counted from 0; `None` if it is the attribute.
    pub element: Option<usize>,
    pub problem: Problem,
    /// What to write instead.
    pub advice: String,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// There is no attribute of this name.
    Unknown {
        /// What the known ones are, such as `an attribute of an entry`.
        of: &'static str,
    },
    Missing,
    /// The value, as it is shown.
    Value(String),
    /// The value does not go with another attribute's: the rest of a sentence that begins with the attribute.
    Conflict(String),
}

impl Mistake {
    pub(crate) fn missing(attribute: &str, expected: &str) -> Self {
        Self {
            attribute: attribute.to_owned(),
            element: None,
            problem: Problem::Missing,
            advice: format!("write {expected}"),
        }
    }

    pub(crate) fn conflict(attribute: &str, stands: &str, advice: &str) -> Self {
        Self {
            attribute: attribute.to_owned(),
            element: None,
            problem: Problem::Conflict(stands.to_owned()),
            advice: advice.to_owned(),
        }
    }

    pub(crate) fn value(attribute: &str, shown: &str, advice: &str) -> Self {
        Self {
            attribute: attribute.to_owned(),
            element: None,
            problem: Problem::Value(shown.to_owned()),
            advice: advice.to_owned(),
        }
    }

    /// The first part of the sentence: where something is wrong, and what stands there.
    #[must_use]
    pub fn stands(&self) -> String {
        let attribute = &self.attribute;
        match (&self.problem, self.element) {
            (Problem::Unknown { of }, _) => format!("{attribute} is not {of}"),
            (Problem::Missing, _) => format!("{attribute} is missing"),
            (Problem::Value(shown), None) => format!("{attribute} is {shown}"),
            (Problem::Value(shown), Some(_)) => format!("{attribute} has {shown}"),
            (Problem::Conflict(stands), _) => format!("{attribute} {stands}"),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.stands(), self.advice)
    }
}

/// All mistakes of an item, one after the other.
#[must_use]
pub fn all(mistakes: &[Mistake]) -> String {
    let mut said = String::new();
    for mistake in mistakes {
        if !said.is_empty() {
            said.push_str(if said.ends_with('?') { " " } else { ". " });
        }
        said.push_str(&mistake.to_string());
    }
    said
}

/// What is wrong with a value, before anybody says whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    pub(super) element: Option<usize>,
    pub(super) shown: String,
    pub(super) advice: String,
}

impl Misfit {
    /// What stands there, and what to write instead.
    pub fn new(shown: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            element: None,
            shown: shown.into(),
            advice: advice.into(),
        }
    }

    /// Of one element of a list.
    #[must_use]
    pub fn in_element(self, element: usize) -> Self {
        Self {
            element: Some(element),
            ..self
        }
    }

    pub(crate) fn advice(&self) -> &str {
        &self.advice
    }

    #[must_use]
    pub fn of(self, attribute: &str) -> Mistake {
        Mistake {
            attribute: attribute.to_owned(),
            element: self.element,
            problem: Problem::Value(self.shown),
            advice: self.advice,
        }
    }
}
