//! A vote: whether it counts, and what the votes decide then.
//!
//! | in this order | answer |
//! | --- | --- |
//! | the voter is not, or no longer, an approver | [`Refusal::Invalid`], [`Refusal::NotAnApprover`] |
//! | the approver voted so before in this review, or may no longer vote so | [`Refusal::Already`] |
//! | the review is over, or is another one | [`Refusal::TooLate`], [`Refusal::Invalid`] |
//! | its service is no longer managed | [`Refusal::Unmanaged`] |
//! | the approver may not decide this request | [`Refusal::Ineligible`] |
//! | it withdraws an approval that does not exist | [`Refusal::Unrecorded`] |
//! | EC2's answer cannot be used, and the vote is no withdrawal | [`Refusal::Unrecorded`] |
//! | EC2 does not show the pending connection that the voter saw | the action for that |
//! | it approves, and the policy cannot be read (safety rule S2) | [`Refusal::Unrecorded`] |
//! | the policy decides without people | the policy's decision |
//! | the review's time is over | [`Refusal::Expired`] |
//! | otherwise | the vote, and the decision of the votes, if any |
//!
//! Actions before the vote are the same as without a vote. After them, the caller asks about the
//! vote again.

use jiff::Timestamp;

use super::facts::Facts;
use super::moments::Moments;
use super::next::{Action, LeaveReason, Need};
use super::unasked::unasked;
use super::verdict;
use crate::announcement::AnnouncementKind;
use crate::approver::Approver;
use crate::ballot::{CastBallot, Refusal, by_votes, is_managed, may_vote, rights_of};
use crate::change::{Change, Right};
use crate::connection::{Connection, Phase};
use crate::judge::{Decision, Verdict};
use crate::policy::ServiceSettings;
use crate::precondition::PolicyRead;
use crate::quorum::{mark_void, take_back, vote_of};
use crate::request::{Actor, Request, Status};
use crate::review::{self, approvals_required, deadline, missed_deadline, moved_deadline};
use crate::vote::{Channel, Choice, Unrecorded, Vote};

/// Why a vote is not written.
enum Stop {
    /// A fact is missing.
    Need(Need),
    /// The vote does not count.
    Refused(Refusal),
    /// Something else has to be done first. If it cannot be done now, the vote does not count, for
    /// this reason.
    First(Unrecorded),
}

/// What to do when somebody votes.
pub(super) fn cast(
    facts: &Facts<'_>,
    ballot: &CastBallot<'_>,
    now: Timestamp,
    moments: &mut Moments,
) -> Action {
    let refused = |refusal| Action::Leave(LeaveReason::Refused(refusal));
    match counted(facts, ballot, now, moments) {
        Ok(change) => Action::Write(Box::new(change)),
        Err(Stop::Need(need)) => Action::Need(need),
        Err(Stop::Refused(refusal)) => refused(refusal),
        Err(Stop::First(why)) => match unasked(facts, now, moments) {
            Action::Nothing
            | Action::Leave(
                LeaveReason::Plan(_) | LeaveReason::NameWaits | LeaveReason::AllowlistEmpty,
            ) => refused(Refusal::Unrecorded(why)),
            first => first,
        },
    }
}

fn counted(
    facts: &Facts<'_>,
    ballot: &CastBallot<'_>,
    now: Timestamp,
    moments: &mut Moments,
) -> Result<Change, Stop> {
    let Some(request) = facts.request else {
        return Err(Stop::Refused(Refusal::Invalid));
    };
    let approvers = facts.approvers.ok_or(Stop::Need(Need::Approvers))?;
    let approver = voter(request, ballot, approvers).map_err(Stop::Refused)?;
    let shown = shown_and_waiting(facts, ballot)?;
    let policy = match shown {
        Some(connection) => policy(facts, ballot, connection, now, moments)?,
        None => None,
    };
    let settings = policy.as_ref().map(|policy| &policy.settings);
    if is_over(facts, request, settings, now, moments)? {
        return Err(Stop::Refused(Refusal::Expired));
    }
    Ok(change(
        facts,
        request,
        ballot,
        (approver, approvers),
        policy,
        now,
    ))
}

