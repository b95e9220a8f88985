//! Sits between the functions and AWS: every call is delayed for a moment, so that another function
//! may run meanwhile; some calls fail, and after some the caller is killed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::task::Poll;
use std::time::Duration;

use gatekeeper_aws::clock::Clock;
use gatekeeper_local::dynamodb::{DynamoDb, Fault as TableFault};
use gatekeeper_local::in_process::{Call, Held, Passage, ServiceResponse, Watcher};
use gatekeeper_local::world::World;
use jiff::{SignedDuration, Timestamp};
use local_aws::{Ec2, Fault, FaultKind, Sns, State};
use serde_json::Value;

use crate::item::text;
use crate::ledger::{Fact, Ledger};

/// The clients' time-out for one attempt.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(6);

/// The wire. Its seed decides everything that happens on it.
pub(crate) struct Wire {
    pub(crate) ledger: Mutex<Ledger>,
    clock: Clock,
    state: Mutex<Inner>,
    services: OnceLock<(Ec2, Sns, DynamoDb)>,
}

struct Inner {
    chance: fastrand::Rng,
    /// The chance that a call fails, from 0 to 1.
    faults: f64,
    /// The chance that a function is killed right after it changed something.
    kills: f64,
    /// How many calls of a caller are carried out before it is killed.
    lives: BTreeMap<String, usize>,
    /// Callers that were killed.
    dead: Vec<String>,
    /// States at EC2 just before the decision that is being carried out.
    states: Vec<(String, Option<State>)>,
    published: usize,
    /// Whether a call that changes something is about to be carried out.
    critical: bool,
}

