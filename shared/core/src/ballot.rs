//! A vote: its parts, the reasons why it may not count, and the decision of the votes on a review.
//! Whether it counts is decided like everything else, by [`decide::next`](crate::decide::next).

mod view;

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::approver::{Approver, ApproverId, Ineligible, items_of, may_decide};
use crate::ids::ServiceId;
use crate::precondition::{PolicyRead, Precondition};
use crate::quorum::{Tally, reason_of, tally};
use crate::request::{Actor, Cause, Request, Status, Transition};
use crate::vote::{Ballot, Channel, Choice, Unrecorded};

pub use view::{Listed, RequestDetails, ReviewState, ReviewView, is_used_up, view};

/// A vote that somebody casts, and the facts that only it needs.
#[derive(Debug, Clone, Copy)]
pub struct CastBallot<'a> {
    /// The approver who casts it.
    pub approver: &'a ApproverId,
    pub ballot: &'a Ballot,
    /// The channel through which it came.
    pub channel: Channel,
    /// The number of the review that it is cast on.
    pub review: u64,
    /// The request as it was when the vote came. If EC2 now names another owner, the voter sees
    /// that before the vote counts.
    pub shown: &'a Request,
    /// The managed services; `None` if EC2 did not say.
    pub managed: Option<&'a [ServiceId]>,
    /// Why EC2's answer about the connection cannot be used; `None` if it can.
    pub doubt: Option<&'a Unrecorded>,
}

/// Why a vote does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The review does not exist, or not for this voter.
    Invalid,
    /// The voter is no approver.
    NotAnApprover,
    /// The approver had voted so before, or may no longer vote so.
    Already,
    /// The review was decided, or over, before.
    TooLate,
    /// The service is no longer managed.
    Unmanaged,
    /// The approver may not decide this review.
    Ineligible(Ineligible),
    /// The review's time is over.
    Expired,
    /// Nothing is recorded, and the vote can be cast again.
    Unrecorded(Unrecorded),
}

/// The decision of the votes on a review, with its preconditions; `None` while they do not suffice.
/// If the policy cannot be read, and is `None` here, the votes may reject, and never approve
/// (safety rule S2).
#[must_use]
pub fn by_votes(
    request: &Request,
    approvers: &[Approver],
    read: Option<&PolicyRead>,
    required: u32,
    now: Timestamp,
) -> Option<(Transition, Vec<Precondition>)> {
    let (to, choice, votes, mut preconditions) = match (tally(request, approvers, required), read) {
        (Tally::Waiting { .. }, _) | (Tally::Approved(_), None) => return None,
        (Tally::Approved(votes), Some(read)) => {
            let mut preconditions = read.preconditions_of_accept();
            preconditions.extend(read.preconditions_of_votes());
            (Status::Accepting, Choice::Approve, votes, preconditions)
        }
        (Tally::Rejected(vote), _) => (Status::Rejecting, Choice::Reject, vec![vote], Vec::new()),
    };
    let last = votes.last()?;
    let transition = Transition {
        from: Some(request.status),
        to,
        cause: Cause::Voted,
        at: now,
        actor: Actor::Approver(last.approver.to_string()),
        reason: reason_of(&votes, choice, required),
        ec2: None,
        votes: Vec::new(),
    };
    let voters = votes.iter().map(|vote| &vote.approver);
    preconditions.extend(rights_of(voters, approvers));
    Some((transition, preconditions))
}

/// The preconditions that these approvers still have the rights that were read: their own items,
/// and the other items of the same people.
pub(crate) fn rights_of<'a>(
    ids: impl Iterator<Item = &'a ApproverId>,
    approvers: &[Approver],
) -> Vec<Precondition> {
    let mut items = BTreeSet::new();
    for id in ids {
        items.insert(id);
        let own = approvers.iter().filter(|approver| approver.id == *id);
        let all = own.flat_map(|approver| items_of(approver, approvers));
        items.extend(all.map(|item| &item.id));
    }
    items.into_iter().map(Precondition::right_of).collect()
}

pub(crate) fn may_vote(
    request: &Request,
    approver: &Approver,
    approvers: &[Approver],
) -> Result<(), Ineligible> {
    let (service, account) = (&request.service_id, &request.account_id);
    may_decide(approver, approvers, service, account)
}

/// Whether a service is managed; true if that is unknown.
pub(crate) fn is_managed(managed: Option<&[ServiceId]>, service: &ServiceId) -> bool {
    managed.is_none_or(|managed| managed.contains(service))
}

#[cfg(test)]
mod tests;
