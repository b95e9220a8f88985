//! Approvers' links, as the people use them who get the letters.

use std::sync::Arc;
use std::time::Duration;

use fantoccini::key::Key;
use gatekeeper_aws::clock::Clock;
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::request::Status;
use gatekeeper_local::dynamodb::Fault;
use gatekeeper_local::world::{Options, World};
use gatekeeper_local::world_file::WorldFile;
use local_aws::{CallPhase, Delivery, FaultKind};
use tokio::sync::Notify;

use crate::browser::{Browser, LEAVES, NARROW, WIDE};

/// The account of 9 is Carol's own.
const WORLD: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
  - {endpoint_id: vpce-00000000000000009, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000009"}
policy:
  settings:
    - {service_id: "*", approvals_required: 1, name: Payments API}
  entries:
    - {service_id: "*", principal: "000000000003", effect: allow, expires_at: 2026-01-01T00:00:00Z, customer: Example GmbH}
  approvers:
    - {id: alice@example.com, services: ["*"]}
    - {id: bob@example.com, services: ["*"]}
    - {id: carol@example.com, services: ["*"], own_accounts: ["000000000009"]}
"#;

/// Customers choose their own names, and nobody keeps them short.
const NASTY: &str = "<img src=x onerror=alert(1)>WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW";

const QUESTION: &str = "May Example GmbH connect to Payments API?";
const ACCEPTED: &str = "Done: the connection is accepted";
const VOTE: &str = "form button";

/// Two of the three must approve.
fn two_of_three() -> String {
    WORLD.replace("approvals_required: 1", "approvals_required: 2")
}

/// A world that goes on only when it is told to.
async fn world_of(text: &str) -> World {
    let clock = Clock::manual("2026-11-20T12:00:00Z".parse().unwrap());
    let world = World::start(Options::new(clock)).await.unwrap();
    let file = WorldFile::parse(text).unwrap();
    file.put_into(&world).await.unwrap();
    world.reconcile().await;
    world
}

/// Has somebody look at a world with a browser, and holds at the end that the browser had nothing to
/// complain of.
async fn with_a_browser(text: &str, test: impl AsyncFnOnce(&World, &Browser)) {
    let Some(browser) = Browser::open().await else {
        return;
    };
    let world = world_of(text).await;
    test(&world, &browser).await;
    let mut complaints = browser.complaints().await;
    // That something is not possible is an answer like others, but not to browsers.
    let answers = [403, 404, 409, 410, 422, 503].map(|status| format!("status of {status}"));
    complaints.retain(|one| !answers.iter().any(|answer| one.contains(answer.as_str())));
    assert!(complaints.is_empty(), "{complaints:?}");
}

/// [`with_a_browser`] where pages run scripts, and where they run none.
async fn with_javascript_and_without(test: impl AsyncFn(&World, &Browser)) {
    for javascript in [true, false] {
        with_a_browser(WORLD, async |world, browser| {
            browser.set_javascript(javascript).await;
            test(world, browser).await;
        })
        .await;
    }
}

fn endpoint(n: u32) -> EndpointId {
    format!("vpce-{n:017x}").parse().unwrap()
}

/// What an approver types.
fn end_of(n: u32) -> String {
    format!("{n:06x}")
}

/// The link in the last letter that somebody got about an endpoint.
fn link(world: &World, name: &str, n: u32) -> String {
    let approval_emails = world.sns.inbox_of(&format!("{name}@example.com"));
    let about = |approval_email: &&Delivery| approval_email.message.contains(endpoint(n).as_str());
    let approval_email = approval_emails.iter().rfind(about).unwrap();
    let mut words = approval_email.message.split_whitespace();
    words
        .find(|word| word.starts_with("http"))
        .unwrap()
        .to_owned()
}

async fn status(world: &World, n: u32) -> Status {
    world.request(&endpoint(n)).await.unwrap().unwrap().status
}

/// Who voted.
async fn voters(world: &World, n: u32) -> Vec<String> {
    let request = world.request(&endpoint(n)).await.unwrap().unwrap();
    let votes = request.votes.iter();
    votes.map(|vote| vote.approver.to_string()).collect()
}

/// The history in one line.
async fn path(world: &World, n: u32) -> String {
    let rows = world.history(&endpoint(n)).await.unwrap();
    let words: Vec<String> = rows.iter().map(|row| row.to.to_string()).collect();
    words.join(" > ")
}

impl Browser {
    async fn heading(&self) -> String {
        self.text_of("h1").await
    }

    /// Opens somebody's link, and fills the form in.
    async fn fill_in(&self, link: &str, n: u32, choice: &str, reason: &str) {
        self.goto(link).await;
        self.click(&format!("#choice-{choice}")).await;
        self.fill("#reason", reason).await;
        self.fill("#typed", &end_of(n)).await;
    }

    async fn approve(&self, link: &str, n: u32) {
        self.fill_in(link, n, "approve", "").await;
        self.click_through(VOTE).await;
    }

    async fn focused(&self) -> String {
        let id = self.eval("return document.activeElement.id").await;
        id.as_str().unwrap_or_default().to_owned()
    }

    /// Holds what every page keeps, on a desk and on phones, in light and dark.
    async fn assert_anybody_can_use_it(&self) {
        for size in [WIDE, NARROW, (320, 640)] {
            self.resize(size).await;
            self.assert_nothing_sticks_out().await;
            for dark in [false, true] {
                self.set_dark(dark).await;
                self.assert_texts_can_be_read().await;
            }
        }
        self.assert_everything_has_a_name().await;
        if self.count("form, summary").await > 0 {
            self.assert_keyboard_reaches_everything().await;
        }
    }
}

#[tokio::test]
async fn an_approver_looks_approves_and_sees_what_came_of_it() {
    with_javascript_and_without(async |world, page| {
        let link = link(world, "alice", 3);
        for _ in 0..2 {
            page.goto(&link).await;
            assert_eq!(page.heading().await, QUESTION);
            assert_eq!(page.count(":checked").await, 0, "nobody chose for them");
            assert_eq!(page.value_of("#typed").await, "");
        }
        let text = page.text().await;
        for fact in [
            "alice@example.com",
            "000000000003",
            "vpce-00000000000000003",
            "us-east-1",
            "20 November 2026, 12:00 UTC",
            "bob@example.com, carol@example.com",
            "Nobody has voted yet",
        ] {
            assert!(text.contains(fact), "{fact}: {text}");
        }
        assert_eq!(status(world, 3).await, Status::InReview);

        page.approve(&link, 3).await;
        assert_eq!(page.heading().await, ACCEPTED);
        let text = page.text().await;
        assert!(
            text.contains("Example GmbH is connected to Payments API"),
            "{text}"
        );
        assert!(
            text.contains("alice@example.com approved by e-mail link"),
            "{text}"
        );
        assert_eq!(page.count("form").await, 0, "there is nothing left to do");
        assert_eq!(status(world, 3).await, Status::Accepted);

        page.goto(&link).await;
        assert_eq!(page.heading().await, "This link does not work");
        assert!(
            page.text()
                .await
                .contains("If you voted with it, your vote was recorded")
        );
    })
    .await;
}

#[tokio::test]
async fn a_rejection_needs_a_reason_and_nothing_has_to_be_filled_in_twice() {
    with_javascript_and_without(async |world, page| {
        let link = link(world, "alice", 3);
        page.fill_in(&link, 3, "reject", "").await;
        page.click_through(VOTE).await;
        assert_eq!(page.count("[role=alert]").await, 1);
        let said = page.text_of("#reason-error").await;
        assert_eq!(said, "A rejection needs a reason: say why, in a few words.");
        assert_eq!(page.count("#choice-reject:checked").await, 1);
        assert_eq!(page.value_of("#typed").await, end_of(3));
        page.assert_begins_at("reason").await;
        assert_eq!(status(world, 3).await, Status::InReview);

        // Now the reason is there, and a slip of the finger.
        page.fill("#reason", "No contract <yet> & no ticket").await;
        page.fill("#typed", "00000b").await;
        page.click_through(VOTE).await;
        let said = page.text_of("#typed-error").await;
        assert!(
            said.starts_with("That is not how this endpoint's id ends"),
            "{said}"
        );
        assert_eq!(page.value_of("#typed").await, "00000b");
        assert_eq!(
            page.value_of("#reason").await,
            "No contract <yet> & no ticket"
        );
        assert_eq!(status(world, 3).await, Status::InReview);

        page.fill("#typed", &end_of(3)).await;
        page.click_through(VOTE).await;
        assert_eq!(page.heading().await, "Done: the connection is rejected");
        let text = page.text().await;
        assert!(text.contains("No contract <yet> & no ticket"), "{text}");
        assert_eq!(status(world, 3).await, Status::Rejected);
    })
    .await;
}

#[tokio::test]
async fn of_two_who_must_approve_the_second_decides() {
    with_a_browser(&two_of_three(), async |world, page| {
        page.approve(&link(world, "alice", 3), 3).await;
        let heading = page.heading().await;
        assert_eq!(heading, "Your vote counts: 1 more approval is needed");
        assert_eq!(page.text_of(".mark").await.trim(), "… In review");
        assert_eq!(status(world, 3).await, Status::InReview);
        let text = page.text().await;
        assert!(
            text.contains("Nothing is connected until enough people have approved"),
            "{text}"
        );

        page.goto(&link(world, "bob", 3)).await;
        let text = page.text().await;
        assert!(text.contains("alice@example.com approved"), "{text}");
        assert!(
            text.contains("1 of 2 needed; one rejection rejects"),
            "{text}"
        );
        page.approve(&link(world, "bob", 3), 3).await;
        assert_eq!(page.heading().await, ACCEPTED);
        assert_eq!(status(world, 3).await, Status::Accepted);
        assert_eq!(
            voters(world, 3).await,
            ["alice@example.com", "bob@example.com"]
        );
    })
    .await;
}

#[tokio::test]
async fn a_vote_that_comes_after_the_deadline_is_told_so_and_decides_nothing() {
    let text = WORLD.replace(
        "approvals_required: 1",
        "review_hours: 2, on_deadline: reject",
    );
    with_a_browser(&text, async |world, page| {
        let link = link(world, "alice", 3);
        page.fill_in(&link, 3, "approve", "").await;
        assert!(
            page.text()
                .await
                .contains("It is rejected on 20 November 2026, 14:00 UTC (in 2 hours)")
        );
        world.clock.advance(Duration::from_secs(2 * 3600));
        page.click_through(VOTE).await;
        assert_eq!(page.heading().await, "This link has expired");
        page.goto(&link).await;
        assert_eq!(page.heading().await, "This link has expired");
        assert_eq!(status(world, 3).await, Status::InReview);
        assert!(voters(world, 3).await.is_empty());
        world.reconcile().await;
        assert_eq!(status(world, 3).await, Status::Rejected);
        page.goto(&link).await;
        assert_eq!(
            page.heading().await,
            "Decided already: the connection is rejected"
        );
    })
    .await;
}

#[tokio::test]
async fn a_double_click_is_one_vote_and_its_answer_is_calm() {
    with_a_browser(WORLD, async |world, page| {
        page.fill_in(&link(world, "alice", 3), 3, "approve", "")
            .await;
        page.double_click_through(VOTE).await;
        // The browser shows what came of the second; the first may be done by then, or under way, or
        // not even have been sent.
        let heading = page.heading().await;
        let calm = ["Done: ", "Recorded: ", "You had voted before, "];
        assert!(
            calm.iter().any(|words| heading.starts_with(words)),
            "{heading}"
        );
        assert_eq!(page.count("form, [role=alert]").await, 0);
        // Whatever a browser that hung up has left is finished like after a crash.
        world.clock.advance(Duration::from_secs(360));
        world.reconcile().await;
        assert_eq!(path(world, 3).await, "in_review > accepting > accepted");
        assert_eq!(voters(world, 3).await, ["alice@example.com"]);
    })
    .await;
}

#[tokio::test]
async fn whoever_presses_again_because_it_takes_long_is_told_that_they_have_voted() {
    with_a_browser(WORLD, async |world, page| {
        let asked = Arc::new(Notify::new());
        let hears = Arc::clone(&asked);
        let accept = "AcceptVpcEndpointConnections";
        world
            .ec2
            .set_on_call(Some(Arc::new(move |action: &str, phase: CallPhase| {
                if action == accept && phase == CallPhase::Before {
                    hears.notify_one();
                }
            })));
        let hangs = local_aws::Fault::new(accept, FaultKind::Hang);
        world.ec2.inject(hangs.always());
        let link = link(world, "alice", 3);
        page.fill_in(&link, 3, "approve", "").await;
        // The driver does nothing in a window that waits for a page, so another one does the pressing.
        let press = "addEventListener('storage', () => document.querySelector('form button').click())";
        page.eval(&format!("{LEAVES}; {press}")).await;
        let [waiting, other] = page.second_window().await;
        page.goto(&link).await;
        page.eval("localStorage.setItem('press', 1)").await;
        asked.notified().await;
        page.eval("localStorage.setItem('press', 2)").await;
        page.to_front(&waiting).await;
        page.arrive("the second press").await;
        let heading = page.heading().await;
        assert_eq!(
            heading,
            "You had voted before, and the connection is approved, and EC2 is being asked to accept it"
        );
        page.to_front(&other).await;
        world.ec2.clear_faults();
        world.clock.advance(Duration::from_secs(360));
        world.reconcile().await;
        assert_eq!(path(world, 3).await, "in_review > accepting > accepted");
        assert_eq!(voters(world, 3).await, ["alice@example.com"]);
    })
    .await;
}

#[tokio::test]
async fn the_same_link_in_two_windows_is_one_vote_and_the_second_is_told_of_it() {
    with_a_browser(WORLD, async |world, page| {
        let link = link(world, "alice", 3);
        page.fill_in(&link, 3, "approve", "").await;
        let [first, second] = page.second_window().await;
        page.fill_in(&link, 3, "reject", "Changed my mind").await;
        page.to_front(&first).await;
        page.click_through(VOTE).await;
        assert_eq!(page.heading().await, ACCEPTED);
        page.to_front(&second).await;
        page.click_through(VOTE).await;
        let heading = page.heading().await;
        assert_eq!(
            heading,
            "You had voted before, and the connection is accepted"
        );
        let text = page.text().await;
        assert!(
            text.contains("You approved. Voting again changes nothing."),
            "{text}"
        );
        assert!(!text.contains("Changed my mind"), "{text}");
        assert_eq!(path(world, 3).await, "in_review > accepting > accepted");
        assert_eq!(voters(world, 3).await, ["alice@example.com"]);
    })
    .await;
}

#[tokio::test]
async fn of_two_approvers_the_later_is_told_who_decided_and_when() {
    with_a_browser(WORLD, async |world, page| {
        page.fill_in(&link(world, "alice", 3), 3, "approve", "")
            .await;
        let [alice, bob] = page.second_window().await;
        page.fill_in(&link(world, "bob", 3), 3, "reject", "I do not know them")
            .await;
        page.to_front(&alice).await;
        page.click_through(VOTE).await;
        assert_eq!(page.heading().await, ACCEPTED);

        world.clock.advance(Duration::from_secs(180));
        page.to_front(&bob).await;
        page.click_through(VOTE).await;
        assert_eq!(page.heading().await, "Too late: the connection is accepted");
        let decision = page.text_of("section[aria-labelledby=decision]").await;
        assert!(decision.contains("alice@example.com"), "{decision}");
        assert!(
            decision.contains("20 November 2026, 12:00 UTC (3 minutes ago)"),
            "{decision}"
        );
        assert_eq!(voters(world, 3).await, ["alice@example.com"]);
        assert_eq!(status(world, 3).await, Status::Accepted);

        page.goto(&link(world, "carol", 3)).await;
        let heading = page.heading().await;
        assert_eq!(heading, "Decided already: the connection is accepted");
        assert_eq!(page.count("form").await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_approver_does_not_decide_about_their_own_account() {
    with_a_browser(WORLD, async |world, page| {
        let other = link(world, "carol", 3);
        let approval_emails = world.sns.inbox_of("carol@example.com");
        assert!(
            !approval_emails
                .iter()
                .any(|one| one.message.contains(endpoint(9).as_str())),
            "and is not asked"
        );
        // It turns out to be Carol's own while the form is open.
        page.fill_in(&other, 3, "approve", "").await;
        let own = WORLD.replace(
            r#"own_accounts: ["000000000009"]"#,
            r#"own_accounts: ["000000000003"]"#,
        );
        let own = own
            .split_once("  approvers:")
            .map(|(_, approvers)| approvers);
        let text = format!("services: []\npolicy:\n  approvers:{}", own.unwrap());
        let file = WorldFile::parse(&text).unwrap();
        file.put_into(world).await.unwrap();
        page.click_through(VOTE).await;
        for _ in 0..2 {
            let heading = page.heading().await;
            assert_eq!(heading, "You may not decide about your own account");
            assert!(
                page.text()
                    .await
                    .contains("Account 000000000003 is entered as your own")
            );
            assert_eq!(page.count("form").await, 0);
            page.goto(&other).await;
        }
        assert_eq!(status(world, 3).await, Status::InReview);
        assert!(voters(world, 3).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_link_that_nobody_was_sent_opens_nothing() {
    with_a_browser(WORLD, async |world, page| {
        let good = link(world, "alice", 3);
        let (base, token) = good.rsplit_once('/').unwrap();
        let (cut, _) = token.split_at(20);
        for unknown in [cut, &"A".repeat(43), "%22%3E%3Cimg%20src=x%3E"] {
            page.goto(&format!("{base}/{unknown}")).await;
            assert_eq!(page.heading().await, "This link does not work");
            assert_eq!(page.count("form, img").await, 0);
            let text = page.text().await;
            assert!(!text.contains("Example GmbH"), "it says nothing: {text}");
        }
    })
    .await;
}

#[tokio::test]
async fn while_a_table_does_not_answer_the_page_says_so_and_trying_again_is_all_it_takes() {
    with_a_browser(WORLD, async |world, page| {
        let link = link(world, "alice", 3);
        world.dynamodb.inject("*", Fault::InternalError, 1000);
        page.goto(&link).await;
        assert_eq!(page.heading().await, "Not possible right now");
        world.dynamodb.clear_faults();
        page.reload().await;
        assert_eq!(page.heading().await, QUESTION);

        page.fill_in(&link, 3, "approve", "").await;
        world.dynamodb.inject("*", Fault::InternalError, 1000);
        page.click_through(VOTE).await;
        assert_eq!(page.heading().await, "Not possible right now");
        assert!(
            page.text()
                .await
                .contains("Trying again is safe: a vote counts once")
        );
        world.dynamodb.clear_faults();
        assert_eq!(status(world, 3).await, Status::InReview);
        // As the page says: the browser sends the form again.
        page.reload().await;
        assert_eq!(page.heading().await, ACCEPTED);
        assert_eq!(voters(world, 3).await, ["alice@example.com"]);
    })
    .await;
}

#[tokio::test]
async fn an_approver_without_a_mouse_votes() {
    with_a_browser(WORLD, async |world, page| {
        page.goto(&link(world, "alice", 3)).await;
        // From the top: the history, the choice, the reason, the id, and from there one can send it.
        for _ in 0..10 {
            page.press(&Key::Tab).await;
            if page.focused().await == "choice-approve" {
                break;
            }
        }
        page.press(" ").await;
        page.press(&Key::Down).await;
        assert_eq!(page.count("#choice-reject:checked").await, 1);
        page.press(&format!("{}not a customer{}", &Key::Tab, &Key::Tab))
            .await;
        page.press(&end_of(3)).await;
        page.press_through(&Key::Enter).await;
        assert_eq!(page.heading().await, "Done: the connection is rejected");
        assert!(page.text().await.contains("not a customer"));
        assert_eq!(status(world, 3).await, Status::Rejected);
    })
    .await;
}

#[tokio::test]
async fn every_page_can_be_read_and_used_by_anybody_anywhere() {
    let text = two_of_three().replace("Example GmbH", NASTY);
    with_a_browser(&text, async |world, page| {
        let (alice, bob) = (link(world, "alice", 3), link(world, "bob", 3));
        page.goto(&alice).await;
        let question = page.heading().await;
        assert!(question.contains(NASTY), "{question}");
        page.assert_anybody_can_use_it().await;

        // A form with everything wrong in it; the browser itself would not send it.
        page.eval("document.forms[0].noValidate = true").await;
        page.click_through(VOTE).await;
        assert_eq!(page.count(".error").await, 2);
        page.assert_anybody_can_use_it().await;
        page.fill_in(&alice, 3, "reject", "").await;
        page.click_through(VOTE).await;
        assert_eq!(page.count("#reason-error").await, 1);
        page.assert_anybody_can_use_it().await;

        page.fill_in(&alice, 3, "approve", &"W".repeat(900)).await;
        page.click_through(VOTE).await;
        let headings = [
            (&link(world, "carol", 3), "May "),
            (&bob, "May "),
            (&alice, "You have voted: 1 more approval is needed"),
        ];
        assert!(page.heading().await.starts_with("Your vote counts"));
        page.assert_anybody_can_use_it().await;
        for (link, heading) in headings {
            page.goto(link).await;
            assert!(page.heading().await.starts_with(heading), "{heading}");
            page.assert_anybody_can_use_it().await;
        }
        page.approve(&bob, 3).await;
        assert_eq!(page.heading().await, ACCEPTED);
        page.assert_anybody_can_use_it().await;
        page.goto(&link(world, "carol", 3)).await;
        assert!(page.heading().await.starts_with("Decided already"));
        page.assert_anybody_can_use_it().await;
        page.fill_in(&link(world, "alice", 9), 9, "reject", "no")
            .await;
        page.click_through(VOTE).await;
        assert_eq!(page.heading().await, "Done: the connection is rejected");
        page.assert_anybody_can_use_it().await;
        assert_eq!(page.count("img").await, 0, "a name stays a name");
    })
    .await;
}

#[tokio::test]
async fn an_approval_is_taken_back_by_the_link_that_gave_it() {
    for javascript in [true, false] {
        with_a_browser(&two_of_three(), async |world, page| {
            page.set_javascript(javascript).await;
            let alice = link(world, "alice", 3);
            page.approve(&alice, 3).await;
            assert!(page.heading().await.starts_with("Your vote counts"));
            // Back to the form, where only what may still be said is offered.
            page.click_through("p > a").await;
            assert!(page.heading().await.starts_with("You have voted"));
            assert_eq!(page.count("#choice-approve").await, 0);
            assert_eq!(page.count("input:checked").await, 0);
            page.assert_anybody_can_use_it().await;
            page.click("#choice-withdraw").await;
            page.fill("#typed", &end_of(3)).await;
            page.click_through(VOTE).await;
            assert!(
                page.heading()
                    .await
                    .starts_with("Your approval is withdrawn")
            );
            page.assert_anybody_can_use_it().await;
            page.goto(&alice).await;
            assert!(
                page.heading()
                    .await
                    .starts_with("You withdrew your approval")
            );
            assert_eq!(page.count("input[type=radio]").await, 1);
            page.assert_anybody_can_use_it().await;
            page.fill_in(&alice, 3, "reject", "Not a customer.").await;
            page.click_through(VOTE).await;
            assert_eq!(page.heading().await, "Done: the connection is rejected");
            page.assert_anybody_can_use_it().await;
        })
        .await;
    }
}

#[tokio::test]
async fn a_program_that_presses_every_button_in_a_browser_decides_nothing() {
    with_a_browser(WORLD, async |world, page| {
        let before = world.request(&endpoint(3)).await.unwrap();
        let link = link(world, "alice", 3);
        // As the page is, and as by programs that take no "required" for an answer.
        for forced in [false, true] {
            for choice in [None, Some("approve"), Some("reject")] {
                for text in [None, Some("test"), Some(link.as_str())] {
                    page.goto(&link).await;
                    if let Some(choice) = choice {
                        page.click(&format!("#choice-{choice}")).await;
                    }
                    if let Some(text) = text {
                        page.fill("#reason", text).await;
                        page.fill("#typed", text).await;
                    }
                    if forced {
                        page.eval("document.forms[0].noValidate = true").await;
                    }
                    let buttons = page.count("button, input[type=submit], summary").await;
                    assert_eq!(buttons, 2, "the history's and the form's");
                    page.click("summary").await;
                    // Unforced, the browser sends only what is filled in all over.
                    if forced || choice.is_some() && text.is_some() {
                        page.click_through(VOTE).await;
                        assert_eq!(page.count("[role=alert]").await, 1);
                    } else {
                        page.click(VOTE).await;
                    }
                    assert_eq!(page.heading().await, QUESTION);
                }
            }
        }
        assert_eq!(world.request(&endpoint(3)).await.unwrap(), before);
        page.approve(&link, 3).await;
        assert_eq!(page.heading().await, ACCEPTED);
    })
    .await;
}
