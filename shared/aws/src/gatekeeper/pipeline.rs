//! Decides about any number of observed connections, and carries the decisions out:
//!
//! 1. [`Pipeline::settle`] takes observations and answers the result for each.
//! 2. [`Pipeline::decide`] reads the facts for all of them at once, and processes the connections
//!    of each consumer in turn.
//! 3. [`Pipeline::decide_one`] asks [`next`] what to do: it reads the facts that are missing and
//!    asks again, or writes the change.
//! 4. [`Enforcer::enforce`](super::enforce::Enforcer::enforce) asks EC2 to carry out the decisions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream;
use futures_util::{FutureExt as _, StreamExt as _};
use gatekeeper_core::ballot::{CastBallot, Refusal};
use gatekeeper_core::change::{Change, Revocation, UsageChange};
use gatekeeper_core::connection::{Connection, Organization, Phase};
use gatekeeper_core::decide::{
    Action, AuditRun, Facts, LeaveReason, Need, Next, Setup, UsageRead, next,
};
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use gatekeeper_core::observation::Observation;
use gatekeeper_core::plan::{Plan, Seen, plan};
use gatekeeper_core::request::{Cause, Request};
use gatekeeper_core::review::HeldEmail;
use gatekeeper_core::vote::Unrecorded;
use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::enforce::{Enforcer, ToEnforce};
use super::facts::{AnyEntry, FactReader, FactsRead};
use super::log::Log;
use super::outcome::{Outcome, Settled, consumers_with_room};
use crate::clock::{Clock, Deadline};
use crate::config::Limits;
use crate::ec2::{Connections, Ec2, Which};
use crate::error::{Error, Permanent, Retryable, Step};
use crate::tables::{AccountUsage, Db, HeldEmails, Key, Recorded, Recorder, UsageItems};

/// How often a connection is decided again because the request, the policy or the usage changed
/// meanwhile.
const ATTEMPTS: u32 = 5;

/// Decides, and carries decisions out.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) facts: FactReader,
    pub(super) enforcer: Enforcer,
    connections: Connections,
    held_emails: HeldEmails,
    usage: UsageItems,
    recorder: Recorder,
    setup: Setup,
    clock: Clock,
    limits: Limits,
    log: Log,
}

/// The result of deciding about one connection.
#[derive(Debug)]
pub(super) enum Decided {
    /// A decision is written; EC2 is to be asked.
    ToEnforce(Box<ToEnforce>),
    /// There is nothing more to do.
    Finished(Outcome),
    /// The connection would be revoked. This was not written, because the audit counts revocations
    /// first.
    HeldBack(Revocation),
    /// A vote is written. If it decided, EC2 is to be asked.
    Counted(Box<Request>),
    /// The vote does not count.
    Refused(Refusal),
}

/// A run that compares connections with the policy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Auditing<'a> {
    pub(super) began: Timestamp,
    /// An entry of the allowlist for the service, once somebody looked for it.
    pub(super) entry: &'a OnceCell<AnyEntry>,
    /// Whether the start of a grace period is written.
    pub(super) may_start: bool,
    /// Whether a revocation is written.
    pub(super) may_revoke: bool,
}

/// Why a connection is decided.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// To make it agree with the policy.
    Settle,
    /// To compare it with the policy while it is connected.
    Audit(Auditing<'a>),
    /// To count a vote. The voter waits until this time.
    Vote(CastBallot<'a>, Timestamp),
}

/// What the connections of one consumer to one service share while they are decided in turn.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// The consumer's usage, as it was last read or written.
    usage: Option<AccountUsage>,
    /// Whether the usage was compared with EC2.
    is_compared: bool,
    /// The held approval e-mail of the connection that is being decided.
    held: Option<(EndpointId, Option<HeldEmail>)>,
}

/// An endpoint, and what came of deciding about it.
pub(super) type DecisionResult = (EndpointId, Result<Decided, Arc<Error>>);

