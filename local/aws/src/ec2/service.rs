//! Endpoint services as the simulator keeps them. The operations are in `services`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::errors;
use crate::caller::Caller;
use crate::error::AwsError;
use crate::query::Params;
use crate::xml::Xml;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ServiceKind {
    /// Network Load Balancers; consumers make interface endpoints.
    Interface,
    /// Gateway Load Balancers; no connection notifications are sent.
    GatewayLoadBalancer,
}

impl ServiceKind {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interface => "Interface",
            Self::GatewayLoadBalancer => "GatewayLoadBalancer",
        }
    }
}

/// What a permission allows to create. "The two permission types are independent" (EC2's API model, since 2026-11-17).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PermissionType {
    VpcEndpoint,
    TransitGatewayAttachment,
}

impl PermissionType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::VpcEndpoint => "vpc-endpoint",
            Self::TransitGatewayAttachment => "transit-gateway-attachment",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// `vpce-svc-…`.
    pub id: String,
    /// The account of the provider.
    pub owner: String,
    pub region: String,
    pub kind: ServiceKind,
    /// Whether somebody has to accept connections; if not, they are accepted at once.
    pub acceptance_required: bool,
    pub load_balancers: BTreeSet<String>,
    /// `ipv4`, `ipv6`.
    pub ip_address_types: BTreeSet<String>,
    /// The Regions from which consumers may connect, its own included.
    pub regions: BTreeSet<String>,
    /// The private DNS name, if there is one.
    pub private_dns_name: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// Who may create endpoints: principals (ARNs, or `*`) and the ids of these permissions.
    pub principals: BTreeMap<String, String>,
    /// Who may create transit gateway attachments: root ARNs of accounts and the ids of these permissions. The one kind
    /// of permission says nothing about the other.
    pub attachment_principals: BTreeMap<String, String>,
}

impl Service {
    /// The name that consumers ask for: `com.amazonaws.vpce.<region>.<id>`.
    pub fn name(&self) -> String {
        format!("com.amazonaws.vpce.{}.{}", self.region, self.id)
    }

    pub(crate) fn is_own(&self, caller: &Caller) -> bool {
        self.owner == caller.account && self.region == caller.region
    }

    /// Whether the permissions let this caller create an endpoint. The owner needs none.
    pub(crate) fn permits(&self, caller: &Caller) -> bool {
        let root = format!("arn:aws:iam::{}:root", caller.account);
        let allowed = |principal| self.principals.contains_key(principal);
        self.owner == caller.account || allowed("*") || allowed(&root) || allowed(&caller.arn)
    }

    /// Whether the permissions let this caller create a transit gateway attachment. The owner needs none.
    pub(crate) fn permits_attachment(&self, caller: &Caller) -> bool {
        let root = format!("arn:aws:iam::{}:root", caller.account);
        self.owner == caller.account || self.attachment_principals.contains_key(&root)
    }

    pub(crate) fn principals_mut(&mut self, kind: PermissionType) -> &mut BTreeMap<String, String> {
        match kind {
            PermissionType::VpcEndpoint => &mut self.principals,
            PermissionType::TransitGatewayAttachment => &mut self.attachment_principals,
        }
    }

    pub(crate) fn write(&self, xml: &mut Xml) {
        xml.list("serviceType", "item", [self.kind.as_str()], |xml, kind| {
            xml.text("serviceType", kind);
        });
        xml.text("serviceId", &self.id);
        xml.text("serviceName", self.name());
        xml.text("serviceState", SERVICE_STATE);
        xml.texts(
            "availabilityZoneSet",
            "item",
            [format!("{}a", self.region), format!("{}b", self.region)],
        );
        xml.text("acceptanceRequired", self.acceptance_required);
        xml.text("managesVpcEndpoints", false);
        let balancers = match self.kind {
            ServiceKind::Interface => "networkLoadBalancerArnSet",
            ServiceKind::GatewayLoadBalancer => "gatewayLoadBalancerArnSet",
        };
        xml.texts(balancers, "item", &self.load_balancers);
        xml.texts("supportedIpAddressTypeSet", "item", &self.ip_address_types);
        let dns = format!("{}.{}.vpce.amazonaws.com", self.id, self.region);
        xml.texts("baseEndpointDnsNameSet", "item", [dns]);
        xml.optional("privateDnsName", self.private_dns_name.as_deref());
        write_tags(xml, &self.tags);
        xml.list(
            "supportedRegionSet",
            "item",
            &self.regions,
            |xml, region| {
                xml.text("region", region);
                xml.text("serviceState", SERVICE_STATE);
            },
        );
        xml.text("remoteAccessEnabled", self.regions.len() > 1);
    }
}

