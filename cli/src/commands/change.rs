//! `gatekeeper allow`, `deny` and `remove`: entries of the allowlist.

use std::collections::BTreeMap;
use std::time::Duration;

use gatekeeper_aws::tables::{NewItem, StoredItem, Written};
use gatekeeper_core::ids::{AccountId, EndpointId};
use gatekeeper_core::policy::{
    About, Conditions, Effect as RuleEffect, Entry, PolicyItem, Principal, Rule,
};
use gatekeeper_core::request::Status;
use gatekeeper_core::words;

use super::entries::{conditions, policy};
use super::time;
use crate::args::{EntryArgs, RemoveArgs};
use crate::deployment::Deployment;
use crate::error::CliError;
use crate::forecast::{self, Change, Effect};
use crate::named::Services;
use crate::terminal::Terminal;

/// How long `--wait` waits, and how often it looks.
const WAIT: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_secs(1);

/// `allow` and `deny`.
pub(crate) async fn put(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    effect: RuleEffect,
    args: &EntryArgs,
) -> Result<(), CliError> {
    let (stored, services) = policy(deployment).await?;
    let now = deployment.clock.now();
    let expires_at = args.expires.as_deref().map(|text| time(text, now, 1));
    let rule = Rule {
        service_id: services.scope(&args.service)?,
        principal: args.principal.clone(),
        effect,
    };
    let existing = find(&stored, &rule);
    // What is not said stays as it is.
    let old = existing.and_then(StoredItem::entry);
    let before = old.map(|entry| entry.conditions().clone());
    let before = before.unwrap_or_default();
    let about = old.map(|entry| entry.about().clone()).unwrap_or_default();
    let regions = &args.regions;
    let regions = (!regions.is_empty()).then(|| regions.iter().cloned().collect());
    let new = Entry::new(
        rule,
        Conditions {
            max_connections: args
                .max_connections
                .or(before.max_connections.filter(|_| !args.no_limit)),
            regions: regions.or(before.regions.filter(|_| !args.any_region)),
            expires_at: expires_at
                .transpose()?
                .or(before.expires_at.filter(|_| !args.no_expiry)),
        },
        About {
            customer: args.customer.clone().or(about.customer),
            contact: args.contact.clone().or(about.contact),
            ticket: args.ticket.clone().or(about.ticket),
            reason: args.reason.clone().or(about.reason),
            created_by: about.created_by,
            // A person who writes the entry confirms it.
            imported: None,
        },
    )
    .map_err(|error| CliError::usage(error.to_string()))?;
    if let Some(Ok(PolicyItem::Entry(entry))) = existing.map(|item| &item.read)
        && *entry == new
    {
        terminal.note("Nothing to do: the entry is there as it is.")?;
        return Ok(());
    }
    let change = Change {
        replaces: Some(forecast::key_of(new.rule())),
        by: Some(PolicyItem::Entry(new.clone())),
    };
    let title = match existing {
        None => "Adds the entry",
        Some(_) => "Changes the entry",
    };
    terminal.note(format!("{title}: {}", in_words(&new, &services, now)))?;
    if let Some(Ok(PolicyItem::Entry(old))) = existing.map(|item| &item.read) {
        terminal.note(format!(
            "Until now:         {}",
            in_words(old, &services, now)
        ))?;
    }
    let effects = foresee(deployment, terminal, &stored, new.rule(), &change).await?;
    terminal.confirm("Write it?", args.confirm.yes)?;
    deployment.may_write()?;
    let new = match deployment.caller().await {
        Some(caller) => new.created_by(caller),
        None => new,
    };
    let item = NewItem::Entry(&new);
    let written = deployment.operator.put(&item, existing).await?;
    done(terminal, written, "written")?;
    if args.wait {
        wait(deployment, terminal, &effects).await?;
    }
    Ok(())
}

