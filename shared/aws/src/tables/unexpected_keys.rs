//! Remembers, for each scope, items of the allowlist whose keys judging does not read.
//!
//! The items lie in the requests table, which no writer of the allowlist can reach. policy-changes
//! and reconcile keep them up to date. Decisions read them, and every accept requires that their
//! content (`hash`) is unchanged, so that a new deny with an unexpected key cannot slip past a
//! decision.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_core::policy::Scope;
use gatekeeper_core::policy_key::{Meaning, PolicyKey, UnexpectedKeys};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::item::{Item, all_of, number, text};
use super::keys::encode;
use super::{Db, Items, Key};
use crate::error::{Call, Error, Retryable};

/// A decision does not use keys that were read longer ago. Reconcile reads twice as often.
const FRESH: SignedDuration = SignedDuration::from_hours(2);
/// How often reconcile reads the keys of each scope anew.
const READ_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// How often reconcile reads all keys of the table anew.
const SCAN_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// How often a write is tried if others write first.
const ATTEMPTS: u32 = 5;

/// The remembered keys of one scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScopeKeys {
    pk: String,
    sk: String,
    /// How often it was written; 0 if it does not exist yet.
    revision: u64,
    /// A time not later than the reading of the scope's own partition; for keys that belong to no
    /// scope, of the whole table.
    read_at: Timestamp,
    /// A hash of the content, which an accept requires to be unchanged.
    hash: String,
    /// The unexpected keys in the scope's own partition.
    own: UnexpectedKeys,
    /// Keys in other partitions that mean the scope.
    elsewhere: UnexpectedKeys,
}

impl ScopeKeys {
    fn new(scope: Option<&Scope>) -> Self {
        let (pk, sk) = Key::UnexpectedKeys(scope.cloned()).values();
        let mut keys = Self {
            pk,
            sk,
            revision: 0,
            read_at: Timestamp::MIN,
            hash: String::new(),
            own: UnexpectedKeys::default(),
            elsewhere: UnexpectedKeys::default(),
        };
        keys.set_hash();
        keys
    }

    /// Both parts.
    pub(crate) fn parts(&self) -> [&UnexpectedKeys; 2] {
        [&self.own, &self.elsewhere]
    }

    fn set_hash(&mut self) {
        self.hash = format!("{} {}", self.own.hash, self.elsewhere.hash);
    }

    fn is_older_than(&self, age: SignedDuration, now: Timestamp) -> bool {
        now.duration_since(self.read_at) >= age
    }
}

/// The remembered keys of a scope as they were read, and the revision that replacing them requires.
struct Stored {
    keys: ScopeKeys,
    condition: Option<&'static str>,
}

impl Items {
    /// The remembered keys of a scope, if they were read and are valid.
    pub(crate) fn unexpected_keys(&self, scope: Option<&Scope>) -> Option<ScopeKeys> {
        let item = self.get(&Key::UnexpectedKeys(scope.cloned()))?;
        serde_dynamo::from_item(item.clone()).ok()
    }
}

/// Reads and writes the remembered keys.
#[derive(Debug, Clone)]
pub(crate) struct AllowlistKeys {
    db: Db,
}

impl AllowlistKeys {
    pub(crate) fn new(db: &Db) -> Self {
        Self { db: db.clone() }
    }

    /// Makes sure that these items hold a scope's remembered keys, recent enough to decide by. If
    /// not, reads the keys of the scope's own partition and remembers the unexpected ones.
    pub(crate) async fn freshen_keys(
        &self,
        items: &Items,
        scope: &Scope,
    ) -> Result<Option<Items>, Arc<Error>> {
        let is_fresh = |keys: &ScopeKeys| !keys.is_older_than(FRESH, self.db.clock.now());
        if items
            .unexpected_keys(Some(scope))
            .is_some_and(|keys| is_fresh(&keys))
        {
            return Ok(None);
        }
        let stored = stored(items, Some(scope));
        self.renew_keys(scope, stored).await.map(Some)
    }

    /// Reads the keys of a scope's own partition and remembers the unexpected ones. Answers the
    /// item as it is then.
    async fn renew_keys(&self, scope: &Scope, mut stored: Stored) -> Result<Items, Arc<Error>> {
        let key = Key::UnexpectedKeys(Some(scope.clone()));
        for _ in 0..ATTEMPTS {
            let keys = ScopeKeys {
                read_at: self.db.clock.now(),
                own: UnexpectedKeys::of(self.keys_of(&scope.to_string()).await?),
                ..stored.keys.clone()
            };
            if let Some(item) = self.put_keys(Some(scope), &stored, keys).await? {
                return Ok(Items::of(key, item));
            }
            stored = self.scope_keys(Some(scope)).await?;
        }
        Err(self.overtaken(Some(scope)))
    }

