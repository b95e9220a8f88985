//! The findings of each service, current and past, with their evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, Put, TransactWriteItem};
use gatekeeper_core::acknowledged_findings::follow;
use gatekeeper_core::acknowledgement::{Acknowledged, Acknowledgement, Past};
use gatekeeper_core::alarm::Alarm;
use gatekeeper_core::evidence::Evidence;
use gatekeeper_core::findings::{Ended, Findings};
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::left_alone::{Found, LeftAlone};
use gatekeeper_core::outbox::OutboxItem;
use gatekeeper_core::watch::{Finding, Seen, Unlisted};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::item::{Item, all_of, number, text};
use super::keys::STATE;
use super::keys::encode;
use super::outbox::encode_outbox;
use super::reconcile::MANAGED;
use super::{Db, Key, Unencodable, UnreadableItem};
use crate::error::codes::{Meaning, meaning_of};
use crate::error::{Error, Retryable, Step};

/// The names of the items of [`Watched`] begin with this.
const WATCH: &str = "watch#";
/// How long a service's state is kept after it was deleted.
const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

/// The findings of a service, current and past.
#[derive(Debug)]
pub(crate) struct Watched {
    /// How often it was written; 0 if it does not exist yet.
    revision: u64,
    pub(crate) findings: Findings,
    /// Its connections that Gatekeeper does not decide.
    pub(crate) left_alone: LeftAlone,
    /// When EC2 was found to have no such service any more.
    pub(crate) deleted_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WatchedItem {
    pk: String,
    sk: String,
    revision: u64,
    findings: BTreeMap<Finding, Timestamp>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    evidence: BTreeMap<Finding, Evidence>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    acknowledged: BTreeMap<Finding, Acknowledged>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    acknowledged_before: BTreeMap<Finding, Past>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    ended: BTreeMap<Finding, Ended>,
    #[serde(default)]
    left_alone: LeftAlone,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Timestamp>,
    /// Epoch seconds after which DynamoDB may delete the item. Only housekeeping; no decision
    /// depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purge_at: Option<i64>,
}

/// The services that are managed, or were.
#[derive(Debug, Default)]
pub(crate) struct LookedAfter {
    /// The state of each service with announcements; the error if its item cannot be read.
    pub(crate) watched: BTreeMap<ServiceId, Result<Watched, Arc<Error>>>,
    /// The services that were looked through from end to end.
    pub(crate) looked_through: BTreeSet<ServiceId>,
}

impl LookedAfter {
    /// The services that are not among the managed ones any more, and are not known to be deleted.
    pub(crate) fn unlisted(&self, managed: &[ServiceId]) -> Vec<ServiceId> {
        let is_deleted = |id: &ServiceId| {
            let watched = self
                .watched
                .get(id)
                .and_then(|watched| watched.as_ref().ok());
            watched.is_some_and(|watched| watched.deleted_at.is_some())
        };
        let known = self.watched.keys().chain(&self.looked_through);
        let known: BTreeSet<&ServiceId> = known.collect();
        known
            .into_iter()
            .filter(|id| !managed.contains(id) && !is_deleted(id))
            .cloned()
            .collect()
    }
}

impl Watched {
    /// The state of a service without findings.
    pub(crate) fn new() -> Self {
        Self {
            revision: 0,
            findings: Findings::default(),
            left_alone: LeftAlone::default(),
            deleted_at: None,
        }
    }

    fn read(item: Item) -> Result<Self, serde_dynamo::Error> {
        let item: WatchedItem = serde_dynamo::from_item(item)?;
        Ok(Self {
            revision: item.revision,
            findings: Findings {
                standing: item.findings,
                evidence: item.evidence,
                acknowledged: item.acknowledged,
                acknowledged_before: item.acknowledged_before,
                ended: item.ended,
                attachments: item.left_alone.attachments(),
            },
            left_alone: item.left_alone,
            deleted_at: item.deleted_at,
        })
    }
}

fn watched_key(service: &ServiceId) -> Key {
    Key::State(format!("{WATCH}{service}"))
}

fn unreadable(service: &ServiceId, error: &serde_dynamo::Error, step: Step) -> Arc<Error> {
    let unreadable = UnreadableItem::new(watched_key(service), error);
    unreadable.read_in(step).into()
}

/// Reads and writes the findings of services.
#[derive(Debug, Clone)]
pub(crate) struct WatchedServices {
    db: Db,
}

impl WatchedServices {
    pub(crate) fn new(db: &Db) -> Self {
        Self { db: db.clone() }
    }

