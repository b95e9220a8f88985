//! Judge and record: from a sighting to the request's next status.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream;
use futures_util::{FutureExt as _, StreamExt as _};
use gatekeeper_core::announcement::Kind;
use gatekeeper_core::connection::{Connection, Organization, Phase};
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use gatekeeper_core::judge::{Decision, Usage, Verdict, doubts, judge};
use gatekeeper_core::messages::Messages;
use gatekeeper_core::plan::{Approval, Plan, Seen, Why, approval, is_approved_by_people, plan};
use gatekeeper_core::policy::{OutOfBand, ServiceSettings};
use gatekeeper_core::purge;
use gatekeeper_core::rejection::{Rejection, StaysRejected, rejection};
use gatekeeper_core::request::{Actor, Cause, Request, SlotChange, Status, Transition};
use gatekeeper_core::review;
use jiff::Timestamp;

use super::knowledge::Knowledge;
use super::review::{by_votes, names};
use super::settle::Outcome;
use super::{Gatekeeper, Sighting};
use crate::clock::Deadline;
use crate::error::{Error, Permanent, Retryable};
use crate::tables::{Ground, Items, Key, Recorded, Slots, Tables, Write};

/// How often a connection is judged anew because policy or slots changed under the judgement.
const ATTEMPTS: u32 = 4;

/// Where judging and recording ended.
pub(super) enum Decided {
    /// A change is written; it may still have to be enforced.
    Recorded {
        from: Option<Status>,
        request: Box<Request>,
    },
    /// There is nothing more to do.
    Finished(Outcome),
}

/// One try at one connection.
pub(super) enum Attempt {
    Done(Decided),
    /// Something that the judgement rests on was not read, or is not so any more.
    ReadAgain,
}

/// What one consumer's connections to one service share while they are decided in turn.
#[derive(Default)]
struct Turn {
    /// The consumer's slots, as of the last that was read or taken.
    slots: Option<Slots>,
    /// Whether slots that nobody holds have been looked for.
    repaired: bool,
}

type Answer = (EndpointId, Result<Decided, Arc<Error>>);

impl Gatekeeper {
    /// Brings each sighting's request to its next status. One read serves them all; connections of
    /// one consumer follow each other, since they may compete for its slots.
    pub(super) async fn decide(&self, sightings: Vec<Sighting>, deadline: Deadline) -> Vec<Answer> {
        let mut knowledge = Knowledge::default();
        if let Err(error) = self.learn_for(&mut knowledge, &sightings).await {
            let failed = |s: Sighting| (s.endpoint_id, Err(Arc::clone(&error)));
            return sightings.into_iter().map(failed).collect();
        }
        let knowledge = &knowledge;
        let mut consumers: BTreeMap<_, Vec<Sighting>> = BTreeMap::new();
        for sighting in sightings {
            let consumer = consumer_of(&sighting, &knowledge.items);
            consumers.entry(consumer).or_default().push(sighting);
        }
        for sightings in consumers.values_mut() {
            // What waits goes before what is tried again: they may want the same slot.
            sightings.sort_by_key(|sighting| {
                let connection = sighting.connection.as_ref();
                connection.is_none_or(|connection| connection.state.phase() != Phase::Waiting)
            });
        }
        let turns: Vec<_> = consumers
            .into_values()
            .map(|sightings| self.decide_in_turn(sightings, knowledge, deadline).boxed())
            .collect();
        stream::iter(turns)
            .buffered(self.limits.concurrency)
            .concat()
            .await
    }

