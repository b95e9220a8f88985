//! The one way a decision is made, whatever brought the connection here:
//!
//! | step | file | does |
//! | --- | --- | --- |
//! | observe | [`observe`](self) | asks EC2 about what an event hints at |
//! | judge, record | `decide.rs` | reads the policy, judges, writes the request's next status |
//! | enforce | `enforce.rs` | makes EC2 agree, reads what it did, writes that down |
//!
//! | besides | file | does |
//! | --- | --- | --- |
//! | keys | `keys.rs` | remembers and tells which keys of the allowlist judging does not read |
//! | audit | `audit.rs` | holds what is connected against the policy, and revokes |
//! | review | `review.rs` | asks who may decide, reminds them, counts their votes |
//! | vote | `vote.rs` | takes a vote: the third way that a decision begins |
//! | attachments | `attachments.rs` | tells of Transit Gateway attachments, which are not decided here |
//! | watch | `watch.rs` | looks for what lets connections in past Gatekeeper |
//!
//! `settle.rs` strings them together for any number of connections; [`Gatekeeper::handle`] (events)
//! and [`Gatekeeper::reconcile`] (the schedule; `pass.rs` for one service) only find out which
//! connections to settle.
//! What there is to tell lies in the outbox when it is decided; [`announcements`](crate::announcements)
//! sends it.
//! A crash between any two steps is finished by the event's redelivery or by the next reconcile.

mod attachments;
mod audit;
mod decide;
mod enforce;
mod keys;
mod knowledge;
mod observe;
mod pass;
mod reconcile;
mod review;
mod settle;
mod undecided;
mod vote;
mod watch;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use gatekeeper_core::caller::Caller;
use gatekeeper_core::connection::Connection;
use gatekeeper_core::ids::{EndpointId, ServiceId};
use gatekeeper_core::policy::{Entry, Scope};
use jiff::{SignedDuration, Timestamp};

use crate::clients::Clients;
use crate::clock::Clock;
use crate::config::{Config, Limits};
use crate::ec2::Ec2;
use crate::error::{Error, chain};
use crate::organizations::Organizations;
use crate::rules::Rules;
use crate::tables::{Key, Tables};
use crate::telemetry::{Metrics, report};

pub use reconcile::{Reconciled, ServiceReport};
pub use settle::Outcome;
pub use vote::{Dossier, View, Voted, Voter};

/// How long warming up may take.
const WARM_UP: SignedDuration = SignedDuration::from_secs(3);

/// Decides connection requests. Holds all clients; share it between invocations.
#[derive(Debug)]
pub struct Gatekeeper {
    ec2: Ec2,
    tables: Tables,
    organizations: Organizations,
    rules: Rules,
    /// Whether approvers can be sent links.
    asks_by_email: bool,
    /// Where services' connection notifications should go.
    notification_topic: Option<String>,
    /// The services of which it is remembered that they were looked through.
    looked_through: Mutex<BTreeSet<ServiceId>>,
    clock: Clock,
    limits: Limits,
    metrics: Metrics,
}

/// A connection to settle, as it was seen.
#[derive(Debug, Clone)]
struct Sighting {
    endpoint_id: EndpointId,
    /// What EC2 says; none if it does not list the endpoint.
    connection: Option<Connection>,
    /// Not later than EC2 was asked.
    seen_at: Timestamp,
    /// Who accepted or rejected it, by AWS CloudTrail's events.
    callers: Vec<Caller>,
    /// The entries that DynamoDB has just deleted at their `purge_at`, where an event says so.
    purged: Arc<[Entry]>,
}

impl Sighting {
    /// A connection as EC2 listed it.
    fn of(connection: Connection, seen_at: Timestamp) -> Self {
        Self {
            endpoint_id: connection.endpoint_id.clone(),
            connection: Some(connection),
            seen_at,
            callers: Vec::new(),
            purged: Arc::default(),
        }
    }
}

impl Gatekeeper {
    /// Puts a gatekeeper together. Talks to nobody yet.
    #[must_use]
    pub fn new(clients: &Clients, config: &Config, clock: Clock, metrics: Metrics) -> Self {
        Self {
            ec2: Ec2::new(clients, config, clock.clone()),
            tables: Tables::new(clients, config, clock.clone()),
            organizations: Organizations::new(clients, config, clock.clone(), metrics.clone()),
            rules: Rules::new(clients, config),
            asks_by_email: config.asks_by_email,
            notification_topic: config.notification_topic.clone(),
            looked_through: Mutex::default(),
            limits: config.limits.clone(),
            clock,
            metrics,
        }
    }

    /// The tables, to read requests and history.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The clock that everything here goes by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where metrics go.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Opens connections to AWS while the function still has the whole CPU, so that the first
    /// request does not pay for it. What fails here will fail, and be told, where it matters.
    pub async fn warm_up(&self) {
        // Lambda allows ten seconds for all of the start.
        let Some(soon) = self.clock.now().checked_add(WARM_UP).ok() else {
            return;
        };
        let calls = async {
            tokio::join!(
                self.ec2.managed_services(),
                self.tables.read([Key::Settings(Scope::Every)].into())
            )
        };
        match self.clock.until_done(soon, calls).await {
            None => tracing::warn!("warming up took too long and was left"),
            Some((services, settings)) => {
                for error in [services.err(), settings.err()].into_iter().flatten() {
                    tracing::warn!(error = chain(&*error), "warming up failed");
                }
            }
        }
    }

    /// Logs a failure, once, here where it is handled.
    fn report(&self, error: &Arc<Error>, endpoint_id: Option<&EndpointId>) {
        report(&self.metrics, error, endpoint_id);
    }
}
