//! The pages behind the links of approval e-mails, as approvers use them.

use std::sync::Arc;
use std::time::Duration;

use gatekeeper_aws::clock::Clock;
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::request::Status;
use gatekeeper_local::dynamodb::Fault;
use gatekeeper_local::world::{Options, World};
use gatekeeper_local::world_file::WorldFile;
use local_aws::{CallPhase, Delivery, FaultKind};
use tokio::sync::Notify;

use crate::browser::{Browser, MARK, NARROW, SMALL, WIDE};
use crate::webdriver::key::{DOWN, ENTER, TAB};

/// Account 000000000009 is Carol's own.
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

/// A customer chooses its own name: it may be markup, and long.
const NASTY: &str = "<img src=x onerror=alert(1)>WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW";

const QUESTION: &str = "May Example GmbH connect to Payments API?";
const ACCEPTED: &str = "Done: the connection is accepted";
const VOTE: &str = "form button";

/// [`WORLD`], where two of the three approvers must approve.
fn two_of_three() -> String {
    WORLD.replace("approvals_required: 1", "approvals_required: 2")
}

/// A world whose clock stands still until a test moves it.
async fn world_of(text: &str) -> World {
    let clock = Clock::manual("2026-11-20T12:00:00Z".parse().unwrap());
    let world = World::start(Options::new(clock)).await.unwrap();
    let file = WorldFile::parse(text).unwrap();
    file.put_into(&world).await.unwrap();
    world.reconcile().await;
    world
}

/// Runs a test with a world and a browser. Holds at the end that the browser logged no error.
async fn with_a_browser(text: &str, test: impl AsyncFnOnce(&World, &Browser)) {
    let Some(browser) = Browser::open().await else {
        return;
    };
    let world = world_of(text).await;
    test(&world, &browser).await;
    let mut complaints = browser.complaints().await;
    // The pages answer with these on purpose; the browser logs each as an error.
    let expected = [403, 404, 409, 410, 422, 503].map(|status| format!("status of {status}"));
    complaints.retain(|one| !expected.iter().any(|status| one.contains(status.as_str())));
    assert!(complaints.is_empty(), "{complaints:?}");
}

/// [`with_a_browser`], once with JavaScript and once without.
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

/// The last six characters of the endpoint's id, which an approver types.
fn end_of(n: u32) -> String {
    format!("{n:06x}")
}

/// The link in the last approval e-mail that an approver got about an endpoint.
fn link(world: &World, name: &str, n: u32) -> String {
    let emails = world.sns.inbox_of(&format!("{name}@example.com"));
    let about = |email: &&Delivery| email.message.contains(endpoint(n).as_str());
    let email = emails.iter().rfind(about).unwrap();
    let mut words = email.message.split_whitespace();
    words
        .find(|word| word.starts_with("http"))
        .unwrap()
        .to_owned()
}

async fn status(world: &World, n: u32) -> Status {
    world.request(&endpoint(n)).await.unwrap().unwrap().status
}

async fn voters(world: &World, n: u32) -> Vec<String> {
    let request = world.request(&endpoint(n)).await.unwrap().unwrap();
    let votes = request.votes.iter();
    votes.map(|vote| vote.approver.to_string()).collect()
}

/// The statuses of the history, in one line.
async fn path(world: &World, n: u32) -> String {
    let rows = world.history(&endpoint(n)).await.unwrap();
    let words: Vec<String> = rows.iter().map(|row| row.to.to_string()).collect();
    words.join(" > ")
}

impl Browser {
    async fn heading(&self) -> String {
        self.text_of("h1").await
    }

    /// Opens a link and fills in its form.
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

    /// Holds that everybody can read and use the page, on desktops and on phones.
    async fn assert_everybody_can_use_it(&self) {
        self.assert_everybody_can_read_it(&[WIDE, NARROW, SMALL])
            .await;
        if self.count("form, summary").await > 0 {
            self.assert_keyboard_reaches_everything().await;
        }
    }
}