    /// The services that are managed, or were.
    pub(crate) async fn looked_after(&self) -> Result<LookedAfter, Arc<Error>> {
        // Both kinds of items in one query. Other items between them are skipped.
        let query = self
            .db
            .client
            .query()
            .table_name(&self.db.requests)
            .consistent_read(true)
            .key_condition_expression("pk = :state AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":state", text(STATE))
            .expression_attribute_values(":first", text(MANAGED))
            .expression_attribute_values(":last", text(format!("{WATCH}~")));
        let mut known = LookedAfter::default();
        let what = "what is known of the services that are looked after could not be read";
        let call = self.db.reading("dynamodb:Query", what);
        for item in all_of(query, call).await? {
            let name = item.get("sk").and_then(|name| name.as_s().ok()).cloned();
            let of =
                |kind| -> Option<ServiceId> { name.as_deref()?.strip_prefix(kind)?.parse().ok() };
            if let Some(service) = of(MANAGED) {
                known.looked_through.insert(service);
            } else if let Some(service) = of(WATCH) {
                let read = Watched::read(item);
                let read = read.map_err(|error| unreadable(&service, &error, self.db.step));
                known.watched.insert(service, read);
            }
        }
        Ok(known)
    }

    /// The findings of a service, current and past.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or the item is invalid.
    pub(crate) async fn findings(&self, service: &ServiceId) -> Result<Findings, Arc<Error>> {
        Ok(self.watched_of(service).await?.findings)
    }

    /// The state of one service.
    pub(crate) async fn watched_of(&self, service: &ServiceId) -> Result<Watched, Arc<Error>> {
        let key = watched_key(service);
        let what = format!("what is known of {service} could not be read");
        let items = self.db.read([key.clone()].into(), &what).await?;
        let Some(item) = items.get(&key).cloned() else {
            return Ok(Watched::new());
        };
        Watched::read(item).map_err(|error| unreadable(service, &error, self.db.step))
    }

    /// Updates a managed service's findings from a look. Findings that were not looked for stay as
    /// they were. A service that `is_new` is remembered even without findings. Announces what began
    /// and what ended.
    pub(crate) async fn note_findings(
        &self,
        service: &ServiceId,
        watched: &mut Watched,
        seen: &Seen,
        is_new: bool,
    ) -> Result<(), Arc<Error>> {
        let alarms = watched.findings.note(service, seen, self.db.clock.now());
        let was_deleted = watched.deleted_at.take().is_some();
        let changed = was_deleted || (is_new && watched.revision == 0);
        self.write_watched(service, watched, &alarms, changed).await
    }

    /// Updates a service's connections that Gatekeeper does not decide. Announces what is new.
    pub(crate) async fn note_left_alone(
        &self,
        service: &ServiceId,
        watched: &mut Watched,
        found: &Found,
    ) -> Result<(), Arc<Error>> {
        let now = self.db.clock.now();
        let before = (watched.left_alone.clone(), watched.findings.clone());
        let news = watched.left_alone.note(found, now);
        let findings = &mut watched.findings;
        let alarm = findings.note_attachments(service, news, found, now);
        let changed = (&watched.left_alone, &watched.findings) != (&before.0, &before.1);
        self.write_watched(service, watched, alarm.as_slice(), changed)
            .await
    }

    /// Compares a service's acknowledgements with its findings, after those were recorded. `items`
    /// is `None` if they could not be read. Announces what begins and what ends.
    pub(crate) async fn note_acknowledgements(
        &self,
        service: &ServiceId,
        watched: &mut Watched,
        items: Option<&BTreeMap<Finding, Acknowledgement>>,
        seen: &Seen,
    ) -> Result<(), Arc<Error>> {
        let before = watched.findings.clone();
        let alarms = follow(
            &mut watched.findings,
            service,
            items,
            seen,
            self.db.clock.now(),
        );
        let changed = watched.findings != before;
        let noted = self.write_watched(service, watched, &alarms, changed).await;
        if noted.is_err() {
            // An acknowledgement that is not announced silences nothing; one that ended stays
            // ended.
            let acknowledged = &mut watched.findings.acknowledged;
            acknowledged.retain(|finding, one| !one.holds() || before.is_acknowledged(*finding));
        }
        noted
    }

    /// Records what EC2 says of a service that is not among the managed ones any more, and
    /// announces what is new.
    pub(crate) async fn note_unlisted(
        &self,
        service: &ServiceId,
        watched: &mut Watched,
        unlisted: Unlisted,
    ) -> Result<(), Arc<Error>> {
        let now = self.db.clock.now();
        let alarms = watched.findings.leave(service, unlisted, now);
        if unlisted != Unlisted::Managed {
            watched.left_alone = LeftAlone::default();
        }
        let is_deleted = unlisted == Unlisted::Deleted;
        if is_deleted {
            watched.deleted_at = Some(now);
        }
        self.write_watched(service, watched, &alarms, is_deleted)
            .await
    }

    /// Writes a service's state with the announcements of its changes; nothing if there are none
    /// and nothing else `changed`.
    async fn write_watched(
        &self,
        service: &ServiceId,
        watched: &mut Watched,
        alarms: &[Alarm],
        changed: bool,
    ) -> Result<(), Arc<Error>> {
        if alarms.is_empty() && !changed {
            return Ok(());
        }
        let revision = watched.revision;
        watched.revision += 1;
        let writes = self.writes_of_watched(service, watched, revision, alarms);
        let writes = writes.map_err(|error| error.written_in(self.db.step_of_writes()))?;
        let what = format!("what was found of {service} could not be written down");
        let call = self.db.writing(
            "dynamodb:TransactWriteItems",
            Retryable::RememberState,
            what,
        );
        let sent = self
            .db
            .client
            .transact_write_items()
            .set_transact_items(Some(writes))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            // Another run recorded the same at the same time, and announces it.
            Err(error) if is_overtaken(error.as_service_error()) => Ok(()),
            Err(error) if is_held_up(error.as_service_error()) => Err(call.passes(error).into()),
            Err(error) => Err(call.failed(error)),
        }
    }

