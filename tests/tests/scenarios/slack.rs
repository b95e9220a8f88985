//! What people see of the announcements in Slack: once each, up to date, whatever goes wrong.

use std::sync::Arc;
use std::time::Duration;

use gatekeeper_aws::clock::Deadline;
use gatekeeper_aws::gatekeeper::Voter;
use gatekeeper_core::request::Status;
use gatekeeper_local::slack::{self as local, SIGNING_SECRET};
pub(crate) use gatekeeper_local::slack::{BOT_TOKEN as TOKEN, CHANNEL};
use gatekeeper_local::world::{Options, World};
use gatekeeper_slack::handler::Handler;
use local_aws::{CallPhase, Fault, FaultKind, NewChannel, Slack, SlackMessage};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::*;

const POST: &str = "chat.postMessage";
const UPDATE: &str = "chat.update";
const HISTORY: &str = "conversations.history";

/// The endpoint 3 is unknown; Alice and Bob decide.
const PANEL: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
policy:
  settings:
    - {service_id: "*", name: Payments <API>}
  entries:
    - {service_id: "*", principal: "000000000003", effect: allow, expires_at: 2026-01-01T00:00:00Z, customer: "<!channel> & <https://example.com|Example>"}
    - {service_id: "*", principal: "000000000001", effect: allow}
  approvers:
    - {id: alice@example.com, services: ["*"], slack_user_id: U0ALICE}
    - {id: bob@example.com, services: ["*"], slack_user_id: U0BOB}
"#;

/// A world with the function `slack`, and Slack.
pub(crate) struct Workspace {
    pub(crate) world: World,
    pub(crate) slack: Slack,
    /// The workspace of the local world.
    pub(crate) local: Arc<local::Workspace>,
    /// How many announcements have been delivered.
    delivered: usize,
}

impl Workspace {
    pub(crate) async fn of(text: &str) -> Self {
        Self::with(options(), text).await
    }

    pub(crate) async fn with(mut options: Options, text: &str) -> Self {
        options.slack = true;
        let world = world_with(options, text).await;
        let local = world.slack.clone().unwrap();
        local.slack.put_user("U0ALICE", "alice");
        Self {
            slack: local.slack.clone(),
            local,
            world,
            delivered: 0,
        }
    }

    /// The panel after its first requests were looked at.
    async fn panel() -> Self {
        let space = Self::of(PANEL).await;
        space.world.reconcile().await;
        space
    }

    /// A new instance of the function.
    fn instance(&self) -> Handler {
        self.local.instance()
    }

    /// The announcements since the last time, as the function gets them.
    fn news(&mut self) -> Value {
        let documents = documents(&self.world).split_off(self.delivered);
        self.delivered += documents.len();
        batch(&documents)
    }

    /// Delivers the announcements since the last time. Answers the records that come back.
    pub(crate) async fn deliver(&mut self) -> Vec<String> {
        let news = self.news();
        self.handle(&self.instance(), &news).await
    }

    /// Delivers forged announcements. Answers the records that come back.
    pub(crate) async fn deliver_these(&self, documents: &[Value]) -> Vec<String> {
        self.handle(&self.instance(), &batch(documents)).await
    }

    async fn handle(&self, instance: &Handler, batch: &Value) -> Vec<String> {
        self.within(instance, batch, 60).await
    }

    /// Handles a batch within this many seconds. Answers the records that come back.
    async fn within(&self, instance: &Handler, batch: &Value, seconds: u64) -> Vec<String> {
        let deadline = Deadline::after(&self.world.clock, Duration::from_secs(seconds));
        let answer = instance.handle(batch.clone(), deadline).await;
        let response = answer.into_response().unwrap();
        let failures = response.batch_item_failures.into_iter();
        failures.map(|failure| failure.item_identifier).collect()
    }

