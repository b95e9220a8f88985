//! Audit: compare connections with the policy, and revoke those that the policy allows no longer.
//!
//! Core decides whether and when. This module does what takes a whole service: it bounds how many
//! grace periods one run may start, and how many connections it may revoke, for each service. If
//! there are more, it does neither and says so (safety rule S7).

use std::collections::BTreeSet;
use std::sync::Arc;

use gatekeeper_core::audit::{at_most, concerns};
use gatekeeper_core::change::Revocation;
use gatekeeper_core::connection::{Connection, Phase};
use gatekeeper_core::decide::LeaveReason;
use gatekeeper_core::evidence::Evidence;
use gatekeeper_core::ids::{EndpointId, ServiceId};
use gatekeeper_core::observation::Observation;
use gatekeeper_core::policy::{Entry, ServiceSettings};
use gatekeeper_core::request::Request;
use gatekeeper_core::watch::{Finding, Seen};
use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::facts::{AnyEntry, FactsRead};
use super::log::Log;
use super::outcome::{Outcome, Settled};
use super::pipeline::{Auditing, Decided, Pipeline, Purpose, Turn};
use crate::clock::{Clock, Deadline};
use crate::error::Error;
use crate::tables::Allowlist;

/// Compares connections with the policy.
#[derive(Debug)]
pub(super) struct Auditor {
    pipeline: Arc<Pipeline>,
    allowlist: Allowlist,
    clock: Clock,
    margin: std::time::Duration,
    log: Log,
}

/// The audit of one service, so far.
#[derive(Debug)]
pub(super) struct ServiceAudit {
    service: ServiceId,
    began: Timestamp,
    pub(super) settings: ServiceSettings,
    /// An entry of the allowlist, once somebody looked for it.
    entry: OnceCell<AnyEntry>,
    /// The connections whose grace period is to start.
    starts: Bounded,
    /// The connections whose grace period is over.
    revocations: Bounded,
    /// Whether a part of the policy could not be read. Then nothing is revoked (safety rule S2).
    unreadable: bool,
    /// All connections whose grace period is to start, or that are to be revoked.
    to_revoke: BTreeSet<EndpointId>,
    /// The connections that would be revoked if the allowlist held an entry for the service.
    withheld: BTreeSet<EndpointId>,
    /// The entries that DynamoDB has just deleted at their `purge_at`.
    pub(super) purged: Arc<[Entry]>,
}

/// A connection that does not seem to be allowed. It is judged once more before anything is done
/// about it, because a pass may take minutes, and entries expire by the second.
#[derive(Debug)]
struct Candidate {
    connection: Connection,
    request: Request,
}

/// The candidates, up to the limit of the run, and how many there were in all. Above the limit
/// nothing is done, so no more need to be kept.
#[derive(Debug, Default)]
struct Bounded {
    kept: Vec<Candidate>,
    count: usize,
}

/// The result of an audit.
#[derive(Debug, Default)]
pub(super) struct Audited {
    /// How many requests the audit changed.
    pub(super) changed: usize,
    /// Whether more connections had to be revoked, or announced, than one run may. `None` if that
    /// could not be found out.
    pub(super) held: Option<bool>,
    /// Whether connections had to be revoked, or announced, and are not because the allowlist holds
    /// no entry for the service. `None` if that could not be found out.
    pub(super) withheld: Option<bool>,
    /// Both of these as findings, with their connections.
    pub(super) seen: Seen,
}

impl Bounded {
    fn push(&mut self, candidate: Candidate, at_most: usize) {
        self.count += 1;
        if self.kept.len() < at_most {
            self.kept.push(candidate);
        }
    }

    /// All candidates; `None` if there were too many.
    fn all(&mut self, at_most: usize) -> Option<Vec<Candidate>> {
        (self.count <= at_most).then(|| std::mem::take(&mut self.kept))
    }
}

