//! Requests and their history, to items and back.

use std::collections::BTreeSet;
use std::sync::Arc;

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

use super::item::{Item, all_of, text};
use super::keys::encode;
use super::{Db, Items, Key, Unencodable, UnreadableItem};
use crate::error::Error;

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
    notified: BTreeSet<ApproverId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approval_emails_at: Option<Timestamp>,
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
        notified: request.notified,
        approval_emails_at: request.approval_emails_at,
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
        notified: item.notified,
        approval_emails_at: item.approval_emails_at,
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

/// Reads a row of a history: the endpoint, the request's version, and the transition.
pub(super) fn decode_history(item: Item) -> Result<(EndpointId, u64, Transition), UnreadableItem> {
    let row: HistoryItem = serde_dynamo::from_item(item)
        .map_err(|error| UnreadableItem::new("a history".to_owned(), error))?;
    Ok((row.pk, row.version, row.transition))
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
}

/// Requests and their history, to be read.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    db: Db,
}

impl Requests {
    pub(crate) fn new(db: &Db) -> Self {
        Self { db: db.clone() }
    }

    /// The request of an endpoint, if there is one.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or the item makes no sense.
    pub(crate) async fn request(
        &self,
        endpoint: &EndpointId,
    ) -> Result<Option<Request>, Arc<Error>> {
        let what = format!("the request of {endpoint} could not be read");
        let key = Key::Request(endpoint.clone());
        let items = self.db.read([key].into(), &what).await?;
        Ok(items.request(endpoint)?)
    }

    /// The requests of these endpoints, as far as there are any; `what` says what could not be read if it fails.
    pub(crate) async fn several(
        &self,
        endpoints: impl IntoIterator<Item = EndpointId>,
        what: &str,
    ) -> Result<Items, Arc<Error>> {
        let keys = endpoints.into_iter().map(Key::Request).collect();
        self.db.read(keys, what).await
    }

    /// The history of a request, oldest first.
    ///
    /// # Errors
    /// If DynamoDB cannot be read, or a row makes no sense.
    pub(crate) async fn history(
        &self,
        endpoint: &EndpointId,
    ) -> Result<Vec<Transition>, Arc<Error>> {
        let query = self
            .db
            .client
            .query()
            .table_name(&self.db.requests)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :history)")
            .expression_attribute_values(":pk", text(endpoint.as_str()))
            .expression_attribute_values(":history", text("history#"));
        let mut rows = Vec::new();
        let what = format!("the history of {endpoint} could not be read");
        let call = self.db.reading("dynamodb:Query", what);
        for item in all_of(query, call).await? {
            let row: Result<HistoryItem, _> = serde_dynamo::from_item(item);
            let row = row.map_err(|error| {
                let unreadable = UnreadableItem::new(format!("{endpoint} / history"), error);
                unreadable.read_in(self.db.step)
            })?;
            rows.push(row.transition);
        }
        Ok(rows)
    }

    /// The endpoints with an open request on a service, from the index, page by page: no more is
    /// kept of each than its id.
    pub(crate) async fn open_requests(
        &self,
        service: &ServiceId,
    ) -> Result<BTreeSet<EndpointId>, Arc<Error>> {
        let mut items = self
            .db
            .client
            .query()
            .table_name(&self.db.requests)
            .index_name(OPEN_INDEX)
            .key_condition_expression("open_service_id = :service")
            .expression_attribute_values(":service", text(service.as_str()))
            .projection_expression("pk")
            .into_paginator()
            .items()
            .send();
        let what = format!("the open requests of {service} could not be listed");
        let call = self.db.reading("dynamodb:Query", what);
        let mut ids = BTreeSet::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| call.failed(error))?;
            let id = item.get("pk").and_then(|pk| pk.as_s().ok());
            ids.extend(id.and_then(|id| id.parse::<EndpointId>().ok()));
        }
        Ok(ids)
    }

    /// All open reviews, of all services, from the index.
    pub(crate) async fn open_reviews(&self) -> Result<Vec<Request>, Arc<Error>> {
        let mut items = self
            .db
            .client
            .scan()
            .table_name(&self.db.requests)
            .index_name(OPEN_INDEX)
            .filter_expression("#status = :in_review")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":in_review", text(Status::InReview.as_str()))
            .into_paginator()
            .items()
            .send();
        let call = self
            .db
            .reading("dynamodb:Scan", "the open reviews could not be listed");
        let mut reviews = Vec::new();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| call.failed(error))?;
            match decode_request(item) {
                Ok(review) => reviews.push(review),
                // Whoever decides it reports it each time.
                Err(error) => tracing::warn!(%error, "a request is passed over"),
            }
        }
        Ok(reviews)
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
            notified: ["alice@example.com".parse().unwrap()].into(),
            approval_emails_at: Some("2026-11-20T12:00:00Z".parse().unwrap()),
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
                announced_at: "2026-11-20T12:00:02Z".parse().unwrap(),
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
        for name in [
            "review",
            "notified",
            "deciders",
            "approvals_required",
            "votes",
        ] {
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