    /// An instance handles a batch and is killed while it waits for Slack, which does nothing.
    async fn kill_while_it_posts(&self, batch: &Value) {
        let called = Arc::new(Notify::new());
        let hears = Arc::clone(&called);
        self.slack
            .set_on_call(Some(Arc::new(move |action: &str, phase: CallPhase| {
                if action == POST && phase == CallPhase::Before {
                    hears.notify_one();
                }
            })));
        self.slack.inject(Fault::new(POST, FaultKind::Hang));
        let instance = self.instance();
        tokio::select! {
            back = self.handle(&instance, batch) => unreachable!("it was not killed: {back:?}"),
            () = called.notified() => {}
        }
        self.slack.set_on_call(None);
        assert_eq!(self.slack.faults(), [], "the call hung");
    }

    fn messages(&self) -> Vec<SlackMessage> {
        self.slack.messages(CHANNEL)
    }

    pub(crate) fn only_message(&self) -> SlackMessage {
        let mut messages = self.messages();
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages.remove(0)
    }

    async fn vote_in_slack(&self, user: &str) {
        let request = request(&self.world, 3).await.unwrap();
        let voter = Voter::Slack {
            user: user.parse().unwrap(),
            endpoint_id: endpoint(3),
            review: request.review.unwrap(),
        };
        vote(&self.world, &voter, &approval()).await;
    }

    /// No text from outside mentioned or linked anything, and nothing was fetched.
    pub(crate) fn assert_quiet(&self) {
        assert_eq!(self.slack.mentions(), []);
        assert_eq!(self.slack.links(), []);
        assert_eq!(self.slack.unescaped(), []);
        assert_eq!(self.slack.unfurled(), []);
    }
}

pub(crate) fn secret(token: &str) -> String {
    local::secret(token, SIGNING_SECRET)
}

fn batch(documents: &[Value]) -> Value {
    let record = |(index, document): (usize, &Value)| {
        json!({
            "messageId": format!("m{index}"), "eventSource": "aws:sqs",
            "body": document.to_string(),
        })
    };
    let records: Vec<Value> = documents.iter().enumerate().map(record).collect();
    json!({ "Records": records })
}

#[tokio::test]
async fn a_review_is_shown_with_buttons_and_then_shows_how_it_ended() {
    let mut space = Workspace::panel().await;
    assert_eq!(space.deliver().await, [""; 0]);
    let asked = space.only_message();
    assert_eq!(asked.buttons(), ["approve", "reject"]);
    for part in [
        "Connection request: Payments ‹API›",
        "&lt;!channel&gt; &amp; &lt;https://example.com|Example&gt; (account 000000000003)",
        "`vpce-00000000000000003`",
        "somebody has to decide",
    ] {
        assert!(asked.shown().contains(part), "{part}: {}", asked.shown());
    }

    space.vote_in_slack("U0ALICE").await;
    assert_eq!(status(&space.world, 3).await, Some(Status::Accepted));
    assert_eq!(space.deliver().await, [""; 0]);
    let ended = space.only_message();
    assert_eq!(ended.ts, asked.ts);
    assert_eq!(ended.buttons(), [""; 0]);
    for part in [
        "Accepted: Payments ‹API›",
        "*Decided by*\nalice@example.com",
        "alice@example.com approved in Slack.",
        "*EC2*\nDone (request id ",
    ] {
        assert!(ended.shown().contains(part), "{part}: {}", ended.shown());
    }
    space.assert_quiet();
}

#[tokio::test]
async fn it_shows_who_voted_until_enough_have_and_a_decision_from_any_side() {
    let mut space = Workspace::of(PANEL).await;
    settings(&space.world, "approvals_required: 2").await;
    space.world.reconcile().await;
    space.deliver().await;
    space.vote_in_slack("U0ALICE").await;
    space.deliver().await;
    let asked = space.only_message();
    assert_eq!(asked.buttons(), ["approve", "reject"]);
    assert!(asked.shown().contains("1 of 2 needed: alice@example.com"));

    somebody_rejects(&space.world, 3);
    minutes_pass(&space.world, 5);
    space.world.reconcile().await;
    assert_eq!(space.deliver().await, [""; 0]);
    let messages = space.messages();
    assert_eq!(messages[0].ts, asked.ts);
    assert_eq!(messages[0].buttons(), [""; 0]);
    assert!(
        messages[0]
            .shown()
            .contains("was rejected without Gatekeeper.")
    );
    // This is also announced, since somebody bypassed Gatekeeper.
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[1].buttons(), [""; 0]);
    assert!(
        messages[1]
            .shown()
            .contains("was rejected without Gatekeeper.")
    );
    space.assert_quiet();
}

