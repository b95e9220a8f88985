//! What the product remembers about itself: where a reconcile stopped, since when it has looked
//! through each service, and what is wrong with each.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use gatekeeper_core::alarm::{Alarm, Kind};
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::left_alone::{Found, LeftAlone, News};
use gatekeeper_core::message::Message;
use gatekeeper_core::watch::Finding;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::STATE;
use super::outbox::encode_message;
use super::requests::encode;
use super::{Item, Items, Key, Tables, all_of, number, text};
use crate::error::{Error, Permanent, Retryable, failed};

/// What the names of the items of [`Watched`] begin with.
const WATCH: &str = "watch#";

/// A service that a reconcile did not finish, and where in EC2's list it stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unfinished {
    pub(crate) service_id: ServiceId,
    /// EC2's token of the next page; none where the service was not begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct CursorItem {
    pk: String,
    sk: String,
    unfinished: Vec<Unfinished>,
}

/// What is known to be wrong with a service.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Watched {
    pk: String,
    sk: String,
    /// How often it was written; 0 if it is not there yet.
    revision: u64,
    /// What, and since when.
    pub(crate) findings: BTreeMap<Finding, Timestamp>,
    /// What it has that is not decided.
    #[serde(default)]
    pub(crate) left_alone: LeftAlone,
}

impl Watched {
    /// Of a service that nothing is known of.
    pub(crate) fn new(service: &ServiceId) -> Self {
        let (pk, sk) = Key::State(format!("{WATCH}{service}")).values();
        Self {
            pk,
            sk,
            revision: 0,
            findings: BTreeMap::new(),
            left_alone: LeftAlone::default(),
        }
    }
}

fn cursor() -> Key {
    Key::State("reconcile".to_owned())
}

impl Tables {
    /// What the last reconcile left over, in the order in which it would have gone on. What cannot
    /// be read is as good as nothing: reconcile then begins anew.
    pub(crate) async fn unfinished(&self) -> Result<Vec<Unfinished>, Arc<Error>> {
        let items = self.read([cursor()].into()).await?;
        let item = items.get(&cursor()).cloned();
        Ok(item
            .and_then(|item| serde_dynamo::from_item::<_, CursorItem>(item).ok())
            .map(|item| item.unfinished)
            .unwrap_or_default())
    }

    /// Remembers what this reconcile leaves over.
    pub(crate) async fn leave_unfinished(
        &self,
        unfinished: Vec<Unfinished>,
    ) -> Result<(), Arc<Error>> {
        let (pk, sk) = cursor().values();
        let item = encode(CursorItem { pk, sk, unfinished })?;
        self.client
            .put_item()
            .table_name(&self.requests)
            .set_item(Some(item))
            .send()
            .await
            .map(drop)
            .map_err(|error| failed("PutItem", error, Retryable::RememberState))
    }

    /// Since when a service has been looked through from end to end; none if it has never been.
    pub(crate) fn managed_since(items: &Items, service: &ServiceId) -> Option<Timestamp> {
        let item = items.get(&Self::managed_key(service))?;
        item.get("since")?.as_s().ok()?.parse().ok()
    }

    /// Where that is remembered.
    pub(crate) fn managed_key(service: &ServiceId) -> Key {
        Key::State(format!("managed#{service}"))
    }

    /// Remembers, the first time, that a service has been looked through: what comes after is under
    /// our eyes.
    pub(crate) async fn remember_managed(
        &self,
        service: &ServiceId,
        since: Timestamp,
    ) -> Result<(), Arc<Error>> {
        let sent = self
            .client
            .update_item()
            .table_name(&self.requests)
            .set_key(Some(Self::managed_key(service).item()))
            .update_expression("SET since = if_not_exists(since, :since)")
            .expression_attribute_values(":since", text(since.to_string()))
            .send()
            .await;
        sent.map(drop)
            .map_err(|error| failed("UpdateItem", error, Retryable::RememberState))
    }

    /// What is known to be wrong with each service; of one whose item cannot be read, why.
    pub(crate) async fn watched(
        &self,
    ) -> Result<BTreeMap<ServiceId, Result<Watched, Arc<Error>>>, Arc<Error>> {
        let query = self
            .client
            .query()
            .table_name(&self.requests)
            .consistent_read(true)
            .key_condition_expression("pk = :state AND begins_with(sk, :watch)")
            .expression_attribute_values(":state", text(STATE))
            .expression_attribute_values(":watch", text(WATCH));
        let mut watched = BTreeMap::new();
        for item in all_of(query, Retryable::ReadTables).await? {
            let name = item.get("sk").and_then(|name| name.as_s().ok()).cloned();
            let service = name.as_deref().and_then(|name| name.strip_prefix(WATCH));
            let Some(Ok(service)) = service.map(str::parse) else {
                continue;
            };
            let read = read_watched(&service, item);
            watched.insert(service, read);
        }
        Ok(watched)
    }

    /// What is known to be wrong with one service.
    pub(crate) async fn watched_of(&self, service: &ServiceId) -> Result<Watched, Arc<Error>> {
        let key = Key::State(format!("{WATCH}{service}"));
        let items = self.read([key.clone()].into()).await?;
        match items.get(&key) {
            Some(item) => read_watched(service, item.clone()),
            None => Ok(Watched::new(service)),
        }
    }

