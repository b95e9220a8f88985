//! What `replay` prints: a line for each connection with a request, and a summary.

use std::collections::BTreeMap;

use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use gatekeeper_core::judge::Decision;
use gatekeeper_core::policy::Rule;
use gatekeeper_core::request::{Request, Status};
use local_aws::State;
use serde::Serialize;
use serde_json::json;

use crate::world::World;
use crate::world_file::Attachment;

/// One connection's line.
pub(super) struct Line {
    request: Request,
    ec2: String,
}

/// The same for machines, in this order.
#[derive(Serialize)]
struct JsonLine<'a> {
    endpoint_id: &'a EndpointId,
    service_id: &'a ServiceId,
    account_id: &'a AccountId,
    verdict: Decision,
    rule: Option<&'a Rule>,
    reason: &'a str,
    status: Status,
    ec2: &'a str,
}

impl Line {
    pub(super) fn new(request: Request, state: Option<State>) -> Self {
        Self {
            request,
            // An endpoint that EC2 no longer lists was deleted.
            ec2: state.map_or("deleted", State::as_str).to_owned(),
        }
    }

    pub(super) fn json(&self) -> String {
        let request = &self.request;
        let line = JsonLine {
            endpoint_id: &request.endpoint_id,
            service_id: &request.service_id,
            account_id: &request.account_id,
            verdict: request.verdict.decision,
            rule: request.verdict.rule.as_ref(),
            reason: &request.verdict.reason,
            status: request.status,
            ec2: &self.ec2,
        };
        serde_json::to_string(&line).unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        let Request {
            endpoint_id,
            region,
            status,
            verdict,
            ..
        } = &self.request;
        format!(
            "{:<9} {endpoint_id} in {region}: policy says {}; EC2 shows {}. {}",
            status.as_str(),
            verdict.decision.as_str(),
            self.ec2,
            verdict.reason
        )
    }
}

/// The line of a transit gateway attachment, of which there is no request.
#[derive(Serialize)]
pub(super) struct AttachmentLine<'a> {
    attachment_id: &'a str,
    service_id: &'a ServiceId,
    account_id: &'a AccountId,
    ec2: &'static str,
}

impl<'a> AttachmentLine<'a> {
    pub(super) fn new(attachment: &'a Attachment, state: Option<State>) -> Self {
        Self {
            attachment_id: attachment.attachment_id.as_str(),
            service_id: &attachment.service_id,
            account_id: &attachment.owner,
            ec2: state.map_or("deleted", State::as_str),
        }
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        format!(
            "attached  {} of account {}: EC2 shows {}. Gatekeeper does not judge transit gateway attachments.",
            self.attachment_id, self.account_id, self.ec2
        )
    }
}

/// The last line.
pub(super) struct Summary {
    records: usize,
    given_up: usize,
    by_status: BTreeMap<Status, usize>,
    ec2_calls: BTreeMap<String, u64>,
    dynamodb_calls: BTreeMap<String, u64>,
    notifications: usize,
}

impl Summary {
    /// Takes the counts as they are now: what is read back for the report is not part of the work.
    /// Nor are `not_counted` calls to DynamoDB that were made for it before.
    pub(super) fn new(
        world: &World,
        records: usize,
        given_up: usize,
        not_counted: &BTreeMap<String, u64>,
    ) -> Self {
        let mut dynamodb_calls = world.dynamodb.calls();
        for (name, calls) in &mut dynamodb_calls {
            *calls = calls.saturating_sub(not_counted.get(name).copied().unwrap_or(0));
        }
        dynamodb_calls.retain(|_, calls| *calls > 0);
        Self {
            records,
            given_up,
            by_status: BTreeMap::new(),
            ec2_calls: world.ec2.calls(),
            dynamodb_calls,
            notifications: world
                .sns
                .published()
                .iter()
                .filter(|message| message.topic_arn == world.announcements_topic)
                .count(),
        }
    }

    pub(super) fn count(&mut self, line: &Line) {
        *self.by_status.entry(line.request.status).or_default() += 1;
    }

    fn of(&self, status: Status) -> usize {
        self.by_status.get(&status).copied().unwrap_or(0)
    }

    pub(super) fn json(&self) -> String {
        let mut summary = json!({
            "records": self.records,
            "given_up": self.given_up,
            "accepted": self.of(Status::Accepted),
            "rejected": self.of(Status::Rejected),
            "in_review": self.of(Status::InReview),
            "ec2_calls": self.ec2_calls,
            "dynamodb_calls": self.dynamodb_calls,
            "notifications": self.notifications,
        });
        if let Some(fields) = summary.as_object_mut() {
            for status in [
                Status::Accepting,
                Status::Rejecting,
                Status::Revoking,
                Status::Gone,
            ] {
                // Named only where there are some: none of these is where a run should end.
                if self.of(status) > 0 {
                    fields.insert(status.as_str().to_owned(), json!(self.of(status)));
                }
            }
        }
        json!({ "summary": summary }).to_string()
    }

    pub(super) fn text(&self) -> String {
        let calls = |calls: &BTreeMap<String, u64>| {
            let words: Vec<String> = calls
                .iter()
                .map(|(name, n)| format!("{name} {n}"))
                .collect();
            if words.is_empty() {
                "none".to_owned()
            } else {
                words.join(", ")
            }
        };
        format!(
            "\n{} records, {} given up; {} accepted, {} rejected, {} in review; {} announced\n\
             EC2 calls: {}\nDynamoDB calls: {}",
            self.records,
            self.given_up,
            self.of(Status::Accepted),
            self.of(Status::Rejected),
            self.of(Status::InReview),
            self.notifications,
            calls(&self.ec2_calls),
            calls(&self.dynamodb_calls),
        )
    }
}
