//! People decide in Slack: what pressing a button does, and which requests are refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gatekeeper_approvals::handler::Handler;
use gatekeeper_approvals::http::{Method, Request, Response};
use gatekeeper_aws::clients::Timeouts;
use gatekeeper_aws::clock::{Clock, Deadline};
use gatekeeper_core::request::{Actor, Status};
use gatekeeper_local::dynamodb;
use gatekeeper_local::function::Function;
use local_aws::{Fault, FaultKind, Interaction, NewService, State};
use serde_json::json;

use crate::slack::{CHANNEL, TOKEN, Workspace, secret};
use crate::support::*;

/// The account of 9 is Bob's own; Mallory is nobody.
const PANEL: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000009"}
policy:
  settings:
    - {service_id: "*", name: Payments <API>}
  entries:
    - {service_id: "*", principal: "000000000009", effect: allow, expires_at: 2026-01-01T00:00:00Z, customer: "<!channel> & <https://example.com|Example>"}
  approvers:
    - {id: alice@example.com, services: ["*"], slack_user_id: U0ALICE}
    - {id: bob@example.com, services: ["*"], slack_user_id: U0BOB, own_accounts: ["000000000009"]}
    - {id: carol@example.com, services: ["*"], slack_user_id: U0CAROL}
"#;

/// A workspace whose buttons work.
struct App {
    space: Workspace,
    handler: Handler,
    /// The prompt that asks about the endpoint 3.
    prompt: String,
}

impl App {
    async fn new() -> Self {
        Self::of(PANEL).await
    }

    /// With two approvals needed.
    async fn quorum() -> Self {
        let two = "approvals_required: 2, name: Payments";
        Self::of(&PANEL.replace("name: Payments", two)).await
    }

    async fn of(text: &str) -> Self {
        Self::at(Workspace::of(text).await).await
    }

    async fn at(mut space: Workspace) -> Self {
        space.world.reconcile().await;
        assert_eq!(space.deliver().await, [""; 0]);
        Self {
            handler: handler(&space),
            prompt: space.only_message().ts,
            space,
        }
    }

    /// Gives the function a request of Slack, and Slack the answer.
    async fn take(&self, sent: &Interaction) -> Response {
        let answer = self.post(&sent.headers, &sent.body).await;
        let body = answer.body.as_bytes();
        let took = Duration::from_millis(1);
        self.space.slack.answered(sent, answer.status, body, took);
        answer
    }

    async fn post(&self, headers: &[(String, String)], body: &[u8]) -> Response {
        let request = Request {
            method: Method::Post,
            path: "/slack/interactions".to_owned(),
            headers: headers.to_vec(),
            body: body.to_vec(),
            caller: None,
        };
        let deadline = Deadline::after(&self.space.world.clock, Duration::from_secs(15));
        let response = self.handler.handle(&request, deadline).await;
        self.space.world.announce().await.unwrap();
        response
    }

    /// Somebody's press on a button, before Slack has sent it.
    fn pressed(&self, user: &str, button: &str) -> Interaction {
        let slack = &self.space.slack;
        slack
            .press_stale(user, CHANNEL, &self.prompt, button)
            .unwrap()
    }

    /// Somebody presses a button. Answers the message to them, if any.
    async fn press(&self, user: &str, button: &str) -> Option<String> {
        let errors = self.space.slack.errors_shown(user).len();
        let before = self.announced(user).len();
        let answer = self.take(&self.pressed(user, button)).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
        assert_eq!(self.space.slack.errors_shown(user).len(), errors);
        self.announced(user).split_off(before).pop()
    }

    /// Somebody presses a button of the last message that only they see.
    async fn press_own(&self, user: &str, button: &str) -> Option<String> {
        let slack = &self.space.slack;
        let announced = slack.ephemerals(CHANNEL, user).pop().unwrap();
        let pressed = slack.press(user, CHANNEL, &announced.ts, button).unwrap();
        let before = self.announced(user).len();
        assert_eq!(self.take(&pressed).await.status, 200);
        self.announced(user).split_off(before).pop()
    }

    /// The messages in the channel that only this person sees.
    fn announced(&self, user: &str) -> Vec<String> {
        let shown = self.space.slack.ephemerals(CHANNEL, user).into_iter();
        shown.map(|shown| shown.content.shown()).collect()
    }

    /// Somebody presses Reject…; the id of the modal that opens.
    async fn ask_to_reject(&self, user: &str) -> String {
        assert_eq!(self.press(user, "reject").await, None);
        self.modal(user).0
    }

