//! Audit: hold what is connected against the policy, and revoke what it allows no longer.
//!
//! A connection is told of first and cut by a later run, when its grace period is over. What one run
//! may begin or cut is bounded for each service; where more would have to be, it does neither and
//! says so (safety rule S7).

use std::sync::Arc;

use gatekeeper_core::announcement::Kind;
use gatekeeper_core::audit::{
    Audit, Run, Standing, at_most, audit, is_withheld, objection, standing,
};
use gatekeeper_core::connection::{Connection, Phase};
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::judge::{Usage, Verdict, judge};
use gatekeeper_core::messages::Messages;
use gatekeeper_core::policy::{Entry, OutOfBand, Revoke, Rule, ServiceSettings};
use gatekeeper_core::purge;
use gatekeeper_core::request::{Actor, Cause, Request, Status, Transition};
use jiff::Timestamp;

use super::Gatekeeper;
use super::knowledge::Knowledge;
use super::settle::{Outcome, Settled};
use crate::clock::Deadline;
use crate::error::{Error, Permanent};
use crate::tables::{Ground, PolicyView, Recorded, Write};

/// One service's audit, as far as it has come.
#[derive(Debug)]
pub(super) struct Auditor {
    service: ServiceId,
    began: Timestamp,
    settings: ServiceSettings,
    /// An entry of the allowlist, once it was looked for.
    entry: Option<Option<Ground>>,
    /// What is to begin its grace period.
    starts: Bounded,
    /// Whose grace period is over.
    cuts: Bounded,
    /// Whether a part of the policy could not be read: then nothing is revoked (safety rule S2).
    unreadable: bool,
    /// Whether a connection would be cut if the allowlist held an entry for the service.
    withheld: bool,
    /// The entries that DynamoDB has just deleted at their `purge_at`.
    pub(super) purged: Arc<[Entry]>,
}

/// A connection that does not seem to be allowed. It is judged once more before anything is done
/// about it: a pass may take minutes, and entries expire by the second.
#[derive(Debug)]
struct Candidate {
    connection: Connection,
    request: Request,
}

/// How a connection stands by the policy as it was read.
struct Assessed {
    view: PolicyView,
    verdict: Verdict,
    standing: Standing,
    /// What shows that the policy is not empty, where the standing rests on that.
    entry: Option<Ground>,
    /// The entry without which it stands so, where DynamoDB has just deleted it.
    purged: Option<Rule>,
    /// What is to be done about it.
    action: Audit,
    /// When it was judged.
    at: Timestamp,
}

/// What is certain about a candidate, and what it rests on.
#[derive(Debug)]
struct Confirmed {
    request: Request,
    verdict: Verdict,
    grounds: Vec<Ground>,
    purged: Option<Rule>,
    action: Audit,
}

/// As many candidates as may be acted on, and how many there were in all: nothing is done where
/// there were more, so no more need be kept.
#[derive(Debug, Default)]
struct Bounded {
    kept: Vec<Candidate>,
    count: usize,
}

/// What an audit came to.
#[derive(Debug, Default)]
pub(super) struct Audited {
    /// How many requests it changed.
    pub(super) changed: usize,
    /// Whether more connections had to be cut, or to be told of, than one run may; none if it could
    /// not be found out.
    pub(super) held: Option<bool>,
    /// Whether connections had to be cut, or to be told of, and are not because the allowlist holds no
    /// entry for the service; none if it could not be found out.
    pub(super) withheld: Option<bool>,
}

impl Bounded {
    fn push(&mut self, candidate: Candidate, at_most: usize) {
        self.count += 1;
        if self.kept.len() < at_most {
            self.kept.push(candidate);
        }
    }

    /// All of them; none if there were too many.
    fn all(&mut self, at_most: usize) -> Option<Vec<Candidate>> {
        (self.count <= at_most).then(|| std::mem::take(&mut self.kept))
    }
}

impl Gatekeeper {
    /// Begins the audit of a service; `began` is not later than anything it will see.
    pub(super) async fn begin_audit(
        &self,
        service: &ServiceId,
        began: Timestamp,
    ) -> Result<Auditor, Arc<Error>> {
        Ok(Auditor {
            service: service.clone(),
            began,
            settings: self.tables.settings_of(service).await?,
            entry: None,
            starts: Bounded::default(),
            cuts: Bounded::default(),
            unreadable: false,
            withheld: false,
            purged: Arc::default(),
        })
    }

