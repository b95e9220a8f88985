//! Whom edits concern as a table, and that no decision changes without being looked at as a property.

use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::connection::{Connection, ConnectionState, Organization};
use crate::judge::{Usage, Verdict, judge};
use crate::policy::{About, Effect, Entry, OnDeadline, OnUnlisted, OutOfBand, Policy, Revoke};

const SERVICE: &str = "vpce-svc-0a1b2c3d4e5f60718";
const OTHER_SERVICE: &str = "vpce-svc-0ffffffffffffffff";
const ENDPOINT: &str = "vpce-0123456789abcdef0";
const ACCOUNT: &str = "012345678901";
const OU: &str = "o-1/r-ab12/ou-ab12-1111/*";

fn entry(rule: (Effect, &str, &str), conditions: Conditions, about: About) -> PolicyItem {
    let (effect, principal, service_id) = rule;
    let rule = Rule {
        service_id: service_id.parse().unwrap(),
        principal: principal.parse().unwrap(),
        effect,
    };
    PolicyItem::Entry(Entry::new(rule, conditions, about).unwrap())
}

fn allow(principal: &str, service_id: &str) -> PolicyItem {
    allow_if(principal, service_id, Conditions::default())
}

fn allow_if(principal: &str, service_id: &str, conditions: Conditions) -> PolicyItem {
    entry(
        (Effect::Allow, principal, service_id),
        conditions,
        About::default(),
    )
}

fn settings(scope: &str, settings: ServiceSettings) -> PolicyItem {
    PolicyItem::Settings(scope.parse().unwrap(), settings)
}

fn endpoint(service_id: Option<&str>) -> Subject {
    Subject::Endpoints {
        service_id: service_id.map(|id| id.parse().unwrap()),
        endpoint_ids: vec![ENDPOINT.parse().unwrap()],
    }
}

fn consumer(service_id: Option<&str>) -> Subject {
    Subject::Consumer {
        service_id: service_id.map(|id| id.parse().unwrap()),
        account_id: ACCOUNT.parse().unwrap(),
    }
}

fn service() -> Subject {
    Subject::Service(SERVICE.parse().unwrap())
}

#[test]
fn whom_an_entry_concerns_follows_from_its_principal_and_service() {
    for (principal, service_id, subject) in [
        (ENDPOINT, SERVICE, endpoint(Some(SERVICE))),
        (ENDPOINT, "*", endpoint(None)),
        (ACCOUNT, SERVICE, consumer(Some(SERVICE))),
        (ACCOUNT, "*", consumer(None)),
        (OU, SERVICE, service()),
        (OU, "*", Subject::Everything),
        ("*", SERVICE, service()),
        ("*", "*", Subject::Everything),
    ] {
        for effect in [Effect::Allow, Effect::Deny] {
            let item = entry(
                (effect, principal, service_id),
                Conditions::default(),
                About::default(),
            );
            let what = format!("{effect} {principal} on {service_id}");
            assert_eq!(
                concerned(None, Some(&item)),
                Some(subject.clone()),
                "{what}"
            );
            assert_eq!(
                concerned(Some(&item), None),
                Some(subject.clone()),
                "{what}"
            );
            assert_eq!(concerned(Some(&item), Some(&item)), None, "{what}");
            assert_eq!(subject_of(&item), subject, "{what}");
        }
    }
    assert_eq!(concerned(None, None), None);
}

#[test]
fn each_condition_of_an_entry_concerns_whom_the_entry_is_for() {
    let plain = Conditions::default;
    let regions = |names: &[&str]| Some(names.iter().map(|name| name.parse().unwrap()).collect());
    let until = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    for (before, after) in [
        (
            plain(),
            Conditions {
                max_connections: Some(1),
                ..plain()
            },
        ),
        (
            Conditions {
                max_connections: Some(1),
                ..plain()
            },
            Conditions {
                max_connections: Some(2),
                ..plain()
            },
        ),
        (
            Conditions {
                regions: regions(&["us-east-1"]),
                ..plain()
            },
            Conditions {
                regions: regions(&["us-east-1", "eu-central-1"]),
                ..plain()
            },
        ),
        (
            Conditions {
                expires_at: until("2027-01-01T00:00:00Z"),
                ..plain()
            },
            Conditions {
                expires_at: until("2028-01-01T00:00:00Z"),
                ..plain()
            },
        ),
        (
            Conditions {
                expires_at: until("2027-01-01T00:00:00Z"),
                ..plain()
            },
            plain(),
        ),
    ] {
        let before = allow_if(ACCOUNT, SERVICE, before);
        let after = allow_if(ACCOUNT, SERVICE, after);
        assert_eq!(
            concerned(Some(&before), Some(&after)),
            Some(consumer(Some(SERVICE))),
            "{before:?} {after:?}"
        );
    }
}

