use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatekeeper_aws::gatekeeper::RequestDetails;
use gatekeeper_core::approver::Ineligible;
use gatekeeper_core::connection::{Connection, ConnectionState};
use gatekeeper_core::judge::{Decision, FailedCondition, Verdict};
use gatekeeper_core::request::{Actor, Cause, Ec2Answer, Request, Status, Transition};
use gatekeeper_core::vote::{Channel, Choice, Unrecorded, Vote};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::form::Faults;
use crate::review_state::headline;

const ALL: [ReviewState; 10] = [
    ReviewState::Decided,
    ReviewState::Waiting,
    ReviewState::Done,
    ReviewState::Recorded,
    ReviewState::Already,
    ReviewState::TooLate,
    ReviewState::Overtaken,
    ReviewState::Unmanaged,
    ReviewState::Ineligible(Ineligible::OwnAccount),
    ReviewState::Ineligible(Ineligible::OtherService),
];

const NOTICES: [Notice; 7] = [
    Notice::Invalid,
    Notice::Expired,
    Notice::Unavailable,
    Notice::Nowhere,
    Notice::Method,
    Notice::TooLarge,
    Notice::CrossSite,
];

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

fn opened(reason: &str) -> RequestDetails {
    let connection = Connection {
        service_id: "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap(),
        endpoint_id: "vpce-0123456789abcdef0".parse().unwrap(),
        owner: "012345678901".parse().unwrap(),
        region: "eu-central-1".parse().unwrap(),
        state: ConnectionState::PendingAcceptance,
        created_at: None,
    };
    let verdict = Verdict {
        decision: Decision::Review,
        rule: None,
        failed: vec![FailedCondition::MaxConnections { held: 1, max: 1 }],
        reason: reason.to_owned(),
    };
    let transition = Transition {
        from: None,
        to: Status::InReview,
        cause: Cause::Judged,
        at: ago(3),
        actor: Actor::Policy(None),
        reason: reason.to_owned(),
        ec2: None,
        votes: Vec::new(),
    };
    let mut request = Request::open(&connection, verdict, &transition).unwrap();
    request.service_name = Some("Payments API".parse().unwrap());
    request.customer = Some("Example GmbH".to_owned());
    request.notified = ["alice@example.com", "bob@example.com"]
        .map(|id| id.parse().unwrap())
        .into();
    (request.deciders, request.approvals_required) = (2, 2);
    request.deadline = Some(now() + SignedDuration::from_hours(45));
    request.deadline_rejects = true;
    RequestDetails {
        others: Vec::new(),
        request,
        history: vec![transition],
        approver: "alice@example.com".parse().unwrap(),
        given: 0,
        own: None,
        choices: Choice::after(None),
    }
}

fn voted(mut details: RequestDetails, who: &str, choice: Choice, reason: &str) -> RequestDetails {
    details.request.votes.push(Vote {
        approver: who.parse().unwrap(),
        choice,
        reason: reason.to_owned(),
        at: ago(1),
        channel: Channel::Email,
        void: false,
        taken_back: false,
    });
    details.given += u32::from(choice == Choice::Approve);
    if who == details.approver.as_str() {
        details.own = details.request.votes.last().cloned();
        details.choices = Choice::after(Some(choice));
    }
    details
}

/// Alice withdrew her approval.
fn withdrawn() -> RequestDetails {
    let mut details = voted(review(), "alice@example.com", Choice::Approve, "");
    details.request.votes[0].taken_back = true;
    details.given = 0;
    voted(details, "alice@example.com", Choice::Withdraw, "Too early.")
}

fn then(mut details: RequestDetails, to: Status, cause: Cause, reason: &str) -> RequestDetails {
    let request = &details.request;
    let transition = Transition {
        from: Some(request.status),
        to,
        cause,
        at: ago(0),
        actor: Actor::Approver("bob@example.com".to_owned()),
        reason: reason.to_owned(),
        ec2: (cause == Cause::Enforced).then(|| Ec2Answer {
            code: "ok".to_owned(),
            request_id: Some("59dbff89-35bd-4eac-99ed-be587EXAMPLE".to_owned()),
        }),
        votes: Vec::new(),
    };
    details.request = request.after(&transition).unwrap();
    details.history.push(transition);
    details
}

