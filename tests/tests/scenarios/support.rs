//! Shared by the scenarios: a small world, and functions that look at it and disturb it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_aws::clients::Timeouts;
use gatekeeper_aws::clock::{Clock, Deadline};
use gatekeeper_aws::gatekeeper::{ReviewState, ReviewView, Voter};
use gatekeeper_connections::handler::BatchResponse;
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::policy::{Effect, Rule};
use gatekeeper_core::request::{Request, Status, Transition};
use gatekeeper_core::vote::{Ballot, Choice};
use gatekeeper_local::function::Function;
use gatekeeper_local::queue;
use gatekeeper_local::world::{Options, World};
use gatekeeper_local::world_file::WorldFile;
use local_aws::{CallPhase, NewConnection, State};
use serde_json::{Value, json};

use crate::{logs, recorded};

pub(crate) const SERVICE: &str = "vpce-svc-0a1b2c3d4e5f60718";
/// The calls before a first decision is recorded: the managed services, the endpoint, the policy by
/// its keys, and the denies for Organizations paths of the service and of `*`.
pub(crate) const READS: usize = 5;
/// Longer than a claim and than EC2's lag, and the queue's visibility.
pub(crate) const LATER: Duration = Duration::from_secs(360);

/// Four consumers: allowed, denied, unknown, and allowed up to a limit.
pub(crate) const WORLD: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - {endpoint_id: vpce-00000000000000001, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000001"}
  - {endpoint_id: vpce-00000000000000002, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000002"}
  - {endpoint_id: vpce-00000000000000003, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000003"}
  - {endpoint_id: vpce-00000000000000004, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000004"}
  - {endpoint_id: vpce-00000000000000005, service_id: vpce-svc-0a1b2c3d4e5f60718, owner: "000000000004"}
policy:
  entries:
    - {service_id: vpce-svc-0a1b2c3d4e5f60718, principal: "000000000001", effect: allow}
    - {service_id: "*", principal: "000000000002", effect: deny}
    - {service_id: "*", principal: "000000000004", effect: allow, max_connections: 1}
  approvers:
    - {id: alice@example.com, services: ["*"]}
"#;

/// [`WORLD`], with the third connection accepted by somebody before Gatekeeper was there.
pub(crate) fn world_with_a_connection_from_before() -> String {
    WORLD.replace(
        r#"owner: "000000000003"}"#,
        r#"owner: "000000000003", state: available}"#,
    )
}

/// A service that accepts every request, without requests yet.
pub(crate) const OPEN: &str = r#"
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
    principals: ["*"]
"#;

pub(crate) fn endpoint(n: u32) -> EndpointId {
    format!("vpce-{n:017x}").parse().unwrap()
}

pub(crate) fn options() -> Options {
    let mut options = Options::new(Clock::manual("2026-11-20T12:00:00Z".parse().unwrap()));
    options.seed = Some(1);
    options.ec2.deleting_delay = Duration::from_secs(1_000_000);
    options.timeouts = Timeouts {
        attempt: Duration::from_millis(400),
        operation: Duration::from_secs(10),
        attempts: 3,
        backoff: Duration::from_millis(1),
        ..Timeouts::default()
    };
    options
}

/// A world in which reconcile has looked through the allowlist's keys, as it does before anything else.
pub(crate) async fn world_with(options: Options, text: &str) -> World {
    let world = new_world_with(options, text).await;
    let services: Vec<_> = world
        .ec2
        .services()
        .into_iter()
        .map(|service| service.id.parse().unwrap())
        .collect();
    world
        .gatekeeper(Function::Reconcile)
        .look_through_keys(&services, deadline(&world))
        .await;
    world.dynamodb.reset_calls();
    world
}

/// A world in which no function has run yet.
pub(crate) async fn new_world_with(options: Options, text: &str) -> World {
    logs::watch();
    let world = World::start(options).await.unwrap();
    recorded::keep(&world);
    WorldFile::parse(text)
        .unwrap()
        .put_into(&world)
        .await
        .unwrap();
    // The initial allowlist does not count as an edit.
    world.forget_edits().unwrap();
    world.dynamodb.reset_calls();
    world
}

pub(crate) async fn world_of(text: &str) -> World {
    world_with(options(), text).await
}

pub(crate) async fn put_policy(world: &World, entries: &str) {
    let text = format!("services: []\npolicy:\n  entries:\n    - {entries}\n");
    WorldFile::parse(&text)
        .unwrap()
        .put_into(world)
        .await
        .unwrap();
}

/// Allows an account on one service, or with `*` on all.
pub(crate) async fn allow(world: &World, scope: &str, account: &str) {
    let entry = format!(r#"{{service_id: "{scope}", principal: "{account}", effect: allow}}"#);
    put_policy(world, &entry).await;
}

/// Removes an entry from the allowlist.
pub(crate) async fn remove(world: &World, scope: &str, effect: &str, principal: &str) {
    let rule = Rule {
        service_id: scope.parse().unwrap(),
        principal: principal.parse().unwrap(),
        effect: match effect {
            "allow" => Effect::Allow,
            _ => Effect::Deny,
        },
    };
    world.remove_entry(&rule).await.unwrap();
}

/// Writes the settings of all services.
pub(crate) async fn settings(world: &World, settings: &str) {
    let text =
        format!("services: []\npolicy:\n  settings:\n    - {{service_id: \"*\", {settings}}}\n");
    WorldFile::parse(&text)
        .unwrap()
        .put_into(world)
        .await
        .unwrap();
}

/// Puts an unreadable item into the allowlist.
pub(crate) async fn malformed(world: &World, scope: &str, rule: &str) {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    world
        .tables()
        .put_item()
        .table_name(world.allowlist_table())
        .item("service_id", text(scope))
        .item("rule", text(rule))
        .item("max_conections", AttributeValue::N("1".to_owned()))
        .send()
        .await
        .unwrap();
}

pub(crate) fn minutes_pass(world: &World, minutes: u64) {
    world.clock.advance(Duration::from_secs(minutes * 60));
}

pub(crate) fn hours_pass(world: &World, hours: u64) {
    minutes_pass(world, hours * 60);
}

/// Runs reconcile this often, with five minutes after each run.
pub(crate) async fn runs(world: &World, times: u32) {
    for _ in 0..times {
        world.reconcile().await;
        minutes_pass(world, 5);
    }
}

/// Somebody at the provider accepts a connection on the console.
pub(crate) fn somebody_accepts(world: &World, n: u32) {
    let failed = world
        .ec2
        .accept(&world.ec2.provider(), SERVICE, [endpoint(n).as_str()]);
    assert!(failed.unwrap().is_empty());
}

/// Somebody at the provider rejects a connection on the console.
pub(crate) fn somebody_rejects(world: &World, n: u32) {
    let failed = world
        .ec2
        .reject(&world.ec2.provider(), SERVICE, [endpoint(n).as_str()]);
    assert!(failed.unwrap().is_empty());
}

/// An account creates an endpoint.
pub(crate) fn somebody_asks(world: &World, n: u32, account: &str) {
    let new = NewConnection::new(SERVICE, account).endpoint_id(endpoint(n).as_str());
    world.ec2.put_connection(new).unwrap();
}

/// Runs `policy-changes` for the edits made since the world began.
pub(crate) async fn edited(world: &World) {
    assert_eq!(world.follow_edits().await.unwrap(), 0);
}

/// Makes each call of an action of EC2 take this long.
pub(crate) fn slow(world: &World, action: &'static str, seconds: u64) {
    let clock = world.clock.clone();
    world
        .ec2
        .set_on_call(Some(Arc::new(move |called: &str, phase: CallPhase| {
            if phase == CallPhase::After && called == action {
                clock.advance(Duration::from_secs(seconds));
            }
        }) as local_aws::OnCall));
}

/// How often an alarm about a service was announced to begin or to end.
pub(crate) fn alarms(world: &World, finding: &str, kind: &str) -> usize {
    documents(world)
        .iter()
        .filter(|document| document["finding"] == finding && document["kind"] == kind)
        .count()
}

/// Our own event about one endpoint.
pub(crate) fn requested(endpoint: &EndpointId) -> Value {
    json!({
        "version": "0",
        "source": "privatelink.gatekeeper",
        "detail-type": "Connection Requested",
        "detail": { "service_id": SERVICE, "endpoint_id": endpoint },
    })
}

/// Our own events about the endpoints 1 to `n`, as one SQS batch.
pub(crate) fn batch_of(n: u32) -> Value {
    let records: Vec<Value> = (1..=n)
        .map(|n| {
            json!({
                "messageId": format!("m{n}"),
                "eventSource": "aws:sqs",
                "body": requested(&endpoint(n)).to_string(),
            })
        })
        .collect();
    json!({ "Records": records })
}

pub(crate) fn deadline(world: &World) -> Deadline {
    Deadline::after(&world.clock, Duration::from_secs(60))
}

pub(crate) async fn handle(world: &World, payload: Value) -> BatchResponse {
    let answer = world.handler().handle(payload, deadline(world)).await;
    world.announce().await.unwrap();
    answer
}

pub(crate) async fn status(world: &World, n: u32) -> Option<Status> {
    request(world, n).await.map(|request| request.status)
}

pub(crate) async fn request(world: &World, n: u32) -> Option<Request> {
    world.request(&endpoint(n)).await.unwrap()
}

pub(crate) fn state(world: &World, n: u32) -> Option<State> {
    world.ec2.state(endpoint(n).as_str())
}

/// A history in one line: `- > accepting > accepted`.
pub(crate) async fn path(world: &World, n: u32) -> String {
    let mut words = vec!["-".to_owned()];
    words.extend(history(world, n).await.iter().map(|t| t.to.to_string()));
    words.join(" > ")
}

/// The history of a request, checked: each row starts at the end of the one before, there are as
/// many as the request's version says, and the last one has its status (S6).
pub(crate) async fn history(world: &World, n: u32) -> Vec<Transition> {
    let rows = world.history(&endpoint(n)).await.unwrap();
    let mut last = None;
    for row in &rows {
        assert_eq!(row.from, last, "rows follow each other: {rows:?}");
        last = Some(row.to);
    }
    let request = request(world, n).await;
    assert_eq!(request.as_ref().map(|r| r.status), last);
    assert_eq!(
        request.map_or(0, |r| r.version),
        u64::try_from(rows.len()).unwrap()
    );
    rows
}

/// The announcements about connections: how often each id and kind.
pub(crate) fn announced(world: &World) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for document in documents(world) {
        if document["endpoint_id"].is_string() {
            let word = |name: &str| document[name].as_str().unwrap().to_owned();
            *counts.entry((word("id"), word("kind"))).or_default() += 1;
        }
    }
    counts
}

/// The kinds of the announcements about an endpoint, in order.
pub(crate) fn announcements_of(world: &World, n: u32) -> Vec<String> {
    let mut announced = documents(world);
    announced.retain(|document| document["endpoint_id"] == endpoint(n).as_str());
    // A message that is published again after a crash has the same id.
    announced.dedup_by_key(|document| document["id"].clone());
    announced
        .iter()
        .map(|document| document["kind"].as_str().unwrap().to_owned())
        .collect()
}

/// Every announcement, as machines get it, in the order of publishing.
pub(crate) fn documents(world: &World) -> Vec<Value> {
    let mut documents = Vec::new();
    for message in world.sns.published() {
        if message.topic_arn != world.announcements_topic {
            continue;
        }
        let outer: Value = serde_json::from_str(&message.message).unwrap();
        documents.push(serde_json::from_str(outer["default"].as_str().unwrap()).unwrap());
    }
    documents
}

/// Asserts the final state of the five connections of [`WORLD`], whatever happened on the way.
pub(crate) async fn assert_all_decided(world: &World, context: &str) {
    assert_eq!(status(world, 1).await, Some(Status::Accepted), "{context}");
    assert_eq!(status(world, 2).await, Some(Status::Rejected), "{context}");
    assert_eq!(status(world, 3).await, Some(Status::InReview), "{context}");
    let limited = [status(world, 4).await, status(world, 5).await];
    assert!(
        limited == [Some(Status::Accepted), Some(Status::InReview)]
            || limited == [Some(Status::InReview), Some(Status::Accepted)],
        "{context}: {limited:?}"
    );
    for n in 1..=5 {
        let shown = state(world, n).unwrap();
        let expected: &[State] = match status(world, n).await.unwrap() {
            Status::Accepted => &[State::Pending, State::Available],
            Status::Rejected => &[State::Rejected],
            _ => &[State::PendingAcceptance],
        };
        assert!(expected.contains(&shown), "{context}: {n} is {shown}");
        history(world, n).await;
    }
    let announced = announced(world);
    let ids: Vec<&str> = announced.keys().map(|(id, _)| id.as_str()).collect();
    let kinds: Vec<&str> = announced.keys().map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(ids.len(), 5, "{context}: {announced:?}");
    assert_eq!(
        kinds.iter().filter(|k| **k == "accepted").count(),
        2,
        "{context}"
    );
    assert_eq!(
        kinds.iter().filter(|k| **k == "rejected").count(),
        1,
        "{context}"
    );
    assert_eq!(
        kinds.iter().filter(|k| **k == "review_opened").count(),
        2,
        "{context}"
    );
}

/// Makes somebody an approver, or changes their rights.
pub(crate) async fn approver(world: &World, approver: &str) {
    let text = format!("services: []\npolicy:\n  approvers:\n    - {approver}\n");
    let file = WorldFile::parse(&text).unwrap();
    file.put_into(world).await.unwrap();
}

/// The approval e-mails that somebody got about an endpoint, oldest first.
pub(crate) fn approval_emails(world: &World, name: &str, n: u32) -> Vec<String> {
    let mails = world.sns.inbox_of(&format!("{name}@example.com"));
    let about = |text: &String| text.contains(endpoint(n).as_str());
    mails
        .into_iter()
        .map(|mail| mail.message)
        .filter(about)
        .collect()
}

/// The token in the last approval e-mail that somebody got about an endpoint.
pub(crate) fn token(world: &World, name: &str, n: u32) -> String {
    let approval_emails = approval_emails(world, name, n);
    let approval_email = approval_emails.last().expect("an approval e-mail");
    let (_, link) = approval_email.split_once("/a/").expect("a link");
    let token = link.split_whitespace().next().unwrap();
    logs::must_not_show(token);
    token.to_owned()
}

/// A vote by the last link that somebody got about an endpoint.
pub(crate) fn by_link(world: &World, name: &str, n: u32) -> Voter {
    Voter::Link {
        token: token(world, name, n),
        typed: end_of(n),
    }
}

/// The last six characters of an endpoint's id.
pub(crate) fn end_of(n: u32) -> String {
    let id = endpoint(n).to_string();
    id[id.len() - 6..].to_owned()
}

pub(crate) fn approval() -> Ballot {
    Ballot::new(Choice::Approve, "").unwrap()
}

pub(crate) fn rejection() -> Ballot {
    Ballot::new(Choice::Reject, "Not a customer.").unwrap()
}

pub(crate) fn withdrawal() -> Ballot {
    Ballot::new(Choice::Withdraw, "Too early.").unwrap()
}

pub(crate) async fn vote(world: &World, voter: &Voter, ballot: &Ballot) -> ReviewView {
    let gatekeeper = world.gatekeeper(Function::Approvals);
    let voted = gatekeeper.vote(voter, ballot, deadline(world)).await;
    world.announce().await.unwrap();
    voted.unwrap()
}

/// The result of a vote, in a word.
pub(crate) fn word(view: &ReviewView) -> &'static str {
    let state = match view {
        ReviewView::Shown(state, _) => state,
        ReviewView::Expired => return "expired",
        ReviewView::Invalid => return "invalid",
        ReviewView::NotAnApprover => return "no approver",
    };
    match state {
        ReviewState::Open => "open",
        ReviewState::Waiting => "waiting",
        ReviewState::Decided | ReviewState::Done => "decided",
        ReviewState::Recorded => "recorded",
        ReviewState::Overtaken => "overtaken",
        ReviewState::Unrecorded(_) => "unrecorded",
        ReviewState::Unmanaged => "unmanaged",
        ReviewState::Already => "already",
        ReviewState::TooLate => "too late",
        ReviewState::Ineligible(_) => "barred",
        ReviewState::Mistyped => "mistyped",
    }
}

/// The view of a review, in a word.
pub(crate) async fn look(world: &World, voter: &Voter) -> &'static str {
    let gatekeeper = world.gatekeeper(Function::Approvals);
    match gatekeeper.view(voter).await.unwrap() {
        ReviewView::Shown(ReviewState::Open, details) if details.own.is_some() => "voted",
        view => word(&view),
    }
}

/// Every call that the functions make, in order, as `service:Action`.
#[derive(Clone, Default)]
pub(crate) struct Calls {
    seen: Arc<Mutex<Vec<String>>>,
    count: Arc<AtomicUsize>,
    on_nth: Arc<Mutex<Option<(usize, Act)>>>,
}

type Act = Box<dyn FnOnce() + Send>;

impl Calls {
    /// Listens to a world's calls.
    pub(crate) fn of(world: &World) -> Self {
        let calls = Self::default();
        let simulated = |service: &'static str| {
            let calls = calls.clone();
            Some(Arc::new(move |action: &str, phase: CallPhase| {
                if phase == CallPhase::After {
                    calls.saw(service, action);
                }
            }) as local_aws::OnCall)
        };
        world.ec2.set_on_call(simulated("ec2"));
        world.sns.set_on_call(simulated("sns"));
        let own = calls.clone();
        world
            .dynamodb
            .set_on_call(Some(Arc::new(move |action: &str| {
                own.saw("dynamodb", action);
            })));
        calls
    }

    fn saw(&self, service: &str, action: &str) {
        self.seen
            .lock()
            .unwrap()
            .push(format!("{service}:{action}"));
        let n = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        let act = {
            let mut on_nth = self.on_nth.lock().unwrap();
            match on_nth.take() {
                Some((at, act)) if at == n => Some(act),
                other => {
                    *on_nth = other;
                    None
                }
            }
        };
        if let Some(act) = act {
            act();
        }
    }

    /// Does something after the nth call from now, once.
    pub(crate) fn after(&self, n: usize, act: impl FnOnce() + Send + 'static) {
        let at = self.count.load(Ordering::SeqCst) + n;
        *self.on_nth.lock().unwrap() = Some((at, Box::new(act)));
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// Runs the function `connections` and kills it after its nth call was carried out, before it gets
/// the answer. `None` if it was finished before that.
pub(crate) async fn crash_after(
    world: &World,
    calls: &Calls,
    n: usize,
    payload: Value,
) -> Option<BatchResponse> {
    let handler = world.another_handler();
    let deadline = deadline(world);
    let work = async move { handler.handle(payload, deadline).await };
    killed_after(calls, n, work).await
}

/// Kills the function `reconcile` after its nth call, for every n, each time in a new world. Five
/// minutes later, `look` finishes the work and checks it.
pub(crate) async fn reconcile_killed_everywhere(
    ready: impl AsyncFn() -> World,
    look: impl AsyncFn(&World, usize),
) {
    for n in 1.. {
        assert!(n < 60, "the run never came to its end");
        let world = ready().await;
        let calls = Calls::of(&world);
        let gatekeeper = world.instance(Function::Reconcile, 2);
        let until = deadline(&world);
        let work = async move { gatekeeper.reconcile(until).await };
        let finished = killed_after(&calls, n, work).await.is_some();
        minutes_pass(&world, 5);
        look(&world, n).await;
        if finished {
            assert!(n > 10, "there were points to kill it at");
            return;
        }
    }
}

/// Runs some work and kills it after its nth call; `None` if it was finished before that.
pub(crate) async fn killed_after<T: Send + 'static>(
    calls: &Calls,
    n: usize,
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let task = tokio::spawn(work);
    let victim = task.abort_handle();
    calls.after(n, move || victim.abort());
    let ended = task.await;
    calls.after(usize::MAX / 2, || {});
    match ended {
        Ok(answer) => Some(answer),
        Err(error) => {
            assert!(
                error.is_cancelled(),
                "it was killed and did not panic: {error}"
            );
            None
        }
    }
}

/// Puts a batch into the queue as after a crash: to be delivered again.
pub(crate) fn requeue(world: &World, payload: &Value) {
    for record in payload["Records"].as_array().unwrap() {
        world.queue.send(record["body"].as_str().unwrap());
    }
}

/// The message ids that an answer gives back to the queue.
pub(crate) fn given_back(answer: BatchResponse) -> Vec<String> {
    let response = answer.into_response().unwrap().unwrap();
    response
        .batch_item_failures
        .into_iter()
        .map(|failure| failure.item_identifier)
        .collect()
}

/// The queue's own form of a batch, for scenarios that go through it.
pub(crate) fn queued(world: &World) -> Value {
    queue::event(&world.queue.receive(100))
}
