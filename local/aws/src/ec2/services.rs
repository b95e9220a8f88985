use std::collections::BTreeSet;

use super::client_token;
use super::errors;
use super::filter::Filters;
use super::service::{NewService, SERVICE_STATE, Service, ServiceKind, is_id, service_id, tags_of};
use super::state::State;
use super::unsuccessful::{Unsuccessful, write_unsuccessful};
use super::world::{Ec2, Request};
use crate::caller::Caller;
use crate::error::AwsError;
use crate::query::Params;

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
    let permissions = |principals: BTreeSet<String>| {
        principals
            .into_iter()
            .map(|principal| (principal, ec2.ids().ec2("vpce-svc-perm-")))
            .collect()
    };
    let service = Service {
        owner,
        kind,
        acceptance_required: !new.auto_accept,
        load_balancers,
        ip_address_types,
        regions,
        private_dns_name: new.private_dns_name,
        tags: new.tags,
        principals: permissions(new.principals),
        attachment_principals: permissions(new.attachment_principals),
        region,
        id,
    };
    ec2.store()
        .services
        .insert(service.id.clone(), service.clone());
    service
}

const NO_PRIVATE_DNS_NAME: &str =
    "Private DNS names are supported only for endpoint services with Network Load Balancers";

/// "The possible values are `ipv4` and `ipv6`." (EC2's API model)
fn ip_address_types(params: &Params, name: &str) -> Result<Vec<String>, AwsError> {
    let types = params.list(name);
    match types
        .iter()
        .find(|kind| !matches!(kind.as_str(), "ipv4" | "ipv6"))
    {
        Some(other) => Err(errors::invalid_value(
            other,
            name,
            "The possible values are ipv4 and ipv6.",
        )),
        None => Ok(types),
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
    let private_dns_name = params.filled("PrivateDnsName").map(str::to_owned);
    if !gateway.is_empty() && private_dns_name.is_some() {
        return Err(errors::invalid_parameter(NO_PRIVATE_DNS_NAME));
    }
    let ip_address_types = ip_address_types(params, "SupportedIpAddressType")?;
    let new = NewService {
        gateway: !gateway.is_empty(),
        auto_accept: !acceptance,
        load_balancers: network.into_iter().chain(gateway).collect(),
        regions: params.list("SupportedRegion").into_iter().collect(),
        ip_address_types: ip_address_types.into_iter().collect(),
        private_dns_name,
        tags: tags_of(params, "vpc-endpoint-service"),
        ..NewService::default()
    };
    req.dry_run()?;
    let made = client_token::created(req, &req.simulator.store())?;
    let service = match made.and_then(|id| req.simulator.service(&id)) {
        Some(made) => made,
        None => put(req.simulator, req.caller, new),
    };
    client_token::creates(req, &mut req.simulator.store(), &service.id);
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
    let store = req.simulator.store();
    for id in &ids {
        if !is_id(id, "vpce-svc-") {
            return Err(errors::malformed_service(id));
        }
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
    let mut store = req.simulator.store();
    let service = store
        .own_service_mut(req.caller, id)
        .ok_or_else(|| errors::no_service(id))?;
    let mut changed = service.clone();
    let (balancers, others) = match changed.kind {
        ServiceKind::Interface => ("NetworkLoadBalancerArn", "GatewayLoadBalancerArn"),
        ServiceKind::GatewayLoadBalancer => ("GatewayLoadBalancerArn", "NetworkLoadBalancerArn"),
    };
    for verb in ["Add", "Remove"] {
        if !params.list(&format!("{verb}{others}")).is_empty() {
            return Err(errors::invalid_parameter(format!(
                "{verb}{others} is not for a service of type {}",
                changed.kind.as_str()
            )));
        }
    }
    ip_address_types(params, "AddSupportedIpAddressType")?;
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
    if changed.ip_address_types.is_empty() {
        return Err(errors::invalid_parameter(
            "A service must support at least one IP address type",
        ));
    }
    changed.acceptance_required = acceptance.unwrap_or(changed.acceptance_required);
    if remove_name {
        changed.private_dns_name = None;
    } else if let Some(name) = params.filled("PrivateDnsName") {
        if changed.kind == ServiceKind::GatewayLoadBalancer {
            return Err(errors::invalid_parameter(NO_PRIVATE_DNS_NAME));
        }
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
    if let Some(id) = ids.iter().find(|id| !is_id(id, "vpce-svc-")) {
        return Err(errors::malformed_service(id));
    }
    req.dry_run()?;
    let mut store = req.simulator.store();
    let mut failed = Vec::new();
    for id in ids {
        if store.own_service(req.caller, &id).is_none() {
            // For bulk requests the code is without `Id`.
            let error = AwsError::new(
                400,
                "InvalidVpcEndpointService.NotFound",
                errors::no_service(&id).message,
            );
            failed.push(Unsuccessful::new(&id, &error));
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
            failed.push(Unsuccessful::new(&id, &errors::existing_connections(&id)));
        } else {
            store.services.remove(&id);
            store
                .notifications
                .retain(|_, notification| notification.service_id.as_deref() != Some(id.as_str()));
        }
    }
    Ok(req.answer(|xml| write_unsuccessful(xml, &failed)))
}
