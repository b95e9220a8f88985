use std::time::{Duration, Instant};

use local_aws::{NewConnection, State};

use crate::world::*;

/// The bounds are wide: an unoptimised build on a busy machine. Work that grows with the square would miss them.
#[test]
fn twenty_thousand_connections_stay_fast() {
    let world = World::new();
    let (service, _) = world.service(0);
    let begin = Instant::now();
    for n in 0..20_000 {
        let state = if n % 100 == 0 {
            State::PendingAcceptance
        } else {
            State::Available
        };
        world.connect(NewConnection::new(&service, format!("{n:012}")).state(state));
    }
    let (mut seen, mut token) = (0, String::new());
    loop {
        let answer = world.ec2(DESCRIBE, &[("MaxResults", "1000"), ("NextToken", &token)]);
        seen += answer.endpoints().len();
        token = answer.one("nextToken");
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, 20_000);
    let pending = world
        .list(&[
            ("service-id", &service),
            ("vpc-endpoint-state", "pendingAcceptance"),
        ])
        .endpoints();
    assert_eq!(pending.len(), 200);
    for chunk in pending.chunks(50) {
        let ids: Vec<&str> = chunk.iter().map(String::as_str).collect();
        assert_eq!(
            world.decide(ACCEPT, &service, &ids).outcome(),
            (200, String::new())
        );
    }
    for id in &pending {
        assert_eq!(world.list(&[("vpc-endpoint-id", id)]).endpoints().len(), 1);
        assert!(world.ec2.delete_endpoint(id));
    }
    world.advance(10);
    assert_eq!(world.ec2.connections().len(), 19_800);
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "{:?}",
        begin.elapsed()
    );
}
