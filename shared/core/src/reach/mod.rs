//! Whom approval e-mail reaches, whether it may be sent, and what is wrong with who gets it.
//!
//! Approval e-mail is published to one topic, each message with the attribute `approver`. SNS gives it to every
//! confirmed subscription whose filter policy lets it through, and a link in it votes as the approver whom it
//! names. So two things are looked at before any is sent:
//!
//! - **May it be sent?** Not while a confirmed subscription could read other people's links: one whose filter
//!   policy is not exactly one approver's id, or was seen so for the first time less than [`SETTLES`] ago, since
//!   AWS takes so long until a filter policy holds. It is held then, for everybody, and goes out afterwards.
//! - **Whom does it reach?** An approver counts as reachable until a look finds no confirmed subscription whose
//!   filter policy names them. Nothing is sent to them from then on. When one appears they get every open review
//!   that they were asked about and have not voted on ([`is_to_be_sent`]).
//!
//! A subscription that is not confirmed gets nothing, and does not count.
//!
//! [`look`] compares what SNS lists with what was known before. It is pure: what is remembered from look to look is
//! a [`ReachState`].

mod filter;
mod finding;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::alarm::AlarmKind;
use crate::approver::{Approver, ApproverId, may_decide};
use crate::quorum::vote_of;
use crate::request::{Request, Status};

use filter::fingerprint;
pub use filter::{Filter, Opening};
pub use finding::{ReachAlarm, ReachFinding, SCHEMA, Subscriber};

/// How long a new filter policy takes at AWS until it holds.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html>
pub const SETTLES: SignedDuration = SignedDuration::from_mins(15);
/// A look is no older than this when something is sent.
pub const LOOK_HOLDS: SignedDuration = SignedDuration::from_mins(1);
/// No more is told by one look: it is written together with what is remembered, and a transaction takes 100
/// items. The next look tells the rest.
const TOLD_AT_ONCE: usize = 50;

/// A confirmed subscription to the topic for approval e-mail, as SNS describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Which.
    pub subscriber: Subscriber,
    /// Its attribute `FilterPolicy`.
    pub filter_policy: Option<String>,
    /// Its attribute `FilterPolicyScope`.
    pub filter_scope: Option<String>,
}

/// What is looked at.
#[derive(Debug, Clone)]
pub struct ReachFacts<'a> {
    /// The confirmed subscriptions to the topic for approval e-mail.
    pub subscriptions: &'a [Subscription],
    /// All approvers that can be read.
    pub approvers: &'a [Approver],
    /// Whether those are all that there are. Of somebody who cannot be read, what was known stays.
    pub all_readable: bool,
    /// Whether people are asked in Slack, too.
    pub slack: bool,
    /// The deployment's own queues: what they get, no person gets.
    pub own_queues: &'a [String],
    /// How long a new filter policy takes until it holds: [`SETTLES`] at AWS.
    pub settles: SignedDuration,
}

/// What is remembered from look to look.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReachState {
    /// Each confirmed subscription, by its ARN: its filter policy, and since when it is known to have it.
    #[serde(default)]
    filters: BTreeMap<String, FirstSeen>,
    /// The approvers whom no approval e-mail reaches, and since when that is known.
    #[serde(default)]
    not_reached: BTreeMap<ApproverId, Timestamp>,
    /// What people know to be wrong, and since when.
    #[serde(default)]
    findings: Vec<Standing>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FirstSeen {
    /// Of the filter policy and its scope.
    fingerprint: String,
    since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    #[serde(flatten)]
    finding: ReachFinding,
    since: Timestamp,
}

/// What a look comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// When it was.
    pub at: Timestamp,
    /// What to remember.
    pub state: ReachState,
    /// What is wrong now.
    pub findings: BTreeSet<ReachFinding>,
    /// Whom approval e-mail reaches, of all approvers.
    pub reached: BTreeSet<ApproverId>,
    /// Those whom it reaches now and did not before: the open reviews are to be sent to them.
    pub appeared: BTreeSet<ApproverId>,
    /// What there is to tell.
    pub alarms: Vec<ReachAlarm>,
}