    /// The modal that somebody has open: its id, its content, and its error.
    fn modal(&self, user: &str) -> (String, String, Option<String>) {
        let view = self.space.slack.views(user).pop().unwrap();
        let error = view.errors.get("reason").cloned();
        (view.id.clone(), view.shown(), error)
    }

    /// Somebody submits a modal with a reason.
    async fn send_in(&self, user: &str, modal: &str, reason: &str) -> Response {
        let sent = self
            .space
            .slack
            .submit_view(user, modal, &[("reason", reason)]);
        self.take(&sent.unwrap()).await
    }

    async fn status(&self) -> Option<Status> {
        status(&self.space.world, 3).await
    }
}

fn handler(space: &Workspace) -> Handler {
    let slack = space.local.interactivity();
    Handler::new(
        Arc::clone(space.world.gatekeeper(Function::Approvals)),
        Some(slack),
    )
}

#[tokio::test]
async fn a_press_approves_and_the_result_is_shown_to_the_voter() {
    let mut app = App::new().await;
    let announced = app.press("U0ALICE", "approve").await.unwrap();
    assert!(
        announced.contains("*Done: the connection is accepted*"),
        "{announced}"
    );
    assert!(
        announced
            .contains("&lt;!channel&gt; &amp; &lt;https://example.com|Example&gt; is connected")
    );
    assert_eq!(app.status().await, Some(Status::Accepted));
    let rows = history(&app.space.world, 3).await;
    assert_eq!(
        rows[1].actor,
        Actor::Approver("alice@example.com".to_owned())
    );
    app.space.deliver().await;
    let shown = app.space.only_message();
    assert!(
        shown.shown().contains("Accepted: Payments"),
        "{}",
        shown.shown()
    );
    app.space.assert_quiet();
}

#[tokio::test]
async fn each_voter_sees_how_many_more_approvals_are_needed_and_counts_once() {
    let app = App::quorum().await;
    let announced = app.press("U0ALICE", "approve").await.unwrap();
    assert!(
        announced.contains("*Your vote counts: 1 more approval is needed*"),
        "{announced}"
    );
    // The same press again, as when Slack did not get the answer; and another one.
    let again = app.press("U0ALICE", "approve").await.unwrap();
    assert!(
        again.contains("*You had voted before: 1 more approval is needed*"),
        "{again}"
    );
    assert_eq!(app.status().await, Some(Status::InReview));
    let announced = app.press("U0CAROL", "approve").await.unwrap();
    assert!(
        announced.contains("*Done: the connection is accepted*"),
        "{announced}"
    );
}

#[tokio::test]
async fn an_approver_withdraws_or_rejects_by_buttons_that_only_they_see() {
    let mut app = App::quorum().await;
    app.press("U0ALICE", "approve").await.unwrap();
    let announced = app.press_own("U0ALICE", "withdraw").await.unwrap();
    assert!(
        announced.contains("*Your approval is withdrawn: 2 more approvals are needed*"),
        "{announced}"
    );
    // Alice presses twice, and approves again.
    for button in ["approve", "approve"] {
        let announced = app.press("U0ALICE", button).await.unwrap();
        assert!(
            announced.contains("Nobody can approve twice in one review"),
            "{announced}"
        );
    }
    let last = app
        .space
        .slack
        .ephemerals(CHANNEL, "U0ALICE")
        .pop()
        .unwrap();
    let nothing_left = app
        .space
        .slack
        .press("U0ALICE", CHANNEL, &last.ts, "withdraw");
    assert!(nothing_left.is_err(), "what cannot be done has no button");
    // Everybody reads it in the review's message.
    app.space.deliver().await;
    let shown = app.space.slack.messages(CHANNEL).remove(0).shown();
    assert!(
        shown.contains("0 of 2 needed; only 1 may still approve"),
        "{shown}"
    );
    assert!(
        shown.contains("alice@example.com withdrew their approval in Slack."),
        "{shown}"
    );
    // Two approvals by one person do not count twice.
    let announced = app.press("U0CAROL", "approve").await.unwrap();
    assert!(
        announced.contains("1 more approval is needed"),
        "{announced}"
    );

    assert_eq!(app.press_own("U0ALICE", "reject").await, None);
    let modal = app.modal("U0ALICE").0;
    app.send_in("U0ALICE", &modal, "Not a customer.").await;
    assert_eq!(app.status().await, Some(Status::Rejected));
    let rows = history(&app.space.world, 3).await;
    let said: Vec<&str> = rows[1]
        .votes
        .iter()
        .map(|vote| vote.choice.as_str())
        .collect();
    assert_eq!(said, ["approve", "withdraw", "approve", "reject"]);
    assert_eq!(app.space.slack.errors_shown("U0ALICE"), []);
    app.space.assert_quiet();
}

