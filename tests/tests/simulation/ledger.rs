//! The record, kept by watching DynamoDB's engine, and the rules that each write is checked against
//! when it is made.

use std::collections::{BTreeMap, BTreeSet};

use gatekeeper_aws::clock::Clock;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::item::{plain, text, time};
use crate::policy::{Policy, Subject};
use crate::rules::is_legal;
use crate::trace::Trace;
use crate::votes::votes_of;

/// A request, as it was last written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) service: String,
    pub(crate) account: String,
    pub(crate) status: String,
    pub(crate) version: u64,
    pub(crate) since: Timestamp,
    /// The kind of actor of the current decision.
    pub(crate) decided_by: String,
    /// Whether somebody accepted it against the policy, and nothing has allowed it since.
    pub(crate) past_policy: bool,
    /// Whether it was tried again after a rejection.
    pub(crate) retried: bool,
    /// When it is revoked, after its grace period.
    pub(crate) due: Option<Timestamp>,
    /// The votes of its last review: voter and choice.
    pub(crate) votes: Vec<(String, String)>,
    /// The version at which that review opened.
    pub(crate) review: u64,
}

/// A row of history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) from: Option<String>,
    pub(crate) to: String,
    pub(crate) cause: String,
}

/// What really happened to an endpoint's connection at EC2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    Accepted,
    Rejected,
    Deleted,
}

/// An endpoint, as the consumer made it.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) subject: Subject,
    pub(crate) managed: bool,
    pub(crate) facts: Vec<(Timestamp, Fact)>,
}

impl Endpoint {
    pub(crate) fn last(&self, fact: Fact) -> Option<Timestamp> {
        let mut facts = self.facts.iter().rev();
        facts.find(|(_, it)| *it == fact).map(|(at, _)| *at)
    }
}

/// Everything that is known, and the broken rules.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) clock: Clock,
    pub(crate) trace: Trace,
    pub(crate) violations: Vec<String>,
    pub(crate) policy: Policy,
    pub(crate) endpoints: BTreeMap<String, Endpoint>,
    pub(crate) requests: BTreeMap<String, Request>,
    pub(crate) rows: BTreeMap<String, Vec<Row>>,
    /// Items of the outbox that were written and not deleted, by id, with the messages that each is
    /// to become.
    pub(crate) outbox: BTreeMap<String, Vec<String>>,
    /// Announcements that were published, by id, and how often.
    pub(crate) announced: BTreeMap<String, usize>,
    /// Announcements that some transition required, by id.
    pub(crate) called_for: BTreeSet<String>,
    /// Usage that went down: service and account.
    pub(crate) released: Vec<(String, String)>,
    /// The caller of the current call.
    pub(crate) caller: String,
    /// How many connections each run has begun to revoke, by caller and service.
    pub(crate) starts: BTreeMap<(String, String), u64>,
    /// How many connections each run has revoked, by caller and service.
    pub(crate) revocations: BTreeMap<(String, String), u64>,
    /// When each caller's run began.
    pub(crate) began: BTreeMap<String, Timestamp>,
    /// The policy as each caller has read it since its run began.
    pub(crate) readings: BTreeMap<String, Vec<Policy>>,
    tokens: BTreeSet<String>,
    /// The findings of each service, from its item.
    findings: BTreeMap<String, Value>,
    /// The approval e-mails: endpoint, review, approver, and token.
    pub(crate) approval_emails: Vec<(String, u64, String, String)>,
    /// Links that were used.
    used: BTreeSet<String>,
}