#[tokio::test]
async fn order_and_number_of_announcements_do_not_matter() {
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let space = Workspace::of(PANEL).await;
        settings(&space.world, "approvals_required: 2").await;
        space.world.reconcile().await;
        space.vote_in_slack("U0ALICE").await;
        let announced = documents(&space.world);
        let of_kind = |announced: &[Value], kind: &str| {
            let found = announced.iter().find(|document| document["kind"] == kind);
            found
                .unwrap_or_else(|| panic!("{kind} of {announced:?}"))
                .clone()
        };
        let mut news = vec![
            of_kind(&announced, "review_opened"),
            of_kind(&announced, "vote_cast"),
        ];
        // While the review is open, both lead to the one message. Each comes twice.
        for at in order.into_iter().filter(|at| *at < 2) {
            let twice = batch(&[news[at].clone(), news[at].clone()]);
            assert_eq!(space.handle(&space.instance(), &twice).await, [""; 0]);
            let asked = space.only_message();
            assert_eq!(asked.buttons(), ["approve", "reject"]);
            assert!(asked.shown().contains("1 of 2 needed"));
            assert_eq!(asked.edits, 0, "there was nothing new to show");
        }
        space.vote_in_slack("U0BOB").await;
        news.push(of_kind(&documents(&space.world), "accepted"));
        // Once it is over, both show that, and neither shows anything older.
        for at in order {
            let twice = batch(&[news[at].clone(), news[at].clone()]);
            assert_eq!(space.handle(&space.instance(), &twice).await, [""; 0]);
            let ended = space.only_message();
            assert!(ended.shown().contains("Accepted: "), "{}", ended.shown());
            assert_eq!(ended.buttons(), [""; 0]);
            assert_eq!(ended.edits, 1);
        }
    }
}

#[tokio::test]
async fn if_a_review_was_decided_before_it_was_shown_nobody_is_notified() {
    let mut space = Workspace::panel().await;
    space.vote_in_slack("U0ALICE").await;
    assert_eq!(space.deliver().await, [""; 0]);
    assert_eq!(space.messages(), []);
}

#[tokio::test]
async fn a_late_announcement_does_not_replace_newer_content() {
    let mut space = Workspace::panel().await;
    let opened = space.news();
    let instance = space.instance();
    space.handle(&instance, &opened).await;
    space.vote_in_slack("U0ALICE").await;
    let ended = space.news();
    space.handle(&instance, &ended).await;
    let shown = space.only_message();
    for late in [&opened, &ended, &opened] {
        assert_eq!(space.handle(&space.instance(), late).await, [""; 0]);
    }
    assert_eq!(space.only_message(), shown);
    assert_eq!(shown.buttons(), [""; 0]);
}