impl Wire {
    pub(crate) fn new(seed: u64, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            ledger: Mutex::new(Ledger::new(clock.clone())),
            clock,
            state: Mutex::new(Inner {
                chance: fastrand::Rng::with_seed(seed),
                faults: 0.0,
                kills: 0.0,
                lives: BTreeMap::new(),
                dead: Vec::new(),
                states: Vec::new(),
                published: 0,
                critical: false,
            }),
            services: OnceLock::new(),
        })
    }

    /// Watches a world's engine, and knows its services from now on.
    pub(crate) fn watch(self: &Arc<Self>, world: &World) {
        let all = (world.ec2.clone(), world.sns.clone(), world.dynamodb.clone());
        assert!(self.services.set(all).is_ok(), "one wire, one world");
        let wire = Arc::downgrade(self);
        world
            .dynamodb
            .set_on_done(Some(Arc::new(move |operation, body, status| {
                if let Some(wire) = wire.upgrade() {
                    wire.ledger()
                        .engine_did(operation, body, status.is_success());
                }
            })));
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.state.lock().unwrap()
    }

    pub(crate) fn set_weather(&self, faults: f64, kills: f64) {
        let mut inner = self.inner();
        (inner.faults, inner.kills) = (faults, kills);
    }

    /// Kills a caller after its nth call from now; `None` lets it live.
    pub(crate) fn set_lives(&self, caller: &str, lives: Option<usize>) {
        let mut inner = self.inner();
        inner.dead.retain(|dead| dead != caller);
        match lives {
            Some(lives) => inner.lives.insert(caller.to_owned(), lives),
            None => inner.lives.remove(caller),
        };
    }

    pub(crate) fn is_dead(&self, caller: &str) -> bool {
        self.inner().dead.iter().any(|dead| dead == caller)
    }

    fn services(&self) -> &(Ec2, Sns, DynamoDb) {
        self.services.get().unwrap()
    }

    /// Records what people or functions did to connections, by comparing their states.
    pub(crate) fn happened(&self, who: &str, before: &[(String, Option<State>)]) {
        let now = self.clock.now();
        for (id, was) in before {
            let is = self.services().0.state(id);
            let fact = match (was, is) {
                (was, is) if *was == is => continue,
                (_, Some(State::Pending | State::Available)) => Fact::Accepted,
                (_, Some(State::Rejected)) => Fact::Rejected,
                _ => Fact::Deleted,
            };
            let mut ledger = self.ledger();
            ledger.note(format!("EC2: {who} {id} {was:?} -> {is:?}"));
            if let Some(known) = ledger.endpoints.get_mut(id) {
                known.facts.push((now, fact));
            }
        }
    }

    /// The states of some endpoints.
    pub(crate) fn states(
        &self,
        ids: impl IntoIterator<Item = String>,
    ) -> Vec<(String, Option<State>)> {
        let ec2 = &self.services().0;
        let ids = ids.into_iter();
        ids.map(|id| (id.clone(), ec2.state(&id))).collect()
    }

    /// Runs right before a call is carried out.
    fn about_to(&self, call: &Call) {
        let failing = {
            let mut inner = self.inner();
            let faults = inner.faults;
            inner.chance.f64() < faults
        };
        let decision = is_decision(&call.operation);
        let ids = if decision {
            endpoints(call)
        } else {
            Vec::new()
        };
        let states = self.states(ids.iter().cloned());
        {
            let mut ledger = self.ledger();
            ledger.caller = call.caller.to_string();
            if decision {
                ledger.asked(call.operation.starts_with("Accept"), &states);
            }
        }
        self.inner().states = states;
        if failing {
            self.inject(call, &ids);
        }
    }

    /// Makes this call fail in one of the ways in which AWS fails.
    fn inject(&self, call: &Call, ids: &[String]) {
        let (ec2, sns, dynamodb) = self.services();
        let operation = call.operation.as_str();
        let mut inner = self.inner();
        let pick = inner.chance.usize(0..6);
        let kind = match pick {
            0 => FaultKind::Throttle,
            1 => FaultKind::InternalError,
            2 | 3 => FaultKind::AnswerLost,
            _ => {
                let codes = [
                    "RequestLimitExceeded",
                    "InternalError",
                    "InvalidState",
                    "UnauthorizedOperation",
                ];
                FaultKind::Unsuccessful {
                    code: codes[inner.chance.usize(0..codes.len())].to_owned(),
                    message: "injected".to_owned(),
                    items: match call.service.as_str() {
                        "ec2" => ids.iter().take(1).cloned().collect(),
                        _ => vec!["0".to_owned()],
                    },
                }
            }
        };
        drop(inner);
        let what = match call.service.as_str() {
            "dynamodb" => {
                let batch = operation.starts_with("Batch");
                let fault = match pick {
                    0 => TableFault::Throttle,
                    1 | 4 => TableFault::InternalError,
                    5 if batch => TableFault::Unprocessed,
                    _ => TableFault::AnswerLost,
                };
                let what = format!("{fault:?}");
                dynamodb.inject(operation, fault, 1);
                what
            }
            service => {
                let single = matches!(kind, FaultKind::Unsuccessful { .. });
                if single && !is_decision(operation) && operation != "PublishBatch" {
                    return;
                }
                let what = format!("{kind:?}");
                let fault = Fault::new(operation, kind);
                if service == "ec2" {
                    ec2.inject(fault);
                } else {
                    sns.inject(fault);
                }
                what
            }
        };
        self.ledger().note(format!("fault: {what}"));
    }

    /// The moment after a call was carried out.
    fn was_carried_out(&self, call: &Call, answer: Option<&ServiceResponse>) {
        let states = std::mem::take(&mut self.inner().states);
        self.happened(&call.caller, &states);
        {
            let status = answer.map_or("lost".to_owned(), |answer| answer.status.to_string());
            let line = format!(
                "{} {}:{} {status}",
                call.caller, call.service, call.operation
            );
            self.ledger().note(line);
        }
        if call.operation == "PublishBatch" {
            let all = self.services().1.published();
            let new = all
                .get(self.inner().published..)
                .unwrap_or_default()
                .to_vec();
            self.inner().published = all.len();
            for message in new {
                let topic = message.topic_arn.rsplit(':').next().unwrap_or_default();
                if !matches!(topic, "announcements" | "approvals") {
                    continue;
                }
                let outer: Value = serde_json::from_str(&message.message).unwrap();
                let document = outer["default"].as_str().unwrap();
                let document = serde_json::from_str(document).unwrap();
                if topic == "announcements" {
                    self.ledger().published(&document);
                } else {
                    let attributes = serde_json::to_value(&message.attributes).unwrap();
                    let approver = text(&attributes["approver"], "Value").to_owned();
                    let approval_email = text(&outer, "email");
                    self.ledger()
                        .approval_email_sent(&document, &approver, approval_email);
                }
            }
        }
    }

    /// Whether a caller is killed at this call.
    fn dies(&self, call: &Call) -> bool {
        let mut inner = self.inner();
        let kills = inner.kills;
        let struck = changes_something(&call.operation) && inner.chance.f64() < kills;
        let caller = &*call.caller;
        if let Some(lives) = inner.lives.get_mut(caller) {
            *lives = lives.saturating_sub(1);
        }
        if !struck && inner.lives.get(caller) != Some(&0) {
            return false;
        }
        inner.lives.remove(caller);
        inner.dead.push(caller.to_owned());
        drop(inner);
        self.ledger().note(format!("{caller} is killed"));
        true
    }

    async fn hold(&self) {
        if self.inner().chance.bool() {
            once().await;
        }
    }

    /// Whether a function was delayed, since the last time this was asked, before a call that
    /// changes something: an event now comes between what the function has read and what it does.
    pub(crate) fn is_critical(&self) -> bool {
        std::mem::take(&mut self.inner().critical)
    }

    fn waited_too_long(&self, begun: Timestamp) -> bool {
        let waited = self.clock.now().duration_since(begun);
        waited > SignedDuration::try_from(ATTEMPT).unwrap()
    }
}