#[test]
fn what_is_only_for_people_concerns_nobody() {
    let said = |text: &str| About {
        customer: Some(text.to_owned()),
        contact: Some(text.to_owned()),
        ticket: Some(text.to_owned()),
        reason: Some(text.to_owned()),
        created_by: Some(text.to_owned()),
        imported: Some(text == "b"),
    };
    let rule = (Effect::Deny, ACCOUNT, "*");
    let before = entry(rule, Conditions::default(), said("a"));
    let after = entry(rule, Conditions::default(), said("b"));
    assert_ne!(before, after);
    assert_eq!(concerned(Some(&before), Some(&after)), None);
}

#[test]
fn settings_concern_their_service_if_they_decide_at_once() {
    let none = ServiceSettings::default;
    let at_once = [
        ServiceSettings {
            on_unlisted: Some(OnUnlisted::Reject),
            ..none()
        },
        ServiceSettings {
            review_hours: Some(24),
            ..none()
        },
        ServiceSettings {
            on_deadline: Some(OnDeadline::Reject),
            ..none()
        },
        ServiceSettings {
            revoke: Some(Revoke::Enforce),
            ..none()
        },
        ServiceSettings {
            out_of_band: Some(OutOfBand::Revert),
            ..none()
        },
        ServiceSettings {
            approvals_required: Some(1),
            ..none()
        },
    ];
    let later = [
        ServiceSettings {
            name: Some("Payments API".parse().unwrap()),
            ..none()
        },
        ServiceSettings {
            slack_channel: Some("C0123ABCD".parse().unwrap()),
            ..none()
        },
        ServiceSettings {
            remind_hours: Some(4),
            ..none()
        },
        ServiceSettings {
            revoke_at_most: Some(10),
            ..none()
        },
    ];
    for (scope, subject) in [(SERVICE, service()), ("*", Subject::Everything)] {
        let empty = settings(scope, none());
        assert_eq!(concerned(None, Some(&empty)), None);
        assert_eq!(subject_of(&empty), subject);
        for said in &at_once {
            let item = settings(scope, said.clone());
            for before in [None, Some(&empty)] {
                assert_eq!(
                    concerned(before, Some(&item)),
                    Some(subject.clone()),
                    "{said:?}"
                );
            }
            for more in &later {
                let both = settings(scope, said.clone().or(more.clone()));
                assert_eq!(
                    concerned(Some(&item), Some(&both)),
                    None,
                    "{said:?} {more:?}"
                );
            }
        }
        for said in &later {
            let item = settings(scope, said.clone());
            assert_eq!(concerned(None, Some(&item)), None, "{said:?}");
            assert_eq!(concerned(Some(&item), Some(&empty)), None, "{said:?}");
        }
    }
}

#[test]
fn two_items_that_are_not_one_and_the_same_concern_everybody() {
    let cases = [
        (allow(ACCOUNT, SERVICE), allow(ENDPOINT, SERVICE)),
        (allow(ACCOUNT, SERVICE), allow(ACCOUNT, "*")),
        (
            allow(ACCOUNT, SERVICE),
            settings(
                SERVICE,
                ServiceSettings {
                    revoke: Some(Revoke::Report),
                    ..ServiceSettings::default()
                },
            ),
        ),
    ];
    for (one, other) in cases {
        assert_eq!(
            concerned(Some(&one), Some(&other)),
            Some(Subject::Everything),
            "{one:?} {other:?}"
        );
    }
}

