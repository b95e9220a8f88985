//! Judge and record: from a sighting to the request's next status.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{FutureExt as _, StreamExt as _};
use futures_util::stream;
use gatekeeper_core::connection::{Connection, Organization};
use gatekeeper_core::hint::HintKind;
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::judge::{Usage, Verdict, judge};
use gatekeeper_core::plan::{Plan, plan};
use gatekeeper_core::request::{Actor, Cause, Request, Status, Transition};
use jiff::{SignedDuration, Timestamp};

use super::settle::Outcome;
use super::{Gatekeeper, Sighting};
use crate::clock::Deadline;
use crate::error::{Error, Permanent, Retryable};
use crate::tables::{Items, Key, OutboxRow, PolicyView, Recorded, Write};

/// How often a connection is judged anew because policy or slots changed under the judgement.
const ATTEMPTS: u32 = 4;

/// Where judging and recording ended.
pub(super) enum Decided {
    /// A change is written; it may still have to be enforced.
    Recorded {
        from: Option<Status>,
        request: Request,
        row: Option<OutboxRow>,
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

type Answer = (EndpointId, Result<Decided, Arc<Error>>);

impl Gatekeeper {
    /// Brings each sighting's request to its next status. One read serves them all; connections of
    /// one consumer follow each other, since they may compete for its slots.
    pub(super) async fn decide(&self, sightings: Vec<Sighting>, deadline: Deadline) -> Vec<Answer> {
        let keys = sightings.iter().flat_map(keys_of).collect();
        let items = match self.tables.read(keys).await {
            Ok(items) => items,
            Err(error) => {
                let failed = |s: Sighting| (s.endpoint_id, Err(Arc::clone(&error)));
                return sightings.into_iter().map(failed).collect();
            }
        };
        let mut consumers: BTreeMap<_, Vec<Sighting>> = BTreeMap::new();
        for (index, sighting) in sightings.into_iter().enumerate() {
            let consumer = match &sighting.connection {
                Some(c) => Ok((c.service_id.clone(), c.owner.clone())),
                None => Err(index),
            };
            consumers.entry(consumer).or_default().push(sighting);
        }
        let turns: Vec<_> = consumers
            .into_values()
            .map(|sightings| self.decide_in_turn(sightings, &items, deadline).boxed())
            .collect();
        stream::iter(turns)
            .buffered(self.limits.concurrency)
            .concat()
            .await
    }

    async fn decide_in_turn(
        &self,
        sightings: Vec<Sighting>,
        items: &Items,
        deadline: Deadline,
    ) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(sightings.len());
        for sighting in sightings {
            let decided = if deadline.leaves(&self.clock, self.limits.margin) {
                self.decide_one(&sighting, items).await
            } else {
                Err(Retryable::OutOfTime.into())
            };
            answers.push((sighting.endpoint_id, decided));
        }
        answers
    }

    async fn decide_one(&self, sighting: &Sighting, items: &Items) -> Result<Decided, Arc<Error>> {
        if let Attempt::Done(decided) = self.attempt(sighting, items).await? {
            return Ok(decided);
        }
        for _ in 1..ATTEMPTS {
            let items = self.tables.read(all_keys_of(sighting)).await?;
            if let Attempt::Done(decided) = self.attempt(sighting, &items).await? {
                return Ok(decided);
            }
        }
        Err(Retryable::Contended(sighting.endpoint_id.clone()).into())
    }

    async fn attempt(&self, sighting: &Sighting, items: &Items) -> Result<Attempt, Arc<Error>> {
        let request = items.request(&sighting.endpoint_id)?;
        let connection = sighting.connection.as_ref();
        let now = self.clock.now();
        match (plan(request.as_ref(), connection, now, self.limits.lag), connection, request) {
            (Plan::Nothing, _, request) => Ok(finished(Outcome::Unchanged(request.map(Box::new)))),
            (Plan::Leave(why), _, _) => Ok(finished(Outcome::Left(why))),
            (Plan::Judge, Some(connection), request) => self.judge(connection, request, items).await,
            (Plan::Enforce, _, Some(request)) => {
                let verdict = request.verdict.clone();
                self.claim(&request, verdict, Vec::new()).await
            }
            (Plan::Record { to, cause }, _, request) => {
                self.record_seen(sighting, request, to, cause, items).await
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
        items: &Items,
    ) -> Result<Attempt, Arc<Error>> {
        let Some(view) = policy_view(connection, items)? else {
            return Ok(Attempt::ReadAgain);
        };
        let slots = items.slots(&connection.service_id, &connection.owner);
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
            let (service, owner) = (&connection.service_id, &connection.owner);
            let connected = self.ec2.connected(service, owner).await?;
            self.tables.count_slots(service, owner, &connected).await?;
            return Ok(Attempt::ReadAgain);
        }

        let to = verdict.decision.status();
        let grounds = view.grounds(&verdict);
        if let Some(request) = &request
            && request.status == to
        {
            return if to.pending_enforcement().is_some() {
                self.claim(request, verdict, grounds).await
            } else {
                Ok(finished(Outcome::Unchanged(Some(Box::new(request.clone())))))
            };
        }
        let transition = Transition {
            from: request.as_ref().map(|request| request.status),
            to,
            cause: Cause::Judged,
            at: now,
            actor: Actor::Policy(verdict.rule.clone()),
            reason: verdict.reason.clone(),
            ec2: None,
        };
        let mut after = next(request.as_ref(), connection, verdict, &transition)?;
        after.claimed_until = to.pending_enforcement().and(now.checked_add(self.limits.claim).ok());
        if to == Status::InReview {
            let hours = view.policy.settings_of(&connection.service_id).review_hours;
            after.deadline = hours.and_then(|hours| deadline_after(now, hours));
        }
        let recorded = self
            .tables
            .record(&Write {
                before: request.as_ref(),
                after: &after,
                transition: Some(&transition),
                grounds,
                max_connections,
            })
            .await?;
        Ok(attempt_of(recorded, transition.from, after))
    }

    /// Takes up a decision that was recorded but not carried out, unless somebody else does.
    async fn claim(
        &self,
        request: &Request,
        verdict: Verdict,
        grounds: Vec<crate::tables::Ground>,
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
        items: &Items,
    ) -> Result<Attempt, Arc<Error>> {
        let now = self.clock.now();
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
                let Some(view) = policy_view(connection, items)? else {
                    return Ok(Attempt::ReadAgain);
                };
                let slots = items.slots(&connection.service_id, &connection.owner);
                let usage = Usage {
                    others: slots.others(&connection.endpoint_id),
                };
                transition.actor = out_of_band_actor(sighting, to);
                let verdict = judge(&view.policy, connection, &Organization::Off, usage, now);
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
            })
            .await?;
        Ok(attempt_of(recorded, transition.from, after))
    }
}

