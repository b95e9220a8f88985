//! Votes: finds out who votes, reads the facts, asks EC2, and decides like everything else, through
//! [`Pipeline::decide_one`]. If the vote decides the review, that is carried out at once.
//!
//! The voter is looked up among the approvers at each vote, and so is the right of everybody whose
//! vote counts. EC2 is asked for the connection's owner and state. If somebody changed it meanwhile
//! without Gatekeeper, that is recorded first, and the vote is too late. The transaction that
//! records a decision requires that these rights still hold and that nobody decided before; for an
//! approval also that no entry denies the connection.

mod link;
mod observe;
mod voter;

use std::sync::Arc;

use futures_util::FutureExt as _;
use gatekeeper_core::approver::{Approver, ApproverId};
use gatekeeper_core::ballot::{CastBallot, Refusal, RequestDetails, ReviewState, ReviewView, view};
use gatekeeper_core::connection::{Connection, ConnectionState, Phase};
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::observation::Observation;
use gatekeeper_core::quorum::{Effect, effect};
use gatekeeper_core::request::{Request, Status, Transition};
use gatekeeper_core::review::{self, HeldEmail};
use gatekeeper_core::vote::{Ballot, Channel, Unrecorded, is_typed};
use jiff::Timestamp;

pub(super) use self::observe::Observer;
use self::observe::{Observed, Waits};
pub use self::voter::Voter;
use super::enforce::ToEnforce;
use super::facts::FactsRead;
use super::log::Log;
use super::outcome::Outcome;
use super::pipeline::{Decided, Pipeline, Purpose, Turn};
use crate::clock::{Clock, Deadline};
use crate::error::{Error, Retryable, Step};
use crate::tables::{Allowlist, Approvers, HeldEmails, Links, Requests};
use crate::telemetry::{Metric, Metrics};

/// How often a vote is tried again because the request or the policy changed meanwhile.
const ATTEMPTS: u32 = 5;

/// A vote to be cast.
struct Voting<'a> {
    approver: ApproverId,
    endpoint_id: EndpointId,
    review: u64,
    ballot: &'a Ballot,
    channel: Channel,
}

/// The result of one try.
enum Cast {
    /// The result of the vote.
    Finished(ReviewView),
    /// Something else was done first. Try the vote again with the request as it is now.
    Again(Box<Request>),
}

/// A vote's request and the voter.
struct Case<'a> {
    request: Request,
    history: Vec<Transition>,
    approvers: &'a Approvers,
    approver: &'a Approver,
}

impl Case<'_> {
    fn details(self) -> Box<RequestDetails> {
        Box::new(RequestDetails::of(
            self.request,
            self.history,
            self.approver,
            &self.approvers.list,
        ))
    }

    fn view(self, state: ReviewState) -> ReviewView {
        ReviewView::Shown(state, self.details())
    }

    /// How the review stands for a voter whose vote does not count.
    fn refused(self, refusal: Refusal) -> ReviewView {
        match refusal {
            Refusal::Invalid => ReviewView::Invalid,
            Refusal::NotAnApprover => ReviewView::NotAnApprover,
            Refusal::Expired => ReviewView::Expired,
            Refusal::Already => self.view(ReviewState::Already),
            Refusal::TooLate => self.view(ReviewState::TooLate),
            Refusal::Unmanaged => self.view(ReviewState::Unmanaged),
            Refusal::Ineligible(ineligible) => self.view(ReviewState::Ineligible(ineligible)),
            Refusal::Unrecorded(why) => self.view(ReviewState::Unrecorded(why)),
        }
    }
}

/// Records votes.
#[derive(Debug)]
pub(super) struct Votes {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) observer: Observer,
    pub(super) allowlist: Allowlist,
    pub(super) requests: Requests,
    pub(super) links: Links,
    pub(super) held_emails: HeldEmails,
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) log: Log,
}