/// The voter, if they are an approver, may vote so, and may decide this review.
fn voter<'a>(
    request: &Request,
    ballot: &CastBallot<'_>,
    approvers: &'a [Approver],
) -> Result<&'a Approver, Refusal> {
    let by_id = |approver: &&Approver| approver.id == *ballot.approver;
    let Some(approver) = approvers.iter().find(by_id) else {
        return Err(match ballot.channel {
            Channel::Email => Refusal::Invalid,
            Channel::Slack | Channel::Iam => Refusal::NotAnApprover,
        });
    };
    let choice = ballot.ballot.choice;
    let last = vote_of(request, approver, approvers).map(|vote| vote.choice);
    let is_open = request.is_open_review(ballot.review);
    let may_say = is_open && Choice::after(last).contains(&choice);
    let is_last_review = request.review == Some(ballot.review);
    if last.is_some() && is_last_review && !may_say {
        let might_have = Choice::after(last).contains(&choice);
        return Err(match ballot.shown.is_open_review(ballot.review) {
            // The review was decided while they voted.
            true if might_have => Refusal::TooLate,
            _ => Refusal::Already,
        });
    }
    if !is_open {
        return Err(match is_last_review {
            true => Refusal::TooLate,
            false => Refusal::Invalid,
        });
    }
    // Others decide a service that is no longer managed.
    if !is_managed(ballot.managed, &request.service_id) {
        return Err(Refusal::Unmanaged);
    }
    may_vote(request, approver, approvers).map_err(Refusal::Ineligible)?;
    if last.is_none() && choice == Choice::Withdraw {
        return Err(Refusal::Unrecorded(Unrecorded::NothingToWithdraw));
    }
    Ok(approver)
}

/// The connection, if EC2 shows it as the voter saw it, and pending. `None` if that does not
/// matter: a withdrawal lets nobody in and needs no answer from EC2.
fn shown_and_waiting<'a>(
    facts: &Facts<'a>,
    ballot: &CastBallot<'_>,
) -> Result<Option<&'a Connection>, Stop> {
    let unrecorded = |why| Stop::Refused(Refusal::Unrecorded(why));
    let connection = facts.observation.connection.as_ref();
    let phase = connection.map(|connection| connection.state.phase());
    let is_known = ballot.doubt.is_none()
        && ballot.managed.is_some()
        && phase.is_some_and(|phase| phase != Phase::Unknown);
    if ballot.ballot.choice == Choice::Withdraw && !is_known {
        return Ok(None);
    }
    if let Some(why) = ballot.doubt {
        return Err(unrecorded(why.clone()));
    }
    let Some(connection) = connection else {
        return Err(Stop::First(Unrecorded::NotListed));
    };
    if phase == Some(Phase::Unknown) {
        let state = connection.state.clone();
        return Err(unrecorded(Unrecorded::UnknownState(state)));
    }
    // The caller asks EC2 for the managed services together with the connection.
    if ballot.managed.is_none() {
        return Err(unrecorded(Unrecorded::Silent));
    }
    let is_recorded = |connection| facts.request.is_some_and(|it| it.is_about(connection));
    if ballot.shown.is_about(connection) && is_recorded(connection) {
        return match phase {
            Some(Phase::Waiting) => Ok(Some(connection)),
            _ => Err(Stop::First(Unrecorded::Meanwhile)),
        };
    }
    if !is_managed(ballot.managed, &connection.service_id) {
        return Err(Stop::Refused(Refusal::Unmanaged));
    }
    Err(match is_recorded(connection) {
        // The request is corrected by now, and the voter sees the correction on the next look.
        true => unrecorded(Unrecorded::Corrected),
        false => Stop::First(Unrecorded::Corrected),
    })
}

/// The policy's answer about the connection.
struct Judged<'a> {
    read: &'a PolicyRead,
    verdict: Verdict,
    settings: ServiceSettings,
}

