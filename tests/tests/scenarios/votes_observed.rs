//! A vote asks EC2 before it counts: a change at EC2 is recorded first, and the voter sees it. If
//! EC2 does not answer, nothing is recorded and the voter tries again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_approvals::handler::Handler;
use gatekeeper_approvals::http::{Method, Request, Response};
use gatekeeper_aws::clients::Timeouts;
use gatekeeper_aws::clock::{Clock, Deadline};
use gatekeeper_aws::gatekeeper::{ReviewState, ReviewView, Voter};
use gatekeeper_core::request::{Cause, Status};
use gatekeeper_core::vote::{Ballot, Unrecorded};
use gatekeeper_local::function::Function;
use gatekeeper_local::world::World;
use local_aws::{
    CallPhase, Caller, Fault, FaultKind, NewConnection, NewEndpoint, NewService, State,
};

use crate::support::*;

const DESCRIBE: &str = "DescribeVpcEndpointConnections";

/// Alice and Bob may decide, and one suffices.
const PAIR: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
policy:
  settings:
    - {service_id: "*", name: Payments API}
  approvers:
    - {id: alice@example.com, services: ["*"], slack_user_id: U0ALICE, iam_principal: "arn:aws:sts::111122223333:assumed-role/Approver/alice"}
    - {id: bob@example.com, services: ["*"]}
"#;

const CHANNELS: [&str; 3] = ["link", "slack", "iam"];

async fn pair() -> World {
    let world = world_of(PAIR).await;
    world.reconcile().await;
    world
}

fn alice(world: &World, channel: &str) -> Voter {
    match channel {
        "link" => by_link(world, "alice", 3),
        "slack" => Voter::Slack {
            user: "U0ALICE".parse().unwrap(),
            endpoint_id: endpoint(3),
            review: 1,
        },
        _ => Voter::Iam {
            arn: "arn:aws:sts::111122223333:assumed-role/Approver/alice".to_owned(),
            endpoint_id: endpoint(3),
            review: None,
        },
    }
}

async fn page(world: &World, method: Method, token: &str, form: &str) -> Response {
    let kind = "application/x-www-form-urlencoded";
    let request = Request {
        method,
        path: format!("/a/{token}"),
        headers: vec![("content-type".to_owned(), kind.to_owned())],
        body: form.as_bytes().to_vec(),
        caller: None,
    };
    let handler = Handler::new(Arc::clone(world.gatekeeper(Function::Approvals)), None);
    let deadline = Deadline::after(&world.clock, Duration::from_secs(15));
    let response = handler.handle(&request, deadline).await;
    world.announce().await.unwrap();
    response
}

async fn send(world: &World, name: &str, ballot: &str) -> Response {
    let form = format!("{ballot}&typed={}", end_of(3));
    page(world, Method::Post, &token(world, name, 3), &form).await
}

const APPROVES: &str = "choice=approve&reason=";
const REJECTS: &str = "choice=reject&reason=No+contract";

fn title(response: &Response) -> String {
    let (_, rest) = response.body.split_once("<h1>").unwrap();
    let (title, _) = rest.split_once("</h1>").unwrap();
    format!("{} {title}", response.status)
}

fn told_why(view: ReviewView) -> Unrecorded {
    let why = match view {
        ReviewView::Shown(ReviewState::Unrecorded(why), details) => {
            assert!(details.request.votes.is_empty(), "nothing of it is kept");
            Ok(why)
        }
        other => Err(other),
    };
    why.expect("it is not recorded")
}

