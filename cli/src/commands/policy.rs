//! `gatekeeper policy`: a whole policy from a file.
//!
//! Core makes the difference, the effects and the order of the writes (`policy_change`). Each write names the item
//! as it was seen, so an edit of somebody else stops an apply, and an apply that was interrupted goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use gatekeeper_aws::tables::{NewItem, StoredItem, Written};
use gatekeeper_core::foretell::Situation;
use gatekeeper_core::policy::{Policy, PolicyItem};
use gatekeeper_core::policy_change::attributes::{attributes_of, id_of, key_of};
use gatekeeper_core::policy_change::difference::{ItemChange, difference};
use gatekeeper_core::policy_change::effect::{Effect, Summary, effects, more_losses, turns};
use gatekeeper_core::policy_change::order::{Write, order};
use gatekeeper_core::policy_change::plan::PolicyPlan;
use gatekeeper_core::policy_change::{Turn, WholePolicy};
use gatekeeper_core::precondition::PolicyItemId;
use gatekeeper_core::words;
use gatekeeper_local::world_file::read_policy;
use jiff::SignedDuration;
use serde_json::Value;

use crate::args::{PolicyApplyArgs, PolicyFileArgs, PolicyPlanArgs};
use crate::deployment::Deployment;
use crate::error::{CliError, Exit};
use crate::forecast;
use crate::terminal::Terminal;

/// How far into the future effects are shown.
const HORIZON: SignedDuration = SignedDuration::from_hours(90 * 24);
/// The most connections that are listed one by one.
const LISTED: usize = 50;

/// Prints the policy as a file that `validate` takes.
pub(crate) async fn export(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    let (_, live) = live(deployment).await?;
    if terminal.is_json() {
        let items: Vec<Value> = live.items().map(|(_, item)| as_json(item)).collect();
        return terminal.json(&items);
    }
    terminal.raw(yaml(&live).as_bytes())?;
    Ok(())
}

pub(crate) fn validate(terminal: &mut Terminal<'_>, args: &PolicyFileArgs) -> Result<(), CliError> {
    let policy = read(&args.file)?;
    terminal.say(format!(
        "{}: {}, {}, {}.",
        args.file.display(),
        counted(policy.entries.len(), "entry", "entries"),
        counted(
            policy.settings.len(),
            "item of settings",
            "items of settings"
        ),
        counted(policy.approvers.len(), "approver", "approvers"),
    ))?;
    Ok(())
}

pub(crate) async fn plan(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &PolicyPlanArgs,
) -> Result<Exit, CliError> {
    let after = whole(read(&args.file)?);
    let (_, before) = live(deployment).await?;
    let now = deployment.clock.now();
    let changes = difference(&before, &after);
    let effects = effects_of(deployment, &before, &after).await?;
    let plan = PolicyPlan::new(order(&before, &after, now), turns(&effects), now);
    if terminal.is_json() {
        terminal.json(&plan)?;
    } else {
        say_changes(terminal, &changes)?;
        say_effects(terminal, &effects, &after)?;
        if !plan.writes.is_empty() {
            terminal.say(format!(
                "\n{} in the order in which no moment is wrong.",
                counted(plan.writes.len(), "write", "writes")
            ))?;
        }
    }
    if let Some(out) = &args.out {
        let text = serde_json::to_vec_pretty(&plan)
            .map_err(|error| CliError::new(format!("the plan is not valid JSON: {error}")))?;
        std::fs::write(out, text).map_err(|error| in_file(out, &error))?;
        terminal.note(format!(
            "The plan is in {0}. Make it with: gatekeeper policy apply {0}",
            out.display()
        ))?;
    }
    Ok(match args.exit_code && !changes.is_empty() {
        true => Exit::Differs,
        false => Exit::Done,
    })
}

