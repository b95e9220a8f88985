//! How services are configured, as an operator looks at it and changes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_ec2::types::{ConnectionNotification, Tag};
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::watch::{self, ServiceFacts};

use super::OperatorEc2;
use crate::config::MANAGED_TAG;
use crate::error::{Call, Error, Retryable, Step};

/// The events that a service's connection notification reports.
const EVENTS: [&str; 4] = ["Connect", "Accept", "Reject", "Delete"];

/// What has to change at EC2, or did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Require that connections are accepted.
    RequireAcceptance,
    /// Create a connection notification to the topic.
    CreateNotification { topic: String },
    /// Have the connection notification with this id, which is to the topic, report all events.
    CorrectNotification { id: String, topic: String },
    /// Add the tag that makes the service managed.
    Tag,
    /// Take the tag off.
    Untag,
    /// Delete the connection notification with this id.
    DeleteNotification { id: String },
}

impl OperatorEc2 {
    /// The principals that may create endpoints to a service, as its permissions name them.
    ///
    /// # Errors
    /// EC2 could not be asked.
    pub async fn principals(&self, service: &ServiceId) -> Result<BTreeSet<String>, Arc<Error>> {
        self.ec2.services.principals(service).await
    }

    /// All services of the account in the Region, and whether each is managed.
    ///
    /// # Errors
    /// EC2 could not be asked.
    pub async fn all_services(&self) -> Result<BTreeMap<ServiceId, bool>, Arc<Error>> {
        self.ec2.services.all().await
    }

    /// The findings about these services' configuration. `topic` is the one that their notifications
    /// should go to. A service that EC2 does not list is left out.
    ///
    /// # Errors
    /// EC2 could not be asked.
    pub async fn findings(
        &self,
        services: &[ServiceId],
        topic: Option<&str>,
    ) -> Result<BTreeMap<ServiceId, watch::Seen>, Arc<Error>> {
        let asked = &self.ec2.services;
        let configured = asked.configured(services).await?;
        let notifications = asked.notifications().await?;
        let mut found = BTreeMap::new();
        for (service, configured) in configured {
            let of_it = notifications.get(&service).cloned().unwrap_or_default();
            let facts = ServiceFacts {
                acceptance_required: Some(configured.acceptance_required),
                principals: Some(asked.principals(&service).await?),
                notifications: configured.notifies.then_some(of_it),
                ..ServiceFacts::default()
            };
            found.insert(service, watch::look(&facts, topic));
        }
        Ok(found)
    }

    /// The changes that make a service a managed one: acceptance, a notification to the topic, and the
    /// tag, in this order, so that the service is managed when all else is right. `None` if EC2 does not
    /// list the service.
    ///
    /// # Errors
    /// EC2 could not be asked.
    pub async fn to_manage(
        &self,
        service: &ServiceId,
        topic: &str,
    ) -> Result<Option<Vec<Change>>, Arc<Error>> {
        let services = std::slice::from_ref(service);
        let configured = self.ec2.services.configured(services).await?;
        let Some(configured) = configured.get(service) else {
            return Ok(None);
        };
        let mut changes = Vec::new();
        if !configured.acceptance_required {
            changes.push(Change::RequireAcceptance);
        }
        if configured.notifies {
            changes.extend(self.notification_changes(service, topic).await?);
        }
        let managed = self.ec2.services.are_managed(services).await?;
        if managed.get(service) != Some(&true) {
            changes.push(Change::Tag);
        }
        Ok(Some(changes))
    }

    /// The changes that give a service a notification to the topic. A notification to another topic is
    /// left alone: it may be for others.
    async fn notification_changes(
        &self,
        service: &ServiceId,
        topic: &str,
    ) -> Result<Vec<Change>, Arc<Error>> {
        let mut found = self.ec2.services.notifications_of(service).await?;
        found.retain(|one| one.connection_notification_arn() == Some(topic));
        let topic = topic.to_owned();
        let id = |one: &ConnectionNotification| {
            one.connection_notification_id()
                .unwrap_or_default()
                .to_owned()
        };
        let create = Change::CreateNotification {
            topic: topic.clone(),
        };
        Ok(match found.as_slice() {
            [] => vec![create],
            // Nothing enables a disabled one: AWS disables it if it could not publish to the topic.
            [one, ..] if is_disabled(one) => {
                vec![Change::DeleteNotification { id: id(one) }, create]
            }
            [one, ..] if !has_all_events(one) => {
                vec![Change::CorrectNotification { id: id(one), topic }]
            }
            _ => Vec::new(),
        })
    }

