//! Measures how long a backlog takes: many connections wait on one service, a few on another, and
//! EC2 takes one accept a second. Measured with calls of 50, as Gatekeeper makes them, and one by
//! one.
//!
//! Time is virtual: waiting is counted and not done. Everything else is real: the functions, the
//! SDK clients, DynamoDB's engine, EC2's documented token buckets.

mod policy_plan;
mod strangers;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use gatekeeper_aws::clock::Clock;
use gatekeeper_core::ids::{EndpointId, InvalidId};
use gatekeeper_core::policy::{About, Conditions, Effect, Entry, Policy, Principal, Rule, Scope};
use gatekeeper_core::request::Status;
use gatekeeper_local::in_process::Transport;
use gatekeeper_local::world::{Options, PROVIDER, REGION, World, WorldError};
use jiff::Timestamp;
use local_aws::{AwsError, NewConnection, NewService, State};

const BIG: &str = "vpce-svc-0aaaaaaaaaaaaaaaa";
const SMALL: &str = "vpce-svc-0bbbbbbbbbbbbbbbb";
/// As in template.yaml.
const TIMEOUT: Duration = Duration::from_secs(300);
const PERIOD: Duration = Duration::from_secs(300);

/// Measures how long a backlog of connection requests takes, in virtual time.
#[derive(Debug, Parser)]
#[command(name = "gatekeeper-bench", version)]
struct Arguments {
    /// How many connections wait on the one service.
    #[arg(long, default_value_t = 10_000)]
    connections: u32,
    /// How many connections wait on the other.
    #[arg(long, default_value_t = 3)]
    others: u32,
    /// Leave out accepting one by one, which takes many times as long here as well.
    #[arg(long)]
    no_one_by_one: bool,
    /// Measure instead whether decisions wait for notifications while this many strangers ask.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "2000")]
    strangers: Option<u32>,
    /// Measure instead how long the plan of a new policy takes, over this many entries and as many connections.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "5000")]
    plan: Option<u32>,
}

