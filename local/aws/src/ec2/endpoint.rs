use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::attachment::Attached;
use super::connection::Connection;
use super::filter::Filters;
use super::notification::{self, ConnectionEvent};
use super::service::{Service, ServiceKind, is_id, tags_of, write_tags};
use super::state::State;
use super::store::Store;
use super::timeline::Timeline;
use super::{Ec2, Request, Unsuccessful, errors, event};
use crate::caller::Caller;
use crate::clock::{before, millis};
use crate::error::AwsError;
use crate::xml::Xml;

/// Of all endpoints' names.
const HOSTED_ZONE: &str = "Z7HUB22UULQXV";

/// As many as a call takes, by its error (couchbaselabs/cbdinocluster #199).
const MOST_DELETED: usize = 25;

/// A consumer's endpoint, which is also its connection to the service; or the connection of a transit gateway
/// attachment.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// The order of lists.
    pub(crate) number: u64,
    /// `vpce-…`; of a connection that is listed without an endpoint, the attachment's id.
    pub(crate) id: String,
    /// Of whose attachment it is, if it is an attachment's.
    pub(crate) attachment: Option<Attached>,
    pub(crate) connection_id: String,
    pub(crate) service_id: String,
    /// The service's, which it may outlive.
    pub(crate) provider: String,
    pub(crate) service_region: String,
    pub(crate) kind: ServiceKind,
    pub(crate) owner: String,
    pub(crate) region: String,
    pub(crate) vpc_id: String,
    pub(crate) subnet_ids: Vec<String>,
    pub(crate) ip_address_type: String,
    pub(crate) private_dns: bool,
    pub(crate) dns_record_ip_type: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created_at: Timestamp,
    pub(crate) timeline: Timeline,
}

impl Endpoint {
    /// The endpoint's id, if the connection is listed with one.
    pub(crate) fn endpoint_id(&self) -> Option<&str> {
        let without = self.attachment.as_ref().is_some_and(|of| of.id == self.id);
        (!without).then_some(&self.id)
    }

    /// The owner that is listed for the endpoint, if there is one.
    pub(crate) fn endpoint_owner(&self) -> Option<&str> {
        let without = self.endpoint_id().is_none()
            || self.attachment.as_ref().is_some_and(|of| of.without_owner);
        (!without).then_some(&self.owner)
    }

    /// Whether it is a connection to a service of the caller's, even if the service is deleted.
    pub(crate) fn is_to(&self, caller: &Caller) -> bool {
        self.provider == caller.account && self.service_region == caller.region
    }

    /// The connection at `at`; `None` when it is not there yet or no more.
    pub(crate) fn connection(&self, at: Timestamp) -> Option<Connection> {
        Some(Connection {
            service_id: self.service_id.clone(),
            endpoint_id: self.id.clone(),
            owner: self.owner.clone(),
            region: self.region.clone(),
            state: self.timeline.state_at(at)?,
            created_at: self.created_at,
            connection_id: self.connection_id.clone(),
            ip_address_type: self.ip_address_type.clone(),
        })
    }

    /// As CloudTrail records it in a response.
    fn to_event(&self) -> Value {
        let items =
            |texts: &[String]| event::items(texts.iter().map(|one| event::text(one)).collect());
        let tags = self
            .tags
            .iter()
            .map(|(key, value)| json!({ "key": event::text(key), "value": event::text(value) }));
        let state = self.timeline.state_at(self.created_at);
        let names = self
            .names_when(state)
            .map(|name| json!({ "dnsName": name, "hostedZoneId": HOSTED_ZONE }));
        json!({ "vpcEndpoint": {
            "vpcEndpointId": self.id,
            "vpcEndpointType": self.kind.as_str(),
            "vpcId": event::text(&self.vpc_id),
            "serviceName": self.service_name(),
            "state": state,
            "routeTableIdSet": "",
            "subnetIdSet": items(&self.subnet_ids),
            "groupSet": "",
            "ipAddressType": self.ip_address_type,
            "privateDnsEnabled": self.private_dns,
            "requesterManaged": false,
            "dnsOptions": { "dnsRecordIpType": self.dns_record_ip_type },
            "networkInterfaceIdSet": "",
            "dnsEntrySet": event::items(names.into_iter().collect()),
            "creationTimestamp": millis(self.created_at),
            "tagSet": event::items(tags.collect()),
            "ownerId": event::text(&self.owner),
        } })
    }

