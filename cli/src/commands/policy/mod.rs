//! `gatekeeper policy`: a whole policy from a file.
//!
//! Core makes the difference, the effects and the order of the writes (`policy_change`). Each write names the item
//! as it was seen, so an edit of somebody else stops an apply, and an apply that was interrupted goes on.

mod cases;
pub(crate) mod file;
mod import;
mod report;

use std::collections::BTreeSet;

use gatekeeper_aws::tables::{NewItem, StoredItem, Written};
use gatekeeper_core::foretell::Situation;
use gatekeeper_core::policy::PolicyItem;
use gatekeeper_core::policy_change::WholePolicy;
use gatekeeper_core::policy_change::attributes::{id_of, key_of};
use gatekeeper_core::policy_change::difference::difference;
use gatekeeper_core::policy_change::effect::{Effect, effects, more_losses, turns};
use gatekeeper_core::policy_change::order::{Write, order};
use gatekeeper_core::policy_change::plan::PolicyPlan;
use gatekeeper_core::precondition::PolicyItemId;
use jiff::SignedDuration;
use serde_json::Value;

use crate::args::{PolicyApplyArgs, PolicyFileArgs, PolicyPlanArgs};
use crate::deployment::Deployment;
use crate::error::{CliError, Exit};
use crate::forecast;
use crate::terminal::Terminal;

pub(crate) use cases::test;
pub(crate) use import::{connections, csv, principals};

use file::{as_json, in_file, read, whole, yaml};
use report::{Report, counted, in_words};

/// How far into the future effects are shown.
const HORIZON: SignedDuration = SignedDuration::from_hours(90 * 24);

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
    let effects = effects_of(deployment, terminal, &before, &after).await?;
    let plan = PolicyPlan::new(order(&before, &after, now), turns(&effects), now);
    if terminal.is_json() {
        terminal.json(&plan)?;
    } else {
        let report = Report::of(&changes, &effects, &after, plan.writes.len());
        match args.markdown {
            true => report.say_markdown(terminal)?,
            false => report.say(terminal)?,
        }
    }
    terminal.note(deployment.calls.in_words())?;
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
    let effects = effects_of(deployment, terminal, &before, &after).await?;
    let changes = difference(&before, &after);
    Report::of(&changes, &effects, &after, left.len()).say(terminal)?;
    let worse = more_losses(&plan.turns, &effects);
    if !worse.is_empty() && left.len() == plan.writes.len() {
        report::say_worse(terminal, &worse)?;
        if args.confirm.yes {
            return Err(
                CliError::new("the plan now takes away more than it did when it was made")
                    .next("Make a new plan, or confirm this one without --yes."),
            );
        }
    }
    confirm_imported(terminal, imported(&left), args)?;
    let question = format!("Make {}?", counted(left.len(), "write", "writes"));
    terminal.confirm(&question, args.confirm.yes)?;
    deployment.may_write()?;
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

/// How many entries that nobody has confirmed the writes add.
fn imported(writes: &[Write]) -> usize {
    let is_imported = |item: &Option<PolicyItem>| matches!(item, Some(PolicyItem::Entry(entry)) if entry.about().imported == Some(true));
    let added: BTreeSet<&PolicyItemId> = writes
        .iter()
        .filter(|write| is_imported(&write.after) && !is_imported(&write.before))
        .map(|write| &write.id)
        .collect();
    added.len()
}

/// Asks for the number of imported entries: what existed before Gatekeeper may have let a stranger in.
fn confirm_imported(
    terminal: &mut Terminal<'_>,
    count: usize,
    args: &PolicyApplyArgs,
) -> Result<(), CliError> {
    let wrong = |said: &str| {
        CliError::new(format!(
            "the plan adds {}, and {said} was confirmed",
            counted(count, "imported entry", "imported entries")
        ))
        .next(format!(
            "Look through them: every account among them will be allowed. Then add --imported {count}. \
             Nothing was written."
        ))
    };
    match (count, args.imported) {
        (0, None) => Ok(()),
        (count, Some(said)) if said == count => Ok(()),
        (_, Some(said)) => Err(wrong(&said.to_string())),
        (_, None) if args.confirm.yes || !terminal.is_interactive() => Err(wrong("none")),
        (_, None) => {
            let question = format!(
                "The plan adds {} that nobody has confirmed. Type their number:",
                counted(count, "imported entry", "imported entries")
            );
            let answer = terminal.ask(&question)?;
            match answer.parse() == Ok(count) {
                true => Ok(()),
                false => Err(wrong(&answer)),
            }
        }
    }
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
pub(super) async fn live(
    deployment: &Deployment,
) -> Result<(Vec<StoredItem>, WholePolicy), CliError> {
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

async fn effects_of(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    before: &WholePolicy,
    after: &WholePolicy,
) -> Result<Vec<Effect>, CliError> {
    let managed = deployment.ec2.managed_services().await?;
    let seen = forecast::seen(deployment, terminal, &managed, None).await?;
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
