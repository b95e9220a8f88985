//! The gatekeeper's five steps over the real AWS clients.
//!
//! | module | holds |
//! | --- | --- |
//! | [`gatekeeper`] | observe → judge → record → enforce, for events and for the schedule |
//! | [`announcements`] | sending what lies in the outbox |
//! | `ec2` | asking EC2, and making it agree |
//! | [`secrets`] | the Slack secret |
//! | [`subscriptions`] | approvers' e-mail subscriptions |
//! | [`tables`] | the allowlist and the requests in DynamoDB |
//! | `organizations` | where an account sits in AWS Organizations |
//! | `paging` | lists that AWS hands out page by page |
//! | `rules` | the EventBridge rule for AWS CloudTrail's events |
//! | [`bootstrap`], [`config`], [`clients`] | from environment variables to one shared set of SDK clients |
//! | [`clock`] | the only source of time |
//! | [`error`] | what may work when tried again, and what will not |
//! | [`telemetry`] | logs and metrics |
//!
//! No SDK type leaves this crate but the clients themselves, which a `main.rs` makes and hands back.

pub mod announcements;
pub mod bootstrap;
pub mod clients;
pub mod clock;
pub mod config;
mod ec2;
pub mod error;
pub mod gatekeeper;
mod organizations;
mod paging;
mod rules;
pub mod secrets;
pub mod subscriptions;
pub mod tables;
pub mod telemetry;
