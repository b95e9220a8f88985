//! `gatekeeper acknowledge`: takes a finding that has to stay for a while out of its alarm.

use gatekeeper_core::acknowledgement::longest;
use gatekeeper_core::policy::Scope;
use gatekeeper_core::words;
use jiff::SignedDuration;

use super::entries::policy;
use super::time;
use crate::args::AcknowledgeArgs;
use crate::deployment::Deployment;
use crate::error::CliError;
use crate::terminal::Terminal;

pub(crate) async fn acknowledge(
    deployment: &Deployment,
    terminal: &mut Terminal<'_>,
    args: &AcknowledgeArgs,
) -> Result<(), CliError> {
    let (_, services) = policy(deployment).await?;
    let service = services.find(&args.service)?;
    let name = services.shown(&Scope::Service(service.clone()));
    let found = deployment.operator.findings(&service).await?;
    let Some(evidence) = found
        .evidence
        .get(&args.finding)
        .filter(|_| found.standing.contains_key(&args.finding))
    else {
        let standing: Vec<&str> = found.standing.keys().map(|one| one.as_str()).collect();
        let known = match standing.is_empty() {
            true => "No finding about it is known.".to_owned(),
            false => format!("Its findings: {}", standing.join(", ")),
        };
        let what = format!("{} is no finding about {name}", args.finding.as_str());
        return Err(CliError::new(what).next(known));
    };
    let Some(longest) = longest(args.finding) else {
        let what = format!("{} cannot be acknowledged", args.finding.as_str());
        return Err(CliError::new(what).next(args.finding.remedy()));
    };
    let now = deployment.clock.now();
    // The end must lie within the longest time when the functions look at it.
    let last = now + longest - SignedDuration::from_hours(1);
    let until = match &args.until {
        Some(text) => time(text, now, 1)?,
        None => last,
    };
    if until <= now || until > now + longest {
        let most = words::moment(now + longest);
        return Err(CliError::usage(format!(
            "an acknowledgement of {} ends between now and {most}",
            args.finding.as_str()
        ))
        .next("Write a time, a date, or a period such as 30d."));
    }
    terminal.note(format!(
        "Acknowledges {} of {name} until {}. {}",
        args.finding.as_str(),
        words::moment(until),
        args.finding.meaning()
    ))?;
    terminal.note("It covers this evidence and no other:")?;
    for piece in evidence.pieces() {
        terminal.note(format!("  {piece}"))?;
    }
    terminal.confirm("Write it?", args.confirm.yes)?;
    deployment.may_write()?;
    let by = deployment.caller().await;
    let by = by.unwrap_or_else(|| "an operator".to_owned());
    let subject = (args.finding, &service);
    deployment
        .operator
        .acknowledge(subject, evidence, &by, until, &args.reason)
        .await?;
    terminal.note("Done: the next run of reconcile takes it out of its alarm.")?;
    Ok(())
}
