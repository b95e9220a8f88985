//! Measures how long a plan of a new policy takes: every tenth customer goes, another comes, and the settings
//! revoke.

use std::time::{Duration, Instant};

use gatekeeper_core::connection::{Connection, ConnectionState, Organization};
use gatekeeper_core::decide::Setup;
use gatekeeper_core::foretell::Situation;
use gatekeeper_core::observation::Observation;
use gatekeeper_core::policy::{
    About, Conditions, Effect, Entry, PolicyItem, Revoke, Rule, Scope, ServiceSettings,
};
use gatekeeper_core::policy_change::WholePolicy;
use gatekeeper_core::policy_change::effect::{Summary, effects};
use gatekeeper_core::policy_change::order::order;
use jiff::{SignedDuration, Timestamp};

use crate::BenchError;

const SERVICES: u32 = 4;
const SETUP: Setup = Setup {
    lag: SignedDuration::from_secs(60),
    claim: SignedDuration::from_secs(120),
    asks_by_email: true,
};

/// How long each part took, in real time.
pub(crate) struct Took {
    pub(crate) writes: usize,
    pub(crate) order: Duration,
    pub(crate) effects: Duration,
    /// How many connections gain or lose.
    pub(crate) turned: usize,
}

pub(crate) fn measure(entries: u32, connections: u32) -> Result<Took, BenchError> {
    let now = Timestamp::UNIX_EPOCH;
    let mut before = WholePolicy::default();
    let mut after = WholePolicy::default();
    for number in 0..entries {
        let item = entry(number, now)?;
        // Every tenth is in one of both only.
        if !number.is_multiple_of(10) {
            before.put(item.id(), Some(item.clone()));
        }
        if number % 10 != 1 {
            after.put(item.id(), Some(item));
        }
    }
    let revoking = ServiceSettings {
        revoke: Some(Revoke::Enforce),
        ..ServiceSettings::default()
    };
    let settings = PolicyItem::Settings(Scope::Every, revoking);
    after.put(settings.id(), Some(settings));
    let situations = (0..connections).map(|number| situation(number, now));
    let situations: Vec<Situation> = situations.collect::<Result<_, _>>()?;

    let start = Instant::now();
    let order = order(&before, &after, now);
    let ordered = start.elapsed();
    let start = Instant::now();
    let year = SignedDuration::from_hours(24 * 366);
    let until = now.checked_add(year).unwrap_or(Timestamp::MAX);
    let effects = effects(&situations, (&before, &after), SETUP, now, until);
    let summary = Summary::of(&effects, &after);
    Ok(Took {
        writes: order.writes.len(),
        order: ordered,
        effects: start.elapsed(),
        turned: summary.total.now.values().sum(),
    })
}

/// Every third expires.
fn entry(number: u32, now: Timestamp) -> Result<PolicyItem, BenchError> {
    let rule = Rule {
        service_id: Scope::Service(service(number).parse()?),
        principal: account(number).parse()?,
        effect: Effect::Allow,
    };
    let in_days = SignedDuration::from_hours(24 * i64::from(number % 300 + 1));
    let conditions = Conditions {
        max_connections: Some(2),
        expires_at: number
            .is_multiple_of(3)
            .then(|| now.checked_add(in_days).unwrap_or(now)),
        ..Conditions::default()
    };
    let about = About {
        customer: Some(format!("Customer {number}")),
        ..About::default()
    };
    Ok(PolicyItem::Entry(Entry::new(rule, conditions, about)?))
}

/// Every other one waits.
fn situation(number: u32, now: Timestamp) -> Result<Situation, BenchError> {
    let connection = Connection {
        service_id: service(number).parse()?,
        endpoint_id: crate::endpoint(number)?,
        owner: account(number).parse()?,
        region: "eu-central-1".parse()?,
        state: match number % 2 {
            0 => ConnectionState::PendingAcceptance,
            _ => ConnectionState::Available,
        },
        created_at: Some(now),
    };
    let observation = Observation::of(connection, now);
    Ok(Situation::new(observation, None, Organization::Known(None)))
}

fn service(number: u32) -> String {
    format!("vpce-svc-{:017x}", number % SERVICES)
}

fn account(number: u32) -> String {
    format!("{number:012}")
}