    /// Reads the requests, and the policy for what waits; then the policy for what else turns out
    /// to need it: most of what reconcile sees is long settled.
    async fn learn_for(
        &self,
        knowledge: &mut Knowledge,
        sightings: &[Sighting],
    ) -> Result<(), Arc<Error>> {
        let requests = sightings
            .iter()
            .map(|sighting| Key::Request(sighting.endpoint_id.clone()))
            .collect();
        let waiting: Vec<&Connection> = sightings
            .iter()
            .filter_map(|sighting| sighting.connection.as_ref())
            .filter(|connection| connection.state.phase() == Phase::Waiting)
            .collect();
        self.learn(knowledge, &waiting, requests).await?;
        let more: Vec<&Connection> = sightings
            .iter()
            .filter_map(|sighting| {
                // A request that cannot be read fails alone, in its turn.
                let request = knowledge.items.request(&sighting.endpoint_id).ok()?;
                let needs_policy = matches!(
                    self.plan_for(sighting, request.as_ref()),
                    Plan::Judge
                        | Plan::Record {
                            cause: Cause::OutOfBand,
                            ..
                        }
                );
                sighting.connection.as_ref().filter(|_| needs_policy)
            })
            .filter(|connection| !knowledge.covers(connection))
            .collect();
        if more.is_empty() {
            return Ok(());
        }
        self.learn(knowledge, &more, BTreeSet::new()).await
    }

    fn plan_for(&self, sighting: &Sighting, request: Option<&Request>) -> Plan {
        let seen = Seen {
            connection: sighting.connection.as_ref(),
            at: sighting.seen_at,
        };
        plan(request, seen, self.clock.now(), self.limits.lag)
    }

    async fn decide_in_turn(
        &self,
        sightings: Vec<Sighting>,
        knowledge: &Knowledge,
        deadline: Deadline,
    ) -> Vec<Answer> {
        let mut turn = Turn::default();
        let mut answers = Vec::with_capacity(sightings.len());
        for sighting in sightings {
            let decided = if deadline.leaves(&self.clock, self.limits.margin) {
                self.decide_one(&sighting, knowledge, &mut turn).await
            } else {
                Err(Retryable::OutOfTime.into())
            };
            answers.push((sighting.endpoint_id, decided));
        }
        answers
    }

    async fn decide_one(
        &self,
        sighting: &Sighting,
        knowledge: &Knowledge,
        turn: &mut Turn,
    ) -> Result<Decided, Arc<Error>> {
        if let Attempt::Done(decided) = self.attempt(sighting, knowledge, turn).await? {
            return Ok(decided);
        }
        for _ in 1..ATTEMPTS {
            let mut knowledge = Knowledge::default();
            let request = BTreeSet::from([Key::Request(sighting.endpoint_id.clone())]);
            let connection: Vec<&Connection> = sighting.connection.iter().collect();
            self.learn(&mut knowledge, &connection, request).await?;
            turn.slots = None;
            if let Attempt::Done(decided) = self.attempt(sighting, &knowledge, turn).await? {
                return Ok(decided);
            }
        }
        Err(Retryable::Contended(sighting.endpoint_id.clone()).into())
    }

    async fn attempt(
        &self,
        sighting: &Sighting,
        knowledge: &Knowledge,
        turn: &mut Turn,
    ) -> Result<Attempt, Arc<Error>> {
        let request = knowledge.items.request(&sighting.endpoint_id)?;
        let plan = self.plan_for(sighting, request.as_ref());
        match (plan, &sighting.connection, request) {
            (Plan::Nothing, _, request) => self.unchanged(sighting, request).await,
            // Until then the names would be forgotten: the event comes again when the record stands.
            (Plan::Leave(Why::Claimed | Why::Lag), _, Some(_)) if !sighting.callers.is_empty() => {
                Err(Retryable::Contended(sighting.endpoint_id.clone()).into())
            }
            (Plan::Leave(why), _, _) => Ok(finished(Outcome::Left(why))),
            (Plan::Judge, Some(connection), request) => {
                self.judge(sighting, connection, request, knowledge, turn)
                    .await
            }
            (Plan::Enforce, _, Some(request)) => {
                let verdict = request.verdict.clone();
                self.claim(&request, verdict, Vec::new()).await
            }
            (Plan::Record { to, cause }, _, request) => {
                self.record_seen(sighting, request, to, cause, knowledge)
                    .await
            }
            // The plan never asks to judge what EC2 does not list, or to enforce what was not decided.
            (Plan::Judge, None, _) | (Plan::Enforce, _, None) => {
                Ok(finished(Outcome::Unchanged(None)))
            }
        }
    }

