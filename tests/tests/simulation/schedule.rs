//! A schedule: a world and the events in it, all drawn from one seed.

use std::sync::Arc;
use std::time::Duration;

use gatekeeper_aws::clients::Timeouts;
use gatekeeper_aws::clock::Clock;
use gatekeeper_aws::gatekeeper::Voter;
use gatekeeper_core::vote::{Ballot, Choice};
use gatekeeper_local::in_process::Transport;
use gatekeeper_local::queue::DeliveryFaults;
use gatekeeper_local::world::{Options, PROVIDER, REGION, World};
use local_aws::{
    Caller, ConnectionEvent, NewConnection, NewEndpoint, NewService, NewSubscription, State,
};
use serde_json::json;

use crate::ledger::{Endpoint, Fact};
use crate::policy::Subject;
use crate::recorded;
use crate::runs::Runs;
use crate::wire::{ATTEMPT, Wire};
use crate::{ending, policy_edits};

const ACCOUNTS: [&str; 3] = ["000000000001", "000000000002", "000000000003"];
pub(crate) const REGIONS: [&str; 2] = [REGION, "eu-central-1"];
/// At most this many functions run at the same time.
const AT_ONCE: usize = 3;

/// The result of a schedule.
pub(crate) struct Outcome {
    /// The rules that were broken.
    pub(crate) violations: Vec<String>,
    /// Everything that happened.
    pub(crate) trace: String,
    /// A hash of the trace.
    pub(crate) hash: u64,
    /// How many calls were made to AWS.
    pub(crate) calls: u64,
}

/// A schedule in progress.
pub(crate) struct Schedule {
    pub(crate) chance: fastrand::Rng,
    pub(crate) wire: Arc<Wire>,
    pub(crate) world: World,
    pub(crate) runs: Runs,
    pub(crate) services: Vec<String>,
    /// The service that Gatekeeper does not manage, if there is one.
    unmanaged: Option<String>,
    pub(crate) made: Vec<String>,
    /// How often an event is about the first account and the first service: with fewer of them,
    /// events collide more often.
    bias: f64,
    /// Whether people decide most of it.
    people: bool,
}

/// Runs a schedule to its end, or to the first rule that is broken.
pub(crate) async fn run(seed: u64) -> Outcome {
    // Jitter and the SDK's ids come from the thread's generator.
    fastrand::seed(seed);
    let mut schedule = Schedule::new(seed).await;
    schedule.play().await;
    if schedule.is_sound() {
        ending::converge(&mut schedule).await;
    }
    let calls = schedule.calls();
    let ledger = schedule.wire.ledger();
    Outcome {
        violations: ledger.violations.clone(),
        trace: ledger.trace.text().to_owned(),
        hash: ledger.trace.hash(),
        calls,
    }
}

