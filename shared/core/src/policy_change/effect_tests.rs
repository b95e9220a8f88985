use jiff::SignedDuration;

use super::*;
use crate::connection::{Connection, ConnectionState, Organization};
use crate::fixtures::{at, request};
use crate::observation::Observation;
use crate::policy::{
    About, Conditions, Effect as RuleEffect, Entry, OnUnlisted, PolicyItem, Revoke, Rule,
    ServiceSettings,
};
use crate::request::{Actor, Request};

const SETUP: Setup = Setup {
    lag: SignedDuration::from_secs(60),
    claim: SignedDuration::from_secs(120),
    asks_by_email: true,
};
const HOUR: i64 = 3600;
const SERVICE: &str = "vpce-svc-0000000000000000a";

fn entry(effect: RuleEffect, account: &str, conditions: Conditions) -> PolicyItem {
    let rule = Rule {
        service_id: SERVICE.parse().unwrap(),
        principal: account.parse().unwrap(),
        effect,
    };
    let about = About {
        customer: Some(format!("Customer {account}")),
        ..About::default()
    };
    PolicyItem::Entry(Entry::new(rule, conditions, about).unwrap())
}

fn allow(account: &str) -> PolicyItem {
    entry(RuleEffect::Allow, account, Conditions::default())
}

fn settings(revoke: Revoke, on_unlisted: OnUnlisted, at_most: u32) -> PolicyItem {
    let settings = ServiceSettings {
        revoke: Some(revoke),
        on_unlisted: Some(on_unlisted),
        revoke_at_most: Some(at_most),
        ..ServiceSettings::default()
    };
    PolicyItem::Settings("*".parse().unwrap(), settings)
}

fn situation(number: u32, account: &str, state: ConnectionState) -> Situation {
    let is_connected = state == ConnectionState::Available;
    let connection = Connection {
        service_id: SERVICE.parse().unwrap(),
        endpoint_id: format!("vpce-{number:017x}").parse().unwrap(),
        owner: account.parse().unwrap(),
        region: "eu-central-1".parse().unwrap(),
        state,
        created_at: Some(at(-100 * HOUR + i64::from(number))),
    };
    let request = is_connected.then(|| Request {
        endpoint_id: connection.endpoint_id.clone(),
        service_id: connection.service_id.clone(),
        account_id: connection.owner.clone(),
        decided_by: Actor::Policy(None),
        status_since: at(-90 * HOUR),
        ..request(Status::Accepted)
    });
    Situation::new(
        Observation::of(connection, at(0)),
        request,
        Organization::Off,
    )
}

fn effects_of(situations: &[Situation], before: &WholePolicy, after: &WholePolicy) -> Vec<Effect> {
    effects(situations, (before, after), SETUP, at(0), at(1_000 * HOUR))
}

const A: &str = "000000000001";
const B: &str = "000000000002";
const C: &str = "000000000003";
const D: &str = "000000000004";

#[test]
fn it_says_who_gains_and_who_loses_and_whose_they_are() {
    use ConnectionState::{Available, PendingAcceptance};
    let before = WholePolicy::of([
        allow(B),
        allow(C),
        settings(Revoke::Enforce, OnUnlisted::Reject, 1),
    ]);
    let after = WholePolicy::of([
        allow(A),
        entry(RuleEffect::Deny, C, Conditions::default()),
        settings(Revoke::Enforce, OnUnlisted::Review, 1),
    ]);
    let situations = [
        situation(1, A, PendingAcceptance),
        situation(2, B, PendingAcceptance),
        situation(3, B, Available),
        situation(4, C, PendingAcceptance),
        situation(5, C, Available),
        situation(6, D, PendingAcceptance),
        situation(7, A, Available),
    ];
    let effects = effects_of(&situations, &before, &after);
    let turns: Vec<Option<Turn>> = effects.iter().map(|effect| effect.turn).collect();
    assert_eq!(
        turns,
        [
            Some(Turn::Accepted),
            Some(Turn::AskedInsteadOfAccepted),
            Some(Turn::Revoked),
            Some(Turn::Rejected),
            Some(Turn::Revoked),
            Some(Turn::AskedInsteadOfRejected),
            // The old policy would begin to revoke it.
            Some(Turn::Accepted),
        ]
    );
    let revoked = effects[4].after.moments.first().unwrap();
    assert_eq!(revoked.due, Some(at(24 * HOUR)));
    assert!(revoked.reason.as_deref().unwrap().contains("is denied on"));

    let summary = Summary::of(&effects, &after);
    let gains = summary.total.now.iter().filter(|(turn, _)| turn.is_gain());
    assert_eq!(gains.map(|(_, count)| count).sum::<usize>(), 3);
    assert_eq!(summary.total.now[&Turn::Revoked], 2);
    let rows: Vec<(Option<&str>, usize)> = summary
        .by_consumer
        .iter()
        .map(|(who, counts)| (who.customer.as_deref(), counts.now.values().sum()))
        .collect();
    assert_eq!(
        rows,
        [
            (None, 1),
            (Some("Customer 000000000001"), 2),
            // Only the old policy names them.
            (Some("Customer 000000000002"), 2),
            (Some("Customer 000000000003"), 2),
        ]
    );
    let too_many = TooMany {
        service_id: SERVICE.parse().unwrap(),
        revocations: 2,
        at_most: 1,
    };
    assert_eq!(summary.too_many, [too_many]);
}