impl Pipeline {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a client or a setting of its own"
    )]
    pub(super) fn new(
        facts: FactReader,
        enforcer: Enforcer,
        ec2: &Ec2,
        db: &Db,
        asks_by_email: bool,
        clock: Clock,
        limits: Limits,
        log: Log,
    ) -> Self {
        let setup = Setup {
            lag: limits.lag,
            claim: limits.claim,
            asks_by_email,
        };
        Self {
            facts,
            enforcer,
            connections: ec2.connections.clone(),
            held_emails: HeldEmails::new(db),
            usage: UsageItems::new(db),
            recorder: Recorder::new(db),
            setup,
            clock,
            limits,
            log,
        }
    }

    /// Decides, records and enforces. Answers for every observation, and for other connections of
    /// the same consumers that could be decided once there was room under a limit.
    pub(super) async fn settle(
        &self,
        observations: Vec<Observation>,
        deadline: Deadline,
    ) -> Settled {
        let mut settled = self.settle_once(observations, deadline).boxed().await;
        let freed = self.settle_waiting(&settled, deadline).await;
        settled.extend(freed);
        settled
    }

    /// Settles the pending connections of the consumers whose usage went down.
    pub(super) async fn settle_waiting(&self, settled: &Settled, deadline: Deadline) -> Settled {
        let mut others = Settled::new();
        for (service, accounts) in consumers_with_room(settled) {
            if !deadline.leaves(&self.clock, self.limits.margin) {
                // Reconcile finds the pending connections.
                return others;
            }
            let seen_at = self.clock.now();
            let accounts = Vec::from_iter(accounts);
            let listed = self
                .connections
                .of_consumers(Some(&service), &accounts, Which::Waiting)
                .await;
            match listed {
                Ok(listed) => {
                    let waiting: Vec<Observation> = listed
                        .connections
                        .into_iter()
                        .filter(|connection| connection.state.phase() == Phase::Waiting)
                        .map(|connection| Observation::of(connection, seen_at))
                        .collect();
                    if !waiting.is_empty() {
                        others.extend(self.settle_once(waiting, deadline).boxed().await);
                    }
                }
                Err(error) => self.log.failure(&error, None),
            }
        }
        others
    }

    async fn settle_once(&self, observations: Vec<Observation>, deadline: Deadline) -> Settled {
        let begun = self.clock.now();
        let decided = self.decide(observations, deadline).await;
        self.carry_out(decided, begun, deadline).await
    }

    /// Asks EC2 to carry the decisions out, and logs all results. `began` is the time at which
    /// deciding began.
    pub(super) async fn carry_out(
        &self,
        decided: Vec<DecisionResult>,
        begun: Timestamp,
        deadline: Deadline,
    ) -> Settled {
        let mut settled = Settled::new();
        let mut to_enforce = Vec::new();
        for (endpoint_id, decided) in decided {
            let outcome = match decided {
                Ok(Decided::ToEnforce(decision)) => {
                    to_enforce.push(*decision);
                    continue;
                }
                Ok(Decided::Finished(outcome)) => Ok(outcome),
                Ok(Decided::Counted(request)) => Ok(Outcome::Unchanged(Some(request))),
                // This run neither audits nor votes.
                Ok(Decided::HeldBack(_) | Decided::Refused(_)) => Ok(Outcome::Unchanged(None)),
                Err(error) => Err(error),
            };
            settled.insert(endpoint_id, outcome);
        }
        settled.extend(self.enforcer.enforce(to_enforce, deadline).await);
        let spent = self.clock.now().duration_since(begun).as_millis_f64();
        let mut out_of_time: BTreeMap<Step, &Arc<Error>> = BTreeMap::new();
        for (endpoint_id, outcome) in &settled {
            match outcome {
                Ok(outcome) => self.log.outcome(outcome, spent),
                Err(error) if error.is_out_of_time() => {
                    out_of_time.entry(error.step()).or_insert(error);
                }
                Err(error) => self.log.failure(error, Some(endpoint_id)),
            }
        }
        // Log this once for a whole step, because it is the same for all connections.
        for error in out_of_time.into_values() {
            self.log.failure(error, None);
        }
        settled
    }

    /// Brings each request to its next status. One read serves them all; connections of one consumer follow
    /// each other, since they may compete for the last place under a limit.
    async fn decide(
        &self,
        observations: Vec<Observation>,
        deadline: Deadline,
    ) -> Vec<DecisionResult> {
        let mut known = FactsRead::default();
        if let Err(error) = self.read_for(&mut known, &observations).await {
            let failed = |one: Observation| (one.endpoint_id, Err(Arc::clone(&error)));
            return observations.into_iter().map(failed).collect();
        }
        let known = &known;
        let mut consumers: BTreeMap<_, Vec<Observation>> = BTreeMap::new();
        for observation in observations {
            let consumer = consumer_of(&observation, known);
            consumers.entry(consumer).or_default().push(observation);
        }
        for observations in consumers.values_mut() {
            // Pending connections go before retries, because both may want the same place.
            observations.sort_by_key(|one| one.phase() != Phase::Waiting);
        }
        let turns: Vec<_> = consumers
            .into_values()
            .map(|observations| self.decide_in_turn(observations, known, deadline).boxed())
            .collect();
        stream::iter(turns)
            .buffered(self.limits.concurrency)
            .concat()
            .await
    }

    /// Reads the requests, and the policy for pending connections; then the policy for other
    /// connections that need it. Most of the connections that reconcile sees were settled long ago.
    async fn read_for(
        &self,
        known: &mut FactsRead,
        observations: &[Observation],
    ) -> Result<(), Arc<Error>> {
        let requests = observations
            .iter()
            .map(|one| Key::Request(one.endpoint_id.clone()))
            .collect();
        let waiting: Vec<&Connection> = observations
            .iter()
            .filter(|one| one.phase() == Phase::Waiting)
            .filter_map(|one| one.connection.as_ref())
            .collect();
        self.facts.read(known, &waiting, requests).await?;
        let more: Vec<&Connection> = observations
            .iter()
            .filter(|one| self.needs_policy(one, known))
            .filter_map(|one| one.connection.as_ref())
            .filter(|connection| !known.covers(connection))
            .collect();
        if more.is_empty() {
            return Ok(());
        }
        self.facts.read(known, &more, BTreeSet::new()).await
    }

    fn needs_policy(&self, observation: &Observation, known: &FactsRead) -> bool {
        // A request that cannot be read fails alone, in its turn.
        let Ok(request) = known.request(&observation.endpoint_id) else {
            return false;
        };
        let seen = Seen {
            connection: observation.connection.as_ref(),
            at: observation.seen_at,
        };
        let plan = plan(request.as_ref(), seen, self.clock.now(), self.limits.lag);
        matches!(
            plan,
            Plan::Judge
                | Plan::Record {
                    cause: Cause::OutOfBand,
                    ..
                }
        )
    }

    async fn decide_in_turn(
        &self,
        observations: Vec<Observation>,
        known: &FactsRead,
        deadline: Deadline,
    ) -> Vec<DecisionResult> {
        let mut turn = Turn::default();
        let mut answers = Vec::with_capacity(observations.len());
        for observation in observations {
            let decided = if deadline.leaves(&self.clock, self.limits.margin) {
                self.decide_one(&observation, known, &mut turn, Purpose::Settle)
                    .await
            } else {
                let before = format!("{} was judged", observation.endpoint_id);
                Err(Error::out_of_time(Step::Judge, before).into())
            };
            answers.push((observation.endpoint_id, decided));
        }
        answers
    }

    /// Decides about one connection by the known facts, reads missing facts, and writes the change.
    pub(super) async fn decide_one(
        &self,
        observation: &Observation,
        known: &FactsRead,
        turn: &mut Turn,
        purpose: Purpose<'_>,
    ) -> Result<Decided, Arc<Error>> {
        let contended = || {
            let id = &observation.endpoint_id;
            let what = format!("policy or record of {id} kept changing while it was judged");
            Error::new(Step::Record, "write the change", Retryable::Contended, what)
        };
        let audit = purpose.audit();
        let mut own: Option<FactsRead> = None;
        let mut attempts = 1;
        loop {
            let known = own.as_ref().unwrap_or(known);
            let request = known.request(&observation.endpoint_id)?;
            let next = self.next(observation, request.as_ref(), known, turn, purpose)?;
            let is_stale = match next.action {
                Action::Nothing => {
                    let request = request.map(Box::new);
                    return Ok(Decided::Finished(Outcome::Unchanged(request)));
                }
                Action::Leave(reason) => {
                    return match reason {
                        // The event is delivered again once the record exists.
                        LeaveReason::NameWaits => {
                            let id = &observation.endpoint_id;
                            let what = format!(
                                "who decided {id} cannot be put on its record, which does not stand yet"
                            );
                            let class = Retryable::Contended;
                            Err(Error::new(Step::Record, "name who decided", class, what).into())
                        }
                        LeaveReason::Unreadable(what) => Err(Error::from(what).into()),
                        LeaveReason::Illegal(error) => {
                            let id = &observation.endpoint_id;
                            let what = format!("an illegal change of {id} was attempted");
                            let class = Permanent::Illegal;
                            let illegal = Error::new(Step::Judge, "change the status", class, what);
                            Err(illegal.caused_by(error).into())
                        }
                        LeaveReason::Refused(refusal) => Ok(Decided::Refused(refusal)),
                        reason => Ok(Decided::Finished(Outcome::Left(reason))),
                    };
                }
                Action::Need(Need::Policy) => true,
                Action::Need(Need::Approvers) => {
                    self.facts.read_approvers(known).await?;
                    false
                }
                Action::Need(Need::AnyEntry) => {
                    if let (Some(audit), Some(request)) = (audit, &request) {
                        let service = &request.service_id;
                        self.facts.read_any_entry(service, audit.entry).await?;
                    }
                    false
                }
                Action::Need(Need::HeldEmail) => {
                    let held = self
                        .held_emails
                        .held_email(&observation.endpoint_id)
                        .await?;
                    turn.held = Some((observation.endpoint_id.clone(), held));
                    false
                }
                Action::Need(Need::Usage) => {
                    let compared = self.compare_usage(observation, known, turn);
                    match purpose {
                        // The voter waits while EC2 is asked.
                        Purpose::Vote(_, until) => {
                            match self.clock.until_done(until, compared).await {
                                Some(is_stale) => is_stale?,
                                None => {
                                    let why = Unrecorded::PolicyDecides;
                                    return Ok(Decided::Refused(Refusal::Unrecorded(why)));
                                }
                            }
                        }
                        Purpose::Settle | Purpose::Audit(_) => compared.await?,
                    }
                }
                Action::Write(change) => {
                    if let (Some(revocation), Some(audit)) = (change.revokes(), audit)
                        && !audit.may(revocation)
                    {
                        return Ok(Decided::HeldBack(revocation));
                    }
                    let entry = audit.and_then(|audit| audit.entry.get());
                    let checks = known.checks(&change.preconditions, entry);
                    match self.recorder.record(&change, checks).await? {
                        Recorded::Written => return Ok(written(*change, turn)),
                        Recorded::Lost(winner) => {
                            let stands = winner.as_ref().map(|winner| winner.version);
                            let was = request.as_ref().map(|request| request.version);
                            // Somebody wrote a note or a claim and decided nothing, or a vote may
                            // count all the same, or the winner may have written the change whose
                            // actor the event names.
                            let votes = matches!(purpose, Purpose::Vote(..));
                            let again = votes || (stands.is_some() && stands == was);
                            if !again && observation.callers.is_empty() {
                                return Ok(Decided::Finished(Outcome::Lost(winner)));
                            }
                            true
                        }
                        Recorded::PolicyChanged | Recorded::LimitReached => true,
                    }
                }
            };
            if is_stale {
                if attempts == ATTEMPTS {
                    return Err(contended().into());
                }
                attempts += 1;
                own = Some(self.read_anew(observation).await?);
                turn.usage = None;
            }
        }
    }

    /// Asks core what to do, by the known facts.
    fn next(
        &self,
        observation: &Observation,
        request: Option<&Request>,
        known: &FactsRead,
        turn: &mut Turn,
        purpose: Purpose<'_>,
    ) -> Result<Next, Error> {
        let audit = purpose.audit();
        let connection = observation.connection.as_ref();
        let policy = connection.and_then(|connection| known.policy(connection));
        let usage = match (connection, &policy) {
            (Some(connection), Some(_)) => {
                let usage = match turn.usage.take() {
                    Some(usage) => usage,
                    None => known.usage(connection)?,
                };
                let read = UsageRead {
                    others: usage.others(&connection.endpoint_id),
                    is_counted: usage.counted,
                    is_compared: turn.is_compared,
                };
                turn.usage = Some(usage);
                Some(read)
            }
            _ => None,
        };
        let held = turn.held.as_ref();
        let held = held.filter(|(endpoint, _)| *endpoint == observation.endpoint_id);
        let entry = audit.map(|audit| audit.entry.get());
        let entry = entry.map(|entry| entry.map(|entry| entry.as_ref().map(|(id, _)| id)));
        let facts = Facts {
            observation,
            request,
            policy: policy.as_ref().map(Result::as_ref),
            organization: connection.map_or(&Organization::Failed, |one| known.place(one)),
            usage,
            approvers: known.approvers().map(|approvers| &*approvers.list),
            held: held.map(|(_, held)| held.as_ref()),
            managed_since: connection.and_then(|one| known.managed_since(&one.service_id)),
            audit: audit.map(|audit| AuditRun {
                began: audit.began,
                entry: entry.flatten(),
            }),
            ballot: match purpose {
                Purpose::Vote(ballot, _) => Some(ballot),
                Purpose::Settle | Purpose::Audit(_) => None,
            },
            setup: self.setup,
        };
        Ok(next(&facts, self.clock.now()))
    }

    async fn read_anew(&self, observation: &Observation) -> Result<FactsRead, Arc<Error>> {
        let mut known = FactsRead::default();
        let request = BTreeSet::from([Key::Request(observation.endpoint_id.clone())]);
        let connection: Vec<&Connection> = observation.connection.iter().collect();
        self.facts.read(&mut known, &connection, request).await?;
        Ok(known)
    }

    /// Makes the consumer's usage agree with EC2. Answers whether it has to be read again.
    async fn compare_usage(
        &self,
        observation: &Observation,
        known: &FactsRead,
        turn: &mut Turn,
    ) -> Result<bool, Arc<Error>> {
        let Some(connection) = &observation.connection else {
            return Ok(true);
        };
        let usage = match &turn.usage {
            Some(usage) => usage.clone(),
            None => known.usage(connection)?,
        };
        let (service, owner) = (&connection.service_id, &connection.owner);
        let connected = self.connections.connected(service, owner).await?;
        if !usage.counted {
            // The limit also counts connections that were accepted before Gatekeeper counted.
            self.usage.count_slots(service, owner, &connected).await?;
            return Ok(true);
        }
        turn.is_compared = true;
        self.usage
            .reconcile_usage(service, owner, &usage, &connected)
            .await
    }
}