#[tokio::test]
async fn a_rejection_from_the_channel_counts_though_they_had_approved() {
    let app = App::quorum().await;
    app.press("U0ALICE", "approve").await.unwrap();
    let modal = app.ask_to_reject("U0ALICE").await;
    app.send_in("U0ALICE", &modal, "Not a customer.").await;
    assert_eq!(app.status().await, Some(Status::Rejected));
}

#[tokio::test]
async fn a_press_that_comes_twice_is_one_vote() {
    let app = App::quorum().await;
    let press = app.pressed("U0ALICE", "approve");
    for _ in 0..3 {
        assert_eq!(app.take(&press).await.status, 200);
    }
    let votes = request(&app.space.world, 3).await.unwrap().votes;
    assert_eq!(votes.len(), 1);
    assert_eq!(
        announcements_of(&app.space.world, 3),
        ["review_opened", "vote_cast"]
    );
}

#[tokio::test]
async fn a_rejection_asks_for_its_reason_first() {
    let app = App::new().await;
    let modal = app.ask_to_reject("U0ALICE").await;
    let (_, shown, _) = app.modal("U0ALICE");
    assert!(shown.contains("May &lt;!channel&gt; &amp;"), "{shown}");
    assert!(shown.contains("`vpce-00000000000000003`"), "{shown}");
    assert_eq!(
        app.status().await,
        Some(Status::InReview),
        "opening it decides nothing"
    );

    let answer = app.send_in("U0ALICE", &modal, "  \n ").await;
    assert_eq!(answer.status, 200);
    let (_, _, error) = app.modal("U0ALICE");
    assert_eq!(
        error.as_deref(),
        Some("A rejection needs a reason: say why, in a few words.")
    );
    assert_eq!(app.status().await, Some(Status::InReview));

    app.send_in("U0ALICE", &modal, "<!here> Not a\ncustomer.")
        .await;
    let (_, shown, _) = app.modal("U0ALICE");
    assert!(
        shown.contains("Done: the connection is rejected"),
        "{shown}"
    );
    assert_eq!(state(&app.space.world, 3), Some(State::Rejected));
    let rows = history(&app.space.world, 3).await;
    assert_eq!(
        rows[1].reason,
        "Rejected by alice@example.com. <!here> Not a customer."
    );
    assert_eq!(app.space.slack.errors_shown("U0ALICE"), []);
    app.space.assert_quiet();
}

#[tokio::test]
async fn people_who_may_not_decide_see_the_reason_and_decide_nothing() {
    let app = App::new().await;
    for button in ["approve", "reject"] {
        let announced = app.press("U0MALLORY", button).await.unwrap();
        assert!(
            announced.contains("*You are not an approver*"),
            "{announced}"
        );
        assert!(
            announced.contains("U0MALLORY"),
            "it says what is to be entered: {announced}"
        );
        let announced = app.press("U0BOB", button).await.unwrap();
        assert!(
            announced.contains("*You may not decide about your own account*"),
            "{announced}"
        );
        assert!(
            announced.contains("Account 000000000009 is entered as your own"),
            "{announced}"
        );
    }
    assert!(app.space.slack.views("U0BOB").is_empty());
    assert!(app.space.slack.views("U0MALLORY").is_empty());
    // Rights are looked up again when the modal comes back.
    let modal = app.ask_to_reject("U0ALICE").await;
    let alice = "alice@example.com".parse().unwrap();
    app.space.world.remove_approver(&alice).await.unwrap();
    app.send_in("U0ALICE", &modal, "No.").await;
    assert!(app.modal("U0ALICE").1.contains("You are not an approver"));
    assert_eq!(app.status().await, Some(Status::InReview));
}

