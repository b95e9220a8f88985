//! `gatekeeper policy test`: tries a policy on cases.

use gatekeeper_core::policy_change::case::{CaseResult, ExpectedRule, run};
use gatekeeper_local::world_file::read_cases;
use jiff::Timestamp;
use serde::Serialize;

use super::file::{in_file, problems_in, read, whole};
use super::live;
use super::report::counted;
use crate::args::PolicyTestArgs;
use crate::deployment::Deployment;
use crate::error::{CliError, Exit};
use crate::terminal::Terminal;

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    passed: bool,
    expected: &'static str,
    found: &'static str,
    rule: Option<String>,
    reason: &'a str,
}

/// Tries the cases. With a policy file, no deployment is asked.
pub(crate) async fn test(
    deployment: Option<&Deployment>,
    terminal: &mut Terminal<'_>,
    args: &PolicyTestArgs,
    now: Timestamp,
) -> Result<Exit, CliError> {
    let file = &args.cases;
    let text = std::fs::read_to_string(file).map_err(|error| in_file(file, &error))?;
    let cases = read_cases(&text, now).map_err(|problems| problems_in(file, &problems))?;
    let policy = match (&args.policy, deployment) {
        (Some(policy), _) => whole(read(policy)?),
        (None, Some(deployment)) => live(deployment).await?.1,
        (None, None) => return Err(CliError::usage("there is no policy to try")),
    };
    let results = run(&cases, &policy);
    let failed = results.iter().filter(|one| !one.passed()).count();
    if terminal.is_json() {
        let shown: Vec<Shown<'_>> = results.iter().map(shown).collect();
        terminal.json(&shown)?;
    } else {
        for one in &results {
            say(terminal, one)?;
        }
        terminal.say(match failed {
            0 => format!(
                "{} as expected.",
                counted(results.len(), "case is", "cases are")
            ),
            _ => format!(
                "\n{failed} of {} not as expected.",
                counted(results.len(), "case is", "cases are")
            ),
        })?;
    }
    Ok(match failed {
        0 => Exit::Done,
        _ => Exit::Failed,
    })
}

fn say(terminal: &mut Terminal<'_>, result: &CaseResult<'_>) -> Result<(), CliError> {
    let case = result.case;
    if result.passed() {
        return Ok(terminal.say(format!("ok      {}", case.name))?);
    }
    terminal.say(format!("FAILED  {}", case.name))?;
    let by = match &case.by {
        ExpectedRule::Any => String::new(),
        ExpectedRule::NoEntry => " by no entry".to_owned(),
        ExpectedRule::This(rule) => format!(" by \"{rule}\""),
    };
    let found = match &result.found.rule {
        None => " by no entry".to_owned(),
        Some(rule) => format!(" by \"{rule}\""),
    };
    terminal.say(format!("        expected {}{by}", case.decision.as_str()))?;
    terminal.say(format!(
        "        found    {}{found}: {}",
        result.found.decision.as_str(),
        result.found.reason
    ))?;
    Ok(())
}

fn shown<'a>(result: &'a CaseResult<'a>) -> Shown<'a> {
    Shown {
        name: &result.case.name,
        passed: result.passed(),
        expected: result.case.decision.as_str(),
        found: result.found.decision.as_str(),
        rule: result.found.rule.as_ref().map(ToString::to_string),
        reason: &result.found.reason,
    }
}