impl Ledger {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            trace: Trace::default(),
            violations: Vec::new(),
            policy: Policy::default(),
            endpoints: BTreeMap::new(),
            requests: BTreeMap::new(),
            rows: BTreeMap::new(),
            outbox: BTreeMap::new(),
            announced: BTreeMap::new(),
            called_for: BTreeSet::new(),
            released: Vec::new(),
            caller: String::new(),
            starts: BTreeMap::new(),
            revocations: BTreeMap::new(),
            began: BTreeMap::new(),
            readings: BTreeMap::new(),
            tokens: BTreeSet::new(),
            findings: BTreeMap::new(),
            approval_emails: Vec::new(),
            used: BTreeSet::new(),
        }
    }

    pub(crate) fn note(&mut self, what: impl AsRef<str>) {
        self.trace.note(self.clock.now(), what.as_ref());
    }

    /// Notes that a rule is broken.
    pub(crate) fn broken(&mut self, rule: &str, how: impl AsRef<str>) {
        let line = format!("{rule} BROKEN: {}", how.as_ref());
        self.note(&line);
        self.violations.push(line);
    }

    /// The other endpoints of the same consumer on the same service that count as usage.
    pub(crate) fn others(&self, subject: &Subject) -> usize {
        let holds = |status: &str| matches!(status, "accepting" | "accepted" | "revoking");
        let others = self.requests.iter().filter(|(endpoint, request)| {
            **endpoint != subject.endpoint
                && request.service == subject.service
                && request.account == subject.account
                && holds(&request.status)
        });
        others.count()
    }

    /// The same, with those that EC2 shows as connected and that have no request yet: comparing
    /// usage with EC2 counts them.
    pub(crate) fn others_shown(&self, subject: &Subject) -> usize {
        let unrecorded = self.endpoints.iter().filter(|(id, endpoint)| {
            let request = self.requests.get(*id);
            let holds = |status: &str| matches!(status, "accepting" | "accepted" | "revoking");
            **id != subject.endpoint
                && endpoint.subject.service == subject.service
                && endpoint.subject.account == subject.account
                && matches!(endpoint.facts.last(), Some((_, Fact::Accepted)))
                && !request.is_some_and(|request| holds(&request.status))
        });
        self.others(subject) + unrecorded.count()
    }

    /// The engine has carried out an operation.
    pub(crate) fn engine_did(&mut self, operation: &str, request: &[u8], done: bool) {
        if !done {
            return;
        }
        if matches!(operation, "BatchGetItem" | "Query") {
            let readings = self.readings.entry(self.caller.clone()).or_default();
            if readings.last() != Some(&self.policy) {
                readings.push(self.policy.clone());
            }
            return;
        }
        let body: Value = serde_json::from_slice(request).unwrap_or_default();
        let of_allowlist = body["TableName"] == "allowlist";
        match operation {
            "PutItem" if of_allowlist => {
                self.note(format!("policy put {}", plain(&body["Item"])));
                self.policy.put(&body["Item"]);
            }
            "DeleteItem" if of_allowlist => {
                self.note(format!("policy removed {}", plain(&body["Key"])));
                self.policy.remove(&body["Key"]);
            }
            "TransactWriteItems" => self.transaction(&body),
            "UpdateItem" => self.update(&body),
            "BatchWriteItem" => self.unannounced(&body),
            _ => {}
        }
    }

    /// A run begins.
    pub(crate) fn begins(&mut self, name: &str) {
        self.readings.remove(name);
        self.starts.retain(|(caller, _), _| caller != name);
        self.revocations.retain(|(caller, _), _| caller != name);
        self.began.insert(name.to_owned(), self.clock.now());
        self.note(format!("{name} starts"));
    }

    fn transaction(&mut self, body: &Value) {
        // The same transaction again, after its answer was lost, is answered and does nothing.
        let token = body["ClientRequestToken"].as_str().unwrap_or_default();
        if !token.is_empty() && !self.tokens.insert(token.to_owned()) {
            return;
        }
        let (mut request, mut row, mut left) = (None, None, Vec::new());
        let mut findings = None;
        for part in body["TransactItems"].as_array().into_iter().flatten() {
            if let Some(put) = part.get("Put") {
                let item = plain(&put["Item"]);
                match (text(&item, "pk"), text(&item, "sk")) {
                    (pk, _) if pk.starts_with("outbox#") => left.push(item),
                    ("state", _) => findings = Some(item),
                    (_, "request") => request = Some(item),
                    (_, sk) if sk.starts_with("history#") => row = Some(item),
                    _ => {}
                }
            }
            if let Some(update) = part.get("Update") {
                let link = text(&plain(&update["Key"]), "pk").to_owned();
                if !link.starts_with("link#") {
                    self.usage(update);
                } else if !self.used.insert(link) {
                    self.broken("S5", "a link is used a second time");
                }
            }
        }
        if left.len() > 1 && request.is_some() {
            self.broken("S6", "a change left more than one item in the outbox");
        }
        let (mut ids, mut announced) = (Vec::new(), false);
        for item in left {
            let messages = messages_of(&item);
            announced |= messages.iter().any(|id| !id.contains('@'));
            self.outbox
                .insert(text(&item, "sk").to_owned(), messages.clone());
            ids.extend(messages);
        }
        if let Some(item) = request {
            self.moved(&item, row.as_ref(), announced);
        } else if let (None, Some(item)) = (row, findings) {
            self.found(&item, announced);
        } else {
            self.broken(
                "S6",
                "a history row or an announcement was written without its request",
            );
        }
        self.called_for.extend(ids);
    }

    /// A service's findings were written: none begins or ends without an announcement.
    fn found(&mut self, item: &Value, announced: bool) {
        let service = text(item, "sk").to_owned();
        let empty = || Value::Object(Map::new());
        let now = item.get("findings").cloned().unwrap_or_else(empty);
        let before = self.findings.insert(service.clone(), now.clone());
        if (before.unwrap_or_else(empty) != now) != announced {
            self.broken("S6", format!("{service}: announced {announced}, and {now}"));
        }
    }

    /// A request was written.
    fn moved(&mut self, item: &Value, row: Option<&Value>, announced: bool) {
        let endpoint = text(item, "pk").to_owned();
        let before = self.requests.get(&endpoint).cloned();
        let after = Request {
            service: text(item, "service_id").to_owned(),
            account: text(item, "account_id").to_owned(),
            status: text(item, "status").to_owned(),
            version: item["version"].as_u64().unwrap_or_default(),
            since: time(item, "status_since").unwrap_or(Timestamp::MIN),
            decided_by: text(&item["decided_by"], "kind").to_owned(),
            past_policy: item["past_policy"] == Value::Bool(true),
            retried: item.get("retried_at").is_some(),
            due: time(item, "due"),
            votes: votes_of(item)
                .map(|vote| {
                    let word = |name| text(vote, name).to_owned();
                    (word("approver"), word("choice"))
                })
                .collect(),
            review: item["review"].as_u64().unwrap_or_default(),
        };
        let short = format!(
            "{} {endpoint}: {} -> {} v{}{}",
            self.caller,
            before.as_ref().map_or("-", |request| &request.status),
            after.status,
            after.version,
            row.map_or(" (claimed or noted)".to_owned(), |row| format!(
                " ({})",
                text(row, "cause")
            ))
        );
        self.note(format!("recorded by {short}"));
        self.is_ec2s(&endpoint, item, &short);
        self.follows(&endpoint, before.as_ref(), &after, row, &short);
        if let Some(known) = self.endpoints.get(&endpoint).cloned() {
            self.may_be(&known, item, &after, row, &short);
            self.votes_follow(before.as_ref(), &after, &short);
            if let Some(row) = row {
                if text(row, "cause") == "revoked" {
                    self.starts(&known.subject, &short);
                }
                if text(row, "cause") == "voted" {
                    self.is_voted(&known, item, &after, row, &short);
                }
                self.is_so(&known, row, &short);
                self.is_announced(before.as_ref(), &after, row, announced, &short);
            }
        }
        if before.is_some_and(|before| before.status != after.status)
            && matches!(
                after.status.as_str(),
                "rejected" | "gone" | "rejecting" | "in_review"
            )
        {
            self.released
                .push((after.service.clone(), after.account.clone()));
        }
        self.requests.insert(endpoint, after);
    }

    /// S4: EC2 says whose connection it is.
    fn is_ec2s(&mut self, endpoint: &str, item: &Value, short: &str) {
        let Some(known) = self.endpoints.get(endpoint) else {
            return self.broken("S4", format!("{short}: EC2 never had such an endpoint"));
        };
        let subject = &known.subject;
        let same = text(item, "service_id") == subject.service
            && text(item, "account_id") == subject.account
            && text(item, "region") == subject.region;
        let managed = known.managed;
        if !same {
            self.broken(
                "S4",
                format!("{short}: EC2 says {:?}", self.endpoints[endpoint].subject),
            );
        }
        if !managed {
            self.broken("S4", format!("{short}: the service is not managed"));
        }
    }

    /// S5 and S6: one step from the request's status, with its row.
    fn follows(
        &mut self,
        endpoint: &str,
        before: Option<&Request>,
        after: &Request,
        row: Option<&Value>,
        short: &str,
    ) {
        let stood = before.map(|request| request.status.clone());
        let version = before.map_or(0, |request| request.version);
        let Some(row) = row else {
            if stood.as_ref() != Some(&after.status) || version != after.version {
                self.broken("S6", format!("{short}: changed without a history row"));
            }
            return;
        };
        if after.version != version + 1 {
            self.broken("S5", format!("{short}: the version before was {version}"));
        }
        let made = Row {
            from: row["from"].as_str().map(str::to_owned),
            to: text(row, "to").to_owned(),
            cause: text(row, "cause").to_owned(),
        };
        if made.from != stood || made.to != after.status {
            self.broken("S6", format!("{short}: its row says {made:?}"));
        }
        if !is_legal(&made.cause, made.from.as_deref(), &made.to) {
            self.broken("S5", format!("{short}: no such transition"));
        }
        let rows = self.rows.entry(endpoint.to_owned()).or_default();
        rows.push(made);
        let (count, numbered) = (rows.len() as u64, row["version"].as_u64());
        if numbered != Some(after.version) || count != after.version {
            self.broken(
                "S6",
                format!("{short}: row {numbered:?}, which is the {count}th"),
            );
        }
    }

    /// An outcome is recorded only if it happened.
    fn is_so(&mut self, known: &Endpoint, row: &Value, short: &str) {
        let fact = match (text(row, "to"), text(row, "cause")) {
            ("accepted", _) => Fact::Accepted,
            ("rejected", _) => Fact::Rejected,
            ("gone", _) => Fact::Deleted,
            _ => return,
        };
        if known.last(fact).is_none() {
            self.broken("S5", format!("{short}: at EC2 it never was"));
        }
    }

    /// Whether a transition is announced.
    fn is_announced(
        &mut self,
        before: Option<&Request>,
        after: &Request,
        row: &Value,
        announced: bool,
        short: &str,
    ) {
        let stood = before.map(|request| request.status.as_str());
        let must = match (text(row, "cause"), after.status.as_str(), stood) {
            (_, "in_review", _)
            | ("voted", _, _)
            | ("enforced", "accepted" | "rejected", _)
            | ("revoked" | "restored" | "refused", _, _) => true,
            (_, "gone", stood) => !matches!(stood, Some("rejected" | "rejecting")),
            ("out_of_band", _, Some(_)) => {
                // Unless the service only records it, or did when the policy was read.
                let readings = self.readings.get(&self.caller).into_iter().flatten();
                let mut policies = readings.chain([&self.policy]);
                policies.all(|policy| policy.setting(&after.service, "out_of_band").is_none())
            }
            _ => false,
        };
        if must && !announced {
            self.broken("S8", format!("{short}: it will not be announced"));
        }
    }

    fn update(&mut self, body: &Value) {
        if body["Key"]["sk"]["S"] == "usage" {
            self.usage(body);
        }
    }

    fn usage(&mut self, update: &Value) {
        let expression = update["UpdateExpression"].as_str().unwrap_or_default();
        let ids = plain(&update["ExpressionAttributeValues"]);
        let key = text(&plain(&update["Key"]), "pk").to_owned();
        if expression.contains("DELETE endpoints") {
            let mut parts = key.split('#').skip(1).map(str::to_owned);
            if let (Some(service), Some(account)) = (parts.next(), parts.next()) {
                self.released.push((service, account));
            }
        }
        self.note(format!("{} {key}: {expression} {ids}", self.caller));
    }

    /// Messages were deleted from the outbox: only those that were sent may be.
    fn unannounced(&mut self, body: &Value) {
        let mut lost = Vec::new();
        for write in body["RequestItems"]["requests"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let key = plain(&write["DeleteRequest"]["Key"]);
            let id = text(&key, "sk").to_owned();
            let untold = self.outbox.remove(&id).unwrap_or_default();
            for id in untold.iter().filter(|id| !self.announced.contains_key(*id)) {
                if self.is_not_to_be_notified(id) {
                    self.called_for.remove(id);
                } else {
                    lost.push(format!("the message {id} was deleted and never sent"));
                }
            }
        }
        for how in lost {
            self.broken("S8", how);
        }
    }

    /// Whether a message is an approver's e-mail about a review that is over, or that they may not
    /// decide, now or in the policy that the caller has read.
    fn is_not_to_be_notified(&self, id: &str) -> bool {
        let Some((review, approver)) = id.split_once('@') else {
            return false;
        };
        let (endpoint, version) = review.split_once('#').unwrap_or((review, ""));
        let number = version.split('.').next().and_then(|n| n.parse().ok());
        let Some(request) = self.requests.get(endpoint) else {
            return true;
        };
        if request.status != "in_review" || Some(request.review) != number {
            return true;
        }
        let subject = &self.endpoints[endpoint].subject;
        let readings = self.readings.get(&self.caller).into_iter().flatten();
        let mut policies = readings.chain([&self.policy]);
        policies.any(|policy| policy.decider(approver, subject).is_none())
    }

    /// An announcement was published.
    pub(crate) fn published(&mut self, document: &Value) {
        let (id, kind) = (
            text(document, "id").to_owned(),
            text(document, "kind").to_owned(),
        );
        self.note(format!("announced by {}: {kind} {id}", self.caller));
        *self.announced.entry(id.clone()).or_default() += 1;
        if !self.called_for.contains(&id) {
            return self.broken(
                "announce",
                format!("{kind} {id} is announced and not on record"),
            );
        }
        if kind.starts_with("alarm_") {
            return;
        }
        let (endpoint, version) = id.split_once('#').unwrap_or((&id, "0"));
        // A note on a request has a revision after the version.
        let version = version
            .split_once('.')
            .map_or(version, |(version, _)| version);
        let version: usize = version.parse().unwrap_or_default();
        let row = self
            .rows
            .get(endpoint)
            .and_then(|rows| rows.get(version.checked_sub(1)?));
        let Some(row) = row.cloned() else {
            return self.broken(
                "announce",
                format!("{kind} {id} is announced and not on record"),
            );
        };
        let fits = match kind.as_str() {
            "review_opened" | "review_reminder" | "nobody_may_decide" | "quorum_out_of_reach" => {
                row.to == "in_review"
            }
            "vote_cast" => row.to == "in_review" || row.cause == "voted",
            "vote_withdrawn" => row.to == "in_review",
            "accepted" | "accepted_out_of_band" | "revocation_undone" | "would_revoke" => {
                row.to == "accepted"
            }
            "rejected"
            | "rejected_out_of_band"
            | "revoked"
            | "accept_refused"
            | "stays_rejected" => row.to == "rejected",
            "revocation_started" => row.to == "revoking",
            "decider_named" | "decider_contradicted" => {
                matches!(row.to.as_str(), "accepted" | "rejected" | "revoking")
            }
            "gone" => row.to == "gone",
            _ => false,
        };
        if !fits {
            self.broken("announce", format!("{kind} {id} is announced for {row:?}"));
        }
        let fact = match kind.as_str() {
            "accepted" | "accepted_out_of_band" => Fact::Accepted,
            "rejected" | "rejected_out_of_band" | "revoked" => Fact::Rejected,
            "gone" => Fact::Deleted,
            _ => return,
        };
        let known = self.endpoints.get(endpoint);
        if known.and_then(|known| known.last(fact)).is_none() {
            self.broken(
                "announce",
                format!("{kind} {id} is announced before EC2 did it"),
            );
        }
    }
}

/// The ids of the messages that an item of the outbox is to become.
fn messages_of(item: &Value) -> Vec<String> {
    let left: Value = serde_json::from_str(text(item, "item")).unwrap();
    let announcements = left["announcements"].as_array().into_iter().flatten();
    let announced = announcements.chain(left.get("finding"));
    let emails = &left["approval_emails"];
    let asked = emails["approvers"].as_array().into_iter().flatten();
    let asked = asked.map(|approver| {
        let approver = approver.as_str().unwrap();
        format!("{}@{approver}", text(&emails["review"], "id"))
    });
    let announced = announced.map(|announced| text(announced, "id").to_owned());
    announced.chain(asked).collect()
}