#[tokio::test]
async fn a_button_of_a_decided_review_says_who_decided_and_when() {
    let app = App::new().await;
    let modal = app.ask_to_reject("U0CAROL").await;
    app.press("U0ALICE", "approve").await;
    let decided = "Decided by alice@example.com at 2026-11-20 12:00 UTC.";
    let announced = app.press("U0CAROL", "approve").await.unwrap();
    assert!(
        announced.contains("*Too late: the connection is accepted*"),
        "{announced}"
    );
    assert!(announced.contains(decided), "{announced}");
    let announced = app.press("U0CAROL", "reject").await.unwrap();
    assert!(
        announced.contains("*Already decided: the connection is accepted*"),
        "{announced}"
    );
    assert!(announced.contains(decided), "{announced}");
    app.send_in("U0CAROL", &modal, "No.").await;
    let (_, shown, _) = app.modal("U0CAROL");
    assert!(
        shown.contains("Too late: the connection is accepted"),
        "{shown}"
    );
    assert_eq!(
        path(&app.space.world, 3).await,
        "- > in_review > accepting > accepted"
    );
}

#[tokio::test]
async fn requests_that_slack_did_not_sign_for_our_app_and_workspace_are_refused() {
    let app = App::new().await;
    let press = || app.pressed("U0ALICE", "approve");
    let now = app.space.world.clock.now();
    let seconds = jiff::SignedDuration::from_secs;
    for (sent, status) in [
        (press().signed_with("another secret"), 401),
        (press().tampered(|body| body.push(b'x')), 401),
        (press().signed_at(now - seconds(301)), 401),
        (press().signed_at(now + seconds(301)), 401),
        (press().with_header("X-Slack-Signature", None), 401),
        (press().with_header("X-Slack-Request-Timestamp", None), 401),
        (press().with_header("X-Slack-Signature", Some("v0=")), 401),
        (press().with_app("A0OTHER"), 403),
    ] {
        let answer = app.take(&sent).await;
        assert_eq!((answer.status, answer.body.as_str()), (status, ""));
        assert!(app.announced("U0ALICE").is_empty());
    }
    app.take(&press().with_users_team("T0OTHER")).await;
    let announced = app.announced("U0ALICE").pop().unwrap();
    assert!(
        announced.contains("*You are not of this workspace*"),
        "{announced}"
    );
    assert_eq!(app.status().await, Some(Status::InReview));
    let old = press().signed_at(now - seconds(299));
    assert_eq!(app.take(&old).await.status, 200);
    assert_eq!(app.status().await, Some(Status::Accepted));
}

#[tokio::test]
async fn a_rotated_secret_needs_no_restart_and_wrong_signatures_do_not_have_it_read_each_time() {
    let app = App::quorum().await;
    let reads = || app.space.world.secrets.calls_of("GetSecretValue");
    app.press("U0ALICE", "approve").await;
    let before = reads();
    for _ in 0..20 {
        let forged = app.pressed("U0CAROL", "approve").signed_with("forged");
        assert_eq!(app.take(&forged).await.status, 401);
    }
    assert!(reads() <= before + 1, "{} reads", reads() - before);

    let rotated = json!({"signing_secret": "rotated-signing-secret", "bot_token": TOKEN});
    app.space
        .world
        .secrets
        .rotate("slack", &rotated.to_string())
        .unwrap();
    app.space.slack.set_signing_secret("rotated-signing-secret");
    app.space.world.clock.advance(Duration::from_secs(31));
    let announced = app.press("U0CAROL", "approve").await.unwrap();
    assert!(
        announced.contains("*Done: the connection is accepted*"),
        "{announced}"
    );
}

#[tokio::test]
async fn a_rotated_token_opens_modals_at_once() {
    let app = App::new().await;
    app.press("U0MALLORY", "approve").await;
    let rotated = "xoxb-rotated";
    app.space.slack.set_bot_token(rotated);
    app.space
        .world
        .secrets
        .rotate("slack", &secret(rotated))
        .unwrap();
    app.space.world.clock.advance(Duration::from_secs(31));
    app.ask_to_reject("U0ALICE").await;
}

#[tokio::test]
async fn while_something_does_not_answer_pressing_again_is_enough() {
    let app = App::new().await;
    app.press("U0MALLORY", "approve").await;
    app.space
        .world
        .dynamodb
        .inject("*", dynamodb::Fault::InternalError, 100);
    let announced = app.press("U0ALICE", "approve").await.unwrap();
    assert!(
        announced.contains("Trying again is safe: a vote counts once"),
        "{announced}"
    );
    let announced = app.press("U0ALICE", "reject").await.unwrap();
    assert!(announced.contains("nothing has changed"), "{announced}");
    app.space.world.dynamodb.clear_faults();

    let broken = Fault::new("views.open", FaultKind::InternalError);
    app.space.slack.inject(broken.always());
    let announced = app.press("U0ALICE", "reject").await.unwrap();
    assert!(
        announced.contains("Slack did not open the form"),
        "{announced}"
    );
    app.space.slack.clear_faults();

    let modal = app.ask_to_reject("U0ALICE").await;
    app.space
        .world
        .dynamodb
        .inject("*", dynamodb::Fault::InternalError, 100);
    app.send_in("U0ALICE", &modal, "No.").await;
    app.space.world.dynamodb.clear_faults();
    let (_, shown, error) = app.modal("U0ALICE");
    assert!(shown.contains("May ") && error.unwrap().contains("Trying again is safe"));
    app.send_in("U0ALICE", &modal, "No.").await;
    assert_eq!(app.status().await, Some(Status::Rejected));
}