    /// The record is as it should be; but perhaps an event names who made it so: AWS CloudTrail tells
    /// that minutes after EC2 shows that somebody did.
    async fn unchanged(
        &self,
        sighting: &Sighting,
        request: Option<Request>,
    ) -> Result<Attempt, Arc<Error>> {
        let unchanged = |request: Option<Request>| {
            let request = request.map(Box::new);
            Ok(finished(Outcome::Unchanged(request)))
        };
        let Some(request) = request else {
            return unchanged(None);
        };
        let mut after = request.noted();
        let learned = after.learn(&sighting.callers, self.clock.now());
        if !learned.is_news() {
            return unchanged(Some(request));
        }
        if request.claimed_until.is_some() {
            // Somebody began to cut it, and will end that; a name is no reason to do it for them.
            return Err(Retryable::Contended(request.endpoint_id).into());
        }
        let now = self.clock.now();
        let mut messages = Messages::default();
        // Of what was there before nobody was told; of what others do, only where the service wants it.
        if learned.name && request.decided_by == Actor::Unknown {
            match self.tables.settings_of(&request.service_id).await {
                Ok(settings) if settings.out_of_band == Some(OutOfBand::Record) => {}
                Err(error) if error.is_retryable() => return Err(error),
                // Settings that cannot be read keep nobody from being named.
                Ok(_) | Err(_) => {
                    messages = messages.and_note(&after, Kind::DeciderNamed, now);
                }
            }
        }
        if learned.contradiction {
            messages = messages.and_note(&after, Kind::DeciderContradicted, now);
        }
        let recorded = self
            .tables
            .record(&Write {
                messages,
                ..Write::of(Some(&request), &after)
            })
            .await?;
        Ok(attempt_to_name(sighting, recorded, Some(&request), after))
    }

