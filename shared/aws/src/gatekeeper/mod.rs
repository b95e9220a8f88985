//! Every decision is made in these steps, whatever the event:
//!
//! 1. An entry finds out which connections to look at, and **observes** their state at EC2: for
//!    events [`Events`], for a whole service [`Passes`], for the schedule [`Reconciler`], for a
//!    vote [`Votes`].
//! 2. [`Pipeline::settle`](pipeline::Pipeline::settle) takes the observations.
//! 3. [`FactReader::read`](facts::FactReader::read) reads the facts for the decisions, for all of
//!    them at once.
//! 4. [`Pipeline::decide_one`](pipeline::Pipeline::decide_one) asks core's
//!    [`next`](gatekeeper_core::decide::next), which **decides**, reads the facts that are missing
//!    and asks again.
//! 5. [`Recorder::record`](crate::tables::Recorder::record) **records** the change, in one
//!    transaction: the only gate. The messages are then in the outbox;
//!    [`announcements`](crate::announcements) sends them.
//! 6. [`Enforcer::enforce`](enforce::Enforcer::enforce) makes EC2 agree, reads the result for each
//!    connection, and records it.
//!
//! [`Auditor`] takes accepted connections through steps 3 to 6 once more, for a whole service at
//! once, and bounds how many of them one run may revoke.
//!
//! Each step is a struct that holds only the clients that it needs, so that its type shows what it
//! can touch. Rules and texts for people are in core.
//!
//! A crash between any two steps is finished by the event's redelivery or by the next reconcile.

#![allow(
    rustdoc::private_intra_doc_links,
    reason = "the outline is for readers of the code, and links to its steps"
)]

mod approver_items;
mod attachments;
mod audit;
mod enforce;
mod facts;
mod keys;
mod log;
mod observe;
mod outcome;
mod pass;
mod pipeline;
mod reconcile;
mod report;
mod undecided;
mod vote;
mod watch;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use gatekeeper_core::evidence::Evidence;
use gatekeeper_core::hint::Hint;
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::policy::{Entry, Scope};
use gatekeeper_core::policy_key::PolicyKey;
use gatekeeper_core::vote::Ballot;
use jiff::SignedDuration;

use self::approver_items::ApproverItems;
use self::attachments::AttachmentWatch;
use self::audit::Auditor;
use self::enforce::Enforcer;
use self::facts::FactReader;
use self::keys::Keys;
use self::log::Log;
use self::observe::Events;
use self::pass::Passes;
use self::pipeline::Pipeline;
use self::reconcile::Reconciler;
use self::vote::Votes;
use self::watch::ServiceWatch;
use crate::clients::Clients;
use crate::clock::{Clock, Deadline};
use crate::config::Config;
use crate::ec2::{Ec2, Services};
use crate::error::{Error, Step, chain};
use crate::organizations::Organizations;
use crate::rules::Rules;
use crate::tables::{
    Allowlist, AllowlistKeys, Db, HeldEmails, ItemReader, Key, Links, ReconcileMemory, Recorder,
    Requests, Tables, UsageItems, WatchedServices,
};
use crate::telemetry::Metrics;

pub use gatekeeper_core::ballot::{Listed, RequestDetails, ReviewState, ReviewView};
pub use outcome::{Handled, Outcome};
pub use reconcile::Reconciled;
pub use report::ServiceReport;
pub use vote::Voter;

/// How long warming up may take.
const WARM_UP: SignedDuration = SignedDuration::from_secs(3);

/// Decides connection requests. Share it between invocations.
#[derive(Debug)]
pub struct Gatekeeper {
    events: Events,
    reconciler: Reconciler,
    votes: Votes,
    keys: Arc<Keys>,
    services: Services,
    items: ItemReader,
    tables: Tables,
    clock: Clock,
    metrics: Metrics,
}

