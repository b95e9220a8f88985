//! Sets of connections: order and limits, and only `next` decides.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::connection::ConnectionState;
use crate::fixtures::{at, connection, request};
use crate::policy::{About, Conditions, Effect, Entry, Revoke, Rule, Scope, ServiceSettings};

const SETUP: Setup = Setup {
    lag: SignedDuration::from_secs(60),
    claim: SignedDuration::from_secs(120),
    asks_by_email: true,
};

fn endpoint(number: u32) -> EndpointId {
    format!("vpce-{number:017x}").parse().unwrap()
}

fn situation(number: u32, state: ConnectionState, status: Option<Status>) -> Situation {
    let mut connection = connection(state);
    connection.endpoint_id = endpoint(number);
    connection.created_at = Some(at(i64::from(number)));
    let request = status.map(|status| Request {
        endpoint_id: endpoint(number),
        ..request(status)
    });
    let observation = Observation::of(connection, at(10_000));
    Situation::new(observation, request, Organization::Off)
}

fn limited(max: u32) -> Policy {
    let rule = Rule {
        service_id: Scope::Every,
        principal: "012345678901".parse().unwrap(),
        effect: Effect::Allow,
    };
    let conditions = Conditions {
        max_connections: Some(max),
        ..Conditions::default()
    };
    Policy {
        entries: vec![Entry::new(rule, conditions, About::default()).unwrap()],
        ..Policy::default()
    }
}

fn foretold(situations: &[Situation], policy: Policy) -> Vec<Option<Status>> {
    let given = GivenPolicy::of(policy, Vec::new());
    let foretold = foretell(situations, &given, SETUP, at(10_000));
    foretold.iter().map(|one| one.becomes).collect()
}

#[test]
fn the_oldest_of_those_that_wait_gets_the_last_place() {
    use ConnectionState::{Available, Deleted, PendingAcceptance};
    use Status::{Accepted, Gone, InReview};
    let waits = |number| situation(number, PendingAcceptance, None);
    let holds = |number| situation(number, Available, Some(Accepted));
    let set = [waits(9), waits(3), holds(5)];
    for (max, expected) in [
        (1, [Some(InReview), Some(InReview), Some(Accepted)]),
        (2, [Some(InReview), Some(Accepted), Some(Accepted)]),
        (3, [Some(Accepted), Some(Accepted), Some(Accepted)]),
    ] {
        assert_eq!(foretold(&set, limited(max)), expected, "{max}");
    }
    // An ended connection frees its place first, at any position.
    let set = [waits(9), situation(20, Deleted, Some(Accepted))];
    assert_eq!(foretold(&set, limited(1)), [Some(Accepted), Some(Gone)]);
    // Another account's connections take no place of this one's.
    let mut other = holds(5);
    if let Some(connection) = &mut other.observation.connection {
        connection.owner = "999999999999".parse().unwrap();
    }
    assert_eq!(foretold(&[waits(1), other], limited(1))[0], Some(Accepted));
}

#[test]
fn accepted_connections_are_compared_with_the_policy() {
    let connected = situation(1, ConnectionState::Available, Some(Status::Accepted));
    let mut policy = limited(1);
    policy.settings.insert(
        Scope::Every,
        ServiceSettings {
            revoke: Some(Revoke::Enforce),
            ..ServiceSettings::default()
        },
    );
    let set = [connected];
    assert_eq!(foretold(&set, policy.clone()), [Some(Status::Accepted)]);
    policy.entries[0] = {
        let rule = Rule {
            principal: "999999999999".parse().unwrap(),
            ..policy.entries[0].rule().clone()
        };
        Entry::new(rule, Conditions::default(), About::default()).unwrap()
    };
    assert_eq!(foretold(&set, policy.clone()), [Some(Status::Revoking)]);
    // An empty allowlist revokes nobody.
    policy.entries.clear();
    let given = GivenPolicy::of(policy, Vec::new());
    let one = foretell(&set, &given, SETUP, at(10_000)).remove(0);
    assert_eq!(one.left, Some(LeaveReason::AllowlistEmpty));
    assert_eq!(one.becomes, Some(Status::Accepted));
}

#[test]
fn an_error_in_the_policy_stops_what_it_concerns() {
    let waits = situation(1, ConnectionState::PendingAcceptance, None);
    let what = UnreadablePolicy {
        item: "* / deny#x".to_owned(),
        stops: crate::policy_key::Stops::UnexpectedKey,
        detail: "what is x?".to_owned(),
    };
    let other = "vpce-svc-0000000000000000a".parse().unwrap();
    for (service, stops) in [
        (None, true),
        (waits.consumer().map(|(service, _)| service), true),
        (Some(other), false),
    ] {
        let given = GivenPolicy::of(limited(1), Vec::new());
        let given = given.with_unreadable(service.clone(), what.clone());
        let one = foretell(std::slice::from_ref(&waits), &given, SETUP, at(0)).remove(0);
        assert_eq!(one.left.is_some(), stops, "{service:?}");
        assert_eq!(one.becomes.is_none(), stops, "{service:?}");
    }
}

proptest! {
    #[test]
    fn a_limit_is_never_exceeded_and_no_place_is_left_while_somebody_waits(
        states in prop::collection::vec((0u8..3, any::<bool>()), 0..12),
        max in 0u32..6,
        seed in any::<u64>(),
    ) {
        let mut set: Vec<Situation> = states
            .iter()
            .zip(1..)
            .map(|((state, has_request), number)| {
                let (state, status) = match state {
                    0 => (ConnectionState::PendingAcceptance, Status::InReview),
                    1 => (ConnectionState::Available, Status::Accepted),
                    _ => (ConnectionState::Failed, Status::Accepted),
                };
                situation(number, state, has_request.then_some(status))
            })
            .collect();
        let before = foretold(&set, limited(max));
        let held = set
            .iter()
            .filter(|one| one.observation.phase() == Phase::Connected)
            .count();
        let waiting = set
            .iter()
            .filter(|one| one.observation.phase() == Phase::Waiting)
            .count();
        let accepted = before
            .iter()
            .zip(&set)
            .filter(|(becomes, one)| {
                **becomes == Some(Status::Accepted) && one.observation.phase() == Phase::Waiting
            })
            .count();
        let free = usize::try_from(max).unwrap().saturating_sub(held);
        prop_assert_eq!(accepted, waiting.min(free));
        // The order in which they are given does not matter.
        let turned = usize::try_from(seed % 12).unwrap() % set.len().max(1);
        set.rotate_left(turned);
        let mut after = foretold(&set, limited(max));
        after.rotate_right(turned);
        prop_assert_eq!(before, after);
    }
}
