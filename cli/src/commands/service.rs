//! `gatekeeper service`: endpoint services and their settings.

use std::collections::BTreeMap;

use gatekeeper_aws::tables::{NewItem, StoredItem};
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::policy::settings::{Kind, SETTINGS};
use gatekeeper_core::policy::{PolicyItem, Scope, ServiceSettings};
use gatekeeper_core::policy_item;
use gatekeeper_core::written::{self, Attributes, Value as Written};
use serde::Serialize;
use serde_json::Value;

use super::change::done;
use super::entries::policy;
use super::warn_of_unreadable;
use crate::args::{ServiceListArgs, ServiceSetArgs, ServiceShowArgs};
use crate::deployment::Deployment;
use crate::error::CliError;
use crate::forecast::{self, Change};
use crate::terminal::{Rows, Terminal};

/// The sort key of settings.
const RULE: &str = "settings";

#[derive(Serialize)]
struct ServiceShown {
    service_id: String,
    name: Option<String>,
    managed: bool,
    connections: usize,
    waiting: usize,
}

#[derive(Serialize)]
struct SettingShown {
    name: &'static str,
    /// `None` if the default holds.
    value: Option<Value>,
    default: &'static str,
    /// Whose setting it is: the service's id, `*`, or `default`.
    from: String,
}

pub(crate) async fn list(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &ServiceListArgs,
) -> Result<(), CliError> {
    let (stored, services) = policy(deployment).await?;
    let mut shown = Vec::new();
    let wanted: BTreeMap<ServiceId, bool> = match args.all {
        true => deployment.ec2.all_services().await?,
        false => {
            let managed = deployment.ec2.managed_services().await?;
            managed.iter().map(|id| (id.clone(), true)).collect()
        }
    };
    for (id, managed) in &wanted {
        let found = deployment.ec2.connections(id).await?;
        let waiting = found
            .connections
            .iter()
            .filter(|one| one.state.phase() == gatekeeper_core::connection::Phase::Waiting);
        shown.push(ServiceShown {
            service_id: id.to_string(),
            name: services.name(id).map(ToString::to_string),
            managed: *managed,
            waiting: waiting.count(),
            connections: found.connections.len(),
        });
    }
    if terminal.is_json() {
        terminal.json(&shown)?;
    } else if shown.is_empty() {
        terminal.note(
            "No service is managed. See what there is with: gatekeeper service list --all, then hand one \
             over with: gatekeeper service manage SERVICE",
        )?;
    } else {
        let mut rows = Rows::new(["SERVICE", "NAME", "MANAGED", "CONNECTIONS", "WAITING"]);
        for one in shown {
            rows.push([
                one.service_id,
                one.name.unwrap_or_default(),
                if one.managed { "yes" } else { "no" }.to_owned(),
                one.connections.to_string(),
                one.waiting.to_string(),
            ]);
        }
        terminal.table(&rows)?;
    }
    warn_of_unreadable(terminal, &stored)
}

pub(crate) async fn show(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &ServiceShowArgs,
) -> Result<(), CliError> {
    let (stored, services) = policy(deployment).await?;
    let scope = services.scope(&args.service)?;
    let own = values(&stored, &scope)?;
    let of_every = match &scope {
        Scope::Every => Attributes::new(),
        Scope::Service(_) => values(&stored, &Scope::Every)?,
    };
    let settings: Vec<SettingShown> = SETTINGS
        .iter()
        .map(|setting| {
            let (value, from) = match (own.get(setting.name), of_every.get(setting.name)) {
                (Some(value), _) => (Some(as_json(value)), scope.to_string()),
                (None, Some(value)) => (Some(as_json(value)), "*".to_owned()),
                (None, None) => (None, "default".to_owned()),
            };
            SettingShown {
                name: setting.name,
                value,
                default: setting.default,
                from,
            }
        })
        .collect();
    if terminal.is_json() {
        return terminal.json(&settings);
    }
    terminal.note(format!("Settings of {}:", services.shown(&scope)))?;
    let mut rows = Rows::new(["SETTING", "VALUE", "FROM"]);
    for one in settings {
        rows.push([
            one.name.to_owned(),
            one.value.as_ref().map_or(one.default.to_owned(), shown),
            match one.from.as_str() {
                "default" => "default".to_owned(),
                "*" => "every service".to_owned(),
                _ => "this service".to_owned(),
            },
        ]);
    }
    terminal.table(&rows)?;
    Ok(())
}

