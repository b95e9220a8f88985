//! The events of a schedule, line by line, and a hash that is the same for two runs only if the
//! same happened in both.

use std::fmt::Write as _;

use jiff::Timestamp;

#[derive(Debug, Default)]
pub(crate) struct Trace {
    text: String,
}

impl Trace {
    pub(crate) fn note(&mut self, at: Timestamp, what: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{at:.3} {what}");
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// FNV-1a.
    pub(crate) fn hash(&self) -> u64 {
        self.text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}
