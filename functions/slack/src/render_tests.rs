use gatekeeper_core::acknowledgement::{Acknowledged, Acknowledgement, EndReason, Past};
use gatekeeper_core::evidence::Evidence;
use std::collections::BTreeMap;

use gatekeeper_core::ids::{EndpointId, ServiceId};
use gatekeeper_core::judge::{Decision, Verdict};
use gatekeeper_core::request::{Actor, Ec2Answer};
use gatekeeper_core::visible::visible;
use gatekeeper_core::vote::{Channel, Choice};
use gatekeeper_core::watch::Finding;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use gatekeeper_core::request::Cause;
use jiff::Timestamp;

fn at(minute: i64) -> Timestamp {
    // 2026-11-20T12:00:00Z
    Timestamp::from_second(1_795_176_000 + 60 * minute).unwrap()
}

fn request() -> Request {
    Request {
        endpoint_id: "vpce-0123456789abcdef0".parse().unwrap(),
        service_id: "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap(),
        account_id: "012345678901".parse().unwrap(),
        region: "eu-central-1".parse().unwrap(),
        status: Status::InReview,
        version: 1,
        revision: 1,
        verdict: Verdict {
            decision: Decision::Review,
            rule: None,
            failed: Vec::new(),
            reason: "No allowlist entry matches account 012345678901.".to_owned(),
        },
        decided_by: Actor::Policy(None),
        decided_in: 1,
        other_names: Default::default(),
        opened_at: at(0),
        status_since: at(0),
        claimed_until: None,
        service_name: Some("Payments API".parse().unwrap()),
        customer: Some("Example & Söhne <GmbH>".to_owned()),
        review: Some(1),
        notified: Default::default(),
        approval_emails_at: None,
        deciders: 3,
        approvals_required: 2,
        votes: Vec::new(),
        deadline: None,
        deadline_rejects: false,
        reminders: 0,
        reminded_at: None,
        due: None,
        past_policy: false,
        reported_at: None,
        retried_at: None,
        stays_rejected: None,
        out_of_reach_since: None,
        purged: None,
    }
}

fn vote(who: &str, reason: &str, minute: i64) -> Vote {
    Vote {
        approver: who.parse().unwrap(),
        choice: Choice::Approve,
        reason: reason.to_owned(),
        at: at(minute),
        channel: Channel::Slack,
        void: false,
        taken_back: false,
    }
}

fn transition(from: Option<Status>, to: Status, cause: Cause, actor: Actor) -> Transition {
    Transition {
        from,
        to,
        cause,
        at: at(9),
        actor,
        reason: format!("Because of {}.", cause.as_str()),
        ec2: None,
        votes: Vec::new(),
    }
}

fn opened() -> Transition {
    transition(None, Status::InReview, Cause::Judged, Actor::Policy(None))
}

fn alice() -> Actor {
    Actor::Approver("alice@example.com".to_owned())
}

fn answered(mut transition: Transition, code: &str) -> Transition {
    transition.ec2 = Some(Ec2Answer {
        code: code.to_owned(),
        request_id: Some("req-1".to_owned()),
    });
    transition
}

/// A message as Slack gets it.
fn json(message: &Message) -> Value {
    serde_json::to_value(message).unwrap()
}

/// All texts of a message's blocks, a line each, as people read them.
fn shown(message: &Message) -> String {
    fn walk(value: &Value, texts: &mut Vec<String>) {
        match value {
            Value::Object(object) => match object.get("text") {
                Some(Value::String(text)) => texts.push(text.clone()),
                _ => object.values().for_each(|value| walk(value, texts)),
            },
            Value::Array(array) => array.iter().for_each(|value| walk(value, texts)),
            _ => {}
        }
    }
    let mut texts = Vec::new();
    walk(&json(message)["blocks"], &mut texts);
    texts.join("\n")
}

fn buttons(message: &Message) -> Vec<Value> {
    let message = json(message);
    let blocks = message["blocks"].as_array().unwrap();
    let of = |block: &&Value| block["type"] == "actions";
    let actions = blocks.iter().filter(of);
    actions
        .flat_map(|block| block["elements"].as_array().unwrap().clone())
        .collect()
}

fn has(message: &Message, parts: &[&str]) {
    let shown = shown(message);
    for part in parts {
        assert!(shown.contains(part), "{part:?} is not in:\n{shown}");
    }
}

