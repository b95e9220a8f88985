//! The function `announcements` sends the messages that decisions put into the outbox.
//!
//! | module | does |
//! | --- | --- |
//! | [`decode`] | finds out which items the records of the table's stream are about |
//! | [`handler`] | sends them, or on the schedule the due ones, and answers which records are to be delivered again |
//!
//! A record only says where to look. Only items that are still there are sent, so records that come
//! twice, late, or out of order do no harm.

pub mod decode;
pub mod handler;