pub(crate) async fn apply(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &PolicyApplyArgs,
) -> Result<(), CliError> {
    let text = std::fs::read(&args.plan).map_err(|error| in_file(&args.plan, &error))?;
    let plan: PolicyPlan = serde_json::from_slice(&text).map_err(|error| {
        CliError::usage(format!(
            "{}: this is not a plan: {error}",
            args.plan.display()
        ))
        .next("Make one with: gatekeeper policy plan FILE --out PLAN")
    })?;
    let (mut stored, before) = live(deployment).await?;
    let left = left(&plan, &before)?.to_vec();
    if left.is_empty() {
        terminal.note("Nothing to do: all writes of the plan are made.")?;
        return Ok(());
    }
    let after = plan.outcome(&before);
    say_changes(terminal, &difference(&before, &after))?;
    let effects = effects_of(deployment, &before, &after).await?;
    say_effects(terminal, &effects, &after)?;
    let worse = more_losses(&plan.turns, &effects);
    if !worse.is_empty() && left.len() == plan.writes.len() {
        say_worse(terminal, &worse)?;
        if args.confirm.yes {
            return Err(
                CliError::new("the plan now takes away more than it did when it was made")
                    .next("Make a new plan, or confirm this one without --yes."),
            );
        }
    }
    let question = format!("Make {}?", counted(left.len(), "write", "writes"));
    terminal.confirm(&question, args.confirm.yes)?;
    let mut written = BTreeSet::new();
    for (number, write) in left.iter().enumerate() {
        // An item that is written twice is read again in between.
        if !written.insert(write.id.clone()) {
            stored = deployment.operator.allowlist().await?;
        }
        make(deployment, &stored, write)
            .await
            .map_err(|error| terminal_hint(error, number, left.len()))?;
        terminal.note(format!("{}/{} {}", number + 1, left.len(), in_words(write)))?;
    }
    terminal.note("Done: the policy is as planned.")?;
    Ok(())
}

/// Adds how far an apply came.
fn terminal_hint(error: CliError, done: usize, all: usize) -> CliError {
    error.next(format!(
        "{done} of {all} writes are made. Run the same apply again: it goes on where it stopped, \
         or says what somebody has changed."
    ))
}

fn left<'a>(plan: &'a PolicyPlan, live: &WholePolicy) -> Result<&'a [Write], CliError> {
    plan.left(live)
        .map_err(|moved| CliError::new(moved.to_string()))
}

/// Makes one write, if the item is as it was seen.
async fn make(
    deployment: &Deployment,
    stored: &[StoredItem],
    write: &Write,
) -> Result<(), CliError> {
    let key = key_of(&write.id);
    let seen = stored.iter().find(|item| item.key == key);
    let written = match (&write.after, seen) {
        (Some(_), _) if matches!(write.id, PolicyItemId::UnexpectedDeny(..)) => {
            return Err(CliError::new(format!(
                "{key} is a deny under a key that is not in its normal form"
            )));
        }
        (Some(PolicyItem::Entry(entry)), seen) => {
            deployment
                .operator
                .put(&NewItem::Entry(entry), seen)
                .await?
        }
        (Some(PolicyItem::Settings(scope, settings)), seen) => {
            let item = NewItem::Settings(scope, settings);
            deployment.operator.put(&item, seen).await?
        }
        (Some(PolicyItem::Approver(approver)), seen) => {
            deployment
                .operator
                .put(&NewItem::Approver(approver), seen)
                .await?
        }
        (None, Some(seen)) => deployment.operator.delete(seen).await?,
        (None, None) => Written::Done,
    };
    match written {
        Written::Done => Ok(()),
        Written::Changed => Err(CliError::new(format!("somebody has just changed {key}"))),
    }
}

/// The stored items, and the policy that they make. Fails if one of them cannot be read.
async fn live(deployment: &Deployment) -> Result<(Vec<StoredItem>, WholePolicy), CliError> {
    let stored = deployment.operator.allowlist().await?;
    let mut policy = WholePolicy::default();
    for item in &stored {
        let read = item.read.as_ref().map_err(|unreadable| {
            CliError::new(unreadable.to_string())
                .next("Correct or remove the item first: nobody can tell what it means.")
        })?;
        let id =
            id_of(&item.key).map_err(|error| CliError::new(format!("{}: {error}", item.key)))?;
        policy.put(id, Some(read.clone()));
    }
    Ok((stored, policy))
}

