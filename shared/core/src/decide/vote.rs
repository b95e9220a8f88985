//! A vote that somebody casts: whether it counts, and what the votes come to then.
//!
//! | in this order | answer |
//! | --- | --- |
//! | whoever votes is no approver any more | [`Refusal::Invalid`], [`Refusal::NotAnApprover`] |
//! | they have said so in this review, or may say it no more | [`Refusal::Already`] |
//! | the review is over, or is another one | [`Refusal::TooLate`], [`Refusal::Invalid`] |
//! | its service is not managed any more | [`Refusal::Unmanaged`] |
//! | they may not decide this request | [`Refusal::Barred`] |
//! | it withdraws what was not given | [`Refusal::Unrecorded`] |
//! | EC2's answer cannot be relied upon, and it does not withdraw | [`Refusal::Unrecorded`] |
//! | EC2 does not show the connection that they were shown, waiting | what is to be done about that |
//! | it approves, and the policy cannot be read (safety rule S2) | [`Refusal::Unrecorded`] |
//! | the policy decides without people | what the policy decides |
//! | the review's time is over | [`Refusal::Expired`] |
//! | else | the vote, and the decision that the votes now come to, if any |
//!
//! What is to be done before the vote is the same as if nobody voted. When it is done, the vote is asked about anew.

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

/// What keeps a vote from being written.
enum Stop {
    /// A fact is missing.
    Need(Need),
    /// It does not count.
    Refused(Refusal),
    /// Something else is to be done first. Where there is nothing that can be done now, it does not count for this.
    First(Unrecorded),
}

/// What is to be done while somebody votes.
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

/// Who votes, where they are an approver, may say what they say, and the review is theirs to vote on.
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
            // It was decided while they voted.
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
    // A service that was taken from Gatekeeper is decided by others.
    if !is_managed(ballot.managed, &request.service_id) {
        return Err(Refusal::Unmanaged);
    }
    may_vote(request, approver, approvers).map_err(Refusal::Ineligible)?;
    if last.is_none() && choice == Choice::Withdraw {
        return Err(Refusal::Unrecorded(Unrecorded::NothingToWithdraw));
    }
    Ok(approver)
}

/// The connection, where EC2 shows the one that they were shown, and it waits. None where that does not matter:
/// what only takes an approval back lets nobody in, and needs no answer of EC2's.
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
    // Whoever is asked about a connection is asked which services are managed, too.
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
        // It is on the request by now, and they are shown it when they look.
        true => unrecorded(Unrecorded::Corrected),
        false => Stop::First(Unrecorded::Corrected),
    })
}

/// What the policy says of the connection.
struct Judged<'a> {
    read: &'a PolicyRead,
    verdict: Verdict,
    settings: ServiceSettings,
}

/// What the policy says, where it leaves the decision to people; none where it cannot be read and the vote needs
/// only the right of whoever casts it.
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
        // The policy was edited and decides by itself; it does so now.
        return Err(Stop::First(Unrecorded::PolicyDecides));
    }
    Ok(Some(Judged {
        read,
        verdict,
        settings: read.policy.settings_of(&connection.service_id),
    }))
}

/// Whether the review's time is over: by the settings, or by what the request says itself where they are unknown.
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
    // While e-mail is held nobody was asked, and that is nobody's silence.
    let held = facts.held.ok_or(Stop::Need(Need::HeldEmail))?;
    moments.note(held.and_then(|held| match settings {
        Some(settings) => moved_deadline(request, settings, held),
        None => held.moves(request, request.deadline?),
    }));
    Ok(is_over(held))
}

/// The vote among the others, and what they come to.
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
    // That those suffice which are left is found when the review is looked at next.
    if let Some((mut transition, mut preconditions)) =
        decision.filter(|_| choice != Choice::Withdraw)
    {
        preconditions.extend(own.iter().cloned());
        preconditions.sort_by(|one, other| one.item.cmp(&other.item));
        preconditions.dedup();
        if transition.to == Status::Accepting {
            // Whoever made it enough; clocks may differ.
            transition.actor = Actor::Approver(approver.id.to_string());
        }
        // A review that is open may be decided by votes at any time.
        if let Ok(mut after) = voted.after(&transition) {
            if let Some(policy) = policy {
                after.verdict = policy.verdict;
            }
            after.claimed_until = facts.claim_end(now);
            // What is announced of the transition is that somebody voted.
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