#[test]
fn a_review_says_all_that_it_takes_to_decide() {
    let mut request = request();
    request.votes = vec![vote("bob@example.com", "ticket <42>", 5)];
    let rendered = prompt(&request, &[opened()], 1);
    assert!(rendered.has_buttons && !rendered.is_over);
    has(
        &rendered.message,
        &[
            "Connection request: Payments API",
            "*Example &amp; Söhne &lt;GmbH&gt; (account 012345678901)* asks to connect, and somebody has to decide.",
            "*Service*\nPayments API\n`vpce-svc-0a1b2c3d4e5f60718`",
            "*Customer*\nExample &amp; Söhne &lt;GmbH&gt;",
            "*Account*\n`012345678901`",
            "*Region*\neu-central-1",
            "*Endpoint*\n`vpce-0123456789abcdef0`",
            "*Since*\n2026-11-20 12:00 UTC",
            "*Why a person*\nNo allowlist entry matches account 012345678901.",
            "*Approvals*\n1 of 2 needed: bob@example.com; one rejection rejects",
            "2026-11-20 12:05 UTC bob@example.com approved in Slack. ticket &lt;42&gt;",
            "*If nobody answers*\nIt stays pending until somebody decides.",
        ],
    );
    assert_eq!(
        json(&rendered.message)["text"],
        "Example &amp; Söhne &lt;GmbH&gt; (account 012345678901) asks to connect, and somebody has to \
         decide. Service: Payments API. Endpoint: vpce-0123456789abcdef0."
    );
}

#[test]
fn its_buttons_say_which_review_and_nothing_more() {
    let mut request = request();
    (request.review, request.version) = (Some(7), 7);
    let rendered = prompt(&request, &[], 7);
    let buttons = buttons(&rendered.message);
    let said: Vec<(&str, &str)> = buttons
        .iter()
        .map(|button| {
            let text = |name: &str| button[name].as_str().unwrap();
            (text("action_id"), text("value"))
        })
        .collect();
    assert_eq!(
        said,
        [
            ("approve", "vpce-0123456789abcdef0 7"),
            ("reject", "vpce-0123456789abcdef0 7")
        ]
    );
    let question = buttons[0]["confirm"]["text"]["text"].as_str().unwrap();
    assert!(question.starts_with("With enough approvals, this connects Example &amp; Söhne"));
    assert!(
        buttons[1].get("confirm").is_none(),
        "a modal asks for the reason"
    );
    assert_eq!(super::tests::buttons(&rendered.plain), Vec::<Value>::new());
    assert_eq!(
        buttons[1]["value"]
            .as_str()
            .unwrap()
            .parse::<Subject>()
            .unwrap()
            .review,
        7
    );
}

#[test]
fn it_says_what_happens_if_nobody_answers() {
    let mut request = request();
    for (deadline, rejects, said) in [
        (None, false, "It stays pending until somebody decides."),
        (
            Some(at(60)),
            false,
            "It should be answered by 2026-11-20 13:00 UTC, and stays pending after that.",
        ),
        (
            Some(at(60)),
            true,
            "It is rejected at 2026-11-20 13:00 UTC.",
        ),
    ] {
        (request.deadline, request.deadline_rejects) = (deadline, rejects);
        has(&prompt(&request, &[opened()], 1).message, &[said]);
        has(
            &reminder(&request),
            &["still waits for somebody to decide.", said],
        );
    }
}

#[test]
fn nobody_is_shown_buttons_that_nobody_may_press() {
    let mut request = request();
    request.deciders = 0;
    let rendered = prompt(&request, &[opened()], 1);
    assert!(!rendered.has_buttons && !rendered.is_over);
    assert_eq!(buttons(&rendered.message), Vec::<Value>::new());
    has(
        &rendered.message,
        &["asks to connect, and nobody may decide about it."],
    );
}

#[test]
fn a_service_and_a_customer_without_names_are_told_by_their_ids() {
    let mut request = request();
    request.service_name = None;
    for nothing in [None, Some(String::new()), Some(" \u{2003} ".to_owned())] {
        request.customer = nothing;
        has(
            &prompt(&request, &[opened()], 1).message,
            &[
                "Connection request: vpce-svc-0a1b2c3d4e5f60718",
                "*Account 012345678901* asks to connect",
                "*Customer*\nnot known",
            ],
        );
    }
}

