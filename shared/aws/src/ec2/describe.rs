//! Reads EC2's lists.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_ec2::error::SdkError;
use aws_sdk_ec2::operation::describe_vpc_endpoint_connections::DescribeVpcEndpointConnectionsError;
use aws_sdk_ec2::types::{State, VpcEndpointConnection};
use gatekeeper_core::attachment::Attachment;
use gatekeeper_core::connection::Connection;
use gatekeeper_core::ids::{EndpointId, Region, ServiceId};
use gatekeeper_core::listing::{Item, Read, Unreadable, read};
use jiff::Timestamp;

use super::attachments::Named;
use crate::error::Error;

/// Of the connections on one page that cannot be read, this many are logged one by one.
const TOLD: usize = 20;

pub(super) type DescribeError = SdkError<DescribeVpcEndpointConnectionsError>;

/// What EC2 listed.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    /// Connections that can be judged.
    pub(crate) connections: Vec<Connection>,
    /// Connections that cannot be read. They exist, and are left alone.
    pub(crate) unreadable: Vec<Unreadable>,
    /// The items of Transit Gateway attachments. They exist, and are never judged.
    pub(crate) attachments: Vec<Attachment>,
    /// Endpoints that EC2 refuses to look for, one by one: for example because it calls the id
    /// malformed.
    pub(crate) refused: BTreeMap<EndpointId, Arc<Error>>,
}

/// One page of a list.
pub(crate) struct Page {
    pub(crate) listed: Listed,
    /// The token of the next page.
    pub(crate) next: Option<String>,
}

impl Listed {
    /// Whether EC2 lists an endpoint only in a form that cannot be read. It exists, or may exist,
    /// and is left alone.
    pub(crate) fn leaves_alone(&self, id: &EndpointId) -> bool {
        let mut unreadable = self.unreadable.iter();
        // An item whose id cannot be read may be any endpoint.
        unreadable.any(|one| one.endpoint_id.as_ref().is_none_or(|one| one == id))
            || self.is_attachment(id)
    }

    /// Whether an endpoint belongs to a Transit Gateway attachment.
    pub(crate) fn is_attachment(&self, id: &EndpointId) -> bool {
        let mut attachments = self.attachments.iter();
        attachments.any(|one| one.endpoint_id.as_ref() == Some(id))
    }

    /// Adds another list.
    pub(crate) fn add(&mut self, more: Self) {
        self.connections.extend(more.connections);
        self.unreadable.extend(more.unreadable);
        self.attachments.extend(more.attachments);
        self.refused.extend(more.refused);
    }

    /// Leaves out items that are certainly about another endpoint.
    pub(super) fn retain(&mut self, asked_for: impl Fn(&EndpointId) -> bool) {
        let may_be = |id: &Option<EndpointId>| id.as_ref().is_none_or(&asked_for);
        self.connections.retain(|one| asked_for(&one.endpoint_id));
        self.unreadable.retain(|one| may_be(&one.endpoint_id));
        self.attachments
            .retain(|one| one.endpoint_id.as_ref().is_some_and(&asked_for));
    }
}

/// Reads a page's items, each together with what the SDK does not know of it.
pub(super) fn read_all(items: &[VpcEndpointConnection], named: &[Named], home: &Region) -> Listed {
    let mut listed = Listed::default();
    for (item, named) in items.iter().zip(named) {
        match read_item(item, named, home) {
            Read::Connection(connection) => listed.connections.push(connection),
            Read::Attachment(attachment) => listed.attachments.push(attachment),
            Read::Unreadable(unreadable) => {
                if listed.unreadable.len() < TOLD {
                    log_unreadable(&unreadable);
                }
                listed.unreadable.push(unreadable);
            }
        }
    }
    if listed.unreadable.len() > TOLD {
        let more = listed.unreadable.len() - TOLD;
        tracing::warn!(more, "more connections cannot be read");
    }
    listed
}

fn read_item(item: &VpcEndpointConnection, named: &Named, home: &Region) -> Read {
    let item = Item {
        service_id: item.service_id(),
        endpoint_id: item.vpc_endpoint_id(),
        owner: item.vpc_endpoint_owner(),
        region: item.vpc_endpoint_region(),
        // The SDK decodes EC2's real spelling as an unknown variant; its text is right.
        state: item.vpc_endpoint_state().map(State::as_str),
        created_at: item
            .creation_timestamp()
            .and_then(|time| Timestamp::from_second(time.secs()).ok()),
        connection_id: item.vpc_endpoint_connection_id(),
        attachment_id: named.id.as_deref(),
        attachment_owner: named.owner.as_deref(),
    };
    read(&item, home)
}

fn log_unreadable(unreadable: &Unreadable) {
    tracing::warn!(
        connection = unreadable.name,
        service_id = unreadable.service_id.as_ref().map(ServiceId::as_str),
        endpoint_id = unreadable.endpoint_id.as_ref().map(EndpointId::as_str),
        field = unreadable.field,
        error = %unreadable,
        "EC2 lists a connection that cannot be read; nothing is decided about it"
    );
}
