//! What becomes of a vote, from everything that is known when it is cast. Pure: [`answer`] reads, asks and
//! writes nothing.
//!
//! | in this order | answer |
//! | --- | --- |
//! | whoever votes is no approver any more | [`Answer::Invalid`], [`Answer::NotAnApprover`] |
//! | they have said so in this review, or may say it no more | [`Answer::Already`] |
//! | the review is over, or is another one | [`Answer::TooLate`], [`Answer::Invalid`] |
//! | its service is not managed any more | [`Answer::Unmanaged`] |
//! | they may not decide this request | [`Answer::Barred`] |
//! | it withdraws what was not given | [`Answer::Unrecorded`] |
//! | EC2's answer cannot be relied upon, and it does not withdraw | [`Answer::Unrecorded`] |
//! | EC2 does not show the connection that they were shown, waiting | [`Answer::Settle`] |
//! | it approves, and the policy cannot be read (safety rule S2) | [`Answer::Unrecorded`] |
//! | the policy decides without people | [`Answer::Settle`] |
//! | the review's time is over | [`Answer::Expired`] |
//! | else | [`Answer::Record`]: the vote, and the decision that the votes now come to, if any |
//!
//! [`view()`] says how a review stands for whoever looks at it, and [`by_votes`] what the votes on it come to.

mod change;
mod view;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::announcement::Kind;
use crate::approver::{Approver, ApproverId, Bar, items_of, may_decide};
use crate::connection::{Connection, Phase};
use crate::ids::ServiceId;
use crate::judge::{Decision, Verdict};
use crate::policy::ServiceSettings;
use crate::request::{Actor, Cause, Request, Status, Transition};
use crate::review::{self, HeldEmail};
use crate::vote::{
    Ballot, Channel, Choice, Tally, Unrecorded, Vote, mark_void, reason_of, take_back, tally,
    vote_of,
};

pub use view::{Dossier, View, is_used_up, view};

/// All that bears on one vote.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The request as it was read.
    pub request: &'a Request,
    /// Which of its reviews is voted on.
    pub review: u64,
    /// The connection as EC2 lists it, none if it does not; or why its answer cannot be relied upon.
    pub connection: Result<Option<&'a Connection>, Unrecorded>,
    /// The managed services; none if EC2 did not say.
    pub managed: Option<&'a [ServiceId]>,
    /// All approvers that can be read.
    pub approvers: &'a [Approver],
    /// Who votes.
    pub approver: &'a ApproverId,
    /// What they say.
    pub ballot: &'a Ballot,
    /// Which way it came.
    pub channel: Channel,
    /// What the policy says of the connection, or what keeps it from being read.
    pub policy: Result<Judged<'a>, &'a str>,
    /// What is remembered of the review's approval e-mail. It matters only where the review's time is over without.
    pub held: Option<&'a HeldEmail>,
    /// The time.
    pub now: Timestamp,
    /// For how long whoever records a decision has the request to themselves, to ask EC2.
    pub claim: SignedDuration,
}

/// What the policy says of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    /// Its verdict.
    pub verdict: &'a Verdict,
    /// The settings of the connection's service.
    pub settings: &'a ServiceSettings,
}

/// What is to be done about a vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing: there is no such review, or not for them.
    Invalid,
    /// Nothing: they are no approver.
    NotAnApprover,
    /// Nothing: they had said so before, or may not say it any more.
    Already,
    /// Nothing: it was decided, or over, before.
    TooLate,
    /// Nothing: its service is not looked after any more.
    Unmanaged,
    /// Nothing: they may not decide this one.
    Barred(Bar),
    /// Nothing: the review's time is over.
    Expired,
    /// Nothing, and it can be cast again.
    Unrecorded(Unrecorded),
    /// First record what EC2 shows, or have the policy decide. Where the review is open all the same, ask
    /// [`settled`] with this.
    Settle(Option<Unrecorded>),
    /// Write it.
    Record(Box<Cast>),
}

/// A vote that counts, with all that is written with it.
///
/// It consumes nothing besides: the right to approve is used up by the vote itself, which the request keeps
/// as long as its review lasts, and two votes on one request cannot both be written, since each names the
/// revision that it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cast {
    /// The request as it is to be, of the next revision.
    pub after: Request,
    /// The decision that the votes come to; none while more are needed.
    pub transition: Option<Transition>,
    /// What must be unchanged when it is written, besides the request.
    pub rests_on: RestsOn,
    /// What is announced; of the transition, where there is one.
    pub announces: Vec<Kind>,
}

/// What a decision by votes rests on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RestsOn {
    /// What these items say who may decide what: those of whose votes count, and what else is entered of the
    /// same people.
    pub rights: BTreeSet<ApproverId>,
    /// That nothing denies the connection.
    pub nothing_denies: bool,
    /// The settings that say how many must approve, and by when.
    pub settings: bool,
}

