//! Which approvers are written in which step.
//!
//! Until all entries stand, an approver has the rights that both sides give. One person may have several items,
//! and what one of them says holds for the others too (their own accounts, and that they are one person). So an
//! item of a person with several is there from the first step to the last, without rights where it is new or
//! removed; and while an item of such a person changes its names, none of theirs has rights.

use std::collections::BTreeSet;

use super::stage::{Stage, Step};
use crate::approver::{Approver, ApproverId, PrincipalPattern, SlackUserId, items_of};
use crate::policy::{PolicyItem, Scope};
use crate::policy_change::whole::WholePolicy;
use crate::precondition::PolicyItemId;

/// The stages of all approvers.
#[derive(Default)]
pub(super) struct Approvers {
    pub(super) held_back: Vec<Stage>,
    pub(super) released: Vec<Stage>,
}

pub(super) fn stages(before: &WholePolicy, after: &WholePolicy) -> Approvers {
    let sides = [before, after].map(|policy| policy.approvers().cloned().collect::<Vec<_>>());
    let [old, new] = &sides;
    let ids: BTreeSet<&ApproverId> = old.iter().chain(new).map(|approver| &approver.id).collect();
    let find = |id: &ApproverId| {
        sides
            .each_ref()
            .map(|side| side.iter().find(|one| one.id == *id))
    };
    let is_renamed = |id: &ApproverId| match find(id) {
        [Some(old), Some(new)] => names(old) != names(new),
        _ => false,
    };
    let is_linked = |approver: &Approver| {
        let mut all = old.iter().chain(new);
        all.any(|other| other.id != approver.id && approver.is(other))
    };
    // Whether an item of the same person, under the old names or the new ones, is renamed.
    let is_suspended = |id: &ApproverId| {
        find(id).into_iter().zip(&sides).any(|(approver, side)| {
            let items = approver.map(|approver| items_of(approver, side));
            items.is_some_and(|items| {
                items.len() > 1 && items.iter().any(|item| is_renamed(&item.id))
            })
        })
    };
    let stage = |step, id: &ApproverId, after: Option<Approver>| Stage {
        step,
        id: PolicyItemId::Approver(id.clone()),
        after: after.map(PolicyItem::Approver),
    };
    let mut stages = Approvers::default();
    let mut last = Vec::new();
    for id in ids {
        let careful = match find(id) {
            [Some(old), Some(new)] => {
                let careful = careful(old, new);
                let suspended = is_suspended(id);
                let careful = if suspended {
                    without_rights(&careful)
                } else {
                    careful
                };
                if suspended && is_renamed(id) {
                    // Who is one person with whom is settled before anybody has rights again.
                    let (slack_user_id, iam_principal) = names(new);
                    let renamed = Approver {
                        slack_user_id,
                        iam_principal,
                        ..careful.clone()
                    };
                    stages
                        .released
                        .push(stage(Step::Release, id, Some(renamed)));
                }
                Some(careful)
            }
            [Some(one), None] | [None, Some(one)] => is_linked(one).then(|| without_rights(one)),
            [None, None] => continue,
        };
        stages.held_back.push(stage(Step::HoldBack, id, careful));
        let [_, new] = find(id);
        last.push(stage(Step::Release, id, new.cloned()));
    }
    stages.released.extend(last);
    stages
}

type Names = (Option<SlackUserId>, Option<PrincipalPattern>);

fn names(of: &Approver) -> Names {
    (of.slack_user_id.clone(), of.iam_principal.clone())
}

/// With the rights that both sides give, under the old names.
fn careful(old: &Approver, new: &Approver) -> Approver {
    Approver {
        services: common(&old.services, &new.services),
        own_accounts: old.own_accounts.union(&new.own_accounts).cloned().collect(),
        ..old.clone()
    }
}

fn without_rights(approver: &Approver) -> Approver {
    Approver {
        services: BTreeSet::new(),
        ..approver.clone()
    }
}

/// The services of which both speak.
fn common(one: &BTreeSet<Scope>, other: &BTreeSet<Scope>) -> BTreeSet<Scope> {
    if one == other {
        return one.clone();
    }
    let of = |these: &BTreeSet<Scope>, those: &BTreeSet<Scope>| {
        let both = |scope: &&Scope| those.contains(scope) || those.contains(&Scope::Every);
        these.iter().filter(both).cloned().collect::<BTreeSet<_>>()
    };
    let mut common = of(one, other);
    common.extend(of(other, one));
    common
}
