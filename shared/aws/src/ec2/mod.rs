//! EC2: describes connections and services, and accepts or rejects connections. No EC2 type leaves
//! this module.

mod attachments;
mod bucket;
mod connections;
mod describe;
mod enforce;
mod filter;
mod services;

use std::sync::Arc;

use crate::clients::Clients;
use crate::clock::Clock;
use crate::config::Config;
use bucket::Bucket;
pub(crate) use connections::{Connections, Which, listing};
pub(crate) use describe::Listed;
pub(crate) use enforce::{CallFailure, EnforceCalls, Enforced, FailureKind, ItemFailure};
pub(crate) use services::Services;

/// The provider's side of EC2's endpoint connections: a step holds what it needs of it.
#[derive(Debug, Clone)]
pub(crate) struct Ec2 {
    pub(crate) connections: Connections,
    pub(crate) services: Services,
    pub(crate) calls: EnforceCalls,
}

impl Ec2 {
    pub(crate) fn new(clients: &Clients, config: &Config, clock: Clock) -> Self {
        // All descriptions share one rate.
        let describes = Arc::new(Bucket::new(100.0, 20.0, clock.clone()));
        Self {
            connections: Connections::new(clients, config, Arc::clone(&describes)),
            services: Services::new(clients, config, describes, clock.clone()),
            calls: EnforceCalls::new(clients, config, clock),
        }
    }
}
