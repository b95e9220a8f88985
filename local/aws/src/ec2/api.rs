//! The methods for worlds and tests, in process. None of it is counted, logged or disturbed by faults.

use std::collections::BTreeMap;

use axum::Router;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::connection::{Connection, NewConnection};
use super::endpoint::{Endpoint, NewEndpoint};
use super::endpoints;
use super::errors;
use super::notification::{ConnectionEvent, ConnectionNotification, Notification};
use super::options::Ec2Options;
use super::permissions;
use super::service::{NewService, PermissionType, Service};
use super::services;
use super::state::State;
use super::timeline::Timeline;
use super::world::{Ec2, OnChange};
use crate::caller::Caller;
use crate::control::lock;
use crate::error::AwsError;
use crate::http;

impl Ec2 {
    /// Answers EC2's calls, at every path. Under a prefix, mount it with [`Router::nest_service`], which unlike
    /// [`Router::nest`] also takes the prefix with a slash at its end, as some SDKs send it.
    pub fn router(&self) -> Router {
        http::router(self.clone())
    }

    /// The default account, in the default Region.
    pub fn provider(&self) -> Caller {
        self.home().clone()
    }

    /// Changes how it behaves from now on.
    pub fn set_options(&self, change: impl FnOnce(&mut Ec2Options)) {
        change(&mut lock(&self.data().options));
    }

    /// Where connection notifications go; without a sink they are lost.
    pub fn set_notification_sink(&self, sink: UnboundedSender<ConnectionNotification>) {
        *lock(&self.data().notifications) = Some(sink);
    }

    /// What to do with all connections when one of them has changed. It runs before the call that changed it is
    /// answered. It must not use the simulator.
    pub fn set_on_change(&self, hook: Option<OnChange>) {
        *lock(&self.data().on_change) = hook;
    }

    /// Where the events of [`Ec2Options::cloudtrail`] go: whole EventBridge events, as JSON.
    pub fn set_event_sink(&self, sink: UnboundedSender<Value>) {
        *lock(&self.data().events) = Some(sink);
    }

    /// Adds a service, or replaces the one with its id.
    pub fn put_service(&self, new: NewService) -> Service {
        services::put(self, &self.provider(), new)
    }

    /// A service of any account.
    pub fn service(&self, id: &str) -> Option<Service> {
        self.store().services.get(id).cloned()
    }

    pub fn services(&self) -> Vec<Service> {
        self.store().services.values().cloned().collect()
    }

    /// Changes a service, for example whether acceptance is required; `false` if there is none.
    pub fn change_service(&self, id: &str, change: impl FnOnce(&mut Service)) -> bool {
        self.store().services.get_mut(id).map(change).is_some()
    }

    /// Lets a principal create endpoints: `*`, an ARN, or an account. It may be allowed already.
    ///
    /// # Errors
    /// `InvalidVpcEndpointServiceId.NotFound` if there is no such service, `InvalidPrincipal` if it is none.
    pub fn allow_principal(&self, service_id: &str, principal: &str) -> Result<(), AwsError> {
        let principal = permissions::parse(principal)?;
        let mut store = self.store();
        let service = store.services.get_mut(service_id);
        let service = service.ok_or_else(|| errors::no_service(service_id))?;
        permissions::add(self.ids(), service, PermissionType::VpcEndpoint, &principal);
        Ok(())
    }

    /// Takes that permission away; what is connected stays so. It may be gone already.
    ///
    /// # Errors
    /// As [`Ec2::allow_principal`].
    pub fn remove_principal(&self, service_id: &str, principal: &str) -> Result<(), AwsError> {
        let principal = permissions::parse(principal)?;
        let mut store = self.store();
        let service = store.services.get_mut(service_id);
        let service = service.ok_or_else(|| errors::no_service(service_id))?;
        service.principals.remove(&principal);
        Ok(())
    }

