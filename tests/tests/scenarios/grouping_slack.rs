//! Forty endpoints of one account are not forty messages in a channel, and each is decided
//! separately.

use std::sync::Arc;
use std::time::Duration;

use gatekeeper_approvals::handler::Handler;
use gatekeeper_approvals::http::{Method, Request};
use gatekeeper_aws::clock::Deadline;
use gatekeeper_core::request::Status;
use gatekeeper_local::function::Function;
use gatekeeper_local::queue::{self, Queue};
use gatekeeper_local::world::World;
use local_aws::{Fault, FaultKind, Interaction, SlackMessage};

use crate::slack::{CHANNEL, Workspace};
use crate::support::*;

const PANEL: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
policy:
  settings:
    - {service_id: "*", name: Payments <API>}
  entries:
    - {service_id: "*", principal: "000000000009", effect: allow, expires_at: 2026-01-01T00:00:00Z, customer: "<!channel> & Example"}
  approvers:
    - {id: alice@example.com, services: ["*"], slack_user_id: U0ALICE}
    - {id: bob@example.com, services: ["*"], slack_user_id: U0BOB}
"#;
/// The endpoints' account.
const ACCOUNT: &str = "000000000009";

/// A workspace whose function is fed as in template.yaml.
struct Channel {
    space: Workspace,
    queue: Queue,
    handler: Handler,
    /// How many announcements are in the queue, or were.
    sent: usize,
}

impl Channel {
    /// In which one account asks with these endpoints at once.
    async fn asked_by(endpoints: std::ops::Range<u32>) -> Self {
        Self::with(PANEL, endpoints).await
    }

    async fn with(text: &str, endpoints: std::ops::Range<u32>) -> Self {
        let space = Workspace::of(text).await;
        for n in endpoints {
            somebody_asks(&space.world, n, ACCOUNT);
        }
        let gatekeeper = Arc::clone(space.world.gatekeeper(Function::Approvals));
        let visibility = Duration::from_secs(360);
        let mut channel = Self {
            queue: Queue::new(space.world.clock.clone(), visibility, 25),
            handler: Handler::new(gatekeeper, Some(space.local.interactivity())),
            space,
            sent: 0,
        };
        channel.world().reconcile().await;
        channel.pump().await;
        channel
    }

    fn world(&self) -> &World {
        &self.space.world
    }

    /// Gives the function the announcements, and those that are visible again.
    async fn pump(&mut self) {
        let documents = documents(self.world()).split_off(self.sent);
        self.sent += documents.len();
        for document in &documents {
            self.queue.send(document.to_string());
        }
        let function = self.space.local.instance();
        loop {
            let batch = self.queue.receive(5);
            if batch.is_empty() {
                return;
            }
            let deadline = Deadline::after(&self.world().clock, Duration::from_secs(60));
            let answer = function.handle(queue::event(&batch), deadline).await;
            let response = answer.into_response().unwrap();
            let back = response.batch_item_failures;
            for message in &batch {
                if !back.iter().any(|one| one.item_identifier == message.id) {
                    self.queue.delete(&message.id);
                }
            }
        }
    }

    async fn minutes_pass(&mut self, minutes: u64) {
        for _ in 0..minutes {
            minutes_pass(self.world(), 1);
            self.pump().await;
        }
    }

    fn messages(&self) -> Vec<SlackMessage> {
        self.space.slack.messages(CHANNEL)
    }

    /// How many endpoints each message names, oldest first.
    fn named(&self) -> Vec<usize> {
        let named = |message: SlackMessage| {
            let shown = message.shown();
            let is_named = |n: &u32| shown.contains(endpoint(*n).as_str());
            (1..100).filter(is_named).count()
        };
        self.messages().into_iter().map(named).collect()
    }

    /// The last message, and those of these endpoints that it names.
    fn last(&self, endpoints: std::ops::Range<u32>) -> (SlackMessage, Vec<u32>) {
        let last = self.messages().pop().unwrap();
        let shown = last.shown();
        let is_named = |n: &u32| shown.contains(endpoint(*n).as_str());
        (last, endpoints.filter(is_named).collect())
    }

