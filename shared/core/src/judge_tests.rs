//! The order of precedence as a table, and properties that hold for any policy.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::connection::ConnectionState;
use crate::policy::{About, Conditions, ServiceSettings};

const SERVICE: &str = "vpce-svc-0a1b2c3d4e5f60718";
const OTHER_SERVICE: &str = "vpce-svc-0ffffffffffffffff";
const ENDPOINT: &str = "vpce-0123456789abcdef0";
const ACCOUNT: &str = "012345678901";
const OU: &str = "o-1/r-ab12/ou-ab12-1111/*";
const CHILD_OU: &str = "o-1/r-ab12/ou-ab12-1111/ou-ab12-2222/*";

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn connection() -> Connection {
    Connection {
        service_id: SERVICE.parse().unwrap(),
        endpoint_id: ENDPOINT.parse().unwrap(),
        owner: ACCOUNT.parse().unwrap(),
        region: "eu-central-1".parse().unwrap(),
        state: ConnectionState::PendingAcceptance,
        created_at: None,
    }
}

/// Reads `allow 012345678901 on * max=2 regions=eu-central-1,us-east-1 until=2026-01-01T00:00:00Z`.
fn entry(text: &str) -> Entry {
    let mut words = text.split(' ');
    let effect = match words.next().unwrap() {
        "allow" => Effect::Allow,
        "deny" => Effect::Deny,
        other => panic!("{other}"),
    };
    let principal = words.next().unwrap().parse().unwrap();
    assert_eq!(words.next(), Some("on"));
    let service_id = words.next().unwrap().parse().unwrap();
    let mut conditions = Conditions::default();
    for word in words {
        let (key, value) = word.split_once('=').unwrap();
        match key {
            "max" => conditions.max_connections = Some(value.parse().unwrap()),
            "until" => conditions.expires_at = Some(value.parse().unwrap()),
            "regions" => {
                conditions.regions = Some(value.split(',').map(|r| r.parse().unwrap()).collect());
            }
            other => panic!("{other}"),
        }
    }
    let rule = Rule {
        service_id,
        principal,
        effect,
    };
    Entry::new(rule, conditions, About::default()).unwrap()
}

fn policy(entries: &[&str]) -> Policy {
    Policy {
        entries: entries.iter().map(|text| entry(text)).collect(),
        ..Policy::default()
    }
}

fn judged(policy: &Policy, organization: &Organization, others: u32) -> Verdict {
    judge(policy, &connection(), organization, Usage { others }, now())
}

/// The decision and the rule that decided, as text.
fn answer(entries: &[&str], organization: &Organization, others: u32) -> (Decision, String) {
    let verdict = judged(&policy(entries), organization, others);
    let rule = verdict
        .rule
        .map_or_else(|| "nothing".to_owned(), |rule| rule.to_string());
    (verdict.decision, rule)
}