    pub(crate) fn service_name(&self) -> String {
        format!(
            "com.amazonaws.vpce.{}.{}",
            self.service_region, self.service_id
        )
    }

    /// The name that a consumer sees: none while the connection waits, as in a captured answer of `CreateVpcEndpoint`.
    fn names_when(&self, state: Option<State>) -> Option<String> {
        self.dns_name()
            .filter(|_| state != Some(State::PendingAcceptance))
    }

    /// Gateway Load Balancer endpoints have no names.
    fn dns_name(&self) -> Option<String> {
        let suffix: String = self.connection_id.chars().rev().take(8).collect();
        (self.kind == ServiceKind::Interface).then(|| {
            format!(
                "{}-{suffix}.{}.{}.vpce.amazonaws.com",
                self.id, self.service_id, self.service_region
            )
        })
    }

    pub(crate) fn write_dns(&self, xml: &mut Xml) {
        write_names(xml, self.dns_name());
    }

    fn write(&self, xml: &mut Xml, state: Option<State>) {
        xml.text("vpcEndpointId", &self.id);
        xml.text("vpcEndpointType", self.kind.as_str());
        xml.text("vpcId", &self.vpc_id);
        xml.text("serviceName", self.service_name());
        xml.optional("state", state);
        xml.texts("routeTableIdSet", "item", [] as [&str; 0]);
        xml.texts("subnetIdSet", "item", &self.subnet_ids);
        xml.list("groupSet", "item", [] as [u8; 0], |_, _| ());
        xml.text("ipAddressType", &self.ip_address_type);
        xml.text("privateDnsEnabled", self.private_dns);
        xml.text("requesterManaged", false);
        xml.texts("networkInterfaceIdSet", "item", [] as [&str; 0]);
        xml.element("dnsOptions", |xml| {
            xml.text("dnsRecordIpType", &self.dns_record_ip_type);
        });
        write_names(xml, self.names_when(state));
        xml.text("creationTimestamp", millis(self.created_at));
        write_tags(xml, &self.tags);
        xml.text("ownerId", &self.owner);
        xml.text("serviceRegion", &self.service_region);
    }
}

fn write_names(xml: &mut Xml, names: Option<String>) {
    xml.list("dnsEntrySet", "item", names, |xml, name| {
        xml.text("dnsName", name);
        xml.text("hostedZoneId", HOSTED_ZONE);
    });
}

/// An endpoint that a consumer creates.
#[derive(Debug, Clone)]
#[must_use]
pub struct NewEndpoint {
    pub(crate) service: String,
    pub(crate) endpoint_id: Option<String>,
    pub(crate) service_region: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) vpc_id: String,
    pub(crate) subnet_ids: Vec<String>,
    pub(crate) ip_address_type: String,
    pub(crate) private_dns: bool,
    pub(crate) dns_record_ip_type: String,
    pub(crate) tags: BTreeMap<String, String>,
}

impl NewEndpoint {
    /// To a service, by its id or its name (`com.amazonaws.vpce.<region>.<id>`), wherever the service is.
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            endpoint_id: None,
            service_region: None,
            kind: None,
            vpc_id: "vpc-0000000000000000a".to_owned(),
            subnet_ids: Vec::new(),
            ip_address_type: "ipv4".to_owned(),
            private_dns: false,
            dns_record_ip_type: "ipv4".to_owned(),
            tags: BTreeMap::new(),
        }
    }

    /// With this id rather than a made one.
    pub fn endpoint_id(mut self, id: impl Into<String>) -> Self {
        self.endpoint_id = Some(id.into());
        self
    }

    /// What a service does not offer is refused.
    fn fits(&self, service: &Service) -> Result<(), AwsError> {
        let wanted: &[&str] = match self.ip_address_type.as_str() {
            "dualstack" => &["ipv4", "ipv6"],
            one => &[one],
        };
        let offered = |kind: &&str| service.ip_address_types.contains(*kind);
        if !wanted.iter().all(offered) {
            return Err(errors::invalid_parameter(format!(
                "The service {} does not support the IP address type {}",
                service.name(),
                self.ip_address_type
            )));
        }
        if self.private_dns && service.private_dns_name.is_none() {
            return Err(errors::invalid_parameter(format!(
                "Private DNS can't be enabled because the service {} does not provide a private DNS name.",
                service.name()
            )));
        }
        if service.kind == ServiceKind::GatewayLoadBalancer && self.subnet_ids.len() > 1 {
            return Err(errors::invalid_parameter(
                "A Gateway Load Balancer endpoint can have one subnet only",
            ));
        }
        Ok(())
    }

    /// As CloudTrail records the request.
    fn to_event(&self) -> Value {
        let subnets = (!self.subnet_ids.is_empty()).then(|| event::list(&self.subnet_ids));
        let tags = (!self.tags.is_empty()).then(|| {
            let tags = self.tags.iter().zip(1..).map(|((key, value), n)| {
                json!({ "Key": event::text(key), "Value": event::text(value), "tag": n })
            });
            json!({ "ResourceType": "vpc-endpoint", "Tag": event::one_or_many(tags.collect()), "tag": 1 })
        });
        json!({
            "VpcId": event::text(&self.vpc_id),
            "ServiceName": event::text(&self.service),
            "ServiceRegion": self.service_region,
            "VpcEndpointType": self.kind,
            "IpAddressType": self.ip_address_type,
            "PrivateDnsEnabled": self.private_dns,
            "DnsOptions": { "DnsRecordIpType": self.dns_record_ip_type },
            "SubnetId": subnets,
            "TagSpecification": tags,
        })
    }
}

