use std::collections::BTreeMap;

use jiff::Timestamp;

use super::attachment::{Attached, Attachment, AttachmentListing, NewAttachment};
use super::endpoint::Endpoint;
use super::errors;
use super::filter::Filters;
use super::permissions;
use super::service::{ServiceKind, is_id, tags_of, write_tags};
use super::state::State;
use super::store::Store;
use super::timeline::Timeline;
use super::world::{Ec2, Request};
use crate::caller::Caller;
use crate::clock::{before, millis};
use crate::error::AwsError;
use crate::xml::Xml;

/// The fields that all connections of an attachment share.
struct Made {
    of: Attached,
    service_id: String,
    owner: String,
    endpoint_ids: Vec<String>,
    tags: BTreeMap<String, String>,
    created_at: Timestamp,
    timeline: Timeline,
}

/// Adds its connections, in the place of those that there were.
fn insert(ec2: &Ec2, store: &mut Store, made: Made) -> Result<(), AwsError> {
    let service = store.services.get(&made.service_id);
    let service = service.ok_or_else(|| errors::no_service(&made.service_id))?;
    if service.kind != ServiceKind::GatewayLoadBalancer {
        return Err(errors::attachments_not_supported());
    }
    let (provider, region, kind) = (service.owner.clone(), service.region.clone(), service.kind);
    for key in store.attached(&made.of.id) {
        store.remove(&key);
    }
    let keys = if made.endpoint_ids.is_empty() {
        vec![made.of.id.clone()]
    } else {
        made.endpoint_ids
    };
    for key in keys {
        let endpoint = Endpoint {
            number: store.number(),
            id: key,
            attachment: Some(made.of.clone()),
            connection_id: ec2.ids().ec2("vpce-con-"),
            service_id: made.service_id.clone(),
            provider: provider.clone(),
            service_region: region.clone(),
            kind,
            owner: made.owner.clone(),
            region: region.clone(),
            vpc_id: String::new(),
            subnet_ids: Vec::new(),
            ip_address_type: "ipv4".to_owned(),
            private_dns: false,
            dns_record_ip_type: "ipv4".to_owned(),
            tags: made.tags.clone(),
            created_at: made.created_at,
            timeline: made.timeline.clone(),
        };
        store.insert(endpoint);
    }
    Ok(())
}

/// The attachment as it was at `at`. All its connections change together, unless somebody decides one of its endpoints.
fn at(store: &Store, id: &str, at: Timestamp) -> Option<Attachment> {
    let connections: Vec<&Endpoint> = store
        .attached(id)
        .iter()
        .filter_map(|key| store.endpoint(key))
        .collect();
    let first = connections.first()?;
    Some(Attachment {
        attachment_id: id.to_owned(),
        service_id: first.service_id.clone(),
        owner: first.owner.clone(),
        state: first.timeline.state_at(at)?,
        created_at: first.created_at,
        endpoint_ids: connections
            .iter()
            .filter_map(|one| one.endpoint_id().map(str::to_owned))
            .collect(),
    })
}

impl Ec2 {
    /// Adds a transit gateway attachment to a service for Gateway Load Balancer endpoints, or replaces the one with its
    /// id. It is visible at once.
    ///
    /// # Errors
    /// `InvalidVpcEndpointServiceId.NotFound` if there is no such service, `InvalidParameter` if it is for interface
    /// endpoints.
    pub fn put_attachment(&self, new: NewAttachment) -> Result<Attachment, AwsError> {
        let now = self.now();
        let mut store = self.store();
        let id = new
            .attachment_id
            .unwrap_or_else(|| self.ids().ec2("tgw-attach-"));
        let made = Made {
            of: Attached {
                id: id.clone(),
                gateway: self.ids().ec2("tgw-"),
                zones: Vec::new(),
                without_owner: new.without_owner,
            },
            service_id: new.service_id,
            owner: new.owner,
            endpoint_ids: new.endpoint_ids,
            tags: BTreeMap::new(),
            created_at: new.created_at.unwrap_or(now),
            timeline: Timeline::always(new.state),
        };
        insert(self, &mut store, made)?;
        at(&store, &id, now).ok_or_else(errors::internal)
    }

