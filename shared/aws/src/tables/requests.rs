//! Requests and their history, to items and back.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatekeeper_core::ids::{EndpointId, ServiceId};
use gatekeeper_core::request::{Request, Status, Transition};
use serde::{Deserialize, Serialize};

use super::item::{Item, all_of, text};
use super::keys::encode;
use super::{Db, Items, Key, Unencodable, UnreadableItem};
use crate::error::Error;

/// Only requests that are not gone carry this attribute, so the index holds no others.
pub(super) const OPEN_INDEX: &str = "open";

/// The index's partition; absent once the request is gone.
const OPEN_SERVICE: &str = "open_service_id";

/// The endpoint's id as core's `Request` names it. In the item it is the key.
const ENDPOINT: &str = "endpoint_id";

/// A row of history: the transition, and which one it was.
#[derive(Debug, Serialize, Deserialize)]
struct HistoryItem {
    pk: EndpointId,
    sk: String,
    version: u64,
    #[serde(flatten)]
    transition: Transition,
}

/// The fields of the request, with the item's keys.
pub(super) fn encode_request(request: &Request) -> Result<Item, Unencodable> {
    let key = Key::Request(request.endpoint_id.clone());
    let mut item = encode(&key, request)?;
    item.remove(ENDPOINT);
    let (pk, sk) = key.values();
    item.insert("pk".to_owned(), text(pk));
    item.insert("sk".to_owned(), text(sk));
    if request.status != Status::Gone {
        item.insert(OPEN_SERVICE.to_owned(), text(request.service_id.as_str()));
    }
    Ok(item)
}

pub(super) fn decode_request(mut item: Item) -> Result<Request, UnreadableItem> {
    let pk = item.remove("pk");
    let name = pk
        .as_ref()
        .and_then(|value| value.as_s().ok())
        .map_or_else(|| "?".to_owned(), |pk| format!("{pk} / request"));
    item.extend(pk.map(|pk| (ENDPOINT.to_owned(), pk)));
    serde_dynamo::from_item(item).map_err(|error| UnreadableItem::new(name, error))
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
            .key_condition_expression(format!("{OPEN_SERVICE} = :service"))
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
                // The handler that decides it reports it each time.
                Err(error) => tracing::warn!(%error, "a request is passed over"),
            }
        }
        Ok(reviews)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatekeeper_core::judge::{Decision, FailedCondition, Verdict};
    use gatekeeper_core::other_names::{OtherName, OtherNames};
    use gatekeeper_core::rejection::StaysRejected;
    use gatekeeper_core::request::{Actor, Cause, Ec2Answer};
    use gatekeeper_core::vote::{Channel, Choice, Vote};

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
    fn an_item_holds_each_field_once_and_its_keys() {
        let written = request(Actor::Policy(None));
        let item = encode_request(&written).unwrap();
        assert!(!item.contains_key(ENDPOINT));
        assert_eq!(item["pk"], text(written.endpoint_id.as_str()));
        assert_eq!(item["sk"], text("request"));
        assert_eq!(item[OPEN_SERVICE], text(written.service_id.as_str()));
        let mut gone = written;
        gone.status = Status::Gone;
        assert!(!encode_request(&gone).unwrap().contains_key(OPEN_SERVICE));
    }

    #[test]
    fn an_unreadable_request_is_named() {
        let mut item = encode_request(&request(Actor::Policy(None))).unwrap();
        item.insert("status".to_owned(), text("acepted"));
        let error = decode_request(item).unwrap_err().to_string();
        assert!(
            error.contains("vpce-0123456789abcdef0 / request"),
            "{error}"
        );
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