#[derive(Debug, thiserror::Error)]
enum BenchError {
    #[error(transparent)]
    World(#[from] WorldError),
    #[error("an id makes no sense")]
    Id(#[from] InvalidId),
    #[error("EC2's stand-in refused a connection: {0}")]
    Ec2(AwsError),
    #[error("the requests could not be read: {0}")]
    Read(String),
    #[error("the policy contradicts itself")]
    Policy(#[from] gatekeeper_core::policy::InvalidEntry),
    #[error("after {0} runs the backlog is still not done")]
    Endless(u32),
    #[error("{0} is not {1} but {2:?}")]
    Status(EndpointId, Status, Option<Status>),
}

/// The result of one way of accepting.
struct Took {
    accepts: u64,
    describes: u64,
    throttled: usize,
    runs: u32,
    virtual_time: Duration,
    others_after: Duration,
    real_time: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "this is a program for a terminal")]
            {
                eprintln!("error: {}", gatekeeper_aws::error::chain(&error));
            }
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is a program for a terminal")]
async fn run(arguments: &Arguments) -> Result<(), BenchError> {
    if let Some(size) = arguments.plan {
        let took = policy_plan::measure(size, size)?;
        println!(
            "{size} entries, {size} connections, {} writes; {} connections gain or lose.\n\n\
             the order of the writes{:>16.2} s\n\
             what they do, now and later{:>12.2} s",
            took.writes,
            took.turned,
            took.order.as_secs_f64(),
            took.effects.as_secs_f64(),
        );
        return Ok(());
    }
    if let Some(strangers) = arguments.strangers {
        let took = strangers::measure(strangers).await?;
        println!(
            "{strangers} strangers ask four services, and one approver is e-mailed about each.\n\n\
             all reviews recorded{:>22.1} s, in {} runs\n\
             a deny enforced, meanwhile{:>16.1} s\n\
             a customer accepted, meanwhile{:>12.1} s\n\
             the last e-mail{:>27.0} s, of {} that waited",
            took.reviews.as_secs_f64(),
            took.runs,
            took.deny.as_secs_f64(),
            took.accept.as_secs_f64(),
            took.emails.as_secs_f64(),
            took.waiting,
        );
        return Ok(());
    }
    println!(
        "{} connections wait on one service and {} on another; EC2 throttles as it documents.\n",
        arguments.connections, arguments.others
    );
    println!(
        "{:<16}{:>8}{:>10}{:>11}{:>6}{:>14}{:>22}{:>12}",
        "",
        "accepts",
        "describes",
        "throttled",
        "runs",
        "virtual time",
        "the others are done",
        "real time"
    );
    for (name, batch) in [("in calls of 50", 50), ("one by one", 1)] {
        if batch == 1 && arguments.no_one_by_one {
            continue;
        }
        let took = measure(arguments, batch).await?;
        println!(
            "{name:<16}{:>8}{:>10}{:>11}{:>6}{:>12.0} s{:>14.0} s later{:>10.1} s",
            took.accepts,
            took.describes,
            took.throttled,
            took.runs,
            took.virtual_time.as_secs_f64(),
            took.others_after.as_secs_f64(),
            took.real_time.as_secs_f64(),
        );
    }
    Ok(())
}

async fn measure(arguments: &Arguments, batch: usize) -> Result<Took, BenchError> {
    let start = Timestamp::UNIX_EPOCH;
    let mut options = Options::new(Clock::manual(start));
    options.seed = Some(1);
    options.ec2.throttling = true;
    options.limits.enforce_batch = batch;
    options.transport = Transport::InProcess(None);
    let world = World::start(options).await?;
    fill(&world, arguments).await?;

    let clock = Instant::now();
    let mut runs = 0;
    let mut others_after = None;
    let last_other = endpoint(arguments.connections + arguments.others)?;
    loop {
        let begun = world.clock.now();
        runs += 1;
        let done = world.reconcile_within(TIMEOUT).await;
        if others_after.is_none() && is_accepted(&world, &last_other).await? {
            let request = read(&world, &last_other).await?;
            others_after = request.map(|(_, since)| since);
        }
        if done.unfinished.is_empty() && nothing_waits(&world, arguments)? {
            break;
        }
        if runs > 10_000 {
            return Err(BenchError::Endless(runs));
        }
        let next = begun.checked_add(PERIOD).unwrap_or(Timestamp::MAX);
        world.clock.sleep(world.clock.until(next)).await;
    }
    let since =
        |moment: Timestamp| Duration::try_from(moment.duration_since(start)).unwrap_or_default();
    Ok(Took {
        accepts: world.ec2.calls_of("AcceptVpcEndpointConnections"),
        describes: world.ec2.calls_of("DescribeVpcEndpointConnections"),
        throttled: world
            .ec2
            .log()
            .iter()
            .filter(|call| call.error.is_some())
            .count(),
        runs,
        virtual_time: since(world.clock.now()),
        others_after: others_after.map(since).unwrap_or_default(),
        real_time: clock.elapsed(),
    })
}

/// Creates two services, everybody allowed, and the backlog.
async fn fill(world: &World, arguments: &Arguments) -> Result<(), BenchError> {
    for id in [BIG, SMALL] {
        let (tag, value) = gatekeeper_aws::config::MANAGED_TAG;
        let service = NewService::new().id(id).owner(PROVIDER).region(REGION);
        world.ec2.put_service(service.tag(tag, value));
    }
    for n in 1..=arguments.connections + arguments.others {
        let service = if n <= arguments.connections {
            BIG
        } else {
            SMALL
        };
        let owner = format!("{:012}", n % 1000 + 1);
        world
            .ec2
            .put_connection(NewConnection::new(service, owner).endpoint_id(endpoint(n)?.as_str()))
            .map_err(BenchError::Ec2)?;
    }
    let rule = Rule {
        service_id: Scope::Every,
        principal: Principal::Anyone,
        effect: Effect::Allow,
    };
    let policy = Policy {
        entries: vec![Entry::new(rule, Conditions::default(), About::default())?],
        ..Policy::default()
    };
    Ok(world.put_policy(&policy).await?)
}

fn endpoint(n: u32) -> Result<EndpointId, InvalidId> {
    format!("vpce-{n:017x}").parse()
}

async fn read(world: &World, id: &EndpointId) -> Result<Option<(Status, Timestamp)>, BenchError> {
    let request = world
        .request(id)
        .await
        .map_err(|error| BenchError::Read(gatekeeper_aws::error::chain(&*error)))?;
    Ok(request.map(|request| (request.status, request.status_since)))
}

async fn is_accepted(world: &World, id: &EndpointId) -> Result<bool, BenchError> {
    Ok(read(world, id)
        .await?
        .is_some_and(|(status, _)| status == Status::Accepted))
}

/// Whether EC2 shows none of them as waiting.
fn nothing_waits(world: &World, arguments: &Arguments) -> Result<bool, BenchError> {
    for n in 1..=arguments.connections + arguments.others {
        if world.ec2.state(endpoint(n)?.as_str()) == Some(State::PendingAcceptance) {
            return Ok(false);
        }
    }
    Ok(true)
}
