//! Usage: which endpoints count against an account's `max_connections` on a service.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};

use super::item::text;
use super::{Db, Items, Key, UnreadableItem};
use crate::error::{Error, Retryable};

/// The endpoints of one account that count against `max_connections` on one service.
#[derive(Debug, Clone, Default)]
pub(crate) struct AccountUsage {
    endpoints: BTreeSet<String>,
    /// Whether EC2 was asked for the connections from before Gatekeeper.
    pub(crate) counted: bool,
}

impl AccountUsage {
    /// Notes an endpoint that began to count.
    pub(crate) fn take(&mut self, endpoint: &EndpointId) {
        self.endpoints.insert(endpoint.to_string());
    }

    /// How many other endpoints than this one count.
    pub(crate) fn others(&self, endpoint: &EndpointId) -> u32 {
        let own = usize::from(self.endpoints.contains(endpoint.as_str()));
        u32::try_from(self.endpoints.len().saturating_sub(own)).unwrap_or(u32::MAX)
    }
}

impl Items {
    /// The usage of an account on a service.
    pub(crate) fn usage(
        &self,
        service: &ServiceId,
        account: &AccountId,
    ) -> Result<AccountUsage, Error> {
        let key = Key::Usage(service.clone(), account.clone());
        let Some(item) = self.get(&key) else {
            return Ok(AccountUsage::default());
        };
        let endpoints = match item.get("endpoints") {
            None => BTreeSet::new(),
            Some(AttributeValue::Ss(ids)) => ids.iter().cloned().collect(),
            Some(_) => {
                let unreadable = UnreadableItem::new(&key, "endpoints is not a set of strings");
                return Err(unreadable.read_in(self.step));
            }
        };
        Ok(AccountUsage {
            endpoints,
            counted: item.contains_key("counted_at"),
        })
    }
}

/// Reads and writes usage.
#[derive(Debug, Clone)]
pub(crate) struct UsageItems {
    db: Db,
}

impl UsageItems {
    pub(crate) fn new(db: &Db) -> Self {
        Self { db: db.clone() }
    }

    /// Enters the connections that EC2 shows into an account's usage, once: connections from before
    /// Gatekeeper count against the limit like all others.
    pub(crate) async fn count_slots(
        &self,
        service: &ServiceId,
        account: &AccountId,
        connected: &[EndpointId],
    ) -> Result<(), Arc<Error>> {
        let mut update = self
            .db
            .client
            .update_item()
            .table_name(&self.db.requests)
            .set_key(Some(Key::Usage(service.clone(), account.clone()).item()))
            .expression_attribute_values(":now", text(self.db.clock.now().to_string()));
        let mut expression = "SET counted_at = if_not_exists(counted_at, :now)".to_owned();
        if !connected.is_empty() {
            let ids = connected.iter().map(ToString::to_string).collect();
            update = update.expression_attribute_values(":ids", AttributeValue::Ss(ids));
            expression.push_str(" ADD endpoints :ids");
        }
        update
            .update_expression(expression)
            .send()
            .await
            .map_err(|error| {
                let what = format!("the usage of {account} on {service} could not be counted");
                let call = self
                    .db
                    .writing("dynamodb:UpdateItem", Retryable::UpdateSlots, what);
                call.failed(error)
            })?;
        Ok(())
    }

