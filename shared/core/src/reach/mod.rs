//! Checks whom approval e-mail reaches, whether it may be sent, and whether the wrong people get
//! it.
//!
//! Approval e-mail is published to one topic, each message with the attribute `approver`. SNS
//! delivers it to every confirmed subscription whose filter policy lets it through, and a link in
//! it votes as the approver whom it names. So two things are checked before any is sent:
//!
//! - **May it be sent?** Not while a confirmed subscription could read other people's links: one
//!   whose filter policy is not exactly one approver's id, or was seen so for the first time less
//!   than [`SETTLES`] ago, since AWS needs that long until a filter policy is in effect. Then
//!   e-mail is held for everybody, and is sent afterwards.
//! - **Whom does it reach?** An approver counts as reachable until a look finds no confirmed
//!   subscription whose filter policy names them. Nothing is sent to them after that. When one
//!   appears, they get every open review that they were notified of and have not voted on
//!   ([`is_to_be_sent`]).
//!
//! A subscription that is not confirmed gets nothing, and does not count.
//!
//! [`look`] compares SNS's list with the last look. It is pure: a [`ReachState`] carries what is
//! remembered from look to look.

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

/// How long AWS takes until a new filter policy is in effect.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html>
pub const SETTLES: SignedDuration = SignedDuration::from_mins(15);
/// When something is sent, the look is no older than this.
pub const LOOK_HOLDS: SignedDuration = SignedDuration::from_mins(1);
/// One look announces no more than this: the announcements are written together with the state, and
/// a transaction takes 100 items. The next look announces the rest.
const TOLD_AT_ONCE: usize = 50;

/// A confirmed subscription to the topic for approval e-mail, as SNS describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub subscriber: Subscriber,
    /// Its attribute `FilterPolicy`.
    pub filter_policy: Option<String>,
    /// Its attribute `FilterPolicyScope`.
    pub filter_scope: Option<String>,
}

/// The facts for a look.
#[derive(Debug, Clone)]
pub struct ReachFacts<'a> {
    /// The confirmed subscriptions to the topic for approval e-mail.
    pub subscriptions: &'a [Subscription],
    /// All approvers that can be read.
    pub approvers: &'a [Approver],
    /// Whether these are all approvers. For an approver who cannot be read, the last state stays.
    pub all_readable: bool,
    /// Whether people are also notified in Slack.
    pub slack: bool,
    /// The deployment's own queues, which are not people.
    pub own_queues: &'a [String],
    /// How long a new filter policy takes until it is in effect: [`SETTLES`] at AWS.
    pub settles: SignedDuration,
}

/// The state that is remembered from look to look.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReachState {
    /// Each confirmed subscription, by its ARN: its filter policy, and since when it has been known
    /// to have it.
    #[serde(default)]
    filters: BTreeMap<String, FirstSeen>,
    /// The approvers whom no approval e-mail reaches, and since when that is known.
    #[serde(default)]
    not_reached: BTreeMap<ApproverId, Timestamp>,
    /// The announced findings, and since when.
    #[serde(default)]
    findings: Vec<Standing>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct FirstSeen {
    /// The fingerprint of the filter policy and its scope.
    fingerprint: String,
    since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    #[serde(flatten)]
    finding: ReachFinding,
    since: Timestamp,
}

/// The result of a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub at: Timestamp,
    /// The state to remember.
    pub state: ReachState,
    /// The current findings.
    pub findings: BTreeSet<ReachFinding>,
    /// The approvers whom approval e-mail reaches.
    pub reached: BTreeSet<ApproverId>,
    /// The approvers whom it reaches now and did not before: the open reviews are to be sent to
    /// them.
    pub appeared: BTreeSet<ApproverId>,
    /// The announcements.
    pub alarms: Vec<ReachAlarm>,
}

/// What to do with one approver's e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    Send,
    /// It waits, because somebody else could read the link.
    Hold,
    /// It is dropped, because nobody would get it. Once somebody would, the open reviews are sent
    /// again.
    Drop,
}

impl Look {
    /// Whether this look can decide about e-mail to these approvers, without another look. It must
    /// be recent. And it must not drop any e-mail: somebody may have subscribed since, and may have
    /// been sent the open reviews already, without this one.
    #[must_use]
    pub fn is_good_for(&self, approvers: &BTreeSet<ApproverId>, now: Timestamp) -> bool {
        let age = now.duration_since(self.at);
        age <= LOOK_HOLDS && !age.is_negative() && approvers.is_subset(&self.reached)
    }
}

/// Whether the newest look holds approval e-mail for everybody: while somebody could read other
/// people's links, or if the look failed, since they may be able to.
#[must_use]
pub fn holds(look: Option<&Look>) -> bool {
    look.is_none_or(|look| look.findings.iter().any(ReachFinding::holds_email))
}

/// What the newest look says about an approver's e-mail; `look` is `None` if that failed. It does
/// not matter to a look whether somebody is an approver.
#[must_use]
pub fn sending(look: Option<&Look>, approver: &ApproverId) -> Sending {
    match look {
        Some(look) if look.state.not_reached.contains_key(approver) => Sending::Drop,
        _ if holds(look) => Sending::Hold,
        _ => Sending::Send,
    }
}

impl ReachState {
    /// The announced findings.
    pub fn findings(&self) -> impl Iterator<Item = &ReachFinding> {
        self.findings.iter().map(|standing| &standing.finding)
    }

    /// Since when a finding has been announced.
    #[must_use]
    pub fn since(&self, finding: &ReachFinding) -> Option<Timestamp> {
        let mut findings = self.findings.iter();
        let standing = findings.find(|standing| standing.finding == *finding);
        standing.map(|standing| standing.since)
    }
}

/// Compares the current facts with the last state.
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

/// Each subscription's filter policy, and since when it has been known to have it.
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

    /// The findings about a subscription.
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

    /// Whether the subscription's address is the mailbox of the approver's id. Ids are in lower
    /// case, and addresses need not be.
    fn is_address_of(&self, approver: &ApproverId) -> bool {
        let Subscriber {
            protocol, endpoint, ..
        } = &self.subscriber;
        matches!(protocol.as_str(), "email" | "email-json")
            && endpoint.eq_ignore_ascii_case(approver.as_str())
    }
}

/// The announced findings after a look, and the announcements to make.
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

/// Whether an open review is sent to an approver whom e-mail did not reach before: they were
/// notified of it, may still decide it, and have not voted under any of their names. Approvers who
/// were not notified yet are notified when the review is looked at next.
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
