//! Everything on one machine: the real functions and the real SDK clients, with AWS's addresses
//! replaced by addresses on loopback.
//!
//! Each module uses only those above it.
//!
//! | module | content |
//! | --- | --- |
//! | `place` | names and addresses: account, Region, role, tables |
//! | [`deployment`] | the numbers of template.yaml: time-outs, batches, redelivery |
//! | [`function`] | the functions that run the gatekeeper, and how their calls are told apart |
//! | [`queue`] | SQS: redelivery, visibility, dead letters |
//! | `engine`, [`dynamodb`] | DynamoDB: an embedded engine behind a gate that counts calls and can make them fail |
//! | [`in_process`] | the way to all services without a socket, for simulations |
//! | `options`, `error` | how a world is to be made, and why it cannot be |
//! | `services` | AWS's services, and their router |
//! | `tables` | the two tables, as template.yaml makes them |
//! | [`slack`] | Slack: a workspace, and the function that posts there |
//! | `topics`, `wiring` | topics, subscriptions, and what travels from EC2 and SNS to the queue |
//! | `permissions` | what IAM would be asked about the functions' calls, recorded on demand |
//! | `instances` | instances of the functions, each with clients of its own |
//! | [`world`] | the deployment: services, functions, tables and topics together |
//! | `page` | the page at `/`, to see and change what happens in a world |
//! | `approvals` | the HTTP API in front of the function `approvals` |
//! | `serve` | starts a world and serves it with its pages on loopback |
//! | [`upkeep`] | what happens by itself at AWS, tick by tick |
//! | [`world_file`] | a world as somebody writes it: services, connections, policy |
//! | [`replay`] | real input through all of it, and out |
//! | [`kept`] | what `--data` keeps of EC2, as safely as the tables |
//! | [`demo`] | a small world that runs until it is stopped |
//!
//! EC2, SNS and Slack itself are the crate `local-aws`.

mod approvals;
pub mod demo;
pub mod deployment;
pub mod dynamodb;
mod engine;
mod error;
pub mod function;
pub mod in_process;
mod instances;
pub mod kept;
mod options;
mod page;
mod permissions;
mod place;
pub mod queue;
pub mod replay;
mod serve;
mod services;
pub mod slack;
mod tables;
mod topics;
pub mod upkeep;
mod wiring;
pub mod world;
pub mod world_file;

pub use place::{Place, place_at};
