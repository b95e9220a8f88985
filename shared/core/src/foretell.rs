//! What would happen to connections under a given policy at a given time.
//!
//! It is [`decide::next`](crate::decide::next) and nothing else, asked for one connection after the other:
//! a limit makes their order matter, so those that wait are taken in the order of their creation.
//!
//! ```
//! use gatekeeper_core::connection::{Connection, ConnectionState, Organization};
//! use gatekeeper_core::decide::Setup;
//! use gatekeeper_core::foretell::{GivenPolicy, Situation, foretell};
//! use gatekeeper_core::observation::Observation;
//! use gatekeeper_core::policy::{About, Conditions, Entry, Policy};
//! use gatekeeper_core::request::Status;
//! use jiff::{SignedDuration, Timestamp};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now: Timestamp = "2027-01-15T08:00:00Z".parse()?;
//! let service = "vpce-svc-0a1b2c3d4e5f60718";
//! let waiting = |endpoint: &str, created_at: &str| -> Result<Situation, Box<dyn std::error::Error>> {
//!     let connection = Connection {
//!         service_id: service.parse()?,
//!         endpoint_id: endpoint.parse()?,
//!         owner: "777788889999".parse()?,
//!         region: "eu-central-1".parse()?,
//!         state: ConnectionState::PendingAcceptance,
//!         created_at: Some(created_at.parse()?),
//!     };
//!     Ok(Situation::new(Observation::of(connection, now), None, Organization::Off))
//! };
//! // The account may have one connection, and has asked for two.
//! let situations = [
//!     waiting("vpce-00000000000000002", "2027-01-15T07:00:00Z")?,
//!     waiting("vpce-00000000000000001", "2027-01-14T07:00:00Z")?,
//! ];
//! let entry = Entry::new(
//!     serde_json::from_str(
//!         r#"{"service_id": "*", "principal": "777788889999", "effect": "allow"}"#,
//!     )?,
//!     Conditions {
//!         max_connections: Some(1),
//!         expires_at: Some("2027-02-01T00:00:00Z".parse()?),
//!         ..Conditions::default()
//!     },
//!     About::default(),
//! )?;
//! let policy = Policy {
//!     entries: vec![entry],
//!     ..Policy::default()
//! };
//! let setup = Setup {
//!     lag: SignedDuration::from_secs(60),
//!     claim: SignedDuration::from_secs(120),
//!     asks_by_email: true,
//! };
//! let foretold = foretell(&situations, &GivenPolicy::of(policy, Vec::new()), setup, now);
//!
//! // The older one is accepted, until the entry expires; the other waits for people.
//! let becomes: Vec<_> = foretold.iter().map(|one| one.becomes).collect();
//! assert_eq!(becomes, [Some(Status::InReview), Some(Status::Accepted)]);
//! assert_eq!(foretold[1].holds_until, Some("2027-02-01T00:00:00Z".parse()?));
//! # Ok(())
//! # }
//! ```

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::approver::Approver;
use crate::change::Change;
use crate::connection::{Organization, Phase};
use crate::decide::{Action, AuditRun, Facts, LeaveReason, Next, Setup, UsageRead, next};
use crate::ids::{AccountId, EndpointId, ServiceId};
use crate::observation::Observation;
use crate::policy::Policy;
use crate::precondition::{PolicyItemId, PolicyRead, UnreadablePolicy};
use crate::request::{Enforcement, Request, Status};
use crate::review::HeldEmail;

/// One connection with its current facts.
#[derive(Debug, Clone)]
pub struct Situation {
    /// EC2's answer about it.
    pub observation: Observation,
    /// Its request, if any.
    pub request: Option<Request>,
    /// The place of the consumer's account in the organization.
    pub organization: Organization,
    /// The held state of its review's approval e-mail, if it was held.
    pub held: Option<HeldEmail>,
    /// Since when its service has been managed; `None` if it is not yet.
    pub managed_since: Option<Timestamp>,
}

impl Situation {
    /// A connection of a service that is not managed yet.
    #[must_use]
    pub fn new(
        observation: Observation,
        request: Option<Request>,
        organization: Organization,
    ) -> Self {
        Self {
            observation,
            request,
            organization,
            held: None,
            managed_since: None,
        }
    }

    fn consumer(&self) -> Option<(ServiceId, AccountId)> {
        match (&self.observation.connection, &self.request) {
            (Some(one), _) => Some((one.service_id.clone(), one.owner.clone())),
            (None, Some(one)) => Some((one.service_id.clone(), one.account_id.clone())),
            (None, None) => None,
        }
    }

    /// Whether the connection counts against a limit: it is connected, or its request counts.
    fn counts(&self) -> bool {
        let phase = self.observation.phase();
        let holds = |request: &Request| request.status.counts_as_usage();
        phase == Phase::Connected
            || (phase != Phase::Ended && self.request.as_ref().is_some_and(holds))
    }
}

/// The policy for the forecast.
#[derive(Debug, Clone)]
pub struct GivenPolicy {
    /// The whole policy; entries that do not concern a connection are ignored.
    read: PolicyRead,
    /// All approvers.
    approvers: Vec<Approver>,
    /// The errors in it, with the service that each concerns; `None` concerns all.
    unreadable: Vec<(Option<ServiceId>, UnreadablePolicy)>,
}

impl GivenPolicy {
    /// A policy without errors.
    #[must_use]
    pub fn of(policy: Policy, approvers: Vec<Approver>) -> Self {
        let items = policy.entries.iter();
        let items = items.map(|entry| PolicyItemId::Entry(entry.rule().clone()));
        Self {
            read: PolicyRead {
                items: items.collect(),
                policy,
            },
            approvers,
            unreadable: Vec::new(),
        }
    }

