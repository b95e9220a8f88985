//! `gatekeeper entries`.

use gatekeeper_aws::tables::StoredItem;
use gatekeeper_core::ids::Region;
use gatekeeper_core::policy::{Entry, Scope};
use gatekeeper_core::words;
use jiff::Timestamp;
use serde::Serialize;

use super::{contains, period, warn_of_unreadable};
use crate::args::EntriesArgs;
use crate::deployment::Deployment;
use crate::error::CliError;
use crate::named::Services;
use crate::terminal::{Rows, Terminal};

/// An entry as JSON shows it: the attributes of its item.
#[derive(Serialize)]
struct EntryShown<'a> {
    service_id: String,
    effect: String,
    principal: String,
    max_connections: Option<u32>,
    regions: Vec<&'a str>,
    expires_at: Option<Timestamp>,
    expired: bool,
    customer: Option<&'a str>,
    contact: Option<&'a str>,
    ticket: Option<&'a str>,
    reason: Option<&'a str>,
    created_by: Option<&'a str>,
    imported: bool,
}

pub(crate) async fn list(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &EntriesArgs,
) -> Result<(), CliError> {
    let (stored, services) = policy(deployment).await?;
    let now = deployment.clock.now();
    let service = args
        .service
        .as_ref()
        .map(|text| services.find(text))
        .transpose()?;
    let until = match &args.expiring {
        Some(text) => Some(
            now + period(text).ok_or_else(|| {
                CliError::usage(format!("{text:?} is not a period"))
                    .next("Write a period as 30d or 12h.")
            })?,
        ),
        None => None,
    };
    let is_wanted = |entry: &&Entry| {
        let expires_at = entry.conditions().expires_at;
        service
            .as_ref()
            .is_none_or(|id| entry.rule().service_id.covers(id))
            && args
                .customer
                .as_ref()
                .is_none_or(|part| contains(entry.about().customer.as_deref(), part))
            && until.is_none_or(|until| expires_at.is_some_and(|at| at > now && at <= until))
    };
    let entries: Vec<&Entry> = stored
        .iter()
        .filter_map(StoredItem::entry)
        .filter(is_wanted)
        .collect();
    if terminal.is_json() {
        let shown: Vec<EntryShown<'_>> = entries.iter().map(|entry| shown(entry, now)).collect();
        terminal.json(&shown)?;
    } else if entries.is_empty() {
        terminal.note("There are no such entries.")?;
    } else {
        let mut rows = Rows::new(["EFFECT", "PRINCIPAL", "SERVICE", "CUSTOMER", "CONDITIONS"]);
        for entry in entries {
            rows.push([
                entry.rule().effect.to_string(),
                entry.rule().principal.to_string(),
                of_service(&services, &entry.rule().service_id),
                entry.about().customer.clone().unwrap_or_default(),
                conditions(entry, now),
            ]);
        }
        terminal.table(&rows)?;
    }
    warn_of_unreadable(terminal, &stored)
}

/// The allowlist, and the services that are known.
pub(crate) async fn policy(
    deployment: &Deployment,
) -> Result<(Vec<StoredItem>, Services), CliError> {
    let stored = deployment.operator.allowlist().await?;
    let managed = deployment.ec2.managed_services().await?;
    let services = Services::of(&managed, &stored);
    Ok((stored, services))
}

/// A service in a column: its name, else its id; `*` for every service.
pub(crate) fn of_service(services: &Services, scope: &Scope) -> String {
    match scope {
        Scope::Every => "*".to_owned(),
        Scope::Service(id) => words::service(services.name(id), id).to_owned(),
    }
}

/// The conditions of an entry in a few words.
pub(crate) fn conditions(entry: &Entry, now: Timestamp) -> String {
    let conditions = entry.conditions();
    let mut parts = Vec::new();
    match conditions.max_connections {
        Some(1) => parts.push("1 connection".to_owned()),
        Some(max) => parts.push(format!("{max} connections")),
        None => {}
    }
    if let Some(regions) = &conditions.regions {
        let names: Vec<&str> = regions.iter().map(Region::as_str).collect();
        parts.push(names.join(" "));
    }
    if entry.about().imported == Some(true) {
        parts.push("imported".to_owned());
    }
    if let Some(expires_at) = conditions.expires_at {
        let ends = if entry.is_expired(now) {
            "ended"
        } else {
            "until"
        };
        parts.push(format!("{ends} {}", words::moment(expires_at)));
    }
    parts.join(", ")
}

fn shown(entry: &Entry, now: Timestamp) -> EntryShown<'_> {
    let (conditions, about) = (entry.conditions(), entry.about());
    let regions = conditions.regions.iter().flatten();
    EntryShown {
        service_id: entry.rule().service_id.to_string(),
        effect: entry.rule().effect.to_string(),
        principal: entry.rule().principal.to_string(),
        max_connections: conditions.max_connections,
        regions: regions.map(Region::as_str).collect(),
        expires_at: conditions.expires_at,
        expired: entry.is_expired(now),
        customer: about.customer.as_deref(),
        contact: about.contact.as_deref(),
        ticket: about.ticket.as_deref(),
        reason: about.reason.as_deref(),
        created_by: about.created_by.as_deref(),
        imported: about.imported == Some(true),
    }
}
