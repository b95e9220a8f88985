//! No state between two writes decides what neither side decides.

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::approver::Approver;
use crate::connection::{Connection, ConnectionState, Organization};
use crate::decide::Setup;
use crate::fixtures::{at, request as any_request};
use crate::foretell::{Foretold, Situation, foretell};
use crate::observation::Observation;
use crate::policy::{
    About, Conditions, Effect, Entry, OnDeadline, OnUnlisted, OutOfBand, Principal, Revoke, Rule,
    Scope, ServiceSettings,
};
use crate::quorum::{Tally, tally};
use crate::request::{Actor, Request, Status};
use crate::review::approvals_required;
use crate::vote::{Channel, Choice, Vote};

const SETUP: Setup = Setup {
    lag: SignedDuration::from_secs(60),
    claim: SignedDuration::from_secs(120),
    asks_by_email: true,
};
const HOUR: i64 = 3600;
const SERVICES: [&str; 2] = ["vpce-svc-0000000000000000a", "vpce-svc-0000000000000000b"];
const SCOPES: [&str; 3] = [SERVICES[0], SERVICES[1], "*"];
const ACCOUNTS: [&str; 2] = ["000000000001", "000000000002"];
const REGIONS: [&str; 2] = ["eu-central-1", "us-east-1"];
const APPROVERS: [&str; 4] = [
    "a@example.com",
    "a+second@example.com",
    "b@example.com",
    "c@example.com",
];
const PRINCIPALS: [&str; 7] = [
    "vpce-00000000000000001",
    ACCOUNTS[0],
    ACCOUNTS[1],
    "o-1/r-a/ou-a-1/*",
    "o-1/r-a/*",
    "o-1/*",
    "*",
];

fn scope() -> impl Strategy<Value = Scope> {
    select(&SCOPES[..]).prop_map(|scope| scope.parse().unwrap())
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let regions = prop::option::weighted(0.5, subsequence(&REGIONS[..], 1..=2));
    let max = prop::option::weighted(0.3, 0u32..3);
    let end = select(vec![
        None,
        None,
        Some(-HOUR),
        Some(2 * HOUR),
        Some(4 * HOUR),
    ]);
    (regions, max, end).prop_map(|(regions, max_connections, end)| Conditions {
        max_connections,
        regions: regions.map(|names| names.iter().map(|name| name.parse().unwrap()).collect()),
        expires_at: end.map(at),
    })
}

fn entry() -> impl Strategy<Value = PolicyItem> {
    let effect = prop::bool::weighted(0.7);
    (scope(), select(&PRINCIPALS[..]), effect, conditions()).prop_map(
        |(service_id, principal, allows, mut conditions)| {
            let effect = if allows { Effect::Allow } else { Effect::Deny };
            if !allows {
                conditions.max_connections = None;
            }
            let principal: Principal = principal.parse().unwrap();
            let rule = Rule {
                service_id,
                principal,
                effect,
            };
            PolicyItem::Entry(Entry::new(rule, conditions, About::default()).unwrap())
        },
    )
}

fn maybe<T: Clone + std::fmt::Debug + 'static>(values: &[T]) -> impl Strategy<Value = Option<T>> {
    prop::option::of(select(values.to_vec()))
}

fn settings() -> impl Strategy<Value = PolicyItem> {
    let judged = (
        maybe(&[OnUnlisted::Review, OnUnlisted::Reject]),
        maybe(&[1, 2, 3]),
        maybe(&[1, 3, 5]),
        maybe(&[OnDeadline::Keep, OnDeadline::Reject]),
    );
    let revoking = (
        maybe(&[
            Revoke::Off,
            Revoke::Report,
            Revoke::Enforce,
            Revoke::Enforce,
        ]),
        maybe(&[0, 1, 48]),
        maybe(&[1, 100]),
        maybe(&[OutOfBand::Record, OutOfBand::Alert, OutOfBand::Revert]),
    );
    (scope(), judged, revoking).prop_map(|(scope, judged, revoking)| {
        let settings = ServiceSettings {
            on_unlisted: judged.0,
            approvals_required: judged.1,
            review_hours: judged.2,
            on_deadline: judged.3,
            revoke: revoking.0,
            revoke_grace_hours: revoking.1,
            revoke_at_most: revoking.2,
            out_of_band: revoking.3,
            ..ServiceSettings::default()
        };
        PolicyItem::Settings(scope, settings)
    })
}

