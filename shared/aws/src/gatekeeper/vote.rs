//! Votes: who may cast one, what it comes to, and how its decision is carried out at once.
//!
//! Whoever votes is found anew among the approvers each time, and so is the right of everybody whose
//! vote counts; EC2 is asked whose connection it is and how it stands. What happened meanwhile without
//! us is recorded first, and the vote is then too late. The transaction that records a decision rests on
//! those rights, an approval's on nothing denying the connection, and on nobody having decided before.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use gatekeeper_core::announcement::Kind;
use gatekeeper_core::approver::{Approver, ApproverId, Bar, SlackUserId};
use gatekeeper_core::connection::{Connection, ConnectionState, Phase};
use gatekeeper_core::ids::{EndpointId, ServiceId};
use gatekeeper_core::judge::{Decision, Usage, Verdict, judge};
use gatekeeper_core::messages::Messages;
use gatekeeper_core::request::{Request, Status, Transition};
use gatekeeper_core::review;
use gatekeeper_core::token::{Token, TokenHash};
use gatekeeper_core::vote::{
    Ballot, Channel, Choice, Effect, Tally, Unrecorded, Vote, effect, is_typed, mark_void, tally,
    vote_of,
};
use jiff::Timestamp;

use super::knowledge::Knowledge;
use super::review::by_votes;
use super::settle::Outcome;
use super::{Gatekeeper, Sighting};
use crate::clock::{Clock, Deadline};
use crate::ec2::Listed;
use crate::error::{Error, Permanent, Retryable};
use crate::tables::{Approvers, Key, Link, PolicyView, Recorded, Write};
use crate::telemetry::Unit;

/// How often a vote is tried anew because the request or the policy changed under it.
const ATTEMPTS: u32 = 5;
/// For how long whoever votes waits for EC2 to say what is, and then for it to do what was decided; and
/// for all of it. What is not done by then is done by reconcile.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(8));
/// Slack shows an error after three seconds, all told.
const PATIENCE_IN_SLACK: (Duration, Duration) =
    (Duration::from_millis(700), Duration::from_millis(1700));

/// Who votes, and how we know.
#[derive(Clone)]
pub enum Voter {
    /// Whoever the link was sent to.
    Link {
        /// The token, as it stands in the link that was opened.
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
    /// Its service is not looked after any more.
    Unmanaged(Box<Dossier>),
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
    /// It decided, and came to nothing: something else had happened meanwhile.
    Overtaken(Box<Dossier>),
    /// Nothing was recorded, and it can be cast again.
    Unrecorded(Unrecorded, Box<Dossier>),
    /// They had voted before.
    Already(Box<Dossier>),
    /// It was decided, or over, before.
    TooLate(Box<Dossier>),
    /// They may not decide this one.
    Barred(Bar, Box<Dossier>),
    /// Its service is not looked after any more.
    Unmanaged(Box<Dossier>),
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
    /// Which of the request's reviews.
    review: u64,
    request: Request,
    approver: Approver,
    approvers: Approvers,
    history: Vec<Transition>,
    is_managed: bool,
}

/// For how long whoever votes waits.
#[derive(Clone, Copy)]
struct Waits {
    /// For each thing.
    each: Duration,
    /// Until when, all told.
    end: Timestamp,
}

/// What EC2 said when it was asked for a vote's sake.
struct Observed {
    managed: Arc<[ServiceId]>,
    listed: Listed,
    /// Not later than it was asked.
    at: Timestamp,
}

/// A vote's request, with whose vote it is.
struct Case<'a> {
    request: Request,
    history: Vec<Transition>,
    knowledge: &'a Knowledge,
    approvers: &'a Approvers,
    approver: &'a Approver,
}

/// What came of recording what EC2 says before a vote counts.
enum Settled<'a> {
    /// There is nothing left to vote on.
    Over(Voted),
    /// The review, as it is now.
    Open(Box<Case<'a>>),
}

