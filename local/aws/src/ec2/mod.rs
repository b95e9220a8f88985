//! EC2's endpoint services and endpoint connections.
//!
//! `service`, `endpoint`, `connection`, `attachment` and `notification` hold the data. The modules of the plural hold
//! the operations of callers.

mod api;
mod attachment;
mod attachments;
mod client_token;
mod connection;
mod connections;
mod endpoint;
mod endpoints;
mod errors;
mod event;
mod filter;
mod limits;
mod notification;
mod notifications;
mod options;
mod page;
mod permissions;
mod record;
mod service;
mod services;
mod state;
mod store;
mod tags;
mod timeline;
mod unsuccessful;
mod world;

pub use attachment::{Attachment, AttachmentListing, NewAttachment};
pub use connection::{Connection, NewConnection};
pub use endpoint::NewEndpoint;
pub use notification::{
    ConnectionEvent, ConnectionNotification, Notification, NotificationFacts, invented_body,
};
pub use options::{Ec2Options, NotificationBody};
pub use service::{NewService, Service, ServiceKind};
pub use state::State;
pub use unsuccessful::Unsuccessful;
pub use world::{Ec2, Ec2State, OnChange};

use crate::clock::before;
use crate::control::lock;
use crate::error::AwsError;
use crate::http::{Api, Call};
use crate::protocol::Protocol;
use crate::xml::Xml;
use world::Request;

type Operation = fn(&Request<'_>) -> Result<String, AwsError>;

/// The operations that the simulator answers.
const OPERATIONS: &[(&str, Operation)] = &[
    ("AcceptVpcEndpointConnections", |req| {
        connections::decide_call(req, connections::Verb::Accept)
    }),
    ("RejectVpcEndpointConnections", |req| {
        connections::decide_call(req, connections::Verb::Reject)
    }),
    ("DescribeVpcEndpointConnections", connections::describe),
    (
        "CreateTransitGatewayNetworkFunctionAttachment",
        attachments::create,
    ),
    (
        "DescribeTransitGatewayNetworkFunctionAttachments",
        attachments::describe,
    ),
    (
        "DeleteTransitGatewayNetworkFunctionAttachment",
        attachments::delete_call,
    ),
    ("CreateVpcEndpoint", endpoints::create_call),
    ("DescribeVpcEndpoints", endpoints::describe),
    ("DeleteVpcEndpoints", endpoints::delete_call),
    ("CreateVpcEndpointServiceConfiguration", services::create),
    (
        "DescribeVpcEndpointServiceConfigurations",
        services::describe,
    ),
    ("ModifyVpcEndpointServiceConfiguration", services::modify),
    ("DeleteVpcEndpointServiceConfigurations", services::delete),
    ("ModifyVpcEndpointServicePermissions", permissions::modify),
    (
        "DescribeVpcEndpointServicePermissions",
        permissions::describe,
    ),
    ("CreateTags", tags::create),
    ("DeleteTags", tags::delete),
    (
        "CreateVpcEndpointConnectionNotification",
        notifications::create,
    ),
    (
        "DescribeVpcEndpointConnectionNotifications",
        notifications::describe,
    ),
    (
        "ModifyVpcEndpointConnectionNotification",
        notifications::modify,
    ),
    (
        "DeleteVpcEndpointConnectionNotifications",
        notifications::delete,
    ),
];

/// The names of the operations that the simulator answers.
pub fn operations() -> impl Iterator<Item = &'static str> {
    OPERATIONS.iter().map(|(name, _)| *name)
}

impl Api for Ec2State {
    const PROTOCOL: Protocol = Protocol::Query { error };

    fn run(call: &Call<'_, Self>) -> Result<String, AwsError> {
        let known = OPERATIONS.iter().find(|(name, _)| *name == call.action);
        let Some((_, operation)) = known else {
            return Err(match call.action {
                "" => errors::missing("Action"),
                other => errors::invalid_action(other),
            });
        };
        let options = call.simulator.options();
        let key = || {
            (
                call.caller.account.clone(),
                call.caller.region.clone(),
                call.action.to_owned(),
            )
        };
        let buckets = &call.simulator.data().buckets;
        let limit = limits::limit(call.action);
        if options.throttling && !lock(buckets).take(key(), limit, call.now) {
            return Err(errors::throttled());
        }
        let shown = before(call.now, options.describe_lag);
        call.simulator.store().sweep(shown);
        operation(call)
    }

    fn throttled() -> AwsError {
        errors::throttled()
    }

    fn internal() -> AwsError {
        errors::internal()
    }

    fn unavailable() -> AwsError {
        AwsError::new(
            503,
            "Unavailable",
            "The server is overloaded and can't handle the request.",
        )
    }

    fn unauthorized(call: &Call<'_, Self>) -> AwsError {
        errors::unauthorized(&call.caller.arn, call.action)
    }
}

fn error(error: &AwsError, request_id: &str) -> String {
    let mut xml = Xml::default();
    xml.element("Response", |xml| {
        xml.list("Errors", "Error", [error], |xml, error| {
            xml.text("Code", &error.code);
            xml.text("Message", &error.message);
        });
        xml.text("RequestID", request_id);
    });
    xml.finish()
}
