//! `gatekeeper explain`: the verdict on a connection, every rule that was considered, and every setting.

use gatekeeper_core::connection::{Connection, ConnectionState, Organization};
use gatekeeper_core::explain::{Explanation, Source, explain as explained};
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use gatekeeper_core::judge::{Decision, Usage};
use gatekeeper_core::policy::Principal;
use gatekeeper_core::request::Status;
use gatekeeper_core::words;
use jiff::Timestamp;
use serde::Serialize;

use super::entries::policy;
use super::time;
use crate::args::ExplainArgs;
use crate::deployment::Deployment;
use crate::error::CliError;
use crate::forecast::{self, Seen};
use crate::named::Services;
use crate::terminal::{Rows, Terminal};

#[derive(Serialize)]
struct Shown {
    service_id: String,
    account_id: String,
    /// `None` if a service and an account were named.
    endpoint_id: Option<String>,
    region: String,
    at: Timestamp,
    decision: &'static str,
    rule: Option<String>,
    reason: String,
    considered: Vec<RuleShown>,
    other_entries: usize,
    settings: Vec<SettingShown>,
}

#[derive(Serialize)]
struct RuleShown {
    rule: String,
    role: String,
}

#[derive(Serialize)]
struct SettingShown {
    name: &'static str,
    value: String,
    from: &'static str,
}

pub(crate) async fn explain(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &ExplainArgs,
) -> Result<(), CliError> {
    let (stored, services) = policy(deployment).await?;
    let now = deployment.clock.now();
    let at = match &args.at {
        Some(text) => time(text, now, 1)?,
        None => now,
    };
    let (connection, is_asked) = subject(deployment, terminal, &services, args).await?;
    let (policy, unreadable) = match &args.policy {
        Some(file) => (super::policy::file::read(file)?, Vec::new()),
        None => forecast::whole(&stored, None),
    };
    let concerns =
        |of: &Option<ServiceId>| of.is_none() || of.as_ref() == Some(&connection.service_id);
    if let Some((_, what)) = unreadable.iter().find(|(of, _)| concerns(of)) {
        return Err(CliError::new(what.to_string())
            .next("Nothing is accepted for the service until the item is corrected."));
    }
    let has_paths = policy
        .entries
        .iter()
        .any(|entry| matches!(entry.rule().principal, Principal::Organization(_)));
    // Only the functions look accounts up.
    let organization = match has_paths {
        true => Organization::Failed,
        false => Organization::Off,
    };
    let usage = usage(deployment, terminal, &connection).await?;
    let explanation = explained(&policy, &connection, &organization, usage, at);
    if terminal.is_json() {
        return terminal.json(&shown(&connection, is_asked, at, &explanation));
    }
    say(terminal, &services, &connection, is_asked, at, &explanation)
}

/// The connection to explain, and whether an endpoint was named.
async fn subject(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    services: &Services,
    args: &ExplainArgs,
) -> Result<(Connection, bool), CliError> {
    if let Ok(id) = args.subject.parse::<EndpointId>() {
        if args.account.is_some() {
            return Err(CliError::usage("an endpoint has an account of its own")
                .next("Name an endpoint, or a service and an account."));
        }
        let managed = deployment.ec2.managed_services().await?;
        let all = forecast::seen(deployment, terminal, &managed, None).await?;
        let found = all.into_iter().find(|one| one.connection.endpoint_id == id);
        let found = found.ok_or_else(|| {
            CliError::new(format!(
                "EC2 lists no connection of {id} to a managed service"
            ))
            .next("For its history: gatekeeper show ".to_owned() + id.as_str())
        })?;
        return Ok((found.connection, true));
    }
    let service_id = services.find(&args.subject)?;
    let Some(owner) = args.account.clone() else {
        return Err(CliError::usage("the account is missing")
            .next("Write: gatekeeper explain SERVICE ACCOUNT"));
    };
    let region = match &args.region {
        Some(region) => region.clone(),
        None => region_of(deployment)?,
    };
    // No entry is for this endpoint, so that only the account counts.
    let endpoint_id = "vpce-00000000000000000".parse();
    let endpoint_id = endpoint_id.map_err(|error| CliError::new(format!("{error}")))?;
    let connection = Connection {
        service_id,
        endpoint_id,
        owner,
        region,
        state: ConnectionState::PendingAcceptance,
        created_at: None,
    };
    Ok((connection, false))
}