/// What becomes of one approver's e-mail now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// It is sent.
    Send,
    /// It waits: somebody else could read the link.
    Hold,
    /// It is dropped: nobody would get it. Once somebody would, the open reviews are sent anew.
    Drop,
}

impl Look {
    /// Whether it can be decided by it, without looking again, what becomes of e-mail to these. It must be recent.
    /// And it must not drop any: somebody may have been subscribed since, and have been sent the open reviews
    /// already, without this one.
    #[must_use]
    pub fn is_good_for(&self, approvers: &BTreeSet<ApproverId>, now: Timestamp) -> bool {
        let age = now.duration_since(self.at);
        age <= LOOK_HOLDS && !age.is_negative() && approvers.is_subset(&self.reached)
    }
}

/// Whether approval e-mail is held, whoever it is for, by the newest look: while somebody could read other people's
/// links, and, where the look failed, since nobody knows that nobody can.
#[must_use]
pub fn holds(look: Option<&Look>) -> bool {
    look.is_none_or(|look| look.findings.iter().any(ReachFinding::holds_email))
}

/// What becomes of an approver's e-mail by the newest look; none if that failed. Whoever is no approver is not its
/// business.
#[must_use]
pub fn sending(look: Option<&Look>, approver: &ApproverId) -> Sending {
    match look {
        Some(look) if look.state.not_reached.contains_key(approver) => Sending::Drop,
        _ if holds(look) => Sending::Hold,
        _ => Sending::Send,
    }
}

impl ReachState {
    /// What people know to be wrong.
    pub fn findings(&self) -> impl Iterator<Item = &ReachFinding> {
        self.findings.iter().map(|standing| &standing.finding)
    }

    /// Since when a finding stands.
    #[must_use]
    pub fn since(&self, finding: &ReachFinding) -> Option<Timestamp> {
        let mut findings = self.findings.iter();
        let standing = findings.find(|standing| standing.finding == *finding);
        standing.map(|standing| standing.since)
    }
}

/// Compares what is so with what was known before.
#[must_use]
pub fn look(before: &ReachState, facts: &ReachFacts<'_>, now: Timestamp) -> Look {
    let filters = filters(before, facts.subscriptions, now);
    let mut findings: BTreeSet<ReachFinding> = BTreeSet::new();
    let mut named: BTreeSet<ApproverId> = BTreeSet::new();
    for subscription in facts.subscriptions {
        let seen = filters.get(&subscription.subscriber.arn);
        let is_settled = seen.is_some_and(|seen| now.duration_since(seen.since) >= facts.settles);
        findings.extend(subscription.findings(is_settled));
        let is_own = facts.own_queues.contains(&subscription.subscriber.endpoint);
        if let (Filter::One(approver), false) = (subscription.filter(), is_own) {
            named.insert(approver);
        }
    }
    let (mut reached, mut not_reached) = (BTreeSet::new(), BTreeMap::new());
    for Approver {
        id, slack_user_id, ..
    } in facts.approvers
    {
        if named.contains(id) {
            reached.insert(id.clone());
            continue;
        }
        let since = before.not_reached.get(id).copied().unwrap_or(now);
        not_reached.insert(id.clone(), since);
        if !(facts.slack && slack_user_id.is_some()) {
            let approver = id.clone();
            findings.insert(ReachFinding::ApproverNotReached { approver });
        }
    }
    if !facts.all_readable {
        let is_listed = |id: &ApproverId| facts.approvers.iter().any(|it| it.id == *id);
        let unread = before.not_reached.iter().filter(|(id, _)| !is_listed(id));
        for (id, since) in unread {
            not_reached.insert(id.clone(), *since);
            let approver = id.clone();
            let finding = ReachFinding::ApproverNotReached { approver };
            findings.extend(before.since(&finding).map(|_| finding));
        }
    }
    let appeared = before.not_reached.keys().filter(|id| reached.contains(*id));
    let appeared = appeared.cloned().collect();
    let (standing, alarms) = note(&before.findings, &findings, now);
    Look {
        at: now,
        state: ReachState {
            filters,
            not_reached,
            findings: standing,
        },
        findings,
        reached,
        appeared,
        alarms,
    }
}

