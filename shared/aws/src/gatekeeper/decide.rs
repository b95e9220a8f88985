//! Judge and record: from a sighting to the request's next status.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream;
use futures_util::{FutureExt as _, StreamExt as _};
use gatekeeper_core::connection::{Connection, Organization, Phase};
use gatekeeper_core::hint::HintKind;
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use gatekeeper_core::judge::{Decision, Usage, Verdict, judge};
use gatekeeper_core::plan::{Plan, Seen, plan};
use gatekeeper_core::policy::{OutOfBand, Scope};
use gatekeeper_core::request::{Actor, Cause, Request, SlotChange, Status, Transition};
use gatekeeper_core::review;

use super::settle::Outcome;
use super::{Gatekeeper, Sighting};
use crate::clock::Deadline;
use crate::error::{Error, Permanent, Retryable};
use crate::tables::{
    Ground, Items, Key, OutboxRow, PathDenies, PolicyView, Recorded, Slots, Write,
};

/// How often a connection is judged anew because policy or slots changed under the judgement.
const ATTEMPTS: u32 = 4;

/// Where judging and recording ended.
pub(super) enum Decided {
    /// A change is written; it may still have to be enforced.
    Recorded {
        from: Option<Status>,
        request: Box<Request>,
        row: Option<Box<OutboxRow>>,
    },
    /// There is nothing more to do.
    Finished(Outcome),
}

/// One try at one connection.
enum Attempt {
    Done(Decided),
    /// Something that the judgement rests on was not read, or is not so any more.
    ReadAgain,
}

