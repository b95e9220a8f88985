//! `gatekeeper approve`, `reject` and `withdraw`: signed calls to the approvals API.
//!
//! The first call shows the review; the second votes in the review that was shown.

use gatekeeper_core::ids::AccountId;
use gatekeeper_core::vote::Choice;
use gatekeeper_core::words;
use serde_json::{Value, json};

use crate::args::VoteArgs;
use crate::deployment::Deployment;
use crate::error::CliError;
use crate::signed_call::post;
use crate::terminal::Terminal;

pub(crate) async fn vote(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    choice: Choice,
    args: &VoteArgs,
) -> Result<(), CliError> {
    let url = format!(
        "{}/requests/{}/votes",
        deployment.approvals_url()?.trim_end_matches('/'),
        args.endpoint
    );
    let (_, shown) = post(&deployment.access, &url, &json!({}), deployment.clock.now()).await?;
    if text(&shown, "/state") != "open" {
        return Err(refused(&shown));
    }
    describe(terminal, &shown)?;
    let choices = shown.pointer("/choices").and_then(Value::as_array);
    let can = choices.is_some_and(|all| all.iter().any(|one| one == choice.as_str()));
    if !can {
        let open: Vec<&str> = choices
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        return Err(
            CliError::new(format!("you cannot {} in this review now", choice.as_str()))
                .next(format!("You can: {}.", open.join(", "))),
        );
    }
    if choice == Choice::Reject && args.reason.trim().is_empty() {
        return Err(CliError::usage("a rejection needs a reason")
            .next("Say why: --reason 'not a customer'"));
    }
    let question = match choice {
        Choice::Approve => "Approve it?",
        Choice::Reject => "Reject it? To ask again, the customer has to create a new endpoint.",
        Choice::Withdraw => "Withdraw your approval? You cannot approve again in this review.",
    };
    terminal.confirm(question, args.confirm.yes)?;
    let ballot = json!({
        "choice": choice.as_str(),
        "reason": args.reason,
        "review": shown.pointer("/request/review"),
    });
    let (status, voted) = post(&deployment.access, &url, &ballot, deployment.clock.now()).await?;
    // A vote that had been cast before, or that is no longer possible, changes nothing.
    let counts = matches!(status, 200 | 202) && text(&voted, "/state") != "already";
    if terminal.is_json() {
        terminal.json(&voted)?;
    } else if counts {
        terminal.say(format!(
            "{}. {}",
            text(&voted, "/headline"),
            text(&voted, "/explanation")
        ))?;
    }
    match counts {
        true => Ok(()),
        false => Err(refused(&voted)),
    }
}

/// Says what the vote is about.
fn describe(terminal: &mut Terminal<'_>, shown: &Value) -> Result<(), CliError> {
    terminal.note(text(shown, "/headline"))?;
    let mut line = |name: &str, value: String| terminal.note(format!("  {name:<11}{value}"));
    let of = |pointer: &str| text(shown, &format!("/request/{pointer}"));
    let consumer = match (of("customer"), of("account_id").parse::<AccountId>()) {
        (customer, Ok(account)) => {
            words::consumer(Some(customer).filter(|name| !name.is_empty()), &account)
        }
        (_, Err(_)) => of("account_id").to_owned(),
    };
    line("Consumer", consumer)?;
    line(
        "Service",
        match of("service_name") {
            "" => of("service_id").to_owned(),
            name => format!("{name} ({})", of("service_id")),
        },
    )?;
    line(
        "Endpoint",
        format!("{} in {}", of("endpoint_id"), of("region")),
    )?;
    line("Policy", of("reason").to_owned())?;
    let number = |pointer: &str| {
        let value = shown.pointer(&format!("/request/{pointer}"));
        value.and_then(Value::as_u64).unwrap_or_default()
    };
    line(
        "Approvals",
        format!(
            "{} of {} needed; one rejection rejects",
            number("approvals_given"),
            number("approvals_required")
        ),
    )?;
    line(
        "You",
        format!(
            "{}. {}",
            text(shown, "/approver"),
            text(shown, "/explanation")
        ),
    )?;
    Ok(())
}

fn refused(answer: &Value) -> CliError {
    match text(answer, "/error") {
        "" if text(answer, "/headline").is_empty() => CliError::new(format!(
            "API Gateway refused the call: {}",
            text(answer, "/message")
        ))
        .next(
            "Your IAM identity needs execute-api:Invoke on the route of signed votes: \
             docs/approvals.md has the policy.",
        ),
        "" => CliError::new(text(answer, "/headline")).next(text(answer, "/explanation")),
        error => CliError::new(error),
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
