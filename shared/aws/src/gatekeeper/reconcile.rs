//! Reconcile: all connections of all managed services against all requests and the policy.
//!
//! Reconcile finds within one period what lost events did not report (safety rule S8): pending
//! connections without an event, requests that stopped between decision and outcome, endpoints that
//! vanished, and connections that the policy allows no longer. The services take turns, a slice
//! each, so that a service with ten thousand requests does not hold up the others. A run whose time
//! is nearly over stops in good order, and the next run continues there.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::ignored_setting::IgnoredSetting;
use gatekeeper_core::waiting::{Reviews, Whose};
use gatekeeper_core::watch::Finding;
use jiff::Timestamp;

use super::approver_items::ApproverItems;
use super::keys::Keys;
use super::log::Log;
use super::pass::{Pass, Passes, Progress};
use super::report::ServiceReport;
use super::watch::{Seen, ServiceWatch};
use crate::clock::{Clock, Deadline};
use crate::config::Limits;
use crate::ec2::Services;
use crate::error::Error;
use crate::tables::{ReconcileMemory, Unfinished};
use crate::telemetry::{Metric, Metrics};

/// The time that a run keeps back, at most, to finish what it began.
const WIND_UP: Duration = Duration::from_secs(30);

/// What a reconcile run found and did.
#[derive(Debug, Default)]
pub struct Reconciled {
    /// Each managed service that was looked through, wholly or in part.
    pub services: Vec<ServiceReport>,
    /// The services that failed, and the errors.
    pub failed: Vec<(Option<ServiceId>, Arc<Error>)>,
    /// The services that were not finished in time. The next run continues with them.
    pub unfinished: Vec<ServiceId>,
    /// Those of them that were not begun.
    pub not_reached: Vec<ServiceId>,
}

/// Compares all connections with all requests and the policy, and settles the difference.
#[derive(Debug)]
pub(super) struct Reconciler {
    pub(super) passes: Arc<Passes>,
    pub(super) keys: Arc<Keys>,
    pub(super) watch: Arc<ServiceWatch>,
    pub(super) approver_items: ApproverItems,
    pub(super) services: Services,
    pub(super) memory: ReconcileMemory,
    pub(super) clock: Clock,
    pub(super) limits: Limits,
    pub(super) metrics: Metrics,
    pub(super) log: Log,
}

impl Reconciler {
    /// Compares all connections with all requests and the policy, and settles the difference. A
    /// service that fails does not hold up the others.
    pub(super) async fn reconcile(&self, deadline: Deadline) -> Reconciled {
        let mut done = Reconciled::default();
        match self.services.managed_services().await {
            Ok(services) => {
                let unexpected = self.keys.look_through(&services, deadline).boxed().await;
                self.reconcile_services(&services, &mut done, deadline)
                    .boxed()
                    .await;
                let mut seen = self.watch.look_at_services(&services, deadline).await;
                for (service, evidence) in unexpected {
                    let found = seen.entry(service).or_default();
                    found.insert(Finding::UnexpectedPolicyKeys, evidence);
                }
                for report in &done.services {
                    let found = seen.entry(report.service_id.clone()).or_default();
                    found.extend(report.seen.clone());
                }
                self.watch
                    .note_findings(Some(&services), &seen, &mut done.services, deadline)
                    .await;
            }
            Err(error) => {
                self.log.failure(&error, None);
                done.failed.push((None, error));
                self.watch
                    .note_findings(None, &Seen::new(), &mut [], deadline)
                    .await;
            }
        }
        self.approver_items.look().await;
        self.log_ignored_settings(&done);
        self.measure(&done);
        done
    }

    /// Logs settings that have no effect and make no sense, in every run until somebody corrects
    /// them.
    fn log_ignored_settings(&self, done: &Reconciled) {
        let services = done.services.iter();
        let ignored: BTreeSet<&IgnoredSetting> = services
            .flat_map(|report| &report.ignored_settings)
            .collect();
        for setting in &ignored {
            tracing::warn!(
                item = format!("{} / settings", setting.scope),
                attribute = setting.attribute,
                "a setting has no effect and makes no sense: {setting}"
            );
        }
        let count = f64::from(u32::try_from(ignored.len()).unwrap_or(u32::MAX));
        self.metrics.put(Metric::IgnoredSettings, count, &[]);
    }