#[test]
fn precedence() {
    use Decision::{Accept, Reject, Review};
    let s = SERVICE;
    let in_ou = Organization::Known(Some(CHILD_OU.parse().unwrap()));
    let off = Organization::Off;
    let outside = Organization::Known(None);
    let account = format!("allow {ACCOUNT} on {s}");
    let account_everywhere = format!("allow {ACCOUNT} on *");
    let endpoint_everywhere = format!("allow {ENDPOINT} on *");
    let anyone = format!("allow * on {s}");
    let table: Vec<(&str, Vec<&str>, &Organization, u32, Decision, String)> = vec![
        (
            "an empty policy reviews",
            vec![],
            &off,
            0,
            Review,
            "nothing".into(),
        ),
        (
            "an account is allowed",
            vec![&account],
            &off,
            0,
            Accept,
            account.clone(),
        ),
        (
            "another account's entry does not match",
            vec!["allow 999999999999 on *"],
            &off,
            0,
            Review,
            "nothing".into(),
        ),
        (
            "leading zeros matter",
            vec!["allow 112345678901 on *"],
            &off,
            0,
            Review,
            "nothing".into(),
        ),
        (
            "deny beats allow",
            vec![&account, "deny 012345678901 on *"],
            &off,
            0,
            Reject,
            "deny 012345678901 on *".into(),
        ),
        (
            "a general deny beats the most specific allow",
            vec![&endpoint_everywhere, "deny * on *"],
            &off,
            0,
            Reject,
            "deny * on *".into(),
        ),
        (
            "the most specific deny is named",
            vec![
                "deny * on *",
                "deny 012345678901 on *",
                "deny vpce-0123456789abcdef0 on *",
            ],
            &off,
            0,
            Reject,
            "deny vpce-0123456789abcdef0 on *".into(),
        ),
        (
            "a deny elsewhere does not match",
            vec![&account, "deny 012345678901 on vpce-svc-0ffffffffffffffff"],
            &off,
            0,
            Accept,
            account.clone(),
        ),
        (
            "a deny for another Region does not match",
            vec![&account, "deny 012345678901 on * regions=us-east-1"],
            &off,
            0,
            Accept,
            account.clone(),
        ),
        (
            "a deny for this Region does",
            vec![
                &account,
                "deny 012345678901 on * regions=us-east-1,eu-central-1",
            ],
            &off,
            0,
            Reject,
            "deny 012345678901 on *".into(),
        ),
        (
            "an expired deny counts for nothing",
            vec![
                &account,
                "deny 012345678901 on * until=2026-11-20T12:00:00Z",
            ],
            &off,
            0,
            Accept,
            account.clone(),
        ),
        (
            "an expired allow counts for nothing",
            vec!["allow 012345678901 on * until=2026-11-20T11:59:59Z"],
            &off,
            0,
            Review,
            "nothing".into(),
        ),
        (
            "not yet expired",
            vec!["allow 012345678901 on * until=2026-11-20T12:00:01Z"],
            &off,
            0,
            Accept,
            account_everywhere.clone(),
        ),
        (
            "an expired specific allow leaves the broader one to govern",
            vec![
                &anyone,
                "allow 012345678901 on * until=2026-01-01T00:00:00Z",
            ],
            &off,
            0,
            Accept,
            anyone.clone(),
        ),
        (
            "endpoint before account",
            vec![&account, &endpoint_everywhere],
            &off,
            0,
            Accept,
            endpoint_everywhere.clone(),
        ),
        (
            "account before path",
            vec!["allow o-1/* on *", &account_everywhere],
            &in_ou,
            0,
            Accept,
            account_everywhere.clone(),
        ),
        (
            "account on * before anyone on the own service",
            vec![&anyone, &account_everywhere],
            &off,
            0,
            Accept,
            account_everywhere.clone(),
        ),
        (
            "own service before *",
            vec![&account_everywhere, &account],
            &off,
            0,
            Accept,
            account.clone(),
        ),
        (
            "the longest path governs",
            vec![
                "allow o-1/* on *",
                "allow o-1/r-ab12/ou-ab12-1111/* on * max=0",
                "allow o-1/r-ab12/* on *",
            ],
            &in_ou,
            0,
            Review,
            format!("allow {OU} on *"),
        ),
        (
            "a path before anyone",
            vec![&anyone, "allow o-1/* on *"],
            &in_ou,
            0,
            Accept,
            "allow o-1/* on *".into(),
        ),
        (
            "a longer path on * before a shorter one on the own service",
            vec![
                "allow o-1/* on vpce-svc-0a1b2c3d4e5f60718",
                "allow o-1/r-ab12/* on *",
            ],
            &in_ou,
            0,
            Accept,
            "allow o-1/r-ab12/* on *".into(),
        ),
        (
            "a path does not match from outside",
            vec!["allow o-1/* on *"],
            &outside,
            0,
            Review,
            "nothing".into(),
        ),
        (
            "a path does not match unlooked",
            vec!["allow o-1/* on *"],
            &off,
            0,
            Review,
            "nothing".into(),
        ),
        (
            "a path does not match when the look-up failed",
            vec!["allow o-1/* on *"],
            &Organization::Failed,
            0,
            Review,
            "nothing".into(),
        ),
        (
            "a deny by path matches",
            vec![&account, "deny o-1/* on *"],
            &in_ou,
            0,
            Reject,
            "deny o-1/* on *".into(),
        ),
        (
            "a deny by path that cannot be ruled out holds an accept back",
            vec![&account, "deny o-1/* on *"],
            &Organization::Failed,
            0,
            Review,
            account.clone(),
        ),
        (
            "a deny by path is ruled out from outside",
            vec![&account, "deny o-1/* on *"],
            &outside,
            0,
            Accept,
            account.clone(),
        ),
        (
            "a Region that is not named goes to review",
            vec!["allow 012345678901 on * regions=us-east-1"],
            &off,
            0,
            Review,
            account_everywhere.clone(),
        ),
        (
            "a broader allow does not rescue it",
            vec!["allow 012345678901 on * regions=us-east-1", &anyone],
            &off,
            0,
            Review,
            account_everywhere.clone(),
        ),
        (
            "below the limit",
            vec!["allow 012345678901 on * max=2"],
            &off,
            1,
            Accept,
            account_everywhere.clone(),
        ),
        (
            "at the limit",
            vec!["allow 012345678901 on * max=2"],
            &off,
            2,
            Review,
            account_everywhere.clone(),
        ),
        (
            "over the limit is not rescued either",
            vec!["allow 012345678901 on * max=2", &anyone],
            &off,
            5,
            Review,
            account_everywhere.clone(),
        ),
        (
            "a limit of none",
            vec!["allow 012345678901 on * max=0"],
            &off,
            0,
            Review,
            account_everywhere.clone(),
        ),
    ];
    for (case, entries, organization, others, decision, rule) in table {
        assert_eq!(
            answer(&entries, organization, others),
            (decision, rule),
            "{case}"
        );
        let mut reversed = entries.clone();
        reversed.reverse();
        assert_eq!(
            answer(&reversed, organization, others).0,
            decision,
            "{case}, reversed"
        );
    }
}

