use std::collections::BTreeMap;
use std::ops::Bound;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::endpoint::Endpoint;
use super::filter::Filters;
use super::notification::{self, ConnectionEvent};
use super::service::{ServiceKind, is_id, service_id, write_tags};
use super::state::State;
use super::{Ec2, Request, Unsuccessful, errors, event};
use crate::caller::Caller;
use crate::clock::{before, millis};
use crate::error::AwsError;
use crate::fault::ItemFault;
use crate::xml::Xml;

/// One consumer endpoint's link to an endpoint service, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Connection {
    /// `vpce-svc-…`.
    pub service_id: String,
    /// `vpce-…`.
    pub endpoint_id: String,
    /// The consumer's account.
    pub owner: String,
    /// The Region that the endpoint is in.
    pub region: String,
    /// The state at that moment.
    pub state: State,
    /// When the endpoint was created.
    pub created_at: Timestamp,
    /// `vpce-con-…`.
    pub connection_id: String,
    /// `ipv4`, `ipv6` or `dualstack`.
    pub ip_address_type: String,
}

/// A connection to be put into the world, without the notifications and checks that come with creating an endpoint.
#[derive(Debug, Clone)]
#[must_use]
pub struct NewConnection {
    pub(crate) service_id: String,
    pub(crate) owner: String,
    pub(crate) endpoint_id: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) state: State,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) ip_address_type: String,
}

impl NewConnection {
    /// A connection to a service from an endpoint of the account `owner`, in state `pendingAcceptance`.
    pub fn new(service_id: impl Into<String>, owner: impl Into<String>) -> Self {
        Self {
            service_id: service_id.into(),
            owner: owner.into(),
            endpoint_id: None,
            region: None,
            state: State::PendingAcceptance,
            created_at: None,
            ip_address_type: "ipv4".to_owned(),
        }
    }

    /// With this id rather than a made one; an endpoint with the same id is replaced.
    pub fn endpoint_id(mut self, id: impl Into<String>) -> Self {
        self.endpoint_id = Some(id.into());
        self
    }

