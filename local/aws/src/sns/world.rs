use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::mpsc::UnboundedSender;

use super::delivery::Delivery;
use super::errors;
use super::message::Published;
use super::store::Store;
use crate::control::lock;
use crate::error::AwsError;
use crate::http::Call;
use crate::simulator::Simulator;
use crate::xml::Xml;

pub(crate) const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

/// "Each call returns a limited list, up to 100."
const PAGE: usize = 100;

/// Is called with each message that is published.
pub type OnPublish = Arc<dyn Fn(&Published) + Send + Sync>;

pub type Sns = Simulator<SnsState>;

/// Topics, subscriptions, and what was published and delivered.
#[derive(Default)]
pub struct SnsState {
    store: Mutex<Store>,
    pub(crate) deliveries: Mutex<Option<UnboundedSender<Delivery>>>,
    pub(crate) on_publish: Mutex<Option<OnPublish>>,
    pub(crate) base_url: Mutex<Option<String>>,
}

pub(crate) type Request<'a> = Call<'a, SnsState>;

impl Sns {
    /// All that there is now: without subscriptions that were not confirmed in time.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        let now = self.now();
        let mut store = lock(&self.data().store);
        store
            .subscriptions
            .retain(|_, subscription| !subscription.is_over(now));
        store
    }

    pub(crate) fn base_url(&self) -> String {
        let url = lock(&self.data().base_url).clone();
        url.unwrap_or_else(|| "http://127.0.0.1".to_owned())
    }

    /// Not while the store is locked: the hook may look into it.
    pub(crate) fn tell(&self, published: &Published) {
        let hook = lock(&self.data().on_publish).clone();
        if let Some(hook) = hook {
            hook(published);
        }
    }

    pub(crate) fn deliver(&self, deliveries: &[Delivery]) {
        if let Some(sink) = &*lock(&self.data().deliveries) {
            for delivery in deliveries {
                if matches!(delivery.protocol.as_str(), "lambda" | "sqs") {
                    let _ = sink.send(delivery.clone());
                }
            }
        }
    }
}

impl Call<'_, SnsState> {
    pub(crate) fn answer(&self, inside: impl FnOnce(&mut Xml)) -> String {
        Xml::root(&format!("{}Response", self.action), NAMESPACE, |xml| {
            xml.element(&format!("{}Result", self.action), inside);
            self.metadata(xml);
        })
    }

    /// The answer of an operation without results.
    pub(crate) fn done(&self) -> String {
        Xml::root(&format!("{}Response", self.action), NAMESPACE, |xml| {
            self.metadata(xml);
        })
    }

    fn metadata(&self, xml: &mut Xml) {
        xml.element("ResponseMetadata", |xml| {
            xml.text("RequestId", self.request_id);
        });
    }

    /// The page that the call asks for, and the token of the next.
    pub(crate) fn page<T>(&self, all: Vec<T>) -> Result<(Vec<T>, Option<String>), AwsError> {
        let start = match self.params.filled("NextToken") {
            None => 0,
            Some(token) => {
                let start = token
                    .strip_prefix("after-")
                    .and_then(|start| start.parse().ok());
                start.ok_or_else(|| errors::invalid("NextToken"))?
            }
        };
        let end = start + PAGE;
        let token = (all.len() > end).then(|| format!("after-{end}"));
        Ok((all.into_iter().skip(start).take(PAGE).collect(), token))
    }
}

/// A map: `<name><entry><key/><value/></entry>…</name>`.
pub(crate) fn write_map(xml: &mut Xml, name: &str, map: &BTreeMap<String, String>) {
    xml.list(name, "entry", map, |xml, (key, value)| {
        xml.text("key", key);
        xml.text("value", value);
    });
}
