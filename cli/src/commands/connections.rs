//! `gatekeeper connections`: EC2's list beside the records and the policy.

use gatekeeper_core::connection::Phase;
use gatekeeper_core::policy::Scope;
use gatekeeper_core::request::Status;
use gatekeeper_core::words;
use jiff::Timestamp;
use serde::Serialize;

use super::entries::{of_service, policy};
use super::warn_of_unreadable;
use crate::args::ConnectionsArgs;
use crate::deployment::Deployment;
use crate::error::CliError;
use crate::forecast;
use crate::terminal::{Rows, Terminal};

#[derive(Serialize)]
struct ConnectionShown {
    endpoint_id: String,
    service_id: String,
    account_id: String,
    customer: Option<String>,
    region: String,
    /// EC2's state.
    ec2: String,
    /// The status on record.
    recorded: Option<&'static str>,
    /// The status that the policy leads to now.
    policy: Option<&'static str>,
    differs: bool,
    reason: Option<String>,
    holds_until: Option<Timestamp>,
}

pub(crate) async fn list(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &ConnectionsArgs,
) -> Result<(), CliError> {
    let (stored, services) = policy(deployment).await?;
    let wanted = match &args.service {
        Some(text) => vec![services.find(text)?],
        None => deployment.ec2.managed_services().await?.to_vec(),
    };
    let seen = forecast::seen(deployment, terminal, &wanted, None).await?;
    let now = deployment.clock.now();
    let given = forecast::policy(&stored, None);
    let foretold = forecast::foretold(deployment, &seen, &given, now);
    let mut shown = Vec::new();
    for (one, foretold) in seen.iter().zip(foretold) {
        let recorded = one.request.as_ref().map(|request| request.status);
        let is_settled = match (one.connection.state.phase(), recorded) {
            (Phase::Connected, Some(Status::Accepted))
            | (Phase::Rejected, Some(Status::Rejected))
            | (Phase::Waiting, Some(Status::InReview))
            | (Phase::Ended, Some(Status::Gone) | None) => true,
            _ => foretold.left.is_some(),
        };
        let differs = foretold.change.is_some() || !is_settled;
        let (reason, holds_until) = (foretold.change.map(forecast::reason), foretold.holds_until);
        shown.push(ConnectionShown {
            endpoint_id: one.connection.endpoint_id.to_string(),
            service_id: one.connection.service_id.to_string(),
            account_id: one.connection.owner.to_string(),
            customer: one.request.as_ref().and_then(|one| one.customer.clone()),
            region: one.connection.region.to_string(),
            ec2: one.connection.state.as_str().to_owned(),
            recorded: recorded.map(Status::as_str),
            policy: foretold.becomes.map(Status::as_str),
            differs,
            reason: reason.or_else(|| Some(one.request.as_ref()?.verdict.reason.clone())),
            holds_until,
        });
    }
    if args.differs {
        shown.retain(|one| one.differs);
    }
    if terminal.is_json() {
        terminal.json(&shown)?;
    } else if shown.is_empty() {
        terminal.note(match args.differs {
            true => "All connections are as the policy says.",
            false => "There are no connections.",
        })?;
    } else {
        let mut rows = Rows::new(["ENDPOINT", "CONSUMER", "SERVICE", "EC2", "RECORD", "POLICY"]);
        for (one, seen) in shown.iter().filter_map(|one| {
            let mut seen = seen.iter();
            let of_it = seen.find(|seen| seen.connection.endpoint_id.as_str() == one.endpoint_id);
            Some((one, of_it?))
        }) {
            let scope = Scope::Service(seen.connection.service_id.clone());
            let status = |name: Option<&'static str>| name.unwrap_or("–").replace('_', " ");
            rows.push([
                one.endpoint_id.clone(),
                words::consumer(one.customer.as_deref(), &seen.connection.owner),
                of_service(&services, &scope),
                one.ec2.clone(),
                status(one.recorded),
                match one.differs {
                    true => format!("→ {}", status(one.policy)),
                    false => status(one.policy),
                },
            ]);
        }
        terminal.table(&rows)?;
    }
    warn_of_unreadable(terminal, &stored)
}