    /// Audits some of the service's connections, as they were settled just now. What may be done at
    /// once is done; what is bounded waits for [`Self::finish_audit`].
    pub(super) async fn audit(
        &self,
        auditor: &mut Auditor,
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
            .filter(|(_, request)| auditor.concerns(request))
            .collect();
        let mut done = Audited::default();
        if audited.is_empty() {
            return Ok(done);
        }
        let mut knowledge = Knowledge::default();
        let to_read: Vec<&Connection> = audited.iter().map(|(connection, _)| *connection).collect();
        self.learn(&mut knowledge, &to_read, [].into()).await?;
        for (connection, request) in audited {
            match self
                .audit_one(auditor, connection, request, &knowledge)
                .await
            {
                Ok(changed) => done.changed += usize::from(changed),
                Err(error) => {
                    auditor.unreadable = true;
                    self.report(&error, Some(&connection.endpoint_id));
                }
            }
        }
        Ok(done)
    }

    /// Audits one connection. Answers whether its status changed.
    async fn audit_one(
        &self,
        auditor: &mut Auditor,
        connection: &Connection,
        request: &Request,
        knowledge: &Knowledge,
    ) -> Result<bool, Arc<Error>> {
        let Some(assessed) = self.assess(auditor, connection, request, knowledge).await? else {
            return Ok(false);
        };
        let candidate = || Candidate {
            connection: connection.clone(),
            request: request.clone(),
        };
        let at_most = at_most(&auditor.settings);
        match assessed.action {
            Audit::Stay => Ok(false),
            Audit::Start { .. } => {
                auditor.starts.push(candidate(), at_most);
                Ok(false)
            }
            Audit::Cut => {
                auditor.cuts.push(candidate(), at_most);
                Ok(false)
            }
            Audit::Report => {
                let after = Request {
                    verdict: assessed.verdict,
                    reported_at: Some(assessed.at),
                    purged: assessed.purged,
                    ..request.noted()
                };
                let messages = Messages::of_note(&after, Kind::WouldRevoke, assessed.at);
                self.note(request, after, messages).await
            }
            Audit::Forget => {
                let after = Request {
                    verdict: assessed.verdict,
                    reported_at: None,
                    purged: None,
                    past_policy: request.past_policy && assessed.standing != Standing::Carried,
                    ..request.noted()
                };
                self.note(request, after, Messages::default()).await
            }
            Audit::Restore => {
                let grounds = assessed.view.grounds(&assessed.verdict);
                self.restore(request, assessed.verdict, assessed.standing, grounds)
                    .await
            }
        }
    }

    /// Holds a connection against the policy as it was read; none if it was not read for it.
    async fn assess(
        &self,
        auditor: &mut Auditor,
        connection: &Connection,
        request: &Request,
        knowledge: &Knowledge,
    ) -> Result<Option<Assessed>, Arc<Error>> {
        let Some(view) = knowledge.view(connection)? else {
            return Ok(None);
        };
        let at = self.clock.now();
        let place = knowledge.place(connection);
        let verdict = judge(&view.policy, connection, place, Usage::default(), at);
        auditor.settings = view.policy.settings_of(&connection.service_id);
        let standing = standing(request, &verdict, place);
        let entry = match standing {
            Standing::Withdrawn => self.entry_for(auditor).await?,
            _ => None,
        };
        let run = Run {
            began: auditor.began,
            now: at,
            policy_is_empty: entry.is_none(),
        };
        let action = audit(request, standing, &auditor.settings, run);
        auditor.withheld |= is_withheld(request, standing, &auditor.settings, run.policy_is_empty);
        let purged = &auditor.purged;
        let purged = purge::cause(purged, &view.policy, connection, place, &verdict, at);
        Ok(Some(Assessed {
            view,
            verdict,
            standing,
            entry,
            purged: purged.cloned(),
            action,
            at,
        }))
    }

