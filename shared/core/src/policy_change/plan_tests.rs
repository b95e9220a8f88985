use std::collections::BTreeMap;

use super::*;
use crate::approver::Approver;
use crate::fixtures::at;
use crate::policy::{
    About, Conditions, Effect, Entry, OnUnlisted, Principal, Revoke, Rule, ServiceSettings,
};
use crate::policy_change::order::order;
use crate::policy_key::PolicyKey;

fn entry(effect: Effect, principal: &str, regions: &[&str]) -> PolicyItem {
    let rule = Rule {
        service_id: "*".parse().unwrap(),
        principal: principal.parse().unwrap(),
        effect,
    };
    let regions = regions.iter().map(|region| region.parse().unwrap());
    let conditions = Conditions {
        regions: Some(regions.collect())
            .filter(|set: &std::collections::BTreeSet<_>| !set.is_empty()),
        expires_at: Some(at(1_000)),
        ..Conditions::default()
    };
    let about = About {
        customer: Some("Example \u{202e}Ltd\n".to_owned()),
        ..About::default()
    };
    PolicyItem::Entry(
        Entry::new(rule, conditions, about)
            .unwrap()
            .with_purge_at(Some(2_000_000_000)),
    )
}

fn settings(on_unlisted: OnUnlisted, revoke: Revoke) -> PolicyItem {
    let settings = ServiceSettings {
        on_unlisted: Some(on_unlisted),
        revoke: Some(revoke),
        name: Some("Payments API".parse().unwrap()),
        ..ServiceSettings::default()
    };
    PolicyItem::Settings("*".parse().unwrap(), settings)
}

fn approver(services: &[&str]) -> PolicyItem {
    PolicyItem::Approver(Approver {
        id: "alice@example.com".parse().unwrap(),
        slack_user_id: Some("U0123ABCD".parse().unwrap()),
        iam_principal: Some("arn:aws:iam::111122223333:role/Alice".parse().unwrap()),
        services: services
            .iter()
            .map(|scope| scope.parse().unwrap())
            .collect(),
        own_accounts: ["000000000001".parse().unwrap()].into(),
    })
}

/// Two policies that need every step, and two writes of three items.
fn sides() -> (WholePolicy, WholePolicy) {
    let (eu, us) = ("eu-central-1", "us-east-1");
    let mut before = WholePolicy::of([
        entry(Effect::Deny, "000000000001", &[eu]),
        entry(Effect::Allow, "000000000002", &[]),
        entry(Effect::Allow, "000000000003", &[eu]),
        settings(OnUnlisted::Reject, Revoke::Off),
        approver(&["*"]),
    ]);
    let rule = Rule {
        service_id: "*".parse().unwrap(),
        principal: Principal::Account("000000000009".parse().unwrap()),
        effect: Effect::Deny,
    };
    let key = PolicyKey::new("*", "deny#arn:aws:iam::000000000009:root");
    let PolicyItem::Entry(odd) = entry(Effect::Deny, "000000000009", &[]) else {
        unreachable!()
    };
    before.put(
        PolicyItemId::UnexpectedDeny(key, rule),
        Some(PolicyItem::Entry(odd)),
    );
    let after = WholePolicy::of([
        entry(Effect::Deny, "000000000001", &[us]),
        entry(Effect::Deny, "000000000009", &[]),
        entry(Effect::Allow, "000000000003", &[eu, us]),
        entry(Effect::Allow, "000000000004", &[]),
        settings(OnUnlisted::Review, Revoke::Enforce),
        approver(&["vpce-svc-0000000000000000a"]),
    ]);
    (before, after)
}

fn plan(before: &WholePolicy, after: &WholePolicy) -> PolicyPlan {
    let turns = BTreeMap::from([("vpce-00000001".parse().unwrap(), Turn::Revoked)]);
    PolicyPlan::new(order(before, after, at(0)), turns, at(0))
}

#[test]
fn a_plan_comes_out_of_its_file_as_it_went_in() {
    let (before, after) = sides();
    let plan = plan(&before, &after);
    let steps: Vec<Step> = plan.writes.iter().map(|write| write.step).collect();
    use Step::{Allow, Deny, HoldBack, Lift, Release, Withdraw};
    assert_eq!(
        steps,
        [
            HoldBack, HoldBack, Deny, Deny, Allow, Allow, Withdraw, Lift, Lift, Release
        ]
    );
    let written = serde_json::to_string_pretty(&plan).unwrap();
    let read: PolicyPlan = serde_json::from_str(&written).unwrap();
    assert_eq!(read, plan);
    assert_eq!(read.outcome(&before), after);
}

#[test]
fn a_file_that_is_no_plan_is_refused() {
    let (before, after) = sides();
    let written = serde_json::to_string(&plan(&before, &after)).unwrap();
    for (from, to, problem) in [
        ("\"format\":1", "\"format\":2", "the plan has the format 2"),
        ("\"made_at\"", "\"maid_at\"", "unknown field `maid_at`"),
        (
            "\"deny#000000000001\"",
            "\"deny#00000000000\"",
            "/ deny#00000000000:",
        ),
        (
            "\"regions\":[\"eu-central-1\"]",
            "\"region\":[\"eu-central-1\"]",
            "did you mean regions?",
        ),
        (
            "\"regions\":[\"eu-central-1\"]",
            "\"regions\":[]",
            "regions is empty",
        ),
    ] {
        assert!(written.contains(from), "{from}");
        let wrong = written.replace(from, to);
        let error = serde_json::from_str::<PolicyPlan>(&wrong)
            .unwrap_err()
            .to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn an_apply_goes_on_where_it_was_cut_off() {
    let (before, after) = sides();
    let plan = plan(&before, &after);
    let mut live = before.clone();
    for done in 0..=plan.writes.len() {
        let left = plan.left(&live).unwrap();
        assert_eq!(left, &plan.writes[done..], "{done} are done");
        if let Some(write) = left.first() {
            assert_eq!(live.get(&write.id), write.before.as_ref());
            live.put(write.id.clone(), write.after.clone());
        }
    }
    assert_eq!(live, after);
}

#[test]
fn an_item_that_moved_stops_it_at_any_moment() {
    let (before, after) = sides();
    let plan = plan(&before, &after);
    let mut live = before;
    for done in 0..=plan.writes.len() {
        for moved in [0, 5] {
            let id = &plan.writes[moved].id;
            let mut edited = live.clone();
            edited.put(
                id.clone(),
                match id {
                    PolicyItemId::Approver(_) => Some(approver(&[])),
                    _ => Some(entry(Effect::Allow, "000000000008", &["us-west-2"])),
                },
            );
            let moved = plan.left(&edited).unwrap_err();
            assert_eq!(moved.items, std::slice::from_ref(id), "{done} are done");
            assert!(
                moved
                    .to_string()
                    .contains("changed since the plan was made"),
                "{moved}"
            );
        }
        // What the plan does not touch may change.
        let mut edited = live.clone();
        let other = entry(Effect::Allow, "000000000008", &[]);
        edited.put(other.id(), Some(other));
        assert_eq!(plan.left(&edited).unwrap().len(), plan.writes.len() - done);
        if let Some(write) = plan.writes.get(done) {
            live.put(write.id.clone(), write.after.clone());
        }
    }
    // Items of the plan that were written, but not in its order.
    let (mut live, _) = sides();
    let last = plan.writes.last().unwrap();
    live.put(last.id.clone(), last.after.clone());
    assert!(plan.left(&live).is_err());
}
