//! The command `gatekeeper`, run as a person runs it.

use std::collections::BTreeMap;
use std::io::Cursor;

use clap::Parser as _;
use gatekeeper_cli::args::Cli;
use gatekeeper_cli::terminal::{Style, Terminal};
use gatekeeper_local::world::World;

/// What a command printed, and its exit status.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// How a test runs commands.
pub(crate) struct Desk<'a> {
    pub(crate) world: &'a World,
    pub(crate) width: usize,
    /// What the person at the terminal answers; without, nobody is there.
    pub(crate) answer: Option<&'static str>,
    /// The environment of a command that is not to use `--local`.
    pub(crate) environment: Option<BTreeMap<&'static str, String>>,
}

impl<'a> Desk<'a> {
    pub(crate) fn of(world: &'a World) -> Self {
        Self {
            world,
            width: 120,
            answer: None,
            environment: None,
        }
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Ran {
        let local = format!("--local={}", self.world.address().port());
        let first = match self.environment {
            Some(_) => vec!["gatekeeper"],
            None => vec!["gatekeeper", &local],
        };
        let args = first.into_iter().chain(args.iter().copied());
        let cli = match Cli::try_parse_from(args) {
            Ok(cli) => cli,
            Err(error) => {
                return Ran {
                    status: 2,
                    out: String::new(),
                    err: error.to_string(),
                };
            }
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut input = Cursor::new(self.answer.unwrap_or_default());
        let style = Style {
            width: self.width,
            is_colored: false,
            is_interactive: self.answer.is_some(),
            format: cli.global.output,
        };
        let mut terminal = Terminal::new(&mut out, &mut err, &mut input, style);
        let clock = self.world.clock.clone();
        let lookup = |name: &str| self.environment.as_ref()?.get(name).cloned();
        let exit = gatekeeper_cli::run(&cli, &mut terminal, &lookup, clock).await;
        Ran {
            status: exit.code(),
            out: String::from_utf8(out).unwrap(),
            err: String::from_utf8(err).unwrap(),
        }
    }

    /// A command that must succeed: what it printed on both outputs.
    pub(crate) async fn done(&self, args: &[&str]) -> String {
        let ran = self.run(args).await;
        assert_eq!(ran.status, 0, "{args:?}: {ran:?}");
        ran.out + &ran.err
    }
}
