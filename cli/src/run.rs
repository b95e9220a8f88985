//! Runs a command.

use clap::CommandFactory as _;
use gatekeeper_aws::clock::Clock;
use gatekeeper_aws::error::chain;
use gatekeeper_local::{demo, replay};

use crate::args::{ApproverCommand, Cli, Command, PolicyCommand, ServiceCommand};
use crate::commands::{
    approver, audit, change, connections, entries, explain, policy, requests, service, show, vote,
};
use crate::deployment::{Deployment, Lookup};
use crate::error::{CliError, Exit};
use crate::terminal::Terminal;
use gatekeeper_core::policy::Effect;
use gatekeeper_core::vote::Choice;

/// Runs a command. Errors are printed.
pub async fn run(cli: &Cli, terminal: &mut Terminal<'_>, lookup: Lookup<'_>, clock: Clock) -> Exit {
    match dispatch(cli, terminal, lookup, clock).await {
        Ok(exit) => exit,
        Err(error) => {
            // Where standard error is closed, nobody can be told.
            let _ = terminal.fail(&error);
            error.exit()
        }
    }
}

async fn dispatch(
    cli: &Cli,
    terminal: &mut Terminal<'_>,
    lookup: Lookup<'_>,
    clock: Clock,
) -> Result<Exit, CliError> {
    let deployment = || Deployment::of(&cli.global, lookup, clock.clone());
    match &cli.command {
        Command::Local(args) => {
            let done = demo::run(args).await;
            done.map_err(|error| CliError::usage(chain(&error)))?;
        }
        Command::Replay(args) => {
            let done = replay::run(args).await;
            let succeeded = done.map_err(|error| CliError::usage(chain(&error)))?;
            return Ok(match succeeded {
                true => Exit::Done,
                false => Exit::Failed,
            });
        }
        Command::Allow(args) => change::put(&deployment()?, terminal, Effect::Allow, args).await?,
        Command::Deny(args) => change::put(&deployment()?, terminal, Effect::Deny, args).await?,
        Command::Remove(args) => change::remove(&deployment()?, terminal, args).await?,
        Command::Entries(args) => entries::list(&deployment()?, terminal, args).await?,
        Command::Policy(command) => match command {
            PolicyCommand::Export => policy::export(&deployment()?, terminal).await?,
            PolicyCommand::Validate(args) => policy::validate(terminal, args)?,
            PolicyCommand::Plan(args) => return policy::plan(&deployment()?, terminal, args).await,
            PolicyCommand::Apply(args) => policy::apply(&deployment()?, terminal, args).await?,
        },
        Command::Requests(args) => requests::list(&deployment()?, terminal, args).await?,
        Command::Explain(args) => explain::explain(&deployment()?, terminal, args).await?,
        Command::Show(args) => show::show(&deployment()?, terminal, args).await?,
        Command::Connections(args) => connections::list(&deployment()?, terminal, args).await?,
        Command::Audit(args) => audit::list(&deployment()?, terminal, args).await?,
        Command::Approve(args) => {
            vote::vote(&deployment()?, terminal, Choice::Approve, args).await?;
        }
        Command::Reject(args) => {
            vote::vote(&deployment()?, terminal, Choice::Reject, args).await?;
        }
        Command::Withdraw(args) => {
            vote::vote(&deployment()?, terminal, Choice::Withdraw, args).await?;
        }
        Command::Approver(command) => match command {
            ApproverCommand::List => approver::list(&deployment()?, terminal).await?,
            ApproverCommand::Add(args) => approver::add(&deployment()?, terminal, args).await?,
            ApproverCommand::Remove(args) => {
                approver::remove(&deployment()?, terminal, args).await?;
            }
        },
        Command::Service(command) => match command {
            ServiceCommand::List => service::list(&deployment()?, terminal).await?,
            ServiceCommand::Show(args) => service::show(&deployment()?, terminal, args).await?,
            ServiceCommand::Set(args) => service::set(&deployment()?, terminal, args).await?,
        },
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "gatekeeper", &mut script);
            terminal.raw(&script)?;
        }
        Command::Man(args) => {
            clap_mangen::generate_to(Cli::command(), &args.folder).map_err(|error| {
                CliError::new(format!(
                    "{}: the manual pages could not be written: {error}",
                    args.folder.display()
                ))
            })?;
        }
    }
    Ok(Exit::Done)
}
