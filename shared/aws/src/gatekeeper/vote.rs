//! Votes: who may cast one, what it comes to, and how its decision is carried out at once.
//!
//! Whoever votes is found anew among the approvers each time, and so is the right of everybody whose
//! vote counts. The transaction that records a decision rests on those rights, on nothing denying the
//! connection, and on nobody having decided before.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use gatekeeper_core::announcement::Kind;
use gatekeeper_core::approver::{Approver, ApproverId, Bar, SlackUserId};
use gatekeeper_core::connection::{Connection, ConnectionState};
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::judge::{Decision, Usage, judge};
use gatekeeper_core::message::Message;
use gatekeeper_core::request::{Request, Status, Transition};
use gatekeeper_core::review;
use gatekeeper_core::token::{Token, TokenHash};
use gatekeeper_core::vote::{Ballot, Channel, Tally, Vote, is_typed, mark_void, tally, vote_of};

use super::knowledge::Knowledge;
use super::review::by_votes;
use super::settle::Outcome;
use super::{Gatekeeper, Sighting};
use crate::clock::Deadline;
use crate::error::{Error, Permanent, Retryable};
use crate::tables::{Approvers, Key, Link, Recorded, Told, Write};
use crate::telemetry::Unit;

/// How often a vote is tried anew because the request or the policy changed under it.
const ATTEMPTS: u32 = 5;
/// For how long whoever votes waits for EC2, and then for SNS. What is not done by then is done by
/// reconcile.
const PATIENCE: Duration = Duration::from_secs(2);
/// Slack shows an error after three seconds, all told.
const PATIENCE_IN_SLACK: Duration = Duration::from_millis(700);
/// Who votes, and how we know.
#[derive(Clone)]
pub enum Voter {
    /// Whoever the link was sent to.
    Link {
        /// The token, as it stands in the link.
        token: String,
        /// The last characters of the endpoint's id, as they were typed: no machine does.
        typed: String,
    },
    /// A person in Slack, whose signature was checked.
    Slack {
        /// Who.
        user: SlackUserId,
        /// Which connection the button was for.
        endpoint_id: EndpointId,
        /// Which of its reviews.
        review: u64,
    },
    /// A caller of AWS, as STS names them.
    Iam {
        /// The caller's ARN.
        arn: String,
        /// Which connection.
        endpoint_id: EndpointId,
    },
}

/// All that is to be known of a request, for whoever may decide it.
#[derive(Debug, Clone)]
pub struct Dossier {
    /// The request as it stands.
    pub request: Request,
    /// How it came there, oldest first.
    pub history: Vec<Transition>,
    /// Who is looking.
    pub approver: ApproverId,
    /// How many approvals count at the moment.
    pub given: u32,
}

/// How a review stands for whoever looks at it. Looking changes nothing.
#[derive(Debug, Clone)]
pub enum View {
    /// They may vote.
    Open(Box<Dossier>),
    /// They have voted, and more people must.
    Voted(Box<Dossier>),
    /// It is decided, or over.
    Decided(Box<Dossier>),
    /// They may not decide this one.
    Barred(Bar, Box<Dossier>),
    /// Their link, or the review's time, is over.
    Expired,
    /// There is no such link or review, or it is used, or whoever it was for is no approver any more.
    Invalid,
    /// They are no approver.
    NotAnApprover,
}

/// What became of a vote.
#[derive(Debug, Clone)]
pub enum Voted {
    /// It counts, and more are needed.
    Waiting(Box<Dossier>),
    /// It decided, and EC2 has done it.
    Decided(Box<Dossier>),
    /// It decided; that is recorded, and EC2 will be asked again until it has done it.
    Recorded(Box<Dossier>),
    /// They had voted before.
    Already(Box<Dossier>),
    /// It was decided, or over, before.
    TooLate(Box<Dossier>),
    /// They may not decide this one.
    Barred(Bar, Box<Dossier>),
    /// What they typed is not the end of the endpoint's id.
    Mistyped(Box<Dossier>),
    /// Their link, or the review's time, is over.
    Expired,
    /// There is no such link or review, or it is used, or whoever it was for is no approver any more.
    Invalid,
    /// They are no approver.
    NotAnApprover,
}

/// A vote that may be cast.
struct Cast<'a> {
    approver: ApproverId,
    endpoint_id: EndpointId,
    review: u64,
    ballot: &'a Ballot,
    channel: Channel,
    link: Option<&'a TokenHash>,
}

