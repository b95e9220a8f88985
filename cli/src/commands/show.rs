//! `gatekeeper show`.

use gatekeeper_core::approver::ApproverId;
use gatekeeper_core::request::{Request, Status, Transition};
use gatekeeper_core::vote::Vote;
use gatekeeper_core::words;
use jiff::Timestamp;
use serde::Serialize;

use super::requests::{RequestShown, shown};
use crate::args::ShowArgs;
use crate::deployment::Deployment;
use crate::error::CliError;
use crate::terminal::Terminal;

#[derive(Serialize)]
struct Shown<'a> {
    request: RequestShown<'a>,
    /// The approvers who were e-mailed about the last review.
    notified: Vec<&'a str>,
    approval_emails_at: Option<Timestamp>,
    reminders: u32,
    reminded_at: Option<Timestamp>,
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
            notified: request.notified.iter().map(ApproverId::as_str).collect(),
            approval_emails_at: request.approval_emails_at,
            reminders: request.reminders,
            reminded_at: request.reminded_at,
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
    if request.review.is_some() {
        for (name, value) in emails(&request) {
            line(name, &value)?;
        }
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

/// Who was e-mailed about the last review, when last, and how often they were reminded.
fn emails(request: &Request) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let asked: Vec<&str> = request.notified.iter().map(ApproverId::as_str).collect();
    if !asked.is_empty() {
        let last = request.approval_emails_at.map(words::moment);
        let last = last.map_or(String::new(), |at| format!(", last at {at}"));
        lines.push(("E-mailed", format!("{}{last}", asked.join(", "))));
    }
    if let Some(at) = request.reminded_at {
        let reminded = format!("{} times, last at {}", request.reminders, words::moment(at));
        lines.push(("Reminded", reminded));
    }
    lines
}

fn approvals(request: &Request) -> String {
    let given = request.votes.iter().filter(|vote| vote.approves()).count();
    let required = request.approvals_required.max(1);
    format!("{given} of {required} needed; one rejection rejects")
}