#[tokio::test]
async fn two_instances_at_the_same_time_post_once() {
    let mut space = Workspace::panel().await;
    let news = space.news();
    let (one, other) = (space.instance(), space.instance());
    let both = tokio::join!(space.handle(&one, &news), space.handle(&other, &news));
    assert_eq!(both, (vec![], vec![]));
    space.only_message();

    space.vote_in_slack("U0ALICE").await;
    let news = space.news();
    let both = tokio::join!(space.handle(&one, &news), space.handle(&other, &news));
    assert_eq!(both, (vec![], vec![]));
    assert_eq!(space.only_message().buttons(), [""; 0]);
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_found_again() {
    for lost in [FaultKind::AnswerLost, FaultKind::AnswerFails] {
        let mut space = Workspace::panel().await;
        space.slack.inject(Fault::new(POST, lost));
        let news = space.news();
        let instance = space.instance();
        assert_eq!(space.handle(&instance, &news).await, ["m0"]);
        let posted = space.only_message();
        // It comes again while the first instance may still be posting, and once more after that.
        assert_eq!(space.within(&instance, &news, 15).await, ["m0"]);
        minutes_pass(&space.world, 2);
        assert_eq!(space.handle(&instance, &news).await, [""; 0]);
        assert_eq!(space.slack.calls_of(POST), 1);
        assert_eq!(space.only_message().ts, posted.ts);
        // From now on it is known, and will show how the review ends.
        space.vote_in_slack("U0ALICE").await;
        assert_eq!(space.deliver().await, [""; 0]);
        assert_eq!(space.only_message().buttons(), [""; 0]);
    }
}

#[tokio::test]
async fn a_message_that_was_never_posted_is_posted_after_all() {
    let mut space = Workspace::panel().await;
    let news = space.news();
    space.kill_while_it_posts(&news).await;
    assert_eq!(space.messages(), []);
    minutes_pass(&space.world, 2);
    // Two others find its claim ended.
    let (one, other) = (space.instance(), space.instance());
    let both = tokio::join!(space.handle(&one, &news), space.handle(&other, &news));
    assert_eq!(both, (vec![], vec![]));
    space.only_message();
    assert!(space.slack.calls_of(HISTORY) > 0, "it was looked for");
}

#[tokio::test]
async fn a_message_that_was_never_posted_is_not_posted_once_it_was_decided() {
    let mut space = Workspace::panel().await;
    let opened = space.news();
    space.kill_while_it_posts(&opened).await;
    space.vote_in_slack("U0ALICE").await;
    minutes_pass(&space.world, 2);
    let ended = space.news();
    for news in [&opened, &ended, &opened] {
        assert_eq!(space.handle(&space.instance(), news).await, [""; 0]);
    }
    assert_eq!(space.messages(), []);
    assert_eq!(
        space.slack.calls_of(HISTORY),
        1,
        "that is known from then on"
    );
}

#[tokio::test]
async fn an_earlier_review_says_that_it_is_over_while_a_later_one_waits() {
    let mut space = Workspace::panel().await;
    space.deliver().await;
    let first = space.only_message();
    // The policy accepts, EC2 does not, and then the policy no longer does.
    let accept = Fault::new("AcceptVpcEndpointConnections", FaultKind::InternalError);
    space.world.ec2.inject(accept.always());
    allow(&space.world, SERVICE, "000000000003").await;
    space.world.reconcile().await;
    assert_eq!(status(&space.world, 3).await, Some(Status::Accepting));
    remove(&space.world, SERVICE, "allow", "000000000003").await;
    space.world.ec2.clear_faults();
    minutes_pass(&space.world, 5);
    space.world.reconcile().await;
    assert_eq!(status(&space.world, 3).await, Some(Status::InReview));
    assert_eq!(space.deliver().await, [""; 0]);
    let messages = space.messages();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(messages[0].ts, first.ts);
    assert_eq!(messages[0].buttons(), [""; 0]);
    assert!(messages[0].shown().contains("To be decided anew: "));
    assert_eq!(messages[1].buttons(), ["approve", "reject"]);
    // The later one ends, and the earlier one stays as it is.
    space.vote_in_slack("U0ALICE").await;
    assert_eq!(space.deliver().await, [""; 0]);
    assert_eq!(space.messages()[0], messages[0]);
    assert!(space.messages()[1].shown().contains("Accepted: "));
    // So do all that are over, whatever happens to the connection.
    let shown = space.messages();
    somebody_rejects(&space.world, 3);
    minutes_pass(&space.world, 5);
    space.world.reconcile().await;
    assert_eq!(space.deliver().await, [""; 0]);
    assert_eq!(space.messages()[..2], shown);
}

#[tokio::test]
async fn without_the_right_to_read_the_channel_people_are_still_notified() {
    let mut space = Workspace::panel().await;
    space.slack.set_options(|options| {
        options.scopes.remove("channels:history");
    });
    space.slack.inject(Fault::new(POST, FaultKind::AnswerLost));
    let news = space.news();
    let instance = space.instance();
    assert_eq!(space.handle(&instance, &news).await, ["m0"]);
    minutes_pass(&space.world, 2);
    assert_eq!(space.handle(&instance, &news).await, [""; 0]);
    assert_eq!(space.messages().len(), 2, "perhaps twice, and never not");
}

#[tokio::test]
async fn slack_is_not_called_for_as_long_as_it_asks() {
    let mut space = Workspace::panel().await;
    let wait = |seconds| {
        space.slack.set_options(|options| {
            options.retry_after = Duration::from_secs(seconds);
        });
    };
    // There is time to wait.
    wait(20);
    space.slack.inject(Fault::new(POST, FaultKind::Throttle));
    let news = space.news();
    let begun = space.world.clock.now();
    assert_eq!(space.handle(&space.instance(), &news).await, [""; 0]);
    assert!(space.world.clock.now().duration_since(begun).as_secs() >= 20);
    space.only_message();

    // There is not enough time, so the record comes back, and nothing else is tried meanwhile.
    space
        .slack
        .set_options(|options| options.retry_after = Duration::from_secs(120));
    space.slack.inject(Fault::new(UPDATE, FaultKind::Throttle));
    space.vote_in_slack("U0ALICE").await;
    let news = space.news();
    let instance = space.instance();
    assert!(!space.handle(&instance, &news).await.is_empty());
    assert!(!space.handle(&instance, &news).await.is_empty());
    assert_eq!(space.slack.calls_of(UPDATE), 1);
    minutes_pass(&space.world, 2);
    assert_eq!(space.handle(&instance, &news).await, [""; 0]);
    assert_eq!(space.only_message().buttons(), [""; 0]);
    assert_eq!(space.slack.too_early(), [""; 0]);
}

#[tokio::test]
async fn a_token_that_was_replaced_is_read_again() {
    let mut space = Workspace::panel().await;
    let instance = space.instance();
    let news = space.news();
    assert_eq!(space.handle(&instance, &news).await, [""; 0]);
    minutes_pass(&space.world, 1);
    space.slack.set_bot_token("xoxb-the-next");
    space.vote_in_slack("U0ALICE").await;
    let news = space.news();
    // Slack's token is replaced, ours not yet: somebody must act.
    assert!(!space.handle(&instance, &news).await.is_empty());
    assert_eq!(space.only_message().buttons().len(), 2);
    space
        .world
        .secrets
        .rotate("slack", &secret("xoxb-the-next"))
        .unwrap();
    minutes_pass(&space.world, 1);
    assert_eq!(space.handle(&instance, &news).await, [""; 0]);
    assert_eq!(space.only_message().buttons(), [""; 0]);
}

#[tokio::test]
async fn a_token_that_slack_does_not_take_is_tried_once_for_all_records() {
    let mut space = Workspace::of(OPEN).await;
    approver(&space.world, r#"{id: alice@example.com, services: ["*"]}"#).await;
    for n in 1..=5 {
        somebody_asks(&space.world, n, &format!("{n:012}"));
    }
    space.world.reconcile().await;
    space.slack.set_bot_token("xoxb-the-next");
    let news = space.news();
    let back = space.handle(&space.instance(), &news).await;
    assert_eq!(back.len(), news["Records"].as_array().unwrap().len());
    assert_eq!(space.slack.calls_of(POST), 1);
}

#[tokio::test]
async fn a_bad_record_and_a_channel_that_is_not_there_spoil_no_other() {
    let space = Workspace::of(OPEN).await;
    approver(&space.world, r#"{id: alice@example.com, services: ["*"]}"#).await;
    somebody_asks(&space.world, 1, "000000000001");
    space.world.reconcile().await;
    let (good, mut bad) = (
        documents(&space.world).remove(0),
        json!({"schema": "other"}),
    );
    bad["kind"] = good["kind"].clone();
    // A service whose channel is gone, and which accepts every request.
    let text = "services:\n  - {service_id: vpce-svc-00000000000000002, principals: [\"*\"]}\n\
                policy:\n  settings:\n    \
                - {service_id: vpce-svc-00000000000000002, slack_channel: C0GONE}\n";
    let file = gatekeeper_local::world_file::WorldFile::parse(text).unwrap();
    file.put_into(&space.world).await.unwrap();
    minutes_pass(&space.world, 5);
    space.world.reconcile().await;
    let alarm = documents(&space.world)
        .into_iter()
        .find(|document| {
            document["service_id"] == "vpce-svc-00000000000000002"
                && document["finding"] == "anyone_may_ask"
        })
        .unwrap();
    let news = batch(&[bad, alarm, good]);
    assert_eq!(space.handle(&space.instance(), &news).await, ["m1"]);
    assert_eq!(space.only_message().buttons(), ["approve", "reject"]);
}

#[tokio::test]
async fn if_a_message_cannot_be_changed_people_are_notified_in_its_thread() {
    let mut space = Workspace::panel().await;
    space.deliver().await;
    space
        .slack
        .set_options(|options| options.edit_window_closed = true);
    space.vote_in_slack("U0ALICE").await;
    let news = space.news();
    for _ in 0..2 {
        assert_eq!(space.handle(&space.instance(), &news).await, [""; 0]);
    }
    let messages = space.messages();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(messages[1].thread_ts.as_ref(), Some(&messages[0].ts));
    assert!(messages[1].broadcast);
    assert!(messages[1].shown().contains("Accepted: Payments"));
    assert_eq!(messages[1].buttons(), [""; 0]);
}

#[tokio::test]
async fn if_a_message_was_deleted_people_are_notified_anew() {
    let mut space = Workspace::of(PANEL).await;
    settings(&space.world, "approvals_required: 2").await;
    space.world.reconcile().await;
    space.deliver().await;
    let first = space.only_message();
    assert!(space.slack.delete_message(CHANNEL, &first.ts));
    space.vote_in_slack("U0ALICE").await;
    assert_eq!(space.deliver().await, [""; 0]);
    let second = space.only_message();
    assert_eq!(second.buttons(), ["approve", "reject"], "it still waits");
    assert!(space.slack.delete_message(CHANNEL, &second.ts));
    space.vote_in_slack("U0BOB").await;
    assert_eq!(space.deliver().await, [""; 0]);
    let third = space.only_message();
    assert!(third.shown().contains("Accepted: "), "{}", third.shown());
    assert_eq!(third.buttons(), [""; 0]);
}

#[tokio::test]
async fn people_are_reminded_in_the_thread_of_the_message_once() {
    let mut space = Workspace::of(PANEL).await;
    settings(&space.world, "remind_hours: 1").await;
    space.world.reconcile().await;
    space.deliver().await;
    hours_pass(&space.world, 2);
    space.world.reconcile().await;
    let news = space.news();
    for _ in 0..2 {
        assert_eq!(space.handle(&space.instance(), &news).await, [""; 0]);
    }
    let messages = space.messages();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(messages[1].thread_ts.as_ref(), Some(&messages[0].ts));
    assert!(messages[1].broadcast, "the channel shows it too");
    assert!(
        messages[1]
            .shown()
            .contains("still waits for somebody to decide.")
    );
    // A reminder that comes after the decision reminds nobody.
    space.vote_in_slack("U0ALICE").await;
    let late = json!({ "Records": news["Records"].clone() });
    let mut reminder: Value =
        serde_json::from_str(late["Records"][0]["body"].as_str().unwrap()).unwrap();
    reminder["id"] = json!("another");
    assert_eq!(
        space.handle(&space.instance(), &batch(&[reminder])).await,
        [""; 0]
    );
    assert_eq!(space.messages().len(), 2);
}

#[tokio::test]
async fn a_review_that_nobody_may_decide_is_shown_only_once_somebody_may() {
    let mut space = Workspace::of(OPEN).await;
    somebody_asks(&space.world, 1, "000000000001");
    space.world.reconcile().await;
    assert_eq!(space.deliver().await, [""; 0]);
    let announced: Vec<String> = space.messages().iter().map(SlackMessage::shown).collect();
    assert!(
        announced
            .iter()
            .any(|text| text.contains("nobody may decide about it."))
    );
    assert!(
        space
            .messages()
            .iter()
            .all(|message| message.buttons().is_empty())
    );
    approver(&space.world, r#"{id: alice@example.com, services: ["*"]}"#).await;
    space.world.reconcile().await;
    assert_eq!(space.deliver().await, [""; 0]);
    let asking = space
        .messages()
        .into_iter()
        .filter(|message| !message.buttons().is_empty());
    assert_eq!(asking.count(), 1);
}

#[tokio::test]
async fn a_notice_is_shown_once() {
    let mut space = Workspace::panel().await;
    space.deliver().await;
    somebody_accepts(&space.world, 3);
    minutes_pass(&space.world, 5);
    space.world.reconcile().await;
    let news = space.news();
    space.slack.inject(Fault::new(POST, FaultKind::AnswerLost));
    let (one, other) = (space.instance(), space.instance());
    let both = tokio::join!(space.handle(&one, &news), space.within(&other, &news, 15));
    assert!(!both.0.is_empty() && !both.1.is_empty(), "{both:?}");
    minutes_pass(&space.world, 2);
    for _ in 0..2 {
        let both = tokio::join!(space.handle(&one, &news), space.handle(&other, &news));
        assert_eq!(both, (vec![], vec![]));
    }
    let texts: Vec<String> = space.messages().iter().map(SlackMessage::shown).collect();
    let announced = texts
        .iter()
        .filter(|text| text.contains("accepted without Gatekeeper"));
    // The review's own message, and the notice.
    assert_eq!(announced.count(), 2, "{texts:?}");
    space.assert_quiet();
}

#[tokio::test]
async fn alarms_are_shown_when_they_begin_and_when_they_end() {
    let mut space = Workspace::of(OPEN).await;
    space.world.reconcile().await;
    let news = space.news();
    for _ in 0..2 {
        assert_eq!(space.handle(&space.instance(), &news).await, [""; 0]);
    }
    let texts: Vec<String> = space.messages().iter().map(SlackMessage::shown).collect();
    let found = texts
        .iter()
        .filter(|text| text.contains("every AWS account can create"));
    assert_eq!(found.count(), 1, "{texts:?}");
    space.assert_quiet();
}

#[tokio::test]
async fn a_review_that_was_never_shown_is_not_announced_at_its_end() {
    let mut space = Workspace::of(PANEL).await;
    somebody_asks(&space.world, 1, "000000000001");
    space.world.reconcile().await;
    assert_eq!(status(&space.world, 1).await, Some(Status::Accepted));
    space.deliver().await;
    assert_eq!(announcements_of(&space.world, 1), ["accepted"]);
    assert!(
        space
            .only_message()
            .shown()
            .contains("vpce-00000000000000003")
    );
}

#[tokio::test]
async fn a_service_is_shown_in_its_own_channel() {
    let mut space = Workspace::of(PANEL).await;
    space
        .slack
        .put_channel(NewChannel::new("C0PAYMENTS", "payments"));
    settings(&space.world, "slack_channel: C0PAYMENTS").await;
    space.world.reconcile().await;
    assert_eq!(space.deliver().await, [""; 0]);
    assert_eq!(space.messages(), []);
    assert_eq!(space.slack.messages("C0PAYMENTS").len(), 1);
    // The channel changes: the open review is shown in the new channel too, and both show how it
    // ended.
    settings(
        &space.world,
        &format!("slack_channel: {CHANNEL}, remind_hours: 1"),
    )
    .await;
    hours_pass(&space.world, 2);
    space.world.reconcile().await;
    assert_eq!(space.deliver().await, [""; 0]);
    space.vote_in_slack("U0ALICE").await;
    assert_eq!(space.deliver().await, [""; 0]);
    for channel in ["C0PAYMENTS", CHANNEL] {
        let first = space.slack.messages(channel).remove(0);
        assert!(
            first.shown().contains("Accepted: "),
            "{channel}: {}",
            first.shown()
        );
        assert_eq!(first.buttons(), [""; 0]);
    }
}
