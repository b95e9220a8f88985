//! What is skipped where something is not installed.

use std::io::{self, Write as _};
use std::sync::Once;

use gatekeeper_aws::bootstrap::environment;

/// Why something cannot be tested here.
#[derive(Debug)]
pub(crate) struct Missing(pub(crate) String);

/// Tests that not every machine can run.
pub(crate) struct Optional {
    tests: &'static str,
    /// The variable that is 1 where they must run.
    required_by: &'static str,
    said: Once,
}

impl Optional {
    pub(crate) const fn new(tests: &'static str, required_by: &'static str) -> Self {
        Self {
            tests,
            required_by,
            said: Once::new(),
        }
    }

    /// Says once that they are skipped; fails where they must run.
    pub(crate) fn skip(&self, Missing(why): &Missing) {
        let Self {
            tests, required_by, ..
        } = self;
        let required = environment(required_by).is_some_and(|value| value == "1");
        assert!(!required, "{required_by}=1, but {why}");
        // Standard error itself: the test harness hides what a passing test prints by macro.
        self.said.call_once(|| {
            let _ = writeln!(io::stderr(), "SKIPPED: {tests}: {why}");
        });
    }
}
