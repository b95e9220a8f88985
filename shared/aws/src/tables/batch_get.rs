//! `BatchGetItem` to the end: 100 keys a call, missing keys requested again, both tables at once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};

use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};

use super::item::Item;
use super::{Db, Key};
use crate::clock::jittered;
use crate::error::{Call, Error, Step};

/// DynamoDB takes this many keys in one call.
const KEYS_PER_CALL: usize = 100;
/// How many calls are made at the same time.
const CALLS_AT_ONCE: usize = 4;
/// How often keys that DynamoDB leaves out are requested again.
const ROUNDS: u32 = 8;

/// The items that were read: every requested key was answered, with an item or with its absence.
#[derive(Debug)]
pub(crate) struct Items {
    asked: BTreeSet<Key>,
    found: Found,
    /// The step in which they were read, for errors about their content.
    pub(super) step: Step,
}

/// By partition and sort key, and whether it is in the allowlist table.
type Found = HashMap<(String, String, bool), Item>;

impl Default for Items {
    /// No items, for a decision.
    fn default() -> Self {
        Self {
            asked: BTreeSet::new(),
            found: Found::new(),
            step: Step::Judge,
        }
    }
}

impl Items {
    /// One item that is known without having been read.
    pub(crate) fn of(key: Key, item: Item) -> Self {
        let (partition, sort) = key.values();
        let place = (partition, sort, key.is_policy());
        Self {
            asked: [key].into(),
            found: [(place, item)].into(),
            ..Self::default()
        }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Item> {
        let (partition, sort) = key.values();
        self.found.get(&(partition, sort, key.is_policy()))
    }

    /// Adds items that were read later, and that replace earlier ones.
    pub(crate) fn extend(&mut self, later: Items) {
        for key in &later.asked {
            let (partition, sort) = key.values();
            self.found.remove(&(partition, sort, key.is_policy()));
        }
        self.asked.extend(later.asked);
        self.found.extend(later.found);
    }

    /// Whether all these keys were requested, so that absence means absence.
    pub(crate) fn covers(&self, keys: &[Key]) -> bool {
        keys.iter().all(|key| self.asked.contains(key))
    }
}

impl Db {
    /// Reads items, consistently. Answers all of them or an error (safety rule S2), because a
    /// policy with a part missing could turn a deny into an accept. `what` says what could not be
    /// read if it fails.
    pub(super) async fn read(&self, keys: BTreeSet<Key>, what: &str) -> Result<Items, Arc<Error>> {
        let call = self.reading("dynamodb:BatchGetItem", what);
        let in_order: Vec<Key> = keys.iter().cloned().collect();
        let chunks: Vec<_> = in_order
            .chunks(KEYS_PER_CALL)
            .map(|chunk| self.read_chunk(chunk, &call).boxed())
            .collect();
        let found: Vec<Found> = stream::iter(chunks)
            .buffered(CALLS_AT_ONCE)
            .try_collect()
            .await?;
        Ok(Items {
            asked: keys,
            found: found.into_iter().flatten().collect(),
            step: self.step,
        })
    }

    async fn read_chunk(&self, keys: &[Key], call: &Call) -> Result<Found, Arc<Error>> {
        let mut all = Found::new();
        let mut wanted: HashMap<String, KeysAndAttributes> = HashMap::new();
        for (table, policy) in [(&self.allowlist, true), (&self.requests, false)] {
            let keys: Vec<Item> = keys
                .iter()
                .filter(|key| key.is_policy() == policy)
                .map(Key::item)
                .collect();
            if !keys.is_empty() {
                let request = KeysAndAttributes::builder()
                    .set_keys(Some(keys))
                    .consistent_read(true)
                    .build()
                    .map_err(|error| {
                        Error::unencodable(self.step, "keys of DynamoDB items", error)
                    })?;
                wanted.insert(table.clone(), request);
            }
        }
        let mut pause = Duration::from_millis(50);
        for _ in 0..ROUNDS {
            let output = self
                .client
                .batch_get_item()
                .set_request_items(Some(wanted))
                .send()
                .await
                .map_err(|error| call.failed(error))?;
            for (table, found) in output.responses.unwrap_or_default() {
                let policy = table == self.allowlist;
                let (partition, sort) = if policy {
                    ("service_id", "rule")
                } else {
                    ("pk", "sk")
                };
                for item in found {
                    if let (Some(AttributeValue::S(p)), Some(AttributeValue::S(s))) =
                        (item.get(partition), item.get(sort))
                    {
                        all.insert((p.clone(), s.clone(), policy), item);
                    }
                }
            }
            wanted = output.unprocessed_keys.unwrap_or_default();
            wanted.retain(|_, keys| !keys.keys().is_empty());
            if wanted.is_empty() {
                return Ok(all);
            }
            self.clock.sleep(jittered(pause)).await;
            pause *= 2;
        }
        let left: usize = wanted.values().map(|keys| keys.keys().len()).sum();
        let why = format!("DynamoDB left out {left} keys time and again");
        Err(call.passes(why).into())
    }
}
