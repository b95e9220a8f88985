//! A vote that somebody casts: what it is cast with, what may stand against it, and what the votes on a review
//! come to. Whether it counts is decided with everything else, by [`decide::next`](crate::decide::next).

mod view;

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::approver::{Approver, ApproverId, Ineligible, items_of, may_decide};
use crate::ids::ServiceId;
use crate::precondition::{PolicyRead, Precondition};
use crate::quorum::{Tally, reason_of, tally};
use crate::request::{Actor, Cause, Request, Status, Transition};
use crate::vote::{Ballot, Channel, Choice, Unrecorded};

pub use view::{Listed, RequestDetails, View, is_used_up, view};

/// A vote that somebody casts, and what bears on nothing else.
#[derive(Debug, Clone, Copy)]
pub struct CastBallot<'a> {
    /// Who casts it.
    pub approver: &'a ApproverId,
    /// What they say.
    pub ballot: &'a Ballot,
    /// Which way it came.
    pub channel: Channel,
    /// Which of the request's reviews it is cast on.
    pub review: u64,
    /// The request as it stood when the vote came. Where EC2 says by now that the connection is another's, they are
    /// shown that before they vote.
    pub shown: &'a Request,
    /// The managed services; none if EC2 did not say.
    pub managed: Option<&'a [ServiceId]>,
    /// Why what EC2 said of the connection cannot be relied upon; none if it can.
    pub doubt: Option<&'a Unrecorded>,
}

/// Why a vote does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such review, or not for them.
    Invalid,
    /// They are no approver.
    NotAnApprover,
    /// They had said so before, or may not say it any more.
    Already,
    /// It was decided, or over, before.
    TooLate,
    /// Its service is not managed any more.
    Unmanaged,
    /// They may not decide this one.
    Ineligible(Ineligible),
    /// The review's time is over.
    Expired,
    /// Nothing of it is kept, and it can be cast again.
    Unrecorded(Unrecorded),
}

/// The decision that the votes on a review come to, and what it rests on; none while they do not suffice.
/// Where the policy cannot be read, and is none here, they may reject, and never approve (safety rule S2).
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

/// That these approvers may decide what they could when their items were read: their own items, and what else is
/// entered of the same people.
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

/// Whether a service is managed, as far as that is known.
pub(crate) fn is_managed(managed: Option<&[ServiceId]>, service: &ServiceId) -> bool {
    managed.is_none_or(|managed| managed.contains(service))
}

#[cfg(test)]
mod tests;
