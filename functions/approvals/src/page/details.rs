//! The details of a request, as a page shows them.

use gatekeeper_aws::gatekeeper::{Listed, RequestDetails};
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::request::{Request, Status, Transition};
use gatekeeper_core::vote::TYPED;
use gatekeeper_core::vote::Vote;
use jiff::Timestamp;

use crate::sentences;
use gatekeeper_core::words;

/// A history up to this length is shown unfolded.
const SHORT: usize = 4;

/// What a page shows of a request.
pub(super) struct DetailsShown {
    /// Whether the page has the form.
    pub(super) asks: bool,
    pub(super) customer: Option<String>,
    pub(super) account: String,
    pub(super) service_name: Option<String>,
    pub(super) service_id: String,
    /// The endpoint's id up to its last characters, and those.
    pub(super) endpoint: (String, String),
    pub(super) region: String,
    pub(super) since: Moment,
    /// Why a person decides, and each condition that failed.
    pub(super) why: String,
    pub(super) failed: Vec<String>,
    /// `Some` while it is in review.
    pub(super) review: Option<Review>,
    /// `Some` when it is no longer in review.
    pub(super) decision: Option<Decision>,
    pub(super) votes: Vec<VoteRow>,
    pub(super) history: Vec<HistoryRow>,
    /// Whether the history is shown unfolded.
    pub(super) unfolded: bool,
    /// The other requests that the link lists.
    pub(super) others: Vec<ListedRow>,
}

/// Another request that the link lists.
pub(super) struct ListedRow {
    pub(super) id: String,
    /// The endpoint's id up to its last characters, and those.
    pub(super) endpoint: (String, String),
    pub(super) region: String,
    pub(super) since: Moment,
    pub(super) state: String,
    pub(super) is_open: bool,
}

/// A review that is open.
pub(super) struct Review {
    pub(super) unanswered: &'static str,
    pub(super) due: Option<Moment>,
    pub(super) approvals: String,
    /// The other approvers who were notified.
    pub(super) others: Vec<String>,
    pub(super) out_of_reach: Option<String>,
}

pub(super) struct Decision {
    pub(super) by: String,
    /// The other names that AWS CloudTrail gives.
    pub(super) also_named: Option<String>,
    pub(super) at: Moment,
    pub(super) reason: String,
    pub(super) ec2: String,
}

pub(super) struct VoteRow {
    pub(super) who: String,
    pub(super) what: &'static str,
    pub(super) taken_back: bool,
    pub(super) how: &'static str,
    pub(super) at: Moment,
    pub(super) reason: String,
}

pub(super) struct HistoryRow {
    pub(super) at: Moment,
    pub(super) to: String,
    pub(super) by: String,
    pub(super) also_named: Option<String>,
    pub(super) reason: String,
    pub(super) ec2: Option<String>,
}

/// A moment, for programs and for people.
pub(super) struct Moment {
    pub(super) datetime: String,
    pub(super) shown: String,
    pub(super) distance: String,
}

impl Moment {
    fn new(at: Timestamp, now: Timestamp) -> Self {
        Self {
            datetime: format!("{at:.0}"),
            shown: words::moment(at),
            distance: words::distance(at, now),
        }
    }
}

impl DetailsShown {
    pub(super) fn of(details: &RequestDetails, now: Timestamp, asks: bool) -> Self {
        let request = &details.request;
        let rows = details.history.len();
        Self {
            asks,
            customer: request.customer.clone(),
            account: request.account_id.to_string(),
            service_name: request.service_name.as_ref().map(ToString::to_string),
            service_id: request.service_id.to_string(),
            endpoint: parts_of(&request.endpoint_id),
            region: request.region.to_string(),
            since: Moment::new(request.opened_at, now),
            why: request.verdict.reason.clone(),
            failed: request
                .verdict
                .failed
                .iter()
                .map(sentences::condition)
                .collect(),
            review: (request.status == Status::InReview).then(|| Review::of(details, now)),
            decision: sentences::decision(details)
                .map(|decision| Decision::of(details, decision, now)),
            votes: request
                .votes
                .iter()
                .map(|vote| VoteRow::of(vote, now))
                .collect(),
            history: (1..)
                .zip(&details.history)
                .map(|(version, row)| HistoryRow::of(request, version, row, now))
                .collect(),
            // A single row repeats the details.
            unfolded: (2..=SHORT).contains(&rows),
            others: details
                .others
                .iter()
                .map(|one| ListedRow::of(one, now))
                .collect(),
        }
    }
}