fn approver() -> impl Strategy<Value = PolicyItem> {
    let services = subsequence(&SCOPES[..], 0..=2);
    let own = subsequence(&ACCOUNTS[..], 0..=1);
    let slack = prop::option::weighted(0.3, select(vec!["U0000001", "U0000002"]));
    (select(&APPROVERS[..]), services, own, slack).prop_map(|(id, services, own, slack)| {
        PolicyItem::Approver(Approver {
            id: id.parse().unwrap(),
            slack_user_id: slack.map(|id| id.parse().unwrap()),
            iam_principal: None,
            services: services
                .iter()
                .map(|scope| scope.parse().unwrap())
                .collect(),
            own_accounts: own.iter().map(|id| id.parse().unwrap()).collect(),
        })
    })
}

fn policy() -> impl Strategy<Value = WholePolicy> {
    let entries = prop::collection::vec(entry(), 0..7);
    let settings = prop::collection::vec(settings(), 0..4);
    let approvers = prop::collection::vec(approver(), 0..4);
    (entries, settings, approvers).prop_map(|(entries, settings, approvers)| {
        WholePolicy::of(entries.into_iter().chain(settings).chain(approvers))
    })
}

/// The old policy, and another one that shares some of its items.
fn policies() -> impl Strategy<Value = (WholePolicy, WholePolicy)> {
    (policy(), policy(), any::<u16>(), prop::bool::weighted(0.5)).prop_map(
        |(old, mut new, kept, shares)| {
            if shares {
                for (number, (id, item)) in old.items().enumerate() {
                    if kept & (1 << (number % 16)) != 0 {
                        new.put(id.clone(), Some(item.clone()));
                    }
                }
            }
            (old, new)
        },
    )
}

fn connection() -> impl Strategy<Value = Connection> {
    let state = select(vec![
        ConnectionState::PendingAcceptance,
        ConnectionState::PendingAcceptance,
        ConnectionState::Available,
        ConnectionState::Available,
        ConnectionState::Rejected,
    ]);
    let endpoint = prop::bool::ANY;
    (
        select(&SERVICES[..]),
        endpoint,
        select(&ACCOUNTS[..]),
        select(&REGIONS[..]),
        state,
    )
        .prop_map(|(service, is_first, owner, region, state)| Connection {
            service_id: service.parse().unwrap(),
            endpoint_id: match is_first {
                true => "vpce-00000000000000001".parse().unwrap(),
                false => "vpce-00000000000000002".parse().unwrap(),
            },
            owner: owner.parse().unwrap(),
            region: region.parse().unwrap(),
            state,
            created_at: Some(at(-HOUR)),
        })
}

fn organization() -> impl Strategy<Value = Organization> {
    select(vec![
        Organization::Off,
        Organization::Failed,
        Organization::Known(None),
        Organization::Known(Some("o-1/r-a/ou-a-1/*".parse().unwrap())),
        Organization::Known(Some("o-1/r-a/*".parse().unwrap())),
    ])
}

fn actor() -> impl Strategy<Value = Actor> {
    let rule = Rule {
        service_id: Scope::Every,
        principal: "o-1/*".parse().unwrap(),
        effect: Effect::Allow,
    };
    select(vec![
        Actor::Policy(None),
        Actor::Policy(Some(rule)),
        Actor::Approver(APPROVERS[0].to_owned()),
        Actor::Unknown,
        Actor::Schedule,
        Actor::Found,
    ])
}

/// A request as it may stand for a connection in its state.
fn request() -> impl Strategy<Value = Option<Request>> {
    let status = select(Status::ALL.to_vec());
    let votes = subsequence(&APPROVERS[..], 0..=3);
    let since = select(vec![-4 * HOUR, -2 * HOUR, -HOUR]);
    let due = maybe(&[-HOUR, HOUR]);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let made = (status, actor(), votes, since, due, flags).prop_map(
        |(status, decided_by, votes, since, due, (past_policy, retried, reported))| Request {
            decided_by,
            status_since: at(since),
            votes: votes
                .iter()
                .map(|id| Vote {
                    approver: id.parse().unwrap(),
                    choice: Choice::Approve,
                    reason: String::new(),
                    at: at(since),
                    channel: Channel::Slack,
                    void: false,
                    taken_back: false,
                })
                .collect(),
            due: due.map(at),
            past_policy,
            retried_at: retried.then(|| at(since)),
            reported_at: reported.then(|| at(since)),
            ..any_request(status)
        },
    );
    prop::option::weighted(0.8, made)
}

