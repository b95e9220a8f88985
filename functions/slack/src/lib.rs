//! The function `slack`: what is announced, as people see it in Slack.
//!
//! | module | does |
//! | --- | --- |
//! | [`config`] | what the function needs to know |
//! | [`decode`] | reads announcements and alarms out of the queue's records |
//! | [`render`] | puts them into messages |
//! | `prompts` | posts each once, and keeps the messages of reviews up to date |
//! | `slack` | calls Slack: with the token, no more often than Slack lets us, and not past the deadline |
//! | [`failure`] | what kept a message from being posted |
//! | [`handler`] | an invocation in, an answer out |
//!
//! An announcement says where to look, and what is told once. What a review's message shows is what the
//! request and its history say now, so that it does not matter in which order announcements come, or how
//! often.

pub mod config;
pub mod decode;
pub mod failure;
pub mod handler;
mod prompts;
pub mod render;
mod slack;
