//! Reads the arguments, sets up the terminal, runs the command.

use std::io::{self, BufReader, IsTerminal as _};
use std::process::ExitCode;

use clap::Parser as _;
use gatekeeper_aws::bootstrap::environment;
use gatekeeper_aws::clock::Clock;
use gatekeeper_aws::telemetry;
use gatekeeper_cli::args::Cli;
use gatekeeper_cli::run;
use gatekeeper_cli::terminal::{Style, Terminal};
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The width where the terminal does not say it, as in a pipe.
const WIDTH: usize = 120;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    log();
    let (out, err, input) = (io::stdout(), io::stderr(), io::stdin());
    let width = terminal_size::terminal_size().map_or(WIDTH, |(width, _)| usize::from(width.0));
    let style = Style {
        width,
        is_colored: out.is_terminal() && environment("NO_COLOR").is_none_or(|no| no.is_empty()),
        is_interactive: input.is_terminal() && err.is_terminal(),
        format: cli.global.output,
    };
    // None is locked here: `local` prints and `replay` reads by themselves.
    let (mut out, mut err, mut input) = (out, err, BufReader::new(input));
    let mut terminal = Terminal::new(&mut out, &mut err, &mut input, style);
    let exit = run(&cli, &mut terminal, &environment, Clock::system()).await;
    ExitCode::from(exit.code())
}

/// Logs go to standard error, and only if `GATEKEEPER_LOG` names a level.
fn log() {
    let level = environment("GATEKEEPER_LOG").or_else(|| Some("OFF".to_owned()));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .with_filter(telemetry::levels(level.as_deref()));
    tracing_subscriber::registry().with(lines).init();
}