type Happens = fn(&World);
type Expected = (Status, Cause, State, &'static str);

/// What may happen at EC2 without us while a review waits, and the expected result.
const MEANWHILE: [(&str, Happens, Expected); 3] = [
    (
        "accepted on the console",
        |world| somebody_accepts(world, 3),
        (
            Status::Accepted,
            Cause::OutOfBand,
            State::Pending,
            "Somebody else accepted it meanwhile",
        ),
    ),
    (
        "rejected on the console",
        |world| somebody_rejects(world, 3),
        (
            Status::Rejected,
            Cause::OutOfBand,
            State::Rejected,
            "Somebody else rejected it meanwhile",
        ),
    ),
    (
        "deleted by the consumer",
        |world| assert!(world.ec2.delete_endpoint(endpoint(3).as_str())),
        (
            Status::Gone,
            Cause::Ended,
            State::Deleting,
            "The endpoint was deleted meanwhile, or failed or expired",
        ),
    ),
];

#[tokio::test]
async fn a_change_at_ec2_is_recorded_first_and_the_vote_is_too_late() {
    for (what, happens, (becomes, cause, stays, begins)) in MEANWHILE {
        for channel in CHANNELS {
            for ballot in [approval(), rejection()] {
                let world = pair().await;
                let voter = alice(&world, channel);
                happens(&world);
                let context = format!("{what}, then {:?} by {channel}", ballot.choice);
                let ReviewView::Shown(ReviewState::TooLate, details) =
                    vote(&world, &voter, &ballot).await
                else {
                    panic!("{context}: too late")
                };
                assert_eq!(details.request.status, becomes, "{context}");
                assert_eq!(state(&world, 3), Some(stays), "{context}: we did nothing");
                let rows = history(&world, 3).await;
                assert_eq!(rows.len(), 2, "{context}");
                assert_eq!((rows[1].to, rows[1].cause), (becomes, cause), "{context}");
                assert!(request(&world, 3).await.unwrap().votes.is_empty());
                assert!(!announcements_of(&world, 3).contains(&"vote_cast".to_owned()));
            }
        }
        for ballot in [APPROVES, REJECTS] {
            let world = pair().await;
            happens(&world);
            let sent = send(&world, "alice", ballot).await;
            let expected = format!("409 {begins}, so your vote does not count");
            assert_eq!(title(&sent), expected, "{what}, then {ballot}");
            // A later viewer sees the same first.
            let looked = page(&world, Method::Get, &token(&world, "bob", 3), "").await;
            assert_eq!(title(&looked), format!("200 {begins}"));
            assert!(!looked.body.contains("<form"));
        }
    }
}

#[tokio::test]
async fn an_accept_on_the_console_is_announced_and_undone_as_the_service_says() {
    for (out_of_band, announced, later) in [
        ("record", 0, Status::Accepted),
        ("alert", 1, Status::Accepted),
        ("revert", 1, Status::Rejected),
    ] {
        let world = pair().await;
        settings(
            &world,
            &format!("out_of_band: {out_of_band}, revoke_grace_hours: 1"),
        )
        .await;
        allow(&world, SERVICE, "000000000009").await;
        somebody_accepts(&world, 3);
        let voted = vote(&world, &alice(&world, "link"), &rejection()).await;
        assert_eq!(word(&voted), "too late");
        assert_eq!(status(&world, 3).await, Some(Status::Accepted));
        let kinds = announcements_of(&world, 3);
        let accepted = kinds.iter().filter(|kind| *kind == "accepted_out_of_band");
        assert_eq!(accepted.count(), announced, "{out_of_band}: {kinds:?}");
        for _ in 0..3 {
            hours_pass(&world, 2);
            world.reconcile().await;
        }
        assert_eq!(status(&world, 3).await, Some(later), "{out_of_band}");
        if later == Status::Rejected {
            // It has its grace period, and it was announced before.
            assert!(announcements_of(&world, 3).contains(&"revocation_started".to_owned()));
        }
    }
}

#[tokio::test]
async fn if_ec2_does_not_answer_no_vote_is_recorded_and_it_counts_when_it_is_cast_again() {
    for fault in [
        FaultKind::InternalError,
        FaultKind::Throttle,
        FaultKind::Unavailable,
        FaultKind::Hang,
        FaultKind::Unauthorized,
    ] {
        for (channel, ballot) in [
            ("link", approval()),
            ("slack", rejection()),
            ("iam", approval()),
        ] {
            let world = pair().await;
            let voter = alice(&world, channel);
            world
                .ec2
                .inject(Fault::new(DESCRIBE, fault.clone()).always());
            let why = told_why(vote(&world, &voter, &ballot).await);
            assert_eq!(why, Unrecorded::Silent, "{channel}: {fault:?}");
            assert_eq!(request(&world, 3).await.unwrap().votes, []);
            assert_eq!(announcements_of(&world, 3), ["review_opened"]);
            assert_eq!(
                look(&world, &voter).await,
                "open",
                "the link is not used up"
            );
            world.ec2.clear_faults();
            let again = vote(&world, &voter, &ballot).await;
            assert_eq!(word(&again), "decided", "{channel}: {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_form_without_effect_is_shown_again_with_its_content_and_the_reason() {
    let world = pair().await;
    world
        .ec2
        .inject(Fault::new(DESCRIBE, FaultKind::InternalError).always());
    let sent = send(&world, "alice", REJECTS).await;
    assert_eq!(
        title(&sent),
        "503 May account 000000000003 connect to Payments API?"
    );
    assert!(sent.headers.contains(&("retry-after", "5".to_owned())));
    for shown in [
        "<title>Not recorded: May account 000000000003",
        "<h2>Nothing is decided yet</h2>",
        "EC2 is asked before a vote counts, and did not answer in time. Vote again in a moment.",
        "value=\"reject\" required checked",
        "No contract</textarea>",
        &format!("value=\"{}\"", end_of(3)),
    ] {
        assert!(sent.body.contains(shown), "{shown}: {}", sent.body);
    }
    world.ec2.clear_faults();
    assert_eq!(
        title(&send(&world, "alice", REJECTS).await),
        "200 Done: the connection is rejected"
    );
}

#[tokio::test]
async fn an_endpoint_that_ec2_does_not_list_is_voted_on_when_it_does() {
    let text = PAIR.replace("connections:", "    principals: [\"*\"]\nconnections:");
    let (head, _) = text.split_once("connections:").unwrap();
    let (_, policy) = text.split_once("policy:").unwrap();
    let world = world_of(&format!("{head}policy:{policy}")).await;
    let consumer = Caller::new("000000000003", "us-east-1");
    let new = NewEndpoint::new(SERVICE).endpoint_id(endpoint(3).as_str());
    world.ec2.create_endpoint(&consumer, new).unwrap();
    world.reconcile().await;
    // EC2's answers fall behind, to a time before the endpoint existed.
    world.clock.advance(Duration::from_secs(2));
    world
        .ec2
        .set_options(|options| options.describe_lag = Duration::from_secs(30));
    let why = told_why(vote(&world, &alice(&world, "link"), &approval()).await);
    assert_eq!(why, Unrecorded::NotListed);
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
    world
        .ec2
        .set_options(|options| options.describe_lag = Duration::ZERO);
    assert_eq!(
        word(&vote(&world, &alice(&world, "link"), &approval()).await),
        "decided"
    );
    // If it has been gone for long, that is shown.
    let world = pair().await;
    let voter = alice(&world, "link");
    assert!(world.ec2.delete_endpoint(endpoint(3).as_str()));
    world.clock.advance(Duration::from_secs(2_000_000));
    let voted = vote(&world, &voter, &approval()).await;
    assert_eq!(word(&voted), "too late");
    assert_eq!(status(&world, 3).await, Some(Status::Gone));
}

#[tokio::test]
async fn a_connection_that_cannot_be_read_is_not_voted_on() {
    for channel in CHANNELS {
        let world = pair().await;
        let voter = alice(&world, channel);
        let odd = |region: &str| {
            let id = endpoint(3);
            let odd = NewConnection::new(SERVICE, "000000000003").endpoint_id(id.as_str());
            world.ec2.put_connection(odd.region(region)).unwrap();
        };
        odd("Mars");
        for ballot in [approval(), rejection()] {
            let why = told_why(vote(&world, &voter, &ballot).await);
            assert_eq!(why, Unrecorded::Unreadable, "{channel}");
        }
        assert_eq!(status(&world, 3).await, Some(Status::InReview));
        assert_eq!(state(&world, 3), Some(State::PendingAcceptance));
        odd("us-east-1");
        assert_eq!(word(&vote(&world, &voter, &approval()).await), "decided");
    }
}

/// Makes the record say that the endpoint belongs to another account.
async fn remember_another_owner(world: &World, account: &str) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let update = world.tables().update_item();
    let update = update.table_name(world.requests_table());
    let update = update.key("pk", text(endpoint(3).as_str()));
    let update = update.key("sk", text("request"));
    let update = update.update_expression("SET account_id = :account");
    let update = update.expression_attribute_values(":account", text(account));
    update.send().await.unwrap();
}

#[tokio::test]
async fn a_vote_depends_on_the_owner_that_ec2_names() {
    for channel in CHANNELS {
        let world = pair().await;
        let voter = alice(&world, channel);
        remember_another_owner(&world, "000000000007").await;
        let why = told_why(vote(&world, &voter, &approval()).await);
        assert_eq!(
            why,
            Unrecorded::Corrected,
            "{channel}: she was shown another's"
        );
        let corrected = request(&world, 3).await.unwrap();
        assert_eq!(corrected.account_id.as_str(), "000000000003");
        assert_eq!(
            approval_emails(&world, "bob", 3).len(),
            2,
            "all are asked anew"
        );
        assert_eq!(word(&vote(&world, &voter, &approval()).await), "decided");
    }
    // The deny is for the owner that EC2 names, and not for the recorded one.
    let world = pair().await;
    remember_another_owner(&world, "000000000007").await;
    let deny = r#"{service_id: "*", principal: "000000000003", effect: deny}"#;
    put_policy(&world, deny).await;
    let voted = vote(&world, &alice(&world, "link"), &approval()).await;
    assert_eq!(word(&voted), "too late");
    assert_eq!(state(&world, 3), Some(State::Rejected));
    // Nobody decides about an endpoint that EC2 says is their own.
    let world = pair().await;
    remember_another_owner(&world, "000000000007").await;
    approver(
        &world,
        r#"{id: alice@example.com, services: ["*"], own_accounts: ["000000000003"]}"#,
    )
    .await;
    let voted = vote(&world, &by_link(&world, "alice", 3), &approval()).await;
    assert_eq!(word(&voted), "barred");
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
}

#[tokio::test]
async fn a_decision_that_was_not_carried_out_is_not_called_done() {
    // It happens after EC2 said that the connection is pending, and before EC2 is asked to accept.
    for (what, happens, (becomes, _, _, begins)) in MEANWHILE {
        if becomes == Status::Accepted {
            // EC2 is asked to accept an accepted connection, which is fine.
            continue;
        }
        for channel in CHANNELS {
            let world = Arc::new(pair().await);
            let voter = alice(&world, channel);
            let other = Arc::downgrade(&world);
            let on_call = move |action: &str, phase: CallPhase| {
                if action == "AcceptVpcEndpointConnections"
                    && phase == CallPhase::Before
                    && let Some(world) = other.upgrade()
                    && world.ec2.state(endpoint(3).as_str()) == Some(State::PendingAcceptance)
                {
                    happens(&world);
                }
            };
            world.ec2.set_on_call(Some(Arc::new(on_call)));
            let voted = vote(&world, &voter, &approval()).await;
            world.ec2.set_on_call(None);
            assert_eq!(word(&voted), "overtaken", "{what}, by {channel}");
            assert_eq!(status(&world, 3).await, Some(becomes));
            let looked = page(&world, Method::Get, &token(&world, "bob", 3), "").await;
            assert_eq!(title(&looked), format!("200 {begins}"));
        }
    }
}

#[tokio::test]
async fn a_voter_in_slack_is_answered_in_time_even_if_ec2_never_answers() {
    // This uses the real clock, because a time-out cannot end a call that takes no time.
    let mut real = options();
    real.clock = Clock::system();
    real.timeouts = Timeouts::default();
    let world = world_with(real, PAIR).await;
    world.reconcile().await;
    let voter = alice(&world, "slack");
    let gatekeeper = world.gatekeeper(Function::Approvals);
    gatekeeper.warm_up().await;
    let hangs = |action: &str| {
        world
            .ec2
            .inject(Fault::new(action, FaultKind::Hang).always());
    };
    hangs(DESCRIBE);
    let begun = Instant::now();
    let why = told_why(vote(&world, &voter, &approval()).await);
    assert_eq!(why, Unrecorded::Silent);
    assert!(
        begun.elapsed() < Duration::from_millis(1900),
        "{:?}",
        begun.elapsed()
    );
    world.ec2.clear_faults();
    hangs("AcceptVpcEndpointConnections");
    let begun = Instant::now();
    assert_eq!(word(&vote(&world, &voter, &approval()).await), "recorded");
    assert!(
        begun.elapsed() < Duration::from_millis(1900),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_rejection_needs_the_voters_right_and_no_policy() {
    for (scope, rule) in [
        ("*", "allow#*"),
        ("*", "settings"),
        (SERVICE, "settings"),
        (SERVICE, "deny#000000000003"),
        ("*", "allow#vpce-00000000000000003"),
        ("*", "deny#o-example1234/*"),
    ] {
        for channel in CHANNELS {
            let world = pair().await;
            let voter = alice(&world, channel);
            malformed(&world, scope, rule).await;
            let context = format!("{scope} / {rule} by {channel}");
            let why = told_why(vote(&world, &voter, &approval()).await);
            let Unrecorded::Policy(wrong) = &why else {
                panic!("{context}: {why:?}")
            };
            assert!(
                wrong.contains(&format!("{scope} / {rule}")),
                "{context}: {wrong}"
            );
            assert_eq!(look(&world, &voter).await, "open", "{context}");
            assert_eq!(word(&vote(&world, &voter, &rejection()).await), "decided");
            assert_eq!(state(&world, 3), Some(State::Rejected), "{context}");
            let metrics = world.gatekeeper(Function::Approvals).metrics();
            let counted = ("error_type", "Permanent.MalformedPolicy");
            assert!(
                metrics.last_of("StepFailures", counted).is_some(),
                "{context}: an alarm"
            );
        }
    }
    // The right itself must exist, and an approver whose item cannot be read has none.
    let world = pair().await;
    let voter = alice(&world, "slack");
    malformed(&world, "*", "allow#*").await;
    malformed(&world, "approvers", "approver#alice@example.com").await;
    let voted = vote(&world, &voter, &rejection()).await;
    assert_eq!(word(&voted), "no approver");
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
}

#[tokio::test]
async fn an_approval_that_waits_for_the_policy_is_said_to_and_can_be_sent_again() {
    let world = pair().await;
    malformed(&world, "*", "allow#*").await;
    let sent = send(&world, "alice", APPROVES).await;
    assert_eq!(sent.status, 409);
    for shown in [
        "Nothing is approved while the policy cannot be read",
        "* / allow#*",
        "A rejection counts all the same.",
        "value=\"approve\" required checked",
    ] {
        assert!(sent.body.contains(shown), "{shown}: {}", sent.body);
    }
    remove(&world, "*", "allow", "*").await;
    assert_eq!(
        title(&send(&world, "alice", APPROVES).await),
        "200 Done: the connection is accepted"
    );
}

#[tokio::test]
async fn a_review_whose_time_is_over_is_not_rejected_by_a_late_vote_though_the_policy_is_unreadable()
 {
    let world = pair().await;
    settings(&world, "review_hours: 2, on_deadline: reject").await;
    world.reconcile().await;
    let voter = alice(&world, "slack");
    malformed(&world, "*", "allow#*").await;
    hours_pass(&world, 2);
    assert_eq!(word(&vote(&world, &voter, &rejection()).await), "expired");
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
}

/// Takes the service from Gatekeeper, or gives it back.
fn manage(world: &World, is_managed: bool) {
    let service = NewService::new()
        .id(SERVICE)
        .owner(gatekeeper_local::world::PROVIDER)
        .region("us-east-1");
    world.ec2.put_service(match is_managed {
        true => service.tag("privatelink-gatekeeper", "managed"),
        false => service,
    });
    // The managed services are looked up once in a while.
    minutes_pass(world, 5);
}

#[tokio::test]
async fn a_review_on_a_service_that_is_no_longer_managed_says_so_and_notifies_nobody() {
    let world = pair().await;
    manage(&world, false);
    let links = ["alice", "bob"].map(|name| token(&world, name, 3));
    let said = "Gatekeeper no longer manages this service";
    for token in &links {
        let looked = page(&world, Method::Get, token, "").await;
        assert_eq!(title(&looked), format!("409 {said}"));
        assert!(!looked.body.contains("<form") && looked.body.contains("in the AWS console"));
        let head = page(&world, Method::Head, token, "").await;
        assert_eq!((head.status, head.body.as_str()), (409, ""));
        for typed in ["zzzzzz", &end_of(3)] {
            let form = format!("{APPROVES}&typed={typed}");
            let sent = page(&world, Method::Post, token, &form).await;
            assert_eq!(title(&sent), format!("409 {said}"), "{typed}");
        }
    }
    for channel in CHANNELS {
        let voter = alice(&world, channel);
        assert_eq!(look(&world, &voter).await, "unmanaged", "{channel}");
        for ballot in [approval(), rejection()] {
            assert_eq!(word(&vote(&world, &voter, &ballot).await), "unmanaged");
        }
    }
    assert_eq!(state(&world, 3), Some(State::PendingAcceptance));
    assert_eq!(request(&world, 3).await.unwrap().votes, []);
    // After it is managed again, the same link decides.
    manage(&world, true);
    assert_eq!(
        title(&send(&world, "alice", APPROVES).await),
        "200 Done: the connection is accepted"
    );
    // A decided review stays readable.
    manage(&world, false);
    let looked = page(&world, Method::Get, &links[1], "").await;
    assert_eq!(
        title(&looked),
        "200 Already decided: the connection is accepted"
    );
}

#[tokio::test]
async fn a_link_opens_and_decides_with_trailing_characters() {
    for rest in [
        ".",
        ")",
        ">",
        "/",
        ",",
        ";",
        "\"",
        "'",
        "]",
        "»",
        ").",
        "/>",
        "%2E",
        "%29",
        "%3E",
        "%2F",
        "%2C",
        "%3B",
        "%22",
        "%27",
        "%5D",
        "%C2%BB",
        "%0A",
        "%0D%0A",
        "%20",
        "%E2%80%8B",
        "%253E",
    ] {
        let world = pair().await;
        let token = format!("{}{rest}", token(&world, "alice", 3));
        let looked = page(&world, Method::Get, &token, "").await;
        assert_eq!(
            title(&looked),
            "200 May account 000000000003 connect to Payments API?",
            "{rest}"
        );
        assert_eq!(page(&world, Method::Head, &token, "").await.status, 200);
        let form = format!("{APPROVES}&typed={}", end_of(3));
        let sent = page(&world, Method::Post, &token, &form).await;
        assert_eq!(
            title(&sent),
            "200 Done: the connection is accepted",
            "{rest}"
        );
        // The link is used up, no matter what follows it.
        let again = page(&world, Method::Get, &token, "").await;
        assert_eq!(title(&again), "404 This link does not work", "{rest}");
    }
    let world = pair().await;
    let whole = token(&world, "alice", 3);
    let (cut, _) = whole.split_at(whole.len() - 1);
    for no_link in [
        format!("{whole}A"),
        format!("{whole}/x"),
        format!("{whole}%41"),
        format!("{whole}{whole}"),
        format!("{cut}."),
        format!("{cut}/"),
    ] {
        let looked = page(&world, Method::Get, &no_link, "").await;
        assert_eq!(title(&looked), "404 This link does not work");
    }
}

#[tokio::test]
async fn a_vote_asks_ec2_once_and_beside_the_tables() {
    let world = pair().await;
    world.gatekeeper(Function::Approvals).warm_up().await;
    let voter = alice(&world, "iam");
    let asked = |world: &World| *world.ec2.calls().get(DESCRIBE).unwrap_or(&0);
    let before = asked(&world);
    let ballot = Ballot::new(gatekeeper_core::vote::Choice::Approve, "").unwrap();
    assert_eq!(word(&vote(&world, &voter, &ballot).await), "decided");
    assert_eq!(asked(&world) - before, 1);
}