fn review() -> RequestDetails {
    opened(
        "Account 012345678901 (Example GmbH) is allowed on vpce-svc-0a1b2c3d4e5f60718 for 1 connection at most, and account 012345678901 already has 1.",
    )
}

fn decided(to: [Status; 2]) -> RequestDetails {
    let details = voted(review(), "alice@example.com", Choice::Approve, "");
    let details = voted(
        details,
        "bob@example.com",
        Choice::Approve,
        "Contract signed.",
    );
    let [first, last] = to;
    let details = then(
        details,
        first,
        Cause::Voted,
        "Approved by alice@example.com and bob@example.com (2 of 2 needed). bob@example.com: Contract signed.",
    );
    then(
        details,
        last,
        Cause::Enforced,
        "EC2 was asked to accept the connection and did.",
    )
}

/// The number of the pages below that have the form.
const FORMS: usize = 5;

/// Every page, with its name.
fn every() -> Vec<(String, Response)> {
    let faulty = Entered {
        faults: Faults {
            choice: Some("no choice"),
            reason: Some("no reason".to_owned()),
            typed: Some("not typed"),
            ..Faults::default()
        },
        ..Entered::default()
    };
    let damaged = Entered {
        faults: Faults {
            form: Some("damaged"),
            ..Faults::default()
        },
        ..Entered::default()
    };
    let mut pages = vec![
        (
            "open".to_owned(),
            form(&review(), &Entered::default(), now()),
        ),
        ("faulty".to_owned(), form(&review(), &faulty, now())),
        ("damaged".to_owned(), form(&review(), &damaged, now())),
    ];
    let approved = voted(review(), "alice@example.com", Choice::Approve, "");
    for (name, details) in [("approved", approved), ("withdrawn", withdrawn())] {
        let page = form(&details, &Entered::default(), now());
        pages.push((name.to_owned(), page));
    }
    let page = result(&ReviewState::Waiting, &withdrawn(), now());
    pages.push(("Waiting, withdrawn".to_owned(), page));
    for stands in ALL {
        let details = match stands {
            ReviewState::Done | ReviewState::Decided | ReviewState::TooLate => {
                decided([Status::Accepting, Status::Accepted])
            }
            ReviewState::Recorded => rejecting(),
            _ => voted(review(), "alice@example.com", Choice::Approve, ""),
        };
        let page = result(&stands, &details, now());
        pages.push((format!("{stands:?}"), page));
    }
    pages.extend(NOTICES.map(|it| (format!("{it:?}"), notice(it))));
    pages
}

/// The text between the first two of these.
fn between<'a>(html: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = html.split_once(before).unwrap();
    rest.split_once(after).unwrap().0
}

/// The tags that begin with this.
fn tags<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let open = format!("<{name}");
    let rest = html.split(open.as_str()).skip(1);
    rest.filter(|rest| rest.starts_with([' ', '>']))
        .map(|rest| rest.split_once('>').unwrap().0)
        .collect()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    let mut headers = response.headers.iter();
    &headers.find(|(known, _)| *known == name).unwrap().1
}

fn rejecting() -> RequestDetails {
    let details = voted(
        review(),
        "alice@example.com",
        Choice::Reject,
        "Not a customer.",
    );
    then(
        details,
        Status::Rejecting,
        Cause::Voted,
        "Rejected by alice@example.com. Not a customer.",
    )
}

#[test]
fn the_policy_lets_in_the_style_that_the_page_has_and_nothing_else() {
    for (name, page) in every() {
        let style = between(&page.body, "<style>", "</style>");
        let hash = STANDARD.encode(Sha256::digest(style));
        assert_eq!(
            header(&page, "content-security-policy"),
            format!(
                "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; \
                 frame-ancestors 'none'; base-uri 'none'"
            ),
            "{name}"
        );
        let html = page.body.to_ascii_lowercase();
        assert_eq!(tags(&html, "style").len(), 1, "{name}");
        for foreign in [
            "<script",
            "<link",
            "<img",
            "<iframe",
            "<base",
            " style=",
            " src=",
            " onclick",
            " onload",
            "javascript:",
            "http:",
            "https:",
            "url(",
            "@import",
        ] {
            assert!(!html.contains(foreign), "{name}: {foreign}");
        }
    }
}