    /// EC2 waits for a decision, or rejected what may be allowed by now: ask the policy, and write
    /// down what it says.
    async fn judge(
        &self,
        sighting: &Sighting,
        connection: &Connection,
        request: Option<Request>,
        knowledge: &Knowledge,
        turn: &mut Turn,
    ) -> Result<Attempt, Arc<Error>> {
        let Some(view) = knowledge.view(connection)? else {
            return Ok(Attempt::ReadAgain);
        };
        let (service, owner) = (&connection.service_id, &connection.owner);
        let slots = match &turn.slots {
            Some(slots) => slots.clone(),
            None => knowledge.items.slots(service, owner)?,
        };
        let usage = Usage {
            others: slots.others(&connection.endpoint_id),
        };
        let now = self.clock.now();
        let place = knowledge.place(connection);
        let mut verdict = judge(&view.policy, connection, place, usage, now);
        let purged = &sighting.purged;
        if let Some(rule) = purge::cause(purged, &view.policy, connection, place, &verdict, now) {
            verdict.reason = format!("{} {}", verdict.reason, purge::told(rule));
        }
        let settings = view.policy.settings_of(service);
        if let Some(request) = &request
            && is_approved_by_people(request)
            && connection.state.phase() == Phase::Waiting
        {
            let doubts = doubts(&view.policy, connection, place, now);
            match approval(request, &verdict, &doubts, place) {
                Approval::Stands => {
                    let verdict = request.verdict.clone();
                    return self
                        .claim(request, verdict, view.preconditions_of_accept())
                        .await;
                }
                Approval::Unsure => return Ok(finished(Outcome::Left(Why::DenyUnknown))),
                Approval::Overtaken(words) => verdict.reason = words,
            }
        }
        if let Some(request) = &request
            && request.status == Status::Rejected
            && connection.state.phase() == Phase::Rejected
        {
            let rejection = rejection(request, &verdict, place, &settings);
            if rejection != Rejection::TryAgain {
                return self
                    .stay_rejected(sighting, request, verdict, rejection)
                    .await;
            }
        }
        let governing = view
            .policy
            .entries
            .iter()
            .find(|entry| Some(entry.rule()) == verdict.rule.as_ref());
        let max_connections = governing.and_then(|entry| entry.conditions().max_connections);
        if max_connections.is_some() && !slots.counted {
            // The limit also counts what was connected before we were there to count it.
            let connected = self.ec2.connected(service, owner).await?;
            self.tables.count_slots(service, owner, &connected).await?;
            return Ok(Attempt::ReadAgain);
        }
        if verdict.is_over_limit() && !turn.repaired {
            turn.repaired = true;
            let connected = self.ec2.connected(service, owner).await?;
            if self
                .tables
                .mend_slots(service, owner, &slots, &connected)
                .await?
            {
                return Ok(Attempt::ReadAgain);
            }
        }
        turn.slots = Some(slots);

        let mut to = verdict.decision.status();
        // EC2 rejected it already, and there is nothing that people could decide.
        if to == Status::InReview && connection.state.phase() == Phase::Rejected {
            to = Status::Rejecting;
        }
        let mut grounds = view.grounds(&verdict);
        let mut transition = Transition {
            from: request.as_ref().map(|request| request.status),
            to,
            cause: Cause::Judged,
            at: now,
            actor: Actor::Policy(verdict.rule.clone()),
            reason: verdict.reason.clone(),
            ec2: None,
            votes: Vec::new(),
        };
        if let Some(request) = &request
            && request.status == to
        {
            if to.pending_enforcement().is_some() {
                return self.claim(request, verdict, grounds).await;
            }
            if let Some(deadline) = self.missed_deadline(request, &settings, now).await? {
                grounds = view.grounds_of_deadline();
                transition.to = Status::Rejecting;
                transition.cause = Cause::Deadline;
                transition.actor = Actor::Schedule;
                transition.reason = format!(
                    "Nobody decided by {deadline:.0}, and the service rejects reviews at their deadline."
                );
            } else {
                let approvers = self.approvers(knowledge).await?;
                let required = review::approvals_required(&settings);
                let corrected = request.corrected_by(connection);
                match by_votes(&corrected, approvers, Some(&view), required, now) {
                    // As many are asked for no longer, so that the votes suffice.
                    Some(decision) => (transition, grounds) = decision,
                    None => {
                        let names = names(&view, connection);
                        return self
                            .keep_in_review(
                                request, connection, verdict, &settings, names, approvers,
                            )
                            .await;
                    }
                }
            }
            to = transition.to;
        }
        let mut after = next(request.as_ref(), connection, verdict, &transition)?;
        names(&view, connection).put_on(&mut after);
        after.claimed_until = to
            .pending_enforcement()
            .and(now.checked_add(self.limits.claim).ok());
        let messages = if to == Status::InReview {
            let approvers = self.approvers(knowledge).await?;
            self.open_review(&mut after, &transition, &settings, approvers)
        } else {
            Messages::of_transition(&after, &transition)
        };
        // People let in whom the limit keeps out.
        let max_connections = max_connections.filter(|_| transition.cause == Cause::Judged);
        let recorded = self
            .tables
            .record(&Write {
                transition: Some(&transition),
                grounds,
                max_connections,
                messages,
                ..Write::of(request.as_ref(), &after)
            })
            .await?;
        if let (Recorded::Written, Some(slots)) = (&recorded, &mut turn.slots)
            && transition.slot_change() == SlotChange::Take
        {
            slots.take(&connection.endpoint_id);
        }
        Ok(attempt_of(recorded, request.as_ref(), after))
    }

    /// A connection stays rejected. Where an entry allows it by now, people are told that this is in vain,
    /// once for each such entry.
    async fn stay_rejected(
        &self,
        sighting: &Sighting,
        request: &Request,
        verdict: Verdict,
        rejection: Rejection,
    ) -> Result<Attempt, Arc<Error>> {
        let (stays_rejected, told) = match rejection {
            Rejection::Tell(allow) => {
                let told_at = self.clock.now();
                let stays = StaysRejected { allow, told_at };
                (Some(stays), true)
            }
            Rejection::Forget => (None, false),
            Rejection::TryAgain | Rejection::Stay => {
                return self.unchanged(sighting, Some(request.clone())).await;
            }
        };
        let after = Request {
            verdict,
            stays_rejected,
            ..request.noted()
        };
        let messages = if told {
            Messages::of_note(&after, Kind::StaysRejected, self.clock.now())
        } else {
            Messages::default()
        };
        let recorded = self
            .tables
            .record(&Write {
                messages,
                ..Write::of(Some(request), &after)
            })
            .await?;
        Ok(attempt_of(recorded, Some(request), after))
    }