/// One connection with others of its account that count.
fn situations() -> impl Strategy<Value = Vec<Situation>> {
    (connection(), request(), organization(), 0u32..3).prop_map(
        |(connection, request, organization, others)| {
            let seen = at(0);
            let request = request.map(|request| Request {
                endpoint_id: connection.endpoint_id.clone(),
                service_id: connection.service_id.clone(),
                account_id: connection.owner.clone(),
                region: connection.region.clone(),
                ..request
            });
            let others = (0..others).map(|number| Connection {
                endpoint_id: format!("vpce-{:017x}", 100 + number).parse().unwrap(),
                state: ConnectionState::Available,
                ..connection.clone()
            });
            let others: Vec<Situation> = others
                .map(|one| Situation::new(Observation::of(one, seen), None, organization.clone()))
                .collect();
            let own = Observation::of(connection, seen);
            let own = Situation::new(own, request, organization.clone());
            std::iter::once(own).chain(others).collect()
        },
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Accept,
    Reject,
    Revoke,
    Nothing,
}

fn does(foretold: &Foretold) -> Does {
    let Some(change) = &foretold.change else {
        return Does::Nothing;
    };
    if change.revokes().is_some() {
        return Does::Revoke;
    }
    match change.after.status {
        Status::Accepting if change.after.claimed_until.is_some() => Does::Accept,
        Status::Rejecting if change.after.claimed_until.is_some() => Does::Reject,
        _ => Does::Nothing,
    }
}

fn decided(policy: &WholePolicy, situations: &[Situation], now: Timestamp) -> Does {
    let situations: Vec<Situation> = situations
        .iter()
        .map(|one| {
            let mut one = one.clone();
            one.observation.seen_at = now;
            one
        })
        .collect();
    does(&foretell(&situations, &policy.given(), SETUP, now)[0])
}

/// Whether the old policy has done what it does. A review that enough people approved and that is rejected by the
/// policy, or at its deadline, stands so for moments only; and so does an approval that EC2 has not taken, of which
/// a deny takes hold that may apply.
fn is_settled(situations: &[Situation], old: &WholePolicy, now: Timestamp) -> bool {
    let situation = &situations[0];
    let Some(request) = &situation.request else {
        return true;
    };
    let is_off = situation.organization == Organization::Off;
    let by_people = matches!(request.decided_by, Actor::Approver(_));
    if request.status == Status::Accepting && by_people && is_off {
        return false;
    }
    if request.status == Status::InReview {
        let approvers: Vec<Approver> = old.approvers().cloned().collect();
        let required = approvals_required(&old.policy().settings_of(&request.service_id));
        let is_approved = matches!(tally(request, &approvers, required), Tally::Approved(_));
        return !is_approved || decided(old, situations, now) == Does::Accept;
    }
    true
}

fn states(old: &WholePolicy, writes: &[Write]) -> Vec<WholePolicy> {
    let mut state = old.clone();
    let after = writes.iter().map(|write| {
        state.put(write.id.clone(), write.after.clone());
        state.clone()
    });
    after.collect()
}

fn parsed(effect: Effect, principal: &str, service: &str, regions: &[&str]) -> PolicyItem {
    let rule = Rule {
        service_id: service.parse().unwrap(),
        principal: principal.parse().unwrap(),
        effect,
    };
    let conditions = Conditions {
        regions: (!regions.is_empty())
            .then(|| regions.iter().map(|name| name.parse().unwrap()).collect()),
        ..Conditions::default()
    };
    PolicyItem::Entry(Entry::new(rule, conditions, About::default()).unwrap())
}

fn allow(principal: &str, service: &str, regions: &[&str]) -> PolicyItem {
    parsed(Effect::Allow, principal, service, regions)
}

fn revoking(service: &str, revoke: Revoke) -> PolicyItem {
    let settings = ServiceSettings {
        revoke: Some(revoke),
        ..ServiceSettings::default()
    };
    PolicyItem::Settings(service.parse().unwrap(), settings)
}

/// The writes in words.
fn words(old: &[PolicyItem], new: &[PolicyItem]) -> Vec<String> {
    let sides = [old, new].map(|items| WholePolicy::of(items.iter().cloned()));
    let order = order(&sides[0], &sides[1], at(0));
    let said = order.writes.iter().map(|write| {
        let is = match &write.after {
            None => "is removed".to_owned(),
            Some(PolicyItem::Entry(entry)) => format!("{:?}", entry.conditions().regions),
            Some(PolicyItem::Settings(_, settings)) => format!("{:?}", settings.revoke),
            Some(PolicyItem::Approver(_)) => "stands".to_owned(),
        };
        let what = match &write.id {
            PolicyItemId::Settings(scope) => format!("settings of {scope}"),
            id => id.rule().map(Rule::to_string).unwrap_or_default(),
        };
        format!("{:?}: {what}: {is}", write.step)
    });
    said.collect()
}

#[test]
fn a_specific_allow_that_takes_access_away_comes_before_the_broad_one_that_gives_it() {
    let [eu, us] = REGIONS;
    let old = [allow("*", "*", &[us])];
    let new = [allow("*", "*", &[us, eu]), allow(ACCOUNTS[0], "*", &[us])];
    assert_eq!(
        words(&old, &new),
        [
            r#"Allow: allow 000000000001 on *: Some({Region("us-east-1")})"#,
            r#"Allow: allow * on *: Some({Region("eu-central-1"), Region("us-east-1")})"#,
        ]
    );
    assert_eq!(
        words(&new, &old),
        [
            r#"Withdraw: allow * on *: Some({Region("us-east-1")})"#,
            "Withdraw: allow 000000000001 on *: is removed",
        ]
    );
}

#[test]
fn a_deny_that_moves_denies_both_sides_in_between() {
    let [eu, us] = REGIONS;
    let deny = |region| parsed(Effect::Deny, ACCOUNTS[0], "*", &[region]);
    let old = [deny(eu), allow(ACCOUNTS[0], "*", &[eu])];
    let new = [deny(us), allow(ACCOUNTS[0], "*", &[us])];
    assert_eq!(
        words(&old, &new),
        [
            r#"Deny: deny 000000000001 on *: Some({Region("eu-central-1"), Region("us-east-1")})"#,
            r#"Allow: allow 000000000001 on *: Some({Region("us-east-1")})"#,
            r#"Lift: deny 000000000001 on *: Some({Region("us-east-1")})"#,
        ]
    );
}

#[test]
fn what_expires_earlier_is_withdrawn_and_what_expired_counts_for_nothing() {
    let [eu, us] = REGIONS;
    let ends = |effect, region, end: Option<i64>| {
        let PolicyItem::Entry(entry) = parsed(effect, ACCOUNTS[0], "*", &[region]) else {
            unreachable!()
        };
        let conditions = Conditions {
            expires_at: end.map(at),
            ..entry.conditions().clone()
        };
        let entry = Entry::new(entry.rule().clone(), conditions, About::default()).unwrap();
        WholePolicy::of([PolicyItem::Entry(entry)])
    };
    use Step::{Allow, Deny, Lift, Withdraw};
    let allow = |region, end| ends(Effect::Allow, region, end);
    let deny = |region, end| ends(Effect::Deny, region, end);
    let table = [
        (allow(eu, None), allow(us, Some(HOUR)), vec![Withdraw], None),
        (allow(eu, Some(HOUR)), allow(us, None), vec![Allow], None),
        (
            allow(eu, Some(-HOUR)),
            allow(us, Some(HOUR)),
            vec![Allow],
            None,
        ),
        (
            deny(eu, Some(-HOUR)),
            deny(us, Some(HOUR)),
            vec![Deny],
            None,
        ),
        (deny(eu, None), deny(us, Some(-HOUR)), vec![Lift], None),
        (
            deny(eu, Some(HOUR)),
            deny(us, Some(HOUR)),
            vec![Deny, Lift],
            None,
        ),
        (
            deny(eu, Some(HOUR)),
            deny(us, None),
            vec![Deny, Lift],
            Some(HOUR),
        ),
        (deny(eu, Some(HOUR)), deny(eu, None), vec![Deny], None),
        (deny(eu, None), deny(eu, Some(HOUR)), vec![Lift], None),
    ];
    for (number, (old, new, steps, exact_until)) in table.into_iter().enumerate() {
        let order = order(&old, &new, at(0));
        let found: Vec<Step> = order.writes.iter().map(|write| write.step).collect();
        assert_eq!(found, steps, "{number}");
        assert_eq!(order.exact_until, exact_until.map(at), "{number}");
    }
}

#[test]
fn nothing_is_revoked_of_a_denied_connection_whose_deny_goes() {
    let deny = parsed(Effect::Deny, ACCOUNTS[0], "*", &[]);
    let (off, enforce) = (revoking("*", Revoke::Off), revoking("*", Revoke::Enforce));
    let lifted = "Lift: deny 000000000001 on *: is removed";
    assert_eq!(
        words(&[deny.clone(), off.clone()], std::slice::from_ref(&enforce)),
        [lifted, "Release: settings of *: Some(Enforce)"]
    );
    assert_eq!(
        words(&[deny, enforce], &[off]),
        ["HoldBack: settings of *: Some(Off)", lifted]
    );
}

#[test]
fn a_service_without_entries_revokes_nothing_until_all_of_them_stand() {
    let [service, _] = SERVICES;
    let enforce = revoking("*", Revoke::Enforce);
    let allows = ACCOUNTS.map(|account| allow(account, service, &[]));
    let all = [allows.as_slice(), std::slice::from_ref(&enforce)].concat();
    assert_eq!(
        words(std::slice::from_ref(&enforce), &all),
        [
            "HoldBack: settings of vpce-svc-0000000000000000a: Some(Off)",
            "Allow: allow 000000000001 on vpce-svc-0000000000000000a: None",
            "Allow: allow 000000000002 on vpce-svc-0000000000000000a: None",
            "Release: settings of vpce-svc-0000000000000000a: is removed",
        ]
    );
    // One write needs nothing in between.
    assert_eq!(
        words(
            std::slice::from_ref(&enforce),
            &[allows[0].clone(), enforce.clone()]
        ),
        ["Allow: allow 000000000001 on vpce-svc-0000000000000000a: None"]
    );
}

#[test]
fn a_service_whose_settings_go_does_not_follow_the_others_too_early() {
    let [service, _] = SERVICES;
    let allowed = allow("*", "*", &[]);
    let old = [
        revoking(service, Revoke::Enforce),
        revoking("*", Revoke::Off),
        allowed.clone(),
    ];
    let new = [revoking("*", Revoke::Enforce), allowed];
    assert_eq!(
        words(&old, &new),
        [
            // What holds now holds afterwards too.
            "Release: settings of *: Some(Enforce)",
            "Release: settings of vpce-svc-0000000000000000a: is removed",
        ]
    );
    assert_eq!(
        words(&new, &old),
        [
            "HoldBack: settings of vpce-svc-0000000000000000a: Some(Enforce)",
            "HoldBack: settings of *: Some(Off)",
        ]
    );
}

#[test]
fn fewer_approvals_count_no_earlier_than_more_is_rejected() {
    let [service, _] = SERVICES;
    let settings = |scope: &str, on_unlisted, approvals_required| {
        let settings = ServiceSettings {
            on_unlisted,
            approvals_required,
            ..ServiceSettings::default()
        };
        PolicyItem::Settings(scope.parse().unwrap(), settings)
    };
    let review = settings("*", Some(OnUnlisted::Review), None);
    let reject = settings("*", Some(OnUnlisted::Reject), None);
    let (two, one) = (
        settings(service, None, Some(2)),
        settings(service, None, Some(1)),
    );
    let written = |old: [&PolicyItem; 2], new: [&PolicyItem; 2]| {
        let sides = [old, new].map(|items| WholePolicy::of(items.into_iter().cloned()));
        let writes = order(&sides[0], &sides[1], at(0)).writes;
        writes
            .into_iter()
            .map(|write| (write.step, write.after.unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        written([&review, &two], [&reject, &one]),
        [
            (Step::Release, reject.clone()),
            (Step::Release, one.clone())
        ]
    );
    assert_eq!(
        written([&reject, &one], [&review, &two]),
        [
            (Step::HoldBack, two.clone()),
            (Step::HoldBack, review.clone())
        ]
    );
    // Both for the service itself: one write.
    let strict = settings(service, Some(OnUnlisted::Reject), None);
    let old = [
        &settings("*", None, Some(3)),
        &settings(service, None, None),
    ];
    let new = [&settings("*", None, Some(1)), &strict];
    assert_eq!(
        written(old, new),
        [
            (Step::HoldBack, settings(service, None, Some(3))),
            (Step::Release, settings("*", None, Some(1))),
            (Step::Release, strict.clone()),
        ]
    );
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn no_state_in_between_decides_what_neither_side_decides(
        (old, new) in policies(),
        situations in prop::collection::vec(situations(), 1..12),
        hours in 0i64..6,
    ) {
        let order = order(&old, &new, at(0));
        let states = states(&old, &order.writes);
        prop_assert_eq!(states.last().unwrap_or(&old), &new);
        prop_assert!(order.exact_until.is_none_or(|end| end > at(0)));
        let now = at(hours * HOUR);
        if order.exact_until.is_some_and(|end| now >= end) {
            return Ok(());
        }
        for situations in &situations {
            if !is_settled(situations, &old, now) {
                continue;
            }
            let sides = [decided(&old, situations, now), decided(&new, situations, now)];
            for (number, state) in states.iter().enumerate() {
                let does = decided(state, situations, now);
                prop_assert!(
                    does == Does::Nothing || sides.contains(&does),
                    "after write {} it does {:?} to {:#?}, and the sides do {:?}: {:#?}",
                    number, does, situations, sides, order
                );
            }
        }
    }
}

/// More than usual, and as many as `PROPTEST_CASES` says for a longer search.
fn cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: usual.cases.max(500),
        ..usual
    }
}
