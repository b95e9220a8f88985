//! Settings that decide nothing and stand in an item as what they cannot be.
//!
//! The item holds without such a setting: what people call a service, and where its reviews are shown, must
//! not keep anybody waiting. Of an attribute that nobody knows that cannot be said; it might be a condition.

use std::fmt;

use crate::scope::Scope;

/// So much of what stands there is shown, in characters.
const SHOWN: usize = 80;

/// A setting that decides nothing and makes no sense. It counts as if it were not there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IgnoredSetting {
    /// Whose settings it stands among.
    pub scope: Scope,
    /// The attribute's name.
    pub attribute: &'static str,
    written: String,
    expected: &'static str,
}

impl IgnoredSetting {
    /// Notes what stands there, as it is to be shown, and what should.
    #[must_use]
    pub fn new(
        scope: Scope,
        attribute: &'static str,
        written: &str,
        expected: &'static str,
    ) -> Self {
        let mut shown: String = written.chars().take(SHOWN).collect();
        if written.chars().nth(SHOWN).is_some() {
            shown.push('…');
        }
        Self {
            scope,
            attribute,
            written: shown,
            expected,
        }
    }
}

impl fmt::Display for IgnoredSetting {
    /// What is wrong where, what follows and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scope,
            attribute,
            written,
            expected,
        } = self;
        let instead = match scope {
            Scope::Service(_) => "that of * holds in its place, or none",
            Scope::Every => "services without one of their own have none",
        };
        write!(
            f,
            "{attribute} of {scope} / settings is {written}, and is left out ({instead}): write {expected}, or \
             take the attribute out"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ServiceName;

    #[test]
    fn it_is_told_where_it_stands_what_stands_there_and_what_to_write() {
        let announced = |scope: &str| {
            let scope = scope.parse().unwrap();
            let expected = ServiceName::EXPECTED;
            IgnoredSetting::new(scope, "name", "the number 5", expected).to_string()
        };
        assert_eq!(
            announced("*"),
            "name of * / settings is the number 5, and is left out (services without one of their own have none): \
             write a service's name: 1 to 80 characters in one line, or take the attribute out"
        );
        let own = announced("vpce-svc-0a1b2c3d4e5f60718");
        assert!(own.contains("that of * holds in its place"), "{own}");
    }

    #[test]
    fn it_stays_short_whatever_stands_there() {
        let long = "ü".repeat(100_000);
        let ignored = IgnoredSetting::new(Scope::Every, "name", &long, "a name");
        assert!(ignored.to_string().chars().count() < 300);
    }
}