#[test]
fn pages_are_whole_and_their_titles_tell_them_apart() {
    let mut titles = std::collections::BTreeMap::new();
    for (name, page) in every() {
        let html = &page.body;
        assert!(html.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
        assert_eq!(tags(html, "h1").len(), 1, "{name}");
        assert_eq!(header(&page, "content-type"), "text/html; charset=utf-8");
        let title = between(html, "<title>", "</title>").to_owned();
        if let Some(other) = titles.insert(title.clone(), name.clone()) {
            panic!("{name} and {other} are both called {title:?}");
        }
        for id in html.split(" id=\"").skip(1) {
            let id = id.split('"').next().unwrap();
            let again = format!(" id=\"{id}\"");
            assert_eq!(html.matches(&again).count(), 1, "{name}: {id}");
        }
        for reference in [
            "aria-describedby=\"",
            "aria-labelledby=\"",
            " for=\"",
            "href=\"#",
        ] {
            for ids in html.split(reference).skip(1) {
                for id in ids.split('"').next().unwrap().split(' ') {
                    assert!(html.contains(&format!(" id=\"{id}\"")), "{name}: {id}");
                }
            }
        }
    }
}

#[test]
fn the_form_decides_nothing_by_itself() {
    for (name, page) in every().into_iter().take(FORMS) {
        let html = &page.body;
        let inputs = tags(html, "input");
        let choices = if name == "withdrawn" { 1 } else { 2 };
        assert_eq!(
            inputs.len(),
            choices + 1,
            "{name}: choices and what is typed"
        );
        for input in inputs {
            assert!(!input.contains("checked"), "{name}: {input}");
            assert!(
                !input.contains("hidden") && !input.contains("def0"),
                "{input}"
            );
            assert!(input.contains(" required"), "{name}: {input}");
        }
        assert!(html.contains("name=\"typed\" id=\"typed\""));
        assert!(between(html, "name=\"typed\"", ">").contains("autocomplete=\"off\""));
        assert!(between(html, "name=\"typed\"", ">").contains("value=\"\""));
        assert!(!html.contains("datalist") && !html.contains("data-"));
        let shown = html.matches("vpce-0123456789a<mark>bcdef0</mark>").count();
        assert_eq!(shown, 2, "where it is read, and where it is typed");
        assert_eq!(html.matches("bcdef0").count(), shown, "and nowhere else");
        assert_eq!(
            tags(html, "form"),
            [" method=\"post\" accept-charset=\"utf-8\""]
        );
    }
    for (name, page) in every().into_iter().skip(FORMS) {
        assert!(tags(&page.body, "form").is_empty(), "{name}");
        assert!(tags(&page.body, "input").is_empty(), "{name}");
    }
}

#[test]
fn what_is_wrong_stands_at_its_field_and_what_was_written_stays() {
    let entered = Entered {
        choice: Some(Choice::Reject),
        reason: "</textarea>\n<b>".to_owned(),
        typed: "\"abc".to_owned(),
        of: None,
        faults: Faults {
            typed: Some("not the end"),
            ..Faults::default()
        },
    };
    let page = form(&review(), &entered, now());
    let html = &page.body;
    assert_eq!(page.status, 422);
    assert!(html.contains("<title>Not sent yet: May Example GmbH connect to Payments API?"));
    assert!(html.contains("<p class=\"error\" id=\"typed-error\">not the end</p>"));
    let typed = between(html, "id=\"typed\"", ">");
    assert!(typed.contains("aria-describedby=\"typed-error typed-hint\" aria-invalid=\"true\""));
    assert!(typed.contains("value=\"&#34;abc\""), "{typed}");
    assert!(between(html, "id=\"choice-reject\"", ">").contains(" checked"));
    assert!(!between(html, "id=\"choice-approve\"", ">").contains(" checked"));
    let reason = between(html, "<textarea", "</textarea>");
    assert!(
        reason.ends_with(">\n&#60;/textarea&#62;\n&#60;b&#62;"),
        "{reason}"
    );
    assert!(!reason.contains("aria-invalid"));
    let alert = between(html, "<div class=\"alert\" role=\"alert\">", "</div>");
    assert_eq!(tags(alert, "li").len(), 1, "{alert}");
    assert!(alert.contains("<a href=\"#typed\">not the end</a>"));
}

#[test]
fn an_approver_reads_all_that_matters() {
    let details = voted(review(), "bob@example.com", Choice::Approve, "They signed.");
    let html = form(&details, &Entered::default(), now()).body;
    for fact in [
        "May Example GmbH connect to Payments API?",
        "You decide as <strong>alice@example.com</strong>",
        "012345678901",
        "vpce-svc-0a1b2c3d4e5f60718",
        "eu-central-1",
        "<time datetime=\"2026-11-20T09:00:00Z\">2026-11-20 09:00 UTC</time>",
        "(3 hours ago)",
        "account 012345678901 already has 1.",
        "Other connections of the account: 1; allowed is 1",
        "It is rejected at <time datetime=\"2026-11-22T09:00:00Z\">2026-11-22 09:00 UTC",
        "1 of 2 needed; one rejection rejects",
        "<strong>bob@example.com</strong> approved by e-mail link",
        "They signed.",
        "it is connected at once",
        "<strong>in review</strong>",
    ] {
        assert!(html.contains(fact), "{fact}: {html}");
    }
    let mut details = review();
    details.request.customer = None;
    details.request.service_name = None;
    details.request.deadline_rejects = false;
    details.request.approvals_required = 3;
    let html = form(&details, &Entered::default(), now()).body;
    for fact in [
        "May account 012345678901 connect to vpce-svc-0a1b2c3d4e5f60718?",
        "not known",
        "It stays pending, and nothing is connected. It should be answered by",
        "it counts, and 2 other people must approve as well",
        "3 people must approve, and only 2 may decide",
    ] {
        assert!(html.contains(fact), "{fact}: {html}");
    }
    details.request.deadline = None;
    let html = form(&details, &Entered::default(), now()).body;
    assert!(html.contains("<dd>It stays pending, and nothing is connected.</dd>"));
}

#[test]
fn who_has_voted_reads_what_they_said_and_can_only_go_on_from_there() {
    let approved = voted(review(), "alice@example.com", Choice::Approve, "");
    let html = form(&approved, &Entered::default(), now()).body;
    for fact in [
        "<h1>You have voted: 1 more approval is needed</h1>",
        "You approved. Nothing is connected until enough people have approved. Until the review ends you can \
         withdraw your approval, or reject.",
        "<h2>Change your vote</h2>",
        "value=\"withdraw\" required",
        "you cannot approve this connection again in this review",
        "value=\"reject\" required",
    ] {
        assert!(html.contains(fact), "{fact}: {html}");
    }
    assert!(!html.contains("value=\"approve\""));

    let html = form(&withdrawn(), &Entered::default(), now()).body;
    for fact in [
        "<h1>You withdrew your approval: 2 more approvals are needed</h1>",
        "Until the review ends you can reject.",
        "<strong>alice@example.com</strong> approved by e-mail link",
        "<strong>and withdrew it</strong>",
        "<strong>alice@example.com</strong> withdrew their approval by e-mail link",
        "<p>Too early.</p>",
        "value=\"reject\" required",
    ] {
        assert!(html.contains(fact), "{fact}: {html}");
    }
    assert!(!html.contains("value=\"approve\"") && !html.contains("value=\"withdraw\""));

    // Right after the vote, the way back to the form is a link.
    for (details, lets) in [
        (&approved, "lets you withdraw your approval, or reject."),
        (&withdrawn(), "lets you reject."),
    ] {
        for stands in [ReviewState::Waiting, ReviewState::Already] {
            let html = result(&stands, details, now()).body;
            assert!(html.contains(lets), "{stands:?}: {html}");
            assert!(html.contains("<a href=\"\">Change your vote</a>"));
        }
    }
    let over = decided([Status::Accepting, Status::Accepted]);
    let html = result(&ReviewState::Already, &over, now()).body;
    assert!(html.contains("no vote can be withdrawn") && !html.contains("Change your vote"));
}

#[test]
fn who_voted_under_another_name_is_told_which() {
    let mut details = voted(review(), "alice@example.com", Choice::Approve, "");
    details.approver = "alice+oncall@example.com".parse().unwrap();
    let html = form(&details, &Entered::default(), now()).body;
    assert!(
        html.contains("You approved, as alice@example.com."),
        "{html}"
    );
}

#[test]
fn who_withdrew_is_not_counted_among_those_who_may_approve() {
    let html = form(&withdrawn(), &Entered::default(), now()).body;
    assert!(
        html.contains("2 people must approve, and only 1 may still approve"),
        "{html}"
    );
}

#[test]
fn a_decision_shows_who_made_it_when_and_what_ec2_answered() {
    let html = result(
        &ReviewState::TooLate,
        &decided([Status::Accepting, Status::Accepted]),
        now(),
    )
    .body;
    let decision = between(&html, "<h2 id=\"decision\">", "</section>");
    for fact in [
        "<dd>bob@example.com</dd>",
        "2026-11-20 12:00 UTC",
        "Approved by alice@example.com and bob@example.com (2 of 2 needed).",
        "ok (request id 59dbff89-35bd-4eac-99ed-be587EXAMPLE)",
    ] {
        assert!(decision.contains(fact), "{fact}: {decision}");
    }
    let html = result(&ReviewState::Recorded, &rejecting(), now()).body;
    assert!(html.contains("no answer yet; Gatekeeper asks again every few minutes"));
    assert!(html.contains("You rejected."));
    let html = result(&ReviewState::Waiting, &review(), now()).body;
    assert!(!html.contains("id=\"decision\""), "there is none yet");
}

#[test]
fn a_name_that_contradicts_who_decided_stands_beside_it_and_its_row() {
    let mut details = decided([Status::Accepting, Status::Accepted]);
    let mallory = gatekeeper_core::caller::Caller {
        call: gatekeeper_core::request::Enforcement::Accept,
        arn: "arn:aws:iam::111122223333:user/mallory".parse().unwrap(),
    };
    assert!(details.request.learn(&[mallory], now()).contradiction);
    let html = result(&ReviewState::TooLate, &details, now()).body;
    let names = "AWS CloudTrail also names arn:aws:iam::111122223333:user/mallory.";
    assert!(between(&html, "<h2 id=\"decision\">", "</section>").contains(names));
    let rows: Vec<&str> = html.split("<li><strong>").skip(1).collect();
    let with_names: Vec<&&str> = rows.iter().filter(|row| row.contains(names)).collect();
    // Not the review that opened, and not that EC2 then did it.
    assert_eq!(with_names.len(), 1, "{with_names:?}");
    assert!(with_names[0].starts_with("being accepted</strong>"));
    let without = decided([Status::Accepting, Status::Accepted]);
    assert!(
        !result(&ReviewState::TooLate, &without, now())
            .body
            .contains("also names")
    );
}

#[test]
fn a_failure_says_when_to_try_again() {
    let page = notice(Notice::Unavailable);
    assert_eq!((page.status, header(&page, "retry-after")), (503, "5"));
    assert!(page.body.contains("Trying again is safe"));
}

#[test]
fn a_form_that_was_not_recorded_comes_back_as_it_was_sent_and_says_why() {
    let unrecorded = |why| Entered {
        choice: Some(Choice::Reject),
        reason: "No contract.".to_owned(),
        typed: "bcdef0".to_owned(),
        of: None,
        faults: Faults {
            unrecorded: Some(why),
            ..Faults::default()
        },
    };
    let page = form(&review(), &unrecorded(Unrecorded::Silent), now());
    assert_eq!((page.status, header(&page, "retry-after")), (503, "5"));
    let html = &page.body;
    assert!(html.contains("<title>Not recorded: May Example GmbH connect to Payments API?"));
    let alert = between(html, "<div class=\"alert\" role=\"alert\">", "</div>");
    assert!(alert.contains("did not answer in time. Vote again in a moment."));
    assert!(between(html, "id=\"choice-reject\"", ">").contains(" checked"));
    assert!(html.contains("No contract.</textarea>") && html.contains("value=\"bcdef0\""));
    let (_, body) = html.split_once("</style>").unwrap();
    assert!(
        !body.contains("aria-invalid"),
        "nothing is wrong with the form"
    );
    let wrong = Unrecorded::Policy("the item <b> makes no sense".to_owned());
    let page = form(&review(), &unrecorded(wrong), now());
    assert_eq!(
        page.status, 409,
        "it is no failure of ours, and does not pass by itself"
    );
    assert!(page.body.contains("the item &#60;b&#62; makes no sense"));
}

/// A review that others ended.
fn ended(to: Status, cause: Cause) -> RequestDetails {
    let mut details = then(review(), to, cause, "EC2 shows it.");
    let actor = match cause {
        Cause::OutOfBand => Actor::Unknown,
        _ => Actor::Aws,
    };
    details.history[1].actor = actor.clone();
    details.request.decided_by = actor;
    details
}

#[test]
fn what_happened_without_gatekeeper_comes_first() {
    for (to, cause, happened) in [
        (
            Status::Accepted,
            Cause::OutOfBand,
            "Somebody else accepted it meanwhile",
        ),
        (
            Status::Rejected,
            Cause::OutOfBand,
            "Somebody else rejected it meanwhile",
        ),
        (
            Status::Gone,
            Cause::Ended,
            "The endpoint was deleted meanwhile, or failed or expired",
        ),
    ] {
        let details = ended(to, cause);
        let title = |stands: ReviewState| headline(&stands, &details);
        assert_eq!(title(ReviewState::Decided), happened);
        assert_eq!(
            title(ReviewState::TooLate),
            format!("{happened}, so your vote does not count")
        );
        assert_eq!(
            title(ReviewState::Overtaken),
            format!("{happened}, so your vote had no effect")
        );
        assert_eq!(
            title(ReviewState::Already),
            format!("{happened}, and you had voted before")
        );
    }
    // What was decided here is not somebody else's doing, though it was accepted on the console before.
    let accepted = ended(Status::Accepted, Cause::OutOfBand);
    let revoking = then(accepted, Status::Revoking, Cause::Revoked, "Denied.");
    assert_eq!(
        headline(&ReviewState::Decided, &revoking),
        "Already decided: the connection is accepted, and will be revoked"
    );
    let denied = decided([Status::Rejecting, Status::Rejected]);
    assert_eq!(
        headline(&ReviewState::Overtaken, &denied),
        "Your vote had no effect: the connection is rejected"
    );
}

proptest! {
    #[test]
    fn no_text_becomes_markup(text in "[<>&\"'a-z\\PC]{1,40}", status in 0..7_usize) {
        let marked = format!("<i {text}>");
        let mut details = opened(&marked);
        details.request.customer = Some(marked.clone());
        details.request.status = Status::ALL[status];
        let mut details = voted(details, "bob@example.com", Choice::Approve, &marked);
        details.history[0].actor = Actor::Iam(marked.clone());
        details.history[0].ec2 = Some(Ec2Answer { code: marked.clone(), request_id: Some(marked.clone()) });
        let entered = Entered {
            choice: None,
            reason: marked.clone(),
            typed: marked.clone(),
            of: None,
faults: Faults::default(),
        };
        prop_assert!(!form(&details, &entered, now()).body.contains("<i "));
        for stands in ALL {
            prop_assert!(!result(&stands, &details, now()).body.contains("<i "));
        }
    }

    #[test]
    fn no_page_holds_what_is_not_seen(
        text in "[a\n\r\t\u{0}\u{1b}\u{9b}\u{ad}\u{34f}\u{61c}\u{115f}\u{180e}\u{200b}-\u{200f}\u{2028}-\u{202e}\u{2060}-\u{206f}\u{3164}\u{fe0f}\u{feff}\u{ffa0}\u{e0001}\u{e0041}\u{e0100}é<&]{1,20}",
        status in 0..7_usize,
    ) {
        let mut details = opened(&text);
        details.request.customer = Some(text.clone());
        details.request.service_name = text.parse().ok();
        details.request.decided_by = Actor::Iam(text.clone());
        details.request.status = Status::ALL[status];
        let mut details = voted(details, "bob@example.com", Choice::Approve, &text);
        details.history[0].actor = Actor::Iam(text.clone());
        details.history[0].ec2 = Some(Ec2Answer { code: text.clone(), request_id: Some(text.clone()) });
        let unrecorded = [None, Some(Unrecorded::Policy(text.clone()))];
        for unrecorded in unrecorded {
            let entered = Entered {
                choice: None,
                reason: text.clone(),
                typed: text.clone(),
                of: None,
faults: Faults { unrecorded, ..Faults::default() },
            };
            let page = form(&details, &entered, now()).body;
            prop_assert_eq!(visible(&page), page.as_str());
        }
        for stands in ALL {
            let page = result(&stands, &details, now()).body;
            prop_assert_eq!(visible(&page), page.as_str());
        }
    }
}
