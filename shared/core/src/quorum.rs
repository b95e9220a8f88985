//! The result of the votes on a review.
//!
//! One rejection rejects. An approval needs as many different people as the service requires. A vote
//! counts while its approver may decide the request and has not withdrawn it. In one review, a person's
//! vote moves from approved to withdrawn to rejected, and never back.

use crate::approver::{Approver, deciders, items_of, people};
use crate::ids::ApproverId;
use crate::request::{Enforcement, Request, Status};
use crate::vote::{Choice, Vote};

/// The effect of a decision by votes, after EC2 was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// EC2 carried it out.
    Done,
    /// EC2 has not answered yet.
    Pending,
    /// Something else had happened before, so the decision had no effect.
    Overtaken,
}

/// The effect of the decision that brought a request to `decided`, from its status now.
#[must_use]
pub fn effect(decided: Status, now: Status) -> Effect {
    let wanted = decided.pending_enforcement().map(Enforcement::outcome);
    match now {
        now if wanted == Some(now) => Effect::Done,
        now if now == decided => Effect::Pending,
        _ => Effect::Overtaken,
    }
}

/// The result of the votes on a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tally {
    /// Rejected, by this approver.
    Rejected(Vote),
    /// Approved, by these approvers in order.
    Approved(Vec<Vote>),
    /// More approvals are needed.
    Waiting {
        /// How many people approved.
        given: u32,
    },
}

/// Counts the votes on a review as of now. Votes of approvers who may no longer decide it are void.
#[must_use]
pub fn tally(request: &Request, approvers: &[Approver], required: u32) -> Tally {
    let deciders = deciders(approvers, &request.service_id, &request.account_id);
    let decider = |vote: &Vote| {
        deciders
            .iter()
            .copied()
            .find(|approver| approver.id == vote.approver)
    };
    let mut voters = Vec::new();
    let mut approvals = Vec::new();
    let mut rejections = Vec::new();
    for vote in request.votes.iter().filter(|vote| !vote.taken_back) {
        let Some(approver) = decider(vote) else {
            continue;
        };
        match vote.choice {
            Choice::Withdraw => {}
            Choice::Reject => rejections.push(vote),
            Choice::Approve => {
                voters.push(approver);
                approvals.push(vote.clone());
            }
        }
    }
    let in_order = |vote: &Vote| (vote.at, vote.approver.clone());
    if let Some(first) = rejections.into_iter().min_by_key(|vote| in_order(vote)) {
        return Tally::Rejected(first.clone());
    }
    approvals.sort_by_key(in_order);
    let given = people(&voters, approvers);
    if given >= required.max(1) {
        Tally::Approved(approvals)
    } else {
        Tally::Waiting { given }
    }
}

/// Marks the votes that do not count.
pub fn mark_void(request: &mut Request, approvers: &[Approver]) {
    let may: Vec<ApproverId> = deciders(approvers, &request.service_id, &request.account_id)
        .into_iter()
        .map(|approver| approver.id.clone())
        .collect();
    for vote in &mut request.votes {
        vote.void = !may.contains(&vote.approver);
    }
}

/// The last vote of an approver in a review, under any of their names. `None` if they have not voted.
#[must_use]
pub fn vote_of<'a>(
    request: &'a Request,
    approver: &Approver,
    approvers: &[Approver],
) -> Option<&'a Vote> {
    let items = items_of(approver, approvers);
    let is_theirs = |vote: &&Vote| items.iter().any(|item| item.id == vote.approver);
    let votes = request.votes.iter().filter(is_theirs);
    votes.max_by_key(|vote| (vote.choice, vote.at, vote.approver.clone()))
}

/// Marks the approvals of an approver as withdrawn.
pub fn take_back(request: &mut Request, approver: &Approver, approvers: &[Approver]) {
    let items = items_of(approver, approvers);
    for vote in &mut request.votes {
        let is_theirs = items.iter().any(|item| item.id == vote.approver);
        vote.taken_back |= is_theirs && vote.choice == Choice::Approve;
    }
}

/// The sentence that a decision by votes is recorded with.
#[must_use]
pub fn reason_of(votes: &[Vote], choice: Choice, required: u32) -> String {
    let names: Vec<&str> = votes.iter().map(|vote| vote.approver.as_str()).collect();
    let mut sentence = match choice {
        Choice::Approve if required > 1 => format!(
            "Approved by {} ({} of {required} needed).",
            names.join(" and "),
            names.len()
        ),
        Choice::Approve => format!("Approved by {}.", names.join(" and ")),
        // A withdrawal decides nothing, so this text is never shown.
        Choice::Withdraw => format!("Withdrawn by {}.", names.join(" and ")),
        Choice::Reject => format!("Rejected by {}.", names.join(" and ")),
    };
    for vote in votes.iter().filter(|vote| !vote.reason.is_empty()) {
        sentence.push(' ');
        if votes.len() > 1 {
            sentence.push_str(vote.approver.as_str());
            sentence.push_str(": ");
        }
        sentence.push_str(&vote.reason);
    }
    sentence
}

#[cfg(test)]
#[path = "quorum_tests.rs"]
mod tests;
