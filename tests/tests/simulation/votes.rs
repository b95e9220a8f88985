//! Votes: who may decide by the current policy, and what the record may say about it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::item::text;
use crate::ledger::{Endpoint, Ledger, Request};
use crate::policy::Entitlement;

/// The votes of a request.
pub(crate) fn votes_of(item: &Value) -> impl Iterator<Item = &Value> {
    item["votes"].as_array().into_iter().flatten()
}

/// The position of a vote in the allowed order.
fn step(choice: &str) -> usize {
    let steps = ["approve", "withdraw", "reject"];
    steps.iter().position(|step| *step == choice).unwrap()
}

impl Ledger {
    /// An approval e-mail was sent.
    pub(crate) fn approval_email_sent(
        &mut self,
        document: &Value,
        approver: &str,
        approval_email: &str,
    ) {
        let review = document["review"]["number"].as_u64().unwrap_or_default();
        let first = (text(document, "id"), text(document, "endpoint_id"), review);
        let others = document["others"].as_array().into_iter().flatten();
        let others = others.map(|one| {
            let number = one["number"].as_u64().unwrap_or_default();
            (text(one, "id"), text(one, "endpoint_id"), number)
        });
        let token = approval_email.split_once("/a/").map(|(_, rest)| rest);
        let token = token.and_then(|rest| rest.split_whitespace().next());
        for (id, endpoint, review) in [first].into_iter().chain(others) {
            let id = format!("{id}@{approver}");
            self.note(format!("approval e-mail by {}: {id}", self.caller));
            *self.announced.entry(id.clone()).or_default() += 1;
            if !self.called_for.contains(&id) {
                let how = format!("the e-mail {id} is sent and not on record");
                self.broken("announce", how);
            }
            self.stands_for_earlier(&id, approver);
            match token {
                Some(token) => {
                    let (endpoint, approver) = (endpoint.to_owned(), approver.to_owned());
                    let approval_email = (endpoint, review, approver, token.to_owned());
                    self.approval_emails.push(approval_email);
                }
                None => self.broken("announce", format!("the e-mail {id} has no link")),
            }
        }
    }

    /// An e-mail that waited together with a later one about the same review is not sent: the later
    /// one says everything.
    fn stands_for_earlier(&mut self, id: &str, approver: &str) {
        let revision = |id: &str| id.split('.').nth(1).and_then(|n| n.parse::<u64>().ok());
        let (review, _) = id.split_once('.').unwrap_or((id, ""));
        let is_earlier = |other: &&String| {
            other.starts_with(&format!("{review}."))
                && other.ends_with(&format!("@{approver}"))
                && revision(other) < revision(id)
        };
        let earlier: Vec<String> = self.called_for.iter().filter(is_earlier).cloned().collect();
        for id in earlier {
            self.announced.entry(id).or_default();
        }
    }

    /// Votes are added one at a time, while the review is open; and of one approver they go from approved to
    /// withdrawn to rejected, and never back.
    pub(crate) fn votes_follow(&mut self, before: Option<&Request>, after: &Request, short: &str) {
        let none = Vec::new();
        let stood = before.map_or(&none, |before| &before.votes);
        let opens = before.map(|before| before.review) != Some(after.review);
        if opens && after.status == "in_review" {
            if !after.votes.is_empty() {
                self.broken("S5", format!("{short}: a review opens with votes"));
            }
            return;
        }
        let kept = after.votes.starts_with(stood);
        let added = &after.votes[stood.len().min(after.votes.len())..];
        let in_review = before.is_some_and(|before| before.status == "in_review");
        let goes_back = added.iter().any(|(approver, choice)| {
            let mut earlier = stood.iter().filter(|(voter, _)| voter == approver);
            earlier.any(|(_, earlier)| step(earlier) >= step(choice))
        });
        if !kept || added.len() > 1 || goes_back || (!added.is_empty() && !in_review) {
            let votes = &after.votes;
            self.broken("S5", format!("{short}: {stood:?} was said, now {votes:?}"));
        }
    }

    /// S1 and S3: what votes decide, by those who may decide at the moment of recording.
    pub(crate) fn is_voted(
        &mut self,
        known: &Endpoint,
        item: &Value,
        after: &Request,
        row: &Value,
        short: &str,
    ) {
        let subject = &known.subject;
        let now = self.clock.now();
        // Each person's last vote.
        let mut people: BTreeMap<String, String> = BTreeMap::new();
        let mut rejected = false;
        for vote in votes_of(item) {
            let approver = text(vote, "approver");
            let Some(person) = self.policy.decider(approver, subject) else {
                continue;
            };
            let choice = text(vote, "choice");
            rejected |= choice == "reject";
            people.insert(person, choice.to_owned());
        }
        let approve = people.values().filter(|choice| *choice == "approve");
        let approve = approve.count();
        let required = self.policy.number(&subject.service, "approvals_required");
        let required = required.unwrap_or(1).max(1);
        let fits = match after.status.as_str() {
            "accepting" => !rejected && approve as u64 >= required,
            _ => rejected,
        };
        if !fits {
            let votes = &item["votes"];
            self.broken(
                "S1",
                format!("{short}: {required} needed of those who may decide, the votes: {votes}"),
            );
        }
        if votes_of(row).count() != votes_of(item).count() {
            self.broken("S6", format!("{short}: the row does not keep the votes"));
        }
        let denied = self.policy.entitlement(subject, now) == Entitlement::Denied;
        if after.status == "accepting" && denied {
            self.broken("S3", format!("{short}: denied, and approved by people"));
        }
    }
}
