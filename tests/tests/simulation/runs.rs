//! Running functions, several at the same time: one poll of one of them is one step, and the next
//! one is drawn at random.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use gatekeeper_announcements::handler::{
    Handler as AnnouncementsHandler, HandlerResult as AnnouncementsResult,
};
use gatekeeper_aws::announcements::Announcements;
use gatekeeper_aws::clock::Deadline;
use gatekeeper_aws::error::{Error, chain};
use gatekeeper_aws::gatekeeper::{Gatekeeper, Reconciled, ReviewView, Voter};
use gatekeeper_connections::handler::BatchResponse;
use gatekeeper_core::vote::Ballot;
use gatekeeper_local::deployment::{
    ANNOUNCEMENTS_TIMEOUT, APPROVALS_TIMEOUT, CONNECTIONS_TIMEOUT, POLICY_CHANGES_TIMEOUT,
    RECONCILE_TIMEOUT,
};
use gatekeeper_local::function::Function;
use gatekeeper_local::queue::{self, Message};
use gatekeeper_local::world::{ANNOUNCEMENTS, World};
use gatekeeper_policy_changes::handler::Handler as PolicyChanges;
use serde_json::{Value, json};

use crate::wire::Wire;

/// An invocation under way.
struct Run {
    name: String,
    deadline: Deadline,
    work: Pin<Box<dyn Future<Output = Ended>>>,
}

enum Ended {
    Connections(BatchResponse, Vec<Message>),
    Reconcile(Reconciled),
    /// The records to deliver again.
    PolicyChanges(Vec<Value>),
    Approvals(Result<ReviewView, Arc<Error>>),
    /// The records to deliver again.
    Announcements(Vec<Value>),
}

/// The functions: warm instances, and the running invocations.
#[derive(Default)]
pub(crate) struct Runs {
    warm: BTreeMap<String, Arc<Gatekeeper>>,
    warm_announcements: BTreeMap<String, Arc<Announcements>>,
    running: Vec<Run>,
    /// Records of the allowlist's stream that are delivered again.
    pub(crate) left: Vec<Value>,
    /// Records of the requests table's stream that are delivered again.
    pub(crate) left_to_send: Vec<Value>,
}

impl Runs {
    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    /// An idle instance of a function, by name.
    fn idle(
        &mut self,
        world: &World,
        wire: &Wire,
        function: Function,
    ) -> (String, Arc<Gatekeeper>) {
        let (nth, name) = self.free(function.name());
        let instance = self.warm.entry(name.clone());
        let gatekeeper = instance.or_insert_with(|| world.instance(function, nth));
        let gatekeeper = Arc::clone(gatekeeper);
        wire.ledger().begins(&name);
        (name, gatekeeper)
    }

    /// The first name of an instance of a function that is not running.
    fn free(&self, function: &str) -> (usize, String) {
        (1..)
            .map(|nth| (nth, format!("{function}-{nth}")))
            .find(|(_, name)| !self.running.iter().any(|run| run.name == *name))
            .unwrap()
    }

    /// Delivers records of the requests table's stream to the function `announcements`; an empty
    /// list means its schedule.
    pub(crate) fn announcements(
        &mut self,
        world: &World,
        wire: &Wire,
        records: Option<Vec<Value>>,
        lives: Option<usize>,
    ) {
        let (nth, name) = self.free(ANNOUNCEMENTS);
        let instance = self.warm_announcements.entry(name.clone());
        let announcements = instance.or_insert_with(|| world.announcements_instance(nth));
        let handler = AnnouncementsHandler::new(Arc::clone(announcements));
        wire.ledger().begins(&name);
        wire.set_lives(&name, lives);
        let what = match &records {
            Some(records) => format!("{name} has {} records", records.len()),
            None => format!("{name} sweeps"),
        };
        wire.ledger().note(what);
        let deadline = Deadline::after(&world.clock, ANNOUNCEMENTS_TIMEOUT);
        let work = Box::pin(async move {
            let event = json!({ "Records": records });
            let first = match handler.handle(&event, deadline).await {
                Ok(AnnouncementsResult::Stream(answer)) => answer.failed.first().map(|(at, _)| *at),
                // The next sweep comes in a minute.
                Ok(AnnouncementsResult::Swept(_)) | Err(_) => None,
            };
            let records = records.unwrap_or_default();
            let first = first.unwrap_or(records.len());
            Ended::Announcements(records[first..].to_vec())
        });
        self.running.push(Run {
            name,
            deadline,
            work,
        });
    }

    /// Delivers a batch to the function `connections`.
    pub(crate) fn connections(
        &mut self,
        world: &World,
        wire: &Wire,
        batch: Vec<Message>,
        lives: Option<usize>,
    ) {
        let (name, gatekeeper) = self.idle(world, wire, Function::Connections);
        wire.set_lives(&name, lives);
        wire.ledger()
            .note(format!("{name} has {} messages", batch.len()));
        let deadline = Deadline::after(&world.clock, CONNECTIONS_TIMEOUT);
        let handler = world.handler_of(gatekeeper);
        let work = Box::pin(async move {
            let answer = handler.handle(queue::event(&batch), deadline).await;
            Ended::Connections(answer, batch)
        });
        self.running.push(Run {
            name,
            deadline,
            work,
        });
    }

