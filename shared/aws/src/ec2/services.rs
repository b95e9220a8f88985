//! Lists endpoint services at EC2, and how they are configured.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_ec2::types::{ConnectionNotification, Filter, ServiceConfiguration};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::watch::Notification;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::bucket::Bucket;
use super::filter::{VALUES_PER_FILTER, filter};
use crate::clients::Clients;
use crate::clock::Clock;
use crate::config::{Config, MANAGED_TAG, Managed};
use crate::error::{Call, Error, Retryable, Step};
use crate::paging;

/// The tagged services, and when they were listed.
type Tagged = Option<(Timestamp, Arc<[ServiceId]>)>;

/// Lists services. Clones share their state.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    client: aws_sdk_ec2::Client,
    describes: Arc<Bucket>,
    managed: Managed,
    /// How long the list of tagged services is valid.
    fresh: SignedDuration,
    tagged: Arc<Mutex<Tagged>>,
    clock: Clock,
}

/// How a service is configured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Configured {
    /// Whether somebody must accept each connection.
    pub(crate) acceptance_required: bool,
    /// Whether it can have a connection notification. Services of interface endpoints can,
    /// according to the API reference of `CreateVpcEndpointConnectionNotification`.
    pub(crate) notifies: bool,
}

impl Services {
    pub(super) fn new(
        clients: &Clients,
        config: &Config,
        describes: Arc<Bucket>,
        clock: Clock,
    ) -> Self {
        Self {
            client: clients.ec2.clone(),
            describes,
            managed: config.managed.clone(),
            fresh: config.limits.services_fresh,
            tagged: Arc::default(),
            clock,
        }
    }

    /// The services whose connections Gatekeeper decides.
    pub(crate) async fn managed_services(&self) -> Result<Arc<[ServiceId]>, Arc<Error>> {
        if let Managed::Listed(services) = &self.managed {
            return Ok(services.clone().into());
        }
        let mut tagged = self.tagged.lock().await;
        let now = self.clock.now();
        if let Some((asked, services)) = tagged.as_ref()
            && now.duration_since(*asked) < self.fresh
        {
            return Ok(Arc::clone(services));
        }
        let services: Arc<[ServiceId]> = self.tagged_services().await?.into();
        *tagged = Some((now, Arc::clone(&services)));
        Ok(services)
    }

    async fn tagged_services(&self) -> Result<Vec<ServiceId>, Arc<Error>> {
        let (key, value) = MANAGED_TAG;
        let tagged = filter(&format!("tag:{key}"), [value]);
        let what = "EC2 could not be asked which services are managed";
        let listed = self.configurations(Some(tagged), what).await?;
        Ok(service_ids(
            listed.iter().map(|service| service.service_id()),
        ))
    }

    /// The services whose connection notification publishes to a topic.
    pub(crate) async fn services_notifying(
        &self,
        topic: &str,
    ) -> Result<Vec<ServiceId>, Arc<Error>> {
        let to_topic = filter("connection-notification-arn", [topic]);
        let what = format!("EC2 could not be asked which services notify {topic}");
        let listed = self.connection_notifications(Some(to_topic), &what).await?;
        Ok(service_ids(listed.iter().map(|one| one.service_id())))
    }

    /// How these services are configured. A service that EC2 does not list is left out.
    pub(crate) async fn configured(
        &self,
        services: &[ServiceId],
    ) -> Result<BTreeMap<ServiceId, Configured>, Arc<Error>> {
        let mut found = BTreeMap::new();
        for chunk in services.chunks(VALUES_PER_FILTER) {
            let ids = filter("service-id", chunk.iter().map(ServiceId::as_str));
            let what = "EC2 could not be asked how the managed services are configured";
            let listed = self.configurations(Some(ids), what).await?;
            for service in listed {
                let Some(Ok(id)) = service.service_id().map(str::parse) else {
                    continue;
                };
                let gateway = service.service_type().iter().any(|kind| {
                    let kind = kind.service_type();
                    kind.is_some_and(|kind| is_gateway(kind.as_str()))
                });
                let configured = Configured {
                    acceptance_required: service.acceptance_required().unwrap_or(false),
                    notifies: !gateway,
                };
                found.insert(id, configured);
            }
        }
        Ok(found)
    }

    /// All services of the account in the Region, and whether each is managed.
    pub(crate) async fn all(&self) -> Result<BTreeMap<ServiceId, bool>, Arc<Error>> {
        let what = "EC2 could not be asked for its endpoint services";
        let listed = self.configurations(None, what).await?;
        Ok(listed
            .iter()
            .filter_map(|service| self.managed_state(service))
            .collect())
    }

    /// Which of these services EC2 lists, and whether each is managed.
    pub(crate) async fn are_managed(
        &self,
        services: &[ServiceId],
    ) -> Result<BTreeMap<ServiceId, bool>, Arc<Error>> {
        let mut found = BTreeMap::new();
        for chunk in services.chunks(VALUES_PER_FILTER) {
            let ids = filter("service-id", chunk.iter().map(ServiceId::as_str));
            let what = "EC2 could not be asked whether services are managed that were";
            let listed = self.configurations(Some(ids), what).await?;
            found.extend(listed.iter().filter_map(|one| self.managed_state(one)));
        }
        Ok(found)
    }

    fn managed_state(&self, service: &ServiceConfiguration) -> Option<(ServiceId, bool)> {
        let (key, value) = MANAGED_TAG;
        let id: ServiceId = service.service_id()?.parse().ok()?;
        let mut tags = service.tags().iter();
        let is_managed = match &self.managed {
            Managed::Tagged => tags.any(|tag| tag.key() == Some(key) && tag.value() == Some(value)),
            Managed::Listed(listed) => listed.contains(&id),
        };
        Some((id, is_managed))
    }

