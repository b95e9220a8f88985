//! The function `policy-changes` applies edits of the allowlist at once to the connections that
//! they concern.
//!
//! | module | does |
//! | --- | --- |
//! | [`decode`] | finds out which item each record of the table's stream edited, and whom that concerns |
//! | [`batch`] | collects the subjects, each once, and the answers for the records |
//! | [`handler`] | runs the gatekeeper for them and answers which records are to be delivered again |
//!
//! Images only say where to look. The gatekeeper decides by the table as it reads it then, so
//! records that come twice, late, or out of order do no harm.

pub mod batch;
pub mod decode;
pub mod handler;
mod malformed;
