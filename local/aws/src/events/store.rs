use std::collections::{BTreeMap, BTreeSet};

use super::name::DEFAULT_BUS;
use super::rule::Rule;
use crate::caller::Caller;

/// All that there is.
#[derive(Debug, Default)]
pub(crate) struct Store {
    /// By their ARNs, which on one bus is by their names.
    pub(crate) rules: BTreeMap<String, Rule>,
    /// Account, Region and name; without the default buses.
    buses: BTreeSet<(String, String, String)>,
}

impl Store {
    pub(crate) fn has_bus(&self, caller: &Caller, bus: &str) -> bool {
        bus == DEFAULT_BUS || self.buses.contains(&key(caller, bus))
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
