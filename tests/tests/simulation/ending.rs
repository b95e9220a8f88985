//! The end of a schedule: no call fails any more and no event comes. After one reconcile run EC2
//! agrees with the policy (S8), and the tables agree with the writes that were seen (S6). Then time
//! passes, until nothing is connected that should have been revoked.

use std::collections::BTreeMap;
use std::time::Duration;

use gatekeeper_aws::gatekeeper::Reconciled;
use local_aws::State;

use crate::ledger::Ledger;
use crate::policy::Says;
use crate::policy_edits;
use crate::schedule::Schedule;

/// Longer than a claim, and than EC2's lag and ours.
const LATER: Duration = Duration::from_secs(240);

/// How many more runs it may take after usage went down.
const MORE_RUNS: usize = 4;

/// This many sweeps, four minutes apart, send everything that schedules leave.
const SWEEPS: usize = 8;

/// Longer than any grace period that the schedules set.
const LONGEST_GRACE: Duration = Duration::from_secs(25 * 3600);

/// The deviations, by endpoint, and whether usage that went down since explains each.
type Differences = Vec<(String, bool)>;

pub(crate) async fn converge(schedule: &mut Schedule) {
    schedule.wire.set_weather(0.0, 0.0);
    if schedule.chance.f64() < 0.7 {
        policy_edits::correct(schedule).await;
    }
    let mut differences = after_one_run(schedule).await;
    // A run looks at a consumer's connections in turn. If usage goes down late in a run, for
    // example when an endpoint turns out to be gone after all pages, a review that was looked at
    // before is settled only in the next run. Of several rejected connections that are tried again
    // under a limit, each run tries as many as the limit has room for.
    for _ in 0..MORE_RUNS {
        if !differences.iter().any(|(_, explained)| *explained) {
            break;
        }
        let line = "another run, for places that this one freed";
        schedule.wire.ledger().note(line);
        differences = after_one_run(schedule).await;
    }
    for (difference, _) in differences {
        schedule.wire.ledger().broken("S8", difference);
    }
    if schedule.is_sound() {
        let_grace_periods_end(schedule).await;
    }
    send_all(schedule).await;
    is_everything_sent(schedule);
    tables_agree(schedule).await;
}

/// Every entry that expires has expired, and every grace period ends. If connections that should
/// not be there are left, there are more than one run may revoke.
async fn let_grace_periods_end(schedule: &mut Schedule) {
    schedule.world.clock.advance(Duration::from_secs(60 * 3600));
    for _ in 0..3 {
        if left_to_revoke(schedule).is_empty() {
            return;
        }
        schedule.world.clock.advance(LONGEST_GRACE);
        let _ = after_one_run(schedule).await;
    }
    for ((service, status), ids) in left_to_revoke(schedule) {
        let mut ledger = schedule.wire.ledger();
        let most = ledger
            .policy
            .number(&service, "revoke_at_most")
            .unwrap_or(5);
        if ids.len() as u64 <= most {
            let line = format!("{ids:?} are {status} and connected, against the policy");
            ledger.broken("S8", line);
        }
    }
}

/// The connections that should not be there, by service and status, if the policy can be read.
fn left_to_revoke(schedule: &Schedule) -> BTreeMap<(String, String), Vec<String>> {
    let ledger = schedule.wire.ledger();
    let malformed = ledger.policy.malformed();
    let now = ledger.clock.now();
    let mut left: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (id, request) in &ledger.requests {
        let subject = &ledger.endpoints[id].subject;
        let unreadable = malformed
            .iter()
            .any(|(scope, _)| scope == "*" || *scope == subject.service);
        let connected = matches!(
            schedule.world.ec2.state(id),
            Some(State::Pending | State::Available)
        );
        let by_people = request.decided_by == "approver";
        let falls = ledger
            .policy
            .revokes(subject, request.past_policy, by_people, now);
        if connected && !unreadable && falls {
            let key = (subject.service.clone(), request.status.clone());
            left.entry(key).or_default().push(id.clone());
        }
    }
    left
}