    /// Updates the remembered keys after an edit of an item whose key is unexpected. Writes nothing
    /// if the edit changes no key.
    pub(crate) async fn follow_key(&self, edited: &PolicyKey) -> Result<(), Arc<Error>> {
        let scope = edited.scope();
        for _ in 0..ATTEMPTS {
            let stored = self.scope_keys(scope.as_ref()).await?;
            let mut keys = stored.keys.clone();
            if is_own(scope.as_ref(), edited) {
                keys.own = UnexpectedKeys::of(self.keys_of(&edited.service_id).await?);
            } else {
                let known = keys.elsewhere.keys.iter();
                let mut partitions: BTreeSet<&str> =
                    known.map(|key| key.service_id.as_str()).collect();
                partitions.insert(&edited.service_id);
                let mut found = Vec::new();
                for partition in partitions {
                    found.extend(self.keys_of(partition).await?);
                }
                let found = UnexpectedKeys::of(found);
                // If there are more keys than are remembered, only the scan finds out whether one
                // was removed.
                if keys.elsewhere.is_whole() || found.denying > keys.elsewhere.denying {
                    keys.elsewhere = found;
                }
            }
            let is_same = keys.own == stored.keys.own && keys.elsewhere == stored.keys.elsewhere;
            if is_same && stored.keys.revision > 0 {
                return Ok(());
            }
            let written = self.put_keys(scope.as_ref(), &stored, keys).await?;
            if written.is_some() {
                return Ok(());
            }
        }
        Err(self.overtaken(scope.as_ref()))
    }

    /// Reads the keys of these scopes again if an hour has passed, and those of the whole table if
    /// a day has passed. Answers the remembered keys by scope; under `None` those that belong to no
    /// scope.
    pub(crate) async fn look_through_keys(
        &self,
        scopes: &BTreeSet<Scope>,
    ) -> Result<BTreeMap<Option<Scope>, ScopeKeys>, Arc<Error>> {
        let now = self.db.clock.now();
        let all: Vec<Option<Scope>> = scopes.iter().cloned().map(Some).chain([None]).collect();
        let keys = all.iter().cloned().map(Key::UnexpectedKeys).collect();
        let what = "which keys of the allowlist are unexpected could not be read";
        let mut items = self.db.read(keys, what).await?;
        let is_old = |items: &Items, scope: &Option<Scope>, age| {
            let known = items.unexpected_keys(scope.as_ref());
            known.is_none_or(|keys| keys.is_older_than(age, now))
        };
        if is_old(&items, &None, SCAN_EVERY) {
            self.scan_keys(&all, &mut items).await?;
        } else {
            for scope in scopes {
                if is_old(&items, &Some(scope.clone()), READ_EVERY) {
                    let stored = stored(&items, Some(scope));
                    items.extend(self.renew_keys(scope, stored).await?);
                }
            }
        }
        let known = all.into_iter().filter_map(|scope| {
            let keys = items.unexpected_keys(scope.as_ref())?;
            Some((scope, keys))
        });
        Ok(known.collect())
    }

    /// Reads all keys of the table, and remembers them scope by scope. A service that is not
    /// managed gets no item; it gets one when it is managed, because nothing is decided for it
    /// before.
    async fn scan_keys(
        &self,
        scopes: &[Option<Scope>],
        items: &mut Items,
    ) -> Result<(), Arc<Error>> {
        let read_at = self.db.clock.now();
        let mut found: BTreeMap<Option<Scope>, [Vec<PolicyKey>; 2]> = BTreeMap::new();
        for key in self.all_keys().await? {
            if key.meaning() != Some(Meaning::Expected) {
                let scope = key.scope();
                let is_own = is_own(scope.as_ref(), &key);
                let [own, elsewhere] = found.entry(scope).or_default();
                if is_own { own } else { elsewhere }.push(key);
            }
        }
        // Keys that belong to no scope come last: their item says that the scan is finished.
        for scope in scopes {
            let stored = stored(items, scope.as_ref());
            let [own, elsewhere] = found.remove(scope).unwrap_or_default();
            let keys = ScopeKeys {
                own: UnexpectedKeys::of(own),
                elsewhere: UnexpectedKeys::of(elsewhere),
                read_at,
                ..stored.keys.clone()
            };
            // An instance that was faster may know of an edit that the scan did not see.
            let item = self.put_keys(scope.as_ref(), &stored, keys).await?;
            let item = item.ok_or_else(|| self.overtaken(scope.as_ref()))?;
            items.extend(Items::of(Key::UnexpectedKeys(scope.clone()), item));
        }
        Ok(())
    }