impl ServiceAudit {
    /// The audit as the pipeline needs it, with what it may write.
    fn auditing(&self, may_start: bool, may_revoke: bool) -> Auditing<'_> {
        Auditing {
            began: self.began,
            entry: &self.entry,
            may_start,
            may_revoke,
        }
    }

    /// What EC2 said of a connection when the service was listed.
    fn observation(&self, connection: Connection) -> Observation {
        Observation {
            purged: Arc::clone(&self.purged),
            ..Observation::of(connection, self.began)
        }
    }
}

impl Auditor {
    pub(super) fn new(
        pipeline: Arc<Pipeline>,
        allowlist: Allowlist,
        clock: Clock,
        margin: std::time::Duration,
        log: Log,
    ) -> Self {
        Self {
            pipeline,
            allowlist,
            clock,
            margin,
            log,
        }
    }

    /// Begins the audit of a service. `began` is not later than any observation of the audit.
    pub(super) async fn begin(
        &self,
        service: &ServiceId,
        began: Timestamp,
    ) -> Result<ServiceAudit, Arc<Error>> {
        Ok(ServiceAudit {
            service: service.clone(),
            began,
            settings: self.allowlist.settings_of(service).await?,
            entry: OnceCell::new(),
            starts: Bounded::default(),
            revocations: Bounded::default(),
            unreadable: false,
            to_revoke: BTreeSet::new(),
            withheld: BTreeSet::new(),
            purged: Arc::default(),
        })
    }

