//! `gatekeeper audit`: who decided what, why, and EC2's request id.

use std::collections::BTreeMap;

use gatekeeper_aws::tables::HistoryRow;
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::request::Request;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::requests::say_cost;
use super::time;
use crate::args::{AuditArgs, AuditFormat};
use crate::deployment::Deployment;
use crate::error::CliError;
use crate::terminal::Terminal;

/// A row, in the order of the columns.
#[derive(Serialize)]
struct Row {
    at: Timestamp,
    endpoint_id: String,
    service_id: String,
    account_id: String,
    customer: String,
    region: String,
    from: &'static str,
    to: &'static str,
    cause: &'static str,
    decided_by: String,
    reason: String,
    votes: String,
    ec2_code: String,
    ec2_request_id: String,
}

pub(crate) async fn list(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &AuditArgs,
) -> Result<(), CliError> {
    let now = deployment.clock.now();
    let from = time(&args.from, now, -1)?;
    let to = match &args.to {
        Some(text) => time(text, now, -1)?,
        // The end does not belong to the period, and what happened just now does.
        None => now + SignedDuration::from_secs(1),
    };
    if from >= to {
        return Err(
            CliError::usage(format!("the period from {from} to {to} is empty"))
                .next("Write an earlier time after --from."),
        );
    }
    say_cost(deployment, terminal).await?;
    let (rows, unreadable) = deployment.operator.history(from, to).await?;
    let all = deployment.operator.requests().await?;
    let requests: BTreeMap<EndpointId, Request> = all
        .requests
        .into_iter()
        .map(|request| (request.endpoint_id.clone(), request))
        .collect();
    let rows: Vec<Row> = rows
        .iter()
        .map(|row| Row::of(row, requests.get(&row.endpoint_id)))
        .collect();
    match (args.format, terminal.is_json()) {
        (AuditFormat::Csv, false) => terminal.raw(&csv(&rows)?)?,
        _ => terminal.json(&rows)?,
    }
    if unreadable + all.unreadable.len() > 0 {
        terminal.note(format!(
            "warning: {} items of the requests table cannot be read, so rows may be missing",
            unreadable + all.unreadable.len()
        ))?;
    }
    Ok(())
}

impl Row {
    fn of(row: &HistoryRow, request: Option<&Request>) -> Self {
        let transition = &row.transition;
        let of = |text: fn(&Request) -> String| request.map(text).unwrap_or_default();
        let ec2 = transition.ec2.as_ref();
        let votes: Vec<String> = transition.votes.iter().map(ToString::to_string).collect();
        // It may have become known later who decided.
        let decided_by = match request {
            Some(request) if request.decided_in == row.version => request.decided_by.to_string(),
            _ => transition.actor.to_string(),
        };
        Self {
            at: transition.at,
            endpoint_id: row.endpoint_id.to_string(),
            service_id: of(|one| one.service_id.to_string()),
            account_id: of(|one| one.account_id.to_string()),
            customer: of(|one| one.customer.clone().unwrap_or_default()),
            region: of(|one| one.region.to_string()),
            from: transition.from.map_or("", |status| status.as_str()),
            to: transition.to.as_str(),
            cause: transition.cause.as_str(),
            decided_by,
            reason: transition.reason.clone(),
            votes: votes.join("; "),
            ec2_code: ec2.map(|ec2| ec2.code.clone()).unwrap_or_default(),
            ec2_request_id: ec2
                .and_then(|ec2| ec2.request_id.clone())
                .unwrap_or_default(),
        }
    }
}

/// The rows as CSV (RFC 4180). No cell can be taken for a formula by a spreadsheet.
fn csv(rows: &[Row]) -> Result<Vec<u8>, CliError> {
    let failed =
        |error: csv::Error| CliError::new(format!("the CSV could not be written: {error}"));
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    writer
        .write_record([
            "at",
            "endpoint_id",
            "service_id",
            "account_id",
            "customer",
            "region",
            "from",
            "to",
            "cause",
            "decided_by",
            "reason",
            "votes",
            "ec2_code",
            "ec2_request_id",
        ])
        .map_err(failed)?;
    for row in rows {
        let at = row.at.to_string();
        let cells = [
            at.as_str(),
            &row.endpoint_id,
            &row.service_id,
            &row.account_id,
            &row.customer,
            &row.region,
            row.from,
            row.to,
            row.cause,
            &row.decided_by,
            &row.reason,
            &row.votes,
            &row.ec2_code,
            &row.ec2_request_id,
        ];
        writer.write_record(cells.map(cell)).map_err(failed)?;
    }
    writer
        .into_inner()
        .map_err(|error| CliError::new(format!("the CSV could not be written: {}", error.error())))
}

/// A cell that begins as a formula does gets an apostrophe before it
/// (<https://owasp.org/www-community/attacks/CSV_Injection>).
fn cell(text: &str) -> String {
    let shown = gatekeeper_core::visible::visible(text);
    match shown
        .trim_start()
        .starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'])
        || shown.starts_with(['\t', '\r', '\n'])
    {
        true => format!("'{shown}"),
        false => shown.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for text in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "  =1",
            "＝1",
            "\n=cmd|' /C calc'!A0",
        ] {
            let cell = cell(text);
            assert!(cell.starts_with('\''), "{text:?} becomes {cell:?}");
        }
        for text in ["", "Example Ltd", "a=b", "vpce-0123", "1-2"] {
            assert_eq!(cell(text), text);
        }
        assert_eq!(cell("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(cell("\r=1"), "\\u{d}=1");
    }
}
