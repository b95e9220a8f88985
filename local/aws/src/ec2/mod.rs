//! EC2's endpoint services and endpoint connections.

mod api;
mod attachment;
mod config;
mod connection;
mod endpoint;
mod errors;
mod event;
mod filter;
mod limits;
mod notification;
mod page;
mod permission;
mod service;
mod state;
mod store;
mod timeline;

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

pub use attachment::{Attachment, AttachmentListing, NewAttachment};
pub use config::{Ec2Config, Ec2Options, NotificationBody};
pub use connection::{Connection, NewConnection};
pub use endpoint::NewEndpoint;
pub use notification::{
    ConnectionEvent, ConnectionNotification, Notification, NotificationFacts, invented_body,
};
pub use service::{NewService, Service, ServiceKind};
pub use state::State;

use crate::buckets::Buckets;
use crate::caller::Caller;
use crate::clock::{Clock, before};
use crate::control::{Control, lock};
use crate::error::AwsError;
use crate::fault::{FaultKind, ItemFault};
use crate::http::{Api, Call};
use crate::ids::Ids;
use crate::page::Page;
use crate::protocol::Protocol;
use crate::query::Params;
use crate::xml::Xml;
use store::Store;

const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// A simulator of EC2's endpoint services and connections. Clones are the same simulator.
///
/// It is used in process through its methods, and over HTTP through [`Ec2::router`]. Faults, the log of calls and
/// the like are those of [`Control`], to which it dereferences.
///
/// ```
/// use std::time::Duration;
/// use local_aws::{Caller, Ec2, Ec2Config, ManualClock, NewConnection, NewService, State};
///
/// let clock = ManualClock::default();
/// let ec2 = Ec2::new(Ec2Config { clock: clock.clock(), seed: Some(1), ..Ec2Config::default() });
/// let service = ec2.put_service(NewService::new());
/// let connection = ec2.put_connection(NewConnection::new(&service.id, "111122223333"))?;
/// assert_eq!(connection.state, State::PendingAcceptance);
///
/// let failed = ec2.accept(&ec2.provider(), &service.id, [&connection.endpoint_id])?;
/// assert!(failed.is_empty());
/// clock.advance(Duration::from_secs(2));
/// let connection = ec2.connection(&connection.endpoint_id).ok_or("gone")?;
/// assert_eq!(connection.state, State::Available);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Ec2(Arc<Inner>);

struct Inner {
    account: String,
    region: String,
    clock: Clock,
    ids: Ids,
    control: Control,
    options: Mutex<Ec2Options>,
    store: Mutex<Store>,
    buckets: Mutex<Buckets>,
    notifications: Mutex<Option<UnboundedSender<ConnectionNotification>>>,
    events: Mutex<Option<UnboundedSender<Value>>>,
}

impl Ec2 {
    /// An empty world.
    pub fn new(config: Ec2Config) -> Self {
        Self(Arc::new(Inner {
            account: config.account,
            region: config.region,
            clock: config.clock,
            ids: Ids::new(config.seed),
            control: Control::new(),
            options: Mutex::new(config.options),
            store: Mutex::default(),
            buckets: Mutex::default(),
            notifications: Mutex::default(),
            events: Mutex::default(),
        }))
    }

    fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    fn ids(&self) -> &Ids {
        &self.0.ids
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.0.store)
    }

    /// Sends connection notifications. If nobody listens any more, they are lost, as at AWS.
    fn notify(&self, messages: Vec<ConnectionNotification>) {
        if let Some(sink) = &*lock(&self.0.notifications) {
            for message in messages {
                let _ = sink.send(message);
            }
        }
    }

    fn send_event(&self, event: Value) {
        if let Some(sink) = &*lock(&self.0.events) {
            let _ = sink.send(event);
        }
    }
}

impl Deref for Ec2 {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.0.control
    }
}

impl fmt::Debug for Ec2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ec2")
            .field("account", &self.0.account)
            .field("region", &self.0.region)
            .finish_non_exhaustive()
    }
}

/// A call with what every operation needs.
struct Request<'a> {
    ec2: &'a Ec2,
    action: &'a str,
    caller: &'a Caller,
    params: &'a Params,
    request_id: &'a str,
    item_fault: Option<&'a ItemFault>,
    now: Timestamp,
    options: Ec2Options,
}

impl Request<'_> {
    /// A boolean parameter.
    fn flag(&self, name: &str) -> Result<Option<bool>, AwsError> {
        let Some(text) = self.params.filled(name) else {
            return Ok(None);
        };
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(Some(true)),
            "false" | "0" => Ok(Some(false)),
            _ => Err(errors::invalid_value(text, name, "It must be a boolean.")),
        }
    }

    /// The end of a dry run: all has been checked, nothing has been changed.
    fn dry_run(&self) -> Result<(), AwsError> {
        match self.flag("DryRun")? {
            Some(true) => Err(errors::dry_run()),
            _ => Ok(()),
        }
    }

    fn page(&self, action: &'static str) -> Result<Page, AwsError> {
        page::parse(
            self.params,
            action,
            self.options.page_size,
            self.options.empty_pages,
        )
    }

    fn answer(&self, inside: impl FnOnce(&mut Xml)) -> String {
        Xml::root(&format!("{}Response", self.action), NAMESPACE, |xml| {
            xml.text("requestId", self.request_id);
            inside(xml);
        })
    }
}

