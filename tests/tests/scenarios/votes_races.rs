//! Approvers, the policy and the deadline at the same review at the same time: one decision.

use std::time::Duration;

use gatekeeper_aws::clock::Deadline;
use gatekeeper_core::request::{Cause, Status};
use gatekeeper_core::vote::Choice;
use gatekeeper_local::function::Function;
use local_aws::State;

use crate::support::*;

const WORLD: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
policy:
  settings:
    - {service_id: "*", review_hours: 1, on_deadline: reject}
  approvers:
    - {id: alice@example.com, services: ["*"]}
    - {id: bob@example.com, services: ["*"]}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_approvers_and_the_deadline_make_one_decision() {
    let mut decided = std::collections::BTreeMap::new();
    for round in 0..24_u64 {
        let world = world_of(WORLD).await;
        world.reconcile().await;
        let (alice, bob) = (by_link(&world, "alice", 3), by_link(&world, "bob", 3));
        // A third of the rounds begin after the deadline, a third before, and in a third it passes
        // while they vote.
        let early = [3590, 3599, 3600][usize::try_from(round % 3).unwrap()];
        world.clock.advance(Duration::from_secs(early));
        let approvals = |nth| world.instance(Function::Approvals, nth);
        let (one, other) = (approvals(1), approvals(2));
        let reconcile = world.instance(Function::Reconcile, 1);
        let until = Deadline::after(&world.clock, Duration::from_secs(300));
        let clock = world.clock.clone();
        let (approve, reject) = (approval(), rejection());
        let (a, b, _, ()) = tokio::join!(
            one.vote(&alice, &approve, until),
            other.vote(&bob, &reject, until),
            reconcile.reconcile(until),
            async {
                tokio::task::yield_now().await;
                clock.advance(Duration::from_secs(1));
            }
        );
        let words = [word(&a.unwrap()), word(&b.unwrap())];
        let context = format!("round {round}: {words:?}");
        let winners = words
            .iter()
            .filter(|word| matches!(**word, "decided" | "recorded"));
        let winners = winners.count();
        assert!(winners <= 1, "{context}");
        world.clock.advance(LATER);
        world.reconcile().await;
        let rows = history(&world, 3).await;
        let decisions: Vec<_> = rows
            .iter()
            .filter(|row| matches!(row.cause, Cause::Voted | Cause::Deadline))
            .collect();
        assert_eq!(decisions.len(), 1, "{context}: {rows:?}");
        assert_eq!(
            winners == 1,
            decisions[0].cause == Cause::Voted,
            "{context}"
        );
        let votes = &request(&world, 3).await.unwrap().votes;
        assert!(votes.len() <= 1, "{context}: {votes:?}");
        let accepted = votes.iter().any(|vote| vote.choice == Choice::Approve);
        let expected = if accepted {
            Status::Accepted
        } else {
            Status::Rejected
        };
        assert_eq!(status(&world, 3).await, Some(expected), "{context}");
        assert_eq!(
            state(&world, 3) == Some(State::Rejected),
            !accepted,
            "{context}"
        );
        *decided.entry(decisions[0].cause.as_str()).or_insert(0) += 1;
    }
    assert!(
        decided.len() > 1,
        "both kinds of decision happened: {decided:?}"
    );
}
