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

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use crate::approver::Approver;
use crate::change::Change;
use crate::connection::{Connection, ConnectionState, Organization, Phase};
use crate::decide::{Action, AuditRun, Facts, LeaveReason, Next, Setup, UsageRead, next};
use crate::enforcement::CallResult;
use crate::ids::{AccountId, EndpointId, ServiceId};
use crate::observation::Observation;
use crate::policy::{Entry, Policy, Principal, Rule, Scope, ServiceSettings};
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

    /// Its service and its account, if EC2 or its request says.
    #[must_use]
    pub fn consumer(&self) -> Option<(ServiceId, AccountId)> {
        match (&self.observation.connection, &self.request) {
            (Some(one), _) => Some((one.service_id.clone(), one.owner.clone())),
            (None, Some(one)) => Some((one.service_id.clone(), one.account_id.clone())),
            (None, None) => None,
        }
    }

    /// The same once a change was written and EC2 did what it was asked.
    #[must_use]
    pub fn once_done(&self, foretold: &Foretold, at: Timestamp) -> Self {
        let mut after = self.clone();
        after.observation.seen_at = at;
        let Some(change) = &foretold.change else {
            return after;
        };
        let request = change.after.clone();
        let asked = request
            .claimed_until
            .and(request.status.pending_enforcement());
        let done = asked.and_then(|enforcement| {
            let done = CallResult::done(enforcement, None)
                .change(&request, at)
                .ok()?;
            Some((enforcement, done.after))
        });
        match done {
            None => after.request = Some(request),
            Some((enforcement, done)) => {
                after.request = Some(done);
                if let Some(connection) = &mut after.observation.connection {
                    connection.state = match enforcement {
                        Enforcement::Accept => ConnectionState::Available,
                        Enforcement::Reject => ConnectionState::Rejected,
                    };
                }
            }
        }
        after
    }

    /// Whether the connection counts against a limit: it is connected, or its request counts.
    fn counts(&self) -> bool {
        let phase = self.observation.phase();
        let holds = |request: &Request| request.status.counts_as_usage();
        phase == Phase::Connected
            || (phase != Phase::Ended && self.request.as_ref().is_some_and(holds))
    }
}

/// The whole policy for a forecast.
#[derive(Debug, Clone)]
pub struct GivenPolicy {
    /// By their rules; an entry under an unexpected key may have the rule of another one.
    entries: HashMap<Rule, Vec<Entry>>,
    /// The rules of `entries` that are for Organizations paths.
    paths: Vec<Rule>,
    /// One entry for each scope that has any.
    some_entry: BTreeMap<Scope, PolicyItemId>,
    settings: BTreeMap<Scope, ServiceSettings>,
    /// All approvers.
    approvers: Vec<Approver>,
    /// The errors in it, with the service that each concerns; `None` concerns all.
    unreadable: Vec<(Option<ServiceId>, UnreadablePolicy)>,
}

impl GivenPolicy {
    /// A policy without errors.
    #[must_use]
    pub fn of(policy: Policy, approvers: Vec<Approver>) -> Self {
        let mut given = Self {
            entries: HashMap::with_capacity(policy.entries.len()),
            paths: Vec::new(),
            some_entry: BTreeMap::new(),
            settings: policy.settings,
            approvers,
            unreadable: Vec::new(),
        };
        for entry in policy.entries {
            let rule = entry.rule().clone();
            let some = given.some_entry.entry(rule.service_id.clone());
            some.or_insert_with(|| PolicyItemId::Entry(rule.clone()));
            let same = given.entries.entry(rule.clone()).or_default();
            if same.is_empty() && matches!(rule.principal, Principal::Organization(_)) {
                given.paths.push(rule);
            }
            same.push(entry);
        }
        given
    }

    /// Adds an error. It concerns one service, or all.
    #[must_use]
    pub fn with_unreadable(mut self, service: Option<ServiceId>, what: UnreadablePolicy) -> Self {
        self.unreadable.push((service, what));
        self
    }

    /// What of it can concern a connection, as the tables would be read for it: a policy has thousands of
    /// entries, and a dozen of them can concern one connection.
    #[must_use]
    pub fn for_connection(
        &self,
        connection: &Connection,
        organization: &Organization,
    ) -> PolicyRead {
        let mut items = PolicyItemId::all_of(connection, organization);
        if matches!(organization, Organization::Off | Organization::Failed) {
            // Each of them may apply.
            let covers = |rule: &&Rule| rule.service_id.covers(&connection.service_id);
            let paths = self.paths.iter().filter(covers);
            items.extend(paths.cloned().map(PolicyItemId::Entry));
        }
        let rules = items.iter().filter_map(PolicyItemId::rule);
        let entries = rules.filter_map(|rule| self.entries.get(rule)).flatten();
        PolicyRead {
            policy: Policy {
                entries: entries.cloned().collect(),
                settings: self.settings_for(&connection.service_id),
                approvers: Vec::new(),
            },
            items,
        }
    }

    fn settings_for(&self, service: &ServiceId) -> BTreeMap<Scope, ServiceSettings> {
        let scopes = Scope::all_of(service).into_iter();
        let written = scopes.filter_map(|scope| self.settings.get_key_value(&scope));
        written
            .map(|(scope, settings)| (scope.clone(), settings.clone()))
            .collect()
    }

    fn read_for(&self, situation: &Situation) -> Result<PolicyRead, &UnreadablePolicy> {
        let consumer = situation.consumer();
        let service = consumer.as_ref().map(|(service, _)| service);
        let concerns = |of: &Option<ServiceId>| of.is_none() || of.as_ref() == service;
        if let Some((_, what)) = self.unreadable.iter().find(|(of, _)| concerns(of)) {
            return Err(what);
        }
        let mut read = match &situation.observation.connection {
            Some(connection) => self.for_connection(connection, &situation.organization),
            None => PolicyRead::default(),
        };
        if let Some(service) = service {
            read.policy.settings = self.settings_for(service);
        }
        Ok(read)
    }

    /// An entry that speaks of a service.
    fn entry_for(&self, service: Option<&ServiceId>) -> Option<&PolicyItemId> {
        let scopes = Scope::all_of(service?);
        scopes.iter().find_map(|scope| self.some_entry.get(scope))
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
    let read = given.read_for(situation);
    let facts = Facts {
        observation,
        request: situation.request.as_ref(),
        policy: Some(read.as_ref().map_err(|what| *what)),
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
