//! Asking EC2 what is, and making it agree with a decision. No EC2 type leaves this module.

mod attachments;
mod bucket;
mod describe;
mod enforce;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_ec2::types::{ConnectionNotification, Filter, ServiceConfiguration};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gatekeeper_core::attachment::Attachments;
use gatekeeper_core::batch::{BatchSize, Batches};
use gatekeeper_core::connection::{ConnectionState, Phase};
use gatekeeper_core::ids::{AccountId, EndpointId, Region, ServiceId};
use gatekeeper_core::request::Enforcement;
use gatekeeper_core::watch::Notification;
use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::clients::Clients;
use crate::clock::Clock;
use crate::config::{Config, Limits, MANAGED_TAG, Managed};
use crate::error::codes::{Meaning, meaning};
use crate::error::{Call, Error, Retryable, Step};
use crate::paging;
use bucket::Bucket;
use describe::DescribeError;
pub(crate) use describe::{Listed, Page};
use enforce::KnownSize;
pub(crate) use enforce::{CallFailure, Enforced, FailureKind, ItemFailure};

/// EC2 takes this many values in one filter.
const VALUES_PER_FILTER: usize = 200;

/// The provider's side of EC2's endpoint connections.
#[derive(Debug)]
pub struct Ec2 {
    client: aws_sdk_ec2::Client,
    clock: Clock,
    home: Region,
    managed: Managed,
    limits: Limits,
    describes: Bucket,
    accepts: Bucket,
    rejects: Bucket,
    accept_size: KnownSize,
    reject_size: KnownSize,
    /// The tagged services and when they were asked for.
    tagged: Mutex<Option<(Timestamp, Arc<[ServiceId]>)>>,
    /// Set once EC2 has refused the documented `vpc-endpoint-id` filter, as public reports have it.
    no_endpoint_filter: AtomicBool,
}

/// How a service is configured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Configured {
    /// Whether somebody must accept each connection.
    pub(crate) acceptance_required: bool,
    /// Whether it can have a connection notification: interface endpoints' services can, says the
    /// API reference of `CreateVpcEndpointConnectionNotification`.
    pub(crate) notifies: bool,
}

/// Which of a service's connections to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    /// Those that wait for a decision.
    Waiting,
}

impl Which {
    fn filter(self) -> Option<Filter> {
        let waiting = ConnectionState::PendingAcceptance;
        (self == Self::Waiting).then(|| filter("vpc-endpoint-state", [waiting.as_str()]))
    }
}

impl Ec2 {
    pub(crate) fn new(clients: &Clients, config: &Config, clock: Clock) -> Self {
        Self {
            client: clients.ec2.clone(),
            home: config.region.clone(),
            managed: config.managed.clone(),
            limits: config.limits.clone(),
            describes: Bucket::new(100.0, 20.0, clock.clone()),
            accepts: Bucket::new(10.0, 1.0, clock.clone()),
            rejects: Bucket::new(10.0, 1.0, clock.clone()),
            accept_size: KnownSize::default(),
            reject_size: KnownSize::default(),
            clock,
            tagged: Mutex::new(None),
            no_endpoint_filter: AtomicBool::new(false),
        }
    }

    /// What EC2 knows of these endpoints. Endpoints that it does not list are left out. `services`
    /// are where to look if EC2 refuses to look for single endpoints.
    pub(crate) async fn connections(
        &self,
        ids: &[EndpointId],
        services: &[ServiceId],
    ) -> Result<Listed, Arc<Error>> {
        self.look_for(Step::Observe, ids, services).await
    }

    /// What EC2 knows of these endpoints of one service, after it was asked to accept or reject them.
    pub(crate) async fn look_again(
        &self,
        ids: &[EndpointId],
        service: &ServiceId,
    ) -> Result<Listed, Arc<Error>> {
        let services = std::slice::from_ref(service);
        self.look_for(Step::Enforce, ids, services).await
    }

    async fn look_for(
        &self,
        step: Step,
        ids: &[EndpointId],
        services: &[ServiceId],
    ) -> Result<Listed, Arc<Error>> {
        let call = describing(step, format!("EC2 could not be asked for {}", named(ids)));
        let mut found = Listed::default();
        let mut left = ids.to_vec();
        if !self.no_endpoint_filter.load(Ordering::Relaxed) {
            match self.by_endpoint(step, ids, &mut found).await {
                Ok(not_asked_for) => left = not_asked_for,
                Err(error) if refuses_filter(&error) => {
                    tracing::warn!(
                        "EC2 refuses the filter vpc-endpoint-id; whole services are listed instead"
                    );
                    self.no_endpoint_filter.store(true, Ordering::Relaxed);
                    found = Listed::default();
                }
                Err(error) => return Err(call.failed(error)),
            }
        }
        if left.is_empty() {
            return Ok(found);
        }
        let asked_for: BTreeSet<EndpointId> = left.into_iter().collect();
        for service in services {
            let filters = vec![filter("service-id", [service.as_str()])];
            let listed = self.list(filters).await;
            let mut listed = listed.map_err(|error| call.failed(error))?;
            listed.retain(|id| asked_for.contains(id));
            found.add(listed);
        }
        Ok(found)
    }