    /// The changes that end the management of a service: the tag goes first, so that Gatekeeper leaves
    /// the service alone before its notification goes. `None` if EC2 does not list the service.
    ///
    /// # Errors
    /// EC2 could not be asked.
    pub async fn to_release(
        &self,
        service: &ServiceId,
        topic: &str,
    ) -> Result<Option<Vec<Change>>, Arc<Error>> {
        let managed = self
            .ec2
            .services
            .are_managed(std::slice::from_ref(service))
            .await?;
        let Some(is_managed) = managed.get(service) else {
            return Ok(None);
        };
        let mut changes = Vec::new();
        if *is_managed {
            changes.push(Change::Untag);
        }
        for one in self.ec2.services.notifications_of(service).await? {
            if one.connection_notification_arn() == Some(topic)
                && let Some(id) = one.connection_notification_id()
            {
                changes.push(Change::DeleteNotification { id: id.to_owned() });
            }
        }
        Ok(Some(changes))
    }

    /// Makes one change.
    ///
    /// # Errors
    /// EC2 refused it, or could not be asked.
    pub async fn make(&self, service: &ServiceId, change: &Change) -> Result<(), Arc<Error>> {
        let client = &self.client;
        let (key, value) = MANAGED_TAG;
        let id = service.as_str();
        let failed = |operation: &'static str, what: &str| {
            let what = format!("{service}: {what}");
            Call::new(Step::Observe, operation, Retryable::DescribeServices, what)
        };
        match change {
            Change::RequireAcceptance => client
                .modify_vpc_endpoint_service_configuration()
                .service_id(id)
                .acceptance_required(true)
                .send()
                .await
                .map(drop)
                .map_err(|error| {
                    let operation = "ec2:ModifyVpcEndpointServiceConfiguration";
                    failed(operation, "acceptance could not be required").failed(error)
                }),
            Change::CreateNotification { topic } => client
                .create_vpc_endpoint_connection_notification()
                .service_id(id)
                .connection_notification_arn(topic)
                .set_connection_events(Some(EVENTS.map(str::to_owned).into()))
                .send()
                .await
                .map(drop)
                .map_err(|error| {
                    let operation = "ec2:CreateVpcEndpointConnectionNotification";
                    failed(operation, "the notification could not be created").failed(error)
                }),
            Change::CorrectNotification { id, topic } => client
                .modify_vpc_endpoint_connection_notification()
                .connection_notification_id(id)
                .connection_notification_arn(topic)
                .set_connection_events(Some(EVENTS.map(str::to_owned).into()))
                .send()
                .await
                .map(drop)
                .map_err(|error| {
                    let operation = "ec2:ModifyVpcEndpointConnectionNotification";
                    failed(operation, "the notification could not be corrected").failed(error)
                }),
            Change::Tag => client
                .create_tags()
                .resources(id)
                .tags(Tag::builder().key(key).value(value).build())
                .send()
                .await
                .map(drop)
                .map_err(|error| {
                    failed("ec2:CreateTags", "the tag could not be added").failed(error)
                }),
            Change::Untag => client
                .delete_tags()
                .resources(id)
                .tags(Tag::builder().key(key).value(value).build())
                .send()
                .await
                .map(drop)
                .map_err(|error| {
                    failed("ec2:DeleteTags", "the tag could not be taken off").failed(error)
                }),
            Change::DeleteNotification { id } => client
                .delete_vpc_endpoint_connection_notifications()
                .connection_notification_ids(id)
                .send()
                .await
                .map_err(|error| {
                    let operation = "ec2:DeleteVpcEndpointConnectionNotifications";
                    failed(operation, "the notification could not be deleted").failed(error)
                })
                .and_then(|output| {
                    let refused = output.unsuccessful().first().and_then(|one| one.error());
                    match refused {
                        None => Ok(()),
                        Some(error) => {
                            let operation = "ec2:DeleteVpcEndpointConnectionNotifications";
                            let why = error.message().unwrap_or("EC2 gave no reason").to_owned();
                            let call = failed(operation, "the notification could not be deleted");
                            Err(call.refused(why).into())
                        }
                    }
                }),
        }
    }
}

fn is_disabled(notification: &ConnectionNotification) -> bool {
    let state = notification.connection_notification_state();
    state.is_some_and(|state| state.as_str().eq_ignore_ascii_case("Disabled"))
}

fn has_all_events(notification: &ConnectionNotification) -> bool {
    let events = notification.connection_events();
    EVENTS
        .iter()
        .all(|event| events.iter().any(|one| one.eq_ignore_ascii_case(event)))
}