/// Creates an endpoint as `caller`, or answers the one that the same request created before.
pub(crate) fn create(
    ec2: &Ec2,
    caller: &Caller,
    new: &NewEndpoint,
    dry_run: bool,
    before: Option<Endpoint>,
) -> Result<Endpoint, AwsError> {
    let result = create_one(ec2, caller, new, dry_run, before);
    event::emit(ec2, caller, "CreateVpcEndpoint", || {
        (new.to_event(), result.as_ref().map(Endpoint::to_event))
    });
    result
}

/// The service that an endpoint asks for, if the caller may use it from where it is.
fn find<'a>(store: &'a Store, caller: &Caller, new: &NewEndpoint) -> Option<&'a Service> {
    let id = new.service.rsplit('.').next()?;
    store
        .services
        .get(id)
        .filter(|service| new.service == service.id || new.service == service.name())
        .filter(|service| {
            new.service_region
                .as_ref()
                .is_none_or(|region| *region == service.region)
        })
        .filter(|service| service.regions.contains(&caller.region))
        .filter(|service| service.permits(caller))
}

fn create_one(
    ec2: &Ec2,
    caller: &Caller,
    new: &NewEndpoint,
    dry_run: bool,
    before: Option<Endpoint>,
) -> Result<Endpoint, AwsError> {
    let (now, options) = (ec2.now(), ec2.options());
    let mut store = ec2.store();
    let service = find(&store, caller, new).ok_or_else(|| errors::no_service_name(&new.service))?;
    let service_kind = service.kind.as_str();
    if let Some(kind) = new.kind.as_deref().filter(|kind| *kind != service_kind) {
        return Err(errors::invalid_parameter(format!(
            "Endpoint type ({kind}) does not match available service types ([{service_kind}])."
        )));
    }
    new.fits(service)?;
    if dry_run {
        return Err(errors::dry_run());
    }
    if let Some(before) = before {
        return Ok(before);
    }
    let mut endpoint = Endpoint {
        number: 0,
        id: new
            .endpoint_id
            .clone()
            .unwrap_or_else(|| ec2.ids().ec2("vpce-")),
        attachment: None,
        connection_id: ec2.ids().ec2("vpce-con-"),
        service_id: service.id.clone(),
        provider: service.owner.clone(),
        service_region: service.region.clone(),
        kind: service.kind,
        owner: caller.account.clone(),
        region: caller.region.clone(),
        vpc_id: new.vpc_id.clone(),
        subnet_ids: new.subnet_ids.clone(),
        ip_address_type: new.ip_address_type.clone(),
        private_dns: new.private_dns,
        dns_record_ip_type: new.dns_record_ip_type.clone(),
        tags: new.tags.clone(),
        created_at: now,
        timeline: if service.acceptance_required {
            Timeline::since(now, State::PendingAcceptance)
        } else {
            Timeline::opening_since(now, options.pending_delay)
        },
    };
    endpoint.number = store.number();
    store.insert(endpoint.clone());
    let messages = notification::due(
        &store,
        &options,
        &endpoint.id,
        ConnectionEvent::Connect,
        now,
    );
    drop(store);
    ec2.notify(messages);
    Ok(endpoint)
}

