//! Approvers' links: what people see and do there, and what programs cannot do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_approvals::handler::Handler;
use gatekeeper_approvals::http::{Method, Request, Response};
use gatekeeper_aws::clients::Timeouts;
use gatekeeper_aws::clock::{Clock, Deadline};
use gatekeeper_aws::gatekeeper::Voter;
use gatekeeper_core::request::Status;
use gatekeeper_local::dynamodb;
use gatekeeper_local::function::Function;
use gatekeeper_local::world::World;
use local_aws::{Fault, FaultKind, State};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::logs;
use crate::support::*;

/// Two of three approvers must approve what asks for 3; the account of 9 is Carol's own.
const PANEL: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
  - {endpoint_id: vpce-00000000000000009, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000009"}
policy:
  settings:
    - {service_id: "*", approvals_required: 2, name: Payments API}
  entries:
    - {service_id: "*", principal: "000000000003", effect: allow, expires_at: 2026-01-01T00:00:00Z, customer: Example GmbH}
  approvers:
    - {id: alice@example.com, services: ["*"], slack_user_id: U0ALICE}
    - {id: bob@example.com, services: ["*"]}
    - {id: carol@example.com, services: ["*"]}
"#;

/// The choice that mail scanners send.
const APPROVE: &[(&str, &str)] = &[("choice", "approve"), ("reason", "")];

async fn panel() -> World {
    let world = world_of(PANEL).await;
    world.reconcile().await;
    world
}

/// A world where one approval is enough.
async fn one_suffices() -> World {
    let world = world_of(&PANEL.replace("approvals_required: 2, ", "")).await;
    world.reconcile().await;
    world
}

fn request(method: Method, token: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Request {
        method,
        path: format!("/a/{token}"),
        headers: headers.iter().map(text).collect(),
        body: body.to_vec(),
        caller: None,
    }
}

async fn answer(world: &World, request: &Request) -> Response {
    let handler = Handler::new(Arc::clone(world.gatekeeper(Function::Approvals)), None);
    let deadline = Deadline::after(&world.clock, Duration::from_secs(15));
    let response = handler.handle(request, deadline).await;
    world.announce().await.unwrap();
    response
}

pub(crate) async fn get(world: &World, token: &str) -> Response {
    answer(world, &request(Method::Get, token, &[], b"")).await
}

async fn head(world: &World, token: &str) -> Response {
    answer(world, &request(Method::Head, token, &[], b"")).await
}

pub(crate) async fn post(world: &World, token: &str, fields: &[(&str, &str)]) -> Response {
    let encode = |text: &str| {
        text.replace('%', "%25")
            .replace(' ', "+")
            .replace('&', "%26")
    };
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)));
    let body = pairs.collect::<Vec<_>>().join("&");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    answer(world, &request(Method::Post, token, &form, body.as_bytes())).await
}

/// Sends an approval, as a person does.
async fn approve(world: &World, name: &str, n: u32) -> Response {
    let (token, typed) = (token(world, name, n), end_of(n));
    let fields = [("choice", "approve"), ("reason", ""), ("typed", &typed)];
    post(world, &token, &fields).await
}

async fn reject(world: &World, name: &str, n: u32) -> Response {
    let (token, typed) = (token(world, name, n), end_of(n));
    let fields = [
        ("choice", "reject"),
        ("reason", "No & no"),
        ("typed", &typed),
    ];
    post(world, &token, &fields).await
}

/// The title of a page, and its status.
fn page(response: &Response) -> String {
    let (_, rest) = response.body.split_once("<title>").unwrap();
    let (title, _) = rest
        .split_once(" · PrivateLink Gatekeeper</title>")
        .unwrap();
    format!("{} {title}", response.status)
}

/// The whole content of both tables.
pub(crate) async fn contents(world: &World) -> BTreeSet<String> {
    let mut contents = BTreeSet::new();
    for table in [world.allowlist_table(), world.requests_table()] {
        let scan = world.tables().scan().table_name(table);
        for item in scan.consistent_read(true).send().await.unwrap().items() {
            contents.insert(format!(
                "{table}: {}",
                shown(&AttributeValue::M(item.clone()))
            ));
        }
    }
    contents
}

