//! Logs and metrics.
//!
//! Logs are JSON lines with a timestamp of our own. Without one, Lambda takes every line for
//! `INFO`, and its level filter drops errors. Inside an invocation they carry its request id and
//! trace id.

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
pub use metric::{Metric, Unit};
pub use metrics::{Dimension, Metrics};

/// The targets of our own crates begin with this.
const OWN: &str = "gatekeeper";

/// Sets up logging for a Lambda function. `level` is `AWS_LAMBDA_LOG_LEVEL`; `None` means `INFO`.
pub fn init(level: Option<&str>) {
    // This fails only if logging is set up already, which is fine.
    let _ = tracing::subscriber::set_global_default(subscriber(level, std::io::stdout));
}

/// The subscriber that writes a function's logs to `writer`.
pub fn subscriber<Writer>(level: Option<&str>, writer: Writer) -> impl Subscriber + Send + Sync
where
    Writer: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The span that holds the ids is needed at every level. It writes no line.
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

/// Which lines are written. Other crates log only from `INFO` up: the SDK and the runtime log below
/// that what they send and receive, which includes approvers' links and Slack's secrets.
#[must_use]
pub fn levels(level: Option<&str>) -> Targets {
    let level = level
        .and_then(|text| text.parse::<LevelFilter>().ok())
        .unwrap_or(LevelFilter::INFO);
    Targets::new()
        .with_default(level.min(LevelFilter::INFO))
        .with_target(OWN, level)
}
