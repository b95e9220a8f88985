//! What a change of the policy does to connections. Core's `foretell` answers; nothing is decided here.

use std::collections::{BTreeMap, BTreeSet};

use gatekeeper_aws::tables::StoredItem;
use gatekeeper_core::connection::{Connection, Organization};
use gatekeeper_core::foretell::{Foretold, GivenPolicy, Situation, foretell};
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use gatekeeper_core::observation::Observation;
use gatekeeper_core::policy::{Policy, PolicyItem, Revoke, Rule, Scope};
use gatekeeper_core::policy_key::Stops;
use gatekeeper_core::precondition::UnreadablePolicy;
use gatekeeper_core::request::{Request, Status};
use gatekeeper_core::words;
use jiff::{SignedDuration, Timestamp};

use crate::deployment::Deployment;
use crate::error::CliError;
use crate::terminal::Terminal;

/// DynamoDB reads no more items in one call.
const READ_AT_ONCE: usize = 100;
/// What takes longer says how far it is.
const SILENCE: SignedDuration = SignedDuration::from_secs(1);
/// The most connections that are listed one by one.
const LISTED: usize = 20;

/// A connection with its record, and what a policy makes of it.
pub(crate) struct Seen {
    pub(crate) connection: Connection,
    pub(crate) request: Option<Request>,
    pub(crate) situation: Situation,
}

/// A change of the allowlist: the item with this key becomes this, or is removed.
pub(crate) struct Change {
    pub(crate) replaces: Option<(String, String)>,
    pub(crate) by: Option<PolicyItem>,
}

/// What a change does.
pub(crate) struct Effects {
    /// The connections that it makes something else of.
    pub(crate) changed: Vec<Effect>,
    /// The connections that the policy would no longer allow, and that stay connected because the
    /// service's setting `revoke` does not enforce it.
    stay_connected: Vec<EndpointId>,
    looked_at: usize,
}

/// What a change does to one connection.
pub(crate) struct Effect {
    pub(crate) endpoint_id: EndpointId,
    pub(crate) account_id: AccountId,
    pub(crate) customer: Option<String>,
    pub(crate) before: Option<Status>,
    pub(crate) after: Option<Status>,
    /// Why, in the words of the decision.
    pub(crate) reason: Option<String>,
}

/// Reads the connections of these services, or those of one account, with their requests. What takes
/// longer than a second says how far it is.
pub(crate) async fn seen(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    services: &[ServiceId],
    owner: Option<&AccountId>,
) -> Result<Vec<Seen>, CliError> {
    let begun = deployment.clock.now();
    let since = deployment.operator.managed_since(services).await?;
    let mut all = Vec::new();
    for (number, service) in services.iter().enumerate() {
        let mut token = None;
        loop {
            let now = deployment.clock.now();
            if now.duration_since(begun) > SILENCE {
                terminal.progress(&format!(
                    "{} connections read; service {} of {}",
                    all.len(),
                    number + 1,
                    services.len()
                ))?;
            }
            let (connections, next) = match owner {
                Some(owner) => (deployment.ec2.of_consumer(service, owner).await?, None),
                None => {
                    let (page, next) = deployment.ec2.page(service, token).await?;
                    (page.connections, next)
                }
            };
            let ids: Vec<EndpointId> = connections
                .iter()
                .map(|one| one.endpoint_id.clone())
                .collect();
            let mut requests = deployment.tables.requests_of(ids.iter()).await?;
            deployment.calls.add(1, ids.len().div_ceil(READ_AT_ONCE));
            for connection in connections {
                let request = requests.remove(&connection.endpoint_id);
                let observation = Observation::of(connection.clone(), now);
                let mut situation = Situation::new(observation, request.clone(), Organization::Off);
                situation.managed_since = since.get(service).copied();
                all.push(Seen {
                    connection,
                    request,
                    situation,
                });
            }
            token = next;
            if token.is_none() {
                break;
            }
        }
    }
    terminal.progress("")?;
    Ok(all)
}

/// The policy that the stored items make, after a change.
pub(crate) fn policy(stored: &[StoredItem], change: Option<&Change>) -> GivenPolicy {
    given(stored, change, None)
}

/// The policy that the stored items make, and what of them cannot be read, by the service that it
/// concerns.
pub(crate) fn whole(
    stored: &[StoredItem],
    change: Option<&Change>,
) -> (Policy, Vec<(Option<ServiceId>, UnreadablePolicy)>) {
    let mut policy = Policy::default();
    let mut unreadable = Vec::new();
    let is_replaced = |item: &StoredItem| {
        let key = (item.key.service_id.clone(), item.key.rule.clone());
        change.is_some_and(|change| change.replaces.as_ref() == Some(&key))
    };
    let kept = stored.iter().filter(|item| !is_replaced(item));
    for item in kept {
        match &item.read {
            Ok(item) => add(&mut policy, item.clone()),
            Err(what) => match (&what.stops, item.key.scope()) {
                (Stops::Nothing | Stops::Approver, _) => {}
                (Stops::EveryService, _) | (_, None | Some(Scope::Every)) => {
                    unreadable.push((None, what.clone()));
                }
                (_, Some(Scope::Service(id))) => unreadable.push((Some(id), what.clone())),
            },
        }
    }
    if let Some(item) = change.and_then(|change| change.by.clone()) {
        add(&mut policy, item);
    }
    (policy, unreadable)
}

fn given(
    stored: &[StoredItem],
    change: Option<&Change>,
    revoke: impl Into<Option<Revoke>>,
) -> GivenPolicy {
    let (mut policy, unreadable) = whole(stored, change);
    if let Some(revoke) = revoke.into() {
        policy.settings.entry(Scope::Every).or_default();
        for settings in policy.settings.values_mut() {
            settings.revoke = Some(revoke);
        }
    }
    let approvers = policy.approvers.clone();
    let given = GivenPolicy::of(policy, approvers);
    unreadable
        .into_iter()
        .fold(given, |given, (service, what)| {
            given.with_unreadable(service, what)
        })
}