#[tokio::test]
async fn a_voter_who_cannot_get_the_error_message_sees_slacks_own_sign() {
    let app = App::quorum().await;
    let mute = Fault::new("response_url", FaultKind::InternalError);
    app.space.slack.inject(mute.always());
    // The vote counts, and the message in the channel will say so.
    assert_eq!(
        app.take(&app.pressed("U0ALICE", "approve")).await.status,
        200
    );
    app.space
        .world
        .dynamodb
        .inject("*", dynamodb::Fault::InternalError, 100);
    assert_eq!(
        app.take(&app.pressed("U0CAROL", "approve")).await.status,
        503
    );
    app.space.world.dynamodb.clear_faults();
    assert_eq!(app.space.slack.errors_shown("U0CAROL").len(), 1);
    let votes = request(&app.space.world, 3).await.unwrap().votes;
    assert_eq!(votes.len(), 1);
}

#[tokio::test]
async fn without_the_secret_no_request_is_believed() {
    let app = App::new().await;
    let broken = Fault::new("GetSecretValue", FaultKind::InternalError);
    app.space.world.secrets.inject(broken.always());
    let answer = app.take(&app.pressed("U0ALICE", "approve")).await;
    assert_eq!((answer.status, answer.body.as_str()), (503, ""));
    let counted = |class| {
        let metrics = app.space.world.gatekeeper(Function::Approvals).metrics();
        metrics.last_of("SlackFailures", ("class", class))
    };
    assert_eq!(counted("retryable"), Some(1.0));
    assert_eq!(counted("permanent"), None, "nobody has to act");
    app.space.world.secrets.clear_faults();

    let forbidden = Fault::new("GetSecretValue", FaultKind::Unauthorized);
    app.space.world.secrets.inject(forbidden.always());
    app.take(&app.pressed("U0ALICE", "approve")).await;
    assert_eq!(counted("permanent"), Some(1.0), "an alarm");
    app.space.world.secrets.clear_faults();
    assert_eq!(app.status().await, Some(Status::InReview));
    app.press("U0ALICE", "approve").await;
    assert_eq!(app.status().await, Some(Status::Accepted));
}

#[tokio::test]
async fn every_request_of_slack_is_answered_and_only_our_buttons_have_an_effect() {
    let app = App::new().await;
    let press = || app.pressed("U0ALICE", "approve");
    let kind = |kind: &str| press().with_payload(|payload| payload["type"] = json!(kind));
    for sent in [
        kind("shortcut"),
        kind("message_action"),
        kind("something_new"),
        press().with_payload(|payload| payload["actions"][0]["action_id"] = json!("other")),
        press().with_payload(|payload| payload["actions"][0]["type"] = json!("overflow")),
    ] {
        let answer = app.take(&sent).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    }
    for value in [
        "",
        "vpce-00000000000000003",
        "vpce-00000000000000003 7",
        "x 1",
    ] {
        let odd = press().with_payload(|payload| payload["actions"][0]["value"] = json!(value));
        assert_eq!(app.take(&odd).await.status, 200);
        let announced = app.announced("U0ALICE").pop().unwrap();
        assert!(announced.contains("*This review is over*"), "{announced}");
    }
    for body in [
        "",
        "payload=",
        "payload=%7B%7D",
        "a=b",
        "payload=1&payload=2",
    ] {
        let odd = press().with_body(body);
        assert_eq!(app.take(&odd).await.status, 400, "{body}");
    }
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..300 {
        let mut sent = press();
        let (at, byte) = (random.usize(..sent.body.len()), random.u8(..));
        let mut body = std::mem::take(&mut sent.body);
        if random.bool() {
            body.truncate(at);
        } else {
            body[at] = byte;
        }
        let signed = random.bool();
        let sent = match signed {
            true => sent.with_body(body),
            false => sent.tampered(|was| *was = body),
        };
        // A changed press counts if it is still a press of Alice's button.
        let answer = app.take(&sent).await;
        assert!(answer.status < 500, "{sent:?}");
        assert!(signed || answer.status == 401);
    }
    let long = press().with_body(vec![b'x'; (1 << 20) + 1]);
    assert_eq!(app.take(&long).await.status, 413);
}

