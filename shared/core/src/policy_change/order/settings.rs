//! Which settings are written in which step, and what they are in between.

use std::collections::{BTreeMap, BTreeSet};

use super::stage::{Stage, Step};
use crate::audit::{AT_MOST, GRACE_HOURS};
use crate::policy::{
    OnDeadline, OnUnlisted, OutOfBand, PolicyItem, Revoke, Scope, ServiceSettings,
};
use crate::policy_change::difference::difference;
use crate::policy_change::whole::WholePolicy;
use crate::precondition::PolicyItemId;

pub(super) fn stages(before: &WholePolicy, after: &WholePolicy) -> Vec<Stage> {
    let services = named_services(before, after);
    let entries = Entries::of(before, after);
    let of_every = Sides::of(before, after, &Scope::Every);
    let every = held_back(
        &of_every,
        &Fallback::default(),
        entries.are_filled(&Scope::Every),
    );
    let fallback = Fallback {
        old: of_every.old.clone().unwrap_or_default(),
        careful: every.clone().unwrap_or_default(),
        new: of_every.new.clone().unwrap_or_default(),
    };
    let careful: Vec<(Scope, Sides, Option<ServiceSettings>)> = services
        .into_iter()
        .map(|scope| {
            let sides = Sides::of(before, after, &scope);
            let careful = held_back(&sides, &fallback, entries.are_filled(&scope));
            (scope, sides, careful)
        })
        .collect();
    let stage = |step, scope: &Scope, settings: &Option<ServiceSettings>| Stage {
        step,
        id: PolicyItemId::Settings(scope.clone()),
        after: settings
            .clone()
            .map(|settings| PolicyItem::Settings(scope.clone(), settings)),
    };
    let mut stages = Vec::new();
    for (scope, _, careful) in &careful {
        stages.push(stage(Step::HoldBack, scope, careful));
    }
    stages.push(stage(Step::HoldBack, &Scope::Every, &every));
    stages.push(stage(Step::Release, &Scope::Every, &of_every.new));
    for (scope, sides, _) in &careful {
        stages.push(stage(Step::Release, scope, &sides.new));
    }
    stages
}

/// The services that either policy names.
fn named_services(before: &WholePolicy, after: &WholePolicy) -> BTreeSet<Scope> {
    let ids = before.items().chain(after.items()).map(|(id, _)| id);
    let scopes = ids.filter_map(|id| match id {
        PolicyItemId::Settings(scope) => Some(scope),
        id => id.rule().map(|rule| &rule.service_id),
    });
    let services = scopes.filter(|scope| **scope != Scope::Every);
    services.cloned().collect()
}

/// How many entries each scope has before and after, and how many of them are written.
struct Entries(BTreeMap<Scope, [usize; 3]>);

impl Entries {
    fn of(before: &WholePolicy, after: &WholePolicy) -> Self {
        let mut counts: BTreeMap<Scope, [usize; 3]> = BTreeMap::new();
        let mut count = |scope: &Scope, sides: [bool; 3]| {
            let counted = counts.entry(scope.clone()).or_default();
            for (count, is_there) in counted.iter_mut().zip(sides) {
                *count += usize::from(is_there);
            }
        };
        for entry in before.entries() {
            count(&entry.rule().service_id, [true, false, false]);
        }
        for entry in after.entries() {
            count(&entry.rule().service_id, [false, true, false]);
        }
        for change in difference(before, after) {
            if let Some(rule) = change.id.rule() {
                count(&rule.service_id, [false, false, true]);
            }
        }
        Self(counts)
    }

    /// Whether the entries for a service go from none to some, or from some to none, in more than one write. Of
    /// `*`: for a service that no entry names.
    fn are_filled(&self, scope: &Scope) -> bool {
        let counts = |scope| self.0.get(scope).copied().unwrap_or_default();
        let [mut old, mut new, mut writes] = counts(&Scope::Every);
        if *scope != Scope::Every {
            let [own_old, own_new, own_writes] = counts(scope);
            (old, new, writes) = (old + own_old, new + own_new, writes + own_writes);
        }
        (old == 0) != (new == 0) && writes > 1
    }
}

/// The settings of one scope.
struct Sides {
    old: Option<ServiceSettings>,
    new: Option<ServiceSettings>,
}

impl Sides {
    fn of(before: &WholePolicy, after: &WholePolicy, scope: &Scope) -> Self {
        Self {
            old: before.settings(scope).cloned(),
            new: after.settings(scope).cloned(),
        }
    }
}

/// The settings that hold where a scope says nothing: before the first step, between, and after the last.
#[derive(Default)]
struct Fallback {
    old: ServiceSettings,
    careful: ServiceSettings,
    new: ServiceSettings,
}

