//! Holds docs/cli.md to the definitions of the commands.

use std::fmt::Write as _;

use clap::builder::Str;
use clap::{Arg, Command, CommandFactory as _};
use gatekeeper_aws::bootstrap::environment;

use crate::args::Cli;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
/// What follows in the document is generated.
const MARK: &str = "<!-- What follows is generated: GATEKEEPER_WRITE=1 cargo test --workspace --locked -- reference -->\n";

#[test]
fn the_reference_is_what_the_command_takes() {
    let text = std::fs::read_to_string(FILE).unwrap();
    let (written, _) = text.split_once(MARK).unwrap();
    let expected = format!("{written}{MARK}{}", reference());
    if environment("GATEKEEPER_WRITE").is_some() {
        std::fs::write(FILE, &expected).unwrap();
    }
    assert!(
        text == expected || environment("GATEKEEPER_WRITE").is_some(),
        "docs/cli.md is not what the command takes. Write it anew, and look at the difference: \
         GATEKEEPER_WRITE=1 cargo test --workspace --locked -- reference"
    );
}

/// Each command with its arguments and options, and the options that all take.
fn reference() -> String {
    let mut cli = Cli::command();
    cli.build();
    let mut text = "\n## Options of every command\n\n".to_owned();
    text.push_str(&table(
        cli.get_arguments().filter(|arg| arg.is_global_set()),
    ));
    for command in cli.get_subcommands() {
        section(&mut text, "gatekeeper", command);
    }
    text
}

fn section(text: &mut String, parent: &str, command: &Command) {
    let name = format!("{parent} {}", command.get_name());
    if command.get_name() == "help" {
        return;
    }
    if command.has_subcommands() {
        for one in command.get_subcommands() {
            section(text, &name, one);
        }
        return;
    }
    let positional: Vec<String> = command
        .get_positionals()
        .map(|arg| match arg.is_required_set() {
            true => shown_value(arg),
            false => format!("[{}]", shown_value(arg)),
        })
        .collect();
    let _ = write!(
        text,
        "\n## `{}`\n\n{}.\n",
        [name]
            .into_iter()
            .chain(positional)
            .collect::<Vec<_>>()
            .join(" "),
        command.get_about().unwrap_or_default()
    );
    let own = command
        .get_arguments()
        .filter(|arg| !arg.is_global_set() && !matches!(arg.get_id().as_str(), "help" | "version"));
    let table = table(own);
    if !table.is_empty() {
        let _ = write!(text, "\n{table}");
    }
}

fn table<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let mut rows = String::new();
    for arg in arguments {
        let name = match arg.get_long() {
            Some(long) if takes_value(arg) => format!("--{long} {}", shown_value(arg)),
            Some(long) => format!("--{long}"),
            None => shown_value(arg),
        };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let values: Vec<String> = match takes_value(arg) {
            true => arg.get_possible_values(),
            false => Vec::new(),
        }
        .iter()
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
        let values = match values.is_empty() {
            true => String::new(),
            false => format!(": {}", values.join(", ")),
        };
        let _ = writeln!(rows, "| `{name}` | {}{values} |", help.replace('|', "\\|"));
    }
    match rows.is_empty() {
        true => rows,
        false => format!("| argument | meaning |\n| --- | --- |\n{rows}"),
    }
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

fn shown_value(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let names: Vec<&str> = names.iter().map(Str::as_str).collect();
    match names.is_empty() {
        true => arg.get_id().as_str().to_uppercase(),
        false => names.join(" "),
    }
}