    /// From an endpoint in this Region rather than in the service's.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// In this state, as if for ever.
    pub fn state(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    /// Created then rather than now.
    pub fn created_at(mut self, at: Timestamp) -> Self {
        self.created_at = Some(at);
        self
    }

    /// `ipv4` (the default), `ipv6` or `dualstack`.
    pub fn ip_address_type(mut self, kind: impl Into<String>) -> Self {
        self.ip_address_type = kind.into();
        self
    }
}

/// The place of a connection in the list of all: by service, then by age.
fn key(service_id: &str, number: u64) -> String {
    format!("{service_id}:{number}")
}

fn parse_key(key: &str) -> Option<(&str, u64)> {
    let (service_id, number) = key.split_once(':')?;
    Some((service_id, number.parse().ok()?))
}

pub(crate) fn describe(req: &Request<'_>) -> Result<String, AwsError> {
    let known = [
        "ip-address-type",
        "service-id",
        "transit-gateway-attachment-id",
        "vpc-endpoint-owner",
        "vpc-endpoint-region",
        "vpc-endpoint-state",
        "vpc-endpoint-id",
    ];
    let known = match known.split_last() {
        Some((_, others)) if req.options.reject_endpoint_id_filter => others,
        _ => &known,
    };
    let filters = Filters::parse(req.params, known)?;
    let page = req.page("DescribeVpcEndpointConnections")?;
    let (after_service, after_number) = match page.after() {
        Some(after) => parse_key(after).ok_or_else(errors::invalid_token)?,
        None => ("", 0),
    };
    req.dry_run()?;
    let at = before(req.now, req.options.describe_lag);
    let store = req.ec2.store();

    let wanted = |endpoint: &&Endpoint| -> bool {
        let Some(state) = endpoint.timeline.state_at(at) else {
            return false;
        };
        filters.all(|filter| match filter.name.as_str() {
            "ip-address-type" => filter.has(&endpoint.ip_address_type),
            "service-id" => filter.has(&endpoint.service_id),
            "vpc-endpoint-owner" => filter.has(&endpoint.owner),
            "vpc-endpoint-region" => {
                let remote = endpoint.region != endpoint.service_region;
                filter.has(&endpoint.region) || (remote && filter.has("cross-region"))
            }
            "vpc-endpoint-state" => filter.has(state.as_str()),
            "vpc-endpoint-id" => filter.has(&endpoint.id),
            // Transit gateway attachments are not modelled: no connection has one.
            _ => false,
        })
    };
    let place = |endpoint: &&Endpoint| key(&endpoint.service_id, endpoint.number);

    let (endpoints, token) = if let Some(ids) = filters.literals("vpc-endpoint-id") {
        // Few at most: look them up rather than go through all.
        let mut found: Vec<&Endpoint> = ids.iter().filter_map(|id| store.endpoint(id)).collect();
        found.sort_by_key(|endpoint| (&endpoint.service_id, endpoint.number));
        found.dedup_by_key(|endpoint| &endpoint.id);
        let found = found.into_iter().filter(|endpoint| {
            store
                .own_service(req.caller, &endpoint.service_id)
                .is_some()
                && (endpoint.service_id.as_str(), endpoint.number) > (after_service, after_number)
        });
        page.take(found.filter(wanted), place)
    } else {
        let only = filters.literals("service-id");
        let range = (Bound::Included(after_service), Bound::Unbounded);
        let services = store
            .services
            .range::<str, _>(range)
            .map(|(_, service)| service);
        let endpoints = services
            .filter(|service| service.is_own(req.caller))
            .filter(|service| only.is_none_or(|only| only.contains(&service.id)))
            .flat_map(|service| {
                let after = if service.id == after_service {
                    after_number
                } else {
                    0
                };
                store.of_service(&service.id, after)
            });
        page.take(endpoints.filter(wanted), place)
    };
    Ok(req.answer(|xml| {
        xml.list(
            "vpcEndpointConnectionSet",
            "item",
            endpoints,
            |xml, endpoint| {
                let service = store.services.get(&endpoint.service_id);
                let balancers = service
                    .map(|service| &service.load_balancers)
                    .into_iter()
                    .flatten();
                write(xml, endpoint, endpoint.timeline.state_at(at), balancers);
            },
        );
        xml.optional("nextToken", token);
    }))
}

fn write<'a>(
    xml: &mut Xml,
    endpoint: &Endpoint,
    state: Option<State>,
    balancers: impl Iterator<Item = &'a String>,
) {
    xml.text("serviceId", &endpoint.service_id);
    xml.text("vpcEndpointId", &endpoint.id);
    xml.text("vpcEndpointOwner", &endpoint.owner);
    xml.optional("vpcEndpointState", state);
    xml.text("creationTimestamp", millis(endpoint.created_at));
    endpoint.write_dns(xml);
    let set = match endpoint.kind {
        ServiceKind::Interface => "networkLoadBalancerArnSet",
        ServiceKind::GatewayLoadBalancer => "gatewayLoadBalancerArnSet",
    };
    xml.texts(set, "item", balancers);
    xml.text("ipAddressType", &endpoint.ip_address_type);
    xml.text("vpcEndpointConnectionId", &endpoint.connection_id);
    write_tags(xml, &BTreeMap::new());
    xml.text("vpcEndpointRegion", &endpoint.region);
    xml.list(
        "payerResponsibilitySet",
        "item",
        ["vpc-endpoint-account"],
        |xml, payer| {
            xml.text("scope", "vpc-endpoint-charges");
            xml.text("payerResponsibilityType", payer);
        },
    );
}

/// The two decisions on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Accept,
    Reject,
}

impl Verb {
    fn action(self) -> &'static str {
        match self {
            Self::Accept => "AcceptVpcEndpointConnections",
            Self::Reject => "RejectVpcEndpointConnections",
        }
    }
}