/// A link with what it opens.
struct Opened {
    hash: TokenHash,
    link: Link,
    request: Request,
    approver: Approver,
    approvers: Approvers,
    history: Vec<Transition>,
}

impl std::fmt::Debug for Voter {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Link { .. } => f.write_str("Link(…)"),
            Self::Slack { user, .. } => write!(f, "Slack({user})"),
            Self::Iam { arn, .. } => write!(f, "Iam({arn})"),
        }
    }
}

impl Gatekeeper {
    /// How a review stands for whoever looks at it. Changes nothing.
    ///
    /// # Errors
    /// What kept the tables from being read. It is logged here.
    pub async fn view(&self, voter: &Voter) -> Result<View, Arc<Error>> {
        let view = self.try_to_view(voter).boxed().await;
        if let Err(error) = &view {
            self.report(error, None);
        }
        view
    }

    async fn try_to_view(&self, voter: &Voter) -> Result<View, Arc<Error>> {
        let (endpoint_id, review) = match voter {
            Voter::Link { token, .. } => return self.look_at_link(token).await,
            Voter::Slack {
                endpoint_id,
                review,
                ..
            } => (endpoint_id, Some(*review)),
            Voter::Iam { endpoint_id, .. } => (endpoint_id, None),
        };
        let approvers = self.tables.approvers().await?;
        let Some(approver) = self.approver_of(voter, &approvers) else {
            return Ok(View::NotAnApprover);
        };
        let Some(request) = self.request_of(endpoint_id).await? else {
            return Ok(View::Invalid);
        };
        if review.is_some() && review != request.review {
            return Ok(View::Invalid);
        }
        let history = self.tables.history(endpoint_id).await?;
        let expired = review::is_over(&request, self.clock.now());
        Ok(view_of(request, history, approver, &approvers, expired))
    }

    /// Casts a vote, and has EC2 do what it decides.
    ///
    /// # Errors
    /// What kept it from being recorded. It is logged here, and safe to try again.
    pub async fn vote(
        &self,
        voter: &Voter,
        ballot: &Ballot,
        deadline: Deadline,
    ) -> Result<Voted, Arc<Error>> {
        let voted = self.try_to_vote(voter, ballot, deadline).boxed().await;
        if let Err(error) = &voted {
            self.report(error, None);
        }
        voted
    }

    async fn try_to_vote(
        &self,
        voter: &Voter,
        ballot: &Ballot,
        deadline: Deadline,
    ) -> Result<Voted, Arc<Error>> {
        match voter {
            Voter::Link { token, typed } => {
                let Some(opened) = self.open(token).await? else {
                    return Ok(Voted::Invalid);
                };
                let typed_it = is_typed(typed, &opened.request.endpoint_id);
                let now = self.clock.now();
                if opened.link.used_at.is_some() {
                    // Who presses twice, or in two windows, is told what came of it; who only has the
                    // link is not.
                    return Ok(match typed_it {
                        true => Voted::Already(Box::new(opened.dossier())),
                        false => Voted::Invalid,
                    });
                }
                if opened.link.expires_at <= now {
                    return Ok(Voted::Expired);
                }
                if !typed_it {
                    // What there is to decide may be decided by now, or not be theirs to decide.
                    return Ok(match opened.view(now) {
                        View::Open(dossier) => Voted::Mistyped(dossier),
                        View::Voted(dossier) => Voted::Already(dossier),
                        View::Decided(dossier) => Voted::TooLate(dossier),
                        View::Barred(bar, dossier) => Voted::Barred(bar, dossier),
                        View::Expired => Voted::Expired,
                        View::Invalid => Voted::Invalid,
                        View::NotAnApprover => Voted::NotAnApprover,
                    });
                }
                let cast = Cast {
                    approver: opened.approver.id,
                    endpoint_id: opened.request.endpoint_id,
                    review: opened.link.review,
                    ballot,
                    channel: Channel::Email,
                    link: Some(&opened.hash),
                };
                self.cast(cast, deadline).await
            }
            Voter::Slack {
                endpoint_id,
                review,
                ..
            } => {
                let approvers = self.tables.approvers().await?;
                let Some(approver) = self.approver_of(voter, &approvers) else {
                    return Ok(Voted::NotAnApprover);
                };
                let cast = Cast {
                    approver: approver.id,
                    endpoint_id: endpoint_id.clone(),
                    review: *review,
                    ballot,
                    channel: Channel::Slack,
                    link: None,
                };
                self.cast(cast, deadline).await
            }
            Voter::Iam { endpoint_id, .. } => {
                let approvers = self.tables.approvers().await?;
                let Some(approver) = self.approver_of(voter, &approvers) else {
                    return Ok(Voted::NotAnApprover);
                };
                let request = self.request_of(endpoint_id).await?;
                let Some(review) = request.and_then(|request| request.review) else {
                    return Ok(Voted::Invalid);
                };
                let cast = Cast {
                    approver: approver.id,
                    endpoint_id: endpoint_id.clone(),
                    review,
                    ballot,
                    channel: Channel::Iam,
                    link: None,
                };
                self.cast(cast, deadline).await
            }
        }
    }

