//! `gatekeeper requests`.

use gatekeeper_core::policy::Scope;
use gatekeeper_core::request::{Request, Status};
use gatekeeper_core::words;
use jiff::Timestamp;
use serde::Serialize;

use super::entries::{of_service, policy};
use super::{contains, time};
use crate::args::RequestsArgs;
use crate::deployment::Deployment;
use crate::error::CliError;
use crate::terminal::{Rows, Terminal};

#[derive(Serialize)]
pub(crate) struct RequestShown<'a> {
    endpoint_id: &'a str,
    service_id: &'a str,
    account_id: &'a str,
    customer: Option<&'a str>,
    region: &'a str,
    status: &'static str,
    opened_at: Timestamp,
    status_since: Timestamp,
    decided_by: String,
    reason: &'a str,
    review: Option<u64>,
    approvals_required: u32,
    deadline: Option<Timestamp>,
    due: Option<Timestamp>,
}

pub(crate) async fn list(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &RequestsArgs,
) -> Result<(), CliError> {
    let now = deployment.clock.now();
    let since = args.since.as_deref().map(|text| time(text, now, -1));
    let since = since.transpose()?;
    let (_, services) = policy(deployment).await?;
    let service = args.service.as_deref().map(|text| services.find(text));
    let service = service.transpose()?;
    say_cost(deployment, terminal).await?;
    let all = deployment.operator.requests().await?;
    let is_wanted = |one: &&Request| {
        (args.status.is_empty() || args.status.contains(&one.status))
            && service.as_ref().is_none_or(|id| one.service_id == *id)
            && args.account.as_ref().is_none_or(|id| one.account_id == *id)
            && args
                .customer
                .as_ref()
                .is_none_or(|part| contains(one.customer.as_deref(), part))
            && since.is_none_or(|since| one.status_since >= since)
    };
    let mut requests: Vec<&Request> = all.requests.iter().filter(is_wanted).collect();
    requests.sort_by_key(|one| std::cmp::Reverse((one.status_since, one.endpoint_id.clone())));
    if terminal.is_json() {
        let shown: Vec<RequestShown<'_>> = requests.iter().map(|one| shown(one)).collect();
        terminal.json(&shown)?;
    } else if requests.is_empty() {
        terminal.note("There are no such requests.")?;
    } else {
        let mut rows = Rows::new(["ENDPOINT", "STATUS", "CONSUMER", "SERVICE", "SINCE"]);
        for one in requests {
            let scope = Scope::Service(one.service_id.clone());
            rows.push([
                one.endpoint_id.to_string(),
                words::status(one.status).to_owned(),
                words::consumer(one.customer.as_deref(), &one.account_id),
                of_service(&services, &scope),
                words::moment(one.status_since),
            ]);
        }
        terminal.table(&rows)?;
    }
    for (endpoint, problem) in &all.unreadable {
        terminal.note(format!("warning: {endpoint}: {problem}"))?;
    }
    Ok(())
}

/// Says what a scan of the requests table costs, before it runs.
pub(crate) async fn say_cost(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    // DynamoDB charges half a unit for each 4 KiB that a scan reads, and $0.125 for a million units.
    const DOLLARS_PER_BYTE: f64 = 0.5 / 4096.0 * 0.125 / 1_000_000.0;
    let Ok((items, bytes)) = deployment.operator.requests_size().await else {
        return Ok(terminal.note("This reads the whole requests table.")?);
    };
    let megabytes = u32::try_from(bytes / 1_000_000).unwrap_or(u32::MAX);
    Ok(terminal.note(match megabytes {
        0 => format!("This reads the whole requests table: {items} items, less than 1 MB."),
        mb => format!(
            "This reads the whole requests table: {items} items, {mb} MB, about ${:.4}.",
            f64::from(mb) * 1_000_000.0 * DOLLARS_PER_BYTE
        ),
    })?)
}

pub(crate) fn shown(request: &Request) -> RequestShown<'_> {
    RequestShown {
        endpoint_id: request.endpoint_id.as_str(),
        service_id: request.service_id.as_str(),
        account_id: request.account_id.as_str(),
        customer: request.customer.as_deref(),
        region: request.region.as_str(),
        status: request.status.as_str(),
        opened_at: request.opened_at,
        status_since: request.status_since,
        decided_by: request.decided_by.to_string(),
        reason: &request.verdict.reason,
        review: request
            .review
            .filter(|_| request.status == Status::InReview),
        approvals_required: request.approvals_required,
        deadline: request.deadline,
        due: request.due,
    }
}