impl Votes {
    /// The state of a review for one viewer. Changes nothing.
    ///
    /// # Errors
    /// The tables could not be read. The error is logged here.
    pub(super) async fn view(&self, voter: &Voter) -> Result<ReviewView, Arc<Error>> {
        let view = self.try_to_view(voter).boxed().await;
        if let Err(error) = &view {
            self.log.failure(error, None);
        }
        view
    }

    async fn try_to_view(&self, voter: &Voter) -> Result<ReviewView, Arc<Error>> {
        let (endpoint_id, review) = match voter {
            Voter::Link { token, typed } => return self.look_at_link(token, typed).await,
            Voter::Slack {
                endpoint_id,
                review,
                ..
            } => (endpoint_id, Some(*review)),
            Voter::Iam {
                endpoint_id,
                review,
                ..
            } => (endpoint_id, *review),
        };
        let waits = Waits::new(voter.channel(), &self.clock);
        let (approvers, request, history, managed) = tokio::try_join!(
            self.allowlist.approvers().boxed(),
            self.request_of(endpoint_id).boxed(),
            self.requests.history(endpoint_id).boxed(),
            self.observer.managed(waits).map(Ok).boxed(),
        )?;
        let Some(approver) = self.approver_of(voter, &approvers) else {
            return Ok(ReviewView::NotAnApprover);
        };
        let Some(request) = request else {
            return Ok(ReviewView::Invalid);
        };
        if review.is_some() && review != request.review {
            return Ok(ReviewView::Invalid);
        }
        let held = self.held_email(&request).await?;
        let (managed, now) = (managed.as_deref(), self.clock.now());
        let (approvers, held) = (&approvers.list, held.as_ref());
        Ok(view(
            request, history, &approver, approvers, managed, held, now,
        ))
    }

    /// Casts a vote, and asks EC2 to carry out what it decides.
    ///
    /// # Errors
    /// The vote could not be recorded. The error is logged here, and the call is safe to repeat.
    pub(super) async fn vote(
        &self,
        voter: &Voter,
        ballot: &Ballot,
        deadline: Deadline,
    ) -> Result<ReviewView, Arc<Error>> {
        let voted = self.try_to_vote(voter, ballot, deadline).boxed().await;
        if let Err(error) = &voted {
            self.log.failure(error, None);
        }
        voted
    }

    async fn try_to_vote(
        &self,
        voter: &Voter,
        ballot: &Ballot,
        deadline: Deadline,
    ) -> Result<ReviewView, Arc<Error>> {
        let waits = Waits::new(voter.channel(), &self.clock);
        match voter {
            Voter::Link { token, typed } => {
                let Some(opened) = self.open(token, typed).await? else {
                    return Ok(ReviewView::Invalid);
                };
                let others = opened.others.clone();
                let typed_it = is_typed(typed, &opened.request.endpoint_id);
                let now = self.clock.now();
                if opened.is_used_up() {
                    // A voter who presses twice, or in two windows, gets the result of the first
                    // press. Somebody who only has the link does not.
                    return Ok(match typed_it {
                        true => ReviewView::Shown(ReviewState::Already, Box::new(opened.details())),
                        false => ReviewView::Invalid,
                    });
                }
                if opened.link.expires_at <= now {
                    return Ok(ReviewView::Expired);
                }
                if !typed_it {
                    // The review may be decided by now, or the voter may not decide it.
                    let held = self.held_email(&opened.request).await?;
                    return Ok(match opened.view(held.as_ref(), now) {
                        ReviewView::Shown(ReviewState::Open, details) => {
                            ReviewView::Shown(ReviewState::Mistyped, details)
                        }
                        ReviewView::Shown(ReviewState::Decided, details) => {
                            ReviewView::Shown(ReviewState::TooLate, details)
                        }
                        view => view,
                    });
                }
                let voting = Voting {
                    approver: opened.approver.id,
                    endpoint_id: opened.request.endpoint_id,
                    review: opened.review,
                    ballot,
                    channel: Channel::Email,
                };
                let voted = self.cast(voting, waits, deadline).await?;
                Ok(voted.listing(others))
            }
            Voter::Slack {
                endpoint_id,
                review,
                ..
            } => {
                let approvers = self.allowlist.approvers().await?;
                let Some(approver) = self.approver_of(voter, &approvers) else {
                    return Ok(ReviewView::NotAnApprover);
                };
                let voting = Voting {
                    approver: approver.id,
                    endpoint_id: endpoint_id.clone(),
                    review: *review,
                    ballot,
                    channel: Channel::Slack,
                };
                self.cast(voting, waits, deadline).await
            }
            Voter::Iam {
                endpoint_id,
                review: shown,
                ..
            } => {
                let approvers = self.allowlist.approvers().await?;
                let Some(approver) = self.approver_of(voter, &approvers) else {
                    return Ok(ReviewView::NotAnApprover);
                };
                let request = self.request_of(endpoint_id).await?;
                let review = request.and_then(|request| request.review);
                let Some(review) = review.filter(|now| shown.is_none_or(|shown| shown == *now))
                else {
                    return Ok(ReviewView::Invalid);
                };
                let voting = Voting {
                    approver: approver.id,
                    endpoint_id: endpoint_id.clone(),
                    review,
                    ballot,
                    channel: Channel::Iam,
                };
                self.cast(voting, waits, deadline).await
            }
        }
    }

