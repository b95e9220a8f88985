use std::collections::{BTreeMap, BTreeSet};

use super::name::DEFAULT_BUS;
use super::put::BusEvent;
use super::rule::Rule;
use crate::caller::Caller;

/// All that there is.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// By their ARNs, which on one bus is by their names.
    pub(crate) rules: BTreeMap<String, Rule>,
    /// Account, Region and name; without the default buses.
    buses: BTreeSet<(String, String, String)>,
    /// What lies on the buses, oldest first.
    pub(crate) put: Vec<BusEvent>,
}

impl Store {
    pub(crate) fn has_bus(&self, caller: &Caller, bus: &str) -> bool {
        bus == DEFAULT_BUS || self.buses.contains(&key(caller, bus))
    }

    /// The same by its ARN.
    pub(crate) fn has_bus_of(&self, arn: &str) -> bool {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [_, _, _, region, account, bus] = parts.as_slice() else {
            return false;
        };
        let Some(bus) = bus.strip_prefix("event-bus/") else {
            return false;
        };
        let key = ((*account).to_owned(), (*region).to_owned(), bus.to_owned());
        bus == DEFAULT_BUS || self.buses.contains(&key)
    }

    pub(crate) fn put_bus(&mut self, caller: &Caller, bus: &str) {
        if bus != DEFAULT_BUS {
            self.buses.insert(key(caller, bus));
        }
    }

    /// The rules on a bus, by their names.
    pub(crate) fn of_bus(&self, caller: &Caller, bus: &str) -> impl Iterator<Item = &Rule> {
        self.rules.values().filter(move |rule| {
            rule.account == caller.account && rule.region == caller.region && rule.event_bus == bus
        })
    }
}

fn key(caller: &Caller, bus: &str) -> (String, String, String) {
    (
        caller.account.clone(),
        caller.region.clone(),
        bus.to_owned(),
    )
}
