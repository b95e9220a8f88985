//! The simulators over real HTTP, with the forms that SDKs send, on a clock that stands still.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, a panic with its place is the answer wanted"
)]

mod attachments;
mod buses;
mod connections;
mod endpoints;
mod errors;
mod events;
mod faults;
mod notifications;
mod organizations;
mod rules;
mod scale;
mod secrets;
mod services;
mod slack;
mod sns;
mod subscriptions;
mod world;
