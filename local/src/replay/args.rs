//! The arguments of `replay`.

use std::path::PathBuf;

/// What is to be replayed.
#[derive(Debug, clap::Args)]
#[group(id = "replay")]
pub struct Args {
    /// The world: services, connections and policy, in YAML (docs/replay.md)
    #[arg(long, value_name = "WORLD.yaml")]
    pub world: PathBuf,
    /// One JSON object per line instead of text
    #[arg(long)]
    pub json: bool,
    /// Leave out the reconcile run that follows the events
    #[arg(long)]
    pub no_reconcile: bool,
    /// A role whose calls in CloudTrail events are Gatekeeper's own; may be repeated
    #[arg(long, value_name = "ARN")]
    pub own_role: Vec<String>,
    /// Events: a JSON document, JSON lines or a JSON array in each file; - is standard input
    #[arg(value_name = "EVENTS")]
    pub events: Vec<PathBuf>,
}
