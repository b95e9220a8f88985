use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::connection::Connection;
use super::errors;
use super::notification::ConnectionNotification;
use super::options::Ec2Options;
use super::page;
use super::store::Store;
use crate::buckets::Buckets;
use crate::control::lock;
use crate::error::AwsError;
use crate::http::Call;
use crate::page::Page;
use crate::simulator::Simulator;
use crate::xml::Xml;

pub(crate) const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// A simulator of EC2's endpoint services and connections.
///
/// ```
/// use std::time::Duration;
/// use local_aws::{Config, Ec2, ManualClock, NewConnection, NewService, State};
///
/// let clock = ManualClock::default();
/// let ec2 = Ec2::new(Config { clock: clock.clock(), seed: Some(1), ..Config::default() });
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
pub type Ec2 = Simulator<Ec2State>;

#[derive(Default)]
pub struct Ec2State {
    pub(crate) options: Mutex<Ec2Options>,
    store: Mutex<Store>,
    pub(crate) buckets: Mutex<Buckets>,
    pub(crate) notifications: Mutex<Option<UnboundedSender<ConnectionNotification>>>,
    pub(crate) events: Mutex<Option<UnboundedSender<Value>>>,
    pub(crate) on_change: Mutex<Option<OnChange>>,
}

/// Gets all connections when one of them has changed.
pub type OnChange = Arc<dyn Fn(&[Connection]) + Send + Sync>;

/// The store while it is locked. When it is let go and an endpoint has changed, the hook gets all connections.
pub(crate) struct StoreGuard<'a> {
    store: MutexGuard<'a, Store>,
    ec2: &'a Ec2,
    changes: u64,
}

impl Deref for StoreGuard<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl DerefMut for StoreGuard<'_> {
    fn deref_mut(&mut self) -> &mut Store {
        &mut self.store
    }
}

impl Drop for StoreGuard<'_> {
    fn drop(&mut self) {
        if self.store.changes() == self.changes {
            return;
        }
        let hook = lock(&self.ec2.data().on_change).clone();
        if let Some(hook) = hook {
            hook(&self.store.connections(self.ec2.now()));
        }
    }
}

pub(crate) type Request<'a> = Call<'a, Ec2State>;

impl Ec2 {
    pub(crate) fn store(&self) -> StoreGuard<'_> {
        let store = lock(&self.data().store);
        StoreGuard {
            changes: store.changes(),
            store,
            ec2: self,
        }
    }

    pub fn options(&self) -> Ec2Options {
        lock(&self.data().options).clone()
    }

    /// Sends connection notifications. Without a listener they are lost, as at AWS.
    pub(crate) fn notify(&self, messages: Vec<ConnectionNotification>) {
        if let Some(sink) = &*lock(&self.data().notifications) {
            for message in messages {
                let _ = sink.send(message);
            }
        }
    }

    pub(crate) fn send_event(&self, event: Value) {
        if let Some(sink) = &*lock(&self.data().events) {
            let _ = sink.send(event);
        }
    }
}

impl Call<'_, Ec2State> {
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, AwsError> {
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
    pub(crate) fn dry_run(&self) -> Result<(), AwsError> {
        match self.flag("DryRun")? {
            Some(true) => Err(errors::dry_run()),
            _ => Ok(()),
        }
    }

    pub(crate) fn page(&self, action: &'static str) -> Result<Page, AwsError> {
        let options = self.simulator.options();
        page::parse(self.params, action, options.page_size, options.empty_pages)
    }

    pub(crate) fn answer(&self, inside: impl FnOnce(&mut Xml)) -> String {
        Xml::root(&format!("{}Response", self.action), NAMESPACE, |xml| {
            xml.text("requestId", self.request_id);
            inside(xml);
        })
    }
}