    /// Adds an error. It concerns one service, or all.
    #[must_use]
    pub fn with_unreadable(mut self, service: Option<ServiceId>, what: UnreadablePolicy) -> Self {
        self.unreadable.push((service, what));
        self
    }

    fn for_service(&self, service: Option<&ServiceId>) -> Result<&PolicyRead, &UnreadablePolicy> {
        let concerns = |of: &Option<ServiceId>| of.is_none() || of.as_ref() == service;
        match self.unreadable.iter().find(|(of, _)| concerns(of)) {
            Some((_, what)) => Err(what),
            None => Ok(&self.read),
        }
    }

    /// An entry that names a service.
    fn entry_for(&self, service: Option<&ServiceId>) -> Option<&PolicyItemId> {
        self.read.items.iter().find(|item| {
            let rule = item.rule();
            rule.is_some_and(|rule| service.is_some_and(|id| rule.service_id.covers(id)))
        })
    }
}

/// What would happen to one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foretold {
    pub endpoint_id: EndpointId,
    /// The change that would be written; `None` if there is none.
    pub change: Option<Change>,
    /// The request's status once EC2 has done what it is asked at once; `None` if there would be no
    /// request. A revocation that begins is not carried out at once.
    pub becomes: Option<Status>,
    /// Why it would be left alone, if it would be.
    pub left: Option<LeaveReason>,
    /// The earliest moment at which the answer may change, if nothing else changes.
    pub holds_until: Option<Timestamp>,
}

/// Foretells what would happen to these connections, in the order in which they are given.
///
/// Those that give up a place come first, then those that wait, the oldest first, then those that were
/// rejected and may be tried again. Limits on how much a run may do are not applied.
#[must_use]
pub fn foretell(
    situations: &[Situation],
    given: &GivenPolicy,
    setup: Setup,
    now: Timestamp,
) -> Vec<Foretold> {
    let mut usage: BTreeMap<(ServiceId, AccountId), BTreeSet<&EndpointId>> = BTreeMap::new();
    for situation in situations {
        if let (true, Some(consumer)) = (situation.counts(), situation.consumer()) {
            let counted = usage.entry(consumer).or_default();
            counted.insert(&situation.observation.endpoint_id);
        }
    }
    let mut order: Vec<(usize, &Situation)> = situations.iter().enumerate().collect();
    order.sort_by_key(|(_, situation)| turn(situation));
    let mut foretold: Vec<(usize, Foretold)> = Vec::with_capacity(order.len());
    for (index, situation) in order {
        let id = &situation.observation.endpoint_id;
        let consumer = situation.consumer();
        let counted = consumer.map(|consumer| usage.entry(consumer).or_default());
        let others = counted.as_ref().map_or(0, |counted| {
            counted.iter().filter(|other| **other != id).count()
        });
        let next = next_of(situation, given, setup, others, now);
        let one = Foretold::of(situation, next);
        if let Some(counted) = counted {
            match one.becomes {
                Some(status) if status.counts_as_usage() => counted.insert(id),
                _ => counted.remove(id),
            };
        }
        foretold.push((index, one));
    }
    foretold.sort_by_key(|(index, _)| *index);
    foretold.into_iter().map(|(_, one)| one).collect()
}

fn next_of(
    situation: &Situation,
    given: &GivenPolicy,
    setup: Setup,
    others: usize,
    now: Timestamp,
) -> Next {
    let observation = &situation.observation;
    let consumer = situation.consumer();
    let service = consumer.as_ref().map(|(service, _)| service);
    let facts = Facts {
        observation,
        request: situation.request.as_ref(),
        policy: Some(given.for_service(service)),
        organization: &situation.organization,
        usage: Some(UsageRead {
            others: u32::try_from(others).unwrap_or(u32::MAX),
            is_counted: true,
            is_compared: true,
        }),
        approvers: Some(&given.approvers),
        held: Some(situation.held.as_ref()),
        managed_since: situation.managed_since,
        audit: Some(AuditRun {
            // Revocations that began before are carried out when their time is up.
            began: now,
            entry: Some(given.entry_for(service)),
        }),
        ballot: None,
        setup,
    };
    next(&facts, now)
}

/// The order in which connections are decided.
fn turn(situation: &Situation) -> (u8, Timestamp, EndpointId) {
    let class = match situation.observation.phase() {
        Phase::Ended => 0,
        Phase::Connected => 1,
        Phase::Waiting => 2,
        Phase::Rejected | Phase::Unknown => 3,
    };
    let connection = situation.observation.connection.as_ref();
    let created_at = connection.and_then(|connection| connection.created_at);
    (
        class,
        created_at.unwrap_or(Timestamp::MAX),
        situation.observation.endpoint_id.clone(),
    )
}

impl Foretold {
    fn of(situation: &Situation, next: Next) -> Self {
        let stands = situation.request.as_ref().map(|request| request.status);
        let (change, left) = match next.action {
            Action::Write(change) => (Some(*change), None),
            Action::Leave(reason) => (None, Some(reason)),
            // Every fact is given.
            Action::Nothing | Action::Need(_) => (None, None),
        };
        Self {
            endpoint_id: situation.observation.endpoint_id.clone(),
            becomes: change.as_ref().map_or(stands, becomes),
            change,
            left,
            holds_until: next.holds_until,
        }
    }
}

/// The status once EC2 has done what it is asked.
fn becomes(change: &Change) -> Option<Status> {
    let after = &change.after;
    let notified = after
        .claimed_until
        .and_then(|_| after.status.pending_enforcement());
    Some(notified.map_or(after.status, Enforcement::outcome))
}

#[cfg(test)]
#[path = "foretell_tests.rs"]
mod tests;