    /// The writes that replace the given revision of a service's state, and its announcements.
    fn writes_of_watched(
        &self,
        service: &ServiceId,
        watched: &Watched,
        revision: u64,
        alarms: &[Alarm],
    ) -> Result<Vec<TransactWriteItem>, Unencodable> {
        let key = watched_key(service);
        let (pk, sk) = key.values();
        let kept = watched.deleted_at.and_then(|at| at.checked_add(KEPT).ok());
        let item = WatchedItem {
            pk,
            sk,
            revision: watched.revision,
            findings: watched.findings.standing.clone(),
            evidence: watched.findings.evidence.clone(),
            acknowledged: watched.findings.acknowledged.clone(),
            acknowledged_before: watched.findings.acknowledged_before.clone(),
            ended: watched.findings.ended.clone(),
            left_alone: watched.left_alone.clone(),
            deleted_at: watched.deleted_at,
            purge_at: kept.map(Timestamp::as_second),
        };
        let put = Put::builder()
            .table_name(&self.db.requests)
            .set_item(Some(encode(&key, item)?));
        let put = if revision == 0 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("revision = :revision")
                .expression_attribute_values(":revision", number(revision))
        };
        let put = put
            .build()
            .map_err(|error| Unencodable::new(format!("the item {key}"), error))?;
        let mut writes = vec![TransactWriteItem::builder().put(put).build()];
        for alarm in alarms {
            let left = OutboxItem::of_finding(alarm.clone());
            writes.push(self.db.put_new(encode_outbox(&left)?)?);
        }
        Ok(writes)
    }
}

/// Whether a transaction failed only because another write was first.
pub(super) fn is_overtaken(error: Option<&TransactWriteItemsError>) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error else {
        return false;
    };
    let known = ["None", "ConditionalCheckFailed", "TransactionConflict"];
    let mut reasons = canceled.cancellation_reasons().iter();
    reasons.all(|reason| reason.code().is_none_or(|code| known.contains(&code)))
}

/// Whether a transaction was cancelled because one of its writes was throttled, or similar.
pub(super) fn is_held_up(error: Option<&TransactWriteItemsError>) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error else {
        return false;
    };
    let mut codes = canceled
        .cancellation_reasons()
        .iter()
        .filter_map(CancellationReason::code);
    codes.any(|code| meaning_of(code) == Some(Meaning::Passing))
}
