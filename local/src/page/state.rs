//! What the page shows of a world at one moment. Two that are equal look the same, but for what
//! says how long ago something was.

use std::collections::BTreeMap;

use gatekeeper_core::approver::Approver;
use gatekeeper_core::ignored_setting::IgnoredSetting;
use gatekeeper_core::policy::{Effect, Entry, Principal, Scope};
use gatekeeper_core::request::{Cause, Request, Status, Transition};
use gatekeeper_core::vote::Vote;
use gatekeeper_core::words;
use jiff::Timestamp;

use super::chat::Chat;

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) services: Vec<Service>,
    /// The newest first.
    pub(super) connections: Vec<Connection>,
    /// How many are not among them, because they are too many.
    pub(super) more_connections: usize,
    pub(super) mailboxes: Vec<Mailbox>,
    /// The channel in Slack, if there is Slack.
    pub(super) chat: Option<Chat>,
    pub(super) allowlist: Allowlist,
}

/// An endpoint service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) id: String,
    /// What people call it.
    pub(super) label: Option<String>,
    /// `com.amazonaws.vpce.…`, which consumers ask for.
    pub(super) name: String,
    pub(super) managed: bool,
    pub(super) acceptance_required: bool,
}

impl Service {
    /// What tells it from others in a few words: its name and where its id ends, or its id.
    pub(super) fn called(&self) -> String {
        let end: Vec<char> = self.id.chars().rev().take(5).collect();
        let end: String = end.into_iter().rev().collect();
        let label = self.label.as_ref();
        label.map_or_else(|| self.id.clone(), |label| format!("{label} (…{end})"))
    }
}

/// A connection that EC2 lists, a request, or most often both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) endpoint_id: String,
    pub(super) service_id: String,
    /// What people call the service.
    pub(super) service_label: Option<String>,
    pub(super) account_id: String,
    pub(super) region: String,
    /// What the allowlist calls the account.
    pub(super) customer: Option<String>,
    pub(super) created_at: Timestamp,
    /// EC2's state; none when EC2 does not list it any more.
    pub(super) state: Option<local_aws::State>,
    pub(super) managed: bool,
    pub(super) request: Option<Recorded>,
}

/// A request with its history, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recorded {
    pub(super) request: Request,
    pub(super) history: Vec<Transition>,
}

impl Recorded {
    /// Why it stands where it stands: the reason of the decision, not that EC2 then carried it out.
    pub(super) fn why(&self) -> &str {
        let decisive = |one: &&Transition| one.cause != Cause::Enforced;
        let last = self.history.iter().rev().find(decisive);
        last.map_or(&self.request.verdict.reason, |one| &one.reason)
    }

    /// Who or what decided, or who is waited for.
    pub(super) fn by(&self) -> String {
        let request = &self.request;
        if request.status != Status::InReview {
            let names = request.other_names.words(request.decided_in);
            let names = names.map_or(String::new(), |names| format!("; {names}"));
            return format!("Decided by {}{names}", request.decided_by);
        }
        if request.nobody_may_decide() {
            return "Waits for people, and nobody may decide it: add an approver".to_owned();
        }
        let approvals = request.votes.iter().filter(|vote| vote.approves()).count();
        let needed = request.approvals_required;
        if request.is_out_of_reach() {
            return format!(
                "Waits for people: {approvals} of {needed} approvals, and fewer than {needed} people \
                 may decide it"
            );
        }
        format!("Waits for people: {approvals} of {needed} approvals")
    }

    /// What people said of the review that is open.
    pub(super) fn votes(&self) -> &[Vote] {
        match self.request.status {
            Status::InReview => &self.request.votes,
            _ => &[],
        }
    }

    /// The history, with whom AWS CloudTrail names for each row besides.
    pub(super) fn rows(&self) -> Vec<(&Transition, Option<String>)> {
        let rows = (1..).zip(&self.history);
        rows.map(|(version, row)| (row, self.request.other_names.words(version)))
            .collect()
    }