fn whole(policy: Policy) -> WholePolicy {
    let entries = policy.entries.into_iter().map(PolicyItem::Entry);
    let settings = policy.settings.into_iter();
    let settings = settings.map(|(scope, settings)| PolicyItem::Settings(scope, settings));
    let approvers = policy.approvers.into_iter().map(PolicyItem::Approver);
    WholePolicy::of(entries.chain(settings).chain(approvers))
}

fn read(file: &Path) -> Result<Policy, CliError> {
    let text = std::fs::read_to_string(file).map_err(|error| in_file(file, &error))?;
    read_policy(&text).map_err(|problems| {
        let lines: Vec<String> = problems
            .iter()
            .map(|problem| match problem.place() {
                Some(place) => format!(
                    "{}:{}:{}: {}",
                    file.display(),
                    place.line,
                    place.column,
                    problem.problem()
                ),
                None => format!("{}: {}", file.display(), problem.problem()),
            })
            .collect();
        CliError::new(lines.join("\nerror: "))
    })
}

fn in_file(file: &Path, error: &std::io::Error) -> CliError {
    CliError::usage(format!("{}: {error}", file.display()))
}

async fn effects_of(
    deployment: &Deployment,
    before: &WholePolicy,
    after: &WholePolicy,
) -> Result<Vec<Effect>, CliError> {
    let managed = deployment.ec2.managed_services().await?;
    let seen = forecast::seen(deployment, &managed, None).await?;
    let situations: Vec<Situation> = seen.into_iter().map(|one| one.situation).collect();
    let now = deployment.clock.now();
    Ok(effects(
        &situations,
        (before, after),
        deployment.setup(),
        now,
        now + HORIZON,
    ))
}

fn say_changes(terminal: &mut Terminal<'_>, changes: &[ItemChange]) -> Result<(), CliError> {
    if changes.is_empty() {
        terminal.say("The file and the policy are the same.")?;
    }
    for change in changes {
        let sign = match (&change.before, &change.after) {
            (None, _) => "+",
            (_, None) => "-",
            (Some(_), Some(_)) => "~",
        };
        terminal.say(format!("{sign} {}", key_of(&change.id)))?;
        for attribute in change.attributes() {
            let shown =
                |value: &Option<Value>| value.as_ref().map_or("–".to_owned(), Value::to_string);
            terminal.say(format!(
                "    {}: {} → {}",
                attribute.name,
                shown(&attribute.before),
                shown(&attribute.after)
            ))?;
        }
    }
    Ok(())
}

fn say_effects(
    terminal: &mut Terminal<'_>,
    effects: &[Effect],
    after: &WholePolicy,
) -> Result<(), CliError> {
    let summary = Summary::of(effects, after);
    // A connection counts once, by what happens to it first.
    let first = |effect: &Effect| effect.turn.or(effect.later.map(|(_, turn)| turn));
    let turned: Vec<Turn> = effects.iter().filter_map(first).collect();
    let gains = turned.iter().filter(|turn| turn.is_gain()).count();
    let losses = turned.len() - gains;
    if turned.is_empty() {
        terminal.say(format!(
            "\nNothing changes for the {}.",
            counted(effects.len(), "connection", "connections")
        ))?;
        return Ok(());
    }
    terminal.say(format!(
        "\n{} access, {} it:",
        counted(gains, "connection gains", "connections gain"),
        counted(losses, "loses", "lose")
    ))?;
    let mut left = LISTED;
    for effect in effects {
        let now = effect.turn.map(|turn| ("now".to_owned(), turn));
        let later = effect.later.map(|(at, turn)| (words::moment(at), turn));
        for (when, turn) in now.into_iter().chain(later) {
            let Some(rest) = left.checked_sub(1) else {
                continue;
            };
            left = rest;
            let consumer = effect
                .consumer
                .as_ref()
                .map(|(_, account)| words::consumer(effect.customer.as_deref(), account));
            terminal.say(format!(
                "  {} {}  {}: {} {when}",
                if turn.is_gain() { "+" } else { "-" },
                effect.endpoint_id,
                consumer.unwrap_or_default(),
                becomes(turn),
            ))?;
        }
    }
    if let Some(more) = (gains + losses)
        .checked_sub(LISTED)
        .filter(|more| *more > 0)
    {
        terminal.say(format!("  … and {more} more"))?;
    }
    for one in &summary.too_many {
        terminal.say(format!(
            "warning: {} connections of {} would be revoked, and one run may revoke {}: none is \
             revoked, and an alarm says so",
            one.revocations, one.service_id, one.at_most
        ))?;
    }
    Ok(())
}