    async fn reconcile_services(
        &self,
        services: &[ServiceId],
        done: &mut Reconciled,
        deadline: Deadline,
    ) {
        let left_over = self.memory.unfinished().await.unwrap_or_else(|error| {
            self.log.failure(&error, None);
            Vec::new()
        });
        let had_left_over = !left_over.is_empty();
        let mut queue: VecDeque<Unfinished> = in_turn(services, left_over).into();
        let mut under_way: VecDeque<Pass> = VecDeque::new();
        let mut reached: BTreeSet<ServiceId> = BTreeSet::new();
        let stop = deadline.earlier(WIND_UP.min(self.clock.until(deadline.0) / 10));

        // Begin with the first slice of each service, then continue slice by slice with the
        // services that have more.
        loop {
            if !stop.leaves(&self.clock, self.limits.margin) {
                break;
            }
            let mut pass = if let Some(next) = queue.pop_front() {
                match self
                    .passes
                    .begin_pass(next.service_id.clone(), next.token)
                    .await
                {
                    Ok(pass) => pass,
                    Err(error) => {
                        self.log.failure(&error, None);
                        done.failed.push((Some(next.service_id), error));
                        continue;
                    }
                }
            } else if let Some(pass) = under_way.pop_front() {
                pass
            } else {
                break;
            };
            let progress = self.passes.go_on(&mut pass, stop).await;
            if progress.is_ok() {
                reached.insert(pass.service().clone());
            }
            match progress {
                Ok(Progress::More) => under_way.push_back(pass),
                Ok(Progress::Done) => {
                    if pass.is_resumed() {
                        // If there is time, also look at the pages before the one where the pass
                        // continued.
                        queue.push_back(Unfinished {
                            service_id: pass.service().clone(),
                            token: None,
                        });
                    }
                    done.services
                        .push(self.passes.end_pass(pass, true, deadline).await);
                }
                Err(error) if error.is_out_of_time() => {
                    // The next run begins with the others.
                    under_way.push_back(pass);
                    break;
                }
                Err(error) => {
                    self.log.failure(&error, None);
                    done.failed.push((Some(pass.service().clone()), error));
                    // The connections that it saw still count as waiting.
                    done.services
                        .push(self.passes.end_pass(pass, false, deadline).await);
                }
            }
        }

        let mut unfinished: Vec<Unfinished> = queue.into();
        for pass in under_way {
            unfinished.push(pass.unfinished());
            done.services
                .push(self.passes.end_pass(pass, false, deadline).await);
        }
        done.unfinished = unfinished
            .iter()
            .map(|one| one.service_id.clone())
            .collect();
        let not_reached = done.unfinished.iter();
        let not_reached = not_reached.filter(|service| !reached.contains(*service));
        done.not_reached = not_reached.cloned().collect();
        if had_left_over || !unfinished.is_empty() {
            if !unfinished.is_empty() {
                tracing::warn!(
                    services = unfinished.len(),
                    not_reached = done.not_reached.len(),
                    "the run's time is up; the next run continues here"
                );
            }
            if let Err(error) = self.memory.leave_unfinished(unfinished).await {
                // The next run begins anew.
                self.log.failure(&error, None);
            }
        }
    }

    /// Measures reviews of known accounts apart from the others: strangers' reviews that people
    /// leave alone must not hide a customer's.
    fn measure_reviews(&self, done: &Reconciled) {
        let now = self.clock.now();
        let mut reviews = Reviews::default();
        for report in &done.services {
            reviews.add(&report.reviews);
        }
        for whose in Whose::ALL {
            let account = [("account", whose.as_str())];
            let oldest = reviews.oldest(whose);
            let age = oldest.map_or(0.0, |since| now.duration_since(since).as_secs_f64());
            self.metrics.put(Metric::OldestReviewSeconds, age, &account);
            let undecidable = count(reviews.undecidable(whose));
            self.metrics
                .put(Metric::UndecidableReviews, undecidable, &account);
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
            if report.attachments_acknowledged {
                return None;
            }
            let undecided = report.undecided_attachments(now);
            undecided.oldest(&report.first_seen)
        });
        let oldest_review = age(&|report| report.oldest_review);
        let changed = u32::try_from(changed).unwrap_or(u32::MAX);
        self.metrics
            .put(Metric::ReconcileDifferences, f64::from(changed), &[]);
        for (metric, value) in [
            (Metric::OldestUndecidedSeconds, oldest_undecided),
            (Metric::OldestUndecidedAttachmentSeconds, oldest_attachment),
        ] {
            self.metrics.put(metric, value, &[]);
        }
        self.measure_reviews(done);
        let unfinished = done.unfinished.len() - done.not_reached.len();
        for (metric, value) in [
            (Metric::ServicesNotReached, done.not_reached.len()),
            (Metric::UnfinishedServices, unfinished),
        ] {
            self.metrics.put(metric, count(value), &[]);
        }
        let undecidable: usize = done.services.iter().map(|report| report.undecidable).sum();
        tracing::info!(
            services = done.services.len(),
            failed_services = done.failed.len(),
            unfinished_services = done.unfinished.len(),
            services_not_reached = done.not_reached.len(),
            changed,
            undecidable,
            oldest_undecided_seconds = oldest_undecided,
            oldest_undecided_attachment_seconds = oldest_attachment,
            oldest_review_seconds = oldest_review,
            "reconciled"
        );
    }
}

fn count(value: usize) -> f64 {
    f64::from(u32::try_from(value).unwrap_or(u32::MAX))
}

/// The managed services: first those that the last run did not finish, in its order, then the
/// others.
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
    fn services_left_over_come_first_and_none_is_left_out() {
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
