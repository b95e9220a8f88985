//! `gatekeeper service`: endpoint services and their settings.

use gatekeeper_aws::tables::{NewItem, StoredItem};
use gatekeeper_core::policy::settings::{Kind, SETTINGS, Setting, WrittenSettings};
use gatekeeper_core::policy::{PolicyItem, Scope, ServiceSettings};
use serde::Serialize;
use serde_json::{Map, Value};

use super::change::done;
use super::entries::policy;
use super::warn_of_unreadable;
use crate::args::{ServiceSetArgs, ServiceShowArgs};
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
) -> Result<(), CliError> {
    let (stored, services) = policy(deployment).await?;
    let mut shown = Vec::new();
    for id in deployment.ec2.managed_services().await?.iter() {
        let found = deployment.ec2.connections(id).await?;
        let waiting = found
            .connections
            .iter()
            .filter(|one| one.state.phase() == gatekeeper_core::connection::Phase::Waiting);
        shown.push(ServiceShown {
            service_id: id.to_string(),
            name: services.name(id).map(ToString::to_string),
            managed: true,
            waiting: waiting.count(),
            connections: found.connections.len(),
        });
    }
    if terminal.is_json() {
        terminal.json(&shown)?;
    } else if shown.is_empty() {
        terminal.note(
            "No service is managed. Hand one over as README.md says: tag it \
             privatelink-gatekeeper=managed, and create its connection notification.",
        )?;
    } else {
        let mut rows = Rows::new(["SERVICE", "NAME", "CONNECTIONS", "WAITING"]);
        for one in shown {
            rows.push([
                one.service_id,
                one.name.unwrap_or_default(),
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
        Scope::Every => Map::new(),
        Scope::Service(_) => values(&stored, &Scope::Every)?,
    };
    let shown: Vec<SettingShown> = SETTINGS
        .iter()
        .map(|setting| {
            let (value, from) = match (own.get(setting.name), of_every.get(setting.name)) {
                (Some(value), _) => (Some(value.clone()), scope.to_string()),
                (None, Some(value)) => (Some(value.clone()), "*".to_owned()),
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
        return terminal.json(&shown);
    }
    terminal.note(format!("Settings of {}:", services.shown(&scope)))?;
    let mut rows = Rows::new(["SETTING", "VALUE", "FROM"]);
    for one in shown {
        rows.push([
            one.name.to_owned(),
            one.value.as_ref().map_or(one.default.to_owned(), in_words),
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
        let (setting, value) = parsed(text)?;
        match value {
            Some(value) => drop(after.insert(setting.name.to_owned(), value)),
            None => drop(after.remove(setting.name)),
        }
    }
    if before == after {
        terminal.note("Nothing to do: the settings are like this.")?;
        return Ok(());
    }
    terminal.note(format!("Changes settings of {}:", services.shown(&scope)))?;
    for setting in SETTINGS {
        let (old, new) = (before.get(setting.name), after.get(setting.name));
        if old != new {
            let shown = |value: Option<&Value>| value.map_or("unset".to_owned(), in_words);
            terminal.note(format!(
                "  {}: {} → {}",
                setting.name,
                shown(old),
                shown(new)
            ))?;
        }
    }
    let new = typed(&scope, after.clone())?;
    let change = Change {
        replaces: Some((scope.to_string(), RULE.to_owned())),
        by: (!after.is_empty()).then(|| PolicyItem::Settings(scope.clone(), new.clone())),
    };
    let concerned = forecast::concerned(deployment, &scope).await?;
    let seen = forecast::seen(deployment, &concerned, None).await?;
    let effects = forecast::effects(deployment, &seen, &stored, &change);
    forecast::say(terminal, &effects)?;
    terminal.confirm("Write it?", args.confirm.yes)?;
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
fn values(stored: &[StoredItem], scope: &Scope) -> Result<Map<String, Value>, CliError> {
    let Some(item) = find(stored, scope) else {
        return Ok(Map::new());
    };
    let settings = match &item.read {
        Ok(PolicyItem::Settings(_, settings)) => settings,
        Ok(_) => return Ok(Map::new()),
        Err(unreadable) => {
            return Err(CliError::new(unreadable.to_string())
                .next("Correct the item first: nobody can tell what it means."));
        }
    };
    match serde_json::to_value(settings) {
        Ok(Value::Object(values)) => Ok(values),
        _ => Ok(Map::new()),
    }
}

/// A setting and the value that `NAME=VALUE` gives it; `None` removes it.
fn parsed(text: &str) -> Result<(&'static Setting, Option<Value>), CliError> {
    let (name, value) = text.split_once('=').ok_or_else(|| {
        CliError::usage(format!("{text:?} is not SETTING=VALUE"))
            .next("To remove a setting, write its name and `=`.")
    })?;
    let setting = SETTINGS.iter().find(|setting| setting.name == name);
    let setting = setting.ok_or_else(|| {
        let names: Vec<&str> = SETTINGS.iter().map(|setting| setting.name).collect();
        let distance = |known: &&&str| strsim::damerau_levenshtein(name, known);
        let near = names.iter().min_by_key(distance);
        let near = near.filter(|known| strsim::damerau_levenshtein(name, known) <= 3);
        CliError::usage(format!("there is no setting {name:?}")).next(match near {
            Some(near) => format!("Did you mean {near}?"),
            None => format!("The settings are {}.", names.join(", ")),
        })
    })?;
    if value.is_empty() {
        return Ok((setting, None));
    }
    let wrong = |expected: String| {
        Err(CliError::usage(format!("{name} is {value:?}")).next(format!("Write {expected}.")))
    };
    let value = match setting.kind {
        Kind::Number => match value.parse::<u32>() {
            Ok(number) => Value::from(number),
            Err(_) => return wrong("a whole number".to_owned()),
        },
        Kind::Choice(choices) if !choices.iter().any(|(name, _)| *name == value) => {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            return wrong(format!("one of {}", names.join(", ")));
        }
        Kind::Choice(_) => Value::from(value),
        Kind::Name | Kind::Channel => match setting.ignored_unless() {
            Some(unless) if !(unless.is_valid)(value) => return wrong(unless.expected.to_owned()),
            _ => Value::from(value),
        },
    };
    Ok((setting, Some(value)))
}

fn typed(scope: &Scope, mut values: Map<String, Value>) -> Result<ServiceSettings, CliError> {
    values.insert("service_id".to_owned(), Value::from(scope.to_string()));
    let written: WrittenSettings = serde_json::from_value(Value::Object(values))
        .map_err(|error| CliError::usage(format!("the settings cannot be understood: {error}")))?;
    Ok(written.into_parts().1)
}

fn in_words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