    /// An entry that shows that the policy is not empty, looked for once in an audit.
    async fn entry_for(&self, auditor: &mut Auditor) -> Result<Option<Ground>, Arc<Error>> {
        if let Some(entry) = &auditor.entry {
            return Ok(entry.clone());
        }
        let entry = self.tables.any_entry(&auditor.service).await?;
        if entry.is_none() {
            tracing::warn!(
                service_id = %auditor.service,
                "the allowlist holds no entry for the service, so nothing is revoked for want of one"
            );
        }
        auditor.entry = Some(entry.clone());
        Ok(entry)
    }

    /// Takes a note on a request whose status does not change.
    async fn note(
        &self,
        before: &Request,
        after: Request,
        messages: Messages,
    ) -> Result<bool, Arc<Error>> {
        let recorded = self
            .tables
            .record(&Write {
                messages,
                ..Write::of(Some(before), &after)
            })
            .await?;
        // Whoever was quicker changed what there was to note.
        drop(recorded);
        Ok(false)
    }

    async fn restore(
        &self,
        request: &Request,
        verdict: Verdict,
        standing: Standing,
        grounds: Vec<Ground>,
    ) -> Result<bool, Arc<Error>> {
        let reason = match standing {
            Standing::Carried => format!("{} It stays connected.", verdict.reason),
            Standing::Unsure | Standing::Denied | Standing::Withdrawn => {
                "The service does not revoke it any more; it stays connected.".to_owned()
            }
        };
        self.change(
            request,
            Change {
                to: Status::Accepted,
                cause: Cause::Restored,
                reason,
                verdict,
                due: None,
                grounds,
            },
        )
        .await
    }

    /// Acts on what the audit found, if it is not too much of it. Cutting is for runs that see the
    /// whole service.
    pub(super) async fn finish_audit(
        &self,
        mut auditor: Auditor,
        may_cut: bool,
        deadline: Deadline,
    ) -> Audited {
        let mut done = Audited::default();
        if auditor.unreadable {
            return done;
        }
        let at_most = at_most(&auditor.settings);
        let (starts, cuts) = (auditor.starts.all(at_most), auditor.cuts.all(at_most));
        let held = starts.is_none() || cuts.is_none();
        done.held = Some(held);
        done.withheld = Some(auditor.withheld);
        if held {
            tracing::error!(
                service_id = %auditor.service,
                to_begin = auditor.starts.count,
                to_cut = auditor.cuts.count,
                at_most,
                "more connections would have to be cut than one run may cut; none is"
            );
        }
        let mut candidates = starts.unwrap_or_default();
        if may_cut {
            candidates.extend(cuts.unwrap_or_default());
        }
        let confirmed = match self.confirm(&mut auditor, candidates).await {
            Ok(confirmed) => confirmed,
            Err(error) => {
                self.report(&error, None);
                return done;
            }
        };
        let mut to_cut = Vec::new();
        for one in confirmed {
            match one.action {
                Audit::Start { due } => match self.start(one, due).await {
                    Ok(changed) => done.changed += usize::from(changed),
                    Err(error) => self.report(&error, None),
                },
                Audit::Cut if may_cut => to_cut.push(one),
                // It is not what it was any more; the next run sees what it is.
                _ => {}
            }
        }
        done.changed += self.cut(to_cut, deadline).await;
        done
    }

    /// Judges candidates once more, by the policy as it is now.
    async fn confirm(
        &self,
        auditor: &mut Auditor,
        candidates: Vec<Candidate>,
    ) -> Result<Vec<Confirmed>, Arc<Error>> {
        let mut confirmed = Vec::new();
        if candidates.is_empty() {
            return Ok(confirmed);
        }
        let mut knowledge = Knowledge::default();
        let connections: Vec<&Connection> = candidates.iter().map(|one| &one.connection).collect();
        self.learn(&mut knowledge, &connections, [].into()).await?;
        for Candidate {
            connection,
            request,
        } in candidates
        {
            let Some(assessed) = self
                .assess(auditor, &connection, &request, &knowledge)
                .await?
            else {
                continue;
            };
            let mut grounds = assessed.view.grounds_of_revocation(&assessed.verdict);
            // A transaction takes each item once.
            let is_new = |entry: &Ground| !grounds.iter().any(|ground| ground.key == entry.key);
            let entry = assessed.entry.filter(is_new);
            grounds.extend(entry);
            confirmed.push(Confirmed {
                request,
                verdict: assessed.verdict,
                grounds,
                purged: assessed.purged,
                action: assessed.action,
            });
        }
        Ok(confirmed)
    }

