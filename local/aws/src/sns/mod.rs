//! SNS: topics, subscriptions with filter policies, and an inbox with what was delivered.

mod confirmation;
mod delivery;
mod errors;
mod message;
mod policy;
mod publish;
mod store;
mod subscription;
mod topic;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedSender;

pub use delivery::{Delivery, DeliveryKind};
pub use message::{Attribute, Message, Published};
pub use store::{Subscription, Topic};
pub use subscription::NewSubscription;

use crate::caller::Caller;
use crate::clock::{Clock, system_clock};
use crate::control::{Control, lock};
use crate::error::AwsError;
use crate::fault::{FaultKind, ItemFault};
use crate::http::{self, Api, Call};
use crate::ids::Ids;
use crate::protocol::Protocol;
use crate::query::Params;
use crate::xml::Xml;
use store::Store;

const NAMESPACE: &str = "http://sns.amazonaws.com/doc/2010-03-31/";

/// What is called with each message that is published.
pub type OnPublish = Arc<dyn Fn(&Published) + Send + Sync>;

/// "Each call returns a limited list, up to 100."
const PAGE: usize = 100;

/// What is fixed when a simulator is made.
#[derive(Clone)]
pub struct SnsConfig {
    /// The account of callers whose access key id is not an account.
    pub account: String,
    /// The Region of callers that name none.
    pub region: String,
    /// The time.
    pub clock: Clock,
    /// Where ids begin; `None` takes a random place, the same number gives the same ids.
    pub seed: Option<u64>,
}

/// Account 123456789012, us-east-1, the machine's clock, random ids.
impl Default for SnsConfig {
    fn default() -> Self {
        Self {
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            clock: system_clock(),
            seed: None,
        }
    }
}

impl fmt::Debug for SnsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnsConfig")
            .field("account", &self.account)
            .field("region", &self.region)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// A simulator of SNS. Clones are the same simulator.
///
/// It is used in process through its methods, and over HTTP through [`Sns::router`]. Faults, the log of calls and
/// the like are those of [`Control`], to which it dereferences.
///
/// ```
/// use local_aws::{Message, NewSubscription, Sns, SnsConfig};
///
/// let sns = Sns::new(SnsConfig::default());
/// let topic = sns.put_topic("reviews")?;
/// let policy = r#"{"approver": ["alice@example.com"]}"#;
/// sns.subscribe(NewSubscription::new(&topic, "email", "alice@example.com").filter_policy(policy))?;
/// sns.publish(&topic, &Message::new("for Alice").attribute("approver", "alice@example.com"))?;
/// sns.publish(&topic, &Message::new("for Bob").attribute("approver", "bob@example.com"))?;
/// let mails = sns.inbox_of("alice@example.com");
/// assert_eq!(mails.iter().map(|mail| mail.message.as_str()).collect::<Vec<_>>(), ["for Alice"]);
/// assert_eq!(sns.published().len(), 2);
/// # Ok::<(), local_aws::AwsError>(())
/// ```
#[derive(Clone)]
pub struct Sns(Arc<Inner>);

struct Inner {
    account: String,
    region: String,
    clock: Clock,
    ids: Ids,
    control: Control,
    store: Mutex<Store>,
    deliveries: Mutex<Option<UnboundedSender<Delivery>>>,
    on_publish: Mutex<Option<OnPublish>>,
    base_url: Mutex<String>,
}

impl Sns {
    /// Without topics.
    pub fn new(config: SnsConfig) -> Self {
        Self(Arc::new(Inner {
            account: config.account,
            region: config.region,
            clock: config.clock,
            ids: Ids::new(config.seed),
            control: Control::new(),
            store: Mutex::default(),
            deliveries: Mutex::default(),
            on_publish: Mutex::default(),
            base_url: Mutex::new("http://127.0.0.1".to_owned()),
        }))
    }

    /// Answers SNS's calls at every path except `/inbox`, which is the inbox as JSON (`GET /inbox?endpoint=…`). Under a
    /// prefix, mount it with [`Router::nest_service`], as [`Ec2::router`](crate::Ec2::router).
    pub fn router(&self) -> Router {
        let sns = self.clone();
        let inbox = get(move |uri: Uri| async move {
            let deliveries = match Params::parse(uri.query(), b"").get("endpoint") {
                Some(endpoint) => sns.inbox_of(endpoint),
                None => sns.inbox(),
            };
            let json = serde_json::to_string_pretty(&deliveries).unwrap_or_default();
            ([(CONTENT_TYPE, "application/json")], json)
        });
        http::router(self.clone()).route("/inbox", inbox)
    }

    /// The default account, in the default Region.
    pub fn owner(&self) -> Caller {
        Caller::new(&self.0.account, &self.0.region)
    }

