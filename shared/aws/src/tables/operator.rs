//! What an operator reads and writes in the tables: the whole allowlist, and all requests.
//!
//! A write names the item as the operator saw it. If somebody has changed the item since, nothing is
//! written.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::{AttributeValue, PointInTimeRecoveryStatus};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use gatekeeper_core::acknowledgement::{ACKNOWLEDGEMENTS, Acknowledgement};
use gatekeeper_core::approver::Approver;
use gatekeeper_core::evidence::Evidence;
use gatekeeper_core::findings::Findings;
use gatekeeper_core::ids::{EndpointId, ServiceId};
use gatekeeper_core::policy::settings::SETTINGS;
use gatekeeper_core::policy::{Entry, PolicyItem, Scope, ServiceSettings};
use gatekeeper_core::policy_item::{approver_attributes, entry_attributes};
use gatekeeper_core::policy_key::PolicyKey;
use gatekeeper_core::precondition::UnreadablePolicy;
use gatekeeper_core::request::{Request, Transition};
use gatekeeper_core::watch::Finding;
use jiff::Timestamp;

use super::allowlist::{decode_policy_item, encode_approver, encode_entry, encode_settings};
use super::item::{Item, text};
use super::requests::{decode_history, decode_request};
use super::{Db, Unencodable, WatchedServices, managed_key};
use crate::error::{Call, Error, Retryable, Step};

/// An item of the allowlist as it is stored.
#[derive(Debug, Clone)]
pub struct StoredItem {
    pub key: PolicyKey,
    /// What it says, or why it cannot be read.
    pub read: Result<PolicyItem, UnreadablePolicy>,
    item: Item,
}

/// What is to be stored.
#[derive(Debug, Clone)]
pub enum NewItem<'a> {
    Entry(&'a Entry),
    Settings(&'a Scope, &'a ServiceSettings),
    Approver(&'a Approver),
}

/// The result of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Done,
    /// The item is not as the operator saw it. Nothing was written.
    Changed,
}

/// All requests, and the items that cannot be read.
#[derive(Debug, Clone, Default)]
pub struct AllRequests {
    pub requests: Vec<Request>,
    /// The endpoint of each unreadable item, and what is wrong with it.
    pub unreadable: Vec<(String, String)>,
}

/// A decision or another change of a request, from its history.
#[derive(Debug, Clone)]
pub struct HistoryRow {
    pub endpoint_id: EndpointId,
    pub version: u64,
    pub transition: Transition,
}

/// How a table is protected. `None` could not be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableState {
    pub is_protected: Option<bool>,
    /// Whether it can be restored to a point in time.
    pub is_recoverable: Option<bool>,
}

/// Reads and writes the tables for an operator.
#[derive(Debug, Clone)]
pub struct OperatorTables {
    db: Db,
}

impl NewItem<'_> {
    fn encode(&self) -> Result<Item, Unencodable> {
        match self {
            Self::Entry(entry) => encode_entry(entry),
            Self::Settings(scope, settings) => encode_settings(scope, settings),
            Self::Approver(approver) => encode_approver(approver),
        }
    }
}

impl OperatorTables {
    pub(crate) fn new(db: &Db) -> Self {
        Self {
            db: db.for_step(Step::Observe),
        }
    }

    /// All items of the allowlist but acknowledgements, by their keys. This is a scan.
    ///
    /// # Errors
    /// The table could not be read.
    pub async fn allowlist(&self) -> Result<Vec<StoredItem>, Arc<Error>> {
        let call = self
            .db
            .reading("dynamodb:Scan", "the allowlist could not be read");
        let scan = self.db.client.scan().table_name(&self.db.allowlist);
        let items = scan.consistent_read(true).into_paginator().items().send();
        let items: Vec<Item> = items
            .try_collect()
            .await
            .map_err(|error| call.failed(error))?;
        let mut stored: Vec<StoredItem> = items
            .into_iter()
            .filter_map(StoredItem::of)
            .filter(|one| one.key.service_id != ACKNOWLEDGEMENTS)
            .collect();
        stored.sort_by(|one, other| {
            (&one.key.service_id, &one.key.rule).cmp(&(&other.key.service_id, &other.key.rule))
        });
        Ok(stored)
    }

    /// All requests. This is a scan.
    ///
    /// # Errors
    /// The table could not be read.
    pub async fn requests(&self) -> Result<AllRequests, Arc<Error>> {
        let call = self
            .db
            .reading("dynamodb:Scan", "the requests could not be read");
        let scan = self
            .db
            .client
            .scan()
            .table_name(&self.db.requests)
            .filter_expression("sk = :request")
            .expression_attribute_values(":request", text("request"));
        let items = scan.into_paginator().items().send();
        let items: Vec<Item> = items
            .try_collect()
            .await
            .map_err(|error| call.failed(error))?;
        let mut all = AllRequests::default();
        for item in items {
            let endpoint = item.get("pk").and_then(|pk| pk.as_s().ok()).cloned();
            match decode_request(item) {
                Ok(request) => all.requests.push(request),
                Err(error) => all
                    .unreadable
                    .push((endpoint.unwrap_or_default(), error.to_string())),
            }
        }
        all.requests
            .sort_by(|one, other| one.endpoint_id.cmp(&other.endpoint_id));
        Ok(all)
    }