impl Watcher for Wire {
    fn before<'a>(&'a self, call: &'a Call) -> Held<'a> {
        Box::pin(async move {
            if &*call.caller == "world" {
                return Passage::Through;
            }
            let begun = self.clock.now();
            if changes_something(&call.operation) {
                self.inner().critical = true;
                once().await;
            }
            self.hold().await;
            if self.waited_too_long(begun) {
                let line = format!("{} {} timed out", call.caller, call.operation);
                self.ledger().note(line);
                return Passage::TimedOut;
            }
            self.about_to(call);
            Passage::Through
        })
    }

    fn after<'a>(&'a self, call: &'a Call, answer: Option<&'a ServiceResponse>) -> Held<'a> {
        if &*call.caller == "world" {
            return Box::pin(async { Passage::Through });
        }
        // At once, before any other task runs.
        self.was_carried_out(call, answer);
        Box::pin(async move {
            if self.dies(call) {
                std::future::pending::<()>().await;
            }
            let begun = self.clock.now();
            self.hold().await;
            if self.waited_too_long(begun) {
                return Passage::TimedOut;
            }
            Passage::Through
        })
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire")
    }
}

/// Lets other tasks run.
pub(crate) async fn once() {
    let mut first = true;
    std::future::poll_fn(|context| {
        if std::mem::take(&mut first) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

fn changes_something(operation: &str) -> bool {
    is_decision(operation) || matches!(operation, "TransactWriteItems" | "UpdateItem")
}

fn is_decision(operation: &str) -> bool {
    matches!(
        operation,
        "AcceptVpcEndpointConnections" | "RejectVpcEndpointConnections"
    )
}

/// The endpoints that an Accept or Reject names.
fn endpoints(call: &Call) -> Vec<String> {
    let form = String::from_utf8_lossy(&call.body);
    form.split('&')
        .filter(|pair| pair.starts_with("VpcEndpointId."))
        .filter_map(|pair| Some(pair.split_once('=')?.1.to_owned()))
        .collect()
}
