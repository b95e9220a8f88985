//! Plays what a world file says happens later, and tells what came of it.

use std::fmt::Display;
use std::time::Duration;

use gatekeeper_aws::clock::Deadline;
use gatekeeper_core::policy::Scope;
use jiff::SignedDuration;

use super::args::Args;
use super::news::Observer;
use super::output::{complain, say, shown};
use super::problem::Unusable;
use super::reconcile::reconcile;
use crate::world::World;
use crate::world_file::{Step, Verb};

/// More things of one kind are counted instead of named.
const NAMED: usize = 3;

/// Plays one step: time passes, edits and clicks are made, reconcile runs. False if something that
/// should have been done was not; it is named on standard error.
pub(super) async fn play(
    world: &World,
    (step, number): (&Step, usize),
    observer: &mut Observer<'_>,
    args: &Args,
) -> Result<bool, Unusable> {
    let json = args.json;
    world.clock.advance(step.after);
    if !json {
        say(&shown(heading(world, step, number)));
    }
    let refused = observer.aside(step.put_into(world)).await?;
    let refused = refused
        .iter()
        .map(|why| format!("{}:{why}", args.world.display()));
    let mut problems: Vec<String> = refused.collect();

    // Edits act at once, through the table's stream; reconcile does what they cannot. What DynamoDB may
    // delete by now is an edit of its own.
    world.delete_expired()?;
    let left = world.follow_edits().await?;
    if left > 0 {
        problems.push(format!(
            "step {number}: {left} edits of the allowlist could not be followed; reconcile sees to them"
        ));
    }
    for run in 0..step.reconciles {
        let next = Deadline::after(&world.clock, step.every);
        let unreconciled = reconcile(world).await;
        problems.extend(
            unreconciled
                .iter()
                .map(|why| format!("step {number}: {why}")),
        );
        if run + 1 < step.reconciles {
            world.clock.advance(world.clock.until(next.0));
        }
    }

    let news = observer.look().await?;
    for one in &news {
        say(&if json {
            one.json(number)
        } else {
            shown(one.text())
        });
    }
    if news.is_empty() && !json {
        say("  nothing changes");
    }
    problems.iter().for_each(|problem| complain(problem));
    Ok(problems.is_empty())
}

fn heading(world: &World, step: &Step, number: usize) -> String {
    let mut parts = Vec::new();
    let rules = step.removed.iter().map(|rule| format!("\"{rule}\""));
    parts.extend(list(rules, "entries", "removed"));
    let rules = step.policy.entries.iter();
    let rules = rules.map(|entry| format!("\"{}\"", entry.rule()));
    parts.extend(list(rules, "entries", "put"));
    let scopes = step.policy.settings.keys().map(|scope| match scope {
        Scope::Every => "settings of all services".to_owned(),
        Scope::Service(id) => format!("settings of {id}"),
    });
    parts.extend(list(scopes, "services' settings", "put"));
    let endpoints = step.connections.iter().map(|one| &one.endpoint_id);
    parts.extend(list(endpoints, "endpoints", "created"));
    let attachments = step.attachments.iter().map(|one| &one.attachment_id);
    parts.extend(list(attachments, "attachments", "created"));
    for (verb, done) in [
        (Verb::Accept, "accepted on the console"),
        (Verb::Reject, "rejected on the console"),
        (Verb::Delete, "deleted"),
    ] {
        let clicked = step.clicks.iter().filter(|click| click.verb == verb);
        let subjects = clicked.map(|click| &click.subject);
        parts.extend(list(subjects, "endpoints", done));
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

fn list(things: impl Iterator<Item = impl Display>, of_kind: &str, done: &str) -> Option<String> {
    let things: Vec<String> = things.map(|thing| thing.to_string()).collect();
    match things.len() {
        0 => None,
        1..=NAMED => Some(format!("{} {done}", things.join(", "))),
        many => Some(format!("{many} {of_kind} {done}")),
    }
}

fn short(duration: Duration) -> String {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    format!("{duration:#}")
}