/// The more careful of both sides. Where one side says nothing, the fallback counts. `is_held` revokes nothing.
fn held_back(sides: &Sides, fallback: &Fallback, is_held: bool) -> Option<ServiceSettings> {
    let old = sides.old.clone().unwrap_or_default();
    let new = sides.new.clone().unwrap_or_default();
    macro_rules! field {
        ($name:ident, $default:expr) => {
            Field {
                own: (old.$name.clone(), new.$name.clone()),
                fallback: [&fallback.old, &fallback.careful, &fallback.new]
                    .map(|side| side.$name.clone().unwrap_or($default)),
            }
        };
    }
    let revoke = field!(revoke, Revoke::default());
    let out_of_band = field!(out_of_band, OutOfBand::default());
    let (least_revoke, least_out_of_band) = (revoke.least(), out_of_band.least());
    let mut careful = ServiceSettings {
        on_unlisted: {
            let field = field!(on_unlisted, OnUnlisted::default());
            let least = field.least();
            field.at(least, false)
        },
        approvals_required: {
            let field = field!(approvals_required, 1);
            let most = field.most();
            // Fewer are required in the very write that rejects more.
            field.at(most, rejects(&old) != rejects(&new))
        },
        revoke: match is_held {
            true => revoke.at(Revoke::Off, true),
            false => revoke.at(least_revoke, false),
        },
        out_of_band: match is_held && least_out_of_band == OutOfBand::Revert {
            true => out_of_band.at(OutOfBand::Alert, true),
            false => out_of_band.at(least_out_of_band, false),
        },
        revoke_grace_hours: {
            let field = field!(revoke_grace_hours, GRACE_HOURS);
            let most = field.most();
            field.at(most, false)
        },
        revoke_at_most: {
            let field = field!(revoke_at_most, AT_MOST);
            let least = field.least();
            field.at(least, false)
        },
        // These decide nothing.
        name: new.name.clone(),
        remind_hours: new.remind_hours,
        slack_channel: new.slack_channel.clone(),
        ..ServiceSettings::default()
    };
    (careful.on_deadline, careful.review_hours) = deadline(&old, &new, fallback);
    match careful {
        careful if is_as_careful(&careful, &old) => sides.old.clone(),
        careful if is_as_careful(&careful, &new) => sides.new.clone(),
        careful => Some(careful),
    }
}

/// What decides which reviews are rejected.
fn rejects(of: &ServiceSettings) -> (Option<OnUnlisted>, Option<OnDeadline>, Option<u32>) {
    (of.on_unlisted, of.on_deadline, of.review_hours)
}

/// Whether two settings differ at most in what decides nothing.
fn is_as_careful(careful: &ServiceSettings, side: &ServiceSettings) -> bool {
    let deciding = |of: &ServiceSettings| ServiceSettings {
        name: None,
        remind_hours: None,
        slack_channel: None,
        ignored: Vec::new(),
        ..of.clone()
    };
    deciding(careful) == deciding(side)
}

/// One setting of a scope: what both sides say themselves, and the fallback in each state, or the default.
struct Field<T> {
    own: (Option<T>, Option<T>),
    fallback: [T; 3],
}

impl<T: Clone + Ord> Field<T> {
    fn effective(&self) -> (T, T) {
        let [old, _, new] = self.fallback.clone();
        let own = self.own.clone();
        (own.0.unwrap_or(old), own.1.unwrap_or(new))
    }

    fn least(&self) -> T {
        let (old, new) = self.effective();
        old.min(new)
    }

    fn most(&self) -> T {
        let (old, new) = self.effective();
        old.max(new)
    }

    /// What a scope says itself so that this value holds in between. If neither side says anything, the scope
    /// follows the fallback, unless the value `is_own`.
    fn at(self, value: T, is_own: bool) -> Option<T> {
        if !is_own && self.own == (None, None) {
            return None;
        }
        let holds = |own: &Option<T>| match own {
            Some(own) => *own == value,
            None => self.fallback.iter().all(|state| *state == value),
        };
        if holds(&self.own.0) {
            self.own.0
        } else if holds(&self.own.1) {
            self.own.1
        } else {
            Some(value)
        }
    }
}

/// Deadlines take two settings, so that both are careful together. No deadline is later than any.
fn deadline(
    old: &ServiceSettings,
    new: &ServiceSettings,
    fallback: &Fallback,
) -> (Option<OnDeadline>, Option<u32>) {
    let written = |of: &ServiceSettings| (of.on_deadline, of.review_hours);
    let is_for_all = [&fallback.old, &fallback.careful, &fallback.new]
        .iter()
        .all(|side| written(side) == (None, None));
    let never = u64::MAX;
    let hours_of = |hours: Option<u32>| hours.map_or(never, u64::from);
    let hours = Field {
        own: (
            old.review_hours.map(u64::from),
            new.review_hours.map(u64::from),
        ),
        fallback: [&fallback.old, &fallback.careful, &fallback.new]
            .map(|side| hours_of(side.review_hours)),
    };
    let action = Field {
        own: (old.on_deadline, new.on_deadline),
        fallback: [&fallback.old, &fallback.careful, &fallback.new]
            .map(|side| side.on_deadline.unwrap_or_default()),
    };
    let (most, least) = (hours.most(), action.least());
    if is_for_all {
        // No deadline can be said by saying nothing. Services whose deadline rejects may take the hours from here.
        let hours = u32::try_from(most).ok();
        return (action.at(least, false), hours);
    }
    if written(old) == written(new) {
        return written(old);
    }
    if least == OnDeadline::Keep || most == never {
        return (action.at(OnDeadline::Keep, true), old.review_hours);
    }
    let hours = hours
        .at(most, true)
        .and_then(|hours| u32::try_from(hours).ok());
    (action.at(OnDeadline::Reject, true), hours)
}