impl Schedule {
    async fn new(seed: u64) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed);
        let clock = Clock::manual("2026-11-20T12:00:00Z".parse().unwrap());
        let wire = Wire::new(chance.u64(..), clock.clone());
        let mut options = Options::new(clock);
        options.seed = Some(chance.u64(..));
        options.transport = Transport::InProcess(Some(Arc::clone(&wire) as _));
        options.timeouts = Timeouts {
            attempt: ATTEMPT,
            attempts: chance.u32(1..=3),
            ..Timeouts::default()
        };
        options.ec2.describe_lag =
            Duration::from_secs(if chance.bool() { 0 } else { chance.u64(1..40) });
        options.ec2.empty_pages = chance.f64() < 0.15;
        options.ec2.page_size = if chance.f64() < 0.3 {
            chance.usize(1..4)
        } else {
            1000
        };
        options.ec2.reject_endpoint_id_filter = chance.f64() < 0.1;
        options.ec2.accept_after_reject = chance.f64() < 0.3;
        options.ec2.throttling = chance.f64() < 0.3;
        options.ec2.cloudtrail = chance.bool();
        let world = World::start(options).await.unwrap();
        recorded::keep(&world);
        wire.watch(&world);
        if chance.bool() {
            let faults = DeliveryFaults {
                drop: chance.f64() / 2.0,
                duplicate: chance.f64() / 2.0,
                delay: Duration::from_secs(chance.u64(0..600)),
                reorder: chance.f64() / 2.0,
            };
            world.queue.set_delivery_faults(faults, chance.u64(..));
        }
        let bias = [0.0, 0.5, 0.9][chance.usize(0..3)];
        let mut schedule = Self {
            chance,
            wire,
            world,
            runs: Runs::default(),
            services: Vec::new(),
            unmanaged: None,
            made: Vec::new(),
            bias,
            people: false,
        };
        schedule.found().await;
        schedule
    }

    /// Creates the beginning: services, a policy, old connections.
    async fn found(&mut self) {
        // Do this before they are approvers, as docs/approvals.md says.
        for (id, _) in policy_edits::APPROVERS {
            let new = NewSubscription::new(&self.world.approvals_topic, "email", id);
            let filter = json!({ "approver": [id] }).to_string();
            self.world.sns.subscribe(new.filter_policy(filter)).unwrap();
        }
        for n in 1..=self.chance.usize(1..=3) {
            let id = format!("vpce-svc-{n:017x}");
            self.put_service(&id, true);
            self.services.push(id);
        }
        if self.chance.f64() < 0.15 {
            let id = format!("vpce-svc-{:017x}", 0xffff);
            self.put_service(&id, false);
            self.unmanaged = Some(id);
        }
        for _ in 0..self.chance.usize(0..4) {
            self.create();
        }
        // In many schedules mostly people decide.
        self.people = self.chance.f64() < 0.5;
        if self.people {
            policy_edits::approvers(self).await;
        }
        let edits = if self.people {
            1
        } else {
            self.chance.usize(0..6)
        };
        for _ in 0..edits {
            policy_edits::edit(self).await;
        }
        if self.chance.f64() < 0.3 {
            self.was_there_before();
        }
        let weather = [0.0, 0.0, 0.0, 0.02, 0.05, 0.12];
        let faults = weather[self.chance.usize(0..weather.len())];
        let kills = [0.0, 0.0, 0.1][self.chance.usize(0..3)];
        self.wire.set_weather(faults, kills);
    }

    fn put_service(&mut self, id: &str, managed: bool) {
        let mut new = NewService::new()
            .id(id)
            .owner(PROVIDER)
            .region(REGION)
            .supported_region(REGIONS[1])
            .allow("*");
        if managed {
            let (key, value) = gatekeeper_aws::config::MANAGED_TAG;
            new = new.tag(key, value);
        }
        if self.chance.f64() < 0.1 {
            new = new.gateway_load_balancer();
        }
        self.world.ec2.put_service(new);
        if self.chance.f64() < 0.85 {
            let topic = self.world.notification_topic.clone();
            let all = ConnectionEvent::ALL;
            self.world.ec2.put_notification(id, topic, all).unwrap();
        }
    }

    /// A connection from before Gatekeeper.
    fn was_there_before(&mut self) {
        let account = self.account();
        let service = self.service();
        let state =
            [State::Available, State::Rejected, State::PendingAcceptance][self.chance.usize(0..3)];
        let new = NewConnection::new(&service, &account).state(state);
        let made = self.world.ec2.put_connection(new).unwrap();
        let fact = match state {
            State::Available => Some(Fact::Accepted),
            State::Rejected => Some(Fact::Rejected),
            _ => None,
        };
        self.enter(&made, fact);
    }

    async fn play(&mut self) {
        for _ in 0..self.chance.usize(6..24) {
            self.happen().await;
            // Sometimes something happens between two steps of a function, sometimes after it is
            // finished.
            let steps = [0, 1, 2, 3, 5, 8, 13, 21, 34, 55];
            for _ in 0..steps[self.chance.usize(0..steps.len())] {
                self.step().await;
            }
            if !self.is_sound() {
                return;
            }
        }
        self.finish().await;
    }

    /// One step of a function; and at the worst moment, another event.
    async fn step(&mut self) {
        self.runs
            .step(&self.world, &self.wire, &mut self.chance)
            .await;
        if !self.wire.is_critical() || self.chance.f64() > 0.15 {
            return;
        }
        match self.chance.u32(0..12) {
            10..12 if self.runs.len() < AT_ONCE => {
                self.start_vote();
            }
            0..6 => policy_edits::edit(self).await,
            6..8 => self.decide_by_hand(),
            8 => self.delete(),
            _ if self.runs.len() < AT_ONCE => self.runs.reconcile(&self.world, &self.wire, None),
            _ => {}
        }
    }

    /// Lets all functions finish.
    pub(crate) async fn finish(&mut self) {
        let mut steps = 0;
        while self.runs.len() > 0 {
            self.step().await;
            steps += 1;
            if steps > 20_000 {
                self.wire.ledger().broken("S8", "a function hangs");
                self.runs = Runs::default();
            }
        }
    }

    /// One event happens.
    async fn happen(&mut self) {
        if self.people && self.chance.f64() < 0.35 {
            return self.vote().await;
        }
        match self.chance.u32(0..100) {
            0..13 => self.create(),
            13..18 => self.delete(),
            18..44 => policy_edits::edit(self).await,
            44..52 => self.decide_by_hand(),
            52..64 => self.deliver().await,
            64..75 => self.vote().await,
            75..81 => self.follow_edits().await,
            81..88 => self.reconcile().await,
            88..93 => self.announce_or_sweep().await,
            _ => self.let_time_pass().await,
        }
    }

    fn create(&mut self) {
        let caller = Caller::new(self.account(), REGIONS[self.chance.usize(0..2)]);
        let mut service = self.service();
        if let Some(unmanaged) = &self.unmanaged
            && self.chance.f64() < 0.2
        {
            service = unmanaged.clone();
        }
        let name = format!("com.amazonaws.vpce.{REGION}.{service}");
        let made = self
            .world
            .ec2
            .create_endpoint(&caller, NewEndpoint::new(name));
        self.enter(&made.unwrap(), None);
    }

    fn enter(&mut self, made: &local_aws::Connection, fact: Option<Fact>) {
        let subject = Subject {
            service: made.service_id.clone(),
            endpoint: made.endpoint_id.clone(),
            account: made.owner.clone(),
            region: made.region.clone(),
        };
        let now = self.world.clock.now();
        let mut ledger = self.wire.ledger();
        ledger.note(format!(
            "{} is {} of {} in {} on {}",
            made.endpoint_id, made.state, made.owner, made.region, made.service_id
        ));
        let endpoint = Endpoint {
            managed: self.services.contains(&made.service_id),
            facts: fact.map(|fact| (now, fact)).into_iter().collect(),
            subject,
        };
        ledger.endpoints.insert(made.endpoint_id.clone(), endpoint);
        self.made.push(made.endpoint_id.clone());
    }

    fn delete(&mut self) {
        let Some(id) = self.endpoint() else { return };
        let before = self.wire.states([id.clone()]);
        if self.chance.f64() < 0.8 {
            self.world.ec2.delete_endpoint(&id);
        } else if self.world.ec2.state(&id) == Some(State::PendingAcceptance) {
            self.world.ec2.set_state(&id, State::Expired);
        }
        self.wire.happened("its consumer", &before);
    }

    /// Somebody at the provider, on the console.
    fn decide_by_hand(&mut self) {
        let Some(id) = self.endpoint() else { return };
        let Some(connection) = self.world.ec2.connection(&id) else {
            return;
        };
        let alice = Caller::new(PROVIDER, REGION).with_arn("arn:aws:iam::111122223333:user/alice");
        let before = self.wire.states([id.clone()]);
        let service = connection.service_id;
        let decided = if self.chance.bool() {
            self.world.ec2.accept(&alice, &service, [id])
        } else {
            self.world.ec2.reject(&alice, &service, [id])
        };
        decided.unwrap();
        self.wire.happened("somebody", &before);
    }

    /// Events reach the function `connections`.
    async fn deliver(&mut self) {
        self.make_room().await;
        self.world.deliver();
        if let Some(id) = self.endpoint()
            && self.chance.f64() < 0.6
        {
            // Our own event, perhaps for the second time, perhaps about another service.
            let event = json!({
                "source": "privatelink.gatekeeper",
                "detail-type": "Connection Requested",
                "detail": { "service_id": self.service(), "endpoint_id": id },
            });
            self.world.queue.send(event.to_string());
        }
        let batch = self.world.queue.receive(self.chance.usize(1..6));
        if !batch.is_empty() {
            let lives = self.lives();
            self.runs.connections(&self.world, &self.wire, batch, lives);
        }
    }

    /// Edits reach the function `policy-changes`, some of them never.
    async fn follow_edits(&mut self) {
        self.make_room().await;
        let mut records = std::mem::take(&mut self.runs.left);
        records.extend(self.world.dynamodb.stream_records("allowlist").unwrap());
        if self.chance.f64() < 0.1 {
            records.clear();
        }
        if !records.is_empty() {
            let lives = self.lives();
            self.runs
                .policy_changes(&self.world, &self.wire, records, lives);
        }
    }

    /// Sends the items in the outbox: from the stream's records, or by the schedule. A stream's
    /// records may be lost; then the schedule sends the items.
    async fn announce_or_sweep(&mut self) {
        let mut records = std::mem::take(&mut self.runs.left_to_send);
        records.extend(self.world.outbox_records().unwrap());
        if self.chance.f64() < 0.1 {
            records.clear();
        }
        if records.is_empty() || self.chance.f64() < 0.2 {
            self.runs.left_to_send = records;
            return self.announce(None).await;
        }
        self.announce(Some(records)).await;
    }

    async fn announce(&mut self, records: Option<Vec<serde_json::Value>>) {
        self.make_room().await;
        let lives = self.lives();
        self.runs
            .announcements(&self.world, &self.wire, records, lives);
    }

    /// Two people vote on the same review, or one does.
    async fn vote(&mut self) {
        if self.chance.f64() < 0.4 {
            self.announce_or_sweep().await;
        }
        self.make_room().await;
        if !self.wire.ledger().requests.values().any(|it| it.review > 0) {
            // There is nothing to vote on yet, so look for connections.
            return self.reconcile().await;
        }
        self.start_vote();
        if self.chance.bool() && self.runs.len() < AT_ONCE {
            self.start_vote();
        }
    }

    /// Somebody votes: by any approval e-mail that was sent, or in Slack.
    fn start_vote(&mut self) {
        let approval_emails = self.wire.ledger().approval_emails.clone();
        let by_email = !approval_emails.is_empty() && self.chance.f64() < 0.6;
        let voter = if by_email {
            let recent = approval_emails.len().min(4);
            let from = if self.chance.f64() < 0.7 {
                approval_emails.len() - recent
            } else {
                0
            };
            let (endpoint, _, _, token) =
                &approval_emails[self.chance.usize(from..approval_emails.len())];
            let typed = if self.chance.f64() < 0.95 {
                endpoint.as_str()
            } else {
                "000000"
            };
            Voter::Link {
                token: token.clone(),
                typed: typed.to_owned(),
            }
        } else {
            // Sometimes on a decided review.
            let any = self.chance.f64() < 0.1;
            let waiting: Vec<(String, u64)> = self
                .wire
                .ledger()
                .requests
                .iter()
                .filter(|(_, request)| request.status == "in_review" || (request.review > 0 && any))
                .map(|(id, request)| (id.clone(), request.review))
                .collect();
            if waiting.is_empty() {
                return;
            }
            let (endpoint, review) = &waiting[self.chance.usize(0..waiting.len())];
            // The last two are one person, and count as nobody in Slack while both are entered.
            let known = if self.chance.f64() < 0.9 { 2 } else { 3 };
            let (_, user) = policy_edits::APPROVERS[self.chance.usize(0..known)];
            Voter::Slack {
                user: user.parse().unwrap(),
                endpoint_id: endpoint.parse().unwrap(),
                review: *review,
            }
        };
        let choice = match self.chance.f64() {
            ..0.68 => Choice::Approve,
            ..0.80 => Choice::Withdraw,
            _ => Choice::Reject,
        };
        let ballot = Ballot::new(choice, "Because.").unwrap();
        let lives = self.lives();
        self.runs
            .vote(&self.world, &self.wire, (voter, ballot), lives);
    }

    async fn reconcile(&mut self) {
        self.make_room().await;
        let lives = self.lives();
        self.runs.reconcile(&self.world, &self.wire, lives);
    }

    async fn make_room(&mut self) {
        while self.runs.len() >= AT_ONCE {
            self.step().await;
        }
    }

    /// The number of calls after which an invocation is killed.
    fn lives(&mut self) -> Option<usize> {
        (self.chance.f64() < 0.25).then(|| self.chance.usize(1..16))
    }

    async fn let_time_pass(&mut self) {
        let seconds = match self.chance.u32(0..5) {
            0 => self.chance.u64(1..5),
            1 => self.chance.u64(5..30),
            2 => self.chance.u64(30..180),
            3 => self.chance.u64(180..7200),
            _ => self.chance.u64(7200..200_000),
        };
        if seconds >= 30 {
            // No function waits that long.
            self.finish().await;
        }
        self.world.clock.advance(Duration::from_secs(seconds));
        self.wire.ledger().note(format!("{seconds} s pass"));
    }

    pub(crate) fn account(&mut self) -> String {
        ACCOUNTS[self.any_of(ACCOUNTS.len())].to_owned()
    }

    pub(crate) fn service(&mut self) -> String {
        let at = self.any_of(self.services.len());
        self.services[at].clone()
    }

    /// A random index below this count.
    fn any_of(&mut self, count: usize) -> usize {
        if self.chance.f64() < self.bias {
            0
        } else {
            self.chance.usize(0..count)
        }
    }

    /// Any endpoint that was ever made.
    pub(crate) fn endpoint(&mut self) -> Option<String> {
        let at = self.chance.usize(0..self.made.len().max(1));
        self.made.get(at).cloned()
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.wire.ledger().violations.is_empty()
    }

    fn calls(&self) -> u64 {
        let (ec2, sns) = (self.world.ec2.calls(), self.world.sns.calls());
        let dynamodb = self.world.dynamodb.calls();
        ec2.values()
            .chain(sns.values())
            .chain(dynamodb.values())
            .sum()
    }
}