/// An endpoint's id up to its last characters, and those.
fn parts_of(endpoint: &EndpointId) -> (String, String) {
    let endpoint = endpoint.as_str();
    let split = endpoint.len().saturating_sub(TYPED);
    let (head, tail) = endpoint.split_at_checked(split).unwrap_or((endpoint, ""));
    (head.to_owned(), tail.to_owned())
}

impl ListedRow {
    fn of(listed: &Listed, now: Timestamp) -> Self {
        let request = &listed.request;
        let is_open = request.status == Status::InReview;
        Self {
            id: request.endpoint_id.to_string(),
            endpoint: parts_of(&request.endpoint_id),
            region: request.region.to_string(),
            since: Moment::new(request.opened_at, now),
            state: match listed.own {
                Some(own) if is_open => format!("in review; {}", sentences::voted(own)),
                None if is_open => "waiting for your vote".to_owned(),
                _ => words::status(request.status).to_owned(),
            },
            is_open,
        }
    }
}

impl Review {
    fn of(details: &RequestDetails, now: Timestamp) -> Self {
        let request = &details.request;
        let others = request
            .notified
            .iter()
            .filter(|id| **id != details.approver);
        let (given, required) = (details.given, request.approvals_required.max(1));
        let may = match request.may_approve() {
            few if few < request.deciders => format!("{few} may still approve"),
            _ => format!("{} may decide", request.deciders),
        };
        Self {
            unanswered: match request.deadline {
                Some(_) if request.deadline_rejects => "It is rejected at",
                Some(due) if due > now => {
                    "It stays pending, and nothing is connected. It should be answered by"
                }
                Some(_) => {
                    "It stays pending, and nothing is connected. It should have been answered by"
                }
                None => "It stays pending, and nothing is connected.",
            },
            due: request.deadline.map(|due| Moment::new(due, now)),
            approvals: format!("{given} of {required} needed; one rejection rejects"),
            others: others.map(ToString::to_string).collect(),
            out_of_reach: request.is_out_of_reach().then(|| {
                format!(
                    "{required} people must approve, and only {may}: it can be rejected, but it cannot be \
                     approved until more approvers are entered or fewer approvals are required."
                )
            }),
        }
    }
}

impl Decision {
    fn of(details: &RequestDetails, decision: &Transition, now: Timestamp) -> Self {
        Self {
            by: sentences::decider(details, decision).to_string(),
            also_named: sentences::also_named(details),
            at: Moment::new(decision.at, now),
            reason: decision.reason.clone(),
            ec2: match sentences::ec2_answer(details) {
                Some(answer) => ec2(answer),
                None if details.request.status.pending_enforcement().is_some() => {
                    "no answer yet; Gatekeeper asks again every few minutes".to_owned()
                }
                None => "EC2 was not asked".to_owned(),
            },
        }
    }
}

fn ec2(answer: &gatekeeper_core::request::Ec2Answer) -> String {
    match &answer.request_id {
        Some(id) => format!("{} (request id {id})", answer.code),
        None => answer.code.clone(),
    }
}

impl VoteRow {
    fn of(vote: &Vote, now: Timestamp) -> Self {
        Self {
            who: vote.approver.to_string(),
            what: vote.choice.done(),
            taken_back: vote.taken_back,
            how: vote.channel.by(),
            at: Moment::new(vote.at, now),
            reason: vote.reason.clone(),
        }
    }
}

impl HistoryRow {
    fn of(request: &Request, version: u64, row: &Transition, now: Timestamp) -> Self {
        Self {
            also_named: sentences::named_besides(request, version),
            at: Moment::new(row.at, now),
            to: words::status(row.to).to_owned(),
            by: row.actor.to_string(),
            reason: row.reason.clone(),
            ec2: row.ec2.as_ref().map(ec2),
        }
    }
}
