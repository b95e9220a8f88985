//! `replay`: real input through the real functions, on a machine that is no one's production.

mod args;
mod events;
mod news;
mod output;
mod problem;
mod reconcile;
mod report;
mod steps;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use gatekeeper_aws::clock::Clock;
use gatekeeper_aws::config::Managed;
use gatekeeper_connections::decode::records_of;

use crate::world::{Options, World};
use crate::world_file::WorldFile;
pub use args::Args;
use events::{Document, read_documents};
use news::Observer;
use output::{complain, say, shown};
pub use problem::Unusable;
use reconcile::reconcile;
use report::{AttachmentLine, Line, Summary};

/// How long after the last event the connections are looked at: EC2 has set them up by then.
const SETTLING: Duration = Duration::from_secs(120);

/// Replays, and prints what was decided. Answers whether everything was done.
///
/// # Errors
/// [`Unusable`], before anything is done.
pub async fn run(args: &Args) -> Result<bool, Unusable> {
    let file = read_world(&args.world)?;
    let documents = read_documents(&args.events)?;

    let start = file.now.unwrap_or_else(|| Clock::system().now());
    let clock = Clock::manual(start);
    let mut options = Options::new(clock.clone());
    let services = file
        .services
        .iter()
        .map(|service| service.service_id.clone());
    options.managed = Managed::Listed(services.collect());
    options.own_role_arns.clone_from(&args.own_role);
    options.ec2.throttling = true;
    // What became of an endpoint is to be seen at the end.
    options.ec2.deleting_delay = SETTLING * 10;
    options.seed = Some(0);
    let world = World::start(options).await?;
    file.put_into(&world).await?;
    // What the allowlist holds at first is no edit.
    world.forget_edits()?;
    world.dynamodb.reset_calls();

    for service in file
        .services
        .iter()
        .filter(|service| !service.acceptance_required)
    {
        complain(&format!(
            "note: {} does not require acceptance, so EC2 lets everybody in without asking; \
             connections that wait all the same are decided as usual",
            service.service_id
        ));
    }

    let mut sources = BTreeMap::new();
    for document in documents {
        send(&world, document, &mut sources);
    }
    let records = sources.len();
    let drained = world.drain().await;
    let unreconciled = if args.no_reconcile {
        Vec::new()
    } else {
        reconcile(&world).await
    };

    let mut given_up: Vec<(&str, String)> = Vec::new();
    for (id, why) in &drained.malformed {
        given_up.push((id, why.clone()));
    }
    for id in &drained.dead {
        let why = drained
            .failures
            .get(id)
            .map_or("it failed too often", String::as_str);
        given_up.push((id, format!("given up after 5 attempts: {why}")));
    }
    for (id, why) in &given_up {
        let source = sources.get(*id).map_or("?", String::as_str);
        complain(&format!("{source}: {why}"));
    }

    unreconciled.iter().for_each(|line| complain(line));

    let mut all_done = given_up.is_empty() && unreconciled.is_empty();
    let mut observer = Observer::new(&world, file.all_connections());
    if !file.then.is_empty() {
        // What the events led to is no news.
        observer.look().await?;
    }
    for (step, number) in file.then.iter().zip(1..) {
        all_done &= steps::play(&world, (step, number), &mut observer, args).await?;
    }
    if !file.then.is_empty() && !args.json {
        say("");
    }

    let mut summary = Summary::new(&world, records, given_up.len(), &observer.own_calls);
    clock.advance(SETTLING);
    for connection in file.all_connections() {
        let request = world
            .request(&connection.endpoint_id)
            .await
            .map_err(|error| Unusable::ReadBack(gatekeeper_aws::error::chain(&*error)))?;
        if let Some(request) = request {
            let state = world.ec2.state(connection.endpoint_id.as_str());
            let line = Line::new(request, state);
            summary.count(&line);
            say(&if args.json {
                line.json()
            } else {
                shown(line.text())
            });
        }
    }
    for attachment in file.all_attachments() {
        let state = world.ec2.attachment(attachment.attachment_id.as_str());
        let line = AttachmentLine::new(attachment, state.map(|now| now.state));
        say(&if args.json {
            line.json()
        } else {
            shown(line.text())
        });
    }
    say(&if args.json {
        summary.json()
    } else {
        shown(summary.text())
    });
    world.stop();
    Ok(all_done)
}

fn read_world(path: &Path) -> Result<WorldFile, Unusable> {
    let text = std::fs::read_to_string(path).map_err(|source| Unusable::Read {
        path: path.to_owned(),
        source,
    })?;
    WorldFile::parse(&text).map_err(|problem| Unusable::World {
        path: path.to_owned(),
        problem,
    })
}

/// Puts a document's records into the queue, and notes where each came from.
fn send(world: &World, document: Document, sources: &mut BTreeMap<String, String>) {
    let Document { place, value } = document;
    let records = records_of(value);
    let several = records.len() > 1;
    for (index, record) in records.into_iter().enumerate() {
        let id = world.queue.send(record.body);
        let place = if several {
            format!("{place} (record {})", index + 1)
        } else {
            place.clone()
        };
        sources.insert(id, place);
    }
}
