//! EventBridge, as far as the product asks it: whether a rule is there and enabled, and events that are put on buses. No
//! event is matched or delivered.

mod entry;
mod errors;
mod name;
mod rule;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use axum::Router;
use serde::Deserialize;
use serde_json::{Value, json};

pub use entry::{BusEvent, OnEvent};
pub use rule::{NewRule, Rule, RuleState};

use crate::caller::Caller;
use crate::control::lock;
use crate::error::AwsError;
use crate::http::{self, Api, Call};
use crate::json;
use crate::protocol::Protocol;
use crate::simulator::Simulator;
use entry::{Entry, PutEvents};
use name::{DEFAULT_BUS, bus_arn, rule_arn};

/// A bus does not keep an event with a longer detail type, although `PutEvents` answers an id for it.
const LONGEST_DETAIL_TYPE: usize = 128;

/// A simulator of EventBridge: rules, and events that are put on buses.
///
/// ```
/// use local_aws::{Config, Events, NewRule, RuleState};
///
/// let events = Events::new(Config::default());
/// events.put_rule(NewRule::new("connection-events", r#"{"source": ["aws.ec2"]}"#));
/// assert!(events.disable_rule("connection-events"));
/// let state = events.rule("connection-events").map(|rule| rule.state);
/// assert_eq!(state, Some(RuleState::Disabled));
/// ```
pub type Events = Simulator<EventsState>;

/// Rules, buses, and the events on them.
#[derive(Default)]
pub struct EventsState {
    store: Mutex<Store>,
    on_event: Mutex<Option<OnEvent>>,
}

#[derive(Default)]
struct Store {
    /// By ARN. The rules of one bus are in the order of their names.
    rules: BTreeMap<String, Rule>,
    /// ARNs, without the default buses.
    buses: BTreeSet<String>,
    /// Oldest first.
    put: Vec<BusEvent>,
}

impl Store {
    /// A default bus is there in every account and Region.
    fn has_bus(&self, arn: &str) -> bool {
        let default = arn.starts_with("arn:aws:events:") && arn.ends_with(":event-bus/default");
        default || self.buses.contains(arn)
    }
}

/// In process. None of it is counted, logged or disturbed by faults. A method that takes a rule takes its ARN, or the
/// name of a rule of the default account, in the default Region, on the default bus.
impl Events {
    /// Answers EventBridge's calls, at every path. Under a prefix, mount it with [`Router::nest_service`].
    pub fn router(&self) -> Router {
        http::router(self.clone())
    }

    /// Adds a rule of the default account in the default Region, on the default bus, or replaces the one of that name.
    pub fn put_rule(&self, new: NewRule) -> Rule {
        let rule = new.made(&self.home().account, &self.home().region);
        let mut store = self.store();
        store.rules.insert(rule.arn.clone(), rule.clone());
        rule
    }

    /// Makes a bus of the default account in the default Region, unless it is there; answers its ARN.
    pub fn put_bus(&self, name: &str) -> String {
        let arn = bus_arn(self.home(), name);
        self.store().buses.insert(arn.clone());
        arn
    }

    /// What was put on a bus, oldest first. The bus is named by its ARN, or by its name in the default account and
    /// Region.
    pub fn put_on(&self, bus: &str) -> Vec<BusEvent> {
        let arn = bus_arn(self.home(), bus);
        let store = self.store();
        let on_it = store.put.iter().filter(|event| event.bus == arn);
        on_it.cloned().collect()
    }

    /// Sets or removes the hook that is shown each event.
    pub fn set_on_event(&self, hook: Option<OnEvent>) {
        *lock(&self.data().on_event) = hook;
    }

    pub fn rule(&self, rule: &str) -> Option<Rule> {
        self.store().rules.get(&self.arn(rule)).cloned()
    }

    /// Sets the state of a rule; `false` if there is none.
    pub fn set_rule_state(&self, rule: &str, state: RuleState) -> bool {
        let mut store = self.store();
        let rule = store.rules.get_mut(&self.arn(rule));
        rule.map(|rule| rule.state = state).is_some()
    }

    /// Enables a rule; `false` if there is none.
    pub fn enable_rule(&self, rule: &str) -> bool {
        self.set_rule_state(rule, RuleState::Enabled)
    }

    /// Disables a rule; `false` if there is none.
    pub fn disable_rule(&self, rule: &str) -> bool {
        self.set_rule_state(rule, RuleState::Disabled)
    }

    /// Deletes a rule; `false` if there is none.
    pub fn delete_rule(&self, rule: &str) -> bool {
        self.store().rules.remove(&self.arn(rule)).is_some()
    }