fn finished(outcome: Outcome) -> Attempt {
    Attempt::Done(Decided::Finished(outcome))
}

fn attempt_of(recorded: Recorded, from: Option<Status>, request: Request) -> Attempt {
    match recorded {
        Recorded::Written(row) => Attempt::Done(Decided::Recorded {
            from,
            request,
            row: row.map(|row| *row),
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

fn deadline_after(now: Timestamp, hours: u32) -> Option<Timestamp> {
    now.checked_add(SignedDuration::from_hours(i64::from(hours))).ok()
}

/// The policy as it bears on a connection; none if it was not read for it.
fn policy_view(connection: &Connection, items: &Items) -> Result<Option<PolicyView>, Arc<Error>> {
    let keys = Key::policy_of(connection, &Organization::Off);
    if !items.covers(&keys) {
        return Ok(None);
    }
    Ok(Some(PolicyView::new(keys, items)?))
}

/// What to read for a sighting at first: the policy only if EC2 waits for a decision, since most
/// of what reconcile sees is long settled.
fn keys_of(sighting: &Sighting) -> BTreeSet<Key> {
    use gatekeeper_core::connection::Phase;
    match &sighting.connection {
        Some(connection) if connection.state.phase() == Phase::Waiting => all_keys_of(sighting),
        _ => [Key::Request(sighting.endpoint_id.clone())].into(),
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
