//! The function `announcements`: sends what decisions left in the outbox.
//!
//! | module | does |
//! | --- | --- |
//! | [`decode`] | finds out which items the records of the table's stream are about |
//! | [`handler`] | has them sent, or on the schedule what is due, and answers which records are to come again |
//!
//! A record only says where to look. What is sent is what still lies there, so records that come twice,
//! late, or out of order do no harm.

pub mod decode;
pub mod handler;
