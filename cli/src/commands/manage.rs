//! `gatekeeper service manage` and `release`: hands a service over to Gatekeeper, and takes it back.
//!
//! All changes are at EC2, and each is shown before it is made. A change that was made already is not made
//! again, so that both can be repeated after an error.

use gatekeeper_aws::operator::Change;
use gatekeeper_core::acknowledgement::longest;
use gatekeeper_core::evidence::Evidence;
use gatekeeper_core::findings::NOT_LISTED;
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::policy::Scope;
use gatekeeper_core::watch::Finding;
use gatekeeper_core::words;

use super::entries::policy;
use crate::args::{ServiceManageArgs, ServiceReleaseArgs};
use crate::deployment::Deployment;
use crate::error::CliError;
use crate::forecast;
use crate::terminal::Terminal;

pub(crate) async fn manage(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &ServiceManageArgs,
) -> Result<(), CliError> {
    let topic = deployment.notification_topic()?;
    let (stored, services) = policy(deployment).await?;
    let service = services.find(&args.service)?;
    let name = services.shown(&Scope::Service(service.clone()));
    let changes = deployment.ec2.to_manage(&service, topic).await?;
    let changes = changes.ok_or_else(|| unknown(&service))?;
    if changes.is_empty() {
        terminal.note(format!(
            "Nothing to do: {name} is managed, and notifies {topic}."
        ))?;
        return warn_of_everybody(deployment, terminal, &service).await;
    }
    terminal.note(format!("Hands {name} over to Gatekeeper:"))?;
    for change in &changes {
        terminal.note(format!("  {}", in_words(change)))?;
    }
    warn_of_everybody(deployment, terminal, &service).await?;
    if changes.contains(&Change::Tag) {
        let one = std::slice::from_ref(&service);
        let seen = forecast::seen(deployment, terminal, one, None).await?;
        let given = forecast::policy(&stored, None);
        let now = deployment.clock.now();
        let foretold = forecast::foretold(deployment, &seen, &given, now);
        let mut counts: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
        for one in &foretold {
            let becomes = one.becomes.map_or("left alone", words::status);
            *counts.entry(becomes).or_default() += 1;
        }
        terminal.note(match foretold.len() {
            0 => "It has no connections.".to_owned(),
            n => {
                let counts: Vec<String> = counts
                    .iter()
                    .map(|(becomes, count)| format!("{count} {becomes}"))
                    .collect();
                format!(
                    "What becomes of its {n} connections: {}.",
                    counts.join(", ")
                )
            }
        })?;
    }
    make(deployment, terminal, &service, &changes, args.confirm.yes).await
}

pub(crate) async fn release(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &ServiceReleaseArgs,
) -> Result<(), CliError> {
    let topic = deployment.notification_topic()?;
    let (_, services) = policy(deployment).await?;
    let service = services.find(&args.service)?;
    let name = services.shown(&Scope::Service(service.clone()));
    let changes = deployment.ec2.to_release(&service, topic).await?;
    let changes = changes.ok_or_else(|| unknown(&service))?;
    if changes.is_empty() {
        terminal.note(format!("Nothing to do: {name} is not managed."))?;
    } else {
        terminal.note(format!("Takes {name} from Gatekeeper:"))?;
        for change in &changes {
            terminal.note(format!("  {}", in_words(change)))?;
        }
        terminal.note(
            "Its connections stay as they are. New requests wait for somebody to accept them by hand.",
        )?;
        make(deployment, terminal, &service, &changes, args.confirm.yes).await?;
    }
    acknowledge(deployment, terminal, &service, args.reason.as_deref()).await
}

/// Acknowledges the alarm that follows, if a reason was given.
async fn acknowledge(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    service: &ServiceId,
    reason: Option<&str>,
) -> Result<(), CliError> {
    let finding = Finding::NoLongerManaged;
    let Some(reason) = reason else {
        terminal.note(format!(
            "The alarm {} follows, since this may be a mistake. To acknowledge it, run this again with \
             --reason TEXT.",
            finding.as_str()
        ))?;
        return Ok(());
    };
    let Some(length) = longest(finding) else {
        return Ok(());
    };
    let now = deployment.clock.now();
    // The end must lie within the longest time when the functions look at it.
    let until = now + length - jiff::SignedDuration::from_hours(1);
    let by = deployment.caller().await;
    let by = by.unwrap_or_else(|| "an operator".to_owned());
    let evidence = Evidence::only(NOT_LISTED);
    deployment
        .operator
        .acknowledge((finding, service), &evidence, &by, until, reason)
        .await?;
    terminal.note(format!(
        "The alarm {} is acknowledged until {}.",
        finding.as_str(),
        words::moment(until)
    ))?;
    Ok(())
}

async fn make(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    service: &ServiceId,
    changes: &[Change],
    yes: bool,
) -> Result<(), CliError> {
    terminal.confirm("Make these changes at EC2?", yes)?;
    for (number, change) in changes.iter().enumerate() {
        let made = deployment.ec2.make(service, change).await;
        made.map_err(|error| {
            CliError::from(error).next(format!(
                "{number} of {} changes are made. Run the command again: it makes what is left.",
                changes.len()
            ))
        })?;
        terminal.note(format!(
            "{}/{} {}",
            number + 1,
            changes.len(),
            in_words(change)
        ))?;
    }
    terminal.note("Done.")?;
    Ok(())
}

/// Warns if every AWS account may create endpoints. That is left as it is: the functions cannot know
/// whether it is meant.
async fn warn_of_everybody(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    service: &ServiceId,
) -> Result<(), CliError> {
    if deployment.ec2.principals(service).await?.contains("*") {
        terminal.note(
            "warning: the service's permissions hold \"*\": every AWS account can create an endpoint \
             and ask",
        )?;
    }
    Ok(())
}

fn unknown(service: &ServiceId) -> CliError {
    CliError::new(format!("EC2 has no endpoint service {service} here"))
        .next("Check account and Region. What there is: gatekeeper service list --all")
}

fn in_words(change: &Change) -> String {
    match change {
        Change::RequireAcceptance => "require that connections are accepted".to_owned(),
        Change::CreateNotification { topic } => {
            format!("create a connection notification to {topic}")
        }
        Change::CorrectNotification { id, .. } => {
            format!("have the notification {id} report all events")
        }
        Change::Tag => "add the tag privatelink-gatekeeper=managed".to_owned(),
        Change::Untag => "take off the tag privatelink-gatekeeper=managed".to_owned(),
        Change::DeleteNotification { id } => format!("delete the connection notification {id}"),
    }
}
