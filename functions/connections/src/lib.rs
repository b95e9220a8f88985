//! The function `connections` turns events about connections into settled requests.
//!
//! [`decode`] finds out where an event says to look; [`handler`] runs the gatekeeper for that and
//! answers which records are to be delivered again.

pub mod decode;
pub mod handler;
