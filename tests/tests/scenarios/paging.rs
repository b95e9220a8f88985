//! Lists that do not end, and words that EC2 spells in another way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use gatekeeper_local::world::World;
use local_aws::{CallRecord, NewService, OnAnswer};

use crate::answers::answers;
use crate::support::*;

/// Makes each page of an action's lists name one of these tokens in turn as the next.
fn never_ends(world: &World, action: &'static str, tokens: &'static [&'static str]) {
    let (first, turn) = (Mutex::new(None::<String>), AtomicUsize::new(0));
    let hook = move |called: &str, document: Option<&str>| {
        if called != action {
            return None;
        }
        let mut first = first.lock().unwrap();
        // The simulator does not know these tokens, and refuses them.
        let page = document.map(str::to_owned).or_else(|| first.clone())?;
        let page = first.get_or_insert(page);
        let token = tokens[turn.fetch_add(1, Ordering::Relaxed) % tokens.len()];
        let end = page.rfind("</").unwrap();
        let (page, end) = page.split_at(end);
        Some(format!("{page}<nextToken>{token}</nextToken>{end}"))
    };
    world.ec2.set_on_answer(Some(Arc::new(hook) as OnAnswer));
    world.ec2.reset_calls();
}

const CYCLES: [&[&str]; 3] = [&["a"], &["a", "b"], &["a", "b", "c", "d"]];

#[tokio::test]
async fn a_repeated_next_token_ends_each_list_with_an_error() {
    for cycle in CYCLES {
        for action in [
            "DescribeVpcEndpointConnections",
            "DescribeVpcEndpointServiceConfigurations",
            "DescribeVpcEndpointConnectionNotifications",
            "DescribeVpcEndpointServicePermissions",
        ] {
            let world = world_of(WORLD).await;
            never_ends(&world, action, cycle);
            world.reconcile().await;
            let calls = world.ec2.log();
            let calls: Vec<_> = calls.iter().filter(|call| call.action == action).collect();
            let begins = |call: &&&CallRecord| call.param("NextToken").is_none();
            let begun = calls.iter().filter(begins).count();
            let most = begun * (cycle.len() + 1);
            let count = calls.len();
            assert!(
                begun < count && count <= most,
                "{action} {cycle:?}: {count} calls for {begun} lists"
            );
        }
    }
}

#[tokio::test]
async fn a_list_that_does_not_end_is_reported_and_its_event_comes_back() {
    for cycle in CYCLES {
        let world = world_of(WORLD).await;
        never_ends(&world, "DescribeVpcEndpointConnections", cycle);
        let done = world.reconcile().await;
        let error = &done.failed[0].1;
        assert_eq!(error.error_type(), "Retryable.DescribeConnections");
        let said = gatekeeper_aws::error::chain(&**error);
        assert!(said.contains("NextToken"), "{said}");
        let answer = handle(&world, requested(&endpoint(1))).await;
        assert_eq!(
            answer.failed[0].1.error_type(),
            "Retryable.DescribeConnections"
        );
        world.ec2.set_on_answer(None);
        world.clock.advance(LATER);
        world.reconcile().await;
        assert_all_decided(&world, "the list ends again").await;
    }
}

fn gateway() -> NewService {
    NewService::new()
        .id(SERVICE)
        .owner(gatekeeper_local::world::PROVIDER)
        .region("us-east-1")
        .tag("privatelink-gatekeeper", "managed")
        .gateway_load_balancer()
}

#[tokio::test]
async fn ec2s_words_are_read_in_any_case_of_letters() {
    const SOUND: &str = "services:\n  - service_id: vpce-svc-0a1b2c3d4e5f60718\n";
    const NOTIFICATIONS: &str = "DescribeVpcEndpointConnectionNotifications";
    type Respell = fn(&str) -> String;
    let spellings: [Respell; 2] = [str::to_lowercase, str::to_uppercase];
    let respelt = |text: &str, words: &[&str], spell: Respell| {
        words.iter().fold(text.to_owned(), |text, word| {
            text.replace(&format!(">{word}<"), &format!(">{}<", spell(word)))
        })
    };
    for spell in spellings {
        // A sound notification is one.
        let world = world_of(SOUND).await;
        answers(&world, NOTIFICATIONS, move |answer| {
            respelt(answer, &["Enabled", "Connect"], spell)
        });
        runs(&world, 1).await;
        assert_eq!(documents(&world), Vec::<serde_json::Value>::new());
        // A disabled one is disabled.
        answers(&world, NOTIFICATIONS, move |answer| {
            let answer = answer.replace(">Enabled<", ">Disabled<");
            respelt(&answer, &["Disabled"], spell)
        });
        runs(&world, 1).await;
        assert_eq!(alarms(&world, "notification_disabled", "alarm_started"), 1);
        // A gateway's service needs none.
        let world = world_of(&format!("{SOUND}    notification: false\n")).await;
        world.ec2.put_service(gateway());
        let action = "DescribeVpcEndpointServiceConfigurations";
        answers(&world, action, move |answer| {
            respelt(answer, &["GatewayLoadBalancer"], spell)
        });
        runs(&world, 1).await;
        assert_eq!(documents(&world), Vec::<serde_json::Value>::new());
    }
}