/// What was read for a connection.
#[derive(Clone, Copy)]
struct Read<'a> {
    items: &'a Items,
    denies: &'a PathDenies,
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
        let keys = sightings.iter().flat_map(keys_of).collect();
        let scopes = sightings.iter().flat_map(scopes_of).collect();
        let read = tokio::try_join!(self.tables.read(keys), self.tables.path_denies(scopes));
        let (items, denies) = match &read {
            Ok((items, denies)) => (items, denies),
            Err(error) => {
                let failed = |s: Sighting| (s.endpoint_id, Err(Arc::clone(error)));
                return sightings.into_iter().map(failed).collect();
            }
        };
        let read = Read { items, denies };
        let mut consumers: BTreeMap<_, Vec<Sighting>> = BTreeMap::new();
        for sighting in sightings {
            let consumer = consumer_of(&sighting, items);
            consumers.entry(consumer).or_default().push(sighting);
        }
        let turns: Vec<_> = consumers
            .into_values()
            .map(|sightings| self.decide_in_turn(sightings, read, deadline).boxed())
            .collect();
        stream::iter(turns)
            .buffered(self.limits.concurrency)
            .concat()
            .await
    }

    async fn decide_in_turn(
        &self,
        sightings: Vec<Sighting>,
        read: Read<'_>,
        deadline: Deadline,
    ) -> Vec<Answer> {
        let mut turn = Turn::default();
        let mut answers = Vec::with_capacity(sightings.len());
        for sighting in sightings {
            let decided = if deadline.leaves(&self.clock, self.limits.margin) {
                self.decide_one(&sighting, read, &mut turn).await
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
        read: Read<'_>,
        turn: &mut Turn,
    ) -> Result<Decided, Arc<Error>> {
        if let Attempt::Done(decided) = self.attempt(sighting, read, turn).await? {
            return Ok(decided);
        }
        for _ in 1..ATTEMPTS {
            let items = self.tables.read(all_keys_of(sighting)).await?;
            let denies = self.tables.path_denies(all_scopes_of(sighting)).await?;
            let read = Read {
                items: &items,
                denies: &denies,
            };
            turn.slots = None;
            if let Attempt::Done(decided) = self.attempt(sighting, read, turn).await? {
                return Ok(decided);
            }
        }
        Err(Retryable::Contended(sighting.endpoint_id.clone()).into())
    }

    async fn attempt(
        &self,
        sighting: &Sighting,
        read: Read<'_>,
        turn: &mut Turn,
    ) -> Result<Attempt, Arc<Error>> {
        let request = read.items.request(&sighting.endpoint_id)?;
        let connection = sighting.connection.as_ref();
        let seen = Seen {
            connection,
            at: sighting.seen_at,
        };
        let plan = plan(request.as_ref(), seen, self.clock.now(), self.limits.lag);
        match (plan, connection, request) {
            (Plan::Nothing, _, request) => {
                if let Some(request) = &request {
                    self.name_late_actor(sighting, request).await?;
                }
                Ok(finished(Outcome::Unchanged(request.map(Box::new))))
            }
            (Plan::Leave(why), _, _) => Ok(finished(Outcome::Left(why))),
            (Plan::Judge, Some(connection), request) => {
                self.judge(connection, request, read, turn).await
            }
            (Plan::Enforce, _, Some(request)) => {
                let verdict = request.verdict.clone();
                self.claim(&request, verdict, Vec::new()).await
            }
            (Plan::Record { to, cause }, _, request) => {
                self.record_seen(sighting, request, to, cause, read).await
            }
            // The plan never asks to judge what EC2 does not list, or to enforce what was not decided.
            (Plan::Judge, None, _) | (Plan::Enforce, _, None) => {
                Ok(finished(Outcome::Unchanged(None)))
            }
        }
    }

    /// EC2 waits for a decision: ask the policy, and write down what it says.
    async fn judge(
        &self,
        connection: &Connection,
        request: Option<Request>,
        read: Read<'_>,
        turn: &mut Turn,
    ) -> Result<Attempt, Arc<Error>> {
        let Some(view) = policy_view(connection, read)? else {
            return Ok(Attempt::ReadAgain);
        };
        let (service, owner) = (&connection.service_id, &connection.owner);
        let slots = match &turn.slots {
            Some(slots) => slots.clone(),
            None => read.items.slots(service, owner)?,
        };
        let usage = Usage {
            others: slots.others(&connection.endpoint_id),
        };
        let now = self.clock.now();
        let verdict = judge(&view.policy, connection, &Organization::Off, usage, now);
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
                .repair_slots(service, owner, &slots, &connected)
                .await?
            {
                return Ok(Attempt::ReadAgain);
            }
        }
        turn.slots = Some(slots);

        let settings = view.policy.settings_of(service);
        let mut to = verdict.decision.status();
        let mut grounds = view.grounds(&verdict);
        let mut transition = Transition {
            from: request.as_ref().map(|request| request.status),
            to,
            cause: Cause::Judged,
            at: now,
            actor: Actor::Policy(verdict.rule.clone()),
            reason: verdict.reason.clone(),
            ec2: None,
        };
        if let Some(request) = &request
            && request.status == to
        {
            if to.pending_enforcement().is_some() {
                return self.claim(request, verdict, grounds).await;
            }
            let Some(deadline) = review::missed_deadline(request, &settings, now) else {
                return Ok(finished(Outcome::Unchanged(Some(Box::new(
                    request.clone(),
                )))));
            };
            to = Status::Rejecting;
            grounds = view.grounds_of_deadline();
            transition.to = to;
            transition.cause = Cause::Deadline;
            transition.actor = Actor::Schedule;
            transition.reason = format!(
                "Nobody decided by {deadline:.0}, and the service rejects reviews at their deadline."
            );
        }
        let mut after = next(request.as_ref(), connection, verdict, &transition)?;
        after.claimed_until = to
            .pending_enforcement()
            .and(now.checked_add(self.limits.claim).ok());
        if to == Status::InReview {
            after.deadline = review::deadline(&after, &settings);
        }
        let recorded = self
            .tables
            .record(&Write {
                before: request.as_ref(),
                after: &after,
                transition: Some(&transition),
                grounds,
                max_connections,
                quiet: false,
            })
            .await?;
        if let (Recorded::Written(_), Some(slots)) = (&recorded, &mut turn.slots)
            && transition.slot_change() == SlotChange::Take
        {
            slots.take(&connection.endpoint_id);
        }
        Ok(attempt_of(recorded, transition.from, after))
    }

    /// Takes up a decision that was recorded but not carried out, unless somebody else does.
    async fn claim(
        &self,
        request: &Request,
        verdict: Verdict,
        grounds: Vec<Ground>,
    ) -> Result<Attempt, Arc<Error>> {
        let mut after = request.clone();
        after.decided_by = match &request.decided_by {
            Actor::Policy(_) => Actor::Policy(verdict.rule.clone()),
            person => person.clone(),
        };
        after.verdict = verdict;
        after.claimed_until = self.clock.now().checked_add(self.limits.claim).ok();
        let recorded = self
            .tables
            .record(&Write {
                before: Some(request),
                after: &after,
                transition: None,
                grounds,
                max_connections: None,
                quiet: true,
            })
            .await?;
        Ok(attempt_of(recorded, Some(request.status), after))
    }

    /// EC2 shows an outcome that the record lacks: write it down, with what the policy says of it.
    async fn record_seen(
        &self,
        sighting: &Sighting,
        request: Option<Request>,
        to: Status,
        cause: Cause,
        read: Read<'_>,
    ) -> Result<Attempt, Arc<Error>> {
        let now = self.clock.now();
        let mut quiet = false;
        let mut transition = Transition {
            from: request.as_ref().map(|request| request.status),
            to,
            cause,
            at: now,
            actor: Actor::Aws,
            reason: seen_reason(sighting.connection.as_ref(), to, cause),
            ec2: None,
        };
        let after = match (&sighting.connection, cause) {
            (Some(connection), Cause::OutOfBand) => {
                let verdict = match policy_view(connection, read) {
                    Ok(None) => return Ok(Attempt::ReadAgain),
                    Ok(Some(view)) => {
                        let slots = read
                            .items
                            .slots(&connection.service_id, &connection.owner)?;
                        let usage = Usage {
                            others: slots.others(&connection.endpoint_id),
                        };
                        let settings = view.policy.settings_of(&connection.service_id);
                        quiet = settings.out_of_band == Some(OutOfBand::Record);
                        judge(&view.policy, connection, &Organization::Off, usage, now)
                    }
                    // What happened is a fact, whatever the policy would have said of it.
                    Err(error) => Verdict {
                        decision: Decision::Review,
                        rule: None,
                        failed: Vec::new(),
                        reason: format!("What the policy says is not known: {error}."),
                    },
                };
                transition.actor = out_of_band_actor(sighting, to);
                next(request.as_ref(), connection, verdict, &transition)?
            }
            _ => match &request {
                Some(request) => {
                    if cause == Cause::Enforced {
                        transition.actor = request.decided_by.clone();
                    }
                    request.after(&transition).map_err(Permanent::Illegal)?
                }
                // Only what is connected or rejected is recorded unasked, and EC2 listed that.
                None => return Ok(finished(Outcome::Unchanged(None))),
            },
        };
        let recorded = self
            .tables
            .record(&Write {
                before: request.as_ref(),
                after: &after,
                transition: Some(&transition),
                grounds: Vec::new(),
                max_connections: None,
                quiet,
            })
            .await?;
        Ok(attempt_of(recorded, transition.from, after))
    }

    /// CloudTrail tells who decided without us minutes after EC2 shows that somebody did.
    async fn name_late_actor(
        &self,
        sighting: &Sighting,
        request: &Request,
    ) -> Result<(), Arc<Error>> {
        let actor = out_of_band_actor(sighting, request.status);
        if request.decided_by == Actor::Unknown && actor != Actor::Unknown {
            self.tables.name_actor(request, &actor).await?;
        }
        Ok(())
    }
}

