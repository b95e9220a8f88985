//! AWS as an operator uses it from a terminal: services, their connections and configuration, and who is
//! subscribed. Nothing is decided here.

mod configuration;
mod people;

use std::sync::Arc;

use gatekeeper_core::connection::Connection;
use gatekeeper_core::ids::{AccountId, ServiceId};

use crate::clients::Clients;
use crate::clock::Clock;
use crate::config::Config;
use crate::ec2::{Ec2, Which};
use crate::error::Error;

pub use configuration::Change;
pub use people::People;

/// Lists services and connections, and changes how services are configured.
#[derive(Debug, Clone)]
pub struct OperatorEc2 {
    ec2: Ec2,
    client: aws_sdk_ec2::Client,
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
            client: clients.ec2.clone(),
        }
    }

    /// The managed services.
    ///
    /// # Errors
    /// EC2 could not be asked.
    pub async fn managed_services(&self) -> Result<Arc<[ServiceId]>, Arc<Error>> {
        self.ec2.services.managed_services().await
    }

    /// A page of a service's connections, and the token of the next page.
    ///
    /// # Errors
    /// EC2 could not be asked.
    pub async fn page(
        &self,
        service: &ServiceId,
        token: Option<String>,
    ) -> Result<(ServiceConnections, Option<String>), Arc<Error>> {
        let connections = &self.ec2.connections;
        let page = connections.page(service, Which::All, token).await?;
        let found = ServiceConnections {
            connections: page.listed.connections,
            unreadable: page.listed.unreadable.len(),
        };
        Ok((found, page.next))
    }

    /// All connections of a service.
    ///
    /// # Errors
    /// EC2 could not be asked.
    pub async fn connections(&self, service: &ServiceId) -> Result<ServiceConnections, Arc<Error>> {
        let mut found = ServiceConnections::default();
        let mut token = None;
        loop {
            let (page, next) = self.page(service, token).await?;
            found.connections.extend(page.connections);
            found.unreadable += page.unreadable;
            token = next;
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