/// What is to be done about a vote. Total: it answers for any facts.
#[must_use]
pub fn answer(facts: &Facts<'_>) -> Answer {
    match cast(facts) {
        Ok(cast) => Answer::Record(Box::new(cast)),
        Err(answer) => answer,
    }
}

/// What is to be done about a vote when what [`Answer::Settle`] asks for is done, which `why` came with.
/// None if it is to be looked at anew.
#[must_use]
pub fn settled(
    request: &Request,
    review: u64,
    approver: &Approver,
    approvers: &[Approver],
    why: Option<Unrecorded>,
) -> Option<Answer> {
    if !request.is_open_review(review) {
        return Some(over(request, review));
    }
    let why = why?;
    Some(match may_vote(request, approver, approvers) {
        Err(bar) => Answer::Barred(bar),
        Ok(()) => Answer::Unrecorded(why),
    })
}

/// The decision that the votes on a review come to, and what it rests on; none while they do not suffice.
/// Where the policy cannot be read, they may reject, and never approve (safety rule S2).
#[must_use]
pub fn by_votes(
    request: &Request,
    approvers: &[Approver],
    policy_is_known: bool,
    required: u32,
    now: Timestamp,
) -> Option<(Transition, RestsOn)> {
    let (to, choice, votes) = match tally(request, approvers, required) {
        Tally::Waiting { .. } => return None,
        Tally::Approved(_) if !policy_is_known => return None,
        Tally::Approved(votes) => (Status::Accepting, Choice::Approve, votes),
        Tally::Rejected(vote) => (Status::Rejecting, Choice::Reject, vec![vote]),
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
    let accepts = choice == Choice::Approve;
    let rests_on = RestsOn {
        rights: items(votes.iter().map(|vote| &vote.approver), approvers),
        nothing_denies: accepts,
        settings: accepts,
    };
    Some((transition, rests_on))
}

fn cast(facts: &Facts<'_>) -> Result<Cast, Answer> {
    let request = facts.request;
    let approver = voter(facts)?;
    if let Err(bar) = may_vote(request, approver, facts.approvers) {
        return Err(Answer::Barred(bar));
    }
    let last = vote_of(request, approver, facts.approvers);
    if last.is_none() && facts.ballot.choice == Choice::Withdraw {
        return Err(Answer::Unrecorded(Unrecorded::NothingToWithdraw));
    }
    shown_and_waiting(facts)?;
    let settings = match facts.policy {
        Ok(judged) if judged.verdict.decision != Decision::Review => {
            // The policy was edited and decides by itself; it does so now.
            return Err(Answer::Settle(None));
        }
        Ok(judged) => Some(judged.settings),
        Err(wrong) if facts.ballot.choice == Choice::Approve => {
            return Err(Answer::Unrecorded(Unrecorded::Policy(wrong.to_owned())));
        }
        // All else needs the right of whoever casts it, and no policy.
        Err(_) => None,
    };
    let is_over = match settings {
        Some(settings) => {
            review::missed_deadline(request, settings, facts.held, facts.now).is_some()
        }
        None => review::is_over(request, facts.held, facts.now),
    };
    if is_over {
        return Err(Answer::Expired);
    }
    Ok(counted(facts, approver, settings))
}

/// Who votes, where they are an approver and the review is theirs to vote on.
fn voter<'a>(facts: &Facts<'a>) -> Result<&'a Approver, Answer> {
    let request = facts.request;
    let mut approvers = facts.approvers.iter();
    let Some(approver) = approvers.find(|approver| approver.id == *facts.approver) else {
        return Err(match facts.channel {
            Channel::Email => Answer::Invalid,
            Channel::Slack | Channel::Iam => Answer::NotAnApprover,
        });
    };
    let last = vote_of(request, approver, facts.approvers).map(|vote| vote.choice);
    let is_open = request.is_open_review(facts.review);
    let may_say = is_open && Choice::after(last).contains(&facts.ballot.choice);
    if last.is_some() && request.review == Some(facts.review) && !may_say {
        return Err(Answer::Already);
    }
    if !is_open {
        return Err(over(request, facts.review));
    }
    // A service that was taken from Gatekeeper is decided by others.
    if !is_managed(facts.managed, &request.service_id) {
        return Err(Answer::Unmanaged);
    }
    Ok(approver)
}