    /// The line of a message about an endpoint.
    fn line(&self, ts: &str, n: u32) -> String {
        let shown = self.message(ts).shown();
        let id = endpoint(n).to_string();
        let mut lines = shown.lines().filter(|line| line.contains(&id));
        lines.next().unwrap().to_owned()
    }

    fn message(&self, ts: &str) -> SlackMessage {
        let mut messages = self.messages().into_iter();
        messages.find(|message| message.ts == ts).unwrap()
    }

    /// Somebody presses a button of a message that they see. Answers the message to them, if any.
    async fn press(&self, user: &str, ts: &str, button: &str) -> Option<String> {
        let pressed = self.space.slack.press_stale(user, CHANNEL, ts, button);
        self.take(user, &pressed.unwrap()).await
    }

    /// Somebody presses a button of the last message to them.
    async fn press_own(&self, user: &str, button: &str) -> Option<String> {
        let announced = self.space.slack.ephemerals(CHANNEL, user).pop().unwrap();
        let pressed = self.space.slack.press(user, CHANNEL, &announced.ts, button);
        self.take(user, &pressed.unwrap()).await
    }

    async fn take(&self, user: &str, sent: &Interaction) -> Option<String> {
        let announced = || self.space.slack.ephemerals(CHANNEL, user);
        let before = announced().len();
        let request = Request {
            method: Method::Post,
            path: "/slack/interactions".to_owned(),
            headers: sent.headers.clone(),
            body: sent.body.clone(),
            caller: None,
        };
        let deadline = Deadline::after(&self.world().clock, Duration::from_secs(15));
        let answer = self.handler.handle(&request, deadline).await;
        assert_eq!(answer.status, 200);
        let (body, took) = (answer.body.as_bytes(), Duration::from_millis(1));
        self.space.slack.answered(sent, answer.status, body, took);
        self.world().announce().await.unwrap();
        let announced = announced().split_off(before).pop();
        announced.map(|announced| announced.content.shown())
    }
}

fn show(n: u32) -> String {
    format!("show {}", endpoint(n))
}

#[tokio::test]
async fn forty_endpoints_of_one_account_are_not_forty_messages() {
    let mut channel = Channel::asked_by(10..50).await;
    assert_eq!(channel.named(), [1, 1, 1]);
    // Another account does not wait.
    somebody_asks(channel.world(), 60, "000000000008");
    channel.world().reconcile().await;
    channel.minutes_pass(5).await;
    assert_eq!(channel.named(), [1, 1, 1, 1]);
    channel.minutes_pass(10).await;
    assert_eq!(channel.named(), [1, 1, 1, 1, 37]);
    let (last, listed) = channel.last(10..50);
    assert_eq!(
        last.buttons(),
        listed.into_iter().map(show).collect::<Vec<_>>()
    );
    assert!(channel.queue.is_empty() && channel.queue.dead_letters().is_empty());
    let failures = "everybody who waits is no failure";
    assert_eq!(
        channel.space.slack.errors_shown("U0ALICE"),
        [],
        "{failures}"
    );
    channel.space.assert_quiet();
    // An hour later they are shown at once again.
    channel.minutes_pass(50).await;
    somebody_asks(channel.world(), 70, ACCOUNT);
    channel.world().reconcile().await;
    channel.pump().await;
    assert_eq!(channel.named(), [1, 1, 1, 1, 37, 1]);
}

#[tokio::test]
async fn nobody_waits_longer_than_a_quarter_of_an_hour() {
    let mut channel = Channel::asked_by(10..13).await;
    assert_eq!(channel.named(), [1, 1, 1]);
    let shown = |channel: &Channel, n: u32| {
        let id = endpoint(n).to_string();
        channel
            .messages()
            .iter()
            .any(|one| one.shown().contains(&id))
    };
    for minute in 0..45 {
        somebody_asks(channel.world(), 13 + minute, ACCOUNT);
        channel.world().reconcile().await;
        channel.minutes_pass(1).await;
        if minute >= 15 {
            assert!(shown(&channel, 13 + minute - 15), "{minute}");
        }
    }
    let messages = channel.messages().len() - 3;
    assert!(messages <= 6, "45 in 45 minutes were {messages} messages");
}

