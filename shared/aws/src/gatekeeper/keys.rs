//! Unexpected keys in the allowlist: they are remembered for later decisions, and logged in every
//! run until somebody corrects them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::FutureExt as _;
use gatekeeper_core::evidence::Evidence;
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::policy::Scope;
use gatekeeper_core::policy_key::{Meaning, PolicyKey, UnexpectedKeys, advice};
use gatekeeper_core::precondition::UnreadablePolicy;

use super::log::Log;
use crate::clock::{Clock, Deadline};
use crate::error::Error;
use crate::tables::{AllowlistKeys, ScopeKeys};
use crate::telemetry::{Metric, Metrics};

/// At most this part of a run's time goes into reading keys, because connections wait meanwhile.
const PART: u32 = 4;

/// Finds and remembers unexpected keys.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) allowlist_keys: AllowlistKeys,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) log: Log,
}

impl Keys {
    /// Updates the remembered keys after an edit of an item whose key is unexpected, before
    /// anything is decided by that edit.
    ///
    /// # Errors
    /// The keys could not be written. The error is logged here.
    pub(super) async fn follow(&self, key: &PolicyKey) -> Result<(), Arc<Error>> {
        let followed = self.allowlist_keys.follow_key(key).await;
        if let Err(error) = &followed {
            self.log.failure(error, None);
        }
        followed
    }

    /// Reads the keys of the services' partitions and of `*`, where that is due, and logs the
    /// unexpected ones. Reconcile does this first. If time runs out, each decision reads the keys
    /// that it needs. Answers which unexpected keys concern each service, as far as that is known.
    pub(super) async fn look_through(
        &self,
        services: &[ServiceId],
        deadline: Deadline,
    ) -> BTreeMap<ServiceId, Option<Evidence>> {
        let scopes: BTreeSet<Scope> = services
            .iter()
            .cloned()
            .map(Scope::Service)
            .chain([Scope::Every])
            .collect();
        let part = Deadline::after(&self.clock, self.clock.until(deadline.0) / PART);
        let reading = self.allowlist_keys.look_through_keys(&scopes).boxed();
        let known = match self.clock.until_done(part.0, reading).await {
            Some(Ok(known)) => known,
            Some(Err(error)) => {
                self.log.failure(&error, None);
                return BTreeMap::new();
            }
            None => {
                tracing::warn!("there was no time to look through the allowlist's keys");
                return BTreeMap::new();
            }
        };
        let mut count = 0;
        for part in known.values().flat_map(ScopeKeys::parts) {
            count += part.denying + part.allowing;
            for key in &part.keys {
                self.log_unexpected_key(key);
            }
        }
        let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        self.metrics.put(Metric::UnexpectedPolicyKeys, count, &[]);
        let concerning = |service: &ServiceId| {
            let scopes = Scope::all_of(service).map(Some);
            let keys = scopes.iter().filter_map(|scope| known.get(scope));
            let parts: Vec<&UnexpectedKeys> = keys.flat_map(ScopeKeys::parts).collect();
            (service.clone(), UnexpectedKeys::evidence(&parts))
        };
        services.iter().map(concerning).collect()
    }

    /// A key that keeps connections undecided is a failure. Any other only has to be corrected.
    fn log_unexpected_key(&self, key: &PolicyKey) {
        if let Some(Meaning::Unclear(_)) = key.meaning() {
            let unreadable = UnreadablePolicy {
                item: key.to_string(),
                stops: key.stops(),
                detail: advice(key),
            };
            let error = Error::from(unreadable);
            self.log.failure(&error.into(), None);
        } else {
            tracing::warn!(item = %key, "an item of the allowlist has an unexpected key: {}", advice(key));
        }
    }
}