    /// Audits some of the service's connections, right after they were settled. Everything without
    /// a bound is done at once; the rest waits for [`Self::finish`].
    pub(super) async fn audit(
        &self,
        audit: &mut ServiceAudit,
        settled: &Settled,
        connections: &[Connection],
    ) -> Result<Audited, Arc<Error>> {
        let audited: Vec<(&Connection, &Request)> = connections
            .iter()
            .filter(|connection| connection.state.phase() == Phase::Connected)
            .filter_map(|connection| match settled.get(&connection.endpoint_id) {
                Some(Ok(Outcome::Unchanged(Some(request)))) => Some((connection, &**request)),
                _ => None,
            })
            .filter(|(_, request)| concerns(request, &audit.settings))
            .collect();
        let mut done = Audited::default();
        if audited.is_empty() {
            return Ok(done);
        }
        let requests = audited.iter().map(|(_, request)| *request);
        let mut known = FactsRead::default().with_requests(requests);
        let to_read: Vec<&Connection> = audited.iter().map(|(connection, _)| *connection).collect();
        self.pipeline
            .facts
            .read(&mut known, &to_read, [].into())
            .await?;
        for (connection, request) in audited {
            let decided = self
                .decide_one(audit, connection, &known, (false, false))
                .await;
            // Judge by the policy as it is now.
            if let Some(Ok(read)) = known.policy(connection) {
                audit.settings = read.policy.settings_of(&audit.service);
            }
            let at_most = at_most(&audit.settings);
            let candidate = || Candidate {
                connection: connection.clone(),
                request: request.clone(),
            };
            match decided {
                Ok(Decided::Finished(Outcome::Changed { .. })) => done.changed += 1,
                Ok(Decided::Finished(Outcome::Left(LeaveReason::AllowlistEmpty))) => {
                    audit.withheld.insert(connection.endpoint_id.clone());
                }
                Ok(Decided::HeldBack(revocation)) => {
                    audit.to_revoke.insert(connection.endpoint_id.clone());
                    match revocation {
                        Revocation::Start => audit.starts.push(candidate(), at_most),
                        Revocation::Revoke => audit.revocations.push(candidate(), at_most),
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    audit.unreadable = true;
                    self.log.failure(&error, Some(&connection.endpoint_id));
                }
            }
        }
        Ok(done)
    }

    /// Decides about one connection, and logs what changed.
    async fn decide_one(
        &self,
        audit: &ServiceAudit,
        connection: &Connection,
        known: &FactsRead,
        (may_start, may_revoke): (bool, bool),
    ) -> Result<Decided, Arc<Error>> {
        let begun = self.clock.now();
        let decided = self
            .pipeline
            .decide_one(
                &audit.observation(connection.clone()),
                known,
                &mut Turn::default(),
                Purpose::Audit(audit.auditing(may_start, may_revoke)),
            )
            .await?;
        if let Decided::Finished(outcome) = &decided {
            let spent = self.clock.now().duration_since(begun);
            self.log.outcome(outcome, spent.as_millis_f64());
        }
        Ok(decided)
    }

    /// Acts on the audit's candidates, if there are not too many. Only runs that see the whole
    /// service revoke.
    pub(super) async fn finish(
        &self,
        mut audit: ServiceAudit,
        may_revoke: bool,
        deadline: Deadline,
    ) -> Audited {
        let mut done = Audited::default();
        if audit.unreadable {
            return done;
        }
        let at_most = at_most(&audit.settings);
        let (starts, revocations) = (audit.starts.all(at_most), audit.revocations.all(at_most));
        let held = starts.is_none() || revocations.is_none();
        done.held = Some(held);
        let withheld = !audit.withheld.is_empty();
        done.withheld = Some(withheld);
        let evidence =
            |ids: &BTreeSet<EndpointId>| Evidence::of(ids.iter().map(ToString::to_string));
        done.seen = Seen::from([
            (
                Finding::TooManyRevocations,
                held.then(|| evidence(&audit.to_revoke)),
            ),
            (
                Finding::AllowlistEmpty,
                withheld.then(|| evidence(&audit.withheld)),
            ),
        ]);
        if held {
            tracing::error!(
                service_id = %audit.service,
                to_begin = audit.starts.count,
                to_revoke = audit.revocations.count,
                at_most,
                "more connections should be revoked than one run may revoke; none is revoked"
            );
        }
        let mut candidates = starts.unwrap_or_default();
        if may_revoke {
            candidates.extend(revocations.unwrap_or_default());
        }
        match self.revoke(&audit, candidates, may_revoke, deadline).await {
            Ok(changed) => done.changed += changed,
            Err(error) => self.log.failure(&error, None),
        }
        done
    }

    /// Judges the candidates once more, by the current policy, and starts grace periods or revokes.
    /// Answers how many requests it changed.
    async fn revoke(
        &self,
        audit: &ServiceAudit,
        candidates: Vec<Candidate>,
        may_revoke: bool,
        deadline: Deadline,
    ) -> Result<usize, Arc<Error>> {
        if candidates.is_empty() {
            return Ok(0);
        }
        let begun = self.clock.now();
        let requests = candidates.iter().map(|one| &one.request);
        let mut known = FactsRead::default().with_requests(requests);
        let connections: Vec<&Connection> = candidates.iter().map(|one| &one.connection).collect();
        self.pipeline
            .facts
            .read(&mut known, &connections, [].into())
            .await?;
        let mut certain = Vec::new();
        for connection in connections {
            // If one of them cannot be judged, none is revoked (safety rule S2).
            let decided = self.decide_one(audit, connection, &known, (false, false));
            if let Decided::HeldBack(_) = decided.await? {
                certain.push(connection);
            }
        }
        let mut changed = 0;
        let mut to_enforce = Vec::new();
        for connection in certain {
            let has_time = deadline.leaves(&self.clock, self.margin);
            let may = (true, may_revoke && has_time);
            match self.decide_one(audit, connection, &known, may).await {
                Ok(Decided::Finished(Outcome::Changed { .. })) => changed += 1,
                Ok(Decided::ToEnforce(decision)) => to_enforce.push(*decision),
                // The connection changed meanwhile; the next run sees it.
                Ok(_) => {}
                Err(error) => self.log.failure(&error, Some(&connection.endpoint_id)),
            }
        }
        let mut settled = Settled::new();
        for (endpoint_id, outcome) in self.pipeline.enforcer.enforce(to_enforce, deadline).await {
            match outcome {
                Ok(outcome) => {
                    let spent = self.clock.now().duration_since(begun);
                    self.log.outcome(&outcome, spent.as_millis_f64());
                    settled.insert(endpoint_id, Ok(outcome));
                }
                Err(error) => self.log.failure(&error, Some(&endpoint_id)),
            }
        }
        // Other connections of the same consumers may have waited for a place under the limit.
        let others = self.pipeline.settle_waiting(&settled, deadline).await;
        Ok(changed + settled.len() + others.len())
    }
}