impl<'a> Purpose<'a> {
    fn audit(self) -> Option<Auditing<'a>> {
        match self {
            Self::Audit(audit) => Some(audit),
            Self::Settle | Self::Vote(..) => None,
        }
    }
}

impl Auditing<'_> {
    fn may(&self, revocation: Revocation) -> bool {
        match revocation {
            Revocation::Start => self.may_start,
            Revocation::Revoke => self.may_revoke,
        }
    }
}

/// What follows from a change that is written.
fn written(change: Change, turn: &mut Turn) -> Decided {
    let (from, usage, is_vote) = (change.from(), change.usage, change.consumes.is_some());
    let request = Box::new(change.after);
    if let (UsageChange::Take { .. }, Some(usage)) = (usage, &mut turn.usage) {
        usage.take(&request.endpoint_id);
    }
    if is_vote {
        return Decided::Counted(request);
    }
    if request.claimed_until.is_some() {
        let request = *request;
        return Decided::ToEnforce(Box::new(ToEnforce { from, request }));
    }
    Decided::Finished(match change.transition {
        // The request got a note, and nothing was decided.
        None => Outcome::Unchanged(Some(request)),
        Some(_) => Outcome::Changed { from, request },
    })
}

/// The service and account whose usage an observation may change.
fn consumer_of(observation: &Observation, known: &FactsRead) -> Option<(ServiceId, AccountId)> {
    match &observation.connection {
        Some(connection) => Some((connection.service_id.clone(), connection.owner.clone())),
        // A request that cannot be read does not change any usage.
        None => {
            let request = known.request(&observation.endpoint_id).ok()??;
            Some((request.service_id, request.account_id))
        }
    }
}