    fn arn(&self, rule: &str) -> String {
        match rule.starts_with("arn:") {
            true => rule.to_owned(),
            false => rule_arn(&self.home().account, &self.home().region, DEFAULT_BUS, rule),
        }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.data().store)
    }

    /// Keeps an event if there is such a bus, and shows it to the hook.
    fn keep(&self, event: &BusEvent) {
        // AWS answers an id all the same: https://github.com/aws/aws-cli/issues/9186
        let fits = event.detail_type.chars().count() <= LONGEST_DETAIL_TYPE;
        if !fits || !self.store().has_bus(&event.bus) {
            return;
        }
        self.store().put.push(event.clone());
        // The hook may use the simulator: no lock is held meanwhile.
        let hook = lock(&self.data().on_event).clone();
        if let Some(hook) = hook {
            hook(event);
        }
    }
}

impl Api for EventsState {
    const PROTOCOL: Protocol = Protocol::Json {
        prefix: "AWSEvents.",
        message: "message",
    };

    fn run(call: &Call<'_, Self>) -> Result<String, AwsError> {
        let answer = match call.action {
            "DescribeRule" => describe_rule(call),
            "PutEvents" => put_events(call),
            other => Err(json::unknown_operation(other)),
        };
        Ok(answer?.to_string())
    }

    fn throttled() -> AwsError {
        AwsError::bad("ThrottlingException", "Rate exceeded")
    }

    fn internal() -> AwsError {
        let text = "This exception occurs due to unexpected causes.";
        AwsError::new(500, "InternalException", text)
    }

    fn unauthorized(call: &Call<'_, Self>) -> AwsError {
        let Caller {
            account, region, ..
        } = call.caller;
        let resource = if call.action == "PutEvents" {
            let bus = call.params.get("Entries.1.EventBusName");
            bus_arn(call.caller, bus.unwrap_or(DEFAULT_BUS))
        } else {
            let bus = call.params.get("EventBusName").unwrap_or(DEFAULT_BUS);
            rule_arn(account, region, bus, call.params.get("Name").unwrap_or("*"))
        };
        json::unauthorized(&call.caller.arn, "events", call.action, &resource)
    }
}

/// The parameters that name a rule.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    name: Option<String>,
    event_bus_name: Option<String>,
}

/// Buses are not shared: another account's or Region's is not there.
fn describe_rule(call: &Call<'_, EventsState>) -> Result<Value, AwsError> {
    let input: Named = call.input()?;
    let name = input
        .name
        .ok_or_else(|| errors::constraint("null", "name", "not be null"))?;
    let bus = input.event_bus_name.as_deref().unwrap_or(DEFAULT_BUS);
    let own = bus_arn(call.caller, "");
    let bus = bus.strip_prefix(&own).unwrap_or(bus);
    let not_there = |text| AwsError::bad("ResourceNotFoundException", text);
    let store = call.simulator.store();
    if bus.starts_with("arn:") || !store.has_bus(&format!("{own}{bus}")) {
        return Err(not_there(format!("Event bus {bus} does not exist.")));
    }
    let arn = rule_arn(&call.caller.account, &call.caller.region, bus, &name);
    let rule = store
        .rules
        .get(&arn)
        .ok_or_else(|| not_there(format!("Rule {name} does not exist on EventBus {bus}.")))?;
    Ok(json!({
        "Name": rule.name,
        "Arn": rule.arn,
        "EventPattern": rule.event_pattern,
        "State": rule.state.as_str(),
        "EventBusName": DEFAULT_BUS,
        "CreatedBy": call.caller.account,
    }))
}

/// "The response `Entries` array always includes the same number of entries as the request array."
fn put_events(call: &Call<'_, EventsState>) -> Result<Value, AwsError> {
    let entries = call.input::<PutEvents>()?.entries()?;
    let put = |entry: &Entry| {
        if let Some(error) = entry.failed_by(call.item_fault) {
            return Err(error);
        }
        let bus = entry.event_bus_name.as_deref().unwrap_or(DEFAULT_BUS);
        let (id, bus) = (call.simulator.ids().uuid(), bus_arn(call.caller, bus));
        call.simulator.keep(&entry.read(&id, &bus, call.caller)?);
        Ok(id)
    };
    let put: Vec<_> = entries.iter().map(put).collect();
    let failed = put.iter().filter(|entry| entry.is_err()).count();
    let answers = put.into_iter().map(|entry| match entry {
        Ok(id) => json!({ "EventId": id }),
        Err(error) => json!({ "ErrorCode": error.code, "ErrorMessage": error.message }),
    });
    Ok(json!({ "FailedEntryCount": failed, "Entries": answers.collect::<Vec<_>>() }))
}
