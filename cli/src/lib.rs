//! The command `gatekeeper`: policy, requests, people and the deployment from a terminal.
//!
//! | module | does |
//! | --- | --- |
//! | [`args`] | the commands and their options |
//! | [`run()`] | runs a command; its result is the exit status |
//! | [`terminal`] | what is printed and asked, for people and for programs |
//! | `deployment` | the tables, the services and the credentials that a command works with |
//! | `stack` | what a CloudFormation stack says about a deployment |
//! | `named` | finds a service by its id, its name or the start of either |
//! | `forecast` | what a change of the policy does to connections, by core's `foretell` |
//! | `commands` | one module for each command |
//!
//! Commands read and write the tables and ask EC2 through `gatekeeper-aws`. They decide nothing: the
//! functions do, and approvers vote by signed calls to them.

pub mod args;
mod commands;
mod deployment;
mod error;
mod forecast;
mod named;
#[cfg(test)]
mod reference;
mod run;
mod signed_call;
mod stack;
pub mod terminal;

pub use error::{CliError, Exit};
pub use run::run;
