use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::endpoint::Endpoint;
use super::errors;
use super::event;
use super::filter::Filters;
use super::notification::ConnectionEvent;
use super::notifications;
use super::options::Ec2Options;
use super::record;
use super::service::{ServiceKind, is_id, service_id, write_tags};
use super::state::State;
use super::store::Store;
use super::unsuccessful::{Unsuccessful, unsuccessful_event, write_unsuccessful};
use super::world::{Ec2, Request};
use crate::caller::Caller;
use crate::clock::{before, millis};
use crate::error::AwsError;
use crate::fault::ItemFault;
use crate::xml::Xml;

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
        Some((_, others)) if req.simulator.options().reject_endpoint_id_filter => others,
        _ => &known,
    };
    let filters = Filters::parse(req.params, known)?;
    let page = req.page("DescribeVpcEndpointConnections")?;
    let (after_service, after_number) = match page.after() {
        Some(after) => parse_key(after).ok_or_else(errors::invalid_token)?,
        None => ("", 0),
    };
    req.dry_run()?;
    let at = before(req.now, req.simulator.options().describe_lag);
    let store = req.simulator.store();

    let wanted = |endpoint: &&Endpoint| -> bool {
        let Some(state) = endpoint.timeline.state_at(at) else {
            return false;
        };
        filters.all(|filter| match filter.name.as_str() {
            "ip-address-type" => filter.has(&endpoint.ip_address_type),
            "service-id" => filter.has(&endpoint.service_id),
            "vpc-endpoint-owner" => endpoint
                .endpoint_owner()
                .is_some_and(|owner| filter.has(owner)),
            "vpc-endpoint-region" => {
                let remote = endpoint.region != endpoint.service_region;
                endpoint.endpoint_id().is_some()
                    && (filter.has(&endpoint.region) || (remote && filter.has("cross-region")))
            }
            "vpc-endpoint-state" => filter.has(state.as_str()),
            "vpc-endpoint-id" => endpoint.endpoint_id().is_some_and(|id| filter.has(id)),
            _ => endpoint
                .attachment
                .as_ref()
                .is_some_and(|of| filter.has(&of.id)),
        })
    };
    let place = |endpoint: &&Endpoint| key(&endpoint.service_id, endpoint.number);

    let (endpoints, token) = if let Some(ids) = filters.literals("vpc-endpoint-id") {
        // Few at most: look them up rather than go through all.
        let mut found: Vec<&Endpoint> = ids.iter().filter_map(|id| store.endpoint(id)).collect();
        found.sort_by_key(|endpoint| (&endpoint.service_id, endpoint.number));
        found.dedup_by_key(|endpoint| &endpoint.id);
        let found = found.into_iter().filter(|endpoint| {
            endpoint.is_to(req.caller)
                && (endpoint.service_id.as_str(), endpoint.number) > (after_service, after_number)
        });
        page.take(found.filter(wanted), place)
    } else {
        let only = filters.literals("service-id");
        // A connection stays listed when its service is deleted (rebuy-de/aws-nuke #1258, ekristen/aws-nuke #272).
        let endpoints = store
            .connected(after_service)
            .filter(|service| only.is_none_or(|only| only.iter().any(|id| id == service)))
            .flat_map(|service| {
                let after = if service == after_service {
                    after_number
                } else {
                    0
                };
                store.of_service(service, after)
            })
            .filter(|endpoint| endpoint.is_to(req.caller));
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
    xml.optional("vpcEndpointId", endpoint.endpoint_id());
    xml.optional("vpcEndpointOwner", endpoint.endpoint_owner());
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
    let region = endpoint.endpoint_id().map(|_| &endpoint.region);
    xml.optional("vpcEndpointRegion", region);
    xml.list(
        "payerResponsibilitySet",
        "item",
        endpoint.endpoint_owner().map(|_| "vpc-endpoint-account"),
        |xml, payer| {
            xml.text("scope", "vpc-endpoint-charges");
            xml.text("payerResponsibilityType", payer);
        },
    );
    if let Some(of) = &endpoint.attachment {
        xml.text("transitGatewayAttachmentId", &of.id);
        xml.text("transitGatewayAttachmentOwner", &endpoint.owner);
    }
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

    fn infinitive(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
        }
    }

    /// Decides a connection, if its state allows it.
    fn decide(
        self,
        endpoint: &mut Endpoint,
        state: State,
        now: Timestamp,
        options: &Ec2Options,
    ) -> bool {
        match (self, state) {
            (Self::Accept, State::PendingAcceptance) => {}
            (Self::Accept, State::Rejected) if options.accept_after_reject => {}
            (Self::Reject, State::PendingAcceptance | State::Pending | State::Available) => {
                endpoint.timeline.steady(now, State::Rejected);
                return true;
            }
            _ => return false,
        }
        endpoint.timeline.open(now, options.pending_delay);
        true
    }
}

