//! What a world or a test does with the simulator in process. None of it is counted, logged or disturbed.

use axum::Router;

use super::name::{self, DEFAULT_BUS};
use super::put::{BusEvent, OnEvent};
use super::rule::{NewRule, Rule, RuleState};
use super::{Events, lock};
use crate::caller::Caller;
use crate::error::AwsError;
use crate::http;

impl Events {
    /// Answers EventBridge's calls, at every path. Under a prefix, mount it with [`Router::nest_service`], as
    /// [`Ec2::router`](crate::Ec2::router).
    pub fn router(&self) -> Router {
        http::router(self.clone())
    }

    /// The default account, in the default Region.
    pub fn owner(&self) -> Caller {
        Caller::new(&self.0.account, &self.0.region)
    }

    /// Adds a rule of the default account in the default Region, or replaces the one of that name on that bus. If the
    /// bus is not there, it is made.
    ///
    /// # Errors
    /// `InvalidEventPatternException` if the pattern is none, `ValidationException` if a name is none.
    pub fn put_rule(&self, new: NewRule) -> Result<Rule, AwsError> {
        self.put_rule_as(&self.owner(), new)
    }

    /// [`Events::put_rule`] in another account or Region.
    ///
    /// # Errors
    /// As [`Events::put_rule`].
    pub fn put_rule_as(&self, caller: &Caller, new: NewRule) -> Result<Rule, AwsError> {
        let rule = new.checked(&caller.account, &caller.region)?;
        let mut store = self.store();
        store.put_bus(caller, &rule.event_bus);
        store.rules.insert(rule.arn.clone(), rule.clone());
        Ok(rule)
    }

    /// Makes a bus of the default account in the default Region, unless it is there; answers its ARN.
    ///
    /// # Errors
    /// `ValidationException` if the name is none.
    pub fn put_bus(&self, name: &str) -> Result<String, AwsError> {
        self.put_bus_as(&self.owner(), name)
    }

    /// [`Events::put_bus`] in another account or Region.
    ///
    /// # Errors
    /// As [`Events::put_bus`].
    pub fn put_bus_as(&self, caller: &Caller, name: &str) -> Result<String, AwsError> {
        name::check_bus(name)?;
        self.store().put_bus(caller, name);
        Ok(name::bus_arn(caller, name))
    }

    /// What was put on a bus, oldest first; the bus by its ARN, or of the default account in the default Region by
    /// its name.
    pub fn put_on(&self, bus: &str) -> Vec<BusEvent> {
        let arn = name::bus_arn(&self.owner(), bus);
        let store = self.store();
        let on_it = store.put.iter().filter(|event| event.bus == arn);
        on_it.cloned().collect()
    }

    /// Sets or removes the hook that is shown each event.
    pub fn set_on_event(&self, hook: Option<OnEvent>) {
        *lock(&self.0.on_event) = hook;
    }

    /// A rule, by its ARN; by its name, one of the default account, in the default Region, on the default bus.
    pub fn rule(&self, rule: &str) -> Option<Rule> {
        self.store().rules.get(&self.arn(rule)).cloned()
    }

    /// All rules, by their ARNs.
    pub fn rules(&self) -> Vec<Rule> {
        self.store().rules.values().cloned().collect()
    }

    /// Sets the state of a rule, named as in [`Events::rule`]; `false` if there is none.
    pub fn set_rule_state(&self, rule: &str, state: RuleState) -> bool {
        let mut store = self.store();
        let rule = store.rules.get_mut(&self.arn(rule));
        rule.map(|rule| rule.state = state).is_some()
    }

    /// Enables a rule, named as in [`Events::rule`]; `false` if there is none.
    pub fn enable_rule(&self, rule: &str) -> bool {
        self.set_rule_state(rule, RuleState::Enabled)
    }

    /// Disables a rule, named as in [`Events::rule`]; `false` if there is none.
    pub fn disable_rule(&self, rule: &str) -> bool {
        self.set_rule_state(rule, RuleState::Disabled)
    }

    /// Deletes a rule, named as in [`Events::rule`]; `false` if there is none.
    pub fn delete_rule(&self, rule: &str) -> bool {
        self.store().rules.remove(&self.arn(rule)).is_some()
    }

    fn arn(&self, rule: &str) -> String {
        if rule.starts_with("arn:") {
            rule.to_owned()
        } else {
            name::rule_arn(&self.0.account, &self.0.region, DEFAULT_BUS, rule)
        }
    }
}
