//! The function `slack`: what is announced, as people see it in Slack.
//!
//! | module | does |
//! | --- | --- |
//! | [`config`] | what the function needs to know |
//! | [`decode`] | reads announcements and alarms out of the queue's records |
//! | [`render`] | puts them into messages |
//! | `prompts` | posts each once, and keeps the messages of reviews up to date |
//! | `together` | posts reviews of one account in one message, and keeps it up to date |
//! | `slack` | calls Slack: with the token, no more often than Slack lets us, and not past the deadline |
//! | [`failure`] | what kept a message from being posted |
//! | [`handler`] | an invocation in, an answer out |
//!
//! An announcement only says where to look. What is shown is what the request, its history and what is known
//! of the service say now: so it does not matter in which order announcements come, or how often, and one that
//! somebody forged shows nothing that is not so, and keeps nothing that is so from being shown.

pub mod config;
pub mod decode;
pub mod failure;
pub mod handler;
mod prompts;
pub mod render;
mod slack;
mod together;

pub use prompts::HANDED_BACK;