/// Services are ready at once and stay so.
pub(crate) const SERVICE_STATE: &str = "Available";

pub(crate) fn write_tags(xml: &mut Xml, tags: &BTreeMap<String, String>) {
    xml.list("tagSet", "item", tags, |xml, (key, value)| {
        xml.text("key", key);
        xml.text("value", value);
    });
}

/// The tags for one type of resource in `TagSpecification.N`.
pub(crate) fn tags_of(params: &Params, resource: &str) -> BTreeMap<String, String> {
    let specifications = params.items("TagSpecification").into_iter();
    specifications
        .filter(|item| item.get("ResourceType") == Some(resource))
        .flat_map(|item| item.items("Tag"))
        .filter_map(|tag| {
            let key = tag.filled("Key")?.to_owned();
            Some((key, tag.get("Value").unwrap_or_default().to_owned()))
        })
        .collect()
}

/// An endpoint service to be put into the world. Without further settings it belongs to the default account in the
/// default Region, is for interface endpoints, requires acceptance, and permits no other account, as at AWS.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct NewService {
    pub(crate) id: Option<String>,
    pub(crate) owner: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) gateway: bool,
    pub(crate) auto_accept: bool,
    pub(crate) regions: BTreeSet<String>,
    pub(crate) principals: BTreeSet<String>,
    pub(crate) attachment_principals: BTreeSet<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) load_balancers: BTreeSet<String>,
    pub(crate) ip_address_types: BTreeSet<String>,
    pub(crate) private_dns_name: Option<String>,
}

impl NewService {
    pub fn new() -> Self {
        Self::default()
    }

    /// With this id rather than a made one; a service with the same id is replaced.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    pub fn owner(mut self, account: impl Into<String>) -> Self {
        self.owner = Some(account.into());
        self
    }

    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// For Gateway Load Balancer endpoints.
    pub fn gateway_load_balancer(mut self) -> Self {
        self.gateway = true;
        self
    }

    /// Connections are accepted at once (`AcceptanceRequired=false`).
    pub fn auto_accept(mut self) -> Self {
        self.auto_accept = true;
        self
    }

    /// Consumers in this Region may connect too.
    pub fn supported_region(mut self, region: impl Into<String>) -> Self {
        self.regions.insert(region.into());
        self
    }

    /// This principal may create endpoints: an ARN, or `*`. For an account, see [`NewService::allow_account`].
    pub fn allow(mut self, principal: impl Into<String>) -> Self {
        self.principals.insert(principal.into());
        self
    }

    /// All of this account may create endpoints.
    pub fn allow_account(self, account: &str) -> Self {
        self.allow(format!("arn:aws:iam::{account}:root"))
    }

    /// This account may create transit gateway attachments, which only services for Gateway Load Balancer endpoints take.
    pub fn allow_attachments_of(mut self, account: &str) -> Self {
        self.attachment_principals
            .insert(format!("arn:aws:iam::{account}:root"));
        self
    }

    /// Supports `ipv4` or `ipv6`; without any, `ipv4`.
    pub fn ip_address_type(mut self, kind: impl Into<String>) -> Self {
        self.ip_address_types.insert(kind.into());
        self
    }

    /// With this private DNS name, which is verified.
    pub fn private_dns_name(mut self, name: impl Into<String>) -> Self {
        self.private_dns_name = Some(name.into());
        self
    }

    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }
}

/// Whether `id` is `prefix` and 8 hexadecimal digits, as ids once were, or 17, as they are today.
pub(crate) fn is_id(id: &str, prefix: &str) -> bool {
    id.strip_prefix(prefix).is_some_and(|digits| {
        matches!(digits.len(), 8 | 17)
            && digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// The required parameter `ServiceId`, well formed.
pub(crate) fn service_id(params: &Params) -> Result<&str, AwsError> {
    let id = params
        .filled("ServiceId")
        .ok_or_else(|| errors::missing("ServiceId"))?;
    if is_id(id, "vpce-svc-") {
        Ok(id)
    } else {
        Err(errors::malformed_service(id))
    }
}