pub(crate) async fn set(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &ServiceSetArgs,
) -> Result<(), CliError> {
    let (stored, services) = policy(deployment).await?;
    let scope = services.scope(&args.service)?;
    let existing = find(&stored, &scope);
    let before = values(&stored, &scope)?;
    let mut after = before.clone();
    for text in &args.settings {
        let (name, value) = parsed(text)?;
        match value {
            Some(value) => drop(after.insert(name.to_owned(), value)),
            None if after.remove(name).is_none() => {
                // An unknown name is to be refused, and not passed over.
                let unset = [(name.to_owned(), Written::Null)].into();
                typed(&scope, &unset)?;
            }
            None => {}
        }
    }
    let new = typed(&scope, &after)?;
    if before == after {
        terminal.note("Nothing to do: the settings are like this.")?;
        return Ok(());
    }
    terminal.note(format!("Changes settings of {}:", services.shown(&scope)))?;
    for setting in SETTINGS {
        let (old, new) = (before.get(setting.name), after.get(setting.name));
        if old != new {
            let shown = |value: Option<&Written>| value.map_or("unset".to_owned(), in_words);
            terminal.note(format!(
                "  {}: {} → {}",
                setting.name,
                shown(old),
                shown(new)
            ))?;
        }
    }
    let change = Change {
        replaces: Some((scope.to_string(), RULE.to_owned())),
        by: (!after.is_empty()).then(|| PolicyItem::Settings(scope.clone(), new.clone())),
    };
    let concerned = forecast::concerned(deployment, &scope).await?;
    let seen = forecast::seen(deployment, terminal, &concerned, None).await?;
    let effects = forecast::effects(deployment, &seen, &stored, &change);
    forecast::say(terminal, &effects)?;
    terminal.confirm("Write it?", args.confirm.yes)?;
    deployment.may_write()?;
    let written = match (after.is_empty(), existing) {
        (true, Some(existing)) => deployment.operator.delete(existing).await?,
        _ => {
            let item = NewItem::Settings(&scope, &new);
            deployment.operator.put(&item, existing).await?
        }
    };
    done(terminal, written, "written")
}

fn find<'a>(stored: &'a [StoredItem], scope: &Scope) -> Option<&'a StoredItem> {
    let scope = scope.to_string();
    let is_it = |item: &&StoredItem| item.key.service_id == scope && item.key.rule == RULE;
    stored.iter().find(is_it)
}

/// The settings of a scope as its item has them.
fn values(stored: &[StoredItem], scope: &Scope) -> Result<Attributes, CliError> {
    let Some(item) = find(stored, scope) else {
        return Ok(Attributes::new());
    };
    match &item.read {
        Ok(settings) => Ok(policy_item::write(settings)),
        Err(unreadable) => Err(CliError::new(unreadable.to_string())
            .next("Correct the item first: nobody can tell what it means.")),
    }
}

/// A setting's name and the value that `NAME=VALUE` gives it; `None` removes it.
fn parsed(text: &str) -> Result<(&str, Option<Written>), CliError> {
    let (name, value) = text.split_once('=').ok_or_else(|| {
        CliError::usage(format!("{text:?} is not SETTING=VALUE"))
            .next("To remove a setting, write its name and `=`.")
    })?;
    let is_number = SETTINGS
        .iter()
        .any(|setting| setting.name == name && matches!(setting.kind, Kind::Number { .. }));
    let is_digits = value.bytes().all(|c| c.is_ascii_digit());
    Ok((
        name,
        match value {
            "" => None,
            number if is_number && is_digits => Some(Written::Number(number.to_owned())),
            text => Some(Written::Text(text.to_owned())),
        },
    ))
}

/// The settings that were written, read as a file's are.
fn typed(scope: &Scope, values: &Attributes) -> Result<ServiceSettings, CliError> {
    let mut item = values.clone();
    item.insert("service_id".to_owned(), Written::Text(scope.to_string()));
    match policy_item::read_settings(&item) {
        Ok((_, settings)) => Ok(settings),
        Err(mistakes) => Err(CliError::usage(written::all(&mistakes))),
    }
}

fn in_words(value: &Written) -> String {
    match value {
        Written::Text(text) | Written::Number(text) | Written::Plain(text) => text.clone(),
        other => other.in_words(),
    }
}

fn as_json(value: &Written) -> Value {
    match value {
        Written::Number(number) => number.parse::<i64>().map_or(Value::Null, Value::from),
        other => Value::from(in_words(other)),
    }
}

/// A value of JSON in a column.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