impl Case<'_> {
    fn dossier(self) -> Box<Dossier> {
        Box::new(Dossier::of(
            self.request,
            self.history,
            self.approver,
            self.approvers,
        ))
    }

    fn unrecorded(self, why: Unrecorded) -> Voted {
        Voted::Unrecorded(why, self.dossier())
    }

    /// For whoever votes on a review that is not open.
    fn over(self, review: u64) -> Voted {
        match self.request.review {
            Some(last) if last == review => Voted::TooLate(self.dossier()),
            _ => Voted::Invalid,
        }
    }

    fn may_decide(&self) -> Result<(), Bar> {
        self.approver
            .may_decide(&self.request.service_id, &self.request.account_id)
    }

    /// What the policy says of the connection now.
    fn verdict(
        &self,
        view: &PolicyView,
        connection: &Connection,
        now: Timestamp,
    ) -> Result<Verdict, Permanent> {
        let slots = self
            .knowledge
            .items
            .slots(&connection.service_id, &connection.owner)?;
        let usage = Usage {
            others: slots.others(&connection.endpoint_id),
        };
        let place = self.knowledge.place(connection);
        Ok(judge(&view.policy, connection, place, usage, now))
    }
}

impl Waits {
    fn new(channel: Channel, clock: &Clock) -> Self {
        let (each, all) = match channel {
            Channel::Slack => PATIENCE_IN_SLACK,
            Channel::Email | Channel::Iam => PATIENCE,
        };
        let end = Deadline::after(clock, all).0;
        Self { each, end }
    }

    /// Until when the next thing is waited for.
    fn until(self, clock: &Clock) -> Timestamp {
        Deadline::after(clock, self.each).0.min(self.end)
    }
}