    /// A transit gateway attachment as it is now. Any account may own the service.
    pub fn attachment(&self, id: &str) -> Option<Attachment> {
        at(&self.store(), id, self.now())
    }

    /// All transit gateway attachments as they are now, by their ids.
    pub fn attachments(&self) -> Vec<Attachment> {
        let (store, now) = (self.store(), self.now());
        let ids = store.attachment_ids();
        ids.filter_map(|id| at(&store, id, now)).collect()
    }

    /// Lets an account create transit gateway attachments to a service. It may be allowed already.
    ///
    /// # Errors
    /// `InvalidVpcEndpointServiceId.NotFound` if there is no such service, `InvalidParameter` if it is for interface
    /// endpoints, `InvalidPrincipal` if it is no account.
    pub fn allow_attachments_of(&self, service_id: &str, account: &str) -> Result<(), AwsError> {
        let mut store = self.store();
        let service = store.services.get_mut(service_id);
        let service = service.ok_or_else(|| errors::no_service(service_id))?;
        permissions::add_attachments_of(self.ids(), service, account)
    }

    /// Deletes a transit gateway attachment, as its owner does; `false` if there is none.
    pub fn delete_attachment(&self, id: &str) -> bool {
        delete(self, &mut self.store(), id)
    }
}

fn delete(ec2: &Ec2, store: &mut Store, id: &str) -> bool {
    let (now, options) = (ec2.now(), ec2.options());
    let keys = store.attached(id);
    for key in &keys {
        let gone = store.endpoint_mut(key).map(|connection| {
            connection
                .timeline
                .close(now, options.deleting_delay, options.deleted_delay)
        });
        if let Some(gone) = gone {
            store.bury(gone, key);
        }
    }
    !keys.is_empty()
}

/// The attachment with this id and its state, if it belongs to the caller.
fn own<'a>(
    req: &Request<'_>,
    store: &'a Store,
    id: &str,
) -> Result<(&'a Endpoint, State), AwsError> {
    if !is_id(id, "tgw-attach-") {
        return Err(errors::malformed_attachment(id));
    }
    let keys = store.attached(id);
    let first = keys.first().and_then(|key| store.endpoint(key));
    let own = first.filter(|connection| is_own(connection, req.caller));
    own.and_then(|connection| Some((connection, connection.timeline.state_at(req.now)?)))
        .ok_or_else(|| errors::no_attachment(id))
}

fn is_own(connection: &Endpoint, caller: &Caller) -> bool {
    connection.owner == caller.account && connection.region == caller.region
}

pub(crate) fn create(req: &Request<'_>) -> Result<String, AwsError> {
    let params = req.params;
    let required = |name: &str| params.filled(name).ok_or_else(|| errors::missing(name));
    let gateway = required("TransitGatewayId")?;
    let name = required("ServiceName")?;
    let mut zones = params.list("AvailabilityZone");
    zones.extend(params.list("AvailabilityZoneId"));
    if zones.is_empty() {
        return Err(errors::missing("AvailabilityZone"));
    }
    let mut store = req.simulator.store();
    let service = store
        .services
        .values()
        .find(|service| service.name() == name && service.region == req.caller.region)
        .filter(|service| service.permits_attachment(req.caller))
        .ok_or_else(|| errors::no_service_name(name))?;
    let (service_id, acceptance) = (service.id.clone(), service.acceptance_required);
    let attached = |endpoint: &Endpoint| {
        let of = endpoint.attachment.as_ref();
        of.is_some_and(|of| of.gateway == gateway)
            && endpoint
                .timeline
                .state_at(req.now)
                .is_some_and(|state| state != State::Deleted)
    };
    if store.of_service(&service_id, 0).any(attached) {
        return Err(errors::duplicate_attachment(gateway, name));
    }
    req.dry_run()?;
    let listing = req.simulator.options().attachment_listing;
    let endpoint_ids = match listing {
        AttachmentListing::WithoutEndpoint => Vec::new(),
        _ => zones
            .iter()
            .map(|_| req.simulator.ids().ec2("vpce-"))
            .collect(),
    };
    let id = req.simulator.ids().ec2("tgw-attach-");
    let made = Made {
        of: Attached {
            id: id.clone(),
            gateway: gateway.to_owned(),
            zones,
            without_owner: listing == AttachmentListing::PerZoneWithoutOwner,
        },
        service_id,
        owner: req.caller.account.clone(),
        endpoint_ids,
        tags: tags_of(params, "transit-gateway-attachment"),
        created_at: req.now,
        timeline: if acceptance {
            Timeline::since(req.now, State::PendingAcceptance)
        } else {
            Timeline::opening_since(req.now, req.simulator.options().pending_delay)
        },
    };
    insert(req.simulator, &mut store, made)?;
    answer(req, &store, &id)
}