fn region_of(deployment: &Deployment) -> Result<gatekeeper_core::ids::Region, CliError> {
    let region = deployment.access.region.parse();
    region.map_err(|error| CliError::usage(format!("AWS_REGION is not a Region: {error}")))
}

/// The account's other connections to the service that count against a limit.
async fn usage(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    connection: &Connection,
) -> Result<Usage, CliError> {
    let service = std::slice::from_ref(&connection.service_id);
    let seen = forecast::seen(deployment, terminal, service, Some(&connection.owner)).await?;
    let counts = |one: &&Seen| {
        let recorded = one.request.as_ref().map(|request| request.status);
        one.connection.endpoint_id != connection.endpoint_id
            && recorded.is_some_and(Status::counts_as_usage)
    };
    Ok(Usage {
        others: u32::try_from(seen.iter().filter(counts).count()).unwrap_or(u32::MAX),
    })
}

fn say(
    terminal: &mut Terminal<'_>,
    services: &Services,
    connection: &Connection,
    is_asked: bool,
    at: Timestamp,
    explanation: &Explanation,
) -> Result<(), CliError> {
    let service = words::service_with_id(
        services.name(&connection.service_id),
        &connection.service_id,
    );
    let subject: (&AccountId, &str) = (&connection.owner, connection.region.as_str());
    let endpoint = match is_asked {
        true => format!("{} of account {}", connection.endpoint_id, subject.0),
        false => format!("an endpoint of account {}", subject.0),
    };
    terminal.say(format!(
        "The policy {} {endpoint} in {} on {service}, at {}.",
        decided(explanation.verdict.decision),
        subject.1,
        words::moment(at)
    ))?;
    terminal.say(&explanation.verdict.reason)?;
    terminal.say("")?;
    if explanation.considered.is_empty() {
        terminal.say("No entry is for this consumer.")?;
    }
    for one in &explanation.considered {
        terminal.say(format!("\"{}\" {}", one.entry.rule(), one.role))?;
    }
    if explanation.others > 0 {
        terminal.say(match explanation.others {
            1 => "1 other entry is for somebody else.".to_owned(),
            n => format!("{n} other entries are for somebody else."),
        })?;
    }
    terminal.say("")?;
    let mut rows = Rows::new(["SETTING", "VALUE", "FROM"]);
    for one in &explanation.settings {
        rows.push([
            one.name.to_owned(),
            one.value.clone(),
            from(one.source).to_owned(),
        ]);
    }
    terminal.table(&rows)?;
    Ok(())
}

fn decided(decision: Decision) -> &'static str {
    match decision {
        Decision::Accept => "accepts",
        Decision::Reject => "rejects",
        Decision::Review => "leaves to people",
    }
}

fn from(source: Source) -> &'static str {
    match source {
        Source::Service => "this service",
        Source::Every => "every service",
        Source::Default => "default",
    }
}

fn shown(
    connection: &Connection,
    is_asked: bool,
    at: Timestamp,
    explanation: &Explanation,
) -> Shown {
    let considered = explanation.considered.iter().map(|one| RuleShown {
        rule: one.entry.rule().to_string(),
        role: one.role.to_string(),
    });
    let settings = explanation.settings.iter().map(|one| SettingShown {
        name: one.name,
        value: one.value.clone(),
        from: from(one.source),
    });
    Shown {
        service_id: connection.service_id.to_string(),
        account_id: connection.owner.to_string(),
        endpoint_id: is_asked.then(|| connection.endpoint_id.to_string()),
        region: connection.region.to_string(),
        at,
        decision: match explanation.verdict.decision {
            Decision::Accept => "accept",
            Decision::Reject => "reject",
            Decision::Review => "review",
        },
        rule: explanation.verdict.rule.as_ref().map(ToString::to_string),
        reason: explanation.verdict.reason.clone(),
        considered: considered.collect(),
        other_entries: explanation.others,
        settings: settings.collect(),
    }
}
