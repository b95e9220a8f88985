//! What is wrong with a world file, and where.

use std::fmt;

use gatekeeper_core::visible::in_line;

/// What is wrong with a world file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadWorld {
    place: Option<Place>,
    problem: String,
}

/// A place in a file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: u64,
    pub column: u64,
}

impl BadWorld {
    pub(super) fn new(place: Option<Place>, problem: impl Into<String>) -> Self {
        // It names what people wrote, which may hold anything.
        let problem = in_line(&problem.into()).into_owned();
        Self { place, problem }
    }

    /// Where, if that is known.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// What, without the place.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for BadWorld {
    /// As compilers put it: the line, then the problem. The file's name comes before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(f, "{}: {}", place.line, self.problem),
            None => write!(f, " {}", self.problem),
        }
    }
}

impl std::error::Error for BadWorld {}

pub(super) fn bad(place: Place, problem: impl Into<String>) -> BadWorld {
    BadWorld::new(Some(place), problem)
}
