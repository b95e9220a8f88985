//! How a review stands for whoever looks at it.

use jiff::Timestamp;

use super::{is_managed, may_vote};
use crate::approver::{Approver, ApproverId, Ineligible};
use crate::ids::ServiceId;
use crate::quorum::{Tally, tally, vote_of};
use crate::request::{Request, Status, Transition};
use crate::review::{self, HeldEmail};
use crate::vote::{Choice, Vote};

/// All that is to be known of a request, for whoever may decide it.
#[derive(Debug, Clone)]
pub struct RequestDetails {
    /// The request as it stands.
    pub request: Request,
    /// How it came there, oldest first.
    pub history: Vec<Transition>,
    /// Who is looking.
    pub approver: ApproverId,
    /// How many approvals count at the moment.
    pub given: u32,
    /// Their last word on the request's last review, under whichever of their names.
    pub own: Option<Vote>,
    /// What they can say, as long as the review is open and theirs to decide.
    pub choices: &'static [Choice],
    /// The other requests that the link lists by which they came.
    pub others: Vec<Listed>,
}

/// Another request that a link lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The request as it stands.
    pub request: Request,
    /// What whoever has the link said last of its review.
    pub own: Option<Choice>,
}

/// How a review stands for whoever looks at it. Looking changes nothing.
#[derive(Debug, Clone)]
pub enum View {
    /// They may vote.
    Open(Box<RequestDetails>),
    /// They have voted, and can take that back or reject.
    Voted(Box<RequestDetails>),
    /// It is decided, or over.
    Decided(Box<RequestDetails>),
    /// They may not decide this one.
    Ineligible(Ineligible, Box<RequestDetails>),
    /// Its service is not looked after any more.
    Unmanaged(Box<RequestDetails>),
    /// Their link, or the review's time, is over.
    Expired,
    /// There is no such link or review, or it is of no more use, or whoever it was for is no approver any more.
    Invalid,
    /// They are no approver.
    NotAnApprover,
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

impl View {
    /// With the other requests that a link lists.
    #[must_use]
    pub fn listing(mut self, others: Vec<Listed>) -> Self {
        match &mut self {
            Self::Open(details)
            | Self::Voted(details)
            | Self::Decided(details)
            | Self::Ineligible(_, details)
            | Self::Unmanaged(details) => details.others = others,
            Self::Expired | Self::Invalid | Self::NotAnApprover => {}
        }
        self
    }
}

/// Whether an approver's link to the last review of a request is of no more use: they have voted, and the
/// review is over.
#[must_use]
pub fn is_used_up(request: &Request, approver: &Approver, approvers: &[Approver]) -> bool {
    request.status != Status::InReview && vote_of(request, approver, approvers).is_some()
}

/// How the last review of a request stands for an approver. `managed` are the managed services, none if EC2
/// did not say: nobody is kept from looking for that. `held` is what is remembered of its approval e-mail.
#[must_use]
pub fn view(
    request: Request,
    history: Vec<Transition>,
    approver: &Approver,
    approvers: &[Approver],
    managed: Option<&[ServiceId]>,
    held: Option<&HeldEmail>,
    now: Timestamp,
) -> View {
    let is_open = request.status == Status::InReview;
    let is_managed = is_managed(managed, &request.service_id);
    let expired = review::is_over(&request, held, now);
    let may = may_vote(&request, approver, approvers);
    let details = Box::new(RequestDetails::of(request, history, approver, approvers));
    match may {
        _ if !is_open => View::Decided(details),
        _ if !is_managed => View::Unmanaged(details),
        Err(bar) => View::Ineligible(bar, details),
        Ok(()) if expired => View::Expired,
        Ok(()) if details.own.is_some() => View::Voted(details),
        Ok(()) => View::Open(details),
    }
}
