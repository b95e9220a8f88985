//! `gatekeeper show`.

use gatekeeper_core::request::{Request, Status, Transition};
use gatekeeper_core::vote::Vote;
use gatekeeper_core::words;
use serde::Serialize;

use super::requests::{RequestShown, shown};
use crate::args::ShowArgs;
use crate::deployment::Deployment;
use crate::error::CliError;
use crate::terminal::Terminal;

#[derive(Serialize)]
struct Shown<'a> {
    request: RequestShown<'a>,
    votes: &'a [Vote],
    history: &'a [Transition],
}

pub(crate) async fn show(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &ShowArgs,
) -> Result<(), CliError> {
    let endpoint = &args.endpoint;
    let Some(request) = deployment.tables.request(endpoint).await? else {
        return Err(CliError::new(format!("there is no request of {endpoint}"))
            .next("List the requests with: gatekeeper requests"));
    };
    let history = deployment.tables.history(endpoint).await?;
    if terminal.is_json() {
        return terminal.json(&Shown {
            request: shown(&request),
            votes: &request.votes,
            history: &history,
        });
    }
    let mut line = |name: &str, value: &str| terminal.say(format!("{name:<12}{value}"));
    line("Endpoint", endpoint.as_str())?;
    line("Status", words::status_explained(request.status))?;
    line(
        "Consumer",
        &words::consumer(request.customer.as_deref(), &request.account_id),
    )?;
    line(
        "Service",
        &words::service_with_id(request.service_name.as_ref(), &request.service_id),
    )?;
    line("Region", request.region.as_str())?;
    line("Since", &words::moment(request.opened_at))?;
    line("Policy", &request.verdict.reason)?;
    if request.status == Status::InReview {
        line("Approvals", &approvals(&request))?;
        if let Some(deadline) = request.deadline {
            let end = match request.deadline_rejects {
                true => ", or it is rejected",
                false => ", and it stays pending after that",
            };
            line("Answer by", &format!("{}{end}", words::moment(deadline)))?;
        }
    } else {
        line("Decided by", &request.decided_by.to_string())?;
    }
    if let Some(due) = request.due {
        line("Revoked at", &words::moment(due))?;
    }
    terminal.say("\nVotes")?;
    if request.votes.is_empty() {
        terminal.say("  Nobody has voted.")?;
    }
    for vote in &request.votes {
        let withdrawn = if vote.taken_back { ", withdrawn" } else { "" };
        terminal.say(format!("  {}  {vote}{withdrawn}", words::moment(vote.at)))?;
    }
    terminal.say("\nHistory")?;
    for row in &history {
        terminal.say(format!(
            "  {}  {} by {}",
            words::moment(row.at),
            words::status(row.to),
            row.actor
        ))?;
        terminal.say(format!("      {}", row.reason))?;
        if let Some(ec2) = &row.ec2 {
            let id = ec2.request_id.as_deref().unwrap_or("unknown");
            terminal.say(format!("      EC2: {} (request id {id})", ec2.code))?;
        }
    }
    Ok(())
}

fn approvals(request: &Request) -> String {
    let given = request.votes.iter().filter(|vote| vote.approves()).count();
    let required = request.approvals_required.max(1);
    format!("{given} of {required} needed; one rejection rejects")
}