    /// Which of the consumers with these connections have a wrong usage, and that usage: EC2 shows
    /// a connection that does not count, or an endpoint counts that is not among these and whose
    /// request does not count.
    pub(crate) async fn usage_to_reconcile(
        &self,
        service: &ServiceId,
        connected: &BTreeMap<AccountId, Vec<EndpointId>>,
    ) -> Result<Vec<(AccountId, AccountUsage)>, Arc<Error>> {
        if connected.is_empty() {
            return Ok(Vec::new());
        }
        let key = |account: &AccountId| Key::Usage(service.clone(), account.clone());
        let what = format!("the usage of those who are connected to {service} could not be read");
        let items = self
            .db
            .read(connected.keys().map(key).collect(), &what)
            .await?;
        let mut suspects = BTreeSet::new();
        let mut all = Vec::new();
        for (account, connected) in connected {
            let usage = items.usage(service, account)?;
            let held = |id: &EndpointId| usage.endpoints.contains(id.as_str());
            let is_connected: BTreeSet<&EndpointId> = connected.iter().collect();
            let others = usage
                .endpoints
                .iter()
                .filter_map(|id| id.parse::<EndpointId>().ok())
                .filter(|id| !is_connected.contains(id));
            let others: Vec<EndpointId> = others.collect();
            suspects.extend(others.iter().cloned().map(Key::Request));
            let lacking: Vec<&EndpointId> = connected.iter().filter(|id| !held(id)).collect();
            suspects.extend(lacking.iter().map(|id| Key::Request((*id).clone())));
            all.push((account.clone(), usage, lacking, others));
        }
        let what = format!("the requests that count as usage of {service} could not be read");
        let requests = self.db.read(suspects, &what).await?;
        let holds = |id: &EndpointId| -> Result<bool, Error> {
            let request = requests.request(id)?;
            Ok(request.is_some_and(|request| request.status.counts_as_usage()))
        };
        let mut to_reconcile = Vec::new();
        for (account, usage, lacks, others) in all {
            let (mut idle, mut lacking) = (false, false);
            for id in &others {
                idle |= !holds(id)?;
            }
            // An endpoint without a request begins to count with its request.
            for id in lacks {
                lacking |= holds(id)?;
            }
            if lacking || idle {
                to_reconcile.push((account, usage));
            }
        }
        Ok(to_reconcile)
    }

    /// Makes an account's usage agree with the connections that EC2 shows: missing endpoints are
    /// added, and endpoints without a connection are removed. Answers whether anything had to be
    /// changed.
    pub(crate) async fn reconcile_usage(
        &self,
        service: &ServiceId,
        account: &AccountId,
        usage: &AccountUsage,
        connected: &[EndpointId],
    ) -> Result<bool, Arc<Error>> {
        let held = |id: &EndpointId| usage.endpoints.contains(id.as_str());
        let lacking = !connected.iter().all(held);
        if lacking {
            tracing::info!(service_id = %service, account_id = %account, "connections are counted that were not counted before");
            self.count_slots(service, account, connected).await?;
        }
        let idle = self
            .release_usage(service, account, usage, connected)
            .await?;
        Ok(lacking || idle)
    }

    /// Removes endpoints from usage that no longer count; answers whether there were any. An
    /// endpoint counts if EC2 shows it as connected, or if a request is about to connect it. The
    /// usage must have been read before this reads the requests.
    async fn release_usage(
        &self,
        service: &ServiceId,
        account: &AccountId,
        usage: &AccountUsage,
        connected: &[EndpointId],
    ) -> Result<bool, Arc<Error>> {
        let is_connected: BTreeSet<&EndpointId> = connected.iter().collect();
        let suspects: Vec<EndpointId> = usage
            .endpoints
            .iter()
            .filter_map(|id| id.parse().ok())
            .filter(|id| !is_connected.contains(id))
            .collect();
        let keys = suspects.iter().cloned().map(Key::Request).collect();
        let what =
            format!("the requests that {account}'s usage of {service} counts could not be read");
        let items = self.db.read(keys, &what).await?;
        let mut stale = Vec::new();
        for id in suspects {
            let held = items
                .request(&id)?
                .is_some_and(|request| request.status.counts_as_usage());
            if !held {
                stale.push(id.to_string());
            }
        }
        if stale.is_empty() {
            return Ok(false);
        }
        tracing::info!(service_id = %service, account_id = %account, ?stale, "usage corrected: these endpoints no longer count");
        self.db
            .client
            .update_item()
            .table_name(&self.db.requests)
            .set_key(Some(Key::Usage(service.clone(), account.clone()).item()))
            .update_expression("DELETE endpoints :stale")
            .expression_attribute_values(":stale", AttributeValue::Ss(stale))
            .send()
            .await
            .map_err(|error| {
                let what = format!("the usage of {account} on {service} could not be lowered");
                let call = self
                    .db
                    .writing("dynamodb:UpdateItem", Retryable::UpdateSlots, what);
                call.failed(error)
            })?;
        Ok(true)
    }
}