    /// Delivers records of the allowlist's stream to the function `policy-changes`.
    pub(crate) fn policy_changes(
        &mut self,
        world: &World,
        wire: &Wire,
        records: Vec<Value>,
        lives: Option<usize>,
    ) {
        let (name, gatekeeper) = self.idle(world, wire, Function::PolicyChanges);
        wire.set_lives(&name, lives);
        wire.ledger()
            .note(format!("{name} has {} edits", records.len()));
        let deadline = Deadline::after(&world.clock, POLICY_CHANGES_TIMEOUT);
        let handler = PolicyChanges::new(gatekeeper);
        let work = Box::pin(async move {
            let event = json!({ "Records": records });
            let answer = handler.handle(&event, deadline).await.unwrap();
            let first = answer.failed.first().map_or(records.len(), |(at, _)| *at);
            Ended::PolicyChanges(records[first..].to_vec())
        });
        self.running.push(Run {
            name,
            deadline,
            work,
        });
    }

    /// Starts the function `reconcile`.
    pub(crate) fn reconcile(&mut self, world: &World, wire: &Wire, lives: Option<usize>) {
        let (name, gatekeeper) = self.idle(world, wire, Function::Reconcile);
        wire.set_lives(&name, lives);
        let deadline = Deadline::after(&world.clock, RECONCILE_TIMEOUT);
        let work = Box::pin(async move { Ended::Reconcile(gatekeeper.reconcile(deadline).await) });
        self.running.push(Run {
            name,
            deadline,
            work,
        });
    }

    /// Somebody votes, through the function `approvals`.
    pub(crate) fn vote(
        &mut self,
        world: &World,
        wire: &Wire,
        (voter, ballot): (Voter, Ballot),
        lives: Option<usize>,
    ) {
        let (name, gatekeeper) = self.idle(world, wire, Function::Approvals);
        wire.set_lives(&name, lives);
        let line = format!("{name}: {voter:?} would {}", ballot.choice.as_str());
        wire.ledger().note(line);
        let deadline = Deadline::after(&world.clock, APPROVALS_TIMEOUT);
        let work =
            Box::pin(
                async move { Ended::Approvals(gatekeeper.vote(&voter, &ballot, deadline).await) },
            );
        self.running.push(Run {
            name,
            deadline,
            work,
        });
    }

    /// One step of one of them. Answers reconcile's findings, if that ended by it.
    pub(crate) async fn step(
        &mut self,
        world: &World,
        wire: &Wire,
        chance: &mut fastrand::Rng,
    ) -> Option<Reconciled> {
        if self.running.is_empty() {
            return None;
        }
        let at = chance.usize(0..self.running.len());
        let run = &mut self.running[at];
        let polled = poll_fn(|context| Poll::Ready(run.work.as_mut().poll(context))).await;
        // A task that the runtime woke needs the runtime's turn.
        tokio::task::yield_now().await;
        let name = self.running[at].name.clone();
        let late = !self.running[at]
            .deadline
            .leaves(&world.clock, Duration::ZERO);
        match polled {
            Poll::Ready(ended) => {
                drop(self.running.swap_remove(at));
                wire.set_lives(&name, None);
                wire.ledger().note(format!("{name} ends"));
                match ended {
                    Ended::Connections(answer, batch) => {
                        are_excusable(wire, &name, answer.failed.iter().map(|(_, error)| &**error));
                        settle(world, &answer, &batch);
                    }
                    Ended::PolicyChanges(left) => self.left = left,
                    Ended::Announcements(left) => self.left_to_send.extend(left),
                    Ended::Approvals(Ok(_)) => {}
                    Ended::Approvals(Err(error)) => {
                        are_excusable(wire, &name, [&*error].into_iter());
                    }
                    Ended::Reconcile(done) => {
                        let whole = done.failed.iter().map(|(_, error)| &**error);
                        let first = done
                            .services
                            .iter()
                            .filter_map(|report| report.first_failure.as_deref());
                        are_excusable(wire, &name, whole.chain(first));
                        return Some(done);
                    }
                }
            }
            Poll::Pending if wire.is_dead(&name) || late => {
                // Its environment goes with it.
                drop(self.running.swap_remove(at));
                self.warm.remove(&name);
                self.warm_announcements.remove(&name);
                if late {
                    wire.ledger().note(format!("{name} is out of time"));
                }
            }
            Poll::Pending => {}
        }
        None
    }
}

/// A function may fail when AWS does, or when the policy cannot be read, or when others are faster
/// again and again. Only the functions write requests here, and nobody sends invalid records.
fn are_excusable<'a>(wire: &Wire, name: &str, errors: impl Iterator<Item = &'a Error>) {
    let never = [
        "Permanent.MalformedRequest",
        "Permanent.Encode",
        "Permanent.Illegal",
        "Permanent.RefusedCall",
    ];
    for error in errors {
        let line = format!("{name} failed: {}", chain(error));
        if never.contains(&error.error_type()) {
            wire.ledger().broken("S5", line);
        } else {
            wire.ledger().note(line);
        }
    }
}

/// What the queue does with a function's answer.
fn settle(world: &World, answer: &BatchResponse, batch: &[Message]) {
    for (index, message) in batch.iter().enumerate() {
        if !answer.failed.iter().any(|(at, _)| *at == index) {
            world.queue.delete(&message.id);
        }
    }
}
