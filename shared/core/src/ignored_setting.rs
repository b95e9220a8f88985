//! Settings that decide nothing and stand in an item as what they cannot be.
//!
//! The item holds without such a setting: what people call a service, and where its reviews are shown, must
//! not keep anybody waiting. Of an attribute that nobody knows that cannot be said; it might be a condition.

use std::fmt;

use crate::scope::Scope;
use crate::written::Mistake;

/// A setting that decides nothing and makes no sense. It counts as if it were not there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IgnoredSetting {
    /// Whose settings it stands among.
    pub scope: Scope,
    /// The attribute's name.
    pub attribute: &'static str,
    mistake: Mistake,
}

impl IgnoredSetting {
    pub(crate) fn new(scope: Scope, attribute: &'static str, mistake: Mistake) -> Self {
        Self {
            scope,
            attribute,
            mistake,
        }
    }
}

impl fmt::Display for IgnoredSetting {
    /// What is wrong where, what follows and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instead = match self.scope {
            Scope::Service(_) => "that of * holds in its place, or none",
            Scope::Every => "services without one of their own have none",
        };
        write!(
            f,
            "{} / settings: {}, and is left out ({instead}); {}, or take the attribute out",
            self.scope,
            self.mistake.stands(),
            self.mistake.advice
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_what_stands_there_what_follows_and_what_to_write() {
        let announced = |scope: &str| {
            let scope = scope.parse().unwrap();
            let mistake = Mistake::value("name", "the number 5", "write the service's name");
            IgnoredSetting::new(scope, "name", mistake).to_string()
        };
        assert_eq!(
            announced("*"),
            "* / settings: name is the number 5, and is left out (services without one of their own have none); \
             write the service's name, or take the attribute out"
        );
        let own = announced("vpce-svc-0a1b2c3d4e5f60718");
        assert!(own.contains("that of * holds in its place"), "{own}");
    }
}
