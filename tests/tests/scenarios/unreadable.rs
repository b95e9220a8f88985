//! Nothing that EC2 lists waits unseen: a connection that cannot be read is not decided, but
//! counted and reported.

use gatekeeper_core::request::Status;
use gatekeeper_local::function::Function;
use gatekeeper_local::world::World;

use crate::answers::{as_ever, lists, of_endpoint, with, without};
use crate::logs;
use crate::support::*;

fn oldest(world: &World) -> Option<f64> {
    let metrics = world.gatekeeper(Function::Reconcile).metrics();
    metrics.last("OldestUndecidedSeconds")
}

type Spoil = fn(&str) -> String;

/// What is wrong with the connection, and what the log says of it.
const ODD: [(&str, Spoil, &str); 8] = [
    (
        "a Region in another form",
        |item| with(item, "vpcEndpointRegion", "Mars (North)"),
        r#"vpcEndpointRegion: \"Mars (North)\""#,
    ),
    (
        "no owner",
        |item| without(item, "vpcEndpointOwner"),
        "vpcEndpointOwner: is missing",
    ),
    (
        "an owner of another kind",
        |item| with(item, "vpcEndpointOwner", "o-unreadable"),
        r#"vpcEndpointOwner: \"o-unreadable\""#,
    ),
    (
        "no id",
        |item| without(item, "vpcEndpointId"),
        "vpcEndpointId: is missing",
    ),
    (
        "an id of another kind",
        |item| with(item, "vpcEndpointId", "vpce-later-api"),
        r#"vpcEndpointId: \"vpce-later-api\""#,
    ),
    (
        "no service",
        |item| without(item, "serviceId"),
        "serviceId: is missing",
    ),
    (
        "a state of a later API",
        |item| with(item, "vpcEndpointState", "awaitingMoonrise"),
        r#"vpcEndpointState: \"awaitingMoonrise\""#,
    ),
    (
        "no state",
        |item| without(item, "vpcEndpointState"),
        "vpcEndpointState: is missing",
    ),
];

fn spoil(world: &World, n: u32, change: Spoil) {
    lists(world, move |list| of_endpoint(list, n, change));
}

#[tokio::test]
async fn a_connection_that_cannot_be_read_is_counted_until_it_is_gone_and_logged_by_field() {
    // Other tests write to the same log: this one's service and endpoint are its own.
    const OWN_SERVICE: &str = "vpce-svc-0fedcba9876543210";
    const N: u32 = 0x71;
    let own = WORLD.replace(SERVICE, OWN_SERVICE);
    let own = own.replace(endpoint(1).as_str(), endpoint(N).as_str());
    for (what, change, said) in ODD {
        let world = world_of(&own).await;
        logs::keep(said);
        let announced = || {
            let lines = logs::kept(said).into_iter();
            let is_own =
                |line: &String| line.contains(OWN_SERVICE) || line.contains(endpoint(N).as_str());
            lines.filter(is_own).count()
        };
        spoil(&world, N, change);
        world.reconcile().await;
        assert_eq!(announced(), 1, "{what}: one line");
        for run in 1..=3 {
            minutes_pass(&world, 5);
            world.reconcile().await;
            assert_eq!(oldest(&world), Some(f64::from(run) * 300.0), "{what}");
        }
        assert_eq!(status(&world, N).await, None, "{what}");
        assert_eq!(status(&world, 2).await, Some(Status::Rejected), "{what}");
        as_ever(&world);
        world.reconcile().await;
        assert_eq!(oldest(&world), Some(0.0), "{what}");
        assert_eq!(status(&world, N).await, Some(Status::Accepted), "{what}");
    }
}

#[tokio::test]
async fn a_connection_without_a_date_ages_from_when_it_was_first_seen() {
    for (what, change, _) in ODD {
        let world = world_of(WORLD).await;
        lists(&world, move |list| {
            of_endpoint(list, 1, |item| change(&without(item, "creationTimestamp")))
        });
        let mut ages = Vec::new();
        for _ in 0..3 {
            world.reconcile().await;
            ages.push(oldest(&world).unwrap());
            minutes_pass(&world, 5);
        }
        assert_eq!(ages, [0.0, 300.0, 600.0], "{what}");
        // It vanished and came back, so it counts as new.
        as_ever(&world);
        world.reconcile().await;
        assert_eq!(oldest(&world), Some(0.0), "{what}");
        assert_eq!(status(&world, 1).await, Some(Status::Accepted), "{what}");
    }
}

#[tokio::test]
async fn a_pending_connection_that_cannot_be_judged_ages_without_a_date_too() {
    let world = world_of(WORLD).await;
    malformed(&world, SERVICE, "allow#000000000001").await;
    lists(&world, |list| {
        of_endpoint(list, 1, |item| without(item, "creationTimestamp"))
    });
    runs(&world, 3).await;
    assert_eq!(oldest(&world), Some(600.0));
}

#[tokio::test]
async fn a_date_in_the_future_hides_nothing() {
    let world = world_of(WORLD).await;
    lists(&world, |list| {
        of_endpoint(list, 1, |item| {
            let item = with(item, "creationTimestamp", "2099-01-01T00:00:00.000Z");
            with(&item, "vpcEndpointRegion", "?")
        })
    });
    runs(&world, 3).await;
    assert_eq!(oldest(&world), Some(600.0));
}

#[tokio::test]
async fn a_decided_connection_that_cannot_be_read_any_more_stays_as_it_is_and_is_counted() {
    for (what, change, _) in ODD {
        let world = world_of(WORLD).await;
        handle(&world, batch_of(5)).await;
        settings(&world, "revoke: enforce, revoke_grace_hours: 0").await;
        edited(&world).await;
        spoil(&world, 1, change);
        world.clock.advance(LATER);
        runs(&world, 3).await;
        // An event about it leaves it alone, too.
        handle(&world, requested(&endpoint(1))).await;
        assert_eq!(path(&world, 1).await, "- > accepting > accepted", "{what}");
        assert!(oldest(&world).unwrap() > 600.0, "{what}");
        as_ever(&world);
        runs(&world, 1).await;
        assert_eq!(path(&world, 1).await, "- > accepting > accepted", "{what}");
        assert_eq!(oldest(&world), Some(0.0), "{what}");
    }
}

#[tokio::test]
async fn an_ended_connection_does_not_wait_even_if_it_cannot_be_read() {
    let world = world_of(WORLD).await;
    lists(&world, |list| {
        of_endpoint(list, 1, |item| {
            let item = with(item, "vpcEndpointState", "failed");
            without(&item, "vpcEndpointOwner")
        })
    });
    runs(&world, 3).await;
    assert_eq!(oldest(&world), Some(0.0));
}

#[tokio::test]
async fn a_list_that_fails_half_way_hides_nothing_of_its_first_half() {
    let mut options = options();
    options.limits.page = 5;
    let world = world_with(options, WORLD).await;
    for n in 6..=9 {
        somebody_asks(&world, n, "000000000009");
    }
    spoil(&world, 1, |item| with(item, "vpcEndpointRegion", "?"));
    lists(&world, |list| {
        let list = of_endpoint(list, 1, |item| with(item, "vpcEndpointRegion", "?"));
        // The second page is incomplete.
        if list.contains(endpoint(9).as_str()) {
            list[..list.len() / 2].to_owned()
        } else {
            list
        }
    });
    runs(&world, 2).await;
    assert_eq!(oldest(&world), Some(300.0));
}