#[test]
fn it_says_what_comes_later_and_when() {
    use ConnectionState::PendingAcceptance;
    let expires = Conditions {
        expires_at: Some(at(10 * HOUR)),
        ..Conditions::default()
    };
    let enforce = || settings(Revoke::Enforce, OnUnlisted::Review, 5);
    let before = WholePolicy::of([allow(A), enforce()]);
    let after = WholePolicy::of([entry(RuleEffect::Allow, A, expires), enforce()]);
    let situations = [situation(1, A, PendingAcceptance)];
    let effect = effects_of(&situations, &before, &after).remove(0);
    assert_eq!(effect.turn, None, "it is accepted under both");
    assert_eq!(effect.later, Some((at(10 * HOUR), Turn::Revoked)));
    let course: Vec<_> = effect
        .after
        .moments
        .iter()
        .map(|moment| (moment.at, moment.becomes.unwrap(), moment.due))
        .collect();
    assert_eq!(
        course,
        [
            (at(0), Status::Accepted, None),
            (at(10 * HOUR), Status::Revoking, Some(at(34 * HOUR))),
            (at(34 * HOUR), Status::Rejected, None),
        ]
    );
    assert_eq!(effect.before.moments.len(), 1);
    // What comes after the end that is asked for is left out.
    let sides = (&before, &after);
    let soon = effects(&situations, sides, SETUP, at(0), at(9 * HOUR)).remove(0);
    assert_eq!(soon.later, None);
}

#[test]
fn a_limit_counts_over_the_connections_of_one_consumer() {
    use ConnectionState::PendingAcceptance;
    let one = Conditions {
        max_connections: Some(1),
        ..Conditions::default()
    };
    let after = WholePolicy::of([
        entry(RuleEffect::Allow, A, one.clone()),
        entry(RuleEffect::Allow, B, one),
    ]);
    let situations = [
        situation(2, A, PendingAcceptance),
        situation(1, A, PendingAcceptance),
        situation(3, B, PendingAcceptance),
    ];
    let effects = effects_of(&situations, &WholePolicy::default(), &after);
    let becomes: Vec<_> = effects.iter().map(|one| one.after.now.becomes).collect();
    let (accepted, asked) = (Some(Status::Accepted), Some(Status::InReview));
    assert_eq!(becomes, [asked, accepted, accepted]);
}

#[test]
fn losses_that_were_not_planned_are_told() {
    use ConnectionState::Available;
    let before = WholePolicy::of([
        allow(A),
        allow(B),
        settings(Revoke::Enforce, OnUnlisted::Review, 5),
    ]);
    let mut after = before.clone();
    after.put(allow(A).id(), None);
    let planned = turns(&effects_of(&[situation(1, A, Available)], &before, &after));
    let now = [
        situation(1, A, Available),
        situation(2, A, Available),
        situation(3, B, Available),
    ];
    let more = more_losses(&planned, &effects_of(&now, &before, &after));
    let ids: Vec<&str> = more.keys().map(EndpointId::as_str).collect();
    assert_eq!(ids, ["vpce-00000000000000002"]);
}
