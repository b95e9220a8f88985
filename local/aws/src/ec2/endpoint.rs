//! Endpoints as the simulator keeps them. The operations are in `endpoints`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::attachment::Attached;
use super::connection::Connection;
use super::errors;
use super::record;
use super::service::{Service, ServiceKind, write_tags};
use super::state::State;
use super::timeline::Timeline;
use crate::caller::Caller;
use crate::clock::millis;
use crate::error::AwsError;
use crate::xml::Xml;

/// The hosted zone of all endpoints' DNS names.
const HOSTED_ZONE: &str = "Z7HUB22UULQXV";

/// A consumer's endpoint, which is also its connection to the service; or the connection of a transit gateway
/// attachment.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// Lists are in this order.
    pub(crate) number: u64,
    /// `vpce-…`. A connection that is listed without an endpoint has the attachment's id.
    pub(crate) id: String,
    /// The attachment that it belongs to, if any.
    pub(crate) attachment: Option<Attached>,
    pub(crate) connection_id: String,
    pub(crate) service_id: String,
    /// The account of the service. The endpoint may outlive the service.
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

    /// The endpoint, as CloudTrail records it in a response.
    pub(crate) fn to_event(&self) -> Value {
        let items =
            |texts: &[String]| record::items(texts.iter().map(|one| record::text(one)).collect());
        let tags = self
            .tags
            .iter()
            .map(|(key, value)| json!({ "key": record::text(key), "value": record::text(value) }));
        let state = self.timeline.state_at(self.created_at);
        let names = self
            .names_when(state)
            .map(|name| json!({ "dnsName": name, "hostedZoneId": HOSTED_ZONE }));
        json!({ "vpcEndpoint": {
            "vpcEndpointId": self.id,
            "vpcEndpointType": self.kind.as_str(),
            "vpcId": record::text(&self.vpc_id),
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
            "dnsEntrySet": record::items(names.into_iter().collect()),
            "creationTimestamp": millis(self.created_at),
            "tagSet": record::items(tags.collect()),
            "ownerId": record::text(&self.owner),
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

    pub(crate) fn write(&self, xml: &mut Xml, state: Option<State>) {
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

    /// Refuses what the service does not offer.
    pub(crate) fn fits(&self, service: &Service) -> Result<(), AwsError> {
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

    /// The request, as CloudTrail records it.
    pub(crate) fn to_event(&self) -> Value {
        let subnets = (!self.subnet_ids.is_empty()).then(|| record::list(&self.subnet_ids));
        let tags = (!self.tags.is_empty()).then(|| {
            let tags = self.tags.iter().zip(1..).map(|((key, value), n)| {
                json!({ "Key": record::text(key), "Value": record::text(value), "tag": n })
            });
            json!({ "ResourceType": "vpc-endpoint", "Tag": record::one_or_many(tags.collect()), "tag": 1 })
        });
        json!({
            "VpcId": record::text(&self.vpc_id),
            "ServiceName": record::text(&self.service),
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
