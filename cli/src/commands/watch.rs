//! `gatekeeper watch`: what happens to requests, as it happens.

use std::collections::BTreeMap;

use gatekeeper_core::ids::{EndpointId, ServiceId};
use gatekeeper_core::request::Request;
use gatekeeper_core::words;
use jiff::SignedDuration;
use serde::Serialize;

use super::entries::policy;
use super::period;
use super::requests::{RequestShown, say_cost, shown};
use crate::args::WatchArgs;
use crate::deployment::Deployment;
use crate::error::CliError;
use crate::terminal::Terminal;

/// A change, as JSON has it.
#[derive(Serialize)]
struct Changed<'a> {
    previous_status: Option<&'static str>,
    request: RequestShown<'a>,
}

/// Prints a line for each request whose status or votes have changed since the last look. The first look
/// prints nothing.
pub(crate) async fn watch(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &WatchArgs,
) -> Result<(), CliError> {
    let length = |text: &str| {
        let found = period(text).filter(SignedDuration::is_positive);
        found.ok_or_else(|| {
            CliError::usage(format!("{text:?} is not a period"))
                .next("Write a period as 10s or 5m.")
        })
    };
    let every = length(&args.every)?;
    let end = match &args.length {
        Some(text) => Some(deployment.clock.now() + length(text)?),
        None => None,
    };
    let service = match &args.service {
        Some(text) => Some(policy(deployment).await?.1.find(text)?),
        None => None,
    };
    say_cost(deployment, terminal).await?;
    let mut known = look(deployment, service.as_ref()).await?;
    terminal.note(format!(
        "{} requests. Looking every {}; Ctrl-C ends it.",
        known.len(),
        args.every
    ))?;
    while end.is_none_or(|end| deployment.clock.now() < end) {
        deployment.clock.sleep(every.unsigned_abs()).await;
        let found = match look(deployment, service.as_ref()).await {
            Ok(found) => found,
            // The next look may succeed.
            Err(error) => {
                terminal.fail(&error)?;
                continue;
            }
        };
        let mut changed: Vec<&Request> = found
            .values()
            .filter(|new| {
                known
                    .get(&new.endpoint_id)
                    .is_none_or(|old| differs(old, new))
            })
            .collect();
        changed.sort_by_key(|one| (one.status_since, one.endpoint_id.clone()));
        for request in changed {
            print(terminal, known.get(&request.endpoint_id), request)?;
        }
        known = found;
    }
    Ok(())
}

async fn look(
    deployment: &Deployment,
    service: Option<&ServiceId>,
) -> Result<BTreeMap<EndpointId, Request>, CliError> {
    let all = deployment.operator.requests().await?.requests;
    let wanted = all
        .into_iter()
        .filter(|one| service.is_none_or(|id| one.service_id == *id));
    Ok(wanted.map(|one| (one.endpoint_id.clone(), one)).collect())
}

fn differs(old: &Request, new: &Request) -> bool {
    old.version != new.version || old.votes.len() != new.votes.len()
}

fn print(
    terminal: &mut Terminal<'_>,
    old: Option<&Request>,
    new: &Request,
) -> Result<(), CliError> {
    if terminal.is_json() {
        return terminal.json_line(&Changed {
            previous_status: old.map(|old| old.status.as_str()),
            request: shown(new),
        });
    }
    let was_voted = old.is_some_and(|old| old.version == new.version);
    let (at, happened) = match new.votes.last().filter(|_| was_voted) {
        Some(vote) => (vote.at, format!("vote: {vote}")),
        None => {
            let before = old.map_or("new", |old| words::status(old.status));
            let happened = format!("{before} → {}", words::status(new.status));
            (
                new.status_since,
                format!("{happened}. {}", new.verdict.reason),
            )
        }
    };
    terminal.say(format!(
        "{}  {}  {} on {}: {happened}",
        words::moment(at),
        new.endpoint_id,
        words::consumer(new.customer.as_deref(), &new.account_id),
        words::service(new.service_name.as_ref(), &new.service_id)
    ))?;
    Ok(())
}