    /// Casts a vote. If something else has to be done first, does it and tries again.
    async fn cast(
        &self,
        voting: Voting<'_>,
        waits: Waits,
        deadline: Deadline,
    ) -> Result<ReviewView, Arc<Error>> {
        let Some(shown) = self.request_of(&voting.endpoint_id).await? else {
            return Ok(ReviewView::Invalid);
        };
        let mut request = shown.clone();
        for _ in 0..ATTEMPTS {
            match self
                .try_to_cast(&voting, &shown, request, waits, deadline)
                .await?
            {
                Cast::Finished(voted) => return Ok(voted),
                Cast::Again(now) => request = *now,
            }
        }
        let id = &voting.endpoint_id;
        let what =
            format!("policy or record of {id} kept changing while a vote on it was recorded");
        Err(Error::new(Step::Record, "write the vote", Retryable::Contended, what).into())
    }

    /// One try.
    async fn try_to_cast(
        &self,
        voting: &Voting<'_>,
        shown: &Request,
        request: Request,
        waits: Waits,
        deadline: Deadline,
    ) -> Result<Cast, Arc<Error>> {
        let begun = self.clock.now();
        let observing = async {
            match request.is_open_review(voting.review) {
                true => self.observer.observe(&request, waits).await,
                // There is nothing to vote on, whatever EC2 says.
                false => Observed::silent(self.clock.now()),
            }
        };
        let (read, observed) = tokio::join!(self.read_for(&request).boxed(), observing.boxed());
        let (known, history) = read?;
        let Observed {
            managed,
            connection,
            seen_at,
        } = observed;
        let approvers = self.pipeline.facts.read_approvers(&known).await?;
        if let Ok(Some(connection)) = &connection
            && let Some(Err(error)) = known.policy(connection)
        {
            let error = Arc::new(Error::from(error));
            self.log.failure(&error, Some(&connection.endpoint_id));
        }
        let doubt = connection.as_ref().err().cloned();
        let observation = Observation {
            endpoint_id: voting.endpoint_id.clone(),
            connection: connection.unwrap_or_default(),
            seen_at,
            callers: Vec::new(),
            purged: Arc::default(),
        };
        let ballot = CastBallot {
            approver: &voting.approver,
            ballot: voting.ballot,
            channel: voting.channel,
            review: voting.review,
            shown,
            managed: managed.as_deref(),
            doubt: doubt.as_ref(),
        };
        let decided = self
            .pipeline
            .decide_one(
                &observation,
                &known,
                &mut Turn::default(),
                Purpose::Vote(ballot, waits.end),
            )
            .await?;
        let by_id = |approver: &&Approver| approver.id == voting.approver;
        let Some(approver) = approvers.list.iter().find(by_id) else {
            return Ok(Cast::Finished(match decided {
                Decided::Refused(Refusal::NotAnApprover) => ReviewView::NotAnApprover,
                _ => ReviewView::Invalid,
            }));
        };
        let case = Case {
            request,
            history,
            approvers,
            approver,
        };
        match decided {
            Decided::Counted(after) => {
                let case = Case {
                    request: *after,
                    ..case
                };
                let voted = self.counted(voting, case, waits, deadline).await?;
                Ok(Cast::Finished(voted))
            }
            Decided::Refused(refusal) => {
                let case = self.as_it_stands(case).await?;
                Ok(Cast::Finished(case.refused(refusal)))
            }
            decided => {
                let first = (observation, decided, begun);
                self.finish_first(voting, case, first, (waits, deadline))
                    .await
            }
        }
    }

