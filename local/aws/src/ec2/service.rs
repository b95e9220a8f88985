use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::filter::Filters;
use super::state::State;
use super::{Ec2, Request, errors};
use crate::caller::Caller;
use crate::error::AwsError;
use crate::query::Params;
use crate::xml::Xml;

/// What stands behind an endpoint service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ServiceKind {
    /// Network Load Balancers; consumers make interface endpoints.
    Interface,
    /// Gateway Load Balancers; no connection notifications are sent.
    GatewayLoadBalancer,
}

impl ServiceKind {
    /// As on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interface => "Interface",
            Self::GatewayLoadBalancer => "GatewayLoadBalancer",
        }
    }
}

/// An endpoint service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// `vpce-svc-…`.
    pub id: String,
    /// The provider's account.
    pub owner: String,
    /// The Region that it is in.
    pub region: String,
    /// What stands behind it.
    pub kind: ServiceKind,
    /// Whether somebody has to accept connections; if not, they are accepted at once.
    pub acceptance_required: bool,
    /// ARNs of its load balancers.
    pub load_balancers: BTreeSet<String>,
    /// `ipv4`, `ipv6`.
    pub ip_address_types: BTreeSet<String>,
    /// The Regions from which consumers may connect, its own included.
    pub regions: BTreeSet<String>,
    /// The private DNS name, if there is one.
    pub private_dns_name: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Who may create endpoints: principals (ARNs, or `*`) and the ids of these permissions.
    pub principals: BTreeMap<String, String>,
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

    fn write(&self, xml: &mut Xml) {
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
const SERVICE_STATE: &str = "Available";

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

/// An endpoint service to be put into the world. Without further settings it is the default account's, in the
/// default Region, for interface endpoints, acceptance required, and nobody else is permitted, as at AWS.
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
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) load_balancers: BTreeSet<String>,
    pub(crate) ip_address_types: BTreeSet<String>,
    pub(crate) private_dns_name: Option<String>,
}

impl NewService {
    /// With all defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this id rather than a made one; a service with the same id is replaced.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Of this account.
    pub fn owner(mut self, account: impl Into<String>) -> Self {
        self.owner = Some(account.into());
        self
    }

    /// In this Region.
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

    /// With this tag.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }
}

/// Adds a service as `caller`.
pub(crate) fn put(ec2: &Ec2, caller: &Caller, new: NewService) -> Service {
    let id = new.id.unwrap_or_else(|| ec2.ids().ec2("vpce-svc-"));
    let region = new.region.unwrap_or_else(|| caller.region.clone());
    let owner = new.owner.unwrap_or_else(|| caller.account.clone());
    let kind = if new.gateway {
        ServiceKind::GatewayLoadBalancer
    } else {
        ServiceKind::Interface
    };
    let mut regions = new.regions;
    regions.insert(region.clone());
    let mut load_balancers = new.load_balancers;
    if load_balancers.is_empty() {
        let short = if new.gateway { "gwy" } else { "net" };
        let name = ec2.ids().hex(16);
        load_balancers.insert(format!(
            "arn:aws:elasticloadbalancing:{region}:{owner}:loadbalancer/{short}/local/{name}"
        ));
    }
    let mut ip_address_types = new.ip_address_types;
    if ip_address_types.is_empty() {
        ip_address_types.insert("ipv4".to_owned());
    }
    let principals = new.principals.into_iter();
    let service = Service {
        owner,
        kind,
        acceptance_required: !new.auto_accept,
        load_balancers,
        ip_address_types,
        regions,
        private_dns_name: new.private_dns_name,
        tags: new.tags,
        principals: principals
            .map(|principal| (principal, ec2.ids().ec2("vpce-svc-perm-")))
            .collect(),
        region,
        id,
    };
    ec2.store()
        .services
        .insert(service.id.clone(), service.clone());
    service
}

/// Whether `id` is `prefix` and 8 or 17 hexadecimal digits.
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

pub(crate) fn create(req: &Request<'_>) -> Result<String, AwsError> {
    let params = req.params;
    let network = params.list("NetworkLoadBalancerArn");
    let gateway = params.list("GatewayLoadBalancerArn");
    if network.is_empty() == gateway.is_empty() {
        return Err(errors::invalid_combination(
            "Specify either NetworkLoadBalancerArns or GatewayLoadBalancerArns",
        ));
    }
    let acceptance = req.flag("AcceptanceRequired")?.unwrap_or(true);
    let new = NewService {
        gateway: !gateway.is_empty(),
        auto_accept: !acceptance,
        load_balancers: network.into_iter().chain(gateway).collect(),
        regions: params.list("SupportedRegion").into_iter().collect(),
        ip_address_types: params.list("SupportedIpAddressType").into_iter().collect(),
        private_dns_name: params.filled("PrivateDnsName").map(str::to_owned),
        tags: tags_of(params, "vpc-endpoint-service"),
        ..NewService::default()
    };
    req.dry_run()?;
    let service = put(req.ec2, req.caller, new);
    Ok(req.answer(|xml| {
        xml.element("serviceConfiguration", |xml| service.write(xml));
        xml.optional("clientToken", params.get("ClientToken"));
    }))
}

