//! What a new policy does to connections, now and later, beside what the old one does.
//!
//! It is [`foretell()`] for both policies: now, and again whenever its answer may change.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::WholePolicy;
use crate::audit;
use crate::decide::Setup;
use crate::foretell::{Foretold, GivenPolicy, Situation, foretell};
use crate::ids::{AccountId, EndpointId, ServiceId};
use crate::request::Status;

/// So many times one consumer's connections are looked at: more moments than that are left out.
const LOOKS: usize = 64;

/// Whether a connection gains or loses by a new policy, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// It is accepted, or stays connected, and would not be under the old policy.
    Accepted,
    /// People are asked, and the old policy would reject it.
    AskedInsteadOfRejected,
    /// People are asked, and the old policy would accept it.
    AskedInsteadOfAccepted,
    Rejected,
    /// It is connected, and will be revoked.
    Revoked,
}

impl Turn {
    #[must_use]
    pub fn is_gain(self) -> bool {
        matches!(self, Self::Accepted | Self::AskedInsteadOfRejected)
    }

    fn between(old: Option<Status>, new: Option<Status>) -> Option<Self> {
        let access = |status: Status| match status {
            Status::Rejecting | Status::Rejected | Status::Revoking => Some(0),
            Status::InReview => Some(1),
            Status::Accepting | Status::Accepted => Some(2),
            Status::Gone => None,
        };
        let (new, before, after) = (new?, access(old?)?, access(new?)?);
        if before == after {
            return None;
        }
        Some(match new {
            Status::Accepting | Status::Accepted => Self::Accepted,
            Status::InReview if before < after => Self::AskedInsteadOfRejected,
            Status::InReview => Self::AskedInsteadOfAccepted,
            Status::Revoking => Self::Revoked,
            Status::Rejecting | Status::Rejected | Status::Gone => Self::Rejected,
        })
    }
}

/// What becomes of a connection at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    pub at: Timestamp,
    /// Its request's status; `None` if there is none.
    pub becomes: Option<Status>,
    /// Why, in a sentence, if something is done.
    pub reason: Option<String>,
    /// When it loses its access, if it is being revoked.
    pub due: Option<Timestamp>,
}

/// What becomes of a connection under one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// Now.
    pub now: Foretold,
    /// The moments at which its status changes. The first is now, changed or not.
    pub moments: Vec<Moment>,
}

/// What a new policy does to one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    pub endpoint_id: EndpointId,
    /// Its service and its account, if EC2 or its request says.
    pub consumer: Option<(ServiceId, AccountId)>,
    /// The customer's name, from the new policy or the old one.
    pub customer: Option<String>,
    pub before: Course,
    pub after: Course,
    /// How it differs now.
    pub turn: Option<Turn>,
    /// When it differs in another way first.
    pub later: Option<(Timestamp, Turn)>,
}

/// What a new policy does to connections, in the order in which they are given. What comes after `until` is left
/// out.
#[must_use]
pub fn effects(
    situations: &[Situation],
    (before, after): (&WholePolicy, &WholePolicy),
    setup: Setup,
    now: Timestamp,
    until: Timestamp,
) -> Vec<Effect> {
    let sides = [before, after].map(|policy| (policy.given(), quiet(policy)));
    // A limit makes connections of one consumer depend on each other, and on no others.
    let mut consumers: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (number, situation) in situations.iter().enumerate() {
        let alone = situation.consumer().is_none().then_some(number);
        let consumer = (situation.consumer(), alone);
        consumers.entry(consumer).or_default().push(number);
    }
    let mut effects: Vec<(usize, Effect)> = Vec::with_capacity(situations.len());
    for numbers in consumers.into_values() {
        let group: Vec<Situation> = numbers
            .iter()
            .filter_map(|number| situations.get(*number).cloned())
            .collect();
        let [before, after] = sides
            .each_ref()
            .map(|(given, quiet)| courses(&group, given, quiet, setup, (now, until)));
        for (((number, situation), before), after) in
            numbers.into_iter().zip(&group).zip(before).zip(after)
        {
            let names = |(given, _): &(GivenPolicy, GivenPolicy)| {
                let connection = situation.observation.connection.as_ref()?;
                let read = given.for_connection(connection, &situation.organization);
                read.policy.customer_of(connection)
            };
            let [old, new] = &sides;
            let turn = Turn::between(before.now.becomes, after.now.becomes);
            let effect = Effect {
                endpoint_id: situation.observation.endpoint_id.clone(),
                consumer: situation.consumer(),
                customer: names(new).or_else(|| names(old)),
                later: later(&before, &after, turn),
                before,
                after,
                turn,
            };
            effects.push((number, effect));
        }
    }
    effects.sort_by_key(|(number, _)| *number);
    effects.into_iter().map(|(_, effect)| effect).collect()
}

/// The policy without reminders: they decide nothing, and would be most of the moments.
fn quiet(policy: &WholePolicy) -> GivenPolicy {
    let mut policy = policy.policy();
    for settings in policy.settings.values_mut() {
        settings.remind_hours = None;
    }
    let approvers = std::mem::take(&mut policy.approvers);
    GivenPolicy::of(policy, approvers)
}

