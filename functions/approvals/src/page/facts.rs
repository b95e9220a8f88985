//! The facts of a request, as a page shows them.

use gatekeeper_aws::gatekeeper::{Listed, RequestDetails};
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::request::{Request, Status, Transition};
use gatekeeper_core::vote::TYPED;
use gatekeeper_core::vote::Vote;
use jiff::Timestamp;

use crate::words;

/// A history is shown unfolded up to this length.
const SHORT: usize = 4;

/// What a page shows of a request.
pub(super) struct Facts {
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
    /// While it is in review.
    pub(super) review: Option<Review>,
    /// Once it is not.
    pub(super) decision: Option<Decision>,
    pub(super) votes: Vec<Said>,
    pub(super) history: Vec<Row>,
    /// Whether the history shows at once.
    pub(super) unfolded: bool,
    /// The other requests that the link lists.
    pub(super) others: Vec<Other>,
}

/// Another request that the link lists.
pub(super) struct Other {
    pub(super) id: String,
    /// The endpoint's id up to its last characters, and those.
    pub(super) endpoint: (String, String),
    pub(super) region: String,
    pub(super) since: Moment,
    pub(super) stands: String,
    pub(super) is_open: bool,
}

/// A review that is open.
pub(super) struct Review {
    pub(super) unanswered: &'static str,
    pub(super) due: Option<Moment>,
    pub(super) approvals: String,
    /// Who else was asked.
    pub(super) others: Vec<String>,
    pub(super) out_of_reach: Option<String>,
}

/// How it was decided.
pub(super) struct Decision {
    pub(super) by: String,
    /// Whom AWS CloudTrail names besides.
    pub(super) also_named: Option<String>,
    pub(super) at: Moment,
    pub(super) reason: String,
    pub(super) ec2: String,
}

/// A vote.
pub(super) struct Said {
    pub(super) who: String,
    pub(super) what: &'static str,
    pub(super) taken_back: bool,
    pub(super) how: &'static str,
    pub(super) at: Moment,
    pub(super) reason: String,
}

/// A row of the history.
pub(super) struct Row {
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

impl Facts {
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
                .map(words::condition)
                .collect(),
            review: (request.status == Status::InReview).then(|| Review::of(details, now)),
            decision: words::decision(details).map(|decision| Decision::of(details, decision, now)),
            votes: request
                .votes
                .iter()
                .map(|vote| Said::of(vote, now))
                .collect(),
            history: (1..)
                .zip(&details.history)
                .map(|(version, row)| Row::of(request, version, row, now))
                .collect(),
            // One row says no more than the facts do.
            unfolded: (2..=SHORT).contains(&rows),
            others: details
                .others
                .iter()
                .map(|one| Other::of(one, now))
                .collect(),
        }
    }
}

/// An endpoint's id up to its last characters, and those.
fn parts_of(endpoint: &EndpointId) -> (String, String) {
    let endpoint = endpoint.as_str();
    let cut = endpoint.len().saturating_sub(TYPED);
    let (head, tail) = endpoint.split_at_checked(cut).unwrap_or((endpoint, ""));
    (head.to_owned(), tail.to_owned())
}

impl Other {
    fn of(listed: &Listed, now: Timestamp) -> Self {
        let request = &listed.request;
        let is_open = request.status == Status::InReview;
        Self {
            id: request.endpoint_id.to_string(),
            endpoint: parts_of(&request.endpoint_id),
            region: request.region.to_string(),
            since: Moment::new(request.opened_at, now),
            stands: match listed.own {
                Some(own) if is_open => format!("in review; {}", words::said(own)),
                None if is_open => "waits for your vote".to_owned(),
                _ => words::standing(request.status).to_owned(),
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
                Some(_) if request.deadline_rejects => "It is rejected on",
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
                    "{required} people must approve, and only {may}: it can be rejected, but not \
                     approved until more approvers are entered or fewer are required."
                )
            }),
        }
    }
}

impl Decision {
    fn of(details: &RequestDetails, decision: &Transition, now: Timestamp) -> Self {
        Self {
            by: words::decider(details, decision).to_string(),
            also_named: words::also_named(details),
            at: Moment::new(decision.at, now),
            reason: decision.reason.clone(),
            ec2: match words::answer(details) {
                Some(answer) => ec2(answer),
                None if details.request.status.pending_enforcement().is_some() => {
                    "not answered yet; it is asked again every few minutes".to_owned()
                }
                None => "was not asked".to_owned(),
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

impl Said {
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

impl Row {
    fn of(request: &Request, version: u64, row: &Transition, now: Timestamp) -> Self {
        Self {
            also_named: words::named_besides(request, version),
            at: Moment::new(row.at, now),
            to: row.to.as_str().replace('_', " "),
            by: row.actor.to_string(),
            reason: row.reason.clone(),
            ec2: row.ec2.as_ref().map(ec2),
        }
    }
}