pub(crate) fn describe(req: &Request<'_>) -> Result<String, AwsError> {
    let known = [
        "service-id",
        "service-name",
        "service-state",
        "supported-ip-address-types",
        "tag:",
        "tag-key",
    ];
    let filters = Filters::parse(req.params, &known)?;
    let page = req.page("DescribeVpcEndpointServiceConfigurations")?;
    let ids = req.params.list("ServiceId");
    let store = req.ec2.store();
    for id in &ids {
        if store.own_service(req.caller, id).is_none() {
            return Err(errors::no_service(id));
        }
    }
    req.dry_run()?;
    let services: Vec<&Service> = store
        .services
        .values()
        .filter(|service| service.is_own(req.caller))
        .filter(|service| ids.is_empty() || ids.contains(&service.id))
        .filter(|service| {
            filters.all(|filter| match filter.name.as_str() {
                "service-id" => filter.has(&service.id),
                "service-name" => filter.has(&service.name()),
                "service-state" => filter.has(SERVICE_STATE),
                "supported-ip-address-types" => {
                    service.ip_address_types.iter().any(|kind| filter.has(kind))
                }
                _ => filter.has_tag(&service.tags),
            })
        })
        .collect();
    let (services, token) = page.of(services, |service| service.id.clone());
    Ok(req.answer(|xml| {
        xml.list(
            "serviceConfigurationSet",
            "item",
            services,
            |xml, service| service.write(xml),
        );
        xml.optional("nextToken", token);
    }))
}

pub(crate) fn modify(req: &Request<'_>) -> Result<String, AwsError> {
    let params = req.params;
    let id = service_id(params)?;
    let acceptance = req.flag("AcceptanceRequired")?;
    let remove_name = req.flag("RemovePrivateDnsName")?.unwrap_or(false);
    let mut store = req.ec2.store();
    let service = store
        .own_service_mut(req.caller, id)
        .ok_or_else(|| errors::no_service(id))?;
    let mut changed = service.clone();
    let balancers = match changed.kind {
        ServiceKind::Interface => "NetworkLoadBalancerArn",
        ServiceKind::GatewayLoadBalancer => "GatewayLoadBalancerArn",
    };
    for (name, set) in [
        (balancers, &mut changed.load_balancers),
        ("SupportedIpAddressType", &mut changed.ip_address_types),
        ("SupportedRegion", &mut changed.regions),
    ] {
        set.extend(params.list(&format!("Add{name}")));
        for value in params.list(&format!("Remove{name}")) {
            set.remove(&value);
        }
    }
    if !changed.regions.contains(&changed.region) {
        return Err(errors::invalid_parameter(
            "The host Region of the service cannot be removed",
        ));
    }
    if changed.load_balancers.is_empty() {
        return Err(errors::invalid_parameter(
            "A service must have at least one load balancer",
        ));
    }
    changed.acceptance_required = acceptance.unwrap_or(changed.acceptance_required);
    if remove_name {
        changed.private_dns_name = None;
    } else if let Some(name) = params.filled("PrivateDnsName") {
        changed.private_dns_name = Some(name.to_owned());
    }
    req.dry_run()?;
    *service = changed;
    Ok(req.answer(|xml| xml.text("return", true)))
}

pub(crate) fn delete(req: &Request<'_>) -> Result<String, AwsError> {
    let ids = req.params.list("ServiceId");
    if ids.is_empty() {
        return Err(errors::missing("ServiceId"));
    }
    req.dry_run()?;
    let mut store = req.ec2.store();
    let mut failed = Vec::new();
    for id in ids {
        if store.own_service(req.caller, &id).is_none() {
            // For bulk requests the code is without `Id`.
            let error = AwsError::new(
                400,
                "InvalidVpcEndpointService.NotFound",
                errors::no_service(&id).message,
            );
            failed.push(super::Unsuccessful::new(&id, &error));
            continue;
        }
        let in_use = store.of_service(&id, 0).any(|endpoint| {
            let state = endpoint.timeline.state_at(req.now);
            matches!(
                state,
                Some(State::Available | State::PendingAcceptance | State::Pending)
            )
        });
        if in_use {
            failed.push(super::Unsuccessful::new(
                &id,
                &errors::existing_connections(&id),
            ));
        } else {
            store.services.remove(&id);
            store
                .notifications
                .retain(|_, notification| notification.service_id.as_deref() != Some(id.as_str()));
        }
    }
    Ok(req.answer(|xml| super::write_unsuccessful(xml, &failed)))
}