    /// What comes next by itself, and when.
    pub(super) fn ahead(&self) -> Option<(&'static str, Timestamp)> {
        let (request, status) = (&self.request, self.request.status);
        match status {
            Status::InReview if request.deadline_rejects => request
                .deadline
                .map(|at| ("Rejected without an answer", at)),
            Status::InReview => request.deadline.map(|at| ("To be answered", at)),
            Status::Revoking => request.due.map(|at| ("Will be revoked", at)),
            _ => None,
        }
    }
}

impl Connection {
    /// Whether its consumer can still delete it.
    pub(super) fn is_there(&self) -> bool {
        use local_aws::State::{Deleted, Deleting};
        self.state
            .is_some_and(|state| !matches!(state, Deleting | Deleted))
    }
}

/// What one person got by e-mail, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mailbox {
    pub(super) address: String,
    pub(super) mails: Vec<Mail>,
    /// How many are not among them, because they are too many.
    pub(super) more: usize,
}

/// An e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mail {
    pub(super) id: String,
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) at: Timestamp,
}

/// The allowlist table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Allowlist {
    pub(super) entries: Vec<Entry>,
    pub(super) approvers: Vec<Approver>,
    /// The attributes of each item of settings, as texts. `*` is always there, and each service.
    pub(super) settings: BTreeMap<Scope, BTreeMap<String, String>>,
    pub(super) unreadable: Vec<Unreadable>,
    /// Settings that decide nothing and make no sense.
    pub(super) ignored: Vec<IgnoredSetting>,
}

/// An item that nobody understands, and that keeps what it concerns from being decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) service_id: String,
    pub(super) rule: String,
    pub(super) problem: String,
}

/// A consumer that can ask at the press of a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Consumer {
    pub(super) account_id: String,
    pub(super) service_id: String,
    pub(super) label: String,
    pub(super) known: &'static str,
}

/// More than this many buttons would be in the way.
const CONSUMERS: usize = 4;
/// Whom no allowlist knows, most of the time.
const STRANGERS: [&str; 4] = [
    "222222222222",
    "333333333333",
    "444444444444",
    "555555555555",
];

impl State {
    /// A few consumers to try it with: accounts that the allowlist names, and one that it does not.
    pub(super) fn consumers(&self) -> Vec<Consumer> {
        let Some(first) = self.services.first() else {
            return Vec::new();
        };
        let mut consumers: Vec<Consumer> = Vec::new();
        for entry in &self.allowlist.entries {
            let (rule, about) = (entry.rule(), entry.about());
            let Principal::Account(account) = &rule.principal else {
                continue;
            };
            let twice = consumers
                .iter()
                .any(|one| one.account_id == account.as_str());
            if twice || consumers.len() + 1 >= CONSUMERS {
                continue;
            }
            consumers.push(Consumer {
                account_id: account.to_string(),
                service_id: match &rule.service_id {
                    Scope::Service(id) => id.to_string(),
                    Scope::Every => first.id.clone(),
                },
                label: about
                    .customer
                    .clone()
                    .unwrap_or_else(|| account.to_string()),
                known: match rule.effect {
                    Effect::Allow => "allowed",
                    Effect::Deny => "denied",
                },
            });
        }
        let is_listed = |account: &&&str| consumers.iter().any(|one| one.account_id == **account);
        if let Some(stranger) = STRANGERS.iter().find(|account| !is_listed(account)) {
            consumers.push(Consumer {
                account_id: (*stranger).to_owned(),
                service_id: first.id.clone(),
                label: (*stranger).to_owned(),
                known: "unknown",
            });
        }
        consumers
    }

    /// The latest change of any request, in one sentence.
    pub(super) fn news(&self) -> Option<(String, Timestamp)> {
        let changes = self.connections.iter().filter_map(|connection| {
            let request = &connection.request.as_ref()?.request;
            Some((connection, request))
        });
        let (connection, request) = changes.max_by_key(|(_, request)| request.status_since)?;
        let who = words::consumer(connection.customer.as_deref(), &request.account_id);
        let status = words::status(request.status);
        Some((format!("{who} is {status}"), request.status_since))
    }
}