/// The ids that a decision names.
#[derive(Debug, Clone, Copy)]
enum Named<'a> {
    Endpoints(&'a [String]),
    Attachments(&'a [String]),
}

/// "Array Members: Maximum number of 50 items" (EC2's API model, of `TransitGatewayAttachmentIds`).
const MOST_ATTACHMENTS: usize = 50;

impl<'a> Named<'a> {
    fn ids(self) -> &'a [String] {
        match self {
            Self::Endpoints(ids) | Self::Attachments(ids) => ids,
        }
    }

    fn parameter(self) -> &'static str {
        match self {
            Self::Endpoints(_) => "VpcEndpointId",
            Self::Attachments(_) => "TransitGatewayAttachmentId",
        }
    }

    /// The ids are well formed, and there are not too many.
    fn check(self, verb: Verb, at_most: Option<usize>) -> Result<(), AwsError> {
        let (prefix, what, most) = match self {
            Self::Endpoints(_) => ("vpce-", "VPC endpoints", at_most),
            Self::Attachments(_) => (
                "tgw-attach-",
                "transit gateway attachments",
                Some(MOST_ATTACHMENTS),
            ),
        };
        if let Some(most) = most.filter(|most| self.ids().len() > *most) {
            return Err(errors::too_many(what, verb.infinitive(), most));
        }
        match self.ids().iter().find(|id| !is_id(id, prefix)) {
            Some(id) => Err(match self {
                Self::Endpoints(_) => errors::malformed_endpoint(id),
                Self::Attachments(_) => errors::malformed_attachment(id),
            }),
            None => Ok(()),
        }
    }

    /// The keys of the connections that an id stands for.
    fn keys(self, store: &Store, id: &str, options: &Ec2Options) -> Vec<String> {
        match self {
            Self::Endpoints(_) => store
                .endpoint(id)
                .filter(|endpoint| endpoint.endpoint_id().is_some())
                .filter(|endpoint| endpoint.attachment.is_none() || options.attachments_by_endpoint)
                .map(|endpoint| endpoint.id.clone())
                .into_iter()
                .collect(),
            Self::Attachments(_) => store.attached(id),
        }
    }

    fn not_found(self, id: &str) -> AwsError {
        match self {
            Self::Endpoints(_) => errors::no_endpoint(id),
            Self::Attachments(_) => errors::no_attachment(id),
        }
    }
}

pub(crate) fn decide_call(req: &Request<'_>, verb: Verb) -> Result<String, AwsError> {
    let service_id = service_id(req.params)?;
    let endpoints = req.params.list("VpcEndpointId");
    let attachments = req.params.list("TransitGatewayAttachmentId");
    let named = match (endpoints.is_empty(), attachments.is_empty()) {
        (true, true) => return Err(errors::missing("VpcEndpointId")),
        (false, false) => {
            return Err(errors::invalid_combination(
                "Specify either VpcEndpointIds or TransitGatewayAttachmentIds, but not both",
            ));
        }
        (true, false) => Named::Attachments(&attachments),
        (false, true) => Named::Endpoints(&endpoints),
    };
    let dry = req.flag("DryRun")?.unwrap_or(false);
    let failed = decide(
        req.simulator,
        req.caller,
        verb,
        service_id,
        named,
        req.item_fault,
        dry,
    )?;
    Ok(req.answer(|xml| write_unsuccessful(xml, &failed)))
}