    /// Looks for single endpoints, as many at once as EC2 allows. One that it refuses to look for costs no
    /// other. Answers those that are to be found among the services' instead, for EC2 refuses too many.
    async fn by_endpoint(
        &self,
        step: Step,
        ids: &[EndpointId],
        found: &mut Listed,
    ) -> Result<Vec<EndpointId>, DescribeError> {
        let mut left = Vec::new();
        let mut batches = Batches::new(ids.to_vec(), BatchSize::up_to(VALUES_PER_FILTER));
        while let Some(ids) = batches.next_call() {
            let values = ids.iter().map(EndpointId::as_str);
            match self.list(vec![filter("vpc-endpoint-id", values)]).await {
                Ok(listed) => {
                    batches.took(ids.len());
                    found.add(listed);
                }
                Err(error) if is_about(&error, &ids) => {
                    let named = EndpointId::find_all_in(error.message().unwrap_or_default());
                    if batches.refused(&ids, &named, false) {
                        continue;
                    }
                    match <[EndpointId; 1]>::try_from(ids) {
                        // EC2 does not list it.
                        Ok(_) if says_not_found(&error) => {}
                        Ok([id]) => {
                            let what = format!("EC2 could not be asked for {id}");
                            let failed = describing(step, what).failed(error);
                            found.refused.insert(id, failed);
                        }
                        Err(ids) => left.extend(ids),
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(left)
    }

    /// All connections of one account to one service.
    pub(crate) async fn of_consumer(
        &self,
        service: &ServiceId,
        owner: &AccountId,
    ) -> Result<Listed, Arc<Error>> {
        let filters = vec![
            filter("service-id", [service.as_str()]),
            filter("vpc-endpoint-owner", [owner.as_str()]),
        ];
        let listed = self.list(filters).await;
        listed.map_err(|error| {
            let what = format!("EC2 could not be asked for {owner}'s connections to {service}");
            describing(Step::Observe, what).failed(error)
        })
    }

    /// The endpoints of one account that are connected to one service, whoever accepted them.
    pub(crate) async fn connected(
        &self,
        service: &ServiceId,
        owner: &AccountId,
    ) -> Result<Vec<EndpointId>, Arc<Error>> {
        let listed = self.of_consumer(service, owner).await?;
        Ok(listed
            .connections
            .into_iter()
            .filter(|connection| connection.state.phase() == Phase::Connected)
            .map(|connection| connection.endpoint_id)
            .collect())
    }

    /// The Transit Gateway attachments of a service. All is listed for them: EC2 has a filter for an
    /// attachment's id, and none for whatever has one.
    pub(crate) async fn attachments(&self, service: &ServiceId) -> Result<Attachments, Arc<Error>> {
        let filters = vec![filter("service-id", [service.as_str()])];
        let listed = self.list(filters).await.map_err(|error| {
            let what =
                format!("EC2 could not be asked for {service}'s Transit Gateway attachments");
            describing(Step::Observe, what).failed(error)
        })?;
        let mut attachments = Attachments::default();
        for item in listed.attachments {
            attachments.add(item);
        }
        Ok(attachments)
    }

    /// One page of a service's connections. A page may be empty and still have a next one.
    pub(crate) async fn page(
        &self,
        service: &ServiceId,
        which: Which,
        token: Option<String>,
    ) -> Result<Page, Arc<Error>> {
        let mut filters = vec![filter("service-id", [service.as_str()])];
        filters.extend(which.filter());
        let page = self.describe(filters, token).await;
        page.map_err(|error| listing(service).failed(error))
    }

    /// The connections of these accounts, to one service or to all.
    pub(crate) async fn of_consumers(
        &self,
        service: Option<&ServiceId>,
        owners: &[AccountId],
        which: Which,
    ) -> Result<Listed, Arc<Error>> {
        let mut found = Listed::default();
        for chunk in owners.chunks(VALUES_PER_FILTER) {
            let mut filters = vec![filter(
                "vpc-endpoint-owner",
                chunk.iter().map(AccountId::as_str),
            )];
            filters.extend(service.map(|id| filter("service-id", [id.as_str()])));
            filters.extend(which.filter());
            let listed = self.list(filters).await;
            found.add(listed.map_err(|error| {
                let accounts = match chunk {
                    [one] => one.to_string(),
                    many => format!("{} accounts", many.len()),
                };
                let service = service.map_or("all services".to_owned(), ServiceId::to_string);
                let what = format!(
                    "EC2 could not be asked for the connections of {accounts} to {service}"
                );
                describing(Step::Observe, what).failed(error)
            })?);
        }
        Ok(found)
    }

    /// The services whose connections are ours to decide.
    pub(crate) async fn managed_services(&self) -> Result<Arc<[ServiceId]>, Arc<Error>> {
        if let Managed::Listed(services) = &self.managed {
            return Ok(services.clone().into());
        }
        let mut tagged = self.tagged.lock().await;
        let now = self.clock.now();
        if let Some((asked, services)) = tagged.as_ref()
            && now.duration_since(*asked) < self.limits.services_fresh
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
        let listed = self.configurations(tagged, what).await?;
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
            let listed = self.configurations(ids, what).await?;
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

    /// Which of these services EC2 lists, and whether each is managed.
    pub(crate) async fn are_managed(
        &self,
        services: &[ServiceId],
    ) -> Result<BTreeMap<ServiceId, bool>, Arc<Error>> {
        let (key, value) = MANAGED_TAG;
        let mut found = BTreeMap::new();
        for chunk in services.chunks(VALUES_PER_FILTER) {
            let ids = filter("service-id", chunk.iter().map(ServiceId::as_str));
            let what = "EC2 could not be asked whether services are managed that were";
            for service in self.configurations(ids, what).await? {
                let Some(Ok(id)) = service.service_id().map(str::parse) else {
                    continue;
                };
                let mut tags = service.tags().iter();
                let is_managed = match &self.managed {
                    Managed::Tagged => {
                        tags.any(|tag| tag.key() == Some(key) && tag.value() == Some(value))
                    }
                    Managed::Listed(listed) => listed.contains(&id),
                };
                found.insert(id, is_managed);
            }
        }
        Ok(found)
    }

    /// Whether EC2 says that there is no such service. That it leaves one out of a list says nothing.
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
                tells_of_requests: one
                    .connection_events()
                    .iter()
                    .any(|event| says(event, "Connect")),
            });
        }
        Ok(found)
    }

    async fn configurations(
        &self,
        filter: Filter,
        what: &str,
    ) -> Result<Vec<ServiceConfiguration>, Arc<Error>> {
        let call = self
            .client
            .describe_vpc_endpoint_service_configurations()
            .filters(filter);
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

    /// The principals that a service's permissions let ask; `*` is every AWS account.
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

    fn bucket(&self, enforcement: Enforcement) -> &Bucket {
        match enforcement {
            Enforcement::Accept => &self.accepts,
            Enforcement::Reject => &self.rejects,
        }
    }
}

/// Whether EC2 says this. It spells one and the same value now this way, now that.
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

/// Whether an error's code says that there is no such service. EC2 spells it in two ways.
fn is_unknown_service(code: Option<&str>) -> bool {
    let known = [
        "InvalidVpcEndpointServiceId.NotFound",
        "InvalidVpcEndpointService.NotFound",
    ];
    code.is_some_and(|code| known.iter().any(|known| known.eq_ignore_ascii_case(code)))
}

/// Whether EC2 refused the call for one of the endpoints that it was asked for.
fn is_about(error: &DescribeError, ids: &[EndpointId]) -> bool {
    let code = error.code().unwrap_or_default();
    let of_endpoint = code.contains("VpcEndpointId") || code.starts_with("InvalidVpcEndpoint.");
    let names_one = || {
        let named = EndpointId::find_all_in(error.message().unwrap_or_default());
        code != "InvalidFilter" && named.iter().any(|id| ids.contains(id))
    };
    matches!(meaning(error), Meaning::Refused) && (of_endpoint || names_one())
}

fn says_not_found(error: &DescribeError) -> bool {
    error.code().is_some_and(|code| code.ends_with("NotFound"))
}

/// Whether EC2 refused the call for its filter. The filter is documented, and public reports have
/// EC2 refuse it all the same.
fn refuses_filter(error: &DescribeError) -> bool {
    error.code() == Some("InvalidFilter")
        || (matches!(meaning(error), Meaning::Refused)
            && error
                .message()
                .is_some_and(|said| said.to_ascii_lowercase().contains("filter")))
}

/// Asking EC2 for connections.
fn describing(step: Step, what: impl Into<String>) -> Call {
    let operation = "ec2:DescribeVpcEndpointConnections";
    Call::new(step, operation, Retryable::DescribeConnections, what)
}

/// Asking EC2 for all connections of a service, page by page.
pub(crate) fn listing(service: &ServiceId) -> Call {
    let what = format!("EC2 could not be asked for the connections of {service}");
    describing(Step::Observe, what)
}

fn describing_services(what: &str) -> Call {
    let operation = "ec2:DescribeVpcEndpointServiceConfigurations";
    Call::new(Step::Observe, operation, Retryable::DescribeServices, what)
}

/// Endpoints as an error names them.
fn named(ids: &[EndpointId]) -> String {
    match ids {
        [] => "no endpoint".to_owned(),
        [one] => one.to_string(),
        [first, more @ ..] => format!("{first} and {} more", more.len()),
    }
}

fn filter<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Filter {
    Filter::builder()
        .name(name)
        .set_values(Some(values.into_iter().map(str::to_owned).collect()))
        .build()
}