    /// What the tables say of what bears on a request, and how it came to where it stands.
    async fn read_for(
        &self,
        request: &Request,
    ) -> Result<(FactsRead, Vec<Transition>), Arc<Error>> {
        let connection = connection_of(request);
        let connections = [&connection];
        let mut knowledge = FactsRead::default().with_requests(std::iter::once(request));
        let ((), history) = tokio::try_join!(
            self.pipeline
                .facts
                .read(&mut knowledge, &connections, [].into())
                .boxed(),
            self.requests.history(&request.endpoint_id).boxed()
        )?;
        Ok((knowledge, history))
    }

    /// Carries out what has to be done before the vote, and settles the connections that get room
    /// by it.
    async fn finish_first(
        &self,
        voting: &Voting<'_>,
        case: Case<'_>,
        (observation, decided, begun): (Observation, Decided, Timestamp),
        (waits, deadline): (Waits, Deadline),
    ) -> Result<Cast, Arc<Error>> {
        let why = match observation.phase() {
            Phase::Waiting => Unrecorded::PolicyDecides,
            _ => Unrecorded::Meanwhile,
        };
        let decided = vec![(observation.endpoint_id, Ok(decided))];
        let finishing = async {
            let settled = self.pipeline.carry_out(decided, begun, deadline).await;
            self.pipeline.settle_waiting(&settled, deadline).await;
            settled
        };
        let done = self.clock.until_done(waits.end, finishing.boxed()).await;
        let Some(outcomes) = done else {
            tracing::warn!(
                endpoint_id = %voting.endpoint_id,
                "the voter does not wait for what comes before the vote; reconcile finishes it"
            );
            return Ok(Cast::Finished(case.refused(Refusal::Unrecorded(why))));
        };
        let Some(request) = self.request_of(&voting.endpoint_id).await? else {
            return Ok(Cast::Finished(ReviewView::Invalid));
        };
        if request.is_open_review(voting.review) {
            // If carrying out a recorded decision fails, reconcile or the next event tries again.
            for outcome in outcomes.into_values() {
                outcome?;
            }
        }
        Ok(Cast::Again(Box::new(request)))
    }