pub(crate) async fn remove(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &RemoveArgs,
) -> Result<(), CliError> {
    let (stored, services) = policy(deployment).await?;
    let rule = Rule {
        service_id: services.scope(&args.service)?,
        principal: args.principal.clone(),
        effect: args.effect.effect(),
    };
    let Some(existing) = find(&stored, &rule) else {
        terminal.note(format!(
            "Nothing to do: there is no entry that {}s {} on {}.",
            rule.effect,
            rule.principal,
            services.shown(&rule.service_id)
        ))?;
        return Ok(());
    };
    let change = Change {
        replaces: Some(forecast::key_of(&rule)),
        by: None,
    };
    let now = deployment.clock.now();
    terminal.note(match existing.entry() {
        Some(entry) => format!("Removes the entry: {}", in_words(entry, &services, now)),
        None => format!("Removes the item {}, which cannot be read", existing.key),
    })?;
    foresee(deployment, terminal, &stored, &rule, &change).await?;
    terminal.confirm("Remove it?", args.confirm.yes)?;
    let written = deployment.operator.delete(existing).await?;
    done(terminal, written, "removed")
}

fn find<'a>(stored: &'a [StoredItem], rule: &Rule) -> Option<&'a StoredItem> {
    let (service_id, key) = forecast::key_of(rule);
    let is_it = |item: &&StoredItem| item.key.service_id == service_id && item.key.rule == key;
    stored.iter().find(is_it)
}

/// Says what follows from a change, before it is made.
async fn foresee(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    stored: &[StoredItem],
    rule: &Rule,
    change: &Change,
) -> Result<Vec<Effect>, CliError> {
    let services = forecast::concerned(deployment, &rule.service_id).await?;
    let owner = match &rule.principal {
        Principal::Account(account) => Some(account),
        _ => None,
    };
    let mut seen = forecast::seen(deployment, terminal, &services, owner).await?;
    if let Principal::Endpoint(id) = &rule.principal {
        let mut of_it = seen.iter().map(|one| &one.connection);
        let account = of_it
            .find(|one| one.endpoint_id == *id)
            .map(|one| one.owner.clone());
        // The other connections of the account count against a limit.
        seen.retain(|one| account.as_ref() == Some(&one.connection.owner));
    }
    let effects = forecast::effects(deployment, &seen, stored, change);
    if matches!(rule.principal, Principal::Organization(_)) {
        terminal.note(
            "Which accounts are members is known to the functions only, so what follows is not \
             foretold.",
        )?;
    } else {
        forecast::say(terminal, &effects)?;
    }
    Ok(effects.changed)
}

pub(crate) fn done(
    terminal: &mut Terminal<'_>,
    written: Written,
    what: &str,
) -> Result<(), CliError> {
    match written {
        Written::Done => Ok(terminal.note(format!("Done: {what}."))?),
        Written::Changed => Err(CliError::new(
            "somebody has changed the item in the meantime, so nothing was written",
        )
        .next("Run the command again to see what is there now.")),
    }
}

fn in_words(entry: &Entry, services: &Services, now: jiff::Timestamp) -> String {
    let rule = entry.rule();
    let customer = entry.about().customer.as_deref();
    let customer = customer.map_or(String::new(), |customer| format!(" ({customer})"));
    let conditions = conditions(entry, now);
    let conditions = match conditions.is_empty() {
        true => String::new(),
        false => format!(": {conditions}"),
    };
    format!(
        "{} {}{customer} on {}{conditions}",
        rule.effect,
        rule.principal,
        services.shown(&rule.service_id)
    )
}

/// Waits until the connections are as foretold.
async fn wait(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    effects: &[Effect],
) -> Result<(), CliError> {
    let mut left: BTreeMap<&EndpointId, (&AccountId, Option<Status>)> = effects
        .iter()
        .map(|one| (&one.endpoint_id, (&one.account_id, one.after)))
        .collect();
    let until = deployment.clock.now() + jiff::SignedDuration::try_from(WAIT).unwrap_or_default();
    while !left.is_empty() {
        let ids: Vec<&EndpointId> = left.keys().copied().collect();
        let requests = deployment.tables.requests_of(ids.iter().copied()).await?;
        for id in ids {
            let status = requests.get(id).map(|request| request.status);
            if left
                .get(id)
                .is_some_and(|(_, expected)| *expected == status)
            {
                terminal.note(format!(
                    "{id} is {}.",
                    status.map_or("left alone", words::status)
                ))?;
                left.remove(id);
            }
        }
        if left.is_empty() {
            break;
        }
        if deployment.clock.now() >= until {
            return Err(CliError::new(format!(
                "{} connections are not decided after {} seconds",
                left.len(),
                WAIT.as_secs()
            ))
            .next("The entry is written. Look at them with: gatekeeper connections --differs"));
        }
        deployment.clock.sleep(LOOK).await;
    }
    Ok(())
}