/// Each subscription's filter policy, and since when it is known to have it.
fn filters(
    before: &ReachState,
    subscriptions: &[Subscription],
    now: Timestamp,
) -> BTreeMap<String, FirstSeen> {
    let seen = |subscription: &Subscription| {
        let (policy, scope) = (&subscription.filter_policy, &subscription.filter_scope);
        let fingerprint = fingerprint(policy.as_deref(), scope.as_deref());
        let arn = subscription.subscriber.arn.clone();
        let known = before.filters.get(&arn);
        let same = known.filter(|known| known.fingerprint == fingerprint);
        let since = same.map_or(now, |known| known.since);
        (arn, FirstSeen { fingerprint, since })
    };
    subscriptions.iter().map(seen).collect()
}

impl Subscription {
    fn filter(&self) -> Filter {
        Filter::read(self.filter_policy.as_deref(), self.filter_scope.as_deref())
    }

    /// What is wrong with it.
    fn findings(&self, is_settled: bool) -> Vec<ReachFinding> {
        let subscription = self.subscriber.clone();
        let approver = match self.filter() {
            Filter::Open(opening) => {
                return vec![ReachFinding::SubscriptionOpen {
                    subscription,
                    opening,
                }];
            }
            Filter::One(approver) => approver,
        };
        let mut findings = Vec::new();
        if !self.is_address_of(&approver) {
            findings.push(ReachFinding::SubscriptionElsewhere {
                subscription: subscription.clone(),
                approver: approver.clone(),
            });
        }
        if !is_settled {
            findings.push(ReachFinding::SubscriptionNew {
                subscription,
                approver,
            });
        }
        findings
    }

    /// Whether it is the mailbox that an approver's id names. Ids are in lower case, and addresses need not be.
    fn is_address_of(&self, approver: &ApproverId) -> bool {
        let Subscriber {
            protocol, endpoint, ..
        } = &self.subscriber;
        matches!(protocol.as_str(), "email" | "email-json")
            && endpoint.eq_ignore_ascii_case(approver.as_str())
    }
}

/// What people know to be wrong after what was just found, and what of it is news.
fn note(
    before: &[Standing],
    found: &BTreeSet<ReachFinding>,
    now: Timestamp,
) -> (Vec<Standing>, Vec<ReachAlarm>) {
    let mut standing = before.to_vec();
    let mut alarms = Vec::new();
    let is_known = |finding: &&ReachFinding| before.iter().any(|it| it.finding == **finding);
    let begun = found.iter().filter(|finding| !is_known(finding));
    for finding in begun.take(TOLD_AT_ONCE) {
        let (finding, since) = (finding.clone(), now);
        alarms.push(ReachAlarm::new(
            finding.clone(),
            AlarmKind::AlarmStarted,
            now,
        ));
        standing.push(Standing { finding, since });
    }
    let left = TOLD_AT_ONCE.saturating_sub(alarms.len());
    let over = before.iter().filter(|it| !found.contains(&it.finding));
    for ended in over.take(left) {
        alarms.push(ReachAlarm::new(
            ended.finding.clone(),
            AlarmKind::AlarmEnded,
            now,
        ));
        standing.retain(|it| it.finding != ended.finding);
    }
    (standing, alarms)
}

/// Whether an open review is sent to an approver whom e-mail did not reach before: they were asked about it, may
/// still decide it, and have not voted under any of their names. Whoever was not asked yet is asked by whoever
/// looks at the review next.
#[must_use]
pub fn is_to_be_sent(review: &Request, approver: &Approver, approvers: &[Approver]) -> bool {
    let (service, account) = (&review.service_id, &review.account_id);
    let may_decide = may_decide(approver, approvers, service, account);
    review.status == Status::InReview
        && review.notified.contains(&approver.id)
        && may_decide.is_ok()
        && vote_of(review, approver, approvers).is_none()
}

#[cfg(test)]
mod tests;
