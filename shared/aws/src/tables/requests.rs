//! Requests, their history and the slots under `max_connections`, to items and back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_core::approver::ApproverId;
use gatekeeper_core::caller::OtherNames;
use gatekeeper_core::ids::{AccountId, EndpointId, Region, ServiceId};
use gatekeeper_core::judge::Verdict;
use gatekeeper_core::policy::{Rule, ServiceName};
use gatekeeper_core::rejection::StaysRejected;
use gatekeeper_core::request::{Actor, Request, Status, Transition};
use gatekeeper_core::vote::Vote;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Item, Items, Key, Tables, Unencodable, UnreadableItem, all_of, text};
use crate::error::{Error, Retryable};

/// Only requests that are not gone carry this attribute, so the index holds no others.
pub(super) const OPEN_INDEX: &str = "open";

#[derive(Debug, Serialize, Deserialize)]
struct RequestItem {
    pk: EndpointId,
    sk: String,
    /// The index's partition; absent once the request is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    open_service_id: Option<ServiceId>,
    service_id: ServiceId,
    account_id: AccountId,
    region: Region,
    status: Status,
    version: u64,
    revision: u64,
    verdict: Verdict,
    decided_by: Actor,
    decided_in: u64,
    #[serde(default, skip_serializing_if = "OtherNames::is_empty")]
    other_names: OtherNames,
    opened_at: Timestamp,
    status_since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    claimed_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service_name: Option<ServiceName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    review: Option<u64>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    asked: BTreeSet<ApproverId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    letters_at: Option<Timestamp>,
    #[serde(default)]
    deciders: u32,
    #[serde(default)]
    approvals_required: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    votes: Vec<Vote>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<Timestamp>,
    #[serde(default)]
    deadline_rejects: bool,
    #[serde(default)]
    reminders: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reminded_at: Option<Timestamp>,
    #[serde(default)]
    past_policy: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reported_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retried_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stays_rejected: Option<StaysRejected>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    out_of_reach_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purged: Option<Rule>,
}

/// A row of history: the transition, and which one it was.
#[derive(Debug, Serialize, Deserialize)]
struct HistoryItem {
    pk: EndpointId,
    sk: String,
    version: u64,
    #[serde(flatten)]
    transition: Transition,
}

pub(super) fn encode_request(request: &Request) -> Result<Item, Unencodable> {
    let key = Key::Request(request.endpoint_id.clone());
    let (_, sk) = key.values();
    let request = request.clone();
    let item = RequestItem {
        open_service_id: (request.status != Status::Gone).then(|| request.service_id.clone()),
        pk: request.endpoint_id,
        sk,
        service_id: request.service_id,
        account_id: request.account_id,
        region: request.region,
        status: request.status,
        version: request.version,
        revision: request.revision,
        verdict: request.verdict,
        decided_by: request.decided_by,
        decided_in: request.decided_in,
        other_names: request.other_names,
        opened_at: request.opened_at,
        status_since: request.status_since,
        claimed_until: request.claimed_until,
        service_name: request.service_name,
        customer: request.customer,
        review: request.review,
        asked: request.asked,
        letters_at: request.letters_at,
        deciders: request.deciders,
        approvals_required: request.approvals_required,
        votes: request.votes,
        deadline: request.deadline,
        deadline_rejects: request.deadline_rejects,
        reminders: request.reminders,
        reminded_at: request.reminded_at,
        past_policy: request.past_policy,
        due: request.due,
        reported_at: request.reported_at,
        retried_at: request.retried_at,
        stays_rejected: request.stays_rejected,
        out_of_reach_since: request.out_of_reach_since,
        purged: request.purged,
    };
    encode(&key, item)
}