    async fn scope_keys(&self, scope: Option<&Scope>) -> Result<Stored, Arc<Error>> {
        let key = Key::UnexpectedKeys(scope.cloned());
        let what = format!(
            "which keys of {} are unexpected could not be read",
            named(scope)
        );
        Ok(stored(&self.db.read([key].into(), &what).await?, scope))
    }

    /// Writes keys, unless somebody wrote since the item was read; answers what it wrote. The keys
    /// were read after the item, so nothing older replaces a newer state.
    async fn put_keys(
        &self,
        scope: Option<&Scope>,
        stored: &Stored,
        mut keys: ScopeKeys,
    ) -> Result<Option<Item>, Arc<Error>> {
        keys.set_hash();
        keys.revision += 1;
        let item = encode(&Key::UnexpectedKeys(scope.cloned()), &keys);
        let item = item.map_err(|error| error.written_in(self.db.step_of_writes()))?;
        let put = self
            .db
            .client
            .put_item()
            .table_name(&self.db.requests)
            .set_item(Some(item.clone()))
            .set_condition_expression(stored.condition.map(str::to_owned));
        let put = match stored.keys.revision {
            0 => put,
            revision => put.expression_attribute_values(":revision", number(revision)),
        };
        match put.send().await {
            Ok(_) => Ok(Some(item)),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(self.remembering(scope).failed(error)),
        }
    }

    /// The keys of one partition, read consistently.
    async fn keys_of(&self, partition: &str) -> Result<Vec<PolicyKey>, Arc<Error>> {
        let query = self
            .db
            .client
            .query()
            .table_name(&self.db.allowlist)
            .consistent_read(true)
            .projection_expression("service_id, #rule")
            .key_condition_expression("service_id = :partition")
            .expression_attribute_names("#rule", "rule")
            .expression_attribute_values(":partition", text(partition));
        let what = format!("the keys of the allowlist under {partition} could not be read");
        let items = all_of(query, self.db.reading("dynamodb:Query", what)).await?;
        Ok(items.iter().filter_map(policy_key).collect())
    }

    async fn all_keys(&self) -> Result<Vec<PolicyKey>, Arc<Error>> {
        let scan = self
            .db
            .client
            .scan()
            .table_name(&self.db.allowlist)
            .consistent_read(true)
            .projection_expression("service_id, #rule")
            .expression_attribute_names("#rule", "rule");
        let what = "the keys of the allowlist could not be read";
        let call = self.db.reading("dynamodb:Scan", what);
        let items: Vec<Item> = scan
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|error| call.failed(error))?;
        Ok(items.iter().filter_map(policy_key).collect())
    }

    fn remembering(&self, scope: Option<&Scope>) -> Call {
        let scope = named(scope);
        let what = format!("which keys of {scope} are unexpected could not be written down");
        self.db
            .writing("dynamodb:PutItem", Retryable::RememberState, what)
    }

    fn overtaken(&self, scope: Option<&Scope>) -> Arc<Error> {
        let call = self.remembering(scope);
        call.passes("others kept writing the same item").into()
    }
}

/// The remembered keys of a scope, from the items that were read. An invalid item counts as none,
/// and is replaced.
fn stored(items: &Items, scope: Option<&Scope>) -> Stored {
    let known = items.unexpected_keys(scope);
    let item = items.get(&Key::UnexpectedKeys(scope.cloned()));
    Stored {
        condition: match (&known, item) {
            (Some(_), _) => Some("revision = :revision"),
            (None, None) => Some("attribute_not_exists(pk)"),
            (None, Some(_)) => None,
        },
        keys: known.unwrap_or_else(|| ScopeKeys::new(scope)),
    }
}

/// Whether an item is in the own partition of the scope that it belongs to.
fn is_own(scope: Option<&Scope>, key: &PolicyKey) -> bool {
    scope.is_some_and(|scope| scope.to_string() == key.service_id)
}

/// A scope as an error names it.
fn named(scope: Option<&Scope>) -> String {
    scope.map_or_else(|| "no scope".to_owned(), Scope::to_string)
}

/// The key of an item. DynamoDB holds no item without one.
pub(super) fn policy_key(item: &Item) -> Option<PolicyKey> {
    let part = |name: &str| match item.get(name) {
        Some(AttributeValue::S(text)) => Some(text.clone()),
        _ => None,
    };
    Some(PolicyKey::new(part("service_id")?, part("rule")?))
}
