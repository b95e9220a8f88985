//! The function `policy-changes`: an edit of the allowlist acts at once on the connections it concerns.
//!
//! | module | does |
//! | --- | --- |
//! | [`decode`] | finds out what each record of the table's stream says was edited, and whom that concerns |
//! | [`batch`] | puts together what is to be looked at, each subject once, and who answers for it |
//! | [`handler`] | has the gatekeeper look there and answers which records are to come again |
//!
//! Images only say where to look. What holds is what the table says when the gatekeeper reads it, so
//! records that come twice, late, or out of order do no harm.

pub mod batch;
pub mod decode;
pub mod handler;
mod malformed;