pub(super) fn decode_request(item: Item) -> Result<Request, UnreadableItem> {
    let name = item
        .get("pk")
        .and_then(|value| value.as_s().ok())
        .map_or_else(|| "?".to_owned(), |pk| format!("{pk} / request"));
    let item: RequestItem =
        serde_dynamo::from_item(item).map_err(|error| UnreadableItem::new(name, error))?;
    Ok(Request {
        endpoint_id: item.pk,
        service_id: item.service_id,
        account_id: item.account_id,
        region: item.region,
        status: item.status,
        version: item.version,
        revision: item.revision,
        verdict: item.verdict,
        decided_by: item.decided_by,
        decided_in: item.decided_in,
        other_names: item.other_names,
        opened_at: item.opened_at,
        status_since: item.status_since,
        claimed_until: item.claimed_until,
        service_name: item.service_name,
        customer: item.customer,
        review: item
            .review
            // A review from before they had numbers.
            .or_else(|| (item.status == Status::InReview).then_some(item.version)),
        asked: item.asked,
        letters_at: item.letters_at,
        deciders: item.deciders,
        approvals_required: item.approvals_required,
        votes: item.votes,
        deadline: item.deadline,
        deadline_rejects: item.deadline_rejects,
        reminders: item.reminders,
        reminded_at: item.reminded_at,
        past_policy: item.past_policy,
        due: item.due,
        reported_at: item.reported_at,
        retried_at: item.retried_at,
        stays_rejected: item.stays_rejected,
        out_of_reach_since: item.out_of_reach_since,
        purged: item.purged,
    })
}

/// The row of the transition that led to this request. Where it ends a review, it keeps the votes.
pub(super) fn encode_history(
    after: &Request,
    transition: &Transition,
) -> Result<Item, Unencodable> {
    let endpoint_id = &after.endpoint_id;
    let key = Key::History(endpoint_id.clone(), after.version);
    let (_, sk) = key.values();
    let mut transition = transition.clone();
    if transition.from == Some(Status::InReview) {
        transition.votes.clone_from(&after.votes);
    }
    let item = HistoryItem {
        pk: endpoint_id.clone(),
        sk,
        version: after.version,
        transition,
    };
    encode(&key, item)
}

/// An item that is to lie under a key.
pub(super) fn encode(key: &Key, item: impl Serialize) -> Result<Item, Unencodable> {
    let encoded = serde_dynamo::to_item(item);
    encoded.map_err(|error| Unencodable::new(format!("the item {key}"), error))
}

/// The endpoints of one account that count against `max_connections` on one service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slots {
    endpoints: BTreeSet<String>,
    /// Whether EC2 was asked who was connected before we counted.
    pub(crate) counted: bool,
}

impl Slots {
    /// Notes a slot that was just taken.
    pub(crate) fn take(&mut self, endpoint: &EndpointId) {
        self.endpoints.insert(endpoint.to_string());
    }

    /// How many are held by other endpoints than this one.
    pub(crate) fn others(&self, endpoint: &EndpointId) -> u32 {
        let own = usize::from(self.endpoints.contains(endpoint.as_str()));
        u32::try_from(self.endpoints.len().saturating_sub(own)).unwrap_or(u32::MAX)
    }
}

impl Items {
    /// The request of an endpoint, if there is one.
    pub(crate) fn request(&self, endpoint: &EndpointId) -> Result<Option<Request>, Error> {
        self.get(&Key::Request(endpoint.clone()))
            .cloned()
            .map(decode_request)
            .transpose()
            .map_err(|error| error.read_in(self.step))
    }

    /// The slots of an account on a service.
    pub(crate) fn slots(&self, service: &ServiceId, account: &AccountId) -> Result<Slots, Error> {
        let key = Key::Slots(service.clone(), account.clone());
        let Some(item) = self.get(&key) else {
            return Ok(Slots::default());
        };
        let endpoints = match item.get("endpoints") {
            None => BTreeSet::new(),
            Some(AttributeValue::Ss(ids)) => ids.iter().cloned().collect(),
            Some(_) => {
                let unreadable = UnreadableItem::new(&key, "endpoints is not a set of strings");
                return Err(unreadable.read_in(self.step));
            }
        };
        Ok(Slots {
            endpoints,
            counted: item.contains_key("counted_at"),
        })
    }
}