/// What can be created; here, the first and the third.
const TYPES: [&str; 6] = [
    "Interface",
    "Gateway",
    "GatewayLoadBalancer",
    "Resource",
    "ServiceNetwork",
    "Tunnel",
];

/// A text that has to be one of the model's.
fn one_of(text: &str, name: &str, known: &[&str]) -> Result<(), AwsError> {
    if known.contains(&text) {
        return Ok(());
    }
    let why = format!("Valid values are {}.", known.join(", "));
    Err(errors::invalid_value(text, name, &why))
}

pub(crate) fn create_call(req: &Request<'_>) -> Result<String, AwsError> {
    let params = req.params;
    let vpc_id = params
        .filled("VpcId")
        .ok_or_else(|| errors::missing("VpcId"))?;
    let service = params
        .filled("ServiceName")
        .ok_or_else(|| errors::missing("ServiceName"))?;
    let region = params.filled("ServiceRegion").unwrap_or(&req.caller.region);
    if !service.contains('.') {
        return Err(errors::no_service_name(service));
    }
    let kind = params.filled("VpcEndpointType").unwrap_or("Gateway");
    one_of(kind, "VpcEndpointType", &TYPES)?;
    let ip_address_type = params.filled("IpAddressType").unwrap_or("ipv4");
    one_of(
        ip_address_type,
        "IpAddressType",
        &["ipv4", "dualstack", "ipv6"],
    )?;
    // Without it, as the endpoint itself.
    let record_type = params.filled("DnsOptions.DnsRecordIpType");
    let record_type = record_type.unwrap_or(ip_address_type);
    one_of(
        record_type,
        "DnsRecordIpType",
        &["ipv4", "dualstack", "ipv6", "service-defined"],
    )?;
    let new = NewEndpoint {
        service: service.to_owned(),
        endpoint_id: None,
        service_region: Some(region.to_owned()),
        kind: Some(kind.to_owned()),
        vpc_id: vpc_id.to_owned(),
        subnet_ids: params.list("SubnetId"),
        ip_address_type: ip_address_type.to_owned(),
        private_dns: req.flag("PrivateDnsEnabled")?.unwrap_or(false),
        dns_record_ip_type: record_type.to_owned(),
        tags: tags_of(params, "vpc-endpoint"),
    };
    let dry_run = req.flag("DryRun")?.unwrap_or(false);
    let before = {
        let store = req.ec2.store();
        let id = store.created(req)?;
        id.and_then(|id| store.endpoint(&id).cloned())
    };
    let endpoint = create(req.ec2, req.caller, &new, dry_run, before)?;
    req.ec2.store().creates(req, &endpoint.id);
    Ok(req.answer(|xml| {
        xml.element("vpcEndpoint", |xml| {
            endpoint.write(xml, endpoint.timeline.state_at(req.ec2.now()));
        });
        xml.optional("clientToken", params.get("ClientToken"));
    }))
}

pub(crate) fn describe(req: &Request<'_>) -> Result<String, AwsError> {
    let known = [
        "ip-address-type",
        "service-name",
        "service-region",
        "vpc-id",
        "vpc-endpoint-id",
        "vpc-endpoint-state",
        "vpc-endpoint-type",
        "tag:",
        "tag-key",
    ];
    let filters = Filters::parse(req.params, &known)?;
    let page = req.page("DescribeVpcEndpoints")?;
    let after = match page.after() {
        Some(after) => after.parse().map_err(|_| errors::invalid_token())?,
        None => 0,
    };
    let at = before(req.now, req.options.describe_lag);
    let ids = req.params.list("VpcEndpointId");
    let store = req.ec2.store();
    for id in &ids {
        if !is_id(id, "vpce-") {
            return Err(errors::malformed_endpoint(id));
        }
        let own = store
            .endpoint(id)
            .filter(|endpoint| is_own(endpoint, req.caller));
        if own
            .and_then(|endpoint| endpoint.timeline.state_at(at))
            .is_none()
        {
            return Err(errors::no_endpoint(id));
        }
    }
    req.dry_run()?;
    let endpoints = store
        .of_owner(&req.caller.account, after)
        .filter(|endpoint| is_own(endpoint, req.caller))
        .filter(|endpoint| ids.is_empty() || ids.contains(&endpoint.id))
        .filter_map(|endpoint| Some((endpoint, endpoint.timeline.state_at(at)?)))
        .filter(|(endpoint, state)| {
            filters.all(|filter| match filter.name.as_str() {
                "ip-address-type" => filter.has(&endpoint.ip_address_type),
                "service-name" => filter.has(&endpoint.service_name()),
                "service-region" => filter.has(&endpoint.service_region),
                "vpc-id" => filter.has(&endpoint.vpc_id),
                "vpc-endpoint-id" => filter.has(&endpoint.id),
                "vpc-endpoint-state" => filter.has(state.as_str()),
                "vpc-endpoint-type" => filter.has(endpoint.kind.as_str()),
                _ => filter.has_tag(&endpoint.tags),
            })
        });
    let (endpoints, token) = page.take(endpoints, |(endpoint, _)| endpoint.number.to_string());
    Ok(req.answer(|xml| {
        xml.list(
            "vpcEndpointSet",
            "item",
            endpoints,
            |xml, (endpoint, state)| {
                endpoint.write(xml, Some(state));
            },
        );
        xml.optional("nextToken", token);
    }))
}

