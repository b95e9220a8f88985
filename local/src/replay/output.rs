//! Lines on the terminal.

use std::io::Write as _;

use gatekeeper_core::visible::visible;

/// Prints a line. It is no failure if the reader has gone.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Text for people, with a mark for what does not show. What programs read keeps the true text.
pub(super) fn shown(text: String) -> String {
    visible(&text).into_owned()
}

pub(super) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", visible(line));
}