impl Api for Ec2 {
    const PROTOCOL: Protocol = Protocol::Query;

    fn control(&self) -> &Control {
        &self.0.control
    }

    fn home(&self) -> (&str, &str) {
        (&self.0.account, &self.0.region)
    }

    fn request_id(&self) -> String {
        self.ids().uuid()
    }

    fn run(&self, call: &Call<'_>) -> Result<String, AwsError> {
        let request = Request {
            ec2: self,
            action: call.action,
            caller: call.caller,
            params: call.params,
            request_id: call.request_id,
            item_fault: call.item_fault.as_ref(),
            now: self.now(),
            options: self.options(),
        };
        let operation: fn(&Request<'_>) -> Result<String, AwsError> = match call.action {
            "AcceptVpcEndpointConnections" => {
                |req| connection::decide_call(req, connection::Verb::Accept)
            }
            "RejectVpcEndpointConnections" => {
                |req| connection::decide_call(req, connection::Verb::Reject)
            }
            "DescribeVpcEndpointConnections" => connection::describe,
            "CreateTransitGatewayNetworkFunctionAttachment" => attachment::create,
            "DescribeTransitGatewayNetworkFunctionAttachments" => attachment::describe,
            "DeleteTransitGatewayNetworkFunctionAttachment" => attachment::delete_call,
            "CreateVpcEndpoint" => endpoint::create_call,
            "DescribeVpcEndpoints" => endpoint::describe,
            "DeleteVpcEndpoints" => endpoint::delete_call,
            "CreateVpcEndpointServiceConfiguration" => service::create,
            "DescribeVpcEndpointServiceConfigurations" => service::describe,
            "ModifyVpcEndpointServiceConfiguration" => service::modify,
            "DeleteVpcEndpointServiceConfigurations" => service::delete,
            "ModifyVpcEndpointServicePermissions" => permission::modify,
            "DescribeVpcEndpointServicePermissions" => permission::describe,
            "CreateVpcEndpointConnectionNotification" => notification::create,
            "DescribeVpcEndpointConnectionNotifications" => notification::describe,
            "ModifyVpcEndpointConnectionNotification" => notification::modify,
            "DeleteVpcEndpointConnectionNotifications" => notification::delete,
            "" => return Err(errors::missing("Action")),
            other => return Err(errors::invalid_action(other)),
        };
        if request.options.throttling {
            let key = (
                call.caller.account.clone(),
                call.caller.region.clone(),
                call.action.to_owned(),
            );
            if !lock(&self.0.buckets).take(key, limits::limit(call.action), request.now) {
                return Err(errors::throttled());
            }
        }
        self.store()
            .sweep(before(request.now, request.options.describe_lag));
        operation(&request)
    }

    fn error(&self, error: &AwsError, request_id: &str) -> String {
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

    fn refusal(&self, kind: &FaultKind, call: &Call<'_>) -> AwsError {
        match kind {
            FaultKind::Throttle => errors::throttled(),
            FaultKind::Unavailable => errors::unavailable(),
            FaultKind::Unauthorized => errors::unauthorized(&call.caller.arn, call.action),
            _ => errors::internal(),
        }
    }
}

/// One item of a call that failed although the call succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unsuccessful {
    /// The id of the endpoint, service or notification.
    pub resource_id: String,
    /// The code.
    pub code: String,
    /// The text.
    pub message: String,
}

impl Unsuccessful {
    fn new(resource_id: &str, error: &AwsError) -> Self {
        Self {
            resource_id: resource_id.to_owned(),
            code: error.code.clone(),
            message: error.message.clone(),
        }
    }

    fn to_json(&self) -> Value {
        json!({ "resourceId": self.resource_id, "error": { "code": self.code, "message": self.message } })
    }
}

/// As CloudTrail records the answer of a call with results per item.
fn unsuccessful_event(failed: &[Unsuccessful]) -> Value {
    json!({ "unsuccessful": event::items(failed.iter().map(Unsuccessful::to_json).collect()) })
}

fn write_unsuccessful(xml: &mut Xml, items: &[Unsuccessful]) {
    xml.list("unsuccessful", "item", items, |xml, item| {
        xml.element("error", |xml| {
            xml.text("code", &item.code);
            xml.text("message", &item.message);
        });
        xml.text("resourceId", &item.resource_id);
    });
}
