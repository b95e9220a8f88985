//! Checks who is subscribed to approval e-mail, remembers it, and has the open reviews sent to
//! approvers whom it did not reach before; withholds e-mail that may not be sent now. The rules are
//! in [`gatekeeper_core::reach`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use gatekeeper_core::approver::{Approver, ApproverId};
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::outbox::{EmailState, OutboxItem};
use gatekeeper_core::reach::{
    self, LOOK_HOLDS, Look, ReachFacts, ReachFinding, Sending as Fate, holds, is_to_be_sent,
};
use gatekeeper_core::review::HeldEmail;
use jiff::{SignedDuration, Timestamp};

use super::AnnouncementsConfig;
use super::sending::Sending;
use super::subscriptions::Subscriptions;
use crate::clients::Clients;
use crate::clock::Clock;
use crate::error::{Call, Error, Retryable, Step};
use crate::tables::{Allowlist, Db, HeldEmails, Outbox, ReachMemory, Requests};
use crate::telemetry::{Metric, Metrics, log_failure};

/// How often a look is begun again because another instance looked at the same time.
const ATTEMPTS: u32 = 4;
/// A look that takes longer has failed, because announcements must not wait for it.
const LOOK_TAKES: SignedDuration = SignedDuration::from_secs(20);

/// The open reviews that were put into the outbox again for an approver, with the new item's id.
type SentAnew = BTreeMap<(EndpointId, ApproverId), String>;

/// A look, and the e-mails that it caused.
#[derive(Debug)]
pub(super) struct Looked {
    look: Look,
    sent_anew: SentAnew,
}

/// Looks, and keeps the newest look.
#[derive(Debug)]
pub(super) struct Reach {
    subscriptions: Subscriptions,
    topic: String,
    slack: bool,
    own_queues: Vec<String>,
    settles: SignedDuration,
    newest: Mutex<Option<Arc<Looked>>>,
    memory: ReachMemory,
    allowlist: Allowlist,
    requests: Requests,
    outbox: Outbox,
    held_emails: HeldEmails,
    clock: Clock,
    metrics: Metrics,
}

impl Looked {
    /// Whether another item, which this look caused, sends an item's review to an approver.
    fn sent_anew(&self, item: &OutboxItem, approver: &ApproverId) -> bool {
        let Some(emails) = &item.approval_emails else {
            return false;
        };
        let of = (emails.review.endpoint_id.clone(), approver.clone());
        let anew = self.sent_anew.get(&of);
        item.at <= self.look.at && anew.is_some_and(|id| *id != item.id)
    }
}

impl Reach {
    /// `None` if there is no approval e-mail.
    pub(super) fn new(
        clients: &Clients,
        db: &Db,
        config: &AnnouncementsConfig,
        clock: Clock,
        metrics: Metrics,
    ) -> Option<Self> {
        let approvals = config.approvals.as_ref()?;
        Some(Self {
            subscriptions: Subscriptions::new(clients.sns.clone(), Step::Announce),
            topic: approvals.topic.clone(),
            slack: config.slack_queue.is_some(),
            own_queues: config.slack_queue.iter().cloned().collect(),
            settles: config.filter_settles,
            newest: Mutex::default(),
            memory: ReachMemory::new(db),
            allowlist: Allowlist::new(db),
            requests: Requests::new(db),
            outbox: Outbox::new(db),
            held_emails: HeldEmails::new(db),
            clock,
            metrics,
        })
    }

    /// Removes e-mail that may not be sent now: holds it until the next look, or drops it. E-mail
    /// that is still due after this may be sent. Answers what went wrong.
    pub(super) async fn withhold(&self, sending: &mut [Sending]) -> Vec<Arc<Error>> {
        let now = self.clock.now();
        let due = sending.iter().flat_map(|one| one.item.emails_due(now));
        let due: BTreeSet<ApproverId> = due.cloned().collect();
        if due.is_empty() {
            return Vec::new();
        }
        let looked = self.look_for(&due).await;
        let look = looked.as_ref().map(|looked| &looked.look);
        let next = now.checked_add(LOOK_HOLDS).unwrap_or(Timestamp::MAX);
        let mut failures = Vec::new();
        for one in sending {
            let due: Vec<ApproverId> = one.item.emails_due(now).cloned().collect();
            let mut is_held = false;
            for approver in &due {
                match reach::sending(look, approver) {
                    _ if looked
                        .as_ref()
                        .is_some_and(|it| it.sent_anew(&one.item, approver)) =>
                    {
                        one.note_email(approver.clone(), EmailState::Dropped);
                    }
                    Fate::Send => {}
                    Fate::Hold => {
                        is_held = true;
                        one.note_email(approver.clone(), EmailState::NotBefore(next));
                    }
                    Fate::Drop => one.note_email(approver.clone(), EmailState::Dropped),
                }
            }
            if !due.is_empty() && is_held != one.item.delivery.held {
                let noted = self.note_held(&one.item, is_held, now).await;
                match noted {
                    Ok(()) => one.note_held(is_held),
                    Err(error) => {
                        failures.push(error);
                        // If it were sent, its deadline would wait for ever.
                        for approver in due {
                            one.note_email(approver, EmailState::NotBefore(next));
                        }
                    }
                }
            }
        }
        failures
    }