#[tokio::test]
async fn slacks_path_is_there_only_with_slack_and_only_to_post() {
    let app = App::new().await;
    let get = Request {
        method: Method::Get,
        path: "/slack/interactions".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        caller: None,
    };
    let world = &app.space.world;
    let deadline = Deadline::after(&world.clock, Duration::from_secs(15));
    let answer = app.handler.handle(&get, deadline).await;
    assert_eq!(answer.status, 405);
    assert!(answer.headers.contains(&("allow", "POST".to_owned())));
    let off = Handler::new(Arc::clone(world.gatekeeper(Function::Approvals)), None);
    let press = app.pressed("U0ALICE", "approve");
    let post = Request {
        method: Method::Post,
        headers: press.headers,
        body: press.body,
        ..get
    };
    assert_eq!(off.handle(&post, deadline).await.status, 404);
    assert_eq!(app.status().await, Some(Status::InReview));
}

#[tokio::test]
async fn slack_has_its_answer_in_time_even_if_a_table_never_answers() {
    // This uses the real clock, because a time-out cannot end a call that takes no time.
    let mut real = options();
    real.clock = Clock::system();
    real.timeouts = Timeouts::default();
    let app = App::at(Workspace::with(real, PANEL).await).await;
    app.press("U0MALLORY", "approve").await;
    for (button, said) in [
        ("approve", "Trying again is safe: a vote counts once"),
        ("reject", "nothing has changed"),
    ] {
        let press = app.pressed("U0ALICE", button);
        app.space
            .world
            .dynamodb
            .inject("*", dynamodb::Fault::Hang, 100);
        let begun = Instant::now();
        assert_eq!(app.take(&press).await.status, 200);
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(3), "{button}: {took:?}");
        assert!(
            app.announced("U0ALICE").pop().unwrap().contains(said),
            "{button}"
        );
        app.space.world.dynamodb.clear_faults();
    }
}

#[tokio::test]
async fn a_change_at_ec2_is_shown_first_and_a_press_does_not_undo_it() {
    let app = App::new().await;
    let modal = app.ask_to_reject("U0ALICE").await;
    somebody_accepts(&app.space.world, 3);
    app.send_in("U0ALICE", &modal, "No.").await;
    let (_, shown, _) = app.modal("U0ALICE");
    assert!(
        shown.contains("Somebody else accepted it meanwhile, so your vote does not count"),
        "{shown}"
    );
    assert!(shown.contains("Decided by somebody else at 2026-11-20"));
    assert_eq!(app.status().await, Some(Status::Accepted));
    assert_ne!(state(&app.space.world, 3), Some(State::Rejected));
    let announced = app.press("U0CAROL", "reject").await.unwrap();
    assert!(
        announced.starts_with("*Somebody else accepted it meanwhile*"),
        "{announced}"
    );

    let app = App::new().await;
    somebody_rejects(&app.space.world, 3);
    let announced = app.press("U0ALICE", "approve").await.unwrap();
    assert!(
        announced.starts_with("*Somebody else rejected it meanwhile, so your vote does not count*"),
        "{announced}"
    );
}

#[tokio::test]
async fn if_ec2_does_not_answer_the_voter_is_asked_to_vote_again() {
    let app = App::new().await;
    let modal = app.ask_to_reject("U0ALICE").await;
    let mute = Fault::new("DescribeVpcEndpointConnections", FaultKind::InternalError);
    app.space.world.ec2.inject(mute.always());
    let announced = app.press("U0CAROL", "approve").await.unwrap();
    assert!(announced.starts_with("*Not recorded*"), "{announced}");
    assert!(announced.contains("Vote again in a moment"), "{announced}");
    app.send_in("U0ALICE", &modal, "No contract.").await;
    let (_, shown, error) = app.modal("U0ALICE");
    assert!(
        shown.contains("May "),
        "the form stays, with what was written: {shown}"
    );
    assert!(error.unwrap().contains("Vote again in a moment"));
    assert_eq!(request(&app.space.world, 3).await.unwrap().votes, []);
    app.space.world.ec2.clear_faults();
    app.send_in("U0ALICE", &modal, "No contract.").await;
    assert_eq!(app.status().await, Some(Status::Rejected));
    app.space.assert_quiet();
}