    async fn cast(&self, cast: Cast<'_>, deadline: Deadline) -> Result<Voted, Arc<Error>> {
        for _ in 0..ATTEMPTS {
            if let Some(voted) = self.try_to_cast(&cast, deadline).await? {
                return Ok(voted);
            }
        }
        Err(Retryable::Contended(cast.endpoint_id).into())
    }

    /// One try; none if what it rests on changed meanwhile.
    async fn try_to_cast(
        &self,
        cast: &Cast<'_>,
        deadline: Deadline,
    ) -> Result<Option<Voted>, Arc<Error>> {
        let Some(request) = self.request_of(&cast.endpoint_id).await? else {
            return Ok(Some(Voted::Invalid));
        };
        // A service that was taken from Gatekeeper is decided by others.
        if !self
            .ec2
            .managed_services()
            .await?
            .contains(&request.service_id)
        {
            return Ok(Some(Voted::Invalid));
        }
        let connection = connection_of(&request);
        let mut knowledge = Knowledge::default();
        self.learn(&mut knowledge, &[&connection], [].into())
            .await?;
        let Some(view) = knowledge.view(&connection)? else {
            return Ok(None);
        };
        let approvers = self.approvers(&knowledge).await?;
        let by_id = |approver: &&Approver| approver.id == cast.approver;
        let Some(approver) = approvers.list.iter().find(by_id) else {
            return Ok(Some(match cast.channel {
                Channel::Email => Voted::Invalid,
                Channel::Slack | Channel::Iam => Voted::NotAnApprover,
            }));
        };
        let dossier = |request: Request, history| {
            Box::new(Dossier::of(request, history, approver, approvers))
        };
        let history = self.tables.history(&cast.endpoint_id).await?;
        if vote_of(&request, approver, &approvers.list).is_some()
            && request.review == Some(cast.review)
        {
            return Ok(Some(Voted::Already(dossier(request, history))));
        }
        if !request.is_open_review(cast.review) {
            return Ok(Some(match request.review {
                Some(review) if review == cast.review => Voted::TooLate(dossier(request, history)),
                _ => Voted::Invalid,
            }));
        }
        if let Err(bar) = approver.may_decide(&request.service_id, &request.account_id) {
            return Ok(Some(Voted::Barred(bar, dossier(request, history))));
        }
        let now = self.clock.now();
        let settings = view.policy.settings_of(&request.service_id);
        let slots = knowledge
            .items
            .slots(&request.service_id, &request.account_id)?;
        let usage = Usage {
            others: slots.others(&request.endpoint_id),
        };
        let place = knowledge.place(&connection);
        let verdict = judge(&view.policy, &connection, place, usage, now);
        if verdict.decision != Decision::Review {
            // The policy was edited and decides by itself; it does so now.
            if !self.have_policy_decide(&request, deadline).await? {
                // The endpoint is gone, and reconcile will say so.
                return Ok(Some(Voted::Invalid));
            }
            let Some(decided) = self.request_of(&cast.endpoint_id).await? else {
                return Ok(Some(Voted::Invalid));
            };
            if decided.is_open_review(cast.review) {
                return Ok(None);
            }
            let history = self.tables.history(&cast.endpoint_id).await?;
            return Ok(Some(Voted::TooLate(dossier(decided, history))));
        }
        if review::missed_deadline(&request, &settings, now).is_some() {
            return Ok(Some(Voted::Expired));
        }
        let mut voted = request.clone();
        voted.approvals_required = review::approvals_required(&settings);
        voted.votes.push(Vote {
            approver: approver.id.clone(),
            choice: cast.ballot.choice,
            reason: cast.ballot.reason.clone(),
            at: now,
            channel: cast.channel,
            void: false,
        });
        mark_void(&mut voted, &approvers.list);
        let decision = by_votes(&voted, approvers, &view, &settings, now);
        let (after, transition, grounds) = match decision {
            Some((transition, grounds)) => {
                let mut after = voted.after(&transition).map_err(Permanent::Illegal)?;
                after.verdict = verdict;
                after.claimed_until = now.checked_add(self.limits.claim).ok();
                (after, Some(transition), grounds)
            }
            None => (voted.noted(), None, vec![approvers.ground(&approver.id)]),
        };
        let recorded = self
            .tables
            .record(&Write {
                transition: transition.as_ref(),
                grounds,
                told: match transition {
                    Some(_) => Told::Transition,
                    None => Told::Note(Kind::VoteCast),
                },
                link: cast.link,
                ..Write::of(Some(&request), &after)
            })
            .await?;
        let Recorded::Written(messages) = recorded else {
            return Ok(None);
        };
        self.note_vote(cast, &after);
        if transition.is_none() {
            self.tell_people(messages, cast.channel, deadline).await;
            return Ok(Some(Voted::Waiting(dossier(after, history))));
        }
        let done = self
            .carry_out(after, messages, cast.channel, deadline)
            .await;
        let (request, is_done) = match done {
            Ok(request) => (request, true),
            Err(request) => (request, false),
        };
        let history = self.tables.history(&cast.endpoint_id).await?;
        let dossier = dossier(request, history);
        Ok(Some(match is_done {
            true => Voted::Decided(dossier),
            false => Voted::Recorded(dossier),
        }))
    }

