//! EC2 as an operator looks at it from a terminal: services and their connections. Nothing is decided
//! or changed here.

use std::sync::Arc;

use gatekeeper_core::connection::Connection;
use gatekeeper_core::ids::{AccountId, ServiceId};

use crate::clients::Clients;
use crate::clock::Clock;
use crate::config::Config;
use crate::ec2::{Ec2, Which};
use crate::error::Error;

/// Lists services and connections.
#[derive(Debug, Clone)]
pub struct OperatorEc2 {
    ec2: Ec2,
}

/// A service's connections, and the number of those that cannot be read.
#[derive(Debug, Clone, Default)]
pub struct ServiceConnections {
    pub connections: Vec<Connection>,
    pub unreadable: usize,
}

impl OperatorEc2 {
    #[must_use]
    pub fn new(clients: &Clients, config: &Config, clock: Clock) -> Self {
        Self {
            ec2: Ec2::new(clients, config, clock),
        }
    }

    /// The managed services.
    ///
    /// # Errors
    /// EC2 could not be asked.
    pub async fn managed_services(&self) -> Result<Arc<[ServiceId]>, Arc<Error>> {
        self.ec2.services.managed_services().await
    }

    /// All connections of a service.
    ///
    /// # Errors
    /// EC2 could not be asked.
    pub async fn connections(&self, service: &ServiceId) -> Result<ServiceConnections, Arc<Error>> {
        let mut found = ServiceConnections::default();
        let mut token = None;
        loop {
            let page = self
                .ec2
                .connections
                .page(service, Which::All, token)
                .await?;
            found.connections.extend(page.listed.connections);
            found.unreadable += page.listed.unreadable.len();
            token = page.next;
            if token.is_none() {
                return Ok(found);
            }
        }
    }

    /// The connections of one account to a service.
    ///
    /// # Errors
    /// EC2 could not be asked.
    pub async fn of_consumer(
        &self,
        service: &ServiceId,
        owner: &AccountId,
    ) -> Result<Vec<Connection>, Arc<Error>> {
        let listed = self.ec2.connections.of_consumer(service, owner).await?;
        Ok(listed.connections)
    }
}