#[test]
fn an_end_says_who_decided_what_when_why_and_what_ec2_did() {
    let mut voted = transition(
        Some(Status::InReview),
        Status::Accepting,
        Cause::Voted,
        alice(),
    );
    voted.votes = vec![
        vote("bob@example.com", "", 5),
        vote("alice@example.com", "ticket 42", 9),
    ];
    let done = transition(
        Some(Status::Accepting),
        Status::Accepted,
        Cause::Enforced,
        alice(),
    );
    let mut request = request();
    (request.status, request.version) = (Status::Accepted, 3);
    let history = [opened(), voted.clone(), answered(done, "ok")];
    let rendered = prompt(&request, &history, 1);
    assert!(rendered.is_over && !rendered.has_buttons);
    assert_eq!(buttons(&rendered.message), Vec::<Value>::new());
    has(
        &rendered.message,
        &[
            "Accepted: Payments API",
            "asked to connect and was accepted.",
            "*Decided by*\nalice@example.com",
            "*Decided at*\n2026-11-20 12:09 UTC",
            "*Why*\nBecause of voted.",
            "2026-11-20 12:05 UTC bob@example.com approved in Slack.",
            "2026-11-20 12:09 UTC alice@example.com approved in Slack. ticket 42",
            "*EC2*\nDone (request id req-1)",
        ],
    );
    // Before EC2 was asked, it says so, and is not the end.
    (request.status, request.version) = (Status::Accepting, 2);
    let rendered = prompt(&request, &history[..2], 1);
    assert!(!rendered.is_over && !rendered.has_buttons);
    has(
        &rendered.message,
        &[
            "Approved: Payments API",
            "asked to connect and will be accepted.",
            "It is being asked",
        ],
    );
}

#[test]
fn an_end_is_told_from_whichever_side_it_came() {
    use Status::{Accepted, Accepting, Gone, InReview, Rejected, Rejecting};
    let review = Some(InReview);
    let policy = || Actor::Policy(None);
    let iam = || Actor::Iam("arn:aws:iam::111122223333:user/carol".to_owned());
    let table: Vec<(Vec<Transition>, &str, &str, bool)> = vec![
        (
            vec![
                transition(review, Rejecting, Cause::Voted, alice()),
                answered(
                    transition(Some(Rejecting), Rejected, Cause::Enforced, alice()),
                    "ok",
                ),
            ],
            "Rejected: Payments API",
            "*Decided by*\nalice@example.com",
            true,
        ),
        (
            vec![
                transition(review, Accepting, Cause::Judged, policy()),
                answered(
                    transition(Some(Accepting), Accepted, Cause::Enforced, policy()),
                    "ok",
                ),
            ],
            "Accepted: Payments API",
            "*Decided by*\nthe service's settings",
            true,
        ),
        (
            vec![transition(
                review,
                Rejecting,
                Cause::Deadline,
                Actor::Schedule,
            )],
            "To be rejected: Payments API",
            "*Decided by*\nthe schedule",
            false,
        ),
        (
            vec![transition(review, Accepted, Cause::OutOfBand, iam())],
            "was accepted without Gatekeeper.",
            "*Decided by*\narn:aws:iam::111122223333:user/carol",
            true,
        ),
        (
            vec![transition(review, Gone, Cause::Ended, Actor::Aws)],
            "Endpoint gone: Payments API",
            "It was not asked: the endpoint is gone.",
            true,
        ),
        (
            // The policy came to another decision before EC2 was asked.
            vec![
                transition(review, Accepting, Cause::Voted, alice()),
                transition(Some(Accepting), Rejecting, Cause::Judged, policy()),
                answered(
                    transition(Some(Rejecting), Rejected, Cause::Enforced, policy()),
                    "ok",
                ),
            ],
            "Rejected: Payments API",
            "*Decided by*\nthe service's settings",
            true,
        ),
        (
            vec![
                transition(review, Accepting, Cause::Voted, alice()),
                transition(Some(Accepting), InReview, Cause::Judged, policy()),
            ],
            "To be decided anew: Payments API",
            "*Decided by*\nalice@example.com",
            true,
        ),
        (
            vec![
                transition(review, Accepting, Cause::Judged, policy()),
                answered(
                    transition(Some(Accepting), Rejected, Cause::Refused, policy()),
                    "InvalidState",
                ),
            ],
            "Allowed, and refused by EC2: Payments API",
            "*EC2*\nInvalidState (request id req-1)",
            true,
        ),
        (
            // What happens to it later is no matter of the review's.
            vec![
                transition(review, Accepted, Cause::OutOfBand, iam()),
                transition(Some(Accepted), Gone, Cause::Ended, Actor::Aws),
            ],
            "Accepted: Payments API",
            "*EC2*\nIt was not asked.",
            true,
        ),
        (
            vec![],
            "Review over: Payments API",
            "does not wait for an answer any more.",
            false,
        ),
    ];
    for (ending, title, said, is_over) in table {
        let mut request = request();
        request.status = ending.last().map_or(Gone, |last| last.to);
        request.version = 1 + u64::try_from(ending.len()).unwrap();
        if request.status == InReview {
            request.review = Some(request.version);
        }
        let history: Vec<Transition> = [opened()].into_iter().chain(ending).collect();
        let rendered = prompt(&request, &history, 1);
        has(&rendered.message, &[title, said]);
        assert_eq!(rendered.is_over, is_over, "{title}");
        assert!(!rendered.has_buttons, "{title}");
    }
}

