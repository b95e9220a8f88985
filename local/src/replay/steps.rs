//! Plays what a world file says happens later, and tells what came of it.

use std::fmt::Display;
use std::time::Duration;

use gatekeeper_aws::clock::Deadline;
use gatekeeper_core::policy::Scope;
use jiff::SignedDuration;

use super::news::Observer;
use super::{Unusable, complain, reconcile, say};
use crate::world::World;
use crate::world_file::{Step, Verb};

/// More things of one kind are counted instead of named.
const NAMED: usize = 3;

/// Plays one step: time passes, edits and clicks are made, reconcile runs. False if something that
/// should have been done was not; it is named on standard error.
pub(super) async fn play(
    world: &World,
    step: &Step,
    number: usize,
    observer: &mut Observer<'_>,
    json: bool,
) -> Result<bool, Unusable> {
    world.clock.advance(step.after);
    if !json {
        say(&heading(world, step, number));
    }
    let mut problems = step.put_into(world).await?;
    for run in 0..step.reconciles {
        let next = Deadline::after(&world.clock, step.every);
        problems.extend(reconcile(world).await);
        if run + 1 < step.reconciles {
            world.clock.advance(world.clock.until(next.0));
        }
    }
    let news = observer.look().await?;
    for one in &news {
        say(&if json { one.json(number) } else { one.text() });
    }
    if news.is_empty() && !json {
        say("  nothing changes");
    }
    for problem in &problems {
        complain(&format!("step {number}: {problem}"));
    }
    Ok(problems.is_empty())
}

fn heading(world: &World, step: &Step, number: usize) -> String {
    let mut parts = Vec::new();
    let rules = step.removed.iter().map(|rule| format!("\"{rule}\""));
    parts.extend(list("removed", "entries", rules));
    let rules = step.policy.entries.iter();
    let rules = rules.map(|entry| format!("\"{}\"", entry.rule()));
    parts.extend(list("put", "entries", rules));
    let scopes = step.policy.settings.keys().map(|scope| match scope {
        Scope::Every => "all services".to_owned(),
        Scope::Service(id) => id.to_string(),
    });
    parts.extend(list("put the settings of", "services", scopes));
    let endpoints = step.connections.iter().map(|one| &one.endpoint_id);
    parts.extend(list("connected", "endpoints", endpoints));
    for (verb, done) in [
        (Verb::Accept, "accepted on the console"),
        (Verb::Reject, "rejected on the console"),
        (Verb::Delete, "deleted by its consumer"),
    ] {
        let clicked = step.clicks.iter().filter(|click| click.verb == verb);
        let endpoints = clicked.map(|click| &click.endpoint_id);
        parts.extend(list(done, "endpoints", endpoints));
    }
    if parts.is_empty() {
        parts.push("time passes".to_owned());
    }
    match step.reconciles {
        0 => parts.push("no reconcile".to_owned()),
        1 => {}
        runs => parts.push(format!(
            "reconcile {runs} times, every {}",
            short(step.every)
        )),
    }
    let now = world.clock.now();
    format!("{now:.0} step {number}: {}", parts.join("; "))
}

fn list(done: &str, of_what: &str, things: impl Iterator<Item = impl Display>) -> Option<String> {
    let things: Vec<String> = things.map(|thing| thing.to_string()).collect();
    match things.len() {
        0 => None,
        1..=NAMED => Some(format!("{done} {}", things.join(", "))),
        many => Some(format!("{done} {many} {of_what}")),
    }
}

fn short(duration: Duration) -> String {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    format!("{duration:#}")
}