    /// Adds a topic of the default account in the default Region, if it is not there, and answers its ARN.
    ///
    /// # Errors
    /// `InvalidParameter` if the name is none for a topic.
    pub fn put_topic(&self, name: &str) -> Result<String, AwsError> {
        Ok(topic::put(self, &self.owner(), name)?.arn)
    }

    /// Where the router can be reached, without a slash at the end: the links in later messages lead there. Until then
    /// they lead to `http://127.0.0.1`, where nothing is.
    pub fn set_base_url(&self, url: impl Into<String>) {
        *lock(&self.0.base_url) = url.into();
    }

    /// All topics, by their ARNs.
    pub fn topics(&self) -> Vec<Topic> {
        self.store().topics.values().cloned().collect()
    }

    /// Adds a subscription. It is confirmed at once, whatever its protocol; over HTTP, `Subscribe` asks by e-mail first.
    ///
    /// # Errors
    /// `NotFound` if there is no such topic, `InvalidParameter` if the rest is not right.
    pub fn subscribe(&self, new: NewSubscription) -> Result<Subscription, AwsError> {
        subscription::put(self, &self.owner(), new, true)
    }

    /// Confirms the subscription that this token was sent for, as a click on the link in the mail does: without a
    /// signature. Answers its ARN.
    ///
    /// # Errors
    /// `InvalidParameter` if there is no such token (any more).
    pub fn confirm_by_link(&self, token: &str) -> Result<String, AwsError> {
        confirmation::confirm(self, None, token, false, false)
    }

    /// Unsubscribes, as a click on the link in a mail does: without a signature. What is not there is unsubscribed.
    ///
    /// # Errors
    /// `AuthorizationError` if the subscription was confirmed with `AuthenticateOnUnsubscribe`, or is a function's or a
    /// queue's; `InvalidParameter` if it is not confirmed.
    pub fn unsubscribe_by_link(&self, subscription_arn: &str) -> Result<(), AwsError> {
        confirmation::remove(self, subscription_arn, None)
    }

    /// Unsubscribes, as the owner of the topic does.
    pub fn unsubscribe(&self, subscription_arn: &str) {
        self.store().remove(subscription_arn);
    }

    /// All subscriptions, oldest first.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.store().subscriptions.values().cloned().collect()
    }

    /// Publishes a message to any topic, as an AWS service does, and answers its id.
    ///
    /// # Errors
    /// `NotFound` if there is no such topic, `InvalidParameter` if the message breaks a rule.
    pub fn publish(&self, topic_arn: &str, message: &Message) -> Result<String, AwsError> {
        publish::publish(self, topic_arn, message)
    }

    /// All deliveries, oldest first; of very many, the latest 100,000.
    pub fn inbox(&self) -> Vec<Delivery> {
        self.store().inbox.iter().cloned().collect()
    }

    /// The deliveries to one address, oldest first.
    pub fn inbox_of(&self, endpoint: &str) -> Vec<Delivery> {
        let store = self.store();
        store
            .inbox
            .iter()
            .filter(|delivery| delivery.endpoint == endpoint)
            .cloned()
            .collect()
    }

    /// All messages that were accepted, whether or not anybody got them, oldest first.
    pub fn published(&self) -> Vec<Published> {
        self.store().published.iter().cloned().collect()
    }

    /// Forgets deliveries and messages.
    pub fn clear_inbox(&self) {
        let mut store = self.store();
        store.inbox.clear();
        store.published.clear();
    }

    /// When this address got a message by e-mail although it had got ten within the second before, oldest first. SNS
    /// suspends a subscription that gets more than that (Developer Guide, "Email notifications").
    pub fn overrun(&self, address: &str) -> Vec<Timestamp> {
        let store = self.store();
        let overruns = store.overruns.iter().filter(|(to, _)| to == address);
        overruns.map(|(_, at)| *at).collect()
    }

    /// From now on, a subscription by e-mail that gets more than ten messages in a second is suspended: it does not get
    /// them, and has to be confirmed again within two days. Off at first.
    pub fn set_suspend_overruns(&self, on: bool) {
        self.store().suspend_overruns = on;
    }

    /// From now on, a filter policy holds only so long after it was set, also of a subscription that is not confirmed
    /// yet: until then messages are delivered by the one before, or to a new subscription all of them. "Additions or
    /// changes to a subscription filter policy require up to 15 minutes to fully take effect" (Developer Guide,
    /// "Amazon SNS subscription filter policies"): up to, so `None`, at once, is as true; it is so at first.
    pub fn set_filter_delay(&self, delay: Option<Duration>) {
        self.store().filter_delay = delay;
    }

    /// Where deliveries to functions and queues (protocols `lambda` and `sqs`) go as well as into the inbox.
    pub fn set_delivery_sink(&self, sink: UnboundedSender<Delivery>) {
        *lock(&self.0.deliveries) = Some(sink);
    }

    /// Calls something with each message from now on that is accepted, whether or not anybody gets it.
    pub fn set_on_publish(&self, hook: Option<OnPublish>) {
        *lock(&self.0.on_publish) = hook;
    }

    fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    fn ids(&self) -> &Ids {
        &self.0.ids
    }

    /// All that there is now: without subscriptions that were not confirmed in time.
    fn store(&self) -> MutexGuard<'_, Store> {
        let now = self.now();
        let mut store = lock(&self.0.store);
        store
            .subscriptions
            .retain(|_, subscription| !confirmation::is_over(subscription, now));
        store
    }

    fn base_url(&self) -> String {
        lock(&self.0.base_url).clone()
    }

    /// Not while the store is locked: the hook may look into it.
    fn tell(&self, published: &Published) {
        let hook = lock(&self.0.on_publish).clone();
        if let Some(hook) = hook {
            hook(published);
        }
    }

    fn deliver(&self, deliveries: &[Delivery]) {
        if let Some(sink) = &*lock(&self.0.deliveries) {
            for delivery in deliveries {
                if matches!(delivery.protocol.as_str(), "lambda" | "sqs") {
                    let _ = sink.send(delivery.clone());
                }
            }
        }
    }
}

