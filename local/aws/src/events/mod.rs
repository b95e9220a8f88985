//! EventBridge's rules: whether one is there, and enabled; and what is put on its buses. No event is matched or
//! delivered.

mod api;
mod calls;
mod errors;
mod name;
mod pattern;
mod put;
mod rule;
mod store;

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use put::{BusEvent, OnEvent};
pub use rule::{NewRule, Rule, RuleState};

use crate::caller::Caller;
use crate::control::{Control, lock};
use crate::error::AwsError;
use crate::fault::{FaultKind, ItemFault};
use crate::http::{Api, Call};
use crate::ids::Ids;
use crate::json;
use crate::protocol::Protocol;
use store::Store;

/// What is fixed when a simulator is made.
#[derive(Debug, Clone)]
pub struct EventsConfig {
    /// The account of callers whose access key id is not an account.
    pub account: String,
    /// The Region of callers that name none.
    pub region: String,
    /// Where the ids of requests begin; `None` takes a random place, the same number gives the same ids.
    pub seed: Option<u64>,
}

/// Account 123456789012, us-east-1, random ids.
impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            seed: None,
        }
    }
}

/// A simulator of EventBridge, as far as rules go, and events are put. Clones are the same simulator.
///
/// It is used in process through its methods, and over HTTP through [`Events::router`]. Faults, the log of calls and
/// the like are those of [`Control`], to which it dereferences.
///
/// ```
/// use local_aws::{Events, EventsConfig, NewRule, RuleState};
///
/// let events = Events::new(EventsConfig::default());
/// events.put_rule(NewRule::new("connection-events", r#"{"source": ["aws.ec2"]}"#))?;
/// assert!(events.disable_rule("connection-events"));
/// let state = events.rule("connection-events").map(|rule| rule.state);
/// assert_eq!(state, Some(RuleState::Disabled));
/// # Ok::<(), local_aws::AwsError>(())
/// ```
#[derive(Clone)]
pub struct Events(Arc<Inner>);

struct Inner {
    account: String,
    region: String,
    ids: Ids,
    control: Control,
    store: Mutex<Store>,
    on_event: Mutex<Option<OnEvent>>,
}

impl Events {
    /// Without rules.
    pub fn new(config: EventsConfig) -> Self {
        Self(Arc::new(Inner {
            account: config.account,
            region: config.region,
            ids: Ids::new(config.seed),
            control: Control::new(),
            store: Mutex::default(),
            on_event: Mutex::default(),
        }))
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.0.store)
    }

    /// Not while the store is locked: the hook may look into it.
    fn tell(&self, event: &BusEvent) {
        let hook = lock(&self.0.on_event).clone();
        if let Some(hook) = hook {
            hook(event);
        }
    }
}

impl Deref for Events {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.0.control
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("account", &self.0.account)
            .field("region", &self.0.region)
            .finish_non_exhaustive()
    }
}

/// A call with what every operation needs.
struct Request<'a> {
    events: &'a Events,
    caller: &'a Caller,
    body: &'a [u8],
    item_fault: Option<&'a ItemFault>,
}

impl Request<'_> {
    fn input<T: DeserializeOwned>(&self) -> Result<T, AwsError> {
        json::input(self.body)
    }
}

impl Api for Events {
    const PROTOCOL: Protocol = Protocol::Json {
        prefix: "AWSEvents.",
    };

    fn control(&self) -> &Control {
        &self.0.control
    }

    fn home(&self) -> (&str, &str) {
        (&self.0.account, &self.0.region)
    }

    fn request_id(&self) -> String {
        self.0.ids.uuid()
    }

    fn run(&self, call: &Call<'_>) -> Result<String, AwsError> {
        let operation: fn(&Request<'_>) -> Result<Value, AwsError> = match call.action {
            "DescribeRule" => calls::describe,
            "ListRules" => calls::list,
            "PutRule" => calls::put,
            "EnableRule" => calls::enable,
            "DisableRule" => calls::disable,
            "DeleteRule" => calls::delete,
            "PutEvents" => put::put,
            other => return Err(json::unknown_operation(other)),
        };
        let answer = operation(&Request {
            events: self,
            caller: call.caller,
            body: call.body,
            item_fault: call.item_fault.as_ref(),
        })?;
        Ok(answer.to_string())
    }

    fn error(&self, error: &AwsError, _request_id: &str) -> String {
        json!({ "__type": error.code, "message": error.message }).to_string()
    }

    fn refusal(&self, kind: &FaultKind, call: &Call<'_>) -> AwsError {
        let caller = call.caller;
        match kind {
            FaultKind::Throttle => errors::throttled(),
            FaultKind::Unavailable => json::unavailable(),
            FaultKind::Unauthorized if call.action == "PutEvents" => {
                let bus = call.params.get("Entries.1.EventBusName");
                let bus = name::bus_arn(caller, bus.unwrap_or(name::DEFAULT_BUS));
                json::unauthorized(&caller.arn, "events:PutEvents", &bus)
            }
            FaultKind::Unauthorized => {
                let name = call.params.get("Name").unwrap_or("*");
                let bus = call.params.get("EventBusName").unwrap_or(name::DEFAULT_BUS);
                let rule = name::rule_arn(&caller.account, &caller.region, bus, name);
                json::unauthorized(&caller.arn, &format!("events:{}", call.action), &rule)
            }
            _ => errors::internal(),
        }
    }
}
