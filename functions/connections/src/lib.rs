//! The function `connections`: from any event about a connection to a settled request.
//!
//! [`decode`] finds out where an event says to look, [`handler`] has the gatekeeper look there and
//! answers which records are to come again.

pub mod decode;
pub mod handler;