/// The policy's answer, if it leaves the decision to people. `None` if it cannot be read and the
/// vote needs only the voter's right.
fn policy<'a>(
    facts: &Facts<'a>,
    ballot: &CastBallot<'_>,
    connection: &Connection,
    now: Timestamp,
    moments: &mut Moments,
) -> Result<Option<Judged<'a>>, Stop> {
    let read = match facts.policy {
        None => return Err(Stop::Need(Need::Policy)),
        Some(Ok(read)) => read,
        Some(Err(wrong)) if ballot.ballot.choice == Choice::Approve => {
            let why = Unrecorded::Policy(wrong.to_string());
            return Err(Stop::Refused(Refusal::Unrecorded(why)));
        }
        Some(Err(_)) => return Ok(None),
    };
    if facts.usage.is_none() {
        return Err(Stop::Need(Need::Policy));
    }
    moments.note_expiries(facts, read);
    let verdict = verdict::verdict(facts, read, connection, now);
    if verdict.decision != Decision::Review {
        // The policy was edited and now decides by itself.
        return Err(Stop::First(Unrecorded::PolicyDecides));
    }
    Ok(Some(Judged {
        read,
        verdict,
        settings: read.policy.settings_of(&connection.service_id),
    }))
}

/// Whether the review's time is over: by the settings, or by the request's own deadline if they are
/// unknown.
fn is_over(
    facts: &Facts<'_>,
    request: &Request,
    settings: Option<&ServiceSettings>,
    now: Timestamp,
    moments: &mut Moments,
) -> Result<bool, Stop> {
    let is_over = |held| match settings {
        Some(settings) => missed_deadline(request, settings, held, now).is_some(),
        None => review::is_over(request, held, now),
    };
    moments.note(match settings {
        Some(settings) => deadline(request, settings),
        None => request.deadline,
    });
    if !is_over(None) {
        return Ok(false);
    }
    // While e-mail is held nobody was notified, so their silence does not count.
    let held = facts.held.ok_or(Stop::Need(Need::HeldEmail))?;
    moments.note(held.and_then(|held| match settings {
        Some(settings) => moved_deadline(request, settings, held),
        None => held.moves(request, request.deadline?),
    }));
    Ok(is_over(held))
}

/// The change that counts the vote, and the decision of the votes.
fn change(
    facts: &Facts<'_>,
    request: &Request,
    ballot: &CastBallot<'_>,
    (approver, approvers): (&Approver, &[Approver]),
    policy: Option<Judged<'_>>,
    now: Timestamp,
) -> Change {
    let choice = ballot.ballot.choice;
    let mut voted = request.clone();
    if let Some(policy) = &policy {
        voted.approvals_required = approvals_required(&policy.settings);
    }
    if choice != Choice::Approve {
        take_back(&mut voted, approver, approvers);
    }
    voted.votes.push(Vote {
        approver: approver.id.clone(),
        choice,
        reason: ballot.ballot.reason.clone(),
        at: now,
        channel: ballot.channel,
        void: false,
        taken_back: false,
    });
    mark_void(&mut voted, approvers);
    let consumed = Right {
        approver: approver.id.clone(),
        choice,
    };
    let own = rights_of(std::iter::once(&approver.id), approvers);
    let read = policy.as_ref().map(|policy| policy.read);
    let decision = by_votes(&voted, approvers, read, voted.approvals_required, now);
    // If the remaining votes suffice, the next look at the review finds that.
    if let Some((mut transition, mut preconditions)) =
        decision.filter(|_| choice != Choice::Withdraw)
    {
        preconditions.extend(own.iter().cloned());
        preconditions.sort_by(|one, other| one.item.cmp(&other.item));
        preconditions.dedup();
        if transition.to == Status::Accepting {
            // The voter made it enough. Times cannot tell, because clocks may differ.
            transition.actor = Actor::Approver(approver.id.to_string());
        }
        // Votes may decide an open review at any time.
        if let Ok(mut after) = voted.after(&transition) {
            if let Some(policy) = policy {
                after.verdict = policy.verdict;
            }
            after.claimed_until = facts.claim_end(now);
            // The transition is announced as a vote.
            return Change::transition(Some(request), after, transition)
                .on(preconditions)
                .consuming(consumed);
        }
    }
    let mut announced = vec![match choice {
        Choice::Withdraw => AnnouncementKind::VoteWithdrawn,
        Choice::Approve | Choice::Reject => AnnouncementKind::VoteCast,
    }];
    if voted.is_out_of_reach() && !request.is_out_of_reach() {
        voted.out_of_reach_since = Some(now);
        announced.push(AnnouncementKind::QuorumOutOfReach);
    }
    Change::note(request, voted.noted())
        .announcing(announced, now)
        .on(own)
        .consuming(consumed)
}