    /// Brings what is known of a service up to date with what was just seen: each finding, and
    /// whether it is there. What was not looked at stays as it was. Answers the messages about what
    /// began and what ended; they lie in the outbox.
    pub(crate) async fn note_findings(
        &self,
        service: &ServiceId,
        watched: &mut Watched,
        seen: &BTreeMap<Finding, bool>,
    ) -> Result<Vec<Message>, Arc<Error>> {
        let now = self.clock.now();
        let mut alarms = Vec::new();
        for (finding, is_there) in seen {
            let kind = match (watched.findings.contains_key(finding), is_there) {
                (false, true) => {
                    watched.findings.insert(*finding, now);
                    Kind::AlarmStarted
                }
                (true, false) => {
                    watched.findings.remove(finding);
                    Kind::AlarmEnded
                }
                (true, true) | (false, false) => continue,
            };
            alarms.push(Alarm::new(service, *finding, kind, now));
        }
        if alarms.is_empty() {
            return Ok(Vec::new());
        }
        self.write_watched(watched, &alarms).await
    }

    /// Brings what is known of a service up to date with what was found there and is not decided.
    /// Answers the messages about it; they lie in the outbox.
    pub(crate) async fn note_left_alone(
        &self,
        service: &ServiceId,
        watched: &mut Watched,
        found: &Found,
    ) -> Result<Vec<Message>, Arc<Error>> {
        let (before, now) = (watched.left_alone.clone(), self.clock.now());
        let finding = Finding::TransitGatewayAttachments;
        let news = watched.left_alone.note(found, now);
        if watched.left_alone == before {
            return Ok(Vec::new());
        }
        let alarm = match news {
            Some(News::More(tally)) => {
                // Since when it is so as it was told last.
                watched.findings.insert(finding, now);
                Some(Alarm::attachments(service, tally, now))
            }
            Some(News::Over) => {
                watched.findings.remove(&finding);
                Some(Alarm::new(service, finding, Kind::AlarmEnded, now))
            }
            None => None,
        };
        self.write_watched(watched, alarm.as_slice()).await
    }

    /// Ends all that is known to be wrong with a service, since it is not managed any more. Answers
    /// the messages about it; they lie in the outbox.
    pub(crate) async fn end_findings(
        &self,
        service: &ServiceId,
        watched: &mut Watched,
    ) -> Result<Vec<Message>, Arc<Error>> {
        let now = self.clock.now();
        let ended = std::mem::take(&mut watched.findings);
        watched.left_alone = LeftAlone::default();
        let alarms: Vec<Alarm> = ended
            .into_keys()
            .map(|finding| Alarm::unmanaged(service, finding, now))
            .collect();
        if alarms.is_empty() {
            return Ok(Vec::new());
        }
        self.write_watched(watched, &alarms).await
    }

    /// Writes what is known of a service, with the messages about what changed.
    async fn write_watched(
        &self,
        watched: &mut Watched,
        alarms: &[Alarm],
    ) -> Result<Vec<Message>, Arc<Error>> {
        let messages: Vec<Message> = alarms
            .iter()
            .map(Alarm::message)
            .collect::<Result<_, _>>()
            .map_err(|error| Permanent::Encode(Box::new(error)))?;
        let revision = watched.revision;
        watched.revision += 1;
        let put = Put::builder()
            .table_name(&self.requests)
            .set_item(Some(encode(&*watched)?));
        let put = if revision == 0 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("revision = :revision")
                .expression_attribute_values(":revision", number(revision))
        };
        let put = put
            .build()
            .map_err(|error| Permanent::Encode(Box::new(error)))?;
        let mut writes = vec![TransactWriteItem::builder().put(put).build()];
        for message in &messages {
            writes.push(self.put_new(encode_message(message)?)?);
        }
        let sent = self
            .client
            .transact_write_items()
            .set_transact_items(Some(writes))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(messages),
            // Another run noted the same at the same time, and tells of it.
            Err(error) if is_overtaken(error.as_service_error()) => Ok(Vec::new()),
            Err(error) => Err(failed(
                "TransactWriteItems",
                error,
                Retryable::RememberState,
            )),
        }
    }
}

fn read_watched(service: &ServiceId, item: Item) -> Result<Watched, Arc<Error>> {
    serde_dynamo::from_item(item).map_err(|error| {
        let malformed = Permanent::MalformedRequest {
            item: format!("{STATE} / {WATCH}{service}"),
            detail: error.to_string(),
        };
        malformed.into()
    })
}

/// Whether nothing else is wrong with a transaction than that somebody was quicker.
fn is_overtaken(error: Option<&TransactWriteItemsError>) -> bool {
    let Some(TransactWriteItemsError::TransactionCanceledException(canceled)) = error else {
        return false;
    };
    let known = ["None", "ConditionalCheckFailed", "TransactionConflict"];
    let mut reasons = canceled.cancellation_reasons().iter();
    reasons.all(|reason| reason.code().is_none_or(|code| known.contains(&code)))
}