    /// Has EC2 do what was decided, as long as whoever voted waits. The request as it stands then: done,
    /// or (as an error) recorded only.
    async fn carry_out(
        &self,
        decided: Request,
        mut messages: Vec<Message>,
        channel: Channel,
        deadline: Deadline,
    ) -> Result<Request, Request> {
        let begun = self.clock.now();
        let until = Deadline::after(&self.clock, patience(channel));
        let undone = vec![(Some(Status::InReview), decided.clone())];
        let enforced = self.enforce(undone, deadline).boxed();
        let done = self.clock.until_done(until.0, enforced).await;
        let outcome = done
            .and_then(|done| done.into_iter().next())
            .map(|done| done.outcome);
        let result = match outcome {
            Some(Ok((outcome, told))) => {
                messages.extend(told);
                let spent = self.clock.now().duration_since(begun);
                self.tell(&outcome, spent.as_millis_f64());
                match outcome {
                    Outcome::Changed { request, .. } | Outcome::Lost(Some(request)) => Ok(*request),
                    _ => Err(decided),
                }
            }
            Some(Err(error)) => {
                self.report(&error, Some(&decided.endpoint_id));
                Err(decided)
            }
            None => {
                tracing::warn!(
                    endpoint_id = %decided.endpoint_id,
                    "EC2 takes longer than whoever voted waits; reconcile will see to it"
                );
                Err(decided)
            }
        };
        self.tell_people(messages, channel, deadline).await;
        result
    }

    /// Publishes as long as whoever voted waits; the rest stays in the outbox.
    async fn tell_people(&self, messages: Vec<Message>, channel: Channel, deadline: Deadline) {
        let until = Deadline::after(&self.clock, patience(channel));
        let announced = self.announce(messages, deadline).boxed();
        if self.clock.until_done(until.0, announced).await.is_none() {
            tracing::warn!("SNS takes longer than whoever voted waits; reconcile will see to it");
        }
    }

    /// Settles a connection anew; answers whether EC2 lists it.
    async fn have_policy_decide(
        &self,
        request: &Request,
        deadline: Deadline,
    ) -> Result<bool, Arc<Error>> {
        let seen_at = self.clock.now();
        let (ids, services) = ([request.endpoint_id.clone()], [request.service_id.clone()]);
        let listed = self.ec2.connections(&ids, &services).await?;
        let is_listed = !listed.connections.is_empty() || listed.leaves_alone(&request.endpoint_id);
        let sightings = listed.connections.into_iter();
        let sightings = sightings.map(|connection| Sighting::of(connection, seen_at));
        let settled = self.settle(sightings.collect(), deadline).boxed().await;
        for outcome in settled.into_values() {
            outcome?;
        }
        Ok(is_listed)
    }

    fn note_vote(&self, cast: &Cast<'_>, after: &Request) {
        let choice = cast.ballot.choice.as_str();
        tracing::info!(
            endpoint_id = %after.endpoint_id,
            service_id = %after.service_id,
            account_id = %after.account_id,
            approver = %cast.approver,
            choice,
            channel = cast.channel.by(),
            to = after.status.as_str(),
            "vote"
        );
        self.metrics
            .put("Votes", Unit::Count, 1.0, &[("choice", choice)]);
    }

