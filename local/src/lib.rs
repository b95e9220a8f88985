//! Everything on one machine: the real functions and the real SDK clients, with AWS's addresses
//! replaced by addresses on loopback.
//!
//! | module | stands for |
//! | --- | --- |
//! | [`deployment`] | the numbers of template.yaml: time-outs, batches, redelivery |
//! | [`world`] | the deployment: functions, tables, topics, queue, clocks, wired as the template wires them |
//! | `approvals` | the HTTP API in front of the function `approvals` |
//! | [`dynamodb`] | DynamoDB: an embedded engine behind a gate that counts calls and can make them fail |
//! | [`function`] | the functions that run the gatekeeper, and how their calls are told apart |
//! | [`in_process`] | the way to all of them without a socket, for simulations |
//! | [`queue`] | SQS: redelivery, visibility, dead letters |
//! | [`slack`] | Slack: a workspace, and the function that posts there |
//! | [`world_file`] | a world as somebody writes it: services, connections, policy |
//! | [`replay`] | real input through all of it, and out |
//! | [`upkeep`] | what at AWS happens by itself, tick by tick |
//! | [`demo`] | a small world that runs until it is stopped |
//! | `permissions` | what IAM would be asked about the functions' calls, written down where that is wanted |
//! | `page` | the page at `/`, to see what happens in a world and to make it happen |
//!
//! EC2, SNS and Slack itself are the crate `local-aws`.

mod approvals;
pub mod demo;
pub mod deployment;
pub mod dynamodb;
mod engine;
pub mod function;
pub mod in_process;
mod page;
mod permissions;
pub mod queue;
pub mod replay;
pub mod slack;
pub mod upkeep;
pub mod world;
pub mod world_file;