/// That EC2 shows the connection that they were shown, and that it waits. What only takes an approval back
/// lets nobody in, and needs no answer of EC2's.
fn shown_and_waiting(facts: &Facts<'_>) -> Result<(), Answer> {
    if facts.ballot.choice == Choice::Withdraw && !is_known(facts) {
        return Ok(());
    }
    let connection = match &facts.connection {
        Ok(connection) => *connection,
        Err(why) => return Err(Answer::Unrecorded(why.clone())),
    };
    let Some(connection) = connection else {
        return Err(Answer::Settle(Some(Unrecorded::NotListed)));
    };
    let phase = connection.state.phase();
    let is_shown = facts.request.is_about(connection);
    match facts.managed {
        _ if phase == Phase::Unknown => Err(Answer::Unrecorded(Unrecorded::UnknownState(
            connection.state.clone(),
        ))),
        // Whoever is asked about a connection is asked which services are managed, too.
        None => Err(Answer::Unrecorded(Unrecorded::Silent)),
        Some(_) if is_shown && phase == Phase::Waiting => Ok(()),
        managed if !is_managed(managed, &connection.service_id) => Err(Answer::Unmanaged),
        Some(_) if is_shown => Err(Answer::Settle(None)),
        Some(_) => Err(Answer::Settle(Some(Unrecorded::Corrected))),
    }
}

/// Whether EC2 said how the connection stands.
fn is_known(facts: &Facts<'_>) -> bool {
    let listed = facts.connection.as_ref().ok().copied().flatten();
    let phase = listed.map(|connection| connection.state.phase());
    facts.managed.is_some() && phase.is_some_and(|phase| phase != Phase::Unknown)
}

/// The vote among the others, and what they come to.
fn counted(facts: &Facts<'_>, approver: &Approver, settings: Option<&ServiceSettings>) -> Cast {
    let withdraws = facts.ballot.choice == Choice::Withdraw;
    let mut voted = facts.request.clone();
    if let Some(settings) = settings {
        voted.approvals_required = review::approvals_required(settings);
    }
    if facts.ballot.choice != Choice::Approve {
        take_back(&mut voted, approver, facts.approvers);
    }
    voted.votes.push(Vote {
        approver: facts.approver.clone(),
        choice: facts.ballot.choice,
        reason: facts.ballot.reason.clone(),
        at: facts.now,
        channel: facts.channel,
        void: false,
        taken_back: false,
    });
    mark_void(&mut voted, facts.approvers);
    let own_items = items(std::iter::once(facts.approver), facts.approvers);
    let required = voted.approvals_required;
    let decision = by_votes(
        &voted,
        facts.approvers,
        settings.is_some(),
        required,
        facts.now,
    );
    // That those suffice which are left is found when the review is looked at next.
    if let Some((mut transition, mut rests_on)) = decision.filter(|_| !withdraws) {
        rests_on.rights.extend(own_items.iter().cloned());
        if transition.to == Status::Accepting {
            // Whoever made it enough; clocks may differ.
            transition.actor = Actor::Approver(facts.approver.to_string());
        }
        // A review that is open may be decided by votes at any time.
        if let Ok(mut after) = voted.after(&transition) {
            if let Ok(judged) = facts.policy {
                after.verdict = judged.verdict.clone();
            }
            after.claimed_until = facts.now.checked_add(facts.claim).ok();
            return Cast {
                after,
                transition: Some(transition),
                rests_on,
                announces: vec![Kind::VoteCast],
            };
        }
    }
    let mut announces = vec![match withdraws {
        true => Kind::VoteWithdrawn,
        false => Kind::VoteCast,
    }];
    if voted.is_out_of_reach() && !facts.request.is_out_of_reach() {
        voted.out_of_reach_since = Some(facts.now);
        announces.push(Kind::QuorumOutOfReach);
    }
    Cast {
        after: voted.noted(),
        transition: None,
        rests_on: RestsOn {
            rights: own_items,
            ..RestsOn::default()
        },
        announces,
    }
}

/// For whoever votes on a review that is not open.
fn over(request: &Request, review: u64) -> Answer {
    match request.review {
        Some(last) if last == review => Answer::TooLate,
        _ => Answer::Invalid,
    }
}

fn may_vote(request: &Request, approver: &Approver, approvers: &[Approver]) -> Result<(), Bar> {
    let (service, account) = (&request.service_id, &request.account_id);
    may_decide(approver, approvers, service, account)
}

/// The items that say what these approvers may decide: their own, and what else is entered of them.
fn items<'a>(
    ids: impl Iterator<Item = &'a ApproverId>,
    approvers: &[Approver],
) -> BTreeSet<ApproverId> {
    let mut items = BTreeSet::new();
    for id in ids {
        items.insert(id.clone());
        let own = approvers.iter().filter(|approver| approver.id == *id);
        let all = own.flat_map(|approver| items_of(approver, approvers));
        items.extend(all.map(|item| item.id.clone()));
    }
    items
}

/// Whether a service is managed, as far as that is known.
fn is_managed(managed: Option<&[ServiceId]>, service: &ServiceId) -> bool {
    managed.is_none_or(|managed| managed.contains(service))
}

#[cfg(test)]
mod tests;