    async fn look_at_link(&self, token: &str) -> Result<View, Arc<Error>> {
        let Some(opened) = self.open(token).await? else {
            return Ok(View::Invalid);
        };
        if opened.link.used_at.is_some() {
            return Ok(View::Invalid);
        }
        let now = self.clock.now();
        if opened.link.expires_at <= now {
            return Ok(View::Expired);
        }
        Ok(opened.view(now))
    }

    /// Finds what a token opens; none where it opens nothing. Reads the same either way, so that it
    /// takes as long.
    async fn open(&self, token: &str) -> Result<Option<Opened>, Arc<Error>> {
        // What is no token at all is looked for like one that nobody has.
        let token = token.parse().unwrap_or_else(|_| Token::new([0; 32]));
        let hash = token.hash();
        let items = self.tables.read([Key::Link(hash.clone())].into()).await?;
        let link = items.link(&hash)?;
        let endpoint_id = match &link {
            Some(link) => link.endpoint_id.clone(),
            None => match "vpce-00000000".parse() {
                Ok(id) => id,
                // It is one.
                Err(_) => return Ok(None),
            },
        };
        let (request, approvers, history) = tokio::try_join!(
            self.request_of(&endpoint_id).boxed(),
            self.tables.approvers().boxed(),
            self.tables.history(&endpoint_id).boxed()
        )?;
        let (Some(link), Some(request)) = (link, request) else {
            return Ok(None);
        };
        let by_id = |approver: &&Approver| approver.id == link.approver;
        let Some(approver) = approvers.list.iter().find(by_id).cloned() else {
            return Ok(None);
        };
        let may = approver.may_decide(&request.service_id, &request.account_id);
        if request.review != Some(link.review) || may == Err(Bar::OtherService) {
            return Ok(None);
        }
        Ok(Some(Opened {
            hash,
            link,
            request,
            approver,
            approvers,
            history,
        }))
    }

    async fn request_of(&self, endpoint_id: &EndpointId) -> Result<Option<Request>, Arc<Error>> {
        let items = self
            .tables
            .read([Key::Request(endpoint_id.clone())].into())
            .await?;
        Ok(items.request(endpoint_id)?)
    }

    /// The one approver that somebody in Slack, or a caller of AWS, is.
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
                    "two approvers stand for the same person, so neither does: correct their items"
                );
                None
            }
            (None, _) => None,
        }
    }
}

impl Opened {
    fn dossier(self) -> Dossier {
        Dossier::of(self.request, self.history, &self.approver, &self.approvers)
    }

    /// How what it opens stands, for a link that is neither used nor out of time.
    fn view(self, now: jiff::Timestamp) -> View {
        let expired = review::is_over(&self.request, now);
        view_of(
            self.request,
            self.history,
            self.approver,
            &self.approvers,
            expired,
        )
    }
}

impl Dossier {
    fn of(
        request: Request,
        history: Vec<Transition>,
        approver: &Approver,
        approvers: &Approvers,
    ) -> Self {
        let given = match tally(&request, &approvers.list, u32::MAX) {
            Tally::Waiting { given } => given,
            Tally::Approved(votes) => u32::try_from(votes.len()).unwrap_or(u32::MAX),
            Tally::Rejected(_) => 0,
        };
        Self {
            request,
            history,
            approver: approver.id.clone(),
            given,
        }
    }

    /// What the approver said, if they did.
    #[must_use]
    pub fn own_vote(&self) -> Option<&Vote> {
        let mut votes = self.request.votes.iter();
        votes.find(|vote| vote.approver == self.approver)
    }
}

fn view_of(
    request: Request,
    history: Vec<Transition>,
    approver: Approver,
    approvers: &Approvers,
    expired: bool,
) -> View {
    let is_open = request.status == Status::InReview;
    let has_voted = vote_of(&request, &approver, &approvers.list).is_some();
    let may = approver.may_decide(&request.service_id, &request.account_id);
    let dossier = Box::new(Dossier::of(request, history, &approver, approvers));
    match may {
        _ if !is_open => View::Decided(dossier),
        Err(bar) => View::Barred(bar, dossier),
        Ok(()) if has_voted => View::Voted(dossier),
        Ok(()) if expired => View::Expired,
        Ok(()) => View::Open(dossier),
    }
}

/// For how long whoever votes this way waits.
fn patience(channel: Channel) -> Duration {
    match channel {
        Channel::Slack => PATIENCE_IN_SLACK,
        Channel::Email | Channel::Iam => PATIENCE,
    }
}

/// The connection that a request is about, while EC2 waits for a decision.
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
