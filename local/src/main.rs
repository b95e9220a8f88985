//! The local world from a terminal: `cargo run` starts it, `cargo run -- replay` puts real input
//! through it.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gatekeeper_aws::bootstrap::environment;
use gatekeeper_aws::error::chain;
use gatekeeper_aws::telemetry;
use gatekeeper_local::{demo, replay};
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// PrivateLink Gatekeeper on one machine: the real functions, with AWS on loopback.
#[derive(Debug, Parser)]
#[command(
    name = "gatekeeper-local",
    version,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    demo: demo::Args,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put events through a world of your own and print what was decided
    Replay(replay::Args),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Cli::parse();
    log();
    match args.command {
        None => match demo::run(&args.demo).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        },
        Some(Command::Replay(args)) => match replay::run(&args).await {
            Ok(code) => code,
            Err(error) => fail(&error),
        },
    }
}

/// Logs go to standard error, and only what is wrong, unless `GATEKEEPER_LOG` says otherwise.
fn log() {
    let level = environment("GATEKEEPER_LOG").or_else(|| Some("OFF".to_owned()));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .with_filter(telemetry::levels(level.as_deref()));
    tracing_subscriber::registry().with(lines).init();
}

#[expect(clippy::print_stderr, reason = "an error is for whoever runs this")]
fn fail(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    eprintln!("error: {}", chain(error));
    ExitCode::from(2)
}