impl Gatekeeper {
    /// Puts a gatekeeper together. Calls nothing yet.
    #[must_use]
    pub fn new(clients: &Clients, config: &Config, clock: Clock, metrics: Metrics) -> Self {
        let limits = &config.limits;
        let log = Log::new(metrics.clone());
        let ec2 = Ec2::new(clients, config, clock.clone());
        let (allowlist, requests) = (&config.allowlist_table, &config.requests_table);
        let db = Db::new(clients, allowlist, requests, clock.clone(), Step::Judge);
        let observing = db.for_step(Step::Observe);
        let organizations = Organizations::new(clients, config, clock.clone(), metrics.clone());
        let looked_through = Arc::new(Mutex::default());
        let pipeline = Arc::new(Pipeline::new(
            FactReader::new(&db, organizations, log.clone()),
            Enforcer::new(&ec2, Recorder::new(&db), clock.clone(), limits.concurrency),
            &ec2,
            &db,
            config.asks_by_email,
            clock.clone(),
            limits.clone(),
            log.clone(),
        ));
        let auditor = Arc::new(Auditor::new(
            Arc::clone(&pipeline),
            Allowlist::new(&db),
            clock.clone(),
            limits.margin,
            log.clone(),
        ));
        let passes = Arc::new(Passes {
            pipeline: Arc::clone(&pipeline),
            auditor: Arc::clone(&auditor),
            connections: ec2.connections.clone(),
            requests: Requests::new(&observing),
            usage: UsageItems::new(&db),
            memory: ReconcileMemory::new(&observing),
            looked_through: Arc::clone(&looked_through),
            clock: clock.clone(),
            limits: limits.clone(),
            log: log.clone(),
        });
        let keys = Arc::new(Keys {
            allowlist_keys: AllowlistKeys::new(&db),
            clock: clock.clone(),
            metrics: metrics.clone(),
            log: log.clone(),
        });
        let attachments = Arc::new(AttachmentWatch {
            connections: ec2.connections.clone(),
            watched: WatchedServices::new(&observing),
            clock: clock.clone(),
            log: log.clone(),
        });
        let watch = Arc::new(ServiceWatch {
            attachments: Arc::clone(&attachments),
            services: ec2.services.clone(),
            watched: WatchedServices::new(&observing),
            memory: ReconcileMemory::new(&observing),
            allowlist: Allowlist::new(&observing),
            rules: Rules::new(clients, config),
            notification_topic: config.notification_topic.clone(),
            looked_through,
            clock: clock.clone(),
            limits: limits.clone(),
            metrics: metrics.clone(),
            log: log.clone(),
        });
        Self {
            events: Events {
                pipeline: Arc::clone(&pipeline),
                auditor,
                passes: Arc::clone(&passes),
                attachments,
                connections: ec2.connections.clone(),
                services: ec2.services.clone(),
                requests: Requests::new(&observing),
                clock: clock.clone(),
                limits: limits.clone(),
                log: log.clone(),
            },
            reconciler: Reconciler {
                passes,
                keys: Arc::clone(&keys),
                watch,
                approver_items: ApproverItems {
                    allowlist: Allowlist::new(&db),
                    metrics: metrics.clone(),
                    log: log.clone(),
                },
                services: ec2.services.clone(),
                memory: ReconcileMemory::new(&observing),
                clock: clock.clone(),
                limits: limits.clone(),
                metrics: metrics.clone(),
                log: log.clone(),
            },
            votes: Votes {
                pipeline,
                observer: vote::Observer {
                    connections: ec2.connections.clone(),
                    services: ec2.services.clone(),
                    clock: clock.clone(),
                    log: log.clone(),
                },
                allowlist: Allowlist::new(&db),
                requests: Requests::new(&db),
                links: Links::new(&db),
                held_emails: HeldEmails::new(&db),
                clock: clock.clone(),
                metrics: metrics.clone(),
                log,
            },
            keys,
            services: ec2.services,
            items: ItemReader::new(&db),
            tables: Tables::new(&db),
            clock,
            metrics,
        }
    }

    /// The tables, to read requests and history.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Opens connections to AWS while the function still has the whole CPU, so that the first
    /// request does not pay for it. Errors are ignored here; the first real call reports them.
    pub async fn warm_up(&self) {
        // Lambda allows ten seconds for the whole start.
        let Some(soon) = self.clock.now().checked_add(WARM_UP).ok() else {
            return;
        };
        let calls = async {
            tokio::join!(
                self.services.managed_services(),
                self.items.read(
                    [Key::Settings(Scope::Every)].into(),
                    "the settings of * could not be read"
                )
            )
        };
        match self.clock.until_done(soon, calls).await {
            None => tracing::warn!("warming up took too long and was stopped"),
            Some((services, settings)) => {
                for error in [services.err(), settings.err()].into_iter().flatten() {
                    tracing::warn!(error = chain(&*error), "warming up failed");
                }
            }
        }
    }

    /// Settles the connections that a batch of events points at. Answers for each hint, in order
    /// and in time; a hint that failed is to be delivered again.
    pub async fn handle(&self, hints: &[Hint], deadline: Deadline) -> Vec<Handled> {
        self.events.handle(hints, Vec::new(), deadline).await
    }

    /// Like [`handle`](Self::handle), for edits of the allowlist. `purged` are the entries that
    /// DynamoDB deleted at their `purge_at`; messages name them where they are the cause of a
    /// change.
    pub async fn handle_edits(
        &self,
        hints: &[Hint],
        purged: Vec<Entry>,
        deadline: Deadline,
    ) -> Vec<Handled> {
        self.events.handle(hints, purged, deadline).await
    }

    /// Updates the remembered keys after an edit of an item whose key is unexpected, before
    /// anything is decided by that edit.
    ///
    /// # Errors
    /// The keys could not be written. The error is logged here.
    pub async fn follow_key(&self, key: &PolicyKey) -> Result<(), Arc<Error>> {
        self.keys.follow(key).await
    }

    /// Reads the keys of the services' partitions and of `*`, where that is due, and logs the
    /// unexpected ones. Reconcile does this first. If time runs out, each decision reads the keys
    /// that it needs. Answers which unexpected keys concern each service, as far as that is known.
    pub async fn look_through_keys(
        &self,
        services: &[ServiceId],
        deadline: Deadline,
    ) -> BTreeMap<ServiceId, Option<Evidence>> {
        self.keys.look_through(services, deadline).await
    }

    /// Compares all connections with all requests and the policy, and settles the difference. A
    /// service that fails does not hold up the others.
    pub async fn reconcile(&self, deadline: Deadline) -> Reconciled {
        self.reconciler.reconcile(deadline).await
    }

    /// The state of a review for one viewer. Changes nothing.
    ///
    /// # Errors
    /// The tables could not be read. The error is logged here.
    pub async fn view(&self, voter: &Voter) -> Result<ReviewView, Arc<Error>> {
        self.votes.view(voter).await
    }

    /// Casts a vote, and asks EC2 to carry out what it decides.
    ///
    /// # Errors
    /// The vote could not be recorded. The error is logged here, and the call is safe to repeat.
    pub async fn vote(
        &self,
        voter: &Voter,
        ballot: &Ballot,
        deadline: Deadline,
    ) -> Result<ReviewView, Arc<Error>> {
        self.votes.vote(voter, ballot, deadline).await
    }
}