pub(crate) fn delete_call(req: &Request<'_>) -> Result<String, AwsError> {
    let name = "TransitGatewayAttachmentId";
    let id = req
        .params
        .filled(name)
        .ok_or_else(|| errors::missing(name))?;
    let mut store = req.simulator.store();
    let (_, state) = own(req, &store, id)?;
    // "The attachment must be in the available or pendingAcceptance state." (model)
    if !matches!(state, State::Available | State::PendingAcceptance) {
        return Err(errors::incorrect_state(id, state));
    }
    req.dry_run()?;
    delete(req.simulator, &mut store, id);
    answer(req, &store, id)
}

pub(crate) fn describe(req: &Request<'_>) -> Result<String, AwsError> {
    let known = [
        "service-name",
        "state",
        "transit-gateway-attachment-id",
        "transit-gateway-id",
    ];
    let filters = Filters::parse(req.params, &known)?;
    let page = req.page("DescribeTransitGatewayNetworkFunctionAttachments")?;
    let ids = req.params.list("TransitGatewayAttachmentId");
    let store = req.simulator.store();
    for id in &ids {
        own(req, &store, id)?;
    }
    req.dry_run()?;
    let at = before(req.now, req.simulator.options().describe_lag);
    let found: Vec<(&Endpoint, &Attached, State)> = store
        .attachment_ids()
        .filter(|id| ids.is_empty() || ids.contains(id))
        .filter_map(|id| {
            let keys = store.attached(id);
            let first = keys.first().and_then(|key| store.endpoint(key))?;
            Some((
                first,
                first.attachment.as_ref()?,
                first.timeline.state_at(at)?,
            ))
        })
        .filter(|(first, ..)| is_own(first, req.caller))
        .filter(|(first, of, state)| {
            filters.all(|filter| match filter.name.as_str() {
                "service-name" => filter.has(&first.service_name()),
                "state" => filter.has(state.as_str()),
                "transit-gateway-attachment-id" => filter.has(&of.id),
                _ => filter.has(&of.gateway),
            })
        })
        .collect();
    let (found, token) = page.of(found, |(_, of, _)| of.id.clone());
    Ok(req.answer(|xml| {
        xml.list(
            "transitGatewayNetworkFunctionAttachmentSet",
            "item",
            found,
            |xml, (first, of, state)| write(xml, first, of, state),
        );
        xml.optional("nextToken", token);
    }))
}

/// The one attachment that a call was about.
fn answer(req: &Request<'_>, store: &Store, id: &str) -> Result<String, AwsError> {
    let keys = store.attached(id);
    let first = keys.first().and_then(|key| store.endpoint(key));
    let (first, of, state) = first
        .and_then(|first| {
            let state = first.timeline.state_at(req.now)?;
            Some((first, first.attachment.as_ref()?, state))
        })
        .ok_or_else(errors::internal)?;
    Ok(req.answer(|xml| {
        xml.element("transitGatewayNetworkFunctionAttachment", |xml| {
            write(xml, first, of, state);
        });
    }))
}

fn write(xml: &mut Xml, first: &Endpoint, of: &Attached, state: State) {
    xml.text("transitGatewayAttachmentId", &of.id);
    xml.text("transitGatewayId", &of.gateway);
    xml.text("transitGatewayOwnerId", &first.owner);
    xml.text("resourceOwnerId", &first.owner);
    xml.text("resourceId", first.service_name());
    xml.texts("availabilityZoneSet", "item", &of.zones);
    xml.text("state", state);
    xml.text("creationTime", millis(first.created_at));
    write_tags(xml, &first.tags);
}
