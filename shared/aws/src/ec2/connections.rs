//! Lists connections at EC2.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_ec2::error::SdkError;
use aws_sdk_ec2::types::Filter;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gatekeeper_core::attachment::Attachments;
use gatekeeper_core::batch::{BatchSize, Batches};
use gatekeeper_core::connection::{ConnectionState, Phase};
use gatekeeper_core::ids::{AccountId, EndpointId, Region, ServiceId};

use super::attachments::ReadAlong;
use super::bucket::Bucket;
use super::describe::{DescribeError, Listed, Page, read_all};
use super::filter::{VALUES_PER_FILTER, filter, named};
use crate::clients::Clients;
use crate::config::Config;
use crate::error::codes::{Meaning, meaning};
use crate::error::{Call, Error, Retryable, Step};
use crate::paging::Pages;

/// Lists connections. Clones share their state.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    client: aws_sdk_ec2::Client,
    describes: Arc<Bucket>,
    home: Region,
    page_size: i32,
    /// Set once EC2 has refused the documented `vpc-endpoint-id` filter, which public reports say
    /// it does.
    no_endpoint_filter: Arc<AtomicBool>,
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

impl Connections {
    pub(super) fn new(clients: &Clients, config: &Config, describes: Arc<Bucket>) -> Self {
        Self {
            client: clients.ec2.clone(),
            describes,
            home: config.region.clone(),
            page_size: config.limits.page,
            no_endpoint_filter: Arc::default(),
        }
    }

    /// EC2's state of these endpoints. Endpoints that EC2 does not list are left out. `services`
    /// are where to look if EC2 refuses to look for single endpoints.
    pub(crate) async fn connections(
        &self,
        ids: &[EndpointId],
        services: &[ServiceId],
    ) -> Result<Listed, Arc<Error>> {
        self.look_for(Step::Observe, ids, services).await
    }

    /// EC2's state of these endpoints of one service, after a call to accept or reject them.
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

    /// Looks for single endpoints, as many at once as EC2 allows. An endpoint that EC2 refuses does
    /// not affect the others. If EC2 refuses too many, answers those that are to be found among the
    /// services' connections instead.
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

    /// The endpoints of one account that are connected to one service, no matter who accepted them.
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

    /// The Transit Gateway attachments of a service. This lists all connections, because EC2 can
    /// filter by an attachment's id, but not by whether there is one.
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

    /// All pages of the connections that match the filters.
    async fn list(&self, filters: Vec<Filter>) -> Result<Listed, DescribeError> {
        let mut all = Listed::default();
        let mut pages = Pages::default();
        let mut token = None;
        loop {
            let page = self.describe(filters.clone(), token).await?;
            all.add(page.listed);
            token = pages
                .next(page.next.as_deref())
                .map_err(SdkError::construction_failure)?;
            if token.is_none() {
                return Ok(all);
            }
        }
    }

    /// One page, which may be empty and still have a next one.
    async fn describe(
        &self,
        filters: Vec<Filter>,
        token: Option<String>,
    ) -> Result<Page, DescribeError> {
        self.describes.wait().await;
        let along = ReadAlong::default();
        let output = self
            .client
            .describe_vpc_endpoint_connections()
            .set_filters(Some(filters))
            .max_results(self.page_size)
            .set_next_token(token)
            .customize()
            .interceptor(along.clone())
            .send()
            .await?;
        let named = along.items().map_err(SdkError::construction_failure)?;
        let listed = read_all(output.vpc_endpoint_connections(), &named, &self.home);
        Ok(Page {
            listed,
            next: output.next_token,
        })
    }
}

/// Whether EC2 refused the call because of one of the endpoints in it.
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

/// Whether EC2 refused the call because of its filter. The filter is documented, but public reports
/// say that EC2 refuses it.
fn refuses_filter(error: &DescribeError) -> bool {
    error.code() == Some("InvalidFilter")
        || (matches!(meaning(error), Meaning::Refused)
            && error
                .message()
                .is_some_and(|said| said.to_ascii_lowercase().contains("filter")))
}

/// The call that describes connections.
fn describing(step: Step, what: impl Into<String>) -> Call {
    let operation = "ec2:DescribeVpcEndpointConnections";
    Call::new(step, operation, Retryable::DescribeConnections, what)
}

/// The call that lists all connections of a service, page by page.
pub(crate) fn listing(service: &ServiceId) -> Call {
    let what = format!("EC2 could not be asked for the connections of {service}");
    describing(Step::Observe, what)
}
