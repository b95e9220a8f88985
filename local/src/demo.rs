//! `gatekeeper local`: a small world that shows what Gatekeeper does, and stays up to be played with.

use std::io::Write as _;
use std::path::PathBuf;

use gatekeeper_aws::clock::Clock;
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::request::{Request, Status};
use gatekeeper_core::visible::visible;
use gatekeeper_core::words;
use jiff::SignedDuration;
use local_aws::{Caller, ConnectionEvent, NewEndpoint, State};

use crate::kept::{Kept, KeptError};
use crate::upkeep::{TICK, Upkeep};
use crate::world::{Options, World, WorldError};
use crate::world_file::WorldFile;

const WORLD: &str = include_str!("demo.yaml");
const SERVICE: &str = "vpce-svc-0a1b2c3d4e5f60718";
/// The accounts that ask in a new world.
const CONSUMERS: [(&str, &str); 4] = [
    ("012345678901", "Example GmbH, allowed one connection"),
    ("666666666666", "denied"),
    ("222222222222", "unknown"),
    ("012345678901", "Example GmbH again, over its limit"),
];

/// What kind of demo it is to be.
#[derive(Debug, clap::Args)]
#[group(id = "demo")]
pub struct Args {
    /// The port on loopback
    #[arg(long, default_value_t = 8700)]
    pub port: u16,
    /// Keep tables and connections in this folder between runs; else they are in memory
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Stop by itself as soon as the first connections are decided
    #[arg(long)]
    pub once: bool,
}

/// Why the demo stopped.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The world could not be made.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The built-in world makes no sense.
    #[error("demo.yaml:{0}")]
    File(#[from] crate::world_file::BadWorld),
    /// A consumer could not create an endpoint.
    #[error("an endpoint could not be created: {0}")]
    Endpoint(String),
    /// What `--data` keeps could not be read or written.
    #[error(transparent)]
    Data(#[from] KeptError),
}

/// Runs until Ctrl-C.
///
/// # Errors
/// [`DemoError`], if it cannot be started.
pub async fn run(args: &Args) -> Result<(), DemoError> {
    let clock = Clock::system();
    let mut options = Options::new(clock.clone());
    options.port = args.port;
    options.data.clone_from(&args.data);
    options.ec2.throttling = true;
    options.ec2.cloudtrail = true;
    options.slack = true;
    // Reconcile runs every few seconds here, and a service that is handed over is seen as soon.
    options.limits.services_fresh = SignedDuration::from_secs(2);
    // Before the tables are opened: a second process must not write into them.
    let kept = args.data.as_deref().map(Kept::open).transpose()?;
    let world = World::start(options).await?;
    WorldFile::parse(WORLD)?.put_into(&world).await?;
    if let Some(kept) = &kept {
        kept.follow(&world)?;
    }
    let is_new = kept.as_ref().is_none_or(Kept::is_new);
    world
        .ec2
        .put_notification(
            SERVICE,
            &world.notification_topic,
            [
                ConnectionEvent::Connect,
                ConnectionEvent::Accept,
                ConnectionEvent::Reject,
                ConnectionEvent::Delete,
            ],
        )
        .map_err(|error| DemoError::Endpoint(error.to_string()))?;

    introduce(&world);
    let mut shown = Shown::default();
    if !is_new {
        say("\nThe connections of the last run are back; nobody asks anew.");
        shown.print_changes(&world).await;
    }
    for (account, who) in CONSUMERS.iter().filter(|_| is_new) {
        let caller = Caller::new(*account, crate::world::REGION);
        let endpoint = world
            .ec2
            .create_endpoint(&caller, NewEndpoint::new(SERVICE))
            .map_err(|error| DemoError::Endpoint(error.to_string()))?;
        say(&format!(
            "\naccount {account} ({who}) creates {}",
            endpoint.endpoint_id
        ));
        // Each is decided before the next one asks, so that the order can be read.
        while world.queue.is_empty() {
            clock.sleep(TICK).await;
        }
        world.drain().await;
        shown.print_changes(&world).await;
    }
    if args.once {
        return Ok(kept.as_ref().map_or(Ok(()), Kept::check)?);
    }
    invite(&world);
    let stopped = tokio::signal::ctrl_c();
    tokio::pin!(stopped);
    let mut upkeep = Upkeep::default();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            () = clock.sleep(TICK) => {}
        }
        upkeep.tick(&world).await;
        shown.print_changes(&world).await;
        if let Some(kept) = &kept {
            kept.check()?;
        }
    }
    say("\nstopped");
    Ok(())
}

fn introduce(world: &World) {
    say(&format!(
        "PrivateLink Gatekeeper, local world on http://{}: the real functions, AWS on loopback.\n\
         Endpoint service {SERVICE}; policy:\n\
         \x20 allow  012345678901 (Example GmbH), one connection\n\
         \x20 deny   666666666666 (contract ended)\n\
         \x20 nobody else is listed, so others go to review",
        world.address()
    ));
}

fn invite(world: &World) {
    let address = world.address();
    let port = address.port();
    let local = if port == 8700 {
        String::new()
    } else {
        format!("={port}")
    };
    say(&format!(
        "\nIt stays up; Ctrl-C stops it. In another terminal, see what was decided, and change it:\n\
         \x20 gatekeeper --local{local} requests\n\
         \x20 gatekeeper --local{local} allow payments 222222222222\n\
         To point the AWS CLI or any SDK at it:"
    ));
    for (name, value) in world.environment() {
        say(&format!("  export {name}={value}"));
    }
    say(&format!(
        "  export AWS_ACCESS_KEY_ID=333333333333 AWS_SECRET_ACCESS_KEY=local   # any 12-digit account is a consumer\n\
         Then create an endpoint and watch it being decided here:\n\
         \x20 aws ec2 create-vpc-endpoint --vpc-endpoint-type Interface --vpc-id vpc-0a1b2c3d \\\n\
         \x20   --service-name com.amazonaws.vpce.{}.{SERVICE}\n\
         The e-mails that were sent: http://{address}/sns/inbox?endpoint={}\n\n\
         Or do it all in a browser: http://{address}/",
        crate::world::REGION,
        crate::world::READER
    ));
}

/// What has been printed.
#[derive(Default)]
struct Shown {
    versions: std::collections::BTreeMap<EndpointId, u64>,
}

impl Shown {
    /// Prints each request that changed since the last time.
    async fn print_changes(&mut self, world: &World) {
        for connection in world.ec2.connections() {
            let Ok(endpoint_id) = connection.endpoint_id.parse::<EndpointId>() else {
                continue;
            };
            let Ok(Some(request)) = world.request(&endpoint_id).await else {
                continue;
            };
            let before = self.versions.insert(endpoint_id, request.version);
            if before != Some(request.version) {
                say(&decision(&request, connection.state));
            }
        }
    }
}

fn decision(request: &Request, state: State) -> String {
    let by = match request.status {
        Status::InReview => "waits for people".to_owned(),
        _ => format!("decided by {}", request.decided_by),
    };
    format!(
        "  → {} is {}. {}\n    {by}; EC2 shows {state}",
        request.endpoint_id,
        words::status(request.status),
        request.verdict.reason,
    )
}

/// Prints a line. A reader that stops reading is no failure.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", visible(line));
}