    /// Takes up a decision that was recorded but not carried out, unless somebody else does.
    async fn claim(
        &self,
        request: &Request,
        verdict: Verdict,
        grounds: Vec<Ground>,
    ) -> Result<Attempt, Arc<Error>> {
        let mut after = request.noted();
        after.decided_by = match &request.decided_by {
            Actor::Policy(_) => Actor::Policy(verdict.rule.clone()),
            person => person.clone(),
        };
        // What is said of it stays, and with it who had decided otherwise before.
        if (verdict.decision, &verdict.rule) != (request.verdict.decision, &request.verdict.rule) {
            after.verdict = verdict;
        }
        after.claimed_until = self.clock.now().checked_add(self.limits.claim).ok();
        let recorded = self
            .tables
            .record(&Write {
                grounds,
                ..Write::of(Some(request), &after)
            })
            .await?;
        Ok(attempt_of(recorded, Some(request), after))
    }

    /// EC2 shows an outcome that the record lacks: write it down, with what the policy says of it.
    async fn record_seen(
        &self,
        sighting: &Sighting,
        request: Option<Request>,
        to: Status,
        cause: Cause,
        knowledge: &Knowledge,
    ) -> Result<Attempt, Arc<Error>> {
        let now = self.clock.now();
        let mut is_told = true;
        let mut transition = Transition {
            from: request.as_ref().map(|request| request.status),
            to,
            cause,
            at: now,
            actor: Actor::Aws,
            reason: seen_reason(sighting.connection.as_ref(), to, cause),
            ec2: None,
            votes: Vec::new(),
        };
        let mut after = match (&sighting.connection, cause) {
            (Some(connection), Cause::OutOfBand) => {
                let verdict = match knowledge.view(connection) {
                    Ok(None) => return Ok(Attempt::ReadAgain),
                    Ok(Some(view)) => {
                        let slots = knowledge
                            .items
                            .slots(&connection.service_id, &connection.owner)?;
                        let usage = Usage {
                            others: slots.others(&connection.endpoint_id),
                        };
                        let settings = view.policy.settings_of(&connection.service_id);
                        if settings.out_of_band == Some(OutOfBand::Record) {
                            is_told = false;
                        }
                        let place = knowledge.place(connection);
                        judge(&view.policy, connection, place, usage, now)
                    }
                    // What happened is a fact, whatever the policy would have said of it.
                    Err(error) => Verdict {
                        decision: Decision::Review,
                        rule: None,
                        failed: Vec::new(),
                        reason: format!("What the policy says is not known: {error}."),
                    },
                };
                let found = request.is_none() && was_there_before(connection, knowledge);
                transition.actor = match sighting.callers.iter().find(|one| one.led_to(to)) {
                    Some(caller) => Actor::Iam(caller.arn.to_string()),
                    None if found => Actor::Found,
                    None => Actor::Unknown,
                };
                let past_policy = to == Status::Accepted
                    && verdict.decision != Decision::Accept
                    && transition.actor != Actor::Found;
                let mut after = next(request.as_ref(), connection, verdict, &transition)?;
                if let Ok(Some(view)) = knowledge.view(connection) {
                    names(&view, connection).put_on(&mut after);
                }
                after.past_policy = past_policy;
                if let (false, Ok(Some(view))) = (found, knowledge.view(connection)) {
                    let settings = view.policy.settings_of(&connection.service_id);
                    after.stays_rejected =
                        rejected_all_the_same(&after, knowledge.place(connection), &settings, now);
                }
                after
            }
            _ => match &request {
                Some(request) => {
                    if cause == Cause::Enforced {
                        transition.actor = enforcer(request);
                    }
                    request.after(&transition).map_err(Permanent::Illegal)?
                }
                // Only what is connected or rejected is recorded unasked, and EC2 listed that.
                None => return Ok(finished(Outcome::Unchanged(None))),
            },
        };
        let learned = after.learn(&sighting.callers, now);
        let mut messages = Messages::default();
        if is_told {
            messages = Messages::of_transition(&after, &transition);
        }
        if learned.contradiction {
            messages = messages.and_note(&after, Kind::DeciderContradicted, now);
        }
        let recorded = self
            .tables
            .record(&Write {
                transition: Some(&transition),
                messages,
                ..Write::of(request.as_ref(), &after)
            })
            .await?;
        Ok(attempt_to_name(sighting, recorded, request.as_ref(), after))
    }
}

