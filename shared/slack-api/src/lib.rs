//! Slack as this product needs it: whether a request is Slack's, what somebody pressed, and the few
//! calls that we make.
//!
//! | module | does |
//! | --- | --- |
//! | [`signature`] | tells requests of Slack's from other people's |
//! | [`interaction`] | what somebody pressed or filled in, from the body of such a request |
//! | [`text`] | text in Slack's markup, escaped in this one place |
//! | [`blocks`] | messages and modals in Block Kit, within Slack's limits whatever the text |
//! | [`prompt`] | what the buttons of a prompt are called, and which review they are about |
//! | [`client`] | the Web API's methods, and what a failure means |
//! | [`ids`], [`secret`], [`address`] | ids, secrets and addresses as types |
//!
//! Facts about Slack are from its reference at `https://docs.slack.dev`; a comment names the page.

pub mod address;
pub mod blocks;
pub mod client;
mod form;
pub mod ids;
pub mod interaction;
pub mod prompt;
pub mod secret;
pub mod signature;
pub mod tenants;
pub mod text;