/// A value with its fields in order.
fn shown(value: &AttributeValue) -> String {
    match value {
        AttributeValue::M(fields) => {
            let fields = fields.iter().map(|(name, value)| (name, shown(value)));
            format!("{:?}", fields.collect::<BTreeMap<_, _>>())
        }
        AttributeValue::L(values) => {
            format!("{:?}", values.iter().map(shown).collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    }
}

const OPEN_3: &str = "200 May Example GmbH connect to Payments API?";

#[tokio::test]
async fn people_approve_one_after_the_other_and_see_the_state_of_the_review() {
    let world = panel().await;
    let (alice, bob) = (token(&world, "alice", 3), token(&world, "bob", 3));
    let open = get(&world, &alice).await;
    assert_eq!(page(&open), OPEN_3);
    assert!(
        open.body
            .contains("You decide as <strong>alice@example.com</strong>")
    );
    assert!(open.body.contains("0 of 2 needed"));

    let waiting = approve(&world, "alice", 3).await;
    assert_eq!(
        page(&waiting),
        "200 Your vote counts: 1 more approval is needed"
    );
    assert!(
        waiting
            .body
            .contains("<strong>alice@example.com</strong> approved by e-mail link")
    );
    assert!(waiting.body.contains("Also notified"));
    assert_eq!(status(&world, 3).await, Some(Status::InReview));

    let open = get(&world, &bob).await;
    assert!(open.body.contains("1 of 2 needed") && open.body.contains("it is connected at once"));
    let done = approve(&world, "bob", 3).await;
    assert_eq!(page(&done), "200 Done: the connection is accepted");
    assert!(
        done.body
            .contains("Example GmbH is connected to Payments API")
    );
    assert!(
        done.body
            .contains("Approved by alice@example.com and bob@example.com")
    );
    assert!(done.body.contains("ok (request id "));
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
    assert_ne!(state(&world, 3), Some(State::PendingAcceptance));

    // Carol has not voted, so she sees who decided.
    let decided = get(&world, &token(&world, "carol", 3)).await;
    assert_eq!(
        page(&decided),
        "200 Already decided: the connection is accepted"
    );
    assert!(
        decided
            .body
            .contains("<dt>Decided by</dt><dd>bob@example.com</dd>")
    );
    let late = approve(&world, "carol", 3).await;
    assert_eq!(page(&late), "409 Too late: the connection is accepted");
}

#[tokio::test]
async fn one_rejection_rejects_with_its_reason() {
    let world = panel().await;
    let done = reject(&world, "bob", 3).await;
    assert_eq!(page(&done), "200 Done: the connection is rejected");
    assert!(
        done.body
            .contains("Rejected by bob@example.com. No &#38; no")
    );
    assert_eq!(state(&world, 3), Some(State::Rejected));
    assert_eq!(
        path(&world, 3).await,
        "- > in_review > rejecting > rejected"
    );
}

#[tokio::test]
async fn programs_that_open_links_and_send_forms_decide_nothing() {
    let world = one_suffices().await;
    // As the function does when it starts: it asks which services are managed, and remembers that for a while.
    world.gatekeeper(Function::Approvals).warm_up().await;
    let before = contents(&world).await;
    let (ec2, sns) = (world.ec2.calls(), world.sns.calls());
    let links = [3, 9].into_iter().flat_map(|n| {
        let token = |name| token(&world, name, n);
        [token("alice"), token("bob"), token("carol")]
    });
    for token in links.collect::<Vec<_>>() {
        for _ in 0..2 {
            assert!(page(&get(&world, &token).await).starts_with("200 May "));
            let looked = head(&world, &token).await;
            assert_eq!((looked.status, looked.body.as_str()), (200, ""));
            // The form as it comes, and as programs fill it in.
            for choice in [None, Some("approve"), Some("reject")] {
                for typed in [
                    None,
                    Some(""),
                    Some("test"),
                    Some("a@example.com"),
                    Some("000000"),
                ] {
                    for reason in ["", "test"] {
                        let mut fields = vec![("reason", reason)];
                        fields.extend(choice.map(|choice| ("choice", choice)));
                        fields.extend(typed.map(|typed| ("typed", typed)));
                        let sent = post(&world, &token, &fields).await;
                        assert!(
                            page(&sent).starts_with("422 Not sent yet: May "),
                            "{fields:?}"
                        );
                    }
                }
            }
            let odd = answer(&world, &request(Method::Post, &token, &[], b"")).await;
            assert!(page(&odd).starts_with("400 Not sent: May "));
        }
    }
    assert!(contents(&world).await == before, "not a byte has changed");
    assert_eq!((world.ec2.calls(), world.sns.calls()), (ec2, sns));
    assert_eq!(
        page(&approve(&world, "alice", 3).await),
        "200 Done: the connection is accepted"
    );
}

#[tokio::test]
async fn a_wrong_form_is_explained_and_the_link_stays_valid() {
    let world = one_suffices().await;
    let alice = token(&world, "alice", 3);
    let typed = end_of(3);
    let wrong = [
        ("choice", "reject"),
        ("reason", "Who is it?"),
        ("typed", "00000b"),
    ];
    let mistyped = post(&world, &alice, &wrong).await;
    assert_eq!(mistyped.status, 422);
    assert!(
        mistyped
            .body
            .contains("id=\"typed-error\">That is not how this endpoint")
    );
    assert!(
        mistyped.body.contains("Who is it?</textarea>"),
        "it is kept"
    );
    assert!(mistyped.body.contains("value=\"reject\" required checked"));
    let silent = [("choice", "reject"), ("reason", "  "), ("typed", &typed)];
    let silent = post(&world, &alice, &silent).await;
    assert_eq!(silent.status, 422);
    assert!(
        silent
            .body
            .contains("id=\"reason-error\">A rejection needs a reason")
    );
    let undecided = post(&world, &alice, &[("typed", &typed)]).await;
    assert!(undecided.body.contains("id=\"choice-error\">Choose one"));
    let twice = [
        ("choice", "approve"),
        ("choice", "reject"),
        ("typed", &typed),
    ];
    assert_eq!(post(&world, &alice, &twice).await.status, 400);
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
    let whole = format!(" {} ", endpoint(3).as_str().to_uppercase());
    let whole = [("choice", "approve"), ("typed", &whole)];
    assert_eq!(
        page(&post(&world, &alice, &whole).await),
        "200 Done: the connection is accepted"
    );
}

#[tokio::test]
async fn two_windows_and_a_second_press_show_the_result_of_the_first() {
    let world = panel().await;
    for _ in 0..2 {
        assert_eq!(page(&get(&world, &token(&world, "alice", 3)).await), OPEN_3);
    }
    assert_eq!(approve(&world, "alice", 3).await.status, 200);
    let again = "200 You had voted before: 1 more approval is needed";
    assert_eq!(page(&approve(&world, "alice", 3).await), again);
    let other = approve(&world, "alice", 3).await;
    assert!(
        other
            .body
            .contains("You approved. Voting again changes nothing.")
    );
    assert_eq!(approve(&world, "bob", 3).await.status, 200);
    // The other choice in the other window comes too late.
    assert_eq!(
        page(&reject(&world, "alice", 3).await),
        "200 You had voted before, and the connection is accepted"
    );
    let again = "200 You had voted before, and the connection is accepted";
    assert_eq!(page(&approve(&world, "alice", 3).await), again);
    assert_eq!(world.ec2.calls()["AcceptVpcEndpointConnections"], 1);
}

#[tokio::test]
async fn an_approver_who_voted_elsewhere_sees_that() {
    let world = panel().await;
    let in_slack = Voter::Slack {
        user: "U0ALICE".parse().unwrap(),
        endpoint_id: endpoint(3),
        review: 1,
    };
    vote(&world, &in_slack, &approval()).await;
    let alice = token(&world, "alice", 3);
    assert_eq!(
        page(&get(&world, &alice).await),
        "200 You have voted: 1 more approval is needed"
    );
}

#[tokio::test]
async fn nobody_decides_about_their_own_account() {
    let world = one_suffices().await;
    let carol = token(&world, "carol", 9);
    approver(
        &world,
        r#"{id: carol@example.com, services: ["*"], own_accounts: ["000000000009"]}"#,
    )
    .await;
    let ineligible = "403 You may not decide about your own account";
    assert_eq!(page(&get(&world, &carol).await), ineligible);
    let sent = approve(&world, "carol", 9).await;
    assert_eq!(page(&sent), ineligible);
    assert!(
        sent.body
            .contains("Account 000000000009 is entered as your own")
    );
    assert_eq!(status(&world, 9).await, Some(Status::InReview));
}

#[tokio::test]
async fn an_expired_link_says_so() {
    let world = world_of(PANEL).await;
    settings(
        &world,
        "review_hours: 2, on_deadline: reject, approvals_required: 2, name: Payments API",
    )
    .await;
    world.reconcile().await;
    let alice = token(&world, "alice", 3);
    let open = get(&world, &alice).await;
    assert!(
        open.body
            .contains("It is rejected at <time datetime=\"2026-11-20T14:00:00Z\">")
    );
    hours_pass(&world, 2);
    for response in [get(&world, &alice).await, approve(&world, "alice", 3).await] {
        assert_eq!(page(&response), "410 This link has expired");
    }
    assert_eq!(
        status(&world, 3).await,
        Some(Status::InReview),
        "reconcile has not come"
    );
}

#[tokio::test]
async fn links_that_open_nothing_are_all_the_same_to_the_byte() {
    let world = one_suffices().await;
    // A used link; links of a former approver and of one for another service; a link of an earlier
    // review.
    let used = token(&world, "alice", 3);
    assert_eq!(approve(&world, "alice", 3).await.status, 200);
    let (removed, moved) = (token(&world, "bob", 9), token(&world, "carol", 9));
    world
        .remove_approver(&"bob@example.com".parse().unwrap())
        .await
        .unwrap();
    approver(
        &world,
        "{id: carol@example.com, services: [vpce-svc-00000000000000001]}",
    )
    .await;
    let earlier = token(&world, "alice", 9);
    allow(&world, "*", "000000000009").await;
    edited(&world).await;
    assert_eq!(status(&world, 9).await, Some(Status::Accepted));
    remove(&world, "*", "allow", "000000000009").await;
    let waits_again = State::PendingAcceptance;
    assert!(world.ec2.set_state(endpoint(9).as_str(), waits_again));
    world.clock.advance(LATER);
    world.reconcile().await;
    assert_eq!(status(&world, 9).await, Some(Status::InReview));
    assert_ne!(token(&world, "alice", 9), earlier);

    let unknown = "A".repeat(43);
    let typed = [("choice", "approve"), ("typed", "ffffff")];
    let (mut pages, mut forms, mut reads) = (Vec::new(), Vec::new(), BTreeSet::new());
    for token in [
        unknown.as_str(),
        &used,
        &removed,
        &moved,
        &earlier,
        "x",
        "%00",
        &format!("{used}="),
        &"é".repeat(500),
    ] {
        world.dynamodb.reset_calls();
        pages.push(get(&world, token).await);
        reads.insert(format!("{:?}", world.dynamodb.calls()));
        world.dynamodb.reset_calls();
        forms.push(post(&world, token, &typed).await);
        reads.insert(format!("{:?}", world.dynamodb.calls()));
        forms.push(post(&world, token, APPROVE).await);
        assert!(head(&world, token).await.body.is_empty());
    }
    let first = pages[0].clone();
    assert_eq!(page(&first), "404 This link does not work");
    assert!(pages.iter().chain(&forms).all(|page| *page == first));
    assert_eq!(reads.len(), 1, "they take the same reads: {reads:?}");
    // Only somebody who can type the end of the id sees the result of the vote.
    let own = approve(&world, "alice", 3).await;
    assert_eq!(
        page(&own),
        "200 You had voted before, and the connection is accepted"
    );
}

#[tokio::test]
async fn every_answer_keeps_browsers_caches_and_other_sites_out() {
    let world = one_suffices().await;
    let alice = token(&world, "alice", 3);
    let long = vec![b'x'; 16 * 1024 + 1];
    let form = ("content-type", "application/x-www-form-urlencoded");
    let elsewhere = Request {
        path: "/".to_owned(),
        ..request(Method::Get, "", &[], b"")
    };
    let slack = Request {
        path: "/slack/interactions".to_owned(),
        ..request(Method::Post, "", &[], b"")
    };
    let mut answers = vec![
        (200, get(&world, &alice).await),
        (200, head(&world, &alice).await),
        (404, get(&world, "x").await),
        (422, post(&world, &alice, APPROVE).await),
        (
            405,
            answer(&world, &request(Method::Other, &alice, &[], b"")).await,
        ),
        (
            413,
            answer(&world, &request(Method::Post, &alice, &[form], &long)).await,
        ),
        (
            413,
            answer(&world, &request(Method::Post, "x", &[form], &long)).await,
        ),
        (404, answer(&world, &elsewhere).await),
        (404, answer(&world, &slack).await),
    ];
    world.dynamodb.inject("*", dynamodb::Fault::Throttle, 100);
    answers.push((503, get(&world, &alice).await));
    for (status, answer) in answers {
        assert_eq!(answer.status, status);
        let header = |name: &str| {
            let mut found = answer.headers.iter().filter(|(known, _)| *known == name);
            let value = found.next().map(|(_, value)| value.as_str());
            assert!(found.next().is_none(), "{name} is there once");
            value.unwrap_or_else(|| panic!("{status} has {name}"))
        };
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("x-frame-options"), "DENY");
        assert_eq!(header("x-robots-tag"), "noindex, nofollow");
        assert!(header("strict-transport-security").starts_with("max-age="));
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
        assert!(policy.ends_with("form-action 'self'; frame-ancestors 'none'; base-uri 'none'"));
        assert!(answer.headers.iter().all(|(name, _)| *name != "set-cookie"));
        assert!(!answer.body.contains(&alice), "no page holds its own link");
        if status == 405 {
            assert_eq!(header("allow"), "GET, HEAD, POST");
        }
    }
}

#[tokio::test]
async fn a_form_on_somebody_elses_page_decides_nothing() {
    let world = one_suffices().await;
    let alice = token(&world, "alice", 3);
    let body = format!("choice=approve&typed={}", end_of(3));
    let form = ("content-type", "application/x-www-form-urlencoded");
    let sent = async |site| {
        let headers = [form, ("sec-fetch-site", site), ("origin", "null")];
        answer(
            &world,
            &request(Method::Post, &alice, &headers, body.as_bytes()),
        )
        .await
    };
    for site in ["cross-site", "same-site", "", "odd"] {
        assert_eq!(
            page(&sent(site).await),
            "403 Sent from another page",
            "{site}"
        );
    }
    assert_eq!(status(&world, 3).await, Some(Status::InReview));
    assert_eq!(sent("same-origin").await.status, 200);
    // A link in an e-mail is opened from another site, and everybody may look.
    let bob = token(&world, "bob", 3);
    let looked = request(Method::Get, &bob, &[("sec-fetch-site", "cross-site")], b"");
    assert_eq!(answer(&world, &looked).await.status, 200);
}

#[tokio::test]
async fn while_a_table_does_not_answer_trying_again_is_enough() {
    let world = one_suffices().await;
    let alice = token(&world, "alice", 3);
    for fault in [dynamodb::Fault::Throttle, dynamodb::Fault::InternalError] {
        world.dynamodb.inject("*", fault, 100);
        let looked = get(&world, &alice).await;
        assert_eq!(page(&looked), "503 Not possible right now");
        assert!(looked.headers.contains(&("retry-after", "5".to_owned())));
        assert_eq!(
            page(&approve(&world, "alice", 3).await),
            "503 Not possible right now"
        );
        world.dynamodb.clear_faults();
        assert_eq!(page(&get(&world, &alice).await), OPEN_3);
    }
    // The vote is recorded, and the answer is lost.
    world
        .dynamodb
        .inject("TransactWriteItems", dynamodb::Fault::AnswerLost, 3);
    let sent = approve(&world, "alice", 3).await;
    assert_eq!(page(&sent), "503 Not possible right now");
    assert!(
        sent.body
            .contains("Trying again is safe: a vote counts once")
    );
    world.dynamodb.clear_faults();
    let again = approve(&world, "alice", 3).await;
    assert_eq!(again.status, 200, "{}", page(&again));
    world.clock.advance(LATER);
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
    assert_eq!(
        path(&world, 3).await,
        "- > in_review > accepting > accepted"
    );
}

#[tokio::test]
async fn a_page_is_answered_in_time_even_if_a_table_never_answers() {
    // This uses the real clock, because a time-out cannot end a call that takes no time.
    let mut real = options();
    real.clock = Clock::system();
    real.timeouts = Timeouts::default();
    let world = world_with(real, PANEL).await;
    world.reconcile().await;
    let get = request(Method::Get, &token(&world, "alice", 3), &[], b"");
    world.dynamodb.inject("*", dynamodb::Fault::Hang, 100);
    let handler = Handler::new(Arc::clone(world.gatekeeper(Function::Approvals)), None);
    let deadline = Deadline::after(&world.clock, Duration::from_millis(1500));
    let answer = handler.handle(&get, deadline).await;
    assert_eq!(page(&answer), "503 Not possible right now");
    assert!(world.clock.now() < deadline.0);
}

#[tokio::test]
async fn a_decision_that_ec2_does_not_carry_out_at_once_is_recorded_and_carried_out_later() {
    let world = one_suffices().await;
    let fault = Fault::new("AcceptVpcEndpointConnections", FaultKind::InternalError);
    world.ec2.inject(fault.always());
    let recorded = approve(&world, "alice", 3).await;
    assert_eq!(
        page(&recorded),
        "202 Recorded: the connection is approved, and EC2 is being asked to accept it"
    );
    assert!(
        recorded
            .body
            .contains("no answer yet; Gatekeeper asks again")
    );
    world.ec2.clear_faults();
    world.clock.advance(LATER);
    world.reconcile().await;
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
}

#[tokio::test]
async fn any_request_is_answered_and_decides_nothing() {
    let world = one_suffices().await;
    let before = contents(&world).await;
    let known = token(&world, "alice", 3);
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..600 {
        let mut bytes = |limit: usize| -> Vec<u8> {
            let length = random.usize(..limit);
            (0..length).map(|_| random.u8(..)).collect()
        };
        let (noise, body, value) = (bytes(60), bytes(400), bytes(30));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let pieces = [
            "choice=approve&",
            "choice=reject&",
            "typed=00000",
            "reason=%",
            "&&=",
            "%00",
        ];
        let mut form: Vec<u8> = pieces[random.usize(..pieces.len())].into();
        form.extend(&body);
        let token = if random.bool() {
            known.clone()
        } else {
            text(&noise)
        };
        let content_type = match random.u8(..3) {
            0 => text(&value),
            _ => "application/x-www-form-urlencoded".to_owned(),
        };
        let headers = [
            ("content-type", content_type.as_str()),
            ("x", &text(&value)),
        ];
        let method = [Method::Get, Method::Head, Method::Post, Method::Other][random.usize(..4)];
        let mut request = request(method, &token, &headers, &form);
        if random.u8(..10) == 0 {
            request.path = text(&noise);
        }
        let answer = answer(&world, &request).await;
        assert!(
            answer.status < 500,
            "{round}: {request:?}: {}",
            answer.status
        );
    }
    assert!(contents(&world).await == before);
}

#[tokio::test]
async fn no_log_holds_a_token_or_what_was_typed() {
    let world = panel().await;
    logs::must_not_show("mistyped");
    for name in ["alice", "bob", "carol"] {
        let token = token(&world, name, 3);
        get(&world, &token).await;
        head(&world, &token).await;
        post(
            &world,
            &token,
            &[("choice", "approve"), ("typed", "mistyped")],
        )
        .await;
        answer(&world, &request(Method::Other, &token, &[], b"")).await;
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let too_long = vec![b'x'; 20_000];
        answer(&world, &request(Method::Post, &token, &form, &too_long)).await;
        world
            .dynamodb
            .inject("*", dynamodb::Fault::InternalError, 100);
        get(&world, &token).await;
        assert_eq!(approve(&world, name, 3).await.status, 503);
        world.dynamodb.clear_faults();
        approve(&world, name, 3).await;
        approve(&world, name, 3).await;
    }
    assert_eq!(status(&world, 3).await, Some(Status::Accepted));
    // A line with a token makes the logging code panic.
}

/// One exchange with the local world's server.
async fn exchange(world: &World, request: String) -> String {
    let mut stream = tokio::net::TcpStream::connect(world.address())
        .await
        .unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_links_in_the_local_worlds_approval_emails_work() {
    let world = one_suffices().await;
    let approval_email = approval_emails(&world, "alice", 3).pop().unwrap();
    let base = format!("http://{}", world.address());
    let (_, rest) = approval_email.split_once(&base).unwrap();
    let path = rest.split_whitespace().next().unwrap();
    let host = format!("Host: {}\r\nConnection: close", world.address());
    let got = exchange(
        &world,
        format!("GET {path}?utm=1 HTTP/1.1\r\n{host}\r\n\r\n"),
    )
    .await;
    assert!(got.starts_with("HTTP/1.1 200 OK\r\n"), "{got}");
    assert!(got.contains("content-security-policy: default-src 'none'"));
    assert!(got.contains("May Example GmbH connect to Payments API?"));
    let looked = exchange(&world, format!("HEAD {path} HTTP/1.1\r\n{host}\r\n\r\n")).await;
    assert!(looked.starts_with("HTTP/1.1 200 OK\r\n") && looked.ends_with("\r\n\r\n"));
    let put = exchange(&world, format!("PUT {path} HTTP/1.1\r\n{host}\r\n\r\n")).await;
    assert!(put.starts_with("HTTP/1.1 405 "), "{put}");
    let body = format!("choice=approve&reason=&typed={}", end_of(3));
    let head = format!(
        "{host}\r\nContent-Type: application/x-www-form-urlencoded\r\nOrigin: null\r\nSec-Fetch-Site: same-origin"
    );
    let length = body.len();
    let sent = exchange(
        &world,
        format!("POST {path} HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}"),
    )
    .await;
    assert!(
        sent.contains("<h1>Done: the connection is accepted</h1>"),
        "{sent}"
    );
}

#[tokio::test]
async fn approvers_answers_are_counted_without_strangers() {
    let world = panel().await;
    let metrics = world.gatekeeper(Function::Approvals).metrics();
    let well_formed = "ExampleExampleExampleExampleExampleExample0";
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let broken = || {
        let internal = dynamodb::Fault::InternalError;
        world.dynamodb.inject("*", internal, 100);
    };
    for token in ["", "x", "favicon.ico", well_formed] {
        assert_eq!(get(&world, token).await.status, 404);
        assert_eq!(post(&world, token, APPROVE).await.status, 404);
    }
    broken();
    assert_eq!(get(&world, "favicon.ico").await.status, 503);
    world.dynamodb.clear_faults();
    let alices = token(&world, "alice", 3);
    let elsewhere = [form[0], ("sec-fetch-site", "cross-site")];
    for odd in [
        request(Method::Post, &alices, &elsewhere, b""),
        request(Method::Other, &alices, &[], b""),
        request(Method::Post, &alices, &form, &[b'x'; 20_000]),
    ] {
        assert!(answer(&world, &odd).await.status >= 400);
    }
    assert_eq!(metrics.last("Answers"), None, "none of these is anybody's");

    let counted = |outcome| metrics.last_of("Answers", ("outcome", outcome));
    assert_eq!(get(&world, &alices).await.status, 200);
    assert_eq!((counted("served"), counted("failed")), (Some(1.0), None));
    broken();
    assert_eq!(get(&world, &alices).await.status, 503);
    world.dynamodb.clear_faults();
    assert_eq!(counted("failed"), Some(1.0));

    // A vote that is not recorded because EC2 does not answer has failed as well.
    let world = panel().await;
    let metrics = world.gatekeeper(Function::Approvals).metrics();
    let mute = Fault::new("DescribeVpcEndpointConnections", FaultKind::InternalError);
    world.ec2.inject(mute.always());
    assert_eq!(approve(&world, "alice", 3).await.status, 503);
    assert_eq!(metrics.last_of("Answers", ("outcome", "failed")), Some(1.0));
}