impl Deref for Sns {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.0.control
    }
}

impl fmt::Debug for Sns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sns")
            .field("account", &self.0.account)
            .field("region", &self.0.region)
            .finish_non_exhaustive()
    }
}

/// A call with what every operation needs.
struct Request<'a> {
    sns: &'a Sns,
    action: &'a str,
    caller: &'a Caller,
    /// Whether somebody signed the call; if not, the caller is the owner for want of another.
    signed: bool,
    params: &'a Params,
    request_id: &'a str,
    item_fault: Option<&'a ItemFault>,
}

impl Request<'_> {
    fn answer(&self, inside: impl FnOnce(&mut Xml)) -> String {
        Xml::root(&format!("{}Response", self.action), NAMESPACE, |xml| {
            xml.element(&format!("{}Result", self.action), inside);
            self.metadata(xml);
        })
    }

    /// The answer of an operation without results.
    fn done(&self) -> String {
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
    fn page<T>(&self, all: Vec<T>) -> Result<(Vec<T>, Option<String>), AwsError> {
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

impl Api for Sns {
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
        let operation: fn(&Request<'_>) -> Result<String, AwsError> = match call.action {
            "CreateTopic" => topic::create,
            "ListTopics" => topic::list,
            "GetTopicAttributes" => topic::get_attributes,
            "DeleteTopic" => topic::delete,
            "Subscribe" => subscription::subscribe,
            "ListSubscriptions" => subscription::list,
            "ListSubscriptionsByTopic" => subscription::list_by_topic,
            "GetSubscriptionAttributes" => subscription::get_attributes,
            "SetSubscriptionAttributes" => subscription::set_attributes,
            "ConfirmSubscription" => confirmation::confirm_call,
            "Unsubscribe" => confirmation::unsubscribe_call,
            "Publish" => publish::publish_call,
            "PublishBatch" => publish::batch_call,
            "" => return Err(errors::missing("Action")),
            other => return Err(errors::invalid_action(other)),
        };
        operation(&Request {
            sns: self,
            action: call.action,
            caller: call.caller,
            signed: call.signed,
            params: call.params,
            request_id: call.request_id,
            item_fault: call.item_fault.as_ref(),
        })
    }

    fn error(&self, error: &AwsError, request_id: &str) -> String {
        Xml::root("ErrorResponse", NAMESPACE, |xml| {
            xml.element("Error", |xml| {
                xml.text(
                    "Type",
                    if error.status >= 500 {
                        "Receiver"
                    } else {
                        "Sender"
                    },
                );
                xml.text("Code", &error.code);
                xml.text("Message", &error.message);
            });
            xml.text("RequestId", request_id);
        })
    }

    fn refusal(&self, kind: &FaultKind, call: &Call<'_>) -> AwsError {
        match kind {
            FaultKind::Throttle => errors::throttled(),
            FaultKind::Unavailable => errors::unavailable(),
            FaultKind::Unauthorized => {
                let resource = call.params.get("TopicArn").unwrap_or("*");
                errors::unauthorized(&call.caller.arn, call.action, resource)
            }
            _ => errors::internal(),
        }
    }
}

/// A map: `<name><entry><key/><value/></entry>…</name>`.
fn write_map(xml: &mut Xml, name: &str, map: &BTreeMap<String, String>) {
    xml.list(name, "entry", map, |xml, (key, value)| {
        xml.text("key", key);
        xml.text("value", value);
    });
}