    /// Begins a grace period.
    async fn start(&self, confirmed: Confirmed, due: Timestamp) -> Result<bool, Arc<Error>> {
        let Confirmed {
            request,
            verdict,
            grounds,
            purged,
            ..
        } = confirmed;
        let why = objection(&request, &verdict, purged.as_ref());
        let change = Change {
            to: Status::Revoking,
            cause: Cause::Revoked,
            reason: format!("{why} It is cut at {due:.0} unless it is allowed by then."),
            verdict,
            due: Some(due),
            grounds,
        };
        self.change(&request, change).await
    }

    /// Moves a request on, if policy and record are as they were read.
    async fn change(&self, request: &Request, change: Change) -> Result<bool, Arc<Error>> {
        let begun = self.clock.now();
        let transition = Transition {
            from: Some(request.status),
            to: change.to,
            cause: change.cause,
            at: begun,
            actor: Actor::Policy(change.verdict.rule.clone()),
            reason: change.reason,
            ec2: None,
            votes: Vec::new(),
        };
        let after = Request {
            verdict: change.verdict,
            due: change.due,
            ..request.after(&transition).map_err(Permanent::Illegal)?
        };
        let recorded = self
            .tables
            .record(&Write {
                transition: Some(&transition),
                grounds: change.grounds,
                messages: Messages::of_transition(&after, &transition),
                ..Write::of(Some(request), &after)
            })
            .await?;
        Ok(match recorded {
            Recorded::Written => {
                let outcome = Outcome::Changed {
                    from: Some(request.status),
                    request: Box::new(after),
                };
                let spent = self.clock.now().duration_since(begun);
                self.tell(&outcome, spent.as_millis_f64());
                true
            }
            // The next run sees how it is now.
            Recorded::Lost(_) | Recorded::PolicyChanged | Recorded::LimitReached => false,
        })
    }

    /// Cuts: claims each request, as long as policy and record are as they were read, and has EC2
    /// reject the connections.
    async fn cut(&self, confirmed: Vec<Confirmed>, deadline: Deadline) -> usize {
        let begun = self.clock.now();
        let mut undone = Vec::new();
        for candidate in confirmed {
            if !deadline.leaves(&self.clock, self.limits.margin) {
                break;
            }
            let after = Request {
                verdict: candidate.verdict,
                claimed_until: self.clock.now().checked_add(self.limits.claim).ok(),
                ..candidate.request.noted()
            };
            let recorded = self
                .tables
                .record(&Write {
                    grounds: candidate.grounds,
                    ..Write::of(Some(&candidate.request), &after)
                })
                .await;
            match recorded {
                Ok(Recorded::Written) => undone.push((Some(Status::Revoking), after)),
                Ok(_) => {}
                Err(error) => self.report(&error, Some(&candidate.request.endpoint_id)),
            }
        }
        let mut settled = Settled::new();
        for done in self.enforce(undone, deadline).await {
            match done.outcome {
                Ok(outcome) => {
                    let spent = self.clock.now().duration_since(begun);
                    self.tell(&outcome, spent.as_millis_f64());
                    settled.insert(done.endpoint_id, Ok(outcome));
                }
                Err(error) => self.report(&error, Some(&done.endpoint_id)),
            }
        }
        // Others of the same consumers may have waited for their slots.
        let others = self.settle_freed(&settled, deadline).await;
        settled.len() + others.len()
    }
}

/// A transition to record.
struct Change {
    to: Status,
    cause: Cause,
    reason: String,
    verdict: Verdict,
    due: Option<Timestamp>,
    grounds: Vec<Ground>,
}

impl Auditor {
    /// Whether anything can become of a request: where the service neither cuts nor reports, only
    /// what has a note on it is looked at, so that the policy need not be read for the rest. What was
    /// let in past the policy has one until an entry allows it, whatever a later setting undoes.
    fn concerns(&self, request: &Request) -> bool {
        let acts = self.settings.revoke.unwrap_or_default() != Revoke::Off
            || self.settings.out_of_band == Some(OutOfBand::Revert);
        match request.status {
            Status::Revoking => true,
            Status::Accepted => acts || request.reported_at.is_some() || request.past_policy,
            _ => false,
        }
    }
}