    /// Adds a connection, or replaces the one of the same endpoint. It is visible at once, and nobody is notified.
    ///
    /// # Errors
    /// `InvalidVpcEndpointServiceId.NotFound` if there is no such service.
    pub fn put_connection(&self, new: NewConnection) -> Result<Connection, AwsError> {
        let now = self.now();
        let mut store = self.store();
        let service = store
            .services
            .get(&new.service_id)
            .ok_or_else(|| errors::no_service(&new.service_id))?;
        let (provider, service_region) = (service.owner.clone(), service.region.clone());
        let kind = service.kind;
        let endpoint = Endpoint {
            number: store.number(),
            id: new.endpoint_id.unwrap_or_else(|| self.ids().ec2("vpce-")),
            attachment: None,
            provider,
            connection_id: self.ids().ec2("vpce-con-"),
            service_id: new.service_id,
            region: new.region.unwrap_or_else(|| service_region.clone()),
            service_region,
            kind,
            owner: new.owner,
            vpc_id: "vpc-0000000000000000a".to_owned(),
            subnet_ids: Vec::new(),
            ip_address_type: new.ip_address_type,
            private_dns: false,
            dns_record_ip_type: "ipv4".to_owned(),
            tags: BTreeMap::new(),
            created_at: new.created_at.unwrap_or(now),
            timeline: Timeline::always(new.state),
        };
        let connection = endpoint.connection(now);
        store.insert(endpoint);
        connection.ok_or_else(errors::internal)
    }

    /// A connection as it is now, without any lag. Any account may own the service.
    pub fn connection(&self, endpoint_id: &str) -> Option<Connection> {
        let now = self.now();
        let store = self.store();
        let endpoint = store.endpoint(endpoint_id)?;
        endpoint
            .attachment
            .is_none()
            .then(|| endpoint.connection(now))?
    }

    /// All connections of endpoints as they are now, by service, then by age. They stay in the list until they are gone,
    /// which is a while after they are deleted. For those of transit gateway attachments, see [`Ec2::attachments`].
    pub fn connections(&self) -> Vec<Connection> {
        self.store().connections(self.now())
    }

    /// The state of a connection as it is now.
    pub fn state(&self, endpoint_id: &str) -> Option<State> {
        let now = self.now();
        self.store().endpoint(endpoint_id)?.timeline.state_at(now)
    }

    /// Sets the state of a connection, visible at once, and nobody is notified; `false` if there is none.
    pub fn set_state(&self, endpoint_id: &str, state: State) -> bool {
        match self.store().endpoint_mut(endpoint_id) {
            Some(endpoint) => {
                endpoint.timeline = Timeline::always(state);
                true
            }
            None => false,
        }
    }

    /// Does what `CreateVpcEndpoint` does, with all that follows from it.
    ///
    /// # Errors
    /// `InvalidServiceName` if the service is not there, or the caller may not use it (from its Region).
    pub fn create_endpoint(
        &self,
        caller: &Caller,
        new: NewEndpoint,
    ) -> Result<Connection, AwsError> {
        let endpoint = endpoints::create(self, caller, &new, false, None)?;
        endpoint.connection(self.now()).ok_or_else(errors::internal)
    }

    /// Does what `DeleteVpcEndpoints` does when the owner of the endpoint calls it; `false` if there is none.
    pub fn delete_endpoint(&self, endpoint_id: &str) -> bool {
        let Some(connection) = self.connection(endpoint_id) else {
            return false;
        };
        let owner = Caller::new(connection.owner, connection.region);
        let deleted = endpoints::delete(self, &owner, &[connection.endpoint_id], false);
        deleted.is_ok_and(|failed| failed.is_empty())
    }

    /// Adds a connection notification for a service: these events go to this topic. Answers its id.
    ///
    /// # Errors
    /// `InvalidVpcEndpointServiceId.NotFound` if there is no such service.
    pub fn put_notification(
        &self,
        service_id: &str,
        topic_arn: impl Into<String>,
        events: impl IntoIterator<Item = ConnectionEvent>,
    ) -> Result<String, AwsError> {
        let id = self.ids().ec2("vpce-nfn-");
        let mut store = self.store();
        let service = store
            .services
            .get(service_id)
            .ok_or_else(|| errors::no_service(service_id))?;
        let notification = Notification {
            id: id.clone(),
            owner: service.owner.clone(),
            region: service.region.clone(),
            service_id: Some(service.id.clone()),
            endpoint_id: None,
            topic_arn: topic_arn.into(),
            events: events.into_iter().collect(),
            enabled: true,
        };
        store.notifications.insert(id.clone(), notification);
        Ok(id)
    }

    /// All connection notifications, by their ids.
    pub fn notifications(&self) -> Vec<Notification> {
        self.store().notifications.values().cloned().collect()
    }

    /// Enables or disables a connection notification, as AWS may do by itself (there is no call for it); `false` if
    /// there is none.
    pub fn set_notification_enabled(&self, id: &str, enabled: bool) -> bool {
        let mut store = self.store();
        let notification = store.notifications.get_mut(id);
        notification
            .map(|notification| notification.enabled = enabled)
            .is_some()
    }
}