impl Voter {
    fn channel(&self) -> Channel {
        match self {
            Self::Link { .. } => Channel::Email,
            Self::Slack { .. } => Channel::Slack,
            Self::Iam { .. } => Channel::Iam,
        }
    }
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
        let waits = Waits::new(voter.channel(), &self.clock);
        let (approvers, request, history, managed) = tokio::try_join!(
            self.tables.approvers().boxed(),
            self.request_of(endpoint_id).boxed(),
            self.tables.history(endpoint_id).boxed(),
            self.managed_if_known(waits).map(Ok).boxed(),
        )?;
        let Some(approver) = self.approver_of(voter, &approvers) else {
            return Ok(View::NotAnApprover);
        };
        let Some(request) = request else {
            return Ok(View::Invalid);
        };
        if review.is_some() && review != request.review {
            return Ok(View::Invalid);
        }
        let is_managed = is_among(managed.as_deref(), &request.service_id);
        let expired = self.is_over(&request, self.clock.now()).await?;
        Ok(view_of(
            request, history, approver, &approvers, is_managed, expired,
        ))
    }

    /// The services that are looked after; none if EC2 does not say so in time. Nobody is kept from
    /// looking for that.
    async fn managed_if_known(&self, waits: Waits) -> Option<Arc<[ServiceId]>> {
        let asked = self.ec2.managed_services();
        match self.clock.until_done(waits.until(&self.clock), asked).await {
            Some(Ok(managed)) => Some(managed),
            Some(Err(error)) => {
                self.report(&error, None);
                None
            }
            None => {
                tracing::warn!(
                    "EC2 takes longer than anybody waits to say which services are managed"
                );
                None
            }
        }
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
        let waits = Waits::new(voter.channel(), &self.clock);
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
                    let expired = self.is_over(&opened.request, now).await?;
                    return Ok(match opened.view(expired) {
                        View::Open(dossier) => Voted::Mistyped(dossier),
                        View::Voted(dossier) => Voted::Already(dossier),
                        View::Decided(dossier) => Voted::TooLate(dossier),
                        View::Barred(bar, dossier) => Voted::Barred(bar, dossier),
                        View::Unmanaged(dossier) => Voted::Unmanaged(dossier),
                        View::Expired => Voted::Expired,
                        View::Invalid => Voted::Invalid,
                        View::NotAnApprover => Voted::NotAnApprover,
                    });
                }
                let cast = Cast {
                    approver: opened.approver.id,
                    endpoint_id: opened.request.endpoint_id,
                    review: opened.review,
                    ballot,
                    channel: Channel::Email,
                    link: Some(&opened.hash),
                };
                self.cast(cast, waits, deadline).await
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
                self.cast(cast, waits, deadline).await
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
                self.cast(cast, waits, deadline).await
            }
        }
    }

    async fn cast(
        &self,
        cast: Cast<'_>,
        waits: Waits,
        deadline: Deadline,
    ) -> Result<Voted, Arc<Error>> {
        for _ in 0..ATTEMPTS {
            if let Some(voted) = self.try_to_cast(&cast, waits, deadline).await? {
                return Ok(voted);
            }
        }
        Err(Retryable::Contended(cast.endpoint_id).into())
    }

    /// One try; none if what it rests on changed meanwhile.
    async fn try_to_cast(
        &self,
        cast: &Cast<'_>,
        waits: Waits,
        deadline: Deadline,
    ) -> Result<Option<Voted>, Arc<Error>> {
        let Some(request) = self.request_of(&cast.endpoint_id).await? else {
            return Ok(Some(Voted::Invalid));
        };
        let observing = async {
            match request.is_open_review(cast.review) {
                true => self.observe_for(&request, waits).await,
                false => None,
            }
        };
        let (read, observed) = tokio::join!(self.read_for(&request).boxed(), observing.boxed());
        let (knowledge, history) = read?;
        let approvers = self.approvers(&knowledge).await?;
        let by_id = |approver: &&Approver| approver.id == cast.approver;
        let Some(approver) = approvers.list.iter().find(by_id) else {
            return Ok(Some(match cast.channel {
                Channel::Email => Voted::Invalid,
                Channel::Slack | Channel::Iam => Voted::NotAnApprover,
            }));
        };
        let case = Case {
            request,
            history,
            knowledge: &knowledge,
            approvers,
            approver,
        };
        let request = &case.request;
        if vote_of(request, approver, &approvers.list).is_some()
            && request.review == Some(cast.review)
        {
            return Ok(Some(Voted::Already(case.dossier())));
        }
        if !request.is_open_review(cast.review) {
            return Ok(Some(case.over(cast.review)));
        }
        let managed = observed.as_ref().map(|observed| &*observed.managed);
        // A service that was taken from Gatekeeper is decided by others.
        if !is_among(managed, &request.service_id) {
            return Ok(Some(Voted::Unmanaged(case.dossier())));
        }
        if let Err(bar) = case.may_decide() {
            return Ok(Some(Voted::Barred(bar, case.dossier())));
        }
        let Some(observed) = observed else {
            return Ok(Some(case.unrecorded(Unrecorded::Silent)));
        };
        let connection = match self.listed_for(request, observed.listed, waits).await {
            Ok(connection) => connection,
            Err(why) => return Ok(Some(case.unrecorded(why))),
        };
        match connection {
            Some(connection)
                if connection.state.phase() == Phase::Waiting && request.is_about(&connection) =>
            {
                let seen_at = observed.at;
                self.decide_by_vote(cast, case, (connection, seen_at), waits, deadline)
                    .await
            }
            Some(connection) if !observed.managed.contains(&connection.service_id) => {
                Ok(Some(Voted::Unmanaged(case.dossier())))
            }
            otherwise => {
                let again = match &otherwise {
                    None => Some(Unrecorded::NotListed),
                    Some(connection) if request.is_about(connection) => None,
                    Some(_) => Some(Unrecorded::Corrected),
                };
                let voted = self
                    .settle_first(cast, &case, otherwise, observed.at, deadline)
                    .await?;
                Ok(match voted {
                    Settled::Over(voted) => Some(voted),
                    Settled::Open(case) => again.map(|why| match case.may_decide() {
                        Err(bar) => Voted::Barred(bar, case.dossier()),
                        Ok(()) => case.unrecorded(why),
                    }),
                })
            }
        }
    }

    /// What the tables say of what bears on a request, and how it came to where it stands.
    async fn read_for(
        &self,
        request: &Request,
    ) -> Result<(Knowledge, Vec<Transition>), Arc<Error>> {
        let connection = connection_of(request);
        let connections = [&connection];
        let mut knowledge = Knowledge::default();
        let ((), history) = tokio::try_join!(
            self.learn(&mut knowledge, &connections, [].into()).boxed(),
            self.tables.history(&request.endpoint_id).boxed()
        )?;
        Ok((knowledge, history))
    }

    /// What EC2 says, asked while the tables are read; none if it does not answer in time.
    async fn observe_for(&self, request: &Request, waits: Waits) -> Option<Observed> {
        let (id, service) = (&request.endpoint_id, &request.service_id);
        let at = self.clock.now();
        let asked = async {
            let managed = self.ec2.managed_services().await?;
            let (ids, services) = (std::slice::from_ref(id), std::slice::from_ref(service));
            let listed = self.ec2.connections(ids, services).await?;
            Ok::<_, Arc<Error>>(Observed {
                managed,
                listed,
                at,
            })
        };
        self.in_time(id, waits, asked).await
    }

    /// Has EC2 asked as long as whoever votes waits; none if it does not answer by then, or not at all.
    async fn in_time<T>(
        &self,
        endpoint_id: &EndpointId,
        waits: Waits,
        asked: impl Future<Output = Result<T, Arc<Error>>>,
    ) -> Option<T> {
        let until = waits.until(&self.clock);
        match self.clock.until_done(until, asked).await {
            Some(Ok(answer)) => Some(answer),
            Some(Err(error)) => {
                self.report(&error, Some(endpoint_id));
                None
            }
            None => {
                tracing::warn!(%endpoint_id, "EC2 takes longer than whoever votes waits; the vote is not recorded");
                None
            }
        }
    }

    /// The connection as EC2 lists it, by itself or among its consumer's; none if neither.
    async fn listed_for(
        &self,
        request: &Request,
        listed: Listed,
        waits: Waits,
    ) -> Result<Option<Connection>, Unrecorded> {
        let id = &request.endpoint_id;
        if let Some(connection) = read_from(listed, id)? {
            return Ok(Some(connection));
        }
        let asked = self
            .ec2
            .of_consumer(&request.service_id, &request.account_id);
        match self.in_time(id, waits, asked).await {
            Some(listed) => read_from(listed, id),
            None => Err(Unrecorded::Silent),
        }
    }

    /// Records what EC2 says, or has the policy decide, before a vote counts: what came of that, or the
    /// review as it is then, if it is still open.
    async fn settle_first<'a>(
        &self,
        cast: &Cast<'_>,
        case: &Case<'a>,
        connection: Option<Connection>,
        seen_at: Timestamp,
        deadline: Deadline,
    ) -> Result<Settled<'a>, Arc<Error>> {
        let sighting = Sighting {
            endpoint_id: cast.endpoint_id.clone(),
            connection,
            seen_at,
            callers: Vec::new(),
            purged: Arc::default(),
        };
        let settled = self.settle(vec![sighting], deadline).boxed().await;
        let Some(request) = self.request_of(&cast.endpoint_id).await? else {
            return Ok(Settled::Over(Voted::Invalid));
        };
        let case = Case {
            request,
            history: self.tables.history(&cast.endpoint_id).await?,
            ..*case
        };
        if !case.request.is_open_review(cast.review) {
            return Ok(Settled::Over(case.over(cast.review)));
        }
        // What failed of a decision that is recorded is tried again by others.
        for outcome in settled.into_values() {
            outcome?;
        }
        Ok(Settled::Open(Box::new(case)))
    }

    /// Records a vote on what EC2 has wait, and has EC2 do what it decides.
    async fn decide_by_vote(
        &self,
        cast: &Cast<'_>,
        case: Case<'_>,
        (connection, seen_at): (Connection, Timestamp),
        waits: Waits,
        deadline: Deadline,
    ) -> Result<Option<Voted>, Arc<Error>> {
        let view = match case.knowledge.view(&connection) {
            Ok(Some(view)) => Some(view),
            Ok(None) => return Ok(None),
            Err(error) => {
                let error = Arc::new(Error::from(error));
                self.report(&error, Some(&cast.endpoint_id));
                if cast.ballot.choice == Choice::Approve {
                    return Ok(Some(case.unrecorded(Unrecorded::Policy(error.to_string()))));
                }
                // A rejection needs the right of whoever casts it, and no policy.
                None
            }
        };
        let now = self.clock.now();
        let (request, approvers) = (&case.request, case.approvers);
        let verdict = match &view {
            Some(view) => case.verdict(view, &connection, now)?,
            None => request.verdict.clone(),
        };
        if view.is_some() && verdict.decision != Decision::Review {
            // The policy was edited and decides by itself; it does so now.
            let settled = self
                .settle_first(cast, &case, Some(connection), seen_at, deadline)
                .await?;
            return Ok(match settled {
                Settled::Over(voted) => Some(voted),
                Settled::Open(_) => None,
            });
        }
        let settings = view
            .as_ref()
            .map(|view| view.policy.settings_of(&request.service_id));
        let is_over = match &settings {
            Some(settings) => {
                let missed = self.missed_deadline(request, settings, now).await?;
                missed.is_some()
            }
            None => self.is_over(request, now).await?,
        };
        if is_over {
            return Ok(Some(Voted::Expired));
        }
        let mut voted = request.clone();
        if let Some(settings) = &settings {
            voted.approvals_required = review::approvals_required(settings);
        }
        voted.votes.push(Vote {
            approver: case.approver.id.clone(),
            choice: cast.ballot.choice,
            reason: cast.ballot.reason.clone(),
            at: now,
            channel: cast.channel,
            void: false,
        });
        mark_void(&mut voted, &approvers.list);
        let required = voted.approvals_required;
        let decision = by_votes(&voted, approvers, view.as_ref(), required, now);
        let (after, transition, grounds) = match decision {
            Some((transition, grounds)) => {
                let mut after = voted.after(&transition).map_err(Permanent::Illegal)?;
                after.verdict = verdict;
                after.claimed_until = now.checked_add(self.limits.claim).ok();
                (after, Some(transition), grounds)
            }
            None => (
                voted.noted(),
                None,
                vec![approvers.ground(&case.approver.id)],
            ),
        };
        let messages = match &transition {
            Some(transition) => Messages::of_transition(&after, transition),
            None => Messages::of_note(&after, Kind::VoteCast, now),
        };
        let recorded = self
            .tables
            .record(&Write {
                transition: transition.as_ref(),
                grounds,
                messages,
                link: cast.link,
                ..Write::of(Some(request), &after)
            })
            .await?;
        let Recorded::Written = recorded else {
            return Ok(None);
        };
        self.note_vote(cast, &after);
        if transition.is_none() {
            let case = Case {
                request: after,
                ..case
            };
            return Ok(Some(Voted::Waiting(case.dossier())));
        }
        let decided = after.status;
        let request = self.carry_out(after, waits, deadline).await;
        let effect = effect(decided, request.status);
        let history = self.tables.history(&cast.endpoint_id).await?;
        let dossier = Case {
            request,
            history,
            ..case
        }
        .dossier();
        Ok(Some(match effect {
            Effect::Done => Voted::Decided(dossier),
            Effect::Pending => Voted::Recorded(dossier),
            Effect::Overtaken => Voted::Overtaken(dossier),
        }))
    }

    /// Has EC2 do what was decided, as long as whoever voted waits. The request as it stands then.
    async fn carry_out(&self, decided: Request, waits: Waits, deadline: Deadline) -> Request {
        let begun = self.clock.now();
        let until = waits.until(&self.clock);
        let undone = vec![(Some(Status::InReview), decided.clone())];
        let enforced = self.enforce(undone, deadline).boxed();
        let done = self.clock.until_done(until, enforced).await;
        let outcome = done
            .and_then(|done| done.into_iter().next())
            .map(|done| done.outcome);
        match outcome {
            Some(Ok(outcome)) => {
                let spent = self.clock.now().duration_since(begun);
                self.tell(&outcome, spent.as_millis_f64());
                match outcome {
                    Outcome::Changed { request, .. } | Outcome::Lost(Some(request)) => *request,
                    _ => decided,
                }
            }
            Some(Err(error)) => {
                self.report(&error, Some(&decided.endpoint_id));
                decided
            }
            None => {
                tracing::warn!(
                    endpoint_id = %decided.endpoint_id,
                    "EC2 takes longer than whoever voted waits; reconcile will see to it"
                );
                decided
            }
        }
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
            version = after.version,
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
        let expired = self.is_over(&opened.request, now).await?;
        Ok(opened.view(expired))
    }

    /// Finds what a token opens; none where it opens nothing. Reads the same either way, so that it
    /// takes as long.
    async fn open(&self, token: &str) -> Result<Option<Opened>, Arc<Error>> {
        // What is no token at all is looked for like one that nobody has.
        let token = Token::from_link(token).unwrap_or_else(|_| Token::new([0; 32]));
        let hash = token.hash();
        let items = self.tables.read([Key::Link(hash.clone())].into()).await?;
        let link = items.link(&hash)?;
        let named = link
            .as_ref()
            .and_then(|link| link.requests.first().cloned());
        let endpoint_id = match &named {
            Some((endpoint_id, _)) => endpoint_id.clone(),
            None => match "vpce-00000000".parse() {
                Ok(id) => id,
                // It is one.
                Err(_) => return Ok(None),
            },
        };
        let waits = Waits::new(Channel::Email, &self.clock);
        let (request, approvers, history, managed) = tokio::try_join!(
            self.request_of(&endpoint_id).boxed(),
            self.tables.approvers().boxed(),
            self.tables.history(&endpoint_id).boxed(),
            self.managed_if_known(waits).map(Ok).boxed(),
        )?;
        let (Some(link), Some((_, review)), Some(request)) = (link, named, request) else {
            return Ok(None);
        };
        let by_id = |approver: &&Approver| approver.id == link.approver;
        let Some(approver) = approvers.list.iter().find(by_id).cloned() else {
            return Ok(None);
        };
        let may = approver.may_decide(&request.service_id, &request.account_id);
        if request.review != Some(review) || may == Err(Bar::OtherService) {
            return Ok(None);
        }
        let is_managed = is_among(managed.as_deref(), &request.service_id);
        Ok(Some(Opened {
            hash,
            link,
            review,
            request,
            approver,
            approvers,
            history,
            is_managed,
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
    fn view(self, expired: bool) -> View {
        view_of(
            self.request,
            self.history,
            self.approver,
            &self.approvers,
            self.is_managed,
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
    is_managed: bool,
    expired: bool,
) -> View {
    let is_open = request.status == Status::InReview;
    let has_voted = vote_of(&request, &approver, &approvers.list).is_some();
    let may = approver.may_decide(&request.service_id, &request.account_id);
    let dossier = Box::new(Dossier::of(request, history, &approver, approvers));
    match may {
        _ if !is_open => View::Decided(dossier),
        _ if !is_managed => View::Unmanaged(dossier),
        Err(bar) => View::Barred(bar, dossier),
        Ok(()) if has_voted => View::Voted(dossier),
        Ok(()) if expired => View::Expired,
        Ok(()) => View::Open(dossier),
    }
}

/// Whether a service is among those that are looked after, as far as that is known.
fn is_among(managed: Option<&[ServiceId]>, service: &ServiceId) -> bool {
    managed.is_none_or(|managed| managed.contains(service))
}

/// An endpoint's connection from what EC2 listed; none if it is not there.
fn read_from(listed: Listed, id: &EndpointId) -> Result<Option<Connection>, Unrecorded> {
    let is_listed = |connection: &&Connection| connection.endpoint_id == *id;
    let connection = listed.connections.iter().find(is_listed).cloned();
    let mut unreadable = listed.unreadable.iter();
    let is_named = unreadable.any(|one| one.endpoint_id.as_ref() == Some(id));
    match connection {
        _ if is_named || listed.is_attachment(id) => Err(Unrecorded::Unreadable),
        None if listed.leaves_alone(id) => Err(Unrecorded::Unreadable),
        Some(connection) if connection.state.phase() == Phase::Unknown => {
            Err(Unrecorded::UnknownState(connection.state))
        }
        connection => Ok(connection),
    }
}

/// The connection that a request is about, as the request remembers it: enough to know what to read while
/// EC2 is being asked.
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

#[cfg(test)]
mod tests {
    use super::*;
    use gatekeeper_core::listing::Unreadable;

    #[test]
    fn what_ec2_lists_is_voted_on_only_where_it_can_be_read() {
        let id: EndpointId = "vpce-00000000000000003".parse().unwrap();
        let connection = |id: &str, state: &str| Connection {
            service_id: "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap(),
            endpoint_id: id.parse().unwrap(),
            owner: "000000000003".parse().unwrap(),
            region: "eu-central-1".parse().unwrap(),
            state: state.to_owned().into(),
            created_at: None,
        };
        // A name that is no id stands for one that cannot be read.
        let unreadable_one = |id: &&str| Unreadable {
            name: (*id).to_owned(),
            service_id: None,
            endpoint_id: id.parse().ok(),
            field: "vpcEndpointOwner",
            why: "is missing".to_owned(),
            created_at: None,
            has_ended: false,
        };
        let read = |connections: &[Connection], unreadable: &[&str]| {
            let listed = Listed {
                connections: connections.to_vec(),
                unreadable: unreadable.iter().map(unreadable_one).collect(),
                ..Listed::default()
            };
            read_from(listed, &id)
        };
        let waits = connection(id.as_str(), "pendingAcceptance");
        let other = connection("vpce-00000000000000009", "hibernating");
        assert_eq!(read(&[], &[]), Ok(None));
        assert_eq!(
            read(std::slice::from_ref(&other), &["vpce-00000000000000008"]),
            Ok(None)
        );
        assert_eq!(read(&[other, waits.clone()], &[]), Ok(Some(waits.clone())));
        assert_eq!(read(&[], &[id.as_str()]), Err(Unrecorded::Unreadable));
        assert_eq!(read(&[], &["?"]), Err(Unrecorded::Unreadable));
        let listed = Some(waits.clone());
        assert_eq!(read(std::slice::from_ref(&waits), &["?"]), Ok(listed));
        // Listed twice, once in a way that cannot be read: that may be the one that counts.
        assert_eq!(read(&[waits], &[id.as_str()]), Err(Unrecorded::Unreadable));
        let state = ConnectionState::Unknown("hibernating".to_owned());
        let odd = connection(id.as_str(), "hibernating");
        assert_eq!(read(&[odd], &[]), Err(Unrecorded::UnknownState(state)));
    }
}