    /// Whether EC2 says that the service does not exist. If it only leaves the service out of a
    /// list, that proves nothing.
    pub(crate) async fn is_deleted(&self, service: &ServiceId) -> Result<bool, Arc<Error>> {
        self.describes.wait().await;
        let asked = self
            .client
            .describe_vpc_endpoint_service_configurations()
            .service_ids(service.as_str())
            .send()
            .await;
        match asked {
            Ok(_) => Ok(false),
            Err(error) if is_unknown_service(error.code()) => Ok(true),
            Err(error) => {
                let what = format!("EC2 could not be asked whether {service} was deleted");
                Err(describing_services(&what).failed(error))
            }
        }
    }

    /// The connection notifications of all services.
    pub(crate) async fn notifications(
        &self,
    ) -> Result<BTreeMap<ServiceId, Vec<Notification>>, Arc<Error>> {
        let what = "EC2 could not be asked for the services' connection notifications";
        let listed = self.connection_notifications(None, what).await?;
        let mut found: BTreeMap<ServiceId, Vec<Notification>> = BTreeMap::new();
        for one in listed {
            let Some(Ok(id)) = one.service_id().map(str::parse) else {
                continue;
            };
            let state = one.connection_notification_state();
            found.entry(id).or_default().push(Notification {
                topic: one
                    .connection_notification_arn()
                    .unwrap_or_default()
                    .to_owned(),
                enabled: state.is_none_or(|state| !says(state.as_str(), "Disabled")),
                reports_requests: one
                    .connection_events()
                    .iter()
                    .any(|event| says(event, "Connect")),
            });
        }
        Ok(found)
    }

    /// The connection notifications of one service, as EC2 lists them.
    pub(crate) async fn notifications_of(
        &self,
        service: &ServiceId,
    ) -> Result<Vec<ConnectionNotification>, Arc<Error>> {
        let of_it = filter("service-id", [service.as_str()]);
        let what = format!("EC2 could not be asked for the connection notifications of {service}");
        self.connection_notifications(Some(of_it), &what).await
    }

    async fn configurations(
        &self,
        filter: Option<Filter>,
        what: &str,
    ) -> Result<Vec<ServiceConfiguration>, Arc<Error>> {
        let call = self
            .client
            .describe_vpc_endpoint_service_configurations()
            .set_filters(filter.map(|filter| vec![filter]));
        let page = |token| {
            let call = call.clone().set_next_token(token);
            async move {
                self.describes.wait().await;
                let output = call.send().await?;
                Ok((output.service_configurations, output.next_token))
            }
        };
        let listed = paging::all(page).await;
        listed.map_err(|error| describing_services(what).failed(error))
    }

    async fn connection_notifications(
        &self,
        filter: Option<Filter>,
        what: &str,
    ) -> Result<Vec<ConnectionNotification>, Arc<Error>> {
        let call = self
            .client
            .describe_vpc_endpoint_connection_notifications()
            .set_filters(filter.map(|filter| vec![filter]));
        let page = |token| {
            let call = call.clone().set_next_token(token);
            async move {
                self.describes.wait().await;
                let output = call.send().await?;
                Ok((output.connection_notification_set, output.next_token))
            }
        };
        paging::all(page).await.map_err(|error| {
            let call = Call::new(
                Step::Observe,
                "ec2:DescribeVpcEndpointConnectionNotifications",
                Retryable::DescribeNotifications,
                what,
            );
            call.failed(error)
        })
    }

    /// The principals that a service's permissions allow to connect; `*` is every AWS account.
    pub(crate) async fn principals(
        &self,
        service: &ServiceId,
    ) -> Result<BTreeSet<String>, Arc<Error>> {
        let call = self
            .client
            .describe_vpc_endpoint_service_permissions()
            .service_id(service.as_str());
        let page = |token| {
            let call = call.clone().set_next_token(token);
            async move {
                self.describes.wait().await;
                let output = call.send().await?;
                Ok((output.allowed_principals, output.next_token))
            }
        };
        let listed = paging::all(page).await.map_err(|error| {
            let call = Call::new(
                Step::Observe,
                "ec2:DescribeVpcEndpointServicePermissions",
                Retryable::WatchServices,
                format!("EC2 could not be asked who may ask for connections to {service}"),
            );
            call.failed(error)
        })?;
        Ok(listed.into_iter().filter_map(|one| one.principal).collect())
    }
}

/// Whether EC2's text is this value. EC2 spells the same value in several ways.
fn says(text: &str, value: &str) -> bool {
    text.eq_ignore_ascii_case(value)
}

/// Whether a service of this type has no interface endpoints: `Gateway`, `GatewayLoadBalancer`.
fn is_gateway(kind: &str) -> bool {
    let start = kind.get(.."Gateway".len());
    start.is_some_and(|start| says(start, "Gateway"))
}

fn service_ids<'a>(ids: impl Iterator<Item = Option<&'a str>>) -> Vec<ServiceId> {
    ids.flatten().filter_map(|id| id.parse().ok()).collect()
}

/// Whether an error's code says that the service does not exist. EC2 spells it in two ways.
fn is_unknown_service(code: Option<&str>) -> bool {
    let known = [
        "InvalidVpcEndpointServiceId.NotFound",
        "InvalidVpcEndpointService.NotFound",
    ];
    code.is_some_and(|code| known.iter().any(|known| known.eq_ignore_ascii_case(code)))
}

fn describing_services(what: &str) -> Call {
    let operation = "ec2:DescribeVpcEndpointServiceConfigurations";
    Call::new(Step::Observe, operation, Retryable::DescribeServices, what)
}