fn say_worse(
    terminal: &mut Terminal<'_>,
    worse: &BTreeMap<gatekeeper_core::ids::EndpointId, Turn>,
) -> Result<(), CliError> {
    terminal.note("Since the plan was made, these have come to lose as well:")?;
    for (endpoint, turn) in worse {
        terminal.note(format!("  - {endpoint}: {}", becomes(*turn)))?;
    }
    Ok(())
}

fn becomes(turn: Turn) -> &'static str {
    match turn {
        Turn::Accepted => "accepted",
        Turn::AskedInsteadOfRejected => "left to people instead of rejected",
        Turn::AskedInsteadOfAccepted => "left to people instead of accepted",
        Turn::Rejected => "rejected",
        Turn::Revoked => "to be revoked",
    }
}

fn in_words(write: &Write) -> String {
    let key = key_of(&write.id);
    match (&write.before, &write.after) {
        (None, _) => format!("{key} is added"),
        (_, None) => format!("{key} is removed"),
        (Some(_), Some(_)) => format!("{key} is changed"),
    }
}

fn counted(count: usize, one: &str, several: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        n => format!("{n} {several}"),
    }
}

/// An item as a file has it: the attributes that name it, and its own.
fn as_json(item: &PolicyItem) -> Value {
    let mut attributes = serde_json::Map::new();
    match item {
        PolicyItem::Entry(entry) => {
            let rule = entry.rule();
            attributes.insert("service_id".to_owned(), rule.service_id.to_string().into());
            attributes.insert("principal".to_owned(), rule.principal.to_string().into());
            attributes.insert("effect".to_owned(), rule.effect.to_string().into());
        }
        PolicyItem::Settings(scope, _) => {
            attributes.insert("service_id".to_owned(), scope.to_string().into());
        }
        PolicyItem::Approver(approver) => {
            attributes.insert("id".to_owned(), approver.id.to_string().into());
        }
    }
    attributes.extend(attributes_of(item));
    Value::Object(attributes)
}

/// The policy as YAML. Values are written as JSON, which YAML has in it.
fn yaml(policy: &WholePolicy) -> String {
    let mut text = String::new();
    let lists: [(&str, fn(&PolicyItem) -> bool); 3] = [
        ("settings", |item| matches!(item, PolicyItem::Settings(..))),
        ("entries", |item| matches!(item, PolicyItem::Entry(_))),
        ("approvers", |item| matches!(item, PolicyItem::Approver(_))),
    ];
    for (name, is_in) in lists {
        let items: Vec<&PolicyItem> = policy
            .items()
            .map(|(_, item)| item)
            .filter(|item| is_in(item))
            .collect();
        // Writing to a string cannot fail.
        let _ = match items.is_empty() {
            true => writeln!(text, "{name}: []"),
            false => writeln!(text, "{name}:"),
        };
        for item in items {
            let Value::Object(attributes) = as_json(item) else {
                continue;
            };
            for (number, (name, value)) in attributes.iter().enumerate() {
                let dash = if number == 0 { "-" } else { " " };
                let _ = writeln!(text, "  {dash} {name}: {value}");
            }
        }
    }
    text
}
