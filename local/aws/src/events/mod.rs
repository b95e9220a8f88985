//! EventBridge's rules and their states, and the events that are put on its buses. No event is matched or delivered.

mod entry;
mod errors;
mod name;
mod pattern;
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
use crate::page::Page;
use crate::protocol::Protocol;
use crate::simulator::Simulator;
use entry::{Entry, PutEvents};
use name::{DEFAULT_BUS, bus_arn, rule_arn};

/// "The maximum number of results per page for requests is 100."
const MOST: usize = 100;
/// A bus does not keep an event with a longer detail type, although `PutEvents` answers an id for it.
const LONGEST_DETAIL_TYPE: usize = 128;

/// A simulator of EventBridge: rules, and events that are put on buses.
///
/// ```
/// use local_aws::{Config, Events, NewRule, RuleState};
///
/// let events = Events::new(Config::default());
/// events.put_rule(NewRule::new("connection-events", r#"{"source": ["aws.ec2"]}"#))?;
/// assert!(events.disable_rule("connection-events"));
/// let state = events.rule("connection-events").map(|rule| rule.state);
/// assert_eq!(state, Some(RuleState::Disabled));
/// # Ok::<(), local_aws::AwsError>(())
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

    /// Adds a rule of the default account in the default Region, or replaces the one of that name on that bus. If the
    /// bus is not there, it is made.
    ///
    /// # Errors
    /// `InvalidEventPatternException` if the pattern is not valid, `ValidationException` if a name is not.
    pub fn put_rule(&self, new: NewRule) -> Result<Rule, AwsError> {
        self.put_rule_as(self.home(), new)
    }

    /// [`Events::put_rule`] in another account or Region.
    ///
    /// # Errors
    /// As [`Events::put_rule`].
    pub fn put_rule_as(&self, caller: &Caller, new: NewRule) -> Result<Rule, AwsError> {
        let rule = new.checked(&caller.account, &caller.region)?;
        let mut store = self.store();
        store.buses.insert(bus_arn(caller, &rule.event_bus));
        store.rules.insert(rule.arn.clone(), rule.clone());
        Ok(rule)
    }

    /// Makes a bus of the default account in the default Region, unless it is there; answers its ARN.
    ///
    /// # Errors
    /// `ValidationException` if the name is not valid.
    pub fn put_bus(&self, name: &str) -> Result<String, AwsError> {
        self.put_bus_as(self.home(), name)
    }

    /// [`Events::put_bus`] in another account or Region.
    ///
    /// # Errors
    /// As [`Events::put_bus`].
    pub fn put_bus_as(&self, caller: &Caller, name: &str) -> Result<String, AwsError> {
        name::check_bus(name)?;
        let arn = bus_arn(caller, name);
        self.store().buses.insert(arn.clone());
        Ok(arn)
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

    /// All rules, by their ARNs.
    pub fn rules(&self) -> Vec<Rule> {
        self.store().rules.values().cloned().collect()
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
            "ListRules" => list_rules(call),
            "PutRule" => put_rule(call),
            "EnableRule" => set_state(call, RuleState::Enabled),
            "DisableRule" => set_state(call, RuleState::Disabled),
            "DeleteRule" => delete_rule(call),
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

/// The parameters that name a rule, or the rules of a list.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    name: Option<String>,
    name_prefix: Option<String>,
    event_bus_name: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
}

/// The name of a rule, which is required.
fn rule_name(name: Option<String>) -> Result<String, AwsError> {
    let name = name.ok_or_else(|| errors::constraint("null", "name", "not be null"))?;
    name::check_rule(&name, "name")?;
    Ok(name)
}

/// The bus that a call names by name, by ARN or not at all, if it is there. Buses are not shared: another account's or
/// Region's is not there.
fn bus(
    call: &Call<'_, EventsState>,
    store: &Store,
    given: Option<&str>,
) -> Result<String, AwsError> {
    let bus = given.unwrap_or(DEFAULT_BUS);
    let own = bus_arn(call.caller, "");
    let name = bus.strip_prefix(&own).unwrap_or(bus);
    if !name.starts_with("arn:") {
        name::check_bus(name)?;
        if store.has_bus(&format!("{own}{name}")) {
            return Ok(name.to_owned());
        }
    }
    let text = format!("Event bus {name} does not exist.");
    Err(AwsError::bad("ResourceNotFoundException", text))
}

/// The ARN of the rule that a call names, and the error if it is not there.
fn named_rule(call: &Call<'_, EventsState>, store: &Store) -> Result<(String, AwsError), AwsError> {
    let input: Named = call.input()?;
    let name = rule_name(input.name)?;
    let bus = bus(call, store, input.event_bus_name.as_deref())?;
    let text = format!("Rule {name} does not exist on EventBus {bus}.");
    let arn = rule_arn(&call.caller.account, &call.caller.region, &bus, &name);
    Ok((arn, AwsError::bad("ResourceNotFoundException", text)))
}

fn describe_rule(call: &Call<'_, EventsState>) -> Result<Value, AwsError> {
    let store = call.simulator.store();
    let (arn, not_there) = named_rule(call, &store)?;
    let rule = store.rules.get(&arn).ok_or(not_there)?;
    let mut answer = rule.to_json();
    answer.insert("CreatedBy".to_owned(), json!(rule.account));
    Ok(Value::Object(answer))
}

fn list_rules(call: &Call<'_, EventsState>) -> Result<Value, AwsError> {
    let input: Named = call.input()?;
    let prefix = input.name_prefix.unwrap_or_default();
    if !prefix.is_empty() {
        name::check_rule(&prefix, "namePrefix")?;
    }
    let store = call.simulator.store();
    let limit = match input.limit.map(|limit| (limit, usize::try_from(limit))) {
        None => MOST,
        Some((_, Ok(limit))) if (1..=MOST).contains(&limit) => limit,
        Some((limit, _)) => {
            let rule = match limit < 1 {
                true => "have value greater than or equal to 1",
                false => "have value less than or equal to 100",
            };
            return Err(errors::constraint(format!("'{limit}'"), "limit", rule));
        }
    };
    let page = Page::new("ListRules", limit, input.next_token.as_deref(), false);
    // "Using an expired pagination token results in an HTTP 400 `InvalidToken` error." (API reference, `ListRules`)
    let invalid = || AwsError::bad("InvalidToken", "The pagination token is not valid.");
    let page = page.ok_or_else(invalid)?;
    let bus = bus(call, &store, input.event_bus_name.as_deref())?;
    let first = rule_arn(&call.caller.account, &call.caller.region, &bus, &prefix);
    let rules = store.rules.values().filter(|rule| rule.event_bus == bus);
    let rules = rules.filter(|rule| rule.arn.starts_with(&first));
    let (rules, token) = page.of(rules.collect(), |rule| rule.name.clone());
    let rules = rules.into_iter().map(|rule| Value::Object(rule.to_json()));
    Ok(json::page("Rules", rules.collect(), token))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRule {
    name: Option<String>,
    event_bus_name: Option<String>,
    event_pattern: Option<String>,
    schedule_expression: Option<String>,
    state: Option<String>,
    description: Option<String>,
    role_arn: Option<String>,
}

/// "If you omit arguments in `PutRule`, the old values for those arguments are not kept."
fn put_rule(call: &Call<'_, EventsState>) -> Result<Value, AwsError> {
    let input: PutRule = call.input()?;
    let name = rule_name(input.name)?;
    let state = match input.state.as_deref() {
        None => RuleState::default(),
        Some(text) => RuleState::parse(text).ok_or_else(|| {
            let names = RuleState::ALL.map(RuleState::as_str).join(", ");
            let rule = format!("satisfy enum value set: [{names}]");
            errors::constraint(format!("'{text}'"), "state", &rule)
        })?,
    };
    let mut store = call.simulator.store();
    let new = NewRule {
        name,
        event_bus: Some(bus(call, &store, input.event_bus_name.as_deref())?),
        state,
        event_pattern: input.event_pattern,
        schedule_expression: input.schedule_expression,
        description: input.description,
        role_arn: input.role_arn,
    };
    let rule = new.checked(&call.caller.account, &call.caller.region)?;
    let answer = json!({ "RuleArn": rule.arn });
    store.rules.insert(rule.arn.clone(), rule);
    Ok(answer)
}

fn set_state(call: &Call<'_, EventsState>, state: RuleState) -> Result<Value, AwsError> {
    let mut store = call.simulator.store();
    let (arn, not_there) = named_rule(call, &store)?;
    store.rules.get_mut(&arn).ok_or(not_there)?.state = state;
    Ok(json!({}))
}

/// "If you call delete rule multiple times for the same rule, all calls will succeed."
fn delete_rule(call: &Call<'_, EventsState>) -> Result<Value, AwsError> {
    let mut store = call.simulator.store();
    let (arn, _) = named_rule(call, &store)?;
    store.rules.remove(&arn);
    Ok(json!({}))
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
