//! Runs a command.

use clap::CommandFactory as _;
use gatekeeper_aws::clock::Clock;
use gatekeeper_aws::error::chain;
use gatekeeper_local::{demo, replay};

use crate::args::{
    ApproverCommand, Cli, Command, PolicyCommand, PolicyImportCommand, ServiceCommand,
};
use crate::commands::{
    acknowledge, approver, audit, change, connections, doctor, entries, explain, manage, policy,
    requests, service, show, vote, watch,
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
    let now = clock.now();
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
        Command::Allow(args) => {
            change::put(&deployment().await?, terminal, Effect::Allow, args).await?;
        }
        Command::Deny(args) => {
            change::put(&deployment().await?, terminal, Effect::Deny, args).await?;
        }
        Command::Remove(args) => change::remove(&deployment().await?, terminal, args).await?,
        Command::Entries(args) => entries::list(&deployment().await?, terminal, args).await?,
        Command::Policy(command) => match command {
            PolicyCommand::Export => policy::export(&deployment().await?, terminal).await?,
            PolicyCommand::Validate(args) => policy::validate(terminal, args)?,
            PolicyCommand::Plan(args) => {
                return policy::plan(&deployment().await?, terminal, args).await;
            }
            PolicyCommand::Apply(args) => {
                policy::apply(&deployment().await?, terminal, args).await?;
            }
            PolicyCommand::Test(args) => {
                let deployment = match args.policy {
                    Some(_) => None,
                    None => Some(deployment().await?),
                };
                return policy::test(deployment.as_ref(), terminal, args, now).await;
            }
            PolicyCommand::Import(command) => {
                let deployment = deployment().await?;
                match command {
                    PolicyImportCommand::Csv(args) => {
                        policy::csv(&deployment, terminal, args).await?;
                    }
                    PolicyImportCommand::Principals(args) => {
                        policy::principals(&deployment, terminal, args).await?;
                    }
                    PolicyImportCommand::Connections(args) => {
                        policy::connections(&deployment, terminal, args).await?;
                    }
                }
            }
        },
        Command::Requests(args) => requests::list(&deployment().await?, terminal, args).await?,
        Command::Explain(args) => explain::explain(&deployment().await?, terminal, args).await?,
        Command::Show(args) => show::show(&deployment().await?, terminal, args).await?,
        Command::Watch(args) => watch::watch(&deployment().await?, terminal, args).await?,
        Command::Acknowledge(args) => {
            acknowledge::acknowledge(&deployment().await?, terminal, args).await?;
        }
        Command::Doctor(args) => return doctor::doctor(&deployment().await?, terminal, args).await,
        Command::Connections(args) => {
            connections::list(&deployment().await?, terminal, args).await?;
        }
        Command::Audit(args) => audit::list(&deployment().await?, terminal, args).await?,
        Command::Approve(args) => {
            vote::vote(&deployment().await?, terminal, Choice::Approve, args).await?;
        }
        Command::Reject(args) => {
            vote::vote(&deployment().await?, terminal, Choice::Reject, args).await?;
        }
        Command::Withdraw(args) => {
            vote::vote(&deployment().await?, terminal, Choice::Withdraw, args).await?;
        }
        Command::Approver(command) => match command {
            ApproverCommand::List => approver::list(&deployment().await?, terminal).await?,
            ApproverCommand::Add(args) => {
                approver::add(&deployment().await?, terminal, args).await?;
            }
            ApproverCommand::Subscribe(args) => {
                approver::subscribe_again(&deployment().await?, terminal, args).await?;
            }
            ApproverCommand::Confirm(args) => {
                approver::confirm(&deployment().await?, terminal, args).await?;
            }
            ApproverCommand::Remove(args) => {
                approver::remove(&deployment().await?, terminal, args).await?;
            }
        },
        Command::Service(command) => match command {
            ServiceCommand::List(args) => {
                service::list(&deployment().await?, terminal, args).await?;
            }
            ServiceCommand::Manage(args) => {
                manage::manage(&deployment().await?, terminal, args).await?;
            }
            ServiceCommand::Release(args) => {
                manage::release(&deployment().await?, terminal, args).await?;
            }
            ServiceCommand::Show(args) => {
                service::show(&deployment().await?, terminal, args).await?;
            }
            ServiceCommand::Set(args) => service::set(&deployment().await?, terminal, args).await?,
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