fn finished(outcome: Outcome) -> Attempt {
    Attempt::Done(Decided::Finished(outcome))
}

fn attempt_of(recorded: Recorded, from: Option<Status>, request: Request) -> Attempt {
    match recorded {
        Recorded::Written(row) => Attempt::Done(Decided::Recorded {
            from,
            request: Box::new(request),
            row,
        }),
        Recorded::Lost(winner) => finished(Outcome::Lost(winner)),
        Recorded::PolicyChanged | Recorded::LimitReached => Attempt::ReadAgain,
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
            ..request.after(transition).map_err(Permanent::Illegal)?
        },
    })
}

/// The policy as it bears on a connection; none if it was not read for it.
fn policy_view(connection: &Connection, read: Read<'_>) -> Result<Option<PolicyView>, Permanent> {
    let keys = Key::policy_of(connection, &Organization::Off);
    if !read.items.covers(&keys) {
        return Ok(None);
    }
    PolicyView::new(keys, read.items, read.denies).map(Some)
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

fn waits(sighting: &Sighting) -> bool {
    let connection = sighting.connection.as_ref();
    connection.is_some_and(|connection| connection.state.phase() == Phase::Waiting)
}

/// What to read for a sighting at first: the policy only if EC2 waits for a decision, since most
/// of what reconcile sees is long settled.
fn keys_of(sighting: &Sighting) -> BTreeSet<Key> {
    if waits(sighting) {
        all_keys_of(sighting)
    } else {
        [Key::Request(sighting.endpoint_id.clone())].into()
    }
}

fn all_keys_of(sighting: &Sighting) -> BTreeSet<Key> {
    let mut keys = BTreeSet::from([Key::Request(sighting.endpoint_id.clone())]);
    if let Some(connection) = &sighting.connection {
        keys.extend(Key::policy_of(connection, &Organization::Off));
        keys.insert(Key::Slots(
            connection.service_id.clone(),
            connection.owner.clone(),
        ));
    }
    keys
}

fn scopes_of(sighting: &Sighting) -> BTreeSet<Scope> {
    if waits(sighting) {
        all_scopes_of(sighting)
    } else {
        BTreeSet::new()
    }
}

fn all_scopes_of(sighting: &Sighting) -> BTreeSet<Scope> {
    sighting
        .connection
        .iter()
        .flat_map(|connection| [Scope::Service(connection.service_id.clone()), Scope::Every])
        .collect()
}

fn out_of_band_actor(sighting: &Sighting, to: Status) -> Actor {
    match (&sighting.actor, to) {
        (Some((HintKind::Accepted, arn)), Status::Accepted)
        | (Some((HintKind::Rejected, arn)), Status::Rejected) => Actor::Iam(arn.clone()),
        _ => Actor::Unknown,
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