#[tokio::test]
async fn each_of_several_is_decided_separately_and_the_message_shows_it() {
    let mut channel = Channel::asked_by(10..17).await;
    channel.minutes_pass(15).await;
    let (message, listed) = channel.last(10..17);
    assert_eq!(listed.len(), 4);
    let ts = message.ts.clone();
    let [a, b, c, _] = [0, 1, 2, 3].map(|n| listed[n]);

    let announced = channel.press("U0ALICE", &ts, &show(a)).await.unwrap();
    assert!(
        announced.contains("May &lt;!channel&gt; &amp; Example connect"),
        "{announced}"
    );
    assert!(announced.contains(endpoint(a).as_str()), "{announced}");
    assert_eq!(status(channel.world(), a).await, Some(Status::InReview));
    let announced = channel.press_own("U0ALICE", "approve").await.unwrap();
    assert!(
        announced.contains("*Done: the connection is accepted*"),
        "{announced}"
    );
    assert_eq!(status(channel.world(), a).await, Some(Status::Accepted));
    for other in [b, c] {
        assert_eq!(status(channel.world(), other).await, Some(Status::InReview));
    }
    channel.pump().await;
    assert_eq!(channel.named(), [1, 1, 1, 4], "it is the same message");
    assert!(
        channel
            .line(&ts, a)
            .contains("accepted, decided by alice@example.com")
    );
    let message = channel.message(&ts);
    assert!(!message.buttons().contains(&show(a)));
    assert!(message.buttons().contains(&show(b)));

    // A voter who is too late sees that, because of what the message showed before.
    let announced = channel.press("U0BOB", &ts, &show(a)).await.unwrap();
    assert!(
        announced.contains("Already decided: the connection is accepted"),
        "{announced}"
    );
    // A rejection asks for its reason.
    channel.press("U0BOB", &ts, &show(b)).await.unwrap();
    assert_eq!(channel.press_own("U0BOB", "reject").await, None);
    let modal = channel.space.slack.views("U0BOB").pop().unwrap();
    assert!(modal.shown().contains(endpoint(b).as_str()));
    let sent =
        channel
            .space
            .slack
            .submit_view("U0BOB", &modal.id, &[("reason", "Not a customer.")]);
    channel.take("U0BOB", &sent.unwrap()).await;
    assert_eq!(status(channel.world(), b).await, Some(Status::Rejected));
    // Somebody decides one outside of Slack.
    somebody_accepts(channel.world(), c);
    channel.world().reconcile().await;
    channel.pump().await;
    assert!(
        channel
            .line(&ts, b)
            .contains("rejected, decided by bob@example.com")
    );
    assert!(
        channel.line(&ts, c).contains(": accepted"),
        "{}",
        channel.line(&ts, c)
    );
    // That is also announced by a message of its own, as always.
    assert_eq!(channel.named(), [1, 1, 1, 4, 1]);
    channel.space.assert_quiet();
}

#[tokio::test]
async fn somebody_who_is_no_approver_sees_no_buttons() {
    let mut channel = Channel::asked_by(10..16).await;
    channel.minutes_pass(15).await;
    let (message, listed) = channel.last(10..16);
    channel.space.slack.put_user("U0MALLORY", "mallory");
    let announced = channel
        .press("U0MALLORY", &message.ts, &show(listed[0]))
        .await;
    assert!(announced.unwrap().contains("You are not an approver"));
    let announced = channel.space.slack.ephemerals(CHANNEL, "U0MALLORY").pop();
    assert_eq!(announced.unwrap().content.buttons(), [""; 0]);
    assert_eq!(
        status(channel.world(), listed[0]).await,
        Some(Status::InReview)
    );
}

