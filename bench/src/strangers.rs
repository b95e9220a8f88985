//! Measures whether decisions wait for notifications: strangers by the thousand ask several
//! services, and one approver is notified of each by an e-mail, of which an address takes sixty in
//! a minute.

use std::collections::BTreeSet;
use std::time::Duration;

use gatekeeper_aws::clock::Clock;
use gatekeeper_core::approver::{Approver, ApproverId};
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::policy::{About, Conditions, Effect, Entry, Policy, Principal, Rule, Scope};
use gatekeeper_core::request::Status;
use gatekeeper_local::in_process::Transport;
use gatekeeper_local::world::{Options, PROVIDER, REGION, World};
use jiff::Timestamp;
use local_aws::{NewConnection, NewService};

use crate::{BenchError, endpoint, read};

const SERVICES: u32 = 4;
const APPROVER: &str = "alice@example.com";
const CUSTOMER: &str = "999999999999";
const MINUTE: Duration = Duration::from_secs(60);

/// How long each part took since it began, in virtual time.
pub(crate) struct Took {
    /// Until every stranger's request was in review.
    pub(crate) reviews: Duration,
    /// The runs of reconcile until then.
    pub(crate) runs: u32,
    /// How many e-mails were still to be sent then.
    pub(crate) waiting: usize,
    /// From the writing of a deny, while e-mails were waiting, until its connection was rejected.
    pub(crate) deny: Duration,
    /// From the request of an allowed customer, while e-mails were waiting, until it was accepted.
    pub(crate) accept: Duration,
    /// Until the last e-mail was sent.
    pub(crate) emails: Duration,
}

pub(crate) async fn measure(strangers: u32) -> Result<Took, BenchError> {
    let mut options = Options::new(Clock::manual(Timestamp::UNIX_EPOCH));
    options.seed = Some(1);
    options.ec2.throttling = true;
    options.transport = Transport::InProcess(None);
    let world = World::start(options).await?;
    fill(&world, strangers).await?;

    let begun = world.clock.now();
    let mut runs = 0;
    while waits_for_a_review(&world, strangers).await? {
        runs += 1;
        if runs > 100 {
            return Err(BenchError::Endless(runs));
        }
        world.reconcile_alone().await;
    }
    let reviews = since(&world, begun);
    // The stream's function publishes all announcements, and sleeps for nobody.
    world.announce().await?;
    let sent = |world: &World| world.sns.inbox_of(APPROVER).len();
    let all = usize::try_from(strangers).unwrap_or(usize::MAX);
    let waiting = all - sent(&world).min(all);

    let edited = world.clock.now();
    let denied = endpoint(strangers)?;
    let deny = entry(Principal::Endpoint(denied.clone()), Effect::Deny)?;
    world.put_policy(&of(vec![deny])).await?;
    world.follow_edits().await?;
    is_now(&world, &denied, Status::Rejected).await?;
    let deny = since(&world, edited);

    let asked = world.clock.now();
    let customer = endpoint(strangers + 1)?;
    ask(&world, strangers + 1, CUSTOMER)?;
    world.queue.send(requested(&customer));
    world.drain().await;
    is_now(&world, &customer, Status::Accepted).await?;
    let accept = since(&world, asked);

    // Nobody is notified of one of them any more.
    let mut minutes = 0;
    while sent(&world) + 1 < all {
        minutes += 1;
        if minutes > 60 * 24 {
            return Err(BenchError::Endless(minutes));
        }
        let minute = world.clock.now();
        world.sweep().await;
        let next = minute.checked_add(MINUTE).unwrap_or(Timestamp::MAX);
        world.clock.sleep(world.clock.until(next)).await;
    }
    Ok(Took {
        reviews,
        runs,
        waiting,
        deny,
        accept,
        emails: since(&world, begun),
    })
}

async fn fill(world: &World, strangers: u32) -> Result<(), BenchError> {
    for n in 0..SERVICES {
        let (tag, value) = gatekeeper_aws::config::MANAGED_TAG;
        let service = NewService::new().id(service(n)).owner(PROVIDER);
        world
            .ec2
            .put_service(service.region(REGION).tag(tag, value));
    }
    for n in 1..=strangers {
        ask(world, n, &format!("{n:012}"))?;
    }
    let customer = Principal::Account(CUSTOMER.parse()?);
    let mut policy = of(vec![entry(customer, Effect::Allow)?]);
    policy.approvers = vec![Approver {
        id: APPROVER.parse::<ApproverId>()?,
        slack_user_id: None,
        iam_principal: None,
        services: BTreeSet::from([Scope::Every]),
        own_accounts: BTreeSet::new(),
    }];
    world.put_policy(&policy).await?;
    // The initial allowlist does not count as an edit.
    Ok(world.forget_edits()?)
}

fn service(n: u32) -> String {
    format!("vpce-svc-{:017x}", n % SERVICES + 1)
}

fn ask(world: &World, n: u32, account: &str) -> Result<(), BenchError> {
    let new = NewConnection::new(service(n), account).endpoint_id(endpoint(n)?.as_str());
    world.ec2.put_connection(new).map_err(BenchError::Ec2)?;
    Ok(())
}

fn of(entries: Vec<Entry>) -> Policy {
    Policy {
        entries,
        ..Policy::default()
    }
}

fn entry(principal: Principal, effect: Effect) -> Result<Entry, BenchError> {
    let rule = Rule {
        service_id: Scope::Every,
        principal,
        effect,
    };
    Ok(Entry::new(rule, Conditions::default(), About::default())?)
}

/// Our own event about an endpoint.
fn requested(endpoint: &EndpointId) -> String {
    format!(
        r#"{{"source":"privatelink.gatekeeper","detail-type":"Connection Requested","detail":{{"endpoint_id":"{endpoint}"}}}}"#
    )
}

async fn waits_for_a_review(world: &World, strangers: u32) -> Result<bool, BenchError> {
    for n in 1..=strangers {
        let request = read(world, &endpoint(n)?).await?;
        if !matches!(request, Some((Status::InReview, _))) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn is_now(world: &World, id: &EndpointId, wanted: Status) -> Result<(), BenchError> {
    match read(world, id).await? {
        Some((status, _)) if status == wanted => Ok(()),
        other => Err(BenchError::Status(id.clone(), wanted, other.map(|it| it.0))),
    }
}

fn since(world: &World, moment: Timestamp) -> Duration {
    Duration::try_from(world.clock.now().duration_since(moment)).unwrap_or_default()
}
