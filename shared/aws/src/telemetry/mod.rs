//! Logs and metrics.
//!
//! Logs are JSON lines with a timestamp of our own: without one, Lambda takes every line for `INFO`
//! and its level filter drops errors. Inside an invocation they carry its request id and trace id.

mod failures;
mod lines;
mod metric;
mod metrics;

use tracing::Subscriber;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;

pub(crate) use failures::log_failure;
use lines::{Lines, is_invocation};
pub use metric::Metric;
pub use metrics::{Dimension, Metrics, Unit};

/// What the targets of our own crates begin with.
const OWN: &str = "gatekeeper";

/// Sets up logging for a Lambda function. `level` is `AWS_LAMBDA_LOG_LEVEL`, or none for `INFO`.
pub fn init(level: Option<&str>) {
    // Fails only if logging is set up already, which is as good.
    let _ = tracing::subscriber::set_global_default(subscriber(level, std::io::stdout));
}

/// The logs of a function, written to wherever.
pub fn subscriber<Writer>(level: Option<&str>, writer: Writer) -> impl Subscriber + Send + Sync
where
    Writer: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The span that holds the ids, whatever the level: it is no line by itself.
    let invocations = filter_fn(is_invocation).with_max_level_hint(LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_span_events(FmtSpan::NONE)
        .with_target(false)
        .map_event_format(Lines)
        .with_writer(writer)
        .with_filter(levels(level).or(invocations));
    tracing_subscriber::registry().with(lines)
}

/// Which lines are written. Below `INFO` none of others' crates: the SDK and the runtime write down what
/// they send and get there, and approvers' links and Slack's secrets are among it.
#[must_use]
pub fn levels(level: Option<&str>) -> Targets {
    let level = level
        .and_then(|text| text.parse::<LevelFilter>().ok())
        .unwrap_or(LevelFilter::INFO);
    Targets::new()
        .with_default(level.min(LevelFilter::INFO))
        .with_target(OWN, level)
}