    /// The same case with the request as it is now: there may be a new reason to refuse the vote.
    async fn as_it_stands<'a>(&self, case: Case<'a>) -> Result<Case<'a>, Arc<Error>> {
        let id = &case.request.endpoint_id;
        let (request, history) = tokio::try_join!(
            self.request_of(id).boxed(),
            self.requests.history(id).boxed()
        )?;
        Ok(Case {
            request: request.unwrap_or(case.request),
            history,
            ..case
        })
    }

    /// The result of a recorded vote. Asks EC2 to carry out what it decides.
    async fn counted(
        &self,
        voting: &Voting<'_>,
        case: Case<'_>,
        waits: Waits,
        deadline: Deadline,
    ) -> Result<ReviewView, Arc<Error>> {
        self.note_vote(voting, &case.request);
        let decided = case.request.status;
        if decided.pending_enforcement().is_none() {
            return Ok(case.view(ReviewState::Waiting));
        }
        let request = self.carry_out(case.request, waits, deadline).await;
        let effect = effect(decided, request.status);
        let history = self.requests.history(&voting.endpoint_id).await?;
        let details = Case {
            request,
            history,
            approvers: case.approvers,
            approver: case.approver,
        }
        .details();
        let state = match effect {
            Effect::Done => ReviewState::Done,
            Effect::Pending => ReviewState::Recorded,
            Effect::Overtaken => ReviewState::Overtaken,
        };
        Ok(ReviewView::Shown(state, details))
    }

    /// Asks EC2 to carry out the decision, for as long as the voter waits. Answers the request as
    /// it is then.
    async fn carry_out(&self, decided: Request, waits: Waits, deadline: Deadline) -> Request {
        let begun = self.clock.now();
        let until = waits.until(&self.clock);
        let decision = ToEnforce {
            from: Some(Status::InReview),
            request: decided.clone(),
        };
        let enforcer = &self.pipeline.enforcer;
        let enforced = enforcer.enforce(vec![decision], deadline).boxed();
        let done = self.clock.until_done(until, enforced).await;
        match done.and_then(|done| done.into_values().next()) {
            Some(Ok(outcome)) => {
                let spent = self.clock.now().duration_since(begun);
                self.log.outcome(&outcome, spent.as_millis_f64());
                match outcome {
                    Outcome::Changed { request, .. } | Outcome::Lost(Some(request)) => *request,
                    _ => decided,
                }
            }
            Some(Err(error)) => {
                self.log.failure(&error, Some(&decided.endpoint_id));
                decided
            }
            None => {
                tracing::warn!(
                    endpoint_id = %decided.endpoint_id,
                    "EC2 takes longer than the voter waits; reconcile will see to it"
                );
                decided
            }
        }
    }

    fn note_vote(&self, voting: &Voting<'_>, after: &Request) {
        let choice = voting.ballot.choice.as_str();
        tracing::info!(
            endpoint_id = %after.endpoint_id,
            service_id = %after.service_id,
            account_id = %after.account_id,
            approver = %voting.approver,
            choice,
            channel = voting.channel.by(),
            to = after.status.as_str(),
            version = after.version,
            "vote"
        );
        self.metrics.put(Metric::Votes, 1.0, &[("choice", choice)]);
    }

    /// The held approval e-mail of a review, where that matters: the review's time is over unless
    /// the e-mail was held.
    async fn held_email(&self, request: &Request) -> Result<Option<HeldEmail>, Arc<Error>> {
        match review::is_over(request, None, self.clock.now()) {
            true => self.held_emails.held_email(&request.endpoint_id).await,
            false => Ok(None),
        }
    }

    async fn request_of(&self, endpoint_id: &EndpointId) -> Result<Option<Request>, Arc<Error>> {
        self.requests.request(endpoint_id).await
    }

    /// The one approver for a Slack user or an IAM caller.
    fn approver_of(&self, voter: &Voter, approvers: &Approvers) -> Option<Approver> {
        let is = |approver: &&Approver| match voter {
            Voter::Link { .. } => false,
            Voter::Slack { user, .. } => approver.slack_user_id.as_ref() == Some(user),
            Voter::Iam { arn, .. } => {
                let pattern = approver.iam_principal.as_ref();
                pattern.is_some_and(|pattern| pattern.matches(arn))
            }
        };
        let mut found = approvers.list.iter().filter(is);
        match (found.next(), found.next()) {
            (Some(approver), None) => Some(approver.clone()),
            (Some(one), Some(other)) => {
                tracing::error!(
                    one = %one.id,
                    other = %other.id,
                    "two approvers are the same person, so neither counts: correct their items"
                );
                None
            }
            (None, _) => None,
        }
    }
}

/// The connection of a request, as the request remembers it: enough to know what to read while EC2
/// is being asked.
fn connection_of(request: &Request) -> Connection {
    Connection {
        service_id: request.service_id.clone(),
        endpoint_id: request.endpoint_id.clone(),
        owner: request.account_id.clone(),
        region: request.region.clone(),
        state: ConnectionState::PendingAcceptance,
        created_at: None,
    }
}
