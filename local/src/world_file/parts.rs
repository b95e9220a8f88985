//! Services and connections as a world file has them.

use gatekeeper_core::connection::ConnectionState;
use gatekeeper_core::ids::{AccountId, EndpointId, Region, ServiceId};
use gatekeeper_core::written::{Misfit, Shape, Typed, Value};
use local_aws::{Ec2, NewConnection, State};

use super::item::{called, read_with};
use super::problem::BadWorld;
use super::yaml::Node;
use crate::error::WorldError;
use crate::place::REGION;

/// An endpoint service of the provider.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its id.
    pub service_id: ServiceId,
    /// Whether connections have to be accepted.
    pub acceptance_required: bool,
    /// Whether it has a connection notification that tells Gatekeeper's topic of requests.
    pub notification: bool,
    /// Who may create endpoints: ARNs, or `*`. The owners of the connections below always may.
    pub principals: Vec<String>,
    /// Whether it is for Gateway Load Balancer endpoints, and takes transit gateway attachments.
    pub gateway_load_balancer: bool,
}

/// A connection as EC2 has it when the run begins.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The consumer's endpoint.
    pub endpoint_id: EndpointId,
    /// The service.
    pub service_id: ServiceId,
    /// The consumer.
    pub owner: AccountId,
    /// Where the endpoint is.
    pub region: Region,
    /// Its state.
    pub state: ConnectionState,
}

impl Service {
    pub(super) fn read(node: &Node) -> Result<Self, BadWorld> {
        let name = called(node, "the service", "service_id");
        read_with(node, &name, "a key of a service", |reader| {
            let service_id = reader.required("service_id");
            let acceptance_required = reader.optional("acceptance_required").unwrap_or(true);
            let notification = reader.optional("notification").unwrap_or(true);
            let principals = reader.optional("principals").unwrap_or_default();
            let gateway_load_balancer = reader.optional("gateway_load_balancer").unwrap_or(false);
            Some(Self {
                service_id: service_id?,
                acceptance_required,
                notification,
                principals,
                gateway_load_balancer,
            })
        })
    }
}

impl Connection {
    pub(super) fn read(node: &Node) -> Result<Self, BadWorld> {
        let name = called(node, "the connection", "endpoint_id");
        read_with(node, &name, "a key of a connection", |reader| {
            let endpoint_id = reader.required("endpoint_id");
            let service_id = reader.required("service_id");
            let owner = reader.required("owner");
            let region: Option<Region> = reader.optional("region");
            let StateName(state) = reader.optional("state").unwrap_or_default();
            Some(Self {
                endpoint_id: endpoint_id?,
                service_id: service_id?,
                owner: owner?,
                region: region.or_else(|| REGION.parse().ok())?,
                state,
            })
        })
    }

    pub(super) fn put_into(&self, ec2: &Ec2) -> Result<(), WorldError> {
        ec2.put_connection(
            NewConnection::new(self.service_id.as_str(), self.owner.as_str())
                .endpoint_id(self.endpoint_id.as_str())
                .region(self.region.as_str())
                .state(state_of(&self.state)),
        )
        .map(drop)
        .map_err(|error| WorldError::Make("a connection", error.to_string()))
    }
}

/// A state as EC2's simulator has it.
pub(super) fn state_of(state: &ConnectionState) -> State {
    State::parse(state.as_str()).unwrap_or(State::PendingAcceptance)
}

/// A state that EC2 has.
pub(super) struct StateName(pub(super) ConnectionState);

impl Default for StateName {
    fn default() -> Self {
        Self(ConnectionState::PendingAcceptance)
    }
}

impl Typed for StateName {
    const SHAPE: Shape = Shape::Id("a state that EC2 has, such as pendingAcceptance");

    fn read(value: &Value, _: &Shape) -> Result<Self, Misfit> {
        let state = value
            .as_text()
            .map(|text| ConnectionState::from(text.to_owned()));
        match state {
            Some(state) if !matches!(state, ConnectionState::Unknown(_)) => Ok(Self(state)),
            _ => {
                let known: Vec<String> = ConnectionState::KNOWN.map(|s| s.to_string()).into();
                let advice = format!("write a state that EC2 has: {}", known.join(", "));
                Err(Misfit::new(value.shown(), advice))
            }
        }
    }

    fn write(&self) -> Value {
        Value::Text(self.0.to_string())
    }
}