#[test]
fn who_decided_without_gatekeeper_is_shown_once_it_is_known_and_who_contradicts_it() {
    let accepted = transition(
        Some(Status::InReview),
        Status::Accepted,
        Cause::OutOfBand,
        Actor::Unknown,
    );
    let history = [opened(), accepted];
    let mut request = request();
    (request.status, request.version) = (Status::Accepted, 2);
    (request.decided_by, request.decided_in) = (Actor::Unknown, 2);
    let rendered = prompt(&request, &history, 1);
    has(&rendered.message, &["*Decided by*\nsomebody else"]);
    assert!(!rendered.is_over, "who it was may be told later");

    let alice = "arn:aws:iam::111122223333:user/alice";
    request.decided_by = Actor::Iam(alice.to_owned());
    let rendered = prompt(&request, &history, 1);
    has(&rendered.message, &[&format!("*Decided by*\n{alice}")]);
    assert!(rendered.is_over && !shown(&rendered.message).contains("also names"));

    let mallory = gatekeeper_core::caller::Caller {
        call: gatekeeper_core::request::Enforcement::Accept,
        arn: "arn:aws:iam::111122223333:user/mallory".parse().unwrap(),
    };
    assert!(request.learn(&[mallory], at(10)).contradiction);
    let names = "AWS CloudTrail also names arn:aws:iam::111122223333:user/mallory.";
    has(&prompt(&request, &history, 1).message, &[names]);
    let mut announced = announced("decider_contradicted", "accepted");
    announced.decided_by = request.decided_by.clone();
    has(&notice(&announced, Some(&request)), &[alice, names]);
}

fn announced(kind: &str, status: &str) -> Announcement {
    serde_json::from_value(serde_json::json!({
        "schema": "privatelink-gatekeeper/announcement/1",
        "id": "vpce-0123456789abcdef0#00000004",
        "kind": kind, "at": "2026-11-20T12:30:00Z",
        "service_id": "vpce-svc-0a1b2c3d4e5f60718", "service_name": "Payments API",
        "customer": "Example GmbH", "endpoint_id": "vpce-0123456789abcdef0",
        "account_id": "012345678901", "region": "eu-central-1",
        "status": status, "previous_status": "accepted",
        "decided_by": {"kind": "unknown"},
        "verdict": {"decision": "review", "rule": null, "failed": [], "reason": "Nobody is listed."},
        "reason": "Nothing allows it.", "since": "2026-11-20T12:00:00Z",
        "due": "2026-11-21T12:30:00Z",
    }))
    .unwrap()
}

#[test]
fn what_is_told_once_says_what_happened_and_what_holds_meanwhile() {
    let started = announced("revocation_started", "revoking");
    let mut now = request();
    now.status = Status::Revoking;
    let message = notice(&started, Some(&now));
    has(
        &message,
        &[
            "*Example GmbH (account 012345678901)* is connected, is not allowed to be, and will be revoked.",
            "*At*\n2026-11-20 12:30 UTC",
            "*Revoked at*\n2026-11-21 12:30 UTC",
            "*Why*\nNothing allows it.",
            "have the allowlist allow it again before that moment",
        ],
    );
    assert!(!shown(&message).contains("Meanwhile"));
    assert_eq!(buttons(&message), Vec::<Value>::new());
    // It was announced late: by now it will not be revoked.
    (now.status, now.status_since) = (Status::Accepted, at(45));
    has(
        &notice(&started, Some(&now)),
        &["Meanwhile it is accepted, since 2026-11-20 12:45 UTC"],
    );
    assert!(!shown(&notice(&started, None)).contains("Meanwhile"));
}

