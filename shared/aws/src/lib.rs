//! The gatekeeper's five steps over the real AWS clients.
//!
//! | module | holds |
//! | --- | --- |
//! | [`gatekeeper`] | observe → decide → record → enforce, for events and for the schedule |
//! | [`announcements`] | sending the messages in the outbox |
//! | `ec2` | describing connections at EC2, and accepting or rejecting them |
//! | [`secrets`] | the Slack secret |
//! | [`subscriptions`] | approvers' e-mail subscriptions |
//! | [`tables`] | the allowlist and the requests in DynamoDB |
//! | `organizations` | an account's place in AWS Organizations |
//! | `paging` | AWS's lists, read page by page |
//! | `rules` | the EventBridge rule for AWS CloudTrail's events |
//! | [`bootstrap`], [`config`], [`clients`] | from environment variables to one shared set of SDK clients |
//! | [`clock`] | the only source of time |
//! | [`error`] | retryable and permanent errors |
//! | [`telemetry`] | logs and metrics |
//!
//! No SDK type leaves this crate except the clients, which a `main.rs` makes and passes in.

pub mod announcements;
pub mod bootstrap;
pub mod clients;
pub mod clock;
pub mod config;
mod ec2;
pub mod error;
pub mod gatekeeper;
pub mod operator;
mod organizations;
mod paging;
mod rules;
pub mod secrets;
pub mod subscriptions;
pub mod tables;
pub mod telemetry;