#[tokio::test]
async fn while_the_policy_cannot_be_read_a_press_does_not_approve_and_a_rejection_counts() {
    let app = App::new().await;
    malformed(&app.space.world, "*", "allow#*").await;
    let announced = app.press("U0CAROL", "approve").await.unwrap();
    assert!(
        announced.contains("Nothing is approved while the policy cannot be read"),
        "{announced}"
    );
    let modal = app.ask_to_reject("U0ALICE").await;
    app.send_in("U0ALICE", &modal, "No.").await;
    assert_eq!(app.status().await, Some(Status::Rejected));
}

#[tokio::test]
async fn a_press_about_a_service_that_is_no_longer_managed_is_refused_with_the_reason() {
    let app = App::new().await;
    let world = &app.space.world;
    let modal = app.ask_to_reject("U0ALICE").await;
    let untagged = NewService::new()
        .id(SERVICE)
        .owner(gatekeeper_local::world::PROVIDER)
        .region("us-east-1");
    world.ec2.put_service(untagged);
    minutes_pass(world, 5);
    for button in ["approve", "reject"] {
        let announced = app.press("U0CAROL", button).await.unwrap();
        assert!(
            announced.contains("*Gatekeeper no longer manages this service*"),
            "{button}: {announced}"
        );
    }
    assert!(
        app.space.slack.views("U0CAROL").is_empty(),
        "no modal opens"
    );
    app.send_in("U0ALICE", &modal, "No.").await;
    assert!(
        app.modal("U0ALICE")
            .1
            .contains("no longer manages this service")
    );
    assert_eq!(app.status().await, Some(Status::InReview));
    assert_eq!(state(world, 3), Some(State::PendingAcceptance));
}

/// The local workspace.
const TEAM: &str = "T0LOCAL0001";

#[tokio::test]
async fn in_an_organization_each_kind_of_press_counts_or_is_refused_and_counted() {
    type Made = fn(Interaction) -> Interaction;
    let ways: [(&str, Made, Option<(&str, &str)>); 10] = [
        ("of a workspace by itself", |press| press, None),
        (
            "of a workspace of an organization, which Slack names for the person",
            |press| press.with_organization("E0EXAMPLE"),
            None,
        ),
        (
            "of an app for all of the organization, by somebody of ours",
            |press| press.with_org_install("E0EXAMPLE").with_users_team(TEAM),
            None,
        ),
        (
            "of an app for all of the organization, somewhere",
            |press| press.with_org_install("E0EXAMPLE"),
            Some(("elsewhere", "add it to the parameter SlackTeamId")),
        ),
        (
            "of an app for all of the organization, in another workspace",
            |press| {
                let press = press.with_organization("E0EXAMPLE");
                press.with_payload(|it| it["team"]["id"] = json!("T0OTHER"))
            },
            Some((
                "elsewhere",
                "you pressed in T0OTHER of the organization E0EXAMPLE",
            )),
        ),
        (
            "in another workspace",
            |press| press.with_team("T0OTHER"),
            Some((
                "elsewhere",
                "They are decided in T0LOCAL0001, and you pressed in T0OTHER",
            )),
        ),
        (
            "by a guest, in a channel that is shared",
            |press| press.with_users_team("T0OTHER"),
            Some(("guest", "Slack says that you are of T0OTHER")),
        ),
        (
            "by a guest of another organization",
            |press| {
                press
                    .with_organization("E0EXAMPLE")
                    .with_users_team("E0STRANGE")
            },
            Some(("guest", "Slack says that you are of E0STRANGE")),
        ),
        (
            "by somebody of whom nothing is said",
            |press| press.with_payload(|it| it["user"]["team_id"] = json!(null)),
            Some(("nameless", "vote by the link in your e-mail")),
        ),
        (
            "of nothing that Slack names",
            |press| {
                press.with_payload(|it| {
                    it["team"] = json!(null);
                    it["user"]["team_id"] = json!(null);
                })
            },
            Some(("elsewhere", "in a workspace that Slack does not name")),
        ),
    ];
    for (way, made, refused) in ways {
        let app = App::new().await;
        let metrics = app.space.world.gatekeeper(Function::Approvals).metrics();
        let counted = |reason| metrics.last_of("SlackStrangers", ("reason", reason));
        let modal = app.ask_to_reject("U0ALICE").await;
        let answer = app.take(&made(app.pressed("U0ALICE", "approve"))).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{way}");
        let announced = app.announced("U0ALICE").pop().unwrap();
        let Some((reason, words)) = refused else {
            assert!(announced.starts_with("*Done"), "{way}: {announced}");
            assert_eq!(metrics.last("SlackStrangers"), None, "{way}");
            continue;
        };
        assert!(announced.contains(words), "{way}: {announced}");
        assert!(
            announced.contains("your vote does not count")
                || announced.contains("Your vote does not count")
        );
        assert_eq!(counted(reason), Some(1.0), "{way}");
        // The other button, and the form that was open.
        let views = app.space.slack.views("U0ALICE").len();
        app.take(&made(app.pressed("U0ALICE", "reject"))).await;
        assert!(
            app.announced("U0ALICE").pop().unwrap().contains(words),
            "{way}"
        );
        assert_eq!(app.space.slack.views("U0ALICE").len(), views, "{way}");
        let sent = app
            .space
            .slack
            .submit_view("U0ALICE", &modal, &[("reason", "No.")]);
        app.take(&made(sent.unwrap())).await;
        let (_, _, error) = app.modal("U0ALICE");
        assert!(error.unwrap().contains(words), "{way}");
        assert_eq!(app.status().await, Some(Status::InReview), "{way}");
    }
}