#[test]
fn the_services_setting_decides_about_the_unlisted() {
    let mut policy = Policy::default();
    let reject = ServiceSettings {
        on_unlisted: Some(OnUnlisted::Reject),
        ..ServiceSettings::default()
    };
    policy
        .settings
        .insert(OTHER_SERVICE.parse().unwrap(), reject.clone());
    assert_eq!(
        judged(&policy, &Organization::Off, 0).decision,
        Decision::Review
    );
    policy.settings.insert(Scope::Every, reject);
    assert_eq!(
        judged(&policy, &Organization::Off, 0).decision,
        Decision::Reject
    );
    // A failed look-up rejects nobody.
    let failed = judged(&policy, &Organization::Failed, 0);
    assert_eq!(failed.decision, Decision::Review);
    let review = ServiceSettings {
        on_unlisted: Some(OnUnlisted::Review),
        ..ServiceSettings::default()
    };
    policy.settings.insert(SERVICE.parse().unwrap(), review);
    assert_eq!(
        judged(&policy, &Organization::Off, 0).decision,
        Decision::Review
    );
}

#[test]
fn every_failed_condition_is_named_in_one_sentence() {
    let verdict = judged(
        &policy(&[
            "allow 012345678901 on * regions=us-east-1,eu-west-1 max=2",
            "deny o-9/* on *",
        ]),
        &Organization::Failed,
        3,
    );
    assert_eq!(verdict.decision, Decision::Review);
    assert_eq!(verdict.failed.len(), 3);
    assert_eq!(
        verdict.reason,
        "Account 012345678901 is allowed on every service only from eu-west-1, us-east-1, and this \
         endpoint is in eu-central-1; for 2 connections at most, and account 012345678901 already \
         has 3; unless the rule \"deny o-9/* on *\" applies, and where the account sits in the \
         organization is not known."
    );
}

