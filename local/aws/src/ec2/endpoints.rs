use serde_json::json;

use super::client_token;
use super::endpoint::{Endpoint, NewEndpoint};
use super::errors;
use super::event;
use super::filter::Filters;
use super::notification::ConnectionEvent;
use super::notifications;
use super::record;
use super::service::{Service, is_id, tags_of};
use super::state::State;
use super::store::Store;
use super::timeline::Timeline;
use super::unsuccessful::{Unsuccessful, unsuccessful_event, write_unsuccessful};
use super::world::{Ec2, Request};
use crate::caller::Caller;
use crate::clock::before;
use crate::error::AwsError;

/// The most that a call takes. Its error names the number (couchbaselabs/cbdinocluster #199).
const MOST_DELETED: usize = 25;

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
    let messages = notifications::due(
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

/// The types that EC2 knows. The first and the third can be created here.
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
        let store = req.simulator.store();
        let id = client_token::created(req, &store)?;
        id.and_then(|id| store.endpoint(&id).cloned())
    };
    let endpoint = create(req.simulator, req.caller, &new, dry_run, before)?;
    client_token::creates(req, &mut req.simulator.store(), &endpoint.id);
    Ok(req.answer(|xml| {
        xml.element("vpcEndpoint", |xml| {
            endpoint.write(xml, endpoint.timeline.state_at(req.simulator.now()));
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
    let at = before(req.now, req.simulator.options().describe_lag);
    let ids = req.params.list("VpcEndpointId");
    let store = req.simulator.store();
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

/// Whether the caller may list and delete the endpoint. No account may do that with the endpoints of a transit gateway
/// attachment.
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
    let failed = delete(req.simulator, req.caller, &ids, dry_run)?;
    Ok(req.answer(|xml| write_unsuccessful(xml, &failed)))
}

pub(crate) fn delete(
    ec2: &Ec2,
    caller: &Caller,
    ids: &[String],
    dry_run: bool,
) -> Result<Vec<Unsuccessful>, AwsError> {
    let result = delete_all(ec2, caller, ids, dry_run);
    event::emit(ec2, caller, "DeleteVpcEndpoints", || {
        let request = json!({ "VpcEndpointId": record::list(ids) });
        (
            request,
            result.as_ref().map(|failed| unsuccessful_event(failed)),
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
                messages.extend(notifications::due(
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