/// The endpoints behind a transit gateway's attachment, if there are any, are nobody's to list or delete.
fn is_own(endpoint: &Endpoint, caller: &Caller) -> bool {
    endpoint.attachment.is_none()
        && endpoint.owner == caller.account
        && endpoint.region == caller.region
}

pub(crate) fn delete_call(req: &Request<'_>) -> Result<String, AwsError> {
    let ids = req.params.list("VpcEndpointId");
    if ids.is_empty() {
        return Err(errors::missing("VpcEndpointId"));
    }
    let dry_run = req.flag("DryRun")?.unwrap_or(false);
    let failed = delete(req.ec2, req.caller, &ids, dry_run)?;
    Ok(req.answer(|xml| super::write_unsuccessful(xml, &failed)))
}

/// Deletes the caller's endpoints.
pub(crate) fn delete(
    ec2: &Ec2,
    caller: &Caller,
    ids: &[String],
    dry_run: bool,
) -> Result<Vec<Unsuccessful>, AwsError> {
    let result = delete_all(ec2, caller, ids, dry_run);
    event::emit(ec2, caller, "DeleteVpcEndpoints", || {
        let request = json!({ "VpcEndpointId": event::list(ids) });
        (
            request,
            result
                .as_ref()
                .map(|failed| super::unsuccessful_event(failed)),
        )
    });
    result
}

fn delete_all(
    ec2: &Ec2,
    caller: &Caller,
    ids: &[String],
    dry_run: bool,
) -> Result<Vec<Unsuccessful>, AwsError> {
    if ids.len() > MOST_DELETED {
        return Err(errors::too_many("VPC endpoints", "delete", MOST_DELETED));
    }
    if let Some(id) = ids.iter().find(|id| !is_id(id, "vpce-")) {
        return Err(errors::malformed_endpoint(id));
    }
    if dry_run {
        return Err(errors::dry_run());
    }
    let (now, options) = (ec2.now(), ec2.options());
    let mut store = ec2.store();
    let (mut failed, mut messages) = (Vec::new(), Vec::new());
    for id in ids {
        let own = store
            .endpoint_mut(id)
            .filter(|endpoint| is_own(endpoint, caller));
        let alive = own.and_then(|endpoint| {
            let state = endpoint.timeline.state_at(now)?;
            Some((endpoint, state))
        });
        match alive {
            None => {
                // In bulk results the code is without `Id`.
                let error = AwsError::new(
                    400,
                    "InvalidVpcEndpoint.NotFound",
                    errors::no_endpoint(id).message,
                );
                failed.push(Unsuccessful::new(id, &error));
            }
            // It is under way already.
            Some((_, State::Deleting | State::Deleted)) => {}
            Some((endpoint, _)) => {
                let gone =
                    endpoint
                        .timeline
                        .close(now, options.deleting_delay, options.deleted_delay);
                store.bury(gone, id);
                messages.extend(notification::due(
                    &store,
                    &options,
                    id,
                    ConnectionEvent::Delete,
                    now,
                ));
            }
        }
    }
    drop(store);
    ec2.notify(messages);
    Ok(failed)
}