impl Ec2 {
    /// Does what `AcceptVpcEndpointConnections` does: somebody else decides, on the console for example.
    ///
    /// # Errors
    /// `InvalidVpcEndpointServiceId.NotFound` if the caller has no such service in its Region.
    pub fn accept(
        &self,
        caller: &Caller,
        service_id: &str,
        endpoint_ids: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Vec<Unsuccessful>, AwsError> {
        let ids = texts(endpoint_ids);
        self.decide(caller, Verb::Accept, service_id, Named::Endpoints(&ids))
    }

    /// Does what `RejectVpcEndpointConnections` does.
    ///
    /// # Errors
    /// As [`Ec2::accept`].
    pub fn reject(
        &self,
        caller: &Caller,
        service_id: &str,
        endpoint_ids: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Vec<Unsuccessful>, AwsError> {
        let ids = texts(endpoint_ids);
        self.decide(caller, Verb::Reject, service_id, Named::Endpoints(&ids))
    }

    /// Does what `AcceptVpcEndpointConnections` does with `TransitGatewayAttachmentIds`.
    ///
    /// # Errors
    /// As [`Ec2::accept`].
    pub fn accept_attachments(
        &self,
        caller: &Caller,
        service_id: &str,
        ids: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Vec<Unsuccessful>, AwsError> {
        let ids = texts(ids);
        self.decide(caller, Verb::Accept, service_id, Named::Attachments(&ids))
    }

    /// Does what `RejectVpcEndpointConnections` does with `TransitGatewayAttachmentIds`.
    ///
    /// # Errors
    /// As [`Ec2::accept`].
    pub fn reject_attachments(
        &self,
        caller: &Caller,
        service_id: &str,
        ids: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Vec<Unsuccessful>, AwsError> {
        let ids = texts(ids);
        self.decide(caller, Verb::Reject, service_id, Named::Attachments(&ids))
    }

    fn decide(
        &self,
        caller: &Caller,
        verb: Verb,
        service_id: &str,
        named: Named<'_>,
    ) -> Result<Vec<Unsuccessful>, AwsError> {
        decide(self, caller, verb, service_id, named, None, false)
    }
}

fn texts(ids: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    ids.into_iter().map(Into::into).collect()
}

/// Accepts or rejects some connections to one service of the caller's.
fn decide(
    ec2: &Ec2,
    caller: &Caller,
    verb: Verb,
    service_id: &str,
    named: Named<'_>,
    fault: Option<&ItemFault>,
    dry_run: bool,
) -> Result<Vec<Unsuccessful>, AwsError> {
    let result = decide_all(ec2, caller, verb, service_id, named, fault, dry_run);
    event::emit(ec2, caller, verb.action(), || {
        let request =
            json!({ "ServiceId": service_id, named.parameter(): record::list(named.ids()) });
        (
            request,
            result.as_ref().map(|failed| unsuccessful_event(failed)),
        )
    });
    result
}

fn decide_all(
    ec2: &Ec2,
    caller: &Caller,
    verb: Verb,
    service_id: &str,
    named: Named<'_>,
    fault: Option<&ItemFault>,
    dry_run: bool,
) -> Result<Vec<Unsuccessful>, AwsError> {
    let (now, options) = (ec2.now(), ec2.options());
    named.check(verb, options.decide_at_most)?;
    let mut store = ec2.store();
    let service = store.own_service(caller, service_id);
    let service = service.ok_or_else(|| errors::no_service(service_id))?;
    if matches!(named, Named::Attachments(_)) && service.kind != ServiceKind::GatewayLoadBalancer {
        return Err(errors::attachments_not_supported());
    }
    if dry_run {
        return Err(errors::dry_run());
    }
    let mut failed = Vec::new();
    let mut decided = Vec::new();
    for id in named.ids() {
        if let Some(fault) = fault.filter(|fault| fault.covers(id)) {
            let error = AwsError::new(400, &fault.code, &fault.message);
            failed.push(Unsuccessful::new(id, &error));
            continue;
        }
        // An attachment has several connections. Decide those whose state allows it.
        let (mut done, mut wrong) = (false, None);
        for key in named.keys(&store, id, &options) {
            let endpoint = store
                .endpoint_mut(&key)
                .filter(|endpoint| endpoint.service_id == service_id);
            let Some(endpoint) = endpoint else {
                continue;
            };
            match endpoint.timeline.state_at(now) {
                None | Some(State::Deleted) => {}
                Some(state) if verb.decide(endpoint, state, now, &options) => {
                    done = true;
                    decided.push(key);
                }
                Some(state) => wrong = Some(state),
            }
        }
        match wrong {
            _ if done => {}
            Some(state) => failed.push(Unsuccessful::new(id, &errors::invalid_state(id, state))),
            None => failed.push(Unsuccessful::new(id, &named.not_found(id))),
        }
    }
    let happened = match verb {
        Verb::Accept => ConnectionEvent::Accept,
        Verb::Reject => ConnectionEvent::Reject,
    };
    let messages: Vec<_> = decided
        .iter()
        .flat_map(|id| notifications::due(&store, &options, id, happened, now))
        .collect();
    drop(store);
    ec2.notify(messages);
    Ok(failed)
}