impl Tables {
    /// Enters the connections that EC2 shows into an account's slots, once: those that were there
    /// before Gatekeeper count against the limit like all others.
    pub(crate) async fn count_slots(
        &self,
        service: &ServiceId,
        account: &AccountId,
        connected: &[EndpointId],
    ) -> Result<(), Arc<Error>> {
        let mut update = self
            .client
            .update_item()
            .table_name(&self.requests)
            .set_key(Some(Key::Slots(service.clone(), account.clone()).item()))
            .expression_attribute_values(":now", text(self.clock.now().to_string()));
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
                let call = self.writing("dynamodb:UpdateItem", Retryable::UpdateSlots, what);
                call.failed(error)
            })?;
        Ok(())
    }

    /// Of the consumers with these connections, those whose slots do not agree with them, and
    /// their slots: one that EC2 shows as connected holds none, or a slot is held by an endpoint
    /// that is not among these and whose request holds none.
    pub(crate) async fn slots_to_mend(
        &self,
        service: &ServiceId,
        connected: &BTreeMap<AccountId, Vec<EndpointId>>,
    ) -> Result<Vec<(AccountId, Slots)>, Arc<Error>> {
        if connected.is_empty() {
            return Ok(Vec::new());
        }
        let key = |account: &AccountId| Key::Slots(service.clone(), account.clone());
        let what = format!("the usage of those who are connected to {service} could not be read");
        let items = self
            .read(connected.keys().map(key).collect(), &what)
            .await?;
        let mut suspects = BTreeSet::new();
        let mut all = Vec::new();
        for (account, connected) in connected {
            let slots = items.slots(service, account)?;
            let held = |id: &EndpointId| slots.endpoints.contains(id.as_str());
            let is_connected: BTreeSet<&EndpointId> = connected.iter().collect();
            let others = slots
                .endpoints
                .iter()
                .filter_map(|id| id.parse::<EndpointId>().ok())
                .filter(|id| !is_connected.contains(id));
            let others: Vec<EndpointId> = others.collect();
            suspects.extend(others.iter().cloned().map(Key::Request));
            let lacking: Vec<&EndpointId> = connected.iter().filter(|id| !held(id)).collect();
            suspects.extend(lacking.iter().map(|id| Key::Request((*id).clone())));
            all.push((account.clone(), slots, lacking, others));
        }
        let what = format!("the requests that count as usage of {service} could not be read");
        let requests = self.read(suspects, &what).await?;
        let holds = |id: &EndpointId| -> Result<bool, Error> {
            let request = requests.request(id)?;
            Ok(request.is_some_and(|request| request.status.holds_slot()))
        };
        let mut to_mend = Vec::new();
        for (account, slots, lacks, others) in all {
            let (mut idle, mut lacking) = (false, false);
            for id in &others {
                idle |= !holds(id)?;
            }
            // One without a request gets its slot with it.
            for id in lacks {
                lacking |= holds(id)?;
            }
            if lacking || idle {
                to_mend.push((account, slots));
            }
        }
        Ok(to_mend)
    }

    /// Has an account's slots agree with the connections that EC2 shows: those that lack one get
    /// one, those that nobody holds are given back. Answers whether anything had to be changed.
    pub(crate) async fn mend_slots(
        &self,
        service: &ServiceId,
        account: &AccountId,
        slots: &Slots,
        connected: &[EndpointId],
    ) -> Result<bool, Arc<Error>> {
        let held = |id: &EndpointId| slots.endpoints.contains(id.as_str());
        let lacking = !connected.iter().all(held);
        if lacking {
            tracing::info!(service_id = %service, account_id = %account, "connections counted that were not");
            self.count_slots(service, account, connected).await?;
        }
        let idle = self
            .give_slots_back(service, account, slots, connected)
            .await?;
        Ok(lacking || idle)
    }

    /// Gives slots back that nobody holds any more; answers whether there were any. A slot is held
    /// by what EC2 shows as connected and by what a request is about to connect. What was read of
    /// the slots must be older than what is read here of the requests.
    async fn give_slots_back(
        &self,
        service: &ServiceId,
        account: &AccountId,
        slots: &Slots,
        connected: &[EndpointId],
    ) -> Result<bool, Arc<Error>> {
        let is_connected: BTreeSet<&EndpointId> = connected.iter().collect();
        let suspects: Vec<EndpointId> = slots
            .endpoints
            .iter()
            .filter_map(|id| id.parse().ok())
            .filter(|id| !is_connected.contains(id))
            .collect();
        let keys = suspects.iter().cloned().map(Key::Request).collect();
        let what =
            format!("the requests that {account}'s usage of {service} counts could not be read");
        let items = self.read(keys, &what).await?;
        let mut stale = Vec::new();
        for id in suspects {
            let held = items
                .request(&id)?
                .is_some_and(|request| request.status.holds_slot());
            if !held {
                stale.push(id.to_string());
            }
        }
        if stale.is_empty() {
            return Ok(false);
        }
        tracing::info!(service_id = %service, account_id = %account, ?stale, "slots given back");
        self.client
            .update_item()
            .table_name(&self.requests)
            .set_key(Some(Key::Slots(service.clone(), account.clone()).item()))
            .update_expression("DELETE endpoints :stale")
            .expression_attribute_values(":stale", AttributeValue::Ss(stale))
            .send()
            .await
            .map_err(|error| {
                let what = format!("the usage of {account} on {service} could not be given back");
                let call = self.writing("dynamodb:UpdateItem", Retryable::UpdateSlots, what);
                call.failed(error)
            })?;
        Ok(true)
    }

    /// The endpoints with an open request on a service, from the index, page by page: no more is
    /// kept of each than its id.
    pub(crate) async fn open_requests(
        &self,
        service: &ServiceId,
    ) -> Result<BTreeSet<EndpointId>, Arc<Error>> {
        let mut items = self
            .client
            .query()
            .table_name(&self.requests)
            .index_name(OPEN_INDEX)
            .key_condition_expression("open_service_id = :service")
            .expression_attribute_values(":service", text(service.as_str()))
            .projection_expression("pk")
            .into_paginator()
            .items()
            .send();
        let what = format!("the open requests of {service} could not be listed");
        let call = self.reading("dynamodb:Query", what);
        let mut ids = BTreeSet::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| call.failed(error))?;
            let id = item.get("pk").and_then(|pk| pk.as_s().ok());
            ids.extend(id.and_then(|id| id.parse::<EndpointId>().ok()));
        }
        Ok(ids)
    }

    /// The history of a request, oldest first.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or a row makes no sense.
    pub async fn history(&self, endpoint: &EndpointId) -> Result<Vec<Transition>, Arc<Error>> {
        let query = self
            .client
            .query()
            .table_name(&self.requests)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :history)")
            .expression_attribute_values(":pk", text(endpoint.as_str()))
            .expression_attribute_values(":history", text("history#"));
        let mut rows = Vec::new();
        let what = format!("the history of {endpoint} could not be read");
        let call = self.reading("dynamodb:Query", what);
        for item in all_of(query, call).await? {
            let row: Result<HistoryItem, _> = serde_dynamo::from_item(item);
            let row = row.map_err(|error| {
                let unreadable = UnreadableItem::new(format!("{endpoint} / history"), error);
                unreadable.read_in(self.step)
            })?;
            rows.push(row.transition);
        }
        Ok(rows)
    }

    /// The request of an endpoint, if there is one.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or the item makes no sense.
    pub async fn request(&self, endpoint: &EndpointId) -> Result<Option<Request>, Arc<Error>> {
        let what = format!("the request of {endpoint} could not be read");
        let key = Key::Request(endpoint.clone());
        let items = self.read([key].into(), &what).await?;
        Ok(items.request(endpoint)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatekeeper_core::caller::OtherName;
    use gatekeeper_core::judge::{Decision, FailedCondition};
    use gatekeeper_core::request::{Cause, Ec2Answer};
    use gatekeeper_core::vote::{Channel, Choice};

    fn verdict() -> Verdict {
        Verdict {
            decision: Decision::Review,
            rule: Some(gatekeeper_core::policy::Rule {
                service_id: "*".parse().unwrap(),
                principal: "012345678901".parse().unwrap(),
                effect: gatekeeper_core::policy::Effect::Allow,
            }),
            failed: vec![
                FailedCondition::MaxConnections { held: 2, max: 2 },
                FailedCondition::Regions {
                    region: "us-east-1".parse().unwrap(),
                    allowed: vec!["eu-central-1".parse().unwrap()],
                },
            ],
            reason: "because".to_owned(),
        }
    }

    fn request(actor: Actor) -> Request {
        Request {
            endpoint_id: "vpce-0123456789abcdef0".parse().unwrap(),
            service_id: "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap(),
            account_id: "012345678901".parse().unwrap(),
            region: "eu-central-1".parse().unwrap(),
            status: Status::Accepting,
            version: 3,
            revision: 5,
            verdict: verdict(),
            decided_by: actor,
            decided_in: 2,
            other_names: OtherNames {
                listed: vec![OtherName {
                    version: 2,
                    name: "arn:aws:iam::111122223333:user/mallory".parse().unwrap(),
                    at: "2026-11-20T12:05:00Z".parse().unwrap(),
                }],
                more: true,
            },
            opened_at: "2026-11-20T12:00:00.123456789Z".parse().unwrap(),
            status_since: "2026-11-20T12:00:01Z".parse().unwrap(),
            claimed_until: Some("2026-11-20T12:02:01Z".parse().unwrap()),
            service_name: Some("Payments API".parse().unwrap()),
            customer: Some("Example GmbH".to_owned()),
            review: Some(2),
            asked: ["alice@example.com".parse().unwrap()].into(),
            letters_at: Some("2026-11-20T12:00:00Z".parse().unwrap()),
            deciders: 1,
            approvals_required: 1,
            votes: vec![Vote {
                approver: "alice@example.com".parse().unwrap(),
                choice: Choice::Approve,
                reason: "Contract 7.".to_owned(),
                at: "2026-11-20T12:00:01Z".parse().unwrap(),
                channel: Channel::Slack,
                taken_back: false,
                void: false,
            }],
            deadline: None,
            deadline_rejects: true,
            reminders: 2,
            reminded_at: Some("2026-11-20T13:00:00Z".parse().unwrap()),
            past_policy: true,
            due: Some("2026-11-21T12:00:01Z".parse().unwrap()),
            reported_at: None,
            retried_at: Some("2026-11-20T12:00:01Z".parse().unwrap()),
            stays_rejected: Some(StaysRejected {
                allow: verdict().rule.unwrap(),
                told_at: "2026-11-20T12:00:02Z".parse().unwrap(),
            }),
            out_of_reach_since: Some("2026-11-20T12:00:03Z".parse().unwrap()),
            purged: verdict().rule,
        }
    }

    #[test]
    fn a_request_is_read_as_it_is_written() {
        for actor in [
            Actor::Policy(verdict().rule),
            Actor::Policy(None),
            Actor::Iam("arn:aws:iam::111122223333:user/alice".to_owned()),
            Actor::Approver("alice@example.com".to_owned()),
            Actor::Aws,
            Actor::Unknown,
            Actor::Found,
            Actor::Schedule,
        ] {
            let request = request(actor);
            let item = encode_request(&request).unwrap();
            assert!(item.contains_key("open_service_id"));
            assert_eq!(decode_request(item).unwrap(), request);
        }
    }

    #[test]
    fn a_review_from_before_reviews_had_numbers_has_one() {
        let mut request = request(Actor::Policy(None));
        request.status = Status::InReview;
        let mut item = encode_request(&request).unwrap();
        for name in ["review", "asked", "deciders", "approvals_required", "votes"] {
            item.remove(name);
        }
        let read = decode_request(item).unwrap();
        assert_eq!((read.review, read.votes.len()), (Some(3), 0));
    }

    #[test]
    fn a_history_row_is_read_as_it_is_written() {
        let transition = Transition {
            from: Some(Status::Accepting),
            to: Status::Accepted,
            cause: Cause::Enforced,
            at: "2026-11-20T12:00:00Z".parse().unwrap(),
            actor: Actor::Policy(verdict().rule),
            reason: "EC2 accepted it.".to_owned(),
            ec2: Some(Ec2Answer {
                code: "ok".to_owned(),
                request_id: None,
            }),
            votes: Vec::new(),
        };
        let item = encode_history(&request(Actor::Unknown), &transition).unwrap();
        assert_eq!(item.get("sk").unwrap().as_s().unwrap(), "history#00000003");
        let row: HistoryItem = serde_dynamo::from_item(item).unwrap();
        assert_eq!(row.transition, transition);
        // Where it ends a review, the votes are kept with it.
        let ends = Transition {
            from: Some(Status::InReview),
            ..transition
        };
        let item = encode_history(&request(Actor::Unknown), &ends).unwrap();
        let row: HistoryItem = serde_dynamo::from_item(item).unwrap();
        assert_eq!(row.transition.votes, request(Actor::Unknown).votes);
    }
}