#[test]
fn denies_that_may_apply_are_named_to_approvers() {
    let named = |entries: &[&str], organization: &Organization| {
        let policy = policy(entries);
        let verdict = judged(&policy, organization, 0);
        let doubts = doubts(&policy, &connection(), organization, now());
        assert!(doubts.len() > 20 || doubts.iter().all(|deny| verdict.doubts(deny)));
        assert_eq!(verdict.failed.len(), doubts.len().min(20));
        doubts.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let (off, outside) = (Organization::Off, Organization::Known(None));
    let allowed = "allow 012345678901 on *";
    let two = ["deny o-1/* on *", "deny o-2/* on *"];
    for organization in [&off, &Organization::Failed] {
        assert_eq!(named(&two, organization), two);
        assert_eq!(named(&[allowed, two[0], two[1]], organization), two);
        let elsewhere = "deny o-1/* on * regions=us-east-1";
        let other = format!("deny o-1/* on {OTHER_SERVICE}");
        assert_eq!(named(&[elsewhere, &other, allowed], organization), [""; 0]);
    }
    assert_eq!(named(&[allowed, two[0], two[1]], &outside), [""; 0]);
    let many: Vec<String> = (0..30).map(|n| format!("deny o-{n}/* on *")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(named(&many, &off).len(), 30);
}

#[test]
fn the_customer_is_named_if_known() {
    let known = entry("allow 012345678901 on *");
    let about = About {
        customer: Some("Example GmbH".to_owned()),
        ..About::default()
    };
    let policy = Policy {
        entries: vec![Entry::new(known.rule().clone(), known.conditions().clone(), about).unwrap()],
        ..Policy::default()
    };
    assert_eq!(
        judged(&policy, &Organization::Off, 0).reason,
        "Account 012345678901 (Example GmbH) is allowed on every service."
    );
}

// Few distinct values, so that random entries often match the connection and each other.

fn any_scope() -> impl Strategy<Value = Scope> {
    prop::sample::select(vec![SERVICE, OTHER_SERVICE, "*"]).prop_map(|s| s.parse().unwrap())
}

fn any_principal() -> impl Strategy<Value = Principal> {
    prop::sample::select(vec![
        ENDPOINT,
        "vpce-0fffffffffffffff0",
        ACCOUNT,
        "999999999999",
        "o-1/*",
        "o-1/r-ab12/*",
        OU,
        "o-2/*",
        "*",
    ])
    .prop_map(|s| s.parse().unwrap())
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let region = prop::sample::select(vec!["eu-central-1", "us-east-1", "ap-south-1"]);
    let regions = prop::option::of(prop::collection::btree_set(region, 1..3));
    let effect = prop::sample::select(vec![Effect::Allow, Effect::Deny]);
    let seconds = prop::option::of(-2_i64..3);
    (
        any_scope(),
        any_principal(),
        effect,
        prop::option::of(0_u32..4),
        regions,
        seconds,
    )
        .prop_map(|(service_id, principal, effect, max, regions, seconds)| {
            let conditions = Conditions {
                max_connections: max.filter(|_| effect == Effect::Allow),
                regions: regions.map(|set: BTreeSet<&str>| {
                    set.into_iter().map(|r| r.parse().unwrap()).collect()
                }),
                expires_at: seconds.map(|s| now() + jiff::SignedDuration::from_secs(s)),
            };
            let rule = Rule {
                service_id,
                principal,
                effect,
            };
            Entry::new(rule, conditions, About::default()).unwrap()
        })
}

fn any_allow() -> impl Strategy<Value = Entry> {
    any_entry().prop_map(|entry| {
        let rule = Rule {
            effect: Effect::Allow,
            ..entry.rule().clone()
        };
        Entry::new(rule, entry.conditions().clone(), About::default()).unwrap()
    })
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let setting = prop::option::of(prop::sample::select(vec![
        OnUnlisted::Review,
        OnUnlisted::Reject,
    ]));
    let settings = prop::collection::btree_map(
        any_scope(),
        setting.prop_map(|on_unlisted| ServiceSettings {
            on_unlisted,
            ..ServiceSettings::default()
        }),
        0..3,
    );
    (prop::collection::vec(any_entry(), 0..8), settings).prop_map(|(entries, settings)| Policy {
        approvers: Vec::new(),
        entries,
        settings,
    })
}

fn any_organization() -> impl Strategy<Value = Organization> {
    prop::sample::select(vec![
        Organization::Off,
        Organization::Failed,
        Organization::Known(None),
        Organization::Known(Some(CHILD_OU.parse().unwrap())),
        Organization::Known(Some("o-2/r-x/*".parse().unwrap())),
    ])
}

/// Computes independently of `judge` whether a deny matches the connection.
fn is_plainly_denied(entry: &Entry, organization: &Organization) -> bool {
    let on_service = [SERVICE, "*"].contains(&entry.rule().service_id.to_string().as_str());
    let named = match &entry.rule().principal {
        Principal::Organization(path) => match organization {
            Organization::Known(Some(place)) => path.covers(place),
            _ => false,
        },
        other => [ENDPOINT, ACCOUNT, "*"].contains(&other.to_string().as_str()),
    };
    let here = entry
        .conditions()
        .regions
        .as_ref()
        .is_none_or(|set| set.iter().any(|r| r.as_str() == "eu-central-1"));
    let live = entry.conditions().expires_at.is_none_or(|end| end > now());
    entry.rule().effect == Effect::Deny && on_service && named && here && live
}

proptest! {
    #[test]
    fn a_matching_deny_always_wins_and_nothing_else_accepts_past_it(
        policy in any_policy(), organization in any_organization(), others in 0_u32..5,
    ) {
        let verdict = judged(&policy, &organization, others);
        let denied = policy.entries.iter().any(|entry| is_plainly_denied(entry, &organization));
        if denied {
            prop_assert_eq!(verdict.decision, Decision::Reject);
            prop_assert_eq!(verdict.rule.map(|rule| rule.effect), Some(Effect::Deny));
        }
    }

    #[test]
    fn an_expired_entry_changes_nothing(
        policy in any_policy(), entry in any_entry(), organization in any_organization(), others in 0_u32..5,
    ) {
        let conditions = Conditions {
            expires_at: Some(now()),
            ..entry.conditions().clone()
        };
        let expired = Entry::new(entry.rule().clone(), conditions, About::default()).unwrap();
        let before = judged(&policy, &organization, others);
        let mut longer = policy;
        longer.entries.insert(0, expired);
        prop_assert_eq!(judged(&longer, &organization, others), before);
    }

    #[test]
    fn adding_an_allow_never_turns_an_accept_into_a_reject(
        policy in any_policy(), entry in any_allow(), organization in any_organization(), others in 0_u32..5,
    ) {
        let before = judged(&policy, &organization, others).decision;
        let mut longer = policy;
        longer.entries.push(entry);
        let after = judged(&longer, &organization, others).decision;
        prop_assert!(before != Decision::Accept || after != Decision::Reject);
    }

    #[test]
    fn nothing_is_accepted_without_a_matching_allow(
        policy in any_policy(), organization in any_organization(), others in 0_u32..5,
    ) {
        let verdict = judged(&policy, &organization, others);
        if verdict.decision == Decision::Accept {
            let rule = verdict.rule.expect("an accept names its rule");
            prop_assert_eq!(rule.effect, Effect::Allow);
            let entry = policy.entries.iter().find(|entry| *entry.rule() == rule && !entry.is_expired(now()));
            prop_assert!(entry.is_some());
        }
        prop_assert!(verdict.decision == Decision::Review || verdict.failed.is_empty());
        prop_assert!(verdict.reason.ends_with('.') && !verdict.reason.contains('\n'));
    }

    #[test]
    fn the_order_of_entries_does_not_matter(
        policy in any_policy(), organization in any_organization(), others in 0_u32..5,
    ) {
        // The table cannot hold two entries of one rule; keep the first of each.
        let mut seen = BTreeSet::new();
        let mut policy = policy;
        policy.entries.retain(|entry| seen.insert(entry.rule().clone()));
        let forward = judged(&policy, &organization, others);
        policy.entries.reverse();
        let backward = judged(&policy, &organization, others);
        prop_assert_eq!(forward.decision, backward.decision);
        prop_assert_eq!(forward.rule, backward.rule);
    }
}