#[tokio::test]
async fn an_approver_reads_the_request_approves_it_and_sees_the_outcome() {
    with_javascript_and_without(async |world, page| {
        let link = link(world, "alice", 3);
        for _ in 0..2 {
            page.goto(&link).await;
            assert_eq!(page.heading().await, QUESTION);
            assert_eq!(page.count(":checked").await, 0, "nothing is preselected");
            assert_eq!(page.value_of("#typed").await, "");
        }
        let text = page.text().await;
        for fact in [
            "alice@example.com",
            "000000000003",
            "vpce-00000000000000003",
            "us-east-1",
            "2026-11-20 12:00 UTC",
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
async fn a_rejection_needs_a_reason_and_a_form_with_an_error_keeps_its_fields() {
    with_javascript_and_without(async |world, page| {
        let link = link(world, "alice", 3);
        page.fill_in(&link, 3, "reject", "").await;
        page.click_through(VOTE).await;
        assert_eq!(page.count("[role=alert]").await, 1);
        let said = page.text_of("#reason-error").await;
        assert_eq!(said, "A rejection needs a reason: say why, in a few words.");
        assert_eq!(page.count("#choice-reject:checked").await, 1);
        assert_eq!(page.value_of("#typed").await, end_of(3));
        page.assert_focus_goes_to("reason").await;
        assert_eq!(status(world, 3).await, Status::InReview);

        // With a reason, and a typing error in the id.
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
async fn with_a_quorum_of_two_the_second_approval_decides() {
    with_a_browser(&two_of_three(), async |world, page| {
        page.approve(&link(world, "alice", 3), 3).await;
        let heading = page.heading().await;
        assert_eq!(heading, "Your vote counts: 1 more approval is needed");
        assert_eq!(page.text_of(".badge").await.trim(), "… In review");
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
async fn a_vote_after_the_deadline_decides_nothing_and_the_page_says_so() {
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
                .contains("It is rejected at 2026-11-20 14:00 UTC (in 2 hours)")
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
            "Already decided: the connection is rejected"
        );
    })
    .await;
}

#[tokio::test]
async fn a_double_click_is_one_vote_and_shows_no_error() {
    with_a_browser(WORLD, async |world, page| {
        page.fill_in(&link(world, "alice", 3), 3, "approve", "")
            .await;
        page.double_click_through(VOTE).await;
        // The browser shows the response to the second request. By then, the first may be done, under way,
        // or never sent.
        let heading = page.heading().await;
        let expected = ["Done: ", "Recorded: ", "You had voted before, "];
        assert!(
            expected.iter().any(|words| heading.starts_with(words)),
            "{heading}"
        );
        assert_eq!(page.count("form, [role=alert]").await, 0);
        // The browser hung up on the first request; reconcile finishes it as after a crash.
        world.clock.advance(Duration::from_secs(360));
        world.reconcile().await;
        assert_eq!(path(world, 3).await, "in_review > accepting > accepted");
        assert_eq!(voters(world, 3).await, ["alice@example.com"]);
    })
    .await;
}

#[tokio::test]
async fn pressing_again_during_a_slow_vote_says_that_the_vote_is_recorded() {
    with_a_browser(WORLD, async |world, page| {
        let called = Arc::new(Notify::new());
        let on_call = Arc::clone(&called);
        let accept = "AcceptVpcEndpointConnections";
        world
            .ec2
            .set_on_call(Some(Arc::new(move |action: &str, phase: CallPhase| {
                if action == accept && phase == CallPhase::Before {
                    on_call.notify_one();
                }
            })));
        let hangs = local_aws::Fault::new(accept, FaultKind::Hang);
        world.ec2.inject(hangs.always());
        let link = link(world, "alice", 3);
        page.fill_in(&link, 3, "approve", "").await;
        // The driver does nothing in a window that waits for a page, so a second window has it press.
        let press = "addEventListener('storage', () => document.querySelector('form button').click())";
        page.eval(&format!("{MARK}; {press}")).await;
        let [waiting, other] = page.second_window().await;
        page.goto(&link).await;
        page.eval("localStorage.setItem('press', 1)").await;
        called.notified().await;
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
async fn the_same_link_in_two_windows_is_one_vote_and_the_second_window_says_so() {
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
async fn the_later_of_two_approvers_reads_who_decided_and_when() {
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
            decision.contains("2026-11-20 12:00 UTC (3 minutes ago)"),
            "{decision}"
        );
        assert_eq!(voters(world, 3).await, ["alice@example.com"]);
        assert_eq!(status(world, 3).await, Status::Accepted);

        page.goto(&link(world, "carol", 3)).await;
        let heading = page.heading().await;
        assert_eq!(heading, "Already decided: the connection is accepted");
        assert_eq!(page.count("form").await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_approver_does_not_decide_about_their_own_account() {
    with_a_browser(WORLD, async |world, page| {
        let other = link(world, "carol", 3);
        let emails = world.sns.inbox_of("carol@example.com");
        assert!(
            !emails
                .iter()
                .any(|one| one.message.contains(endpoint(9).as_str())),
            "is not asked about it"
        );
        // While the form is open, somebody enters the account as Carol's own.
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
async fn an_unknown_link_shows_nothing_of_a_request() {
    with_a_browser(WORLD, async |world, page| {
        let good = link(world, "alice", 3);
        let (base, token) = good.rsplit_once('/').unwrap();
        let (cut, _) = token.split_at(20);
        for unknown in [cut, &"A".repeat(43), "%22%3E%3Cimg%20src=x%3E"] {
            page.goto(&format!("{base}/{unknown}")).await;
            assert_eq!(page.heading().await, "This link does not work");
            assert_eq!(page.count("form, img").await, 0);
            let text = page.text().await;
            assert!(
                !text.contains("Example GmbH"),
                "the page names the customer: {text}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn while_a_table_fails_the_page_says_so_and_trying_again_later_works() {
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
        // Trying again, as the page says: the browser sends the form again.
        page.reload().await;
        assert_eq!(page.heading().await, ACCEPTED);
        assert_eq!(voters(world, 3).await, ["alice@example.com"]);
    })
    .await;
}

#[tokio::test]
async fn an_approver_votes_by_keyboard() {
    with_a_browser(WORLD, async |world, page| {
        page.goto(&link(world, "alice", 3)).await;
        // The tab key leads to the history, the choice, the reason and the id; Enter sends the form.
        for _ in 0..10 {
            page.press(TAB).await;
            if page.focused().await == "choice-approve" {
                break;
            }
        }
        page.press(" ").await;
        page.press(DOWN).await;
        assert_eq!(page.count("#choice-reject:checked").await, 1);
        page.press(&format!("{TAB}not a customer{TAB}")).await;
        page.press(&end_of(3)).await;
        page.press_through(ENTER).await;
        assert_eq!(page.heading().await, "Done: the connection is rejected");
        assert!(page.text().await.contains("not a customer"));
        assert_eq!(status(world, 3).await, Status::Rejected);
    })
    .await;
}

#[tokio::test]
async fn everybody_can_read_and_use_every_page() {
    let text = two_of_three().replace("Example GmbH", NASTY);
    with_a_browser(&text, async |world, page| {
        let (alice, bob) = (link(world, "alice", 3), link(world, "bob", 3));
        page.goto(&alice).await;
        let question = page.heading().await;
        assert!(question.contains(NASTY), "{question}");
        page.assert_everybody_can_use_it().await;

        // A form with every error. With its validation on, the browser would not send it.
        page.eval("document.forms[0].noValidate = true").await;
        page.click_through(VOTE).await;
        assert_eq!(page.count(".error").await, 2);
        page.assert_everybody_can_use_it().await;
        page.fill_in(&alice, 3, "reject", "").await;
        page.click_through(VOTE).await;
        assert_eq!(page.count("#reason-error").await, 1);
        page.assert_everybody_can_use_it().await;

        page.fill_in(&alice, 3, "approve", &"W".repeat(900)).await;
        page.click_through(VOTE).await;
        let headings = [
            (&link(world, "carol", 3), "May "),
            (&bob, "May "),
            (&alice, "You have voted: 1 more approval is needed"),
        ];
        assert!(page.heading().await.starts_with("Your vote counts"));
        page.assert_everybody_can_use_it().await;
        for (link, heading) in headings {
            page.goto(link).await;
            assert!(page.heading().await.starts_with(heading), "{heading}");
            page.assert_everybody_can_use_it().await;
        }
        page.approve(&bob, 3).await;
        assert_eq!(page.heading().await, ACCEPTED);
        page.assert_everybody_can_use_it().await;
        page.goto(&link(world, "carol", 3)).await;
        assert!(page.heading().await.starts_with("Already decided"));
        page.assert_everybody_can_use_it().await;
        page.fill_in(&link(world, "alice", 9), 9, "reject", "no")
            .await;
        page.click_through(VOTE).await;
        assert_eq!(page.heading().await, "Done: the connection is rejected");
        page.assert_everybody_can_use_it().await;
        assert_eq!(page.count("img").await, 0, "a name stays a name");
    })
    .await;
}

#[tokio::test]
async fn the_link_that_approved_withdraws_the_approval() {
    for javascript in [true, false] {
        with_a_browser(&two_of_three(), async |world, page| {
            page.set_javascript(javascript).await;
            let alice = link(world, "alice", 3);
            page.approve(&alice, 3).await;
            assert!(page.heading().await.starts_with("Your vote counts"));
            // Back to the form, which offers only what this approver may still do.
            page.click_through("p > a").await;
            assert!(page.heading().await.starts_with("You have voted"));
            assert_eq!(page.count("#choice-approve").await, 0);
            assert_eq!(page.count("input:checked").await, 0);
            page.assert_everybody_can_use_it().await;
            page.click("#choice-withdraw").await;
            page.fill("#typed", &end_of(3)).await;
            page.click_through(VOTE).await;
            assert!(
                page.heading()
                    .await
                    .starts_with("Your approval is withdrawn")
            );
            page.assert_everybody_can_use_it().await;
            page.goto(&alice).await;
            assert!(
                page.heading()
                    .await
                    .starts_with("You withdrew your approval")
            );
            assert_eq!(page.count("input[type=radio]").await, 1);
            page.assert_everybody_can_use_it().await;
            page.fill_in(&alice, 3, "reject", "Not a customer.").await;
            page.click_through(VOTE).await;
            assert_eq!(page.heading().await, "Done: the connection is rejected");
            page.assert_everybody_can_use_it().await;
        })
        .await;
    }
}

#[tokio::test]
async fn a_program_that_presses_every_button_decides_nothing() {
    with_a_browser(WORLD, async |world, page| {
        let before = world.request(&endpoint(3)).await.unwrap();
        let link = link(world, "alice", 3);
        // As the page is, and as by a program that ignores `required`.
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
                    // Otherwise, the browser sends the form only when each required field is filled in.
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