fn add(policy: &mut Policy, item: PolicyItem) {
    match item {
        PolicyItem::Entry(entry) => policy.entries.push(entry),
        PolicyItem::Settings(scope, settings) => drop(policy.settings.insert(scope, settings)),
        PolicyItem::Approver(approver) => policy.approvers.push(approver),
    }
}

/// What happens to each connection under a policy, in the order of `seen`.
pub(crate) fn foretold(
    deployment: &Deployment,
    seen: &[Seen],
    policy: &GivenPolicy,
    at: Timestamp,
) -> Vec<Foretold> {
    let situations: Vec<Situation> = seen.iter().map(|one| one.situation.clone()).collect();
    foretell(&situations, policy, deployment.setup(), at)
}

/// What a change does to the connections that were seen.
pub(crate) fn effects(
    deployment: &Deployment,
    seen: &[Seen],
    stored: &[StoredItem],
    change: &Change,
) -> Effects {
    let now = deployment.clock.now();
    let before = foretold(deployment, seen, &policy(stored, None), now);
    let after = foretold(deployment, seen, &policy(stored, Some(change)), now);
    let revoked_if_enforced = |change: Option<&Change>| -> BTreeSet<EndpointId> {
        let given = given(stored, change, Revoke::Enforce);
        let foretold = foretold(deployment, seen, &given, now).into_iter();
        let revoked = foretold.filter(|one| one.becomes == Some(Status::Revoking));
        revoked.map(|one| one.endpoint_id).collect()
    };
    let known = revoked_if_enforced(None);
    let mut stay_connected = revoked_if_enforced(Some(change));
    stay_connected.retain(|id| !known.contains(id));
    for one in &after {
        if one.becomes == Some(Status::Revoking) {
            stay_connected.remove(&one.endpoint_id);
        }
    }
    let pairs = before.into_iter().zip(after);
    let changed = seen.iter().zip(pairs).filter_map(|(one, (before, after))| {
        if before.becomes == after.becomes {
            return None;
        }
        Some(Effect {
            endpoint_id: one.connection.endpoint_id.clone(),
            account_id: one.connection.owner.clone(),
            customer: one.request.as_ref().and_then(|one| one.customer.clone()),
            before: before.becomes,
            after: after.becomes,
            reason: after.change.map(reason),
        })
    });
    Effects {
        changed: changed.collect(),
        stay_connected: stay_connected.into_iter().collect(),
        looked_at: seen.len(),
    }
}

/// The services that a scope concerns.
pub(crate) async fn concerned(
    deployment: &Deployment,
    scope: &Scope,
) -> Result<Vec<ServiceId>, CliError> {
    Ok(match scope {
        Scope::Service(id) => vec![id.clone()],
        Scope::Every => deployment.ec2.managed_services().await?.to_vec(),
    })
}

/// Says what follows from a change: how many connections become what, and which.
pub(crate) fn say(terminal: &mut Terminal<'_>, effects: &Effects) -> Result<(), CliError> {
    say_changed(terminal, effects)?;
    let stay = &effects.stay_connected;
    if stay.is_empty() {
        return Ok(());
    }
    terminal.note(match stay.len() {
        1 => {
            "1 connection is no longer allowed and stays connected, because the service's setting \
              revoke is not enforce:"
                .to_owned()
        }
        n => format!(
            "{n} connections are no longer allowed and stay connected, because the service's \
             setting revoke is not enforce:"
        ),
    })?;
    for id in stay.iter().take(LISTED) {
        terminal.note(format!("  {id}"))?;
    }
    Ok(())
}

fn say_changed(terminal: &mut Terminal<'_>, effects: &Effects) -> Result<(), CliError> {
    let (effects, looked_at) = (&effects.changed, effects.looked_at);
    if effects.is_empty() {
        terminal.note(match looked_at {
            0 => "No connection is concerned now.".to_owned(),
            1 => "The one connection that it concerns stays as it is.".to_owned(),
            n => format!("The {n} connections that it concerns stay as they are."),
        })?;
        return Ok(());
    }
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for effect in effects {
        *counts.entry(becomes(effect.after)).or_default() += 1;
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(becomes, count)| match count {
            1 => format!("1 connection is {becomes}"),
            n => format!("{n} connections are {becomes}"),
        })
        .collect();
    terminal.note(format!("What follows: {}.", counts.join("; ")))?;
    for effect in effects.iter().take(LISTED) {
        let consumer = words::consumer(effect.customer.as_deref(), &effect.account_id);
        let before = effect.before.map_or("new", words::status);
        let reason = effect.reason.as_deref().unwrap_or_default();
        terminal.note(format!(
            "  {}  {consumer}: {before} → {}. {reason}",
            effect.endpoint_id,
            becomes(effect.after)
        ))?;
    }
    if let Some(more) = effects.len().checked_sub(LISTED).filter(|more| *more > 0) {
        terminal.note(format!("  … and {more} more"))?;
    }
    Ok(())
}

/// Why a change is made: the reason of its transition, or the verdict where the status stays.
pub(crate) fn reason(change: gatekeeper_core::change::Change) -> String {
    match change.transition {
        Some(transition) => transition.reason,
        None => change.after.verdict.reason,
    }
}

fn becomes(status: Option<Status>) -> &'static str {
    status.map_or("left alone", words::status)
}

/// The key of an entry's item.
pub(crate) fn key_of(rule: &Rule) -> (String, String) {
    (
        rule.service_id.to_string(),
        format!("{}#{}", rule.effect, rule.principal),
    )
}