#[tokio::test]
async fn an_approval_of_one_of_several_is_counted_and_withdrawn() {
    let text = PANEL.replace("name: Payments", "approvals_required: 2, name: Payments");
    let mut channel = Channel::with(&text, 10..16).await;
    channel.minutes_pass(15).await;
    let (message, listed) = channel.last(10..16);
    let (ts, n) = (message.ts.clone(), listed[1]);
    assert!(channel.line(&ts, n).contains("0 of 2 needed"));
    channel.press("U0ALICE", &ts, &show(n)).await.unwrap();
    let announced = channel.press_own("U0ALICE", "approve").await.unwrap();
    assert!(
        announced.contains("1 more approval is needed"),
        "{announced}"
    );
    channel.pump().await;
    assert!(
        channel.line(&ts, n).contains("1 of 2 needed"),
        "{}",
        channel.line(&ts, n)
    );
    let announced = channel.press("U0ALICE", &ts, &show(n)).await.unwrap();
    assert!(announced.contains("You approved."), "{announced}");
    let own = channel.space.slack.ephemerals(CHANNEL, "U0ALICE").pop();
    assert_eq!(own.unwrap().content.buttons(), ["withdraw", "reject"]);
    channel.press_own("U0ALICE", "withdraw").await.unwrap();
    channel.pump().await;
    assert!(
        channel.line(&ts, n).contains("0 of 2 needed"),
        "{}",
        channel.line(&ts, n)
    );
}

#[tokio::test]
async fn a_finished_review_is_not_shown_and_the_last_one_is_shown_as_always() {
    let mut channel = Channel::asked_by(10..16).await;
    let at_once: Vec<String> = channel.messages().iter().map(SlackMessage::shown).collect();
    let at_once = at_once.concat();
    let waits = |n: &u32| !at_once.contains(endpoint(*n).as_str());
    let waiting: Vec<u32> = (10..16).filter(waits).collect();
    assert_eq!(waiting.len(), 3);
    somebody_accepts(channel.world(), waiting[0]);
    somebody_rejects(channel.world(), waiting[1]);
    channel.world().reconcile().await;
    channel.minutes_pass(15).await;
    let mut asked = channel.messages();
    asked.retain(|message| !message.buttons().is_empty());
    assert_eq!(asked.len(), 4);
    assert_eq!(asked[3].buttons(), ["approve", "reject"]);
    assert!(asked[3].shown().contains(endpoint(waiting[2]).as_str()));
    assert!(channel.queue.is_empty());
}

#[tokio::test]
async fn reviews_that_do_not_fit_into_one_message_are_shown_in_several() {
    let mut channel = Channel::asked_by(10..90).await;
    channel.minutes_pass(15).await;
    let mut named = channel.named();
    named.sort_unstable();
    assert_eq!(named, [1, 1, 1, 37, 40]);
    assert!(channel.queue.is_empty());
}

#[tokio::test]
async fn a_message_of_several_whose_answer_was_lost_is_not_posted_twice() {
    for lost in [
        FaultKind::AnswerLost,
        FaultKind::AnswerFails,
        FaultKind::Throttle,
    ] {
        let mut channel = Channel::asked_by(10..16).await;
        channel.minutes_pass(7).await;
        let fault = Fault::new("chat.postMessage", lost);
        channel.space.slack.inject(fault);
        channel.minutes_pass(15).await;
        assert_eq!(channel.space.slack.faults(), []);
        assert_eq!(channel.named(), [1, 1, 1, 3]);
        assert!(channel.queue.is_empty());
        // The message's place is known.
        let (message, listed) = channel.last(10..16);
        let ts = message.ts;
        channel.press("U0ALICE", &ts, &show(listed[2])).await;
        channel.press_own("U0ALICE", "approve").await.unwrap();
        channel.pump().await;
        assert!(channel.line(&ts, listed[2]).contains("accepted"));
        assert_eq!(channel.named(), [1, 1, 1, 3]);
    }
}

#[tokio::test]
async fn reminders_of_those_that_one_message_shows_are_one() {
    let text = PANEL.replace("name: Payments", "remind_hours: 24, name: Payments");
    let mut channel = Channel::with(&text, 10..30).await;
    channel.minutes_pass(15).await;
    assert_eq!(channel.named(), [1, 1, 1, 17]);
    hours_pass(channel.world(), 24);
    channel.world().reconcile().await;
    channel.pump().await;
    let messages = channel.messages();
    let reminders = messages.iter().filter(|one| one.thread_ts.is_some());
    let reminders: Vec<String> = reminders.map(SlackMessage::shown).collect();
    assert_eq!(reminders.len(), 4, "{reminders:?}");
    let of_all = "still waits for somebody to decide about 17 endpoints.";
    assert!(
        reminders.iter().any(|one| one.contains(of_all)),
        "{reminders:?}"
    );
}
