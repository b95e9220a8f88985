//! Which entries are written in which step.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::stage::{Stage, Step};
use crate::ids::Region;
use crate::judge::specificity;
use crate::policy::{Conditions, Effect, Entry, PolicyItem, Rule};
use crate::policy_change::difference::difference;
use crate::policy_change::whole::WholePolicy;

/// The stages of all entries that differ, those of each step in their order.
pub(super) struct Entries {
    pub(super) stages: Vec<Stage>,
    pub(super) exact_until: Option<Timestamp>,
}

pub(super) fn stages(before: &WholePolicy, after: &WholePolicy, now: Timestamp) -> Entries {
    let mut stages: Vec<(Rule, Stage)> = Vec::new();
    let mut exact_until: Option<Timestamp> = None;
    for change in difference(before, after) {
        let Some(rule) = change.id.rule().cloned() else {
            continue;
        };
        let sides = (entry(&change.before), entry(&change.after));
        let steps = match rule.effect {
            Effect::Allow => vec![(of_allow(sides), change.after.clone())],
            Effect::Deny => match of_deny(sides, now) {
                Deny::Once(step) => vec![(step, change.after.clone())],
                Deny::Twice(both, until) => {
                    exact_until = exact_until.into_iter().chain(until).min();
                    vec![
                        (Step::Deny, Some(PolicyItem::Entry(*both))),
                        (Step::Lift, change.after.clone()),
                    ]
                }
            },
        };
        stages.extend(steps.into_iter().map(|(step, after)| {
            let id = change.id.clone();
            (rule.clone(), Stage { step, id, after })
        }));
    }
    stages.sort_by(|(one, stage), (other, other_stage)| {
        let from_general = specificity(one).cmp(&specificity(other));
        stage.step.cmp(&other_stage.step).then(match stage.step {
            Step::Allow => from_general.reverse(),
            _ => from_general,
        })
    });
    Entries {
        stages: stages.into_iter().map(|(_, stage)| stage).collect(),
        exact_until,
    }
}

fn entry(item: &Option<PolicyItem>) -> Option<&Entry> {
    match item {
        Some(PolicyItem::Entry(entry)) => Some(entry),
        _ => None,
    }
}

/// Step 3 if the new side is there whenever the old one is, step 4 if the old one is there whenever the new one
/// is. If both are there at the same times, either is right: what is wider comes first.
fn of_allow(sides: (Option<&Entry>, Option<&Entry>)) -> Step {
    match sides {
        (None, _) => Step::Allow,
        (Some(_), None) => Step::Withdraw,
        (Some(old), Some(new)) => {
            let (old, new) = (old.conditions(), new.conditions());
            if end(new) != end(old) {
                return match end(new) > end(old) {
                    true => Step::Allow,
                    false => Step::Withdraw,
                };
            }
            let limit = |of: &Conditions| of.max_connections.unwrap_or(u32::MAX);
            let is_narrower = includes(&old.regions, &new.regions) && limit(new) <= limit(old);
            match is_narrower {
                true => Step::Withdraw,
                false => Step::Allow,
            }
        }
    }
}

enum Deny {
    Once(Step),
    /// First with what either side denies. That is too much from this time on.
    Twice(Box<Entry>, Option<Timestamp>),
}

fn of_deny(sides: (Option<&Entry>, Option<&Entry>), now: Timestamp) -> Deny {
    // An expired deny denies nobody any more.
    let holds = |entry: &&Entry| !entry.is_expired(now);
    let (old, new) = match (sides.0.filter(holds), sides.1.filter(holds)) {
        (None, Some(_)) => return Deny::Once(Step::Deny),
        (_, None) => return Deny::Once(Step::Lift),
        (Some(old), Some(new)) => (old, new),
    };
    let (was, is) = (old.conditions(), new.conditions());
    let more = includes(&is.regions, &was.regions) && end(is) >= end(was);
    let less = includes(&was.regions, &is.regions) && end(was) >= end(is);
    if more || less {
        return Deny::Once(if more { Step::Deny } else { Step::Lift });
    }
    let regions = match (&was.regions, &is.regions) {
        (Some(old), Some(new)) => Some(old.union(new).cloned().collect()),
        _ => None,
    };
    let later = match end(was) > end(is) {
        true => was.expires_at,
        false => is.expires_at,
    };
    let both = Conditions {
        max_connections: None,
        regions,
        expires_at: later,
    };
    let until = (end(was) != end(is)).then(|| end(was).min(end(is)));
    match Entry::new(new.rule().clone(), both, new.about().clone()) {
        Ok(both) => Deny::Twice(Box::new(both), until),
        // A deny with Regions and without a limit does not contradict itself.
        Err(_) => Deny::Once(Step::Deny),
    }
}

fn end(conditions: &Conditions) -> Timestamp {
    conditions.expires_at.unwrap_or(Timestamp::MAX)
}

/// Whether some Regions include others; `None` is all of them.
fn includes(these: &Option<BTreeSet<Region>>, others: &Option<BTreeSet<Region>>) -> bool {
    match (these, others) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(these), Some(others)) => others.is_subset(these),
    }
}