async fn after_one_run(schedule: &mut Schedule) -> Differences {
    schedule.world.clock.advance(LATER);
    schedule.wire.ledger().note("all is quiet");
    schedule.wire.ledger().released.clear();
    schedule
        .runs
        .reconcile(&schedule.world, &schedule.wire, None);
    let done = loop {
        let step = schedule
            .runs
            .step(&schedule.world, &schedule.wire, &mut schedule.chance);
        if let Some(done) = step.await {
            break done;
        }
        assert!(schedule.runs.len() > 0, "the last run did not end");
    };
    differences(schedule, &done)
}

fn differences(schedule: &Schedule, done: &Reconciled) -> Differences {
    let ledger = schedule.wire.ledger();
    let mut all = Differences::new();
    for (service, error) in &done.failed {
        all.push((
            format!("{service:?} could not be looked through: {error}"),
            false,
        ));
    }
    let shown: BTreeMap<String, State> = schedule
        .world
        .ec2
        .connections()
        .into_iter()
        .map(|connection| (connection.endpoint_id, connection.state))
        .collect();
    let mut unreadable = 0;
    for (id, known) in &ledger.endpoints {
        if !known.managed {
            continue;
        }
        if ledger.policy.unreadable(&known.subject).is_some() {
            unreadable += 1;
            continue;
        }
        all.extend(difference(&ledger, id, shown.get(id).copied()));
    }
    let failures: usize = done.services.iter().map(|report| report.failures).sum();
    if failures > 0 && unreadable == 0 {
        all.push((
            format!("{failures} connections could not be settled"),
            false,
        ));
    }
    all
}

/// The difference between EC2, the record and the policy for one endpoint.
fn difference(ledger: &Ledger, id: &str, state: Option<State>) -> Option<(String, bool)> {
    let subject = &ledger.endpoints[id].subject;
    let status = ledger
        .requests
        .get(id)
        .map_or("-", |request| &request.status);
    let differs = |why: &str| {
        Some((
            format!("{id} is {status}, EC2 shows {state:?}: {why}"),
            false,
        ))
    };
    match state {
        Some(State::PendingAcceptance) if status != "in_review" => differs("not decided"),
        Some(State::PendingAcceptance) => {
            let others = ledger.others(subject);
            let now = ledger.clock.now();
            let says = ledger.policy.says(subject, others, now);
            // The clock may have passed an expiry since the run began.
            let said = ledger
                .policy
                .says(subject, others, now - Duration::from_secs(30));
            let due = is_due(ledger, id);
            if (says == Says::Review || said == Says::Review) && !due {
                return None;
            }
            let freed = ledger
                .released
                .contains(&(subject.service.clone(), subject.account.clone()));
            Some((
                format!(
                    "{id} ({subject:?}) is in review, and the policy says {says:?}, due: {due}"
                ),
                freed && says == Says::Accept,
            ))
        }
        Some(State::Pending | State::Available) if status == "revoking" => {
            let now = ledger.clock.now();
            let said = now - Duration::from_secs(30);
            let past_policy = ledger.requests.get(id).is_some_and(|it| it.past_policy);
            let by_people = ledger
                .requests
                .get(id)
                .is_some_and(|it| it.decided_by == "approver");
            let falls = |at| ledger.policy.revokes(subject, past_policy, by_people, at);
            if falls(now) || falls(said) {
                return None;
            }
            differs("it is being revoked, and the policy has it stay")
        }
        Some(State::Pending | State::Available) if status != "accepted" => {
            differs("it is connected")
        }
        Some(State::Rejected) if status == "rejected" => {
            let request = &ledger.requests[id];
            let others = ledger.others(subject);
            let now = ledger.clock.now();
            let allowed = ledger.policy.says(subject, others, now) == Says::Accept;
            let ours = matches!(request.decided_by.as_str(), "policy" | "schedule");
            if !allowed || !ours || request.retried {
                return None;
            }
            let freed = ledger
                .released
                .contains(&(subject.service.clone(), subject.account.clone()));
            let line = format!("{id} ({subject:?}) is rejected, allowed, and was not tried again");
            Some((line, freed))
        }
        Some(State::Rejected) if status != "rejected" => differs("it is rejected"),
        None | Some(State::Deleting | State::Deleted | State::Expired | State::Failed)
            if !matches!(status, "gone" | "-") =>
        {
            differs("it is gone")
        }
        _ => None,
    }
}

