//! A plan: the writes that make one policy of another, as a value that is kept in a file and applied exactly.
//!
//! Each write says what must stand there before. How far a plan is applied is read off the table: it stands as
//! after some number of the writes, and an apply goes on from there. If an item of the plan stands as it never
//! does in the plan, somebody edited it, and nothing is written.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::attributes::{Attributes, attributes_of, id_of, item_of, key_of};
use super::difference::is_same;
use super::order::{Order, Step, Write};
use super::{Turn, WholePolicy};
use crate::ids::EndpointId;
use crate::policy::PolicyItem;
use crate::policy_key::PolicyKey;
use crate::precondition::PolicyItemId;

/// The version of the form of a plan's file.
const FORMAT: u32 = 1;

/// The writes that make one policy of another, and what people were shown of their effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyPlan {
    #[serde(deserialize_with = "known_format")]
    format: u32,
    pub made_at: Timestamp,
    /// See [`Order::exact_until`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exact_until: Option<Timestamp>,
    pub writes: Vec<Write>,
    /// What becomes of connections because of it.
    pub turns: BTreeMap<EndpointId, Turn>,
}

/// Items of a plan do not stand as they do in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} changed since the plan was made; make a new plan", .items.iter().map(|id| key_of(id).to_string()).collect::<Vec<_>>().join(", "))]
pub struct Moved {
    pub items: Vec<PolicyItemId>,
}

impl PolicyPlan {
    #[must_use]
    pub fn new(order: Order, turns: BTreeMap<EndpointId, Turn>, made_at: Timestamp) -> Self {
        Self {
            format: FORMAT,
            made_at,
            exact_until: order.exact_until,
            writes: order.writes,
            turns,
        }
    }

    /// The writes that are left where the policy stands so.
    ///
    /// # Errors
    /// [`Moved`] if it stands as it does after no number of the writes.
    pub fn left(&self, live: &WholePolicy) -> Result<&[Write], Moved> {
        // Each item as it stands in the plan: before the first write, then after more and more of them.
        let mut stands: BTreeMap<&PolicyItemId, Option<&PolicyItem>> = BTreeMap::new();
        for write in &self.writes {
            stands.entry(&write.id).or_insert(write.before.as_ref());
        }
        let differs = |id: &PolicyItemId, item: Option<&PolicyItem>| !is_same(live.get(id), item);
        let mut differing = stands
            .iter()
            .filter(|(id, item)| differs(id, **item))
            .count();
        let mut done = (differing == 0).then_some(0);
        for (number, write) in self.writes.iter().enumerate() {
            let before = stands.insert(&write.id, write.after.as_ref()).flatten();
            differing -= usize::from(differs(&write.id, before));
            differing += usize::from(differs(&write.id, write.after.as_ref()));
            if differing == 0 {
                done = Some(number + 1);
            }
        }
        let left = done.and_then(|done| self.writes.get(done..));
        left.ok_or_else(|| self.moved(live))
    }

    /// What the policy becomes if these writes are made.
    #[must_use]
    pub fn outcome(&self, live: &WholePolicy) -> WholePolicy {
        let mut policy = live.clone();
        for write in &self.writes {
            policy.put(write.id.clone(), write.after.clone());
        }
        policy
    }

    fn moved(&self, live: &WholePolicy) -> Moved {
        let is_known = |id: &PolicyItemId| {
            let of_it = self.writes.iter().filter(|write| write.id == *id);
            let mut states = of_it.flat_map(|write| [&write.before, &write.after]);
            states.any(|state| is_same(state.as_ref(), live.get(id)))
        };
        let unknown = |all: bool| {
            let ids = self.writes.iter().map(|write| &write.id);
            let items = ids.filter(|id| all || !is_known(id)).cloned();
            let items: std::collections::BTreeSet<PolicyItemId> = items.collect();
            items.into_iter().collect::<Vec<_>>()
        };
        let items = unknown(false);
        // Each stands as it does somewhere in the plan, but not together: they were written in another order.
        match items.is_empty() {
            true => Moved {
                items: unknown(true),
            },
            false => Moved { items },
        }
    }
}

fn known_format<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let format = u32::deserialize(from)?;
    match format {
        FORMAT => Ok(format),
        other => Err(serde::de::Error::custom(format!(
            "the plan has the format {other}, and this version knows {FORMAT} only; make a new plan"
        ))),
    }
}

/// A write as it stands in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenWrite {
    step: Step,
    service_id: String,
    rule: String,
    before: Option<Attributes>,
    after: Option<Attributes>,
}

impl From<&Write> for WrittenWrite {
    fn from(write: &Write) -> Self {
        let PolicyKey { service_id, rule } = key_of(&write.id);
        Self {
            step: write.step,
            service_id,
            rule,
            before: write.before.as_ref().map(attributes_of),
            after: write.after.as_ref().map(attributes_of),
        }
    }
}

impl TryFrom<WrittenWrite> for Write {
    type Error = String;

    fn try_from(written: WrittenWrite) -> Result<Self, String> {
        let key = PolicyKey::new(written.service_id, written.rule);
        let id = id_of(&key).map_err(|error| format!("{key}: {error}"))?;
        let item = |side: &str, attributes: Option<Attributes>| {
            let item = attributes.map(|attributes| item_of(&id, attributes));
            item.transpose()
                .map_err(|error| format!("{key}, {side}: {error}"))
        };
        Ok(Self {
            step: written.step,
            before: item("before", written.before)?,
            after: item("after", written.after)?,
            id,
        })
    }
}

impl Serialize for Write {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        WrittenWrite::from(self).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Write {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = WrittenWrite::deserialize(from)?;
        written.try_into().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