#[test]
fn an_alarm_says_what_is_wrong_and_what_to_do() {
    let service: ServiceId = "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap();
    let finding = Finding::AcceptanceNotRequired;
    let started = Alarm::new(&service, finding, alarm::AlarmKind::AlarmStarted, at(0));
    has(
        &super::alarm(&started),
        &[
            "*Something is wrong with* `vpce-svc-0a1b2c3d4e5f60718`",
            "does not require acceptance",
            "*What to do*\nRequire acceptance",
            "At 2026-11-20 12:00 UTC",
        ],
    );
    let evidence = Evidence::of(["*", "arn:aws:iam::777788889999:root"].map(str::to_owned));
    let shown = Alarm::started(&service, Finding::AnyoneMayAsk, &evidence, at(0));
    has(
        &super::alarm(&shown),
        &["*Evidence*", "arn:aws:iam::777788889999:root"],
    );
    let over = Alarm::new(&service, finding, alarm::AlarmKind::AlarmEnded, at(0));
    has(&super::alarm(&over), &["*This is over, of*"]);
    let unmanaged = super::alarm(&Alarm::ended(
        &service,
        finding,
        alarm::Ending::Unmanaged,
        at(0),
    ));
    has(
        &unmanaged,
        &["does not look any more at", "may be so still"],
    );
}

#[test]
fn an_acknowledgement_is_shown_with_who_until_when_and_why_it_ended() {
    let service: ServiceId = "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap();
    let finding = Finding::AnyoneMayAsk;
    let mut acknowledged = Acknowledged {
        item: Acknowledgement {
            finding,
            service_id: service.clone(),
            evidence: ["*".to_owned()].into(),
            acknowledged_by: "alice <@U1>".to_owned(),
            until: at(3600),
            reason: Some("A test service".to_owned()),
        },
        since: at(0),
        ended: None,
    };
    let begun = super::alarm(&Alarm::acknowledged(&service, &acknowledged));
    has(
        &begun,
        &[
            "*This is acknowledged, of*",
            "A test service",
            "is silent until",
        ],
    );
    assert!(!json(&begun).to_string().contains("<@U1>"));
    acknowledged.ended = Some(EndReason::TimeUp);
    let past = Past {
        acknowledged,
        at: at(3600),
    };
    let evidence = Evidence::only("*");
    let ended = Alarm::acknowledgement_ended(&service, &past, Some(&evidence));
    has(
        &super::alarm(&ended),
        &[
            "not acknowledged any more",
            "Its time is up.",
            "counts as an alarm again",
        ],
    );
}

fn any_text() -> impl Strategy<Value = String> {
    let nasty = "(<!channel>|<@U1>|<https://example.com\\|x>|&lt;|`|\\*|\u{202e}|🦀|\n|\u{0}|\u{200b}|\u{ad}|\u{3164}|\u{2028}|\u{e0041}|\u{fe0f})";
    prop_oneof![
        "(?s).{0,40}",
        prop::collection::vec(nasty, 0..20).prop_map(|parts| parts.concat()),
        (nasty, 0..800_usize).prop_map(|(text, times)| text.repeat(times)),
    ]
}

/// Every text of a message, wherever it stands.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(array) => array.iter().flat_map(texts).collect(),
        Value::Object(object) => object.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// All of a message's own text, and what is not allowed in it.
fn check(message: &Message) -> Result<(), TestCaseError> {
    let message = json(message);
    let written = message.to_string();
    prop_assert!(!written.contains(['<', '>']));
    for text in texts(&message) {
        prop_assert_eq!(visible(text), text, "nothing is hidden");
    }
    prop_assert!(written.len() < 100_000);
    let blocks = message["blocks"].as_array().unwrap();
    prop_assert!((1..=50).contains(&blocks.len()));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_people_wrote_neither_mentions_nor_links_nor_hides_the_buttons(
        customer in any_text(), reason in any_text(), why in any_text(), voters in 0..40_usize,
    ) {
        let mut request = request();
        request.customer = Some(customer.clone());
        request.verdict.reason = reason.clone();
        request.votes = (0..voters).map(|_| vote("bob@example.com", &why, 1)).collect();
        let rendered = prompt(&request, &[opened()], 1);
        check(&rendered.message)?;
        check(&rendered.plain)?;
        prop_assert_eq!(buttons(&rendered.message).len(), 2);
        check(&reminder(&request))?;

        let mut ended = transition(
            Some(Status::InReview),
            Status::Rejected,
            Cause::OutOfBand,
            Actor::Iam(why.clone()),
        );
        ended.reason = reason.clone();
        ended.votes = request.votes.clone();
        request.status = Status::Rejected;
        let rendered = prompt(&request, &[opened(), answered(ended, &why)], 1);
        check(&rendered.message)?;
        prop_assert!(rendered.is_over);

        let mut announced = announced("revoked", "rejected");
        (announced.customer, announced.reason) = (Some(customer), reason);
        check(&notice(&announced, Some(&request)))?;
    }
}