/// What becomes of one consumer's connections.
fn courses(
    group: &[Situation],
    given: &GivenPolicy,
    quiet: &GivenPolicy,
    setup: Setup,
    (now, until): (Timestamp, Timestamp),
) -> Vec<Course> {
    let first = foretell(group, given, setup, now);
    let mut courses: Vec<Course> = first
        .iter()
        .map(|foretold| Course {
            now: foretold.clone(),
            moments: vec![moment(foretold, now)],
        })
        .collect();
    // Nor does e-mail decide anything.
    let setup = Setup {
        asks_by_email: false,
        ..setup
    };
    let mut at = now;
    let mut group: Vec<Situation> = advance(group, &first, at);
    for situation in &mut group {
        if let Some(request) = &mut situation.request {
            request.approval_emails_at = None;
        }
    }
    for _ in 0..LOOKS {
        let foretold = foretell(&group, quiet, setup, at);
        for (course, foretold) in courses.iter_mut().zip(&foretold) {
            let is_new = course
                .moments
                .last()
                .is_none_or(|last| last.becomes != foretold.becomes);
            if is_new {
                course.moments.push(moment(foretold, at));
            }
        }
        group = advance(&group, &foretold, at);
        // Where something was done, the same moment is looked at again: what was done has an end of its own.
        if foretold.iter().any(|one| one.change.is_some()) {
            continue;
        }
        let next = foretold.iter().filter_map(|one| one.holds_until).min();
        let due = group
            .iter()
            .filter_map(|one| one.request.as_ref()?.due)
            .filter(|due| *due > at)
            .min();
        match next.into_iter().chain(due).min() {
            Some(next) if next <= until => at = next,
            _ => break,
        }
    }
    courses
}

fn advance(group: &[Situation], foretold: &[Foretold], at: Timestamp) -> Vec<Situation> {
    let done = |(situation, foretold): (&Situation, _)| situation.once_done(foretold, at);
    let mut after: Vec<Situation> = group.iter().zip(foretold).map(done).collect();
    for situation in &mut after {
        situation.observation.seen_at = at;
    }
    after
}

fn moment(foretold: &Foretold, at: Timestamp) -> Moment {
    let change = foretold.change.as_ref();
    let reason = change.map(|change| match &change.transition {
        Some(transition) => transition.reason.clone(),
        None => change.after.verdict.reason.clone(),
    });
    Moment {
        at,
        becomes: foretold.becomes,
        reason,
        due: change
            .filter(|_| foretold.becomes == Some(Status::Revoking))
            .and_then(|change| change.after.due),
    }
}

/// When both courses differ in another way than now first.
fn later(before: &Course, after: &Course, turn: Option<Turn>) -> Option<(Timestamp, Turn)> {
    let at = |course: &Course, time: Timestamp| {
        let mut past = course.moments.iter().rev();
        past.find(|moment| moment.at <= time)
            .and_then(|moment| moment.becomes)
    };
    let times = before.moments.iter().chain(&after.moments);
    let mut times: Vec<Timestamp> = times.map(|moment| moment.at).collect();
    times.sort_unstable();
    times.into_iter().find_map(|time| {
        let then = Turn::between(at(before, time), at(after, time));
        let then = then.filter(|_| then != turn)?;
        Some((time, then))
    })
}

/// Whose connections gain or lose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    pub customer: Option<String>,
    pub account_id: AccountId,
    pub service_id: ServiceId,
}

/// How many connections gain and lose, now and later.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    pub now: BTreeMap<Turn, usize>,
    pub later: BTreeMap<Turn, usize>,
}

/// The revocations of a service that are more than one run makes, so that it makes none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooMany {
    pub service_id: ServiceId,
    pub revocations: usize,
    pub at_most: usize,
}

/// Who gains and who loses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    pub total: Counts,
    pub by_consumer: BTreeMap<Who, Counts>,
    pub too_many: Vec<TooMany>,
}

impl Summary {
    /// Sums up effects of a new policy.
    #[must_use]
    pub fn of(effects: &[Effect], after: &WholePolicy) -> Self {
        let mut summary = Self::default();
        let mut revocations: BTreeMap<&ServiceId, usize> = BTreeMap::new();
        for effect in effects {
            let Some((service_id, account_id)) = &effect.consumer else {
                continue;
            };
            let change = effect.after.now.change.as_ref();
            if change.is_some_and(|change| change.revokes().is_some()) {
                *revocations.entry(service_id).or_default() += 1;
            }
            let later = effect.later.map(|(_, turn)| turn);
            if effect.turn.is_none() && later.is_none() {
                continue;
            }
            let who = Who {
                customer: effect.customer.clone(),
                account_id: account_id.clone(),
                service_id: service_id.clone(),
            };
            let own = summary.by_consumer.entry(who).or_default();
            for counts in [own, &mut summary.total] {
                if let Some(turn) = effect.turn {
                    *counts.now.entry(turn).or_default() += 1;
                }
                if let Some(turn) = later {
                    *counts.later.entry(turn).or_default() += 1;
                }
            }
        }
        let policy = after.policy();
        summary.too_many = revocations
            .into_iter()
            .filter_map(|(service, revocations)| {
                let at_most = audit::at_most(&policy.settings_of(service));
                (revocations > at_most).then(|| TooMany {
                    service_id: service.clone(),
                    revocations,
                    at_most,
                })
            })
            .collect();
        summary
    }
}

/// How each connection turns now, as a plan keeps it.
#[must_use]
pub fn turns(effects: &[Effect]) -> BTreeMap<EndpointId, Turn> {
    let turn = |effect: &Effect| Some((effect.endpoint_id.clone(), effect.turn?));
    effects.iter().filter_map(turn).collect()
}

/// The connections that lose now and did not in the plan, or lose in another way.
#[must_use]
pub fn more_losses(
    planned: &BTreeMap<EndpointId, Turn>,
    effects: &[Effect],
) -> BTreeMap<EndpointId, Turn> {
    let mut turns = turns(effects);
    turns.retain(|id, turn| !turn.is_gain() && planned.get(id) != Some(turn));
    turns
}

#[cfg(test)]
#[path = "effect_tests.rs"]
mod tests;