pub(super) fn finished(outcome: Outcome) -> Attempt {
    Attempt::Done(Decided::Finished(outcome))
}

pub(super) fn attempt_of(
    recorded: Recorded,
    before: Option<&Request>,
    request: Request,
) -> Attempt {
    match recorded {
        Recorded::Written => Attempt::Done(Decided::Recorded {
            from: before.map(|before| before.status),
            request: Box::new(request),
        }),
        // Somebody took a note, or a claim, and decided nothing.
        Recorded::Lost(Some(winner))
            if before.is_some_and(|before| before.version == winner.version) =>
        {
            Attempt::ReadAgain
        }
        Recorded::Lost(winner) => finished(Outcome::Lost(winner)),
        Recorded::PolicyChanged | Recorded::LimitReached => Attempt::ReadAgain,
    }
}

/// The same for a write that may name somebody: what they did may be what the winner wrote down.
fn attempt_to_name(
    sighting: &Sighting,
    recorded: Recorded,
    before: Option<&Request>,
    request: Request,
) -> Attempt {
    match recorded {
        Recorded::Lost(_) if !sighting.callers.is_empty() => Attempt::ReadAgain,
        recorded => attempt_of(recorded, before, request),
    }
}

/// The request after a transition that came with a verdict.
fn next(
    request: Option<&Request>,
    connection: &Connection,
    verdict: Verdict,
    transition: &Transition,
) -> Result<Request, Arc<Error>> {
    Ok(match request {
        None => Request::open(connection, verdict, transition).map_err(Permanent::Illegal)?,
        Some(request) => Request {
            verdict,
            ..request
                .corrected_by(connection)
                .after(transition)
                .map_err(Permanent::Illegal)?
        },
    })
}

/// The allow under which somebody rejected a connection: that it is in vain is no news to them, and what
/// tells of the rejection says so.
fn rejected_all_the_same(
    after: &Request,
    place: &Organization,
    settings: &ServiceSettings,
    now: Timestamp,
) -> Option<StaysRejected> {
    if after.status != Status::Rejected {
        return None;
    }
    match rejection(after, &after.verdict, place, settings) {
        Rejection::Tell(allow) => Some(StaysRejected {
            allow,
            told_at: now,
        }),
        _ => None,
    }
}

/// Whether a connection that has no request was there before its service was first looked through.
fn was_there_before(connection: &Connection, knowledge: &Knowledge) -> bool {
    let since = Tables::managed_since(&knowledge.items, &connection.service_id);
    match (connection.created_at, since) {
        (Some(created), Some(since)) => created < since,
        _ => true,
    }
}

/// Who is behind what EC2 was asked to do.
pub(super) fn enforcer(request: &Request) -> Actor {
    match request.status {
        // Who let it in is remembered until now.
        Status::Revoking => Actor::Policy(request.verdict.rule.clone()),
        _ => request.decided_by.clone(),
    }
}

/// The service and account whose slots a sighting may change.
fn consumer_of(sighting: &Sighting, items: &Items) -> Option<(ServiceId, AccountId)> {
    match &sighting.connection {
        Some(connection) => Some((connection.service_id.clone(), connection.owner.clone())),
        // A request that cannot be read changes none.
        None => {
            let request = items.request(&sighting.endpoint_id).ok()??;
            Some((request.service_id, request.account_id))
        }
    }
}

fn seen_reason(connection: Option<&Connection>, to: Status, cause: Cause) -> String {
    let shows = connection.map_or_else(
        || "EC2 no longer lists the endpoint".to_owned(),
        |connection| format!("EC2 shows the connection as {}", connection.state),
    );
    match (cause, to) {
        (Cause::OutOfBand, Status::Accepted) => {
            format!("{shows}; it was accepted without Gatekeeper.")
        }
        (Cause::OutOfBand, _) => format!("{shows}; it was rejected without Gatekeeper."),
        (Cause::Enforced, _) => format!("{shows}: it did what it was asked."),
        _ => format!("{shows}."),
    }
}