/// What an item can be edited into: the same key, anything else.
#[derive(Debug, Clone)]
struct Edit {
    before: Option<PolicyItem>,
    after: Option<PolicyItem>,
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn any_scope() -> impl Strategy<Value = Scope> {
    prop::sample::select(vec![SERVICE, OTHER_SERVICE, "*"]).prop_map(|text| text.parse().unwrap())
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let principals = vec![
        ENDPOINT,
        "vpce-0fffffffffffffff0",
        ACCOUNT,
        "999999999999",
        OU,
        "*",
    ];
    let effects = vec![Effect::Allow, Effect::Deny];
    (
        any_scope(),
        prop::sample::select(principals),
        prop::sample::select(effects),
    )
        .prop_map(|(service_id, principal, effect)| Rule {
            service_id,
            principal: principal.parse().unwrap(),
            effect,
        })
}

fn any_entry_of(rule: Rule) -> impl Strategy<Value = PolicyItem> {
    let region = prop::sample::select(vec!["eu-central-1", "us-east-1"]);
    (
        prop::option::of(0_u32..3),
        prop::option::of(prop::collection::btree_set(region, 1..3)),
        prop::option::of(-1_i64..2),
        prop::option::of("[ab]"),
    )
        .prop_map(move |(max, regions, expires, customer)| {
            let conditions = Conditions {
                max_connections: max.filter(|_| rule.effect == Effect::Allow),
                regions: regions
                    .map(|names| names.iter().map(|name| name.parse().unwrap()).collect()),
                expires_at: expires.map(|seconds| now() + jiff::SignedDuration::from_secs(seconds)),
            };
            let about = About {
                customer,
                ..About::default()
            };
            PolicyItem::Entry(Entry::new(rule.clone(), conditions, about).unwrap())
        })
}

fn any_settings_of(scope: Scope) -> impl Strategy<Value = PolicyItem> {
    // Few at a time, so that often one field alone is changed.
    let few = || prop::option::weighted(0.2, 1_u32..3);
    (
        (few(), few(), few(), few()),
        prop::option::weighted(
            0.2,
            prop::sample::select(vec![OnUnlisted::Review, OnUnlisted::Reject]),
        ),
        prop::option::weighted(
            0.2,
            prop::sample::select(vec![OnDeadline::Keep, OnDeadline::Reject]),
        ),
        prop::option::weighted(
            0.2,
            prop::sample::select(vec![Revoke::Off, Revoke::Enforce]),
        ),
        prop::option::weighted(
            0.2,
            prop::sample::select(vec![OutOfBand::Record, OutOfBand::Revert]),
        ),
    )
        .prop_map(
            move |((approvals, review, remind, most), on_unlisted, on_deadline, revoke, out)| {
                let at_once = ServiceSettings {
                    on_unlisted,
                    review_hours: review,
                    on_deadline,
                    revoke,
                    out_of_band: out,
                    approvals_required: approvals,
                    ..ServiceSettings::default()
                };
                let later = ServiceSettings {
                    remind_hours: remind,
                    revoke_at_most: most,
                    ..ServiceSettings::default()
                };
                PolicyItem::Settings(scope.clone(), at_once.or(later))
            },
        )
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let of_entry = any_rule().prop_flat_map(|rule| {
        let side = || prop::option::weighted(0.8, any_entry_of(rule.clone()));
        (side(), side())
    });
    let of_settings = any_scope().prop_flat_map(|scope| {
        let side = || prop::option::weighted(0.8, any_settings_of(scope.clone()));
        (side(), side())
    });
    prop_oneof![2 => of_entry.boxed(), 1 => of_settings.boxed()]
        .prop_map(|(before, after)| Edit { before, after })
}

fn any_connection() -> impl Strategy<Value = Connection> {
    let of = |texts: &[&'static str]| prop::sample::select(texts.to_vec());
    (
        of(&[SERVICE, OTHER_SERVICE]),
        of(&[ENDPOINT, "vpce-0fffffffffffffff0", "vpce-0ccccccccccccccc0"]),
        of(&[ACCOUNT, "999999999999", "333333333333"]),
        of(&["eu-central-1", "us-east-1"]),
    )
        .prop_map(|(service_id, endpoint_id, owner, region)| Connection {
            service_id: service_id.parse().unwrap(),
            endpoint_id: endpoint_id.parse().unwrap(),
            owner: owner.parse().unwrap(),
            region: region.parse().unwrap(),
            state: ConnectionState::PendingAcceptance,
            created_at: None,
        })
}

fn any_organization() -> impl Strategy<Value = Organization> {
    prop::sample::select(vec![
        Organization::Off,
        Organization::Failed,
        Organization::Known(None),
        Organization::Known(Some(OU.parse().unwrap())),
    ])
}

/// The rest of the policy, none of which is the item that is edited.
fn any_rest() -> impl Strategy<Value = Vec<PolicyItem>> {
    prop::collection::vec(
        prop_oneof![
            any_rule().prop_flat_map(any_entry_of),
            any_scope().prop_flat_map(any_settings_of),
        ],
        0..5,
    )
}

fn key(item: &PolicyItem) -> String {
    match item {
        PolicyItem::Entry(entry) => entry.rule().to_string(),
        PolicyItem::Settings(scope, _) => format!("settings of {scope}"),
        PolicyItem::Approver(approver) => approver.id.to_string(),
    }
}

fn policy_of<'a>(items: impl Iterator<Item = &'a PolicyItem>) -> Policy {
    let mut policy = Policy::default();
    for item in items {
        match item.clone() {
            PolicyItem::Entry(entry) => policy.entries.push(entry),
            PolicyItem::Settings(scope, settings) => {
                policy.settings.insert(scope, settings);
            }
            PolicyItem::Approver(_) => {}
        }
    }
    policy
}

/// Says independently of `concerned` whether a connection is among a subject's.
fn is_among(subject: &Subject, connection: &Connection) -> bool {
    let of = |service: &Option<ServiceId>| {
        service
            .as_ref()
            .is_none_or(|id| *id == connection.service_id)
    };
    match subject {
        Subject::Endpoints {
            service_id,
            endpoint_ids,
        } => of(service_id) && endpoint_ids.contains(&connection.endpoint_id),
        Subject::Consumer {
            service_id,
            account_id,
        } => of(service_id) && *account_id == connection.owner,
        Subject::Service(id) => *id == connection.service_id,
        Subject::Attachments(_) | Subject::Topic(_) => false,
        Subject::Everything => true,
    }
}

/// A verdict without its words.
fn decided(mut verdict: Verdict) -> Verdict {
    verdict.reason.clear();
    verdict
}

/// All that the settings of a service do by themselves.
fn set(policy: &Policy, connection: &Connection) -> impl PartialEq + use<> {
    let settings = policy.settings_of(&connection.service_id);
    (
        settings.on_unlisted,
        settings.review_hours,
        settings.on_deadline,
        settings.revoke,
        settings.out_of_band,
    )
}

proptest! {
    #[test]
    fn whatever_is_decided_otherwise_after_an_edit_is_looked_at(
        edit in any_edit(),
        rest in any_rest(),
        connection in any_connection(),
        organization in any_organization(),
        others in 0_u32..3,
    ) {
        let edited: BTreeSet<String> = [&edit.before, &edit.after].into_iter().flatten().map(key).collect();
        let rest: Vec<PolicyItem> = rest.into_iter().filter(|item| !edited.contains(&key(item))).collect();
        let before = policy_of(rest.iter().chain(&edit.before));
        let after = policy_of(rest.iter().chain(&edit.after));
        let judged = |policy: &Policy| judge(policy, &connection, &organization, Usage { others }, now());
        let changed = decided(judged(&before)) != decided(judged(&after))
            || set(&before, &connection) != set(&after, &connection);
        let subject = concerned(edit.before.as_ref(), edit.after.as_ref());
        prop_assert!(
            !changed || subject.as_ref().is_some_and(|subject| is_among(subject, &connection)),
            "{:?} is not among {:?}", connection, subject
        );
    }

    #[test]
    fn an_edit_and_its_reverse_concern_the_same(edit in any_edit()) {
        let Edit { before, after } = &edit;
        prop_assert_eq!(
            concerned(before.as_ref(), after.as_ref()),
            concerned(after.as_ref(), before.as_ref())
        );
    }

    #[test]
    fn an_edit_concerns_whom_its_item_can_concern_or_nobody(edit in any_edit()) {
        let subject = concerned(edit.before.as_ref(), edit.after.as_ref());
        let item = edit.after.as_ref().or(edit.before.as_ref());
        prop_assert!(subject.is_none() || subject == item.map(subject_of));
    }

    #[test]
    fn an_item_that_stays_as_it_is_concerns_nobody(edit in any_edit()) {
        for item in [&edit.before, &edit.after] {
            prop_assert_eq!(concerned(item.as_ref(), item.as_ref()), None);
        }
    }
}

#[test]
fn an_approver_concerns_the_services_that_they_decide() {
    let approver = |services: &[&str], slack: Option<&str>| {
        PolicyItem::Approver(Approver {
            id: "alice@example.com".parse().unwrap(),
            slack_user_id: slack.map(|id| id.parse().unwrap()),
            iam_principal: None,
            services: services.iter().map(|id| id.parse().unwrap()).collect(),
            own_accounts: BTreeSet::new(),
        })
    };
    let (one, all) = (approver(&[SERVICE], None), approver(&["*"], None));
    assert_eq!(concerned(None, Some(&one)), Some(service()));
    assert_eq!(concerned(Some(&one), None), Some(service()));
    assert_eq!(concerned(Some(&one), Some(&one)), None);
    let renamed = approver(&[SERVICE], Some("U0ALICE"));
    assert_eq!(concerned(Some(&one), Some(&renamed)), Some(service()));
    assert_eq!(concerned(None, Some(&all)), Some(Subject::Everything));
    assert_eq!(concerned(Some(&one), Some(&all)), Some(Subject::Everything));
}
