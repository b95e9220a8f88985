//! The state of a review for somebody who looks at it or votes on it.

use jiff::Timestamp;

use super::{is_managed, may_vote};
use crate::approver::{Approver, ApproverId, Ineligible};
use crate::ids::ServiceId;
use crate::quorum::{Tally, tally, vote_of};
use crate::request::{Request, Status, Transition};
use crate::review::{self, HeldEmail};
use crate::vote::{Choice, Unrecorded, Vote};

/// The details of a request for an approver.
#[derive(Debug, Clone)]
pub struct RequestDetails {
    /// The request as it stands.
    pub request: Request,
    /// Its history, oldest first.
    pub history: Vec<Transition>,
    /// Who is looking.
    pub approver: ApproverId,
    /// How many approvals count at the moment.
    pub given: u32,
    /// Their last vote in the request's last review, under any of their names.
    pub own: Option<Vote>,
    /// What they can choose, while the review is open and they may decide it.
    pub choices: &'static [Choice],
    /// The other requests that their link lists.
    pub others: Vec<Listed>,
}

/// Another request that a link lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The request as it stands.
    pub request: Request,
    /// The last vote of the link's approver in its review.
    pub own: Option<Choice>,
}

/// How a review stands for somebody who looks at it or votes on it.
#[derive(Debug, Clone)]
pub enum ReviewView {
    /// They may see the request.
    Shown(ReviewState, Box<RequestDetails>),
    /// Their link has expired, or the review's deadline has passed.
    Expired,
    /// There is no such link or review, the link is used up, or its approver is not entered any more.
    Invalid,
    /// They are not an approver.
    NotAnApprover,
}

/// What they can do about a review whose request they may see, or what became of their vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReviewState {
    /// They may vote, or change the vote that they cast before.
    Open,
    /// They looked, and the review is decided.
    Decided,
    /// Their vote is recorded, and more approvals are needed.
    Waiting,
    /// Their vote decided, and EC2 has done it.
    Done,
    /// Their vote decided, and EC2 has not answered yet. Reconcile asks it again.
    Recorded,
    /// Their vote decided, but EC2 could not do it: something else had happened meanwhile.
    Overtaken,
    /// They had voted the same before, or may not vote that any more. Nothing changed.
    Already,
    /// The review was decided before their vote arrived.
    TooLate,
    /// They may not decide this request.
    Ineligible(Ineligible),
    /// Gatekeeper does not manage the service any more.
    Unmanaged,
    /// They did not type the end of the endpoint's id. They may vote again.
    Mistyped,
    /// Their vote was not recorded. They may vote again.
    Unrecorded(Unrecorded),
}

impl RequestDetails {
    /// What an approver is shown of a request, `approvers` being all that there are.
    #[must_use]
    pub fn of(
        request: Request,
        history: Vec<Transition>,
        approver: &Approver,
        approvers: &[Approver],
    ) -> Self {
        let given = match tally(&request, approvers, u32::MAX) {
            Tally::Waiting { given } => given,
            Tally::Approved(votes) => u32::try_from(votes.len()).unwrap_or(u32::MAX),
            Tally::Rejected(_) => 0,
        };
        let own = vote_of(&request, approver, approvers).cloned();
        Self {
            approver: approver.id.clone(),
            given,
            choices: Choice::after(own.as_ref().map(|vote| vote.choice)),
            own,
            request,
            history,
            others: Vec::new(),
        }
    }
}

impl ReviewState {
    /// The name for programs.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Decided => "decided",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Recorded => "recorded",
            Self::Overtaken => "overtaken",
            Self::Already => "already",
            Self::TooLate => "too_late",
            Self::Ineligible(_) => "ineligible",
            Self::Unmanaged => "unmanaged",
            Self::Mistyped => "mistyped",
            Self::Unrecorded(_) => "unrecorded",
        }
    }
}

impl ReviewView {
    /// Adds the other requests that a link lists.
    #[must_use]
    pub fn listing(mut self, others: Vec<Listed>) -> Self {
        if let Self::Shown(_, details) = &mut self {
            details.others = others;
        }
        self
    }
}

/// Whether an approver's link to the last review of a request is used up: they have voted, and the review is
/// over.
#[must_use]
pub fn is_used_up(request: &Request, approver: &Approver, approvers: &[Approver]) -> bool {
    request.status != Status::InReview && vote_of(request, approver, approvers).is_some()
}

/// The state of the last review of a request for an approver. `managed` are the managed services, or `None` if
/// EC2 did not answer; the review is shown then. `held` is the held state of its approval e-mail.
#[must_use]
pub fn view(
    request: Request,
    history: Vec<Transition>,
    approver: &Approver,
    approvers: &[Approver],
    managed: Option<&[ServiceId]>,
    held: Option<&HeldEmail>,
    now: Timestamp,
) -> ReviewView {
    let is_open = request.status == Status::InReview;
    let is_managed = is_managed(managed, &request.service_id);
    let expired = review::is_over(&request, held, now);
    let may = may_vote(&request, approver, approvers);
    let details = Box::new(RequestDetails::of(request, history, approver, approvers));
    let state = match may {
        _ if !is_open => ReviewState::Decided,
        _ if !is_managed => ReviewState::Unmanaged,
        Err(ineligible) => ReviewState::Ineligible(ineligible),
        Ok(()) if expired => return ReviewView::Expired,
        Ok(()) => ReviewState::Open,
    };
    ReviewView::Shown(state, details)
}