    /// Remembers whether an item's e-mail is held: its review's deadline counts from the end of
    /// that.
    async fn note_held(
        &self,
        item: &OutboxItem,
        is_held: bool,
        now: Timestamp,
    ) -> Result<(), Arc<Error>> {
        let emails = item.approval_emails.as_ref();
        let Some((about, review)) =
            emails.and_then(|emails| Some((&emails.review, emails.review.review.as_ref()?)))
        else {
            return Ok(());
        };
        let held = HeldEmail {
            review: review.number,
            until: (!is_held).then_some(now),
        };
        self.held_emails
            .note_held_email(&about.endpoint_id, held)
            .await
    }

    /// A look that is new enough to decide about e-mail to these approvers; `None` if it failed.
    async fn look_for(&self, approvers: &BTreeSet<ApproverId>) -> Option<Arc<Looked>> {
        let newest = self.newest().clone();
        match newest {
            Some(looked) if looked.look.is_good_for(approvers, self.clock.now()) => Some(looked),
            _ => self.look().await,
        }
    }

    /// Looks again, and measures what is wrong. `None` if that failed, which is logged here.
    pub(super) async fn look(&self) -> Option<Arc<Looked>> {
        let end = self.clock.now().checked_add(LOOK_TAKES);
        let end = end.unwrap_or(Timestamp::MAX);
        let looking = self.try_to_look().boxed();
        let look = self.clock.until_done(end, looking).await;
        let look = look.unwrap_or_else(|| {
            let before = "it was known whom approval e-mail reaches";
            Err(Error::out_of_time(Step::Announce, before).into())
        });
        let look = match look {
            Ok(look) => Some(Arc::new(look)),
            Err(error) => {
                log_failure(&self.metrics, &error, None);
                None
            }
        };
        self.newest().clone_from(&look);
        self.measure(look.as_ref().map(|looked| &looked.look));
        look
    }

    async fn try_to_look(&self) -> Result<Looked, Arc<Error>> {
        for _ in 0..ATTEMPTS {
            // Take the time before the calls, because a look is as old as its first call.
            let now = self.clock.now();
            let (remembered, approvers, subscriptions) = tokio::try_join!(
                self.memory.reach(),
                self.allowlist.approvers(),
                self.subscriptions.confirmed(&self.topic),
            )?;
            let facts = ReachFacts {
                subscriptions: &subscriptions,
                approvers: &approvers.list,
                all_readable: approvers.malformed.is_empty(),
                slack: self.slack,
                own_queues: &self.own_queues,
                settles: self.settles,
            };
            let look = reach::look(&remembered.state, &facts, now);
            // Do this before remembering that they are reached, so that a failure in between is
            // repaired by the next look.
            let sent_anew = self.send_open_reviews(&look, &approvers.list).await?;
            if self.memory.remember_reach(&remembered, &look).await? {
                return Ok(Looked { look, sent_anew });
            }
        }
        let what = "what a look at approval e-mail found could not be written down";
        let why = "other instances kept looking at the same time";
        let operation = "dynamodb:TransactWriteItems";
        let call = Call::new(Step::Announce, operation, Retryable::RememberState, what);
        Err(call.passes(why).into())
    }

    /// Has the open reviews sent to approvers whom e-mail reaches now and did not reach before.
    async fn send_open_reviews(
        &self,
        look: &Look,
        approvers: &[Approver],
    ) -> Result<SentAnew, Arc<Error>> {
        let mut sent_anew = SentAnew::new();
        let appeared = approvers.iter().filter(|it| look.appeared.contains(&it.id));
        let appeared: Vec<&Approver> = appeared.collect();
        if appeared.is_empty() {
            return Ok(sent_anew);
        }
        let mut items = Vec::new();
        for review in &self.requests.open_reviews().await? {
            for approver in &appeared {
                if is_to_be_sent(review, approver, approvers) {
                    let item = OutboxItem::of_review(review, &approver.id, look.at);
                    let of = (review.endpoint_id.clone(), approver.id.clone());
                    sent_anew.insert(of, item.id.clone());
                    items.push(item);
                }
            }
        }
        self.outbox.put_in_outbox(&items).await?;
        Ok(sent_anew)
    }

    fn measure(&self, look: Option<&Look>) {
        let count = |wanted: fn(&ReachFinding) -> bool| {
            let findings = look?.findings.iter();
            Some(findings.filter(|finding| wanted(finding)).count())
        };
        for (metric, value) in [
            (Metric::ApprovalEmailHeld, Some(usize::from(holds(look)))),
            (
                Metric::ApproversNotReached,
                count(ReachFinding::is_not_reached),
            ),
            (
                Metric::ApprovalEmailElsewhere,
                count(ReachFinding::is_elsewhere),
            ),
        ] {
            // If a look failed to see something, the metric stays as it was.
            if let Some(value) = value {
                let value = f64::from(u32::try_from(value).unwrap_or(u32::MAX));
                self.metrics.put(metric, value, &[]);
            }
        }
    }

    fn newest(&self) -> std::sync::MutexGuard<'_, Option<Arc<Looked>>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