#[tokio::test]
async fn a_signed_request_that_is_not_understood_is_an_alarm() {
    let app = App::new().await;
    let metrics = app.space.world.gatekeeper(Function::Approvals).metrics();
    let press = app.pressed("U0ALICE", "approve");
    let odd = press.with_payload(|it| it["team"] = json!({"id": "X0NEW"}));
    assert_eq!(app.take(&odd).await.status, 400);
    let counted = |name| metrics.last_of("SlackFailures", ("error_type", name));
    assert_eq!(counted("Permanent.SlackMalformed"), Some(1.0));
    let other = app.pressed("U0ALICE", "approve").with_app("A0OTHER");
    assert_eq!(app.take(&other).await.status, 403);
    assert_eq!(counted("Permanent.SlackOtherApp"), Some(1.0));
    assert_eq!(
        metrics.last_of("SlackFailures", ("class", "permanent")),
        Some(1.0)
    );
}

#[tokio::test]
async fn a_vote_that_the_policy_overtakes_is_answered_in_time_and_names_the_consequence() {
    // This uses the real clock, because a time-out cannot end a call that takes no time.
    let mut real = options();
    real.clock = Clock::system();
    real.timeouts = Timeouts::default();
    let app = App::at(Workspace::with(real, PANEL).await).await;
    app.press("U0MALLORY", "approve").await;
    let world = &app.space.world;
    allow(world, "*", "000000000009").await;
    let hangs = Fault::new("AcceptVpcEndpointConnections", FaultKind::Hang);
    world.ec2.inject(hangs.always());
    let begun = Instant::now();
    let announced = app.press("U0CAROL", "approve").await.unwrap();
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(2600), "{took:?}");
    assert!(announced.contains("no vote is needed"), "{announced}");
    assert!(
        announced.contains("announced within minutes"),
        "{announced}"
    );
    assert_eq!(app.space.slack.errors_shown("U0CAROL"), []);
    let votes = request(world, 3).await.unwrap().votes;
    assert_eq!(votes, [], "and it was none");
    assert_eq!(app.status().await, Some(Status::Accepting));
}

#[tokio::test]
async fn voters_answers_are_counted_without_strangers() {
    let app = App::quorum().await;
    let metrics = app.space.world.gatekeeper(Function::Approvals).metrics();
    let press = || app.pressed("U0ALICE", "approve");
    for odd in [
        press().signed_with("another secret"),
        press().with_users_team("T0OTHER"),
        press().with_app("A0OTHER"),
    ] {
        app.take(&odd).await;
    }
    assert_eq!(metrics.last("Answers"), None);
    let counted = |outcome| metrics.last_of("Answers", ("outcome", outcome));
    app.press("U0ALICE", "approve").await;
    assert_eq!((counted("served"), counted("failed")), (Some(1.0), None));
    let broken = dynamodb::Fault::InternalError;
    app.space.world.dynamodb.inject("*", broken, 100);
    app.press("U0CAROL", "approve").await;
    assert_eq!(counted("failed"), Some(1.0));
}