pub(crate) fn decide_call(req: &Request<'_>, verb: Verb) -> Result<String, AwsError> {
    let service_id = service_id(req.params)?;
    let endpoints = req.params.list("VpcEndpointId");
    let attachments = req.params.list("TransitGatewayAttachmentId");
    match (endpoints.is_empty(), attachments.is_empty()) {
        (true, true) => return Err(errors::missing("VpcEndpointId")),
        (false, false) => {
            return Err(errors::invalid_combination(
                "Specify either VpcEndpointIds or TransitGatewayAttachmentIds, but not both",
            ));
        }
        (true, false) => {
            return Err(errors::invalid_parameter(
                "TransitGatewayAttachmentIds are supported only for Gateway Load Balancer endpoint services",
            ));
        }
        (false, true) => {}
    }
    if let Some(id) = endpoints.iter().find(|id| !is_id(id, "vpce-")) {
        return Err(errors::malformed_endpoint(id));
    }
    if endpoints.len() > req.options.endpoints_per_decision {
        return Err(errors::invalid_parameter(
            "The request names more VPC endpoints than it may.",
        ));
    }
    let dry = req.flag("DryRun")?.unwrap_or(false);
    let failed = decide(
        req.ec2,
        req.caller,
        verb,
        service_id,
        &endpoints,
        req.item_fault,
        dry,
    )?;
    Ok(req.answer(|xml| super::write_unsuccessful(xml, &failed)))
}

/// Accepts or rejects the connections of some endpoints to one service of the caller's.
pub(crate) fn decide(
    ec2: &Ec2,
    caller: &Caller,
    verb: Verb,
    service_id: &str,
    endpoints: &[String],
    fault: Option<&ItemFault>,
    dry_run: bool,
) -> Result<Vec<Unsuccessful>, AwsError> {
    let result = decide_all(ec2, caller, verb, service_id, endpoints, fault, dry_run);
    event::emit(ec2, caller, verb.action(), || {
        let request = json!({ "ServiceId": service_id, "VpcEndpointId": event::list(endpoints) });
        let response = result.as_ref().map(|failed| {
            let items: Vec<_> = failed.iter().map(Unsuccessful::to_json).collect();
            json!({ "unsuccessful": event::items(items) })
        });
        (request, response)
    });
    result
}

fn decide_all(
    ec2: &Ec2,
    caller: &Caller,
    verb: Verb,
    service_id: &str,
    endpoints: &[String],
    fault: Option<&ItemFault>,
    dry_run: bool,
) -> Result<Vec<Unsuccessful>, AwsError> {
    let (now, options) = (ec2.now(), ec2.options());
    let mut store = ec2.store();
    if store.own_service(caller, service_id).is_none() {
        return Err(errors::no_service(service_id));
    }
    if dry_run {
        return Err(errors::dry_run());
    }
    let mut failed = Vec::new();
    let mut decided = Vec::new();
    for id in endpoints {
        if let Some(fault) = fault.filter(|fault| fault.covers(id)) {
            let error = AwsError::new(400, &fault.code, &fault.message);
            failed.push(Unsuccessful::new(id, &error));
            continue;
        }
        let endpoint = store
            .endpoint_mut(id)
            .filter(|endpoint| endpoint.service_id == service_id);
        let known = endpoint.and_then(|endpoint| {
            let state = endpoint
                .timeline
                .state_at(now)
                .filter(|state| *state != State::Deleted)?;
            Some((endpoint, state))
        });
        let Some((endpoint, state)) = known else {
            failed.push(Unsuccessful::new(id, &errors::no_endpoint(id)));
            continue;
        };
        match (verb, state) {
            (Verb::Accept, State::PendingAcceptance) => {
                endpoint.timeline.open(now, options.pending_delay);
            }
            (Verb::Accept, State::Rejected) if options.accept_after_reject => {
                endpoint.timeline.open(now, options.pending_delay);
            }
            (Verb::Reject, State::PendingAcceptance | State::Pending | State::Available) => {
                endpoint.timeline.steady(now, State::Rejected);
            }
            (_, state) => {
                failed.push(Unsuccessful::new(id, &errors::invalid_state(id, state)));
                continue;
            }
        }
        decided.push(id.clone());
    }
    let happened = match verb {
        Verb::Accept => ConnectionEvent::Accept,
        Verb::Reject => ConnectionEvent::Reject,
    };
    let messages: Vec<_> = decided
        .iter()
        .flat_map(|id| notification::due(&store, &options, id, happened, now))
        .collect();
    drop(store);
    ec2.notify(messages);
    Ok(failed)
}
