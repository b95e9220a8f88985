//! Reconcile: all connections of all managed services against all requests and the policy.
//!
//! What events lost is found here within one period (safety rule S8): pending connections nobody
//! told us of, requests stuck between decision and outcome, endpoints that vanished, and connections
//! that the policy allows no longer. The services take turns, a slice each, so that one with ten
//! thousand requests holds up nobody else's; a run that comes near its end stops in good order, and
//! the next one goes on from there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use gatekeeper_core::attachment::{Attachments, Tally};
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::watch::Finding;
use jiff::Timestamp;

use super::Gatekeeper;
use super::pass::{Pass, Progress};
use super::undecided::Undecided;
use super::watch::Seen;
use crate::clock::Deadline;
use crate::error::Error;
use crate::tables::Unfinished;
use crate::telemetry::Unit;

/// The most that a run keeps back of its time to finish what it began.
const WIND_UP: Duration = Duration::from_secs(30);

/// What a reconcile run found and did.
#[derive(Debug, Default)]
pub struct Reconciled {
    /// Each managed service that was looked through, to its end or as far as the run came.
    pub services: Vec<ServiceReport>,
    /// The services that could not, and why.
    pub failed: Vec<(Option<ServiceId>, Arc<Error>)>,
    /// The services for which there was no time to the end; the next run goes on with them.
    pub unfinished: Vec<ServiceId>,
}

/// What was found and done for one service.
#[derive(Debug)]
pub struct ServiceReport {
    /// Which service.
    pub service_id: ServiceId,
    /// How many connections EC2 lists.
    pub connections: usize,
    /// How many requests changed.
    pub changed: usize,
    /// How many connections could not be settled; each is reported in the log.
    pub failures: usize,
    /// The first of these failures; one that is worth another try if there is any.
    pub first_failure: Option<Arc<Error>>,
    /// The connections that are neither decided nor left to people.
    pub(super) undecided: Undecided,
    /// The Transit Gateway attachments, which are not ours to decide.
    pub(super) attachments: Attachments,
    /// Whether the service was looked through from its beginning to its end.
    pub(super) is_whole: bool,
    /// Since when what has no date was seen, as far as it is remembered.
    pub(super) first_seen: BTreeMap<String, Timestamp>,
    /// Since when the oldest review waits for people.
    pub oldest_review: Option<Timestamp>,
    /// How many reviews need more people than may decide them.
    pub undecidable: usize,
    /// Whether connections are left that should be cut, because they are more than one run may cut;
    /// none if that could not be found out, as when the time did not reach to the end.
    pub revocations_held: Option<bool>,
    /// Whether connections are left that should be cut, because the allowlist holds no entry for the
    /// service; none if that could not be found out.
    pub revocations_withheld: Option<bool>,
}

impl ServiceReport {
    /// Since when the oldest connection waits that is neither decided nor left to people.
    #[must_use]
    pub fn oldest_undecided(&self) -> Option<Timestamp> {
        self.undecided.oldest(&self.first_seen)
    }

    /// How many Transit Gateway attachments EC2 lists.
    #[must_use]
    pub fn attachments(&self) -> Tally {
        self.attachments.tally()
    }

    /// The Transit Gateway attachments that wait for people to decide at EC2.
    pub(super) fn undecided_attachments(&self, now: Timestamp) -> Undecided {
        let mut undecided = Undecided::default();
        for attachment in self.attachments.waiting() {
            undecided.note(&attachment.name, attachment.created_at, now);
        }
        undecided
    }
}

impl Gatekeeper {
    /// Compares everything and settles the difference. A service that fails does not hold up the
    /// others.
    pub async fn reconcile(&self, deadline: Deadline) -> Reconciled {
        let mut done = Reconciled::default();
        match self.ec2.managed_services().await {
            Ok(services) => {
                let unexpected = self.look_through_keys(&services, deadline).boxed().await;
                self.reconcile_services(&services, &mut done, deadline)
                    .boxed()
                    .await;
                let mut seen = self.look_at_services(&services, deadline).await;
                for (service, is_there) in unexpected {
                    let found = seen.entry(service).or_default();
                    found.insert(Finding::UnexpectedPolicyKeys, is_there);
                }
                for report in &done.services {
                    let found = seen.entry(report.service_id.clone()).or_default();
                    let held = report.revocations_held;
                    found.extend(held.map(|held| (Finding::TooManyRevocations, held)));
                    let withheld = report.revocations_withheld;
                    found.extend(withheld.map(|withheld| (Finding::AllowlistEmpty, withheld)));
                }
                self.note_findings(Some(&services), &seen, &mut done.services, deadline)
                    .await;
            }
            Err(error) => {
                self.report(&error, None);
                done.failed.push((None, error));
                self.note_findings(None, &Seen::new(), &mut [], deadline)
                    .await;
            }
        }
        self.measure(&done);
        done
    }