    /// The rows of all histories from `from` to before `to`, oldest first, and the number of rows that
    /// cannot be read. This is a scan.
    ///
    /// # Errors
    /// The table could not be read.
    pub async fn history(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<(Vec<HistoryRow>, usize), Arc<Error>> {
        let call = self
            .db
            .reading("dynamodb:Scan", "the history could not be read");
        let scan = self
            .db
            .client
            .scan()
            .table_name(&self.db.requests)
            .filter_expression("begins_with(sk, :history)")
            .expression_attribute_values(":history", text("history#"));
        let items = scan.into_paginator().items().send();
        let items: Vec<Item> = items
            .try_collect()
            .await
            .map_err(|error| call.failed(error))?;
        let (mut rows, mut unreadable) = (Vec::new(), 0);
        for item in items {
            match decode_history(item) {
                Ok((endpoint_id, version, transition)) => rows.push(HistoryRow {
                    endpoint_id,
                    version,
                    transition,
                }),
                Err(_) => unreadable += 1,
            }
        }
        rows.retain(|row| (from..to).contains(&row.transition.at));
        rows.sort_by(|one, other| {
            let order =
                |row: &HistoryRow| (row.transition.at, row.endpoint_id.clone(), row.version);
            order(one).cmp(&order(other))
        });
        Ok((rows, unreadable))
    }

    /// How many items the requests table has, and how many bytes, as DynamoDB counted within the last
    /// six hours.
    ///
    /// # Errors
    /// The table could not be described.
    pub async fn requests_size(&self) -> Result<(i64, i64), Arc<Error>> {
        let call = self.db.reading(
            "dynamodb:DescribeTable",
            "the size of the requests table could not be read",
        );
        let described = self
            .db
            .client
            .describe_table()
            .table_name(&self.db.requests)
            .send()
            .await
            .map_err(|error| call.failed(error))?;
        let table = described.table.as_ref();
        let items = table.and_then(|table| table.item_count).unwrap_or(0);
        let bytes = table.and_then(|table| table.table_size_bytes).unwrap_or(0);
        Ok((items, bytes))
    }

    /// Since when each of these services has been managed. A service is left out if no reconcile
    /// has gone through it yet.
    ///
    /// # Errors
    /// The table could not be read.
    pub async fn managed_since(
        &self,
        services: &[ServiceId],
    ) -> Result<BTreeMap<ServiceId, Timestamp>, Arc<Error>> {
        let keys = services.iter().map(managed_key).collect();
        let what = "since when services are managed could not be read";
        let items = self.db.read(keys, what).await?;
        let since = |id: &ServiceId| Some((id.clone(), items.managed_since(id)?));
        Ok(services.iter().filter_map(since).collect())
    }

    /// Whether each table is protected and can be restored.
    pub async fn table_states(&self) -> Vec<(String, Result<TableState, Arc<Error>>)> {
        let mut states = Vec::new();
        for table in [&self.db.allowlist, &self.db.requests] {
            states.push((table.clone(), self.table_state(table).await));
        }
        states
    }

    async fn table_state(&self, table: &str) -> Result<TableState, Arc<Error>> {
        let what = format!("how the table {table} is protected could not be read");
        let client = &self.db.client;
        let described = client.describe_table().table_name(table).send().await;
        let described = described.map_err(|error| {
            self.db
                .reading("dynamodb:DescribeTable", &what)
                .failed(error)
        })?;
        let protected = described
            .table
            .and_then(|table| table.deletion_protection_enabled);
        let backups = client.describe_continuous_backups().table_name(table);
        let backups = match backups.send().await {
            Ok(backups) => backups.continuous_backups_description,
            // The local world has no backups.
            Err(error) if error.code() == Some("UnknownOperationException") => None,
            Err(error) => {
                let call = self.db.reading("dynamodb:DescribeContinuousBackups", &what);
                return Err(call.failed(error));
            }
        };
        let recovery = backups.and_then(|backups| backups.point_in_time_recovery_description);
        let status = recovery.and_then(|recovery| recovery.point_in_time_recovery_status);
        Ok(TableState {
            is_protected: protected,
            is_recoverable: status.map(|status| status == PointInTimeRecoveryStatus::Enabled),
        })
    }

    /// The findings about a service, as the functions found them last.
    ///
    /// # Errors
    /// The table could not be read.
    pub async fn findings(&self, service: &ServiceId) -> Result<Findings, Arc<Error>> {
        WatchedServices::new(&self.db).findings(service).await
    }

    /// Acknowledges a finding about a service, in place of an earlier acknowledgement.
    ///
    /// # Errors
    /// The item could not be written.
    pub async fn acknowledge(
        &self,
        (finding, service): (Finding, &ServiceId),
        evidence: &Evidence,
        by: &str,
        until: Timestamp,
        reason: &str,
    ) -> Result<(), Arc<Error>> {
        let call = self.db.writing(
            "dynamodb:PutItem",
            Retryable::RememberState,
            "the acknowledgement could not be written",
        );
        let pieces = evidence.pieces().iter().cloned().collect();
        let sent = self
            .db
            .client
            .put_item()
            .table_name(&self.db.allowlist)
            .item("service_id", text(ACKNOWLEDGEMENTS))
            .item("rule", text(Acknowledgement::rule(finding, service)))
            .item("evidence", AttributeValue::Ss(pieces))
            .item("acknowledged_by", text(by))
            .item("until", text(until.to_string()))
            .item("reason", text(reason))
            .send()
            .await;
        sent.map(drop).map_err(|error| call.failed(error))
    }

    /// Stores an item, if the stored one is still `seen`; `None` means that there was none.
    ///
    /// # Errors
    /// The item could not be written.
    pub async fn put(
        &self,
        new: &NewItem<'_>,
        seen: Option<&StoredItem>,
    ) -> Result<Written, Arc<Error>> {
        let mut item = new
            .encode()
            .map_err(|error| error.written_in(self.db.step_of_writes()))?;
        if let (NewItem::Approver(_), Some(seen)) = (new, seen) {
            // They decide nothing, so an approver does not have them; the item keeps them.
            for name in ["reason", "created_by"] {
                if let Some(value) = seen.item.get(name) {
                    item.insert(name.to_owned(), value.clone());
                }
            }
        }
        let condition = Condition::unchanged(seen, &item);
        let call = self.db.writing(
            "dynamodb:PutItem",
            Retryable::RememberState,
            "the item could not be written",
        );
        let sent = self
            .db
            .client
            .put_item()
            .table_name(&self.db.allowlist)
            .set_item(Some(item))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(condition.names))
            .set_expression_attribute_values(condition.values)
            .send()
            .await;
        written(sent, call)
    }