/// Reviews of one account as one message shows them.
fn listed(count: usize) -> (Vec<(EndpointId, u64)>, BTreeMap<EndpointId, Request>) {
    let mut listed = Vec::new();
    let mut requests = BTreeMap::new();
    for n in 0..count {
        let endpoint_id: EndpointId = format!("vpce-{n:017x}").parse().unwrap();
        let one = Request {
            endpoint_id: endpoint_id.clone(),
            customer: Some("&".repeat(300)),
            deadline: Some(at(90)),
            deadline_rejects: true,
            ..request()
        };
        listed.push((endpoint_id.clone(), 1));
        requests.insert(endpoint_id, one);
    }
    (listed, requests)
}

#[test]
fn the_longest_message_of_several_shows_all_of_them_whatever_they_are() {
    let (listed, mut requests) = listed(LISTED_AT_MOST);
    let shown = |requests: &BTreeMap<EndpointId, Request>| {
        let rendered = several(&listed, requests).unwrap();
        let message = serde_json::to_value(&rendered.message).unwrap();
        assert!(message["blocks"].as_array().unwrap().len() <= 50);
        for (endpoint, _) in &listed {
            let text = message.to_string();
            assert!(
                text.contains(&format!("`{endpoint}` in eu-central-1")),
                "{text}"
            );
        }
        (rendered, message.to_string())
    };
    let (rendered, text) = shown(&requests);
    assert!(rendered.has_buttons && !rendered.is_over);
    assert_eq!(text.matches("\"accessory\"").count(), LISTED_AT_MOST);
    assert_eq!(text.matches("It is rejected at").count(), LISTED_AT_MOST);
    for one in requests.values_mut() {
        one.status = Status::Accepted;
        one.decided_by = Actor::Iam("&".repeat(300));
    }
    let (rendered, text) = shown(&requests);
    assert!(!rendered.has_buttons && rendered.is_over);
    assert_eq!(text.matches("accepted").count(), LISTED_AT_MOST);
}

#[test]
fn a_message_of_several_is_over_when_all_of_them_are() {
    let (listed, mut requests) = listed(3);
    let rendered = |requests: &BTreeMap<EndpointId, Request>| {
        let rendered = several(&listed, requests).unwrap();
        let text = serde_json::to_string(&rendered.message).unwrap();
        (rendered.is_over, rendered.has_buttons, text)
    };
    let mut ids = requests.keys().cloned().collect::<Vec<_>>().into_iter();
    let mut next = || ids.next().unwrap();
    let (one, other, last) = (next(), next(), next());
    let mut put = |id: &EndpointId, status, review, by: Actor| {
        let request = requests.get_mut(id).unwrap();
        (request.status, request.review, request.decided_by) = (status, Some(review), by);
        rendered(&requests)
    };
    let (is_over, _, text) = put(&one, Status::Accepted, 1, Actor::Unknown);
    assert!(
        !is_over && text.contains("2 of 3 connection requests"),
        "{text}"
    );
    // In another review by now: that has a message of its own.
    let (_, has_buttons, text) = put(&other, Status::InReview, 4, Actor::Policy(None));
    assert!(has_buttons && text.contains("asked about anew"), "{text}");
    let (is_over, has_buttons, _) = put(&last, Status::Rejecting, 1, Actor::Policy(None));
    assert!(!is_over && !has_buttons);
    let (is_over, ..) = put(&last, Status::Rejected, 1, Actor::Policy(None));
    assert!(!is_over, "who accepted the first is told later");
    let (is_over, ..) = put(&one, Status::Accepted, 1, Actor::Iam("eve".to_owned()));
    assert!(is_over);
    assert_eq!(several(&listed, &BTreeMap::new()), None);
}