    async fn reconcile_services(
        &self,
        services: &[ServiceId],
        done: &mut Reconciled,
        deadline: Deadline,
    ) {
        let left_over = self.tables.unfinished().await.unwrap_or_else(|error| {
            self.report(&error, None);
            Vec::new()
        });
        let had_left_over = !left_over.is_empty();
        let mut queue: VecDeque<Unfinished> = in_turn(services, left_over).into();
        let mut under_way: VecDeque<Pass> = VecDeque::new();
        let stop = deadline.earlier(WIND_UP.min(self.clock.until(deadline.0) / 10));

        // First each service's first slice, then slice by slice of those that have more.
        loop {
            if !stop.leaves(&self.clock, self.limits.margin) {
                break;
            }
            let mut pass = if let Some(next) = queue.pop_front() {
                match self.begin_pass(next.service_id.clone(), next.token).await {
                    Ok(pass) => pass,
                    Err(error) => {
                        self.report(&error, None);
                        done.failed.push((Some(next.service_id), error));
                        continue;
                    }
                }
            } else if let Some(pass) = under_way.pop_front() {
                pass
            } else {
                break;
            };
            match self.go_on(&mut pass, stop).await {
                Ok(Progress::More) => under_way.push_back(pass),
                Ok(Progress::Done) => {
                    if pass.is_resumed() {
                        // What comes before where it went on is looked at as well, if there is time.
                        queue.push_back(Unfinished {
                            service_id: pass.service().clone(),
                            token: None,
                        });
                    }
                    done.services
                        .push(self.end_pass(pass, true, deadline).await);
                }
                Err(error) if error.is_out_of_time() => {
                    // The others first, the next time.
                    under_way.push_back(pass);
                    break;
                }
                Err(error) => {
                    self.report(&error, None);
                    done.failed.push((Some(pass.service().clone()), error));
                    // What it saw waits all the same.
                    done.services
                        .push(self.end_pass(pass, false, deadline).await);
                }
            }
        }

        let mut unfinished: Vec<Unfinished> = queue.into();
        for pass in under_way {
            unfinished.push(pass.unfinished());
            done.services
                .push(self.end_pass(pass, false, deadline).await);
        }
        done.unfinished = unfinished
            .iter()
            .map(|one| one.service_id.clone())
            .collect();
        if had_left_over || !unfinished.is_empty() {
            if !unfinished.is_empty() {
                tracing::warn!(
                    services = unfinished.len(),
                    "the run's time is up; the next one goes on from here"
                );
            }
            if let Err(error) = self.tables.leave_unfinished(unfinished).await {
                // The next run begins anew.
                self.report(&error, None);
            }
        }
    }

    fn measure(&self, done: &Reconciled) {
        let changed: usize = done.services.iter().map(|report| report.changed).sum();
        let now = self.clock.now();
        let age = |since: &dyn Fn(&ServiceReport) -> Option<Timestamp>| {
            let oldest = done.services.iter().filter_map(since).min();
            oldest.map_or(0.0, |since| now.duration_since(since).as_secs_f64())
        };
        let oldest_undecided = age(&ServiceReport::oldest_undecided);
        let oldest_attachment = age(&|report| {
            let undecided = report.undecided_attachments(now);
            undecided.oldest(&report.first_seen)
        });
        let oldest_review = age(&|report| report.oldest_review);
        let changed = u32::try_from(changed).unwrap_or(u32::MAX);
        self.metrics
            .put("ReconcileDifferences", Unit::Count, f64::from(changed), &[]);
        for (name, value) in [
            ("OldestUndecidedSeconds", oldest_undecided),
            ("OldestUndecidedAttachmentSeconds", oldest_attachment),
            ("OldestReviewSeconds", oldest_review),
        ] {
            self.metrics.put(name, Unit::Seconds, value, &[]);
        }
        let undecidable: usize = done.services.iter().map(|report| report.undecidable).sum();
        let undecidable = u32::try_from(undecidable).unwrap_or(u32::MAX);
        self.metrics.put(
            "UndecidableReviews",
            Unit::Count,
            f64::from(undecidable),
            &[],
        );
        tracing::info!(
            services = done.services.len(),
            failed_services = done.failed.len(),
            unfinished_services = done.unfinished.len(),
            changed,
            undecidable,
            oldest_undecided_seconds = oldest_undecided,
            oldest_undecided_attachment_seconds = oldest_attachment,
            oldest_review_seconds = oldest_review,
            "reconciled"
        );
    }
}

/// The managed services: first what the last run left over, in its order, then the others.
fn in_turn(services: &[ServiceId], left_over: Vec<Unfinished>) -> Vec<Unfinished> {
    let managed: BTreeSet<&ServiceId> = services.iter().collect();
    let mut order: Vec<Unfinished> = left_over
        .into_iter()
        .filter(|one| managed.contains(&one.service_id))
        .collect();
    let others: Vec<Unfinished> = services
        .iter()
        .filter(|id| !order.iter().any(|one| one.service_id == **id))
        .map(|id| Unfinished {
            service_id: id.clone(),
            token: None,
        })
        .collect();
    order.extend(others);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_over_comes_first_and_nobody_is_left_out() {
        let ids: Vec<ServiceId> = ["a", "b", "c"]
            .iter()
            .map(|digit| format!("vpce-svc-0000000000000000{digit}").parse().unwrap())
            .collect();
        let left = |index: usize, token: Option<&str>| Unfinished {
            service_id: ids[index].clone(),
            token: token.map(str::to_owned),
        };
        let gone = Unfinished {
            service_id: "vpce-svc-0000000000000000d".parse().unwrap(),
            token: None,
        };
        let order = in_turn(&ids, vec![left(2, Some("page 7")), gone, left(0, None)]);
        assert_eq!(
            order,
            [left(2, Some("page 7")), left(0, None), left(1, None)]
        );
    }
}