    /// Deletes an item, if it is still as it was seen.
    ///
    /// # Errors
    /// The item could not be deleted.
    pub async fn delete(&self, seen: &StoredItem) -> Result<Written, Arc<Error>> {
        let condition = Condition::unchanged(Some(seen), &Item::new());
        let call = self.db.writing(
            "dynamodb:DeleteItem",
            Retryable::RememberState,
            "the item could not be deleted",
        );
        let sent = self
            .db
            .client
            .delete_item()
            .table_name(&self.db.allowlist)
            .key("service_id", text(&seen.key.service_id))
            .key("rule", text(&seen.key.rule))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(condition.names))
            .set_expression_attribute_values(condition.values)
            .send()
            .await;
        written(sent, call)
    }
}

impl StoredItem {
    fn of(item: Item) -> Option<Self> {
        let key = |name: &str| Some(item.get(name)?.as_s().ok()?.clone());
        Some(Self {
            key: PolicyKey::new(key("service_id")?, key("rule")?),
            read: decode_policy_item(&item),
            item,
        })
    }

    /// Its entry, if it is one that can be read.
    #[must_use]
    pub fn entry(&self) -> Option<&Entry> {
        match &self.read {
            Ok(PolicyItem::Entry(entry)) => Some(entry),
            _ => None,
        }
    }
}

/// A condition on an item, as DynamoDB takes it.
struct Condition {
    expression: String,
    names: HashMap<String, String>,
    values: Option<Item>,
}

impl Condition {
    /// That an item has the attributes that were seen, with these values, and no other attribute that
    /// the product reads.
    fn unchanged(seen: Option<&StoredItem>, written: &Item) -> Self {
        let Some(seen) = seen else {
            return Self {
                expression: "attribute_not_exists(#service)".to_owned(),
                names: [("#service".to_owned(), "service_id".to_owned())].into(),
                values: None,
            };
        };
        let mut parts = Vec::new();
        let mut names = HashMap::new();
        let mut values = Item::new();
        let mut attributes: Vec<&String> = seen.item.keys().chain(written.keys()).collect();
        let known: Vec<String> = known_attributes().map(ToOwned::to_owned).collect();
        attributes.extend(&known);
        attributes.sort();
        attributes.dedup();
        for (index, attribute) in attributes.into_iter().enumerate() {
            let name = format!("#a{index}");
            match seen.item.get(attribute) {
                Some(value) => {
                    let value_name = format!(":a{index}");
                    parts.push(format!("{name} = {value_name}"));
                    values.insert(value_name, AttributeValue::clone(value));
                }
                None => parts.push(format!("attribute_not_exists({name})")),
            }
            names.insert(name, attribute.clone());
        }
        Self {
            expression: parts.join(" AND "),
            names,
            values: Some(values),
        }
    }
}

/// The attributes that the product reads, besides an item's key.
fn known_attributes() -> impl Iterator<Item = &'static str> {
    let attributes = entry_attributes().chain(approver_attributes());
    let settings = SETTINGS.iter().map(|setting| setting.name);
    attributes.map(|attribute| attribute.name).chain(settings)
}

fn written<T, E>(sent: Result<T, SdkError<E>>, call: Call) -> Result<Written, Arc<Error>>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match sent {
        Ok(_) => Ok(Written::Done),
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => {
            Ok(Written::Changed)
        }
        Err(error) => Err(call.failed(error)),
    }
}