/// Whether a review should have been rejected at its deadline.
fn is_due(ledger: &Ledger, id: &str) -> bool {
    let service = &ledger.endpoints[id].subject.service;
    let since = ledger.requests.get(id).map(|request| request.since);
    let hours = ledger.policy.number(service, "review_hours");
    let (Some(since), Some(hours)) = (since, hours) else {
        return false;
    };
    let waited = ledger.clock.now().duration_since(since).as_secs();
    // The run began a moment ago.
    let hours = i64::try_from(hours).unwrap();
    ledger.policy.word(service, "on_deadline") == Some("reject") && waited - 60 > hours * 3600
}

/// The schedule sends what is left in the outbox; it looks there every minute.
async fn send_all(schedule: &mut Schedule) {
    for _ in 0..SWEEPS {
        if schedule.wire.ledger().outbox.is_empty() {
            return;
        }
        schedule.world.clock.advance(LATER);
        let (world, wire) = (&schedule.world, &schedule.wire);
        schedule.runs.announcements(world, wire, None, None);
        schedule.finish().await;
    }
}

/// Whether every required announcement is published and out of the outbox.
fn is_everything_sent(schedule: &Schedule) {
    let mut ledger = schedule.wire.ledger();
    let untold: Vec<String> = ledger
        .called_for
        .iter()
        .filter(|id| !ledger.announced.contains_key(*id))
        .cloned()
        .collect();
    for id in untold {
        ledger.broken("S8", format!("{id} was never announced"));
    }
    if let Some((id, _)) = ledger.outbox.first_key_value() {
        let id = id.clone();
        ledger.broken("S8", format!("{id} is sent and still in the outbox"));
    }
}

/// S6: the requests table holds what was seen being written: a request for each endpoint, and its
/// rows from the first to its version, each beginning where the one before ended.
async fn tables_agree(schedule: &Schedule) {
    let scan = schedule.world.tables().scan();
    let scan = scan
        .table_name(schedule.world.requests_table())
        .send()
        .await
        .unwrap();
    let mut rows: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut requests: BTreeMap<String, (String, String)> = BTreeMap::new();
    for item in scan.items() {
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        let number = item
            .get("version")
            .and_then(|value| value.as_n().ok())
            .cloned();
        let (pk, sk) = (text("pk").unwrap(), text("sk").unwrap());
        if sk == "request" {
            requests.insert(pk, (text("status").unwrap(), number.unwrap()));
        } else if sk.starts_with("history#") {
            let from = text("from").unwrap_or_default();
            let chain = rows.entry(pk).or_default();
            chain.push((from, text("to").unwrap()));
        }
    }
    let mut ledger = schedule.wire.ledger();
    let seen: BTreeMap<String, (String, String)> = ledger
        .requests
        .iter()
        .map(|(id, request)| {
            (
                id.clone(),
                (request.status.clone(), request.version.to_string()),
            )
        })
        .collect();
    if seen != requests {
        ledger.broken(
            "S6",
            format!("the table has {requests:?}, and written was {seen:?}"),
        );
    }
    for (id, (status, version)) in &requests {
        let chain = rows.remove(id).unwrap_or_default();
        let mut stands = String::new();
        let whole = chain.iter().all(|(from, to)| {
            let follows = *from == stands;
            stands.clone_from(to);
            follows
        });
        if !whole || stands != *status || chain.len().to_string() != *version {
            ledger.broken(
                "S6",
                format!("{id} is {status} at version {version}; its rows: {chain:?}"),
            );
        }
    }
    if !rows.is_empty() {
        ledger.broken("S6", format!("history without a request: {rows:?}"));
    }
}
