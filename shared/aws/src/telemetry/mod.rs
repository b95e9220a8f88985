//! Logs and metrics.
//!
//! Logs are JSON lines with a timestamp of our own: without one, Lambda takes every line for `INFO`
//! and its level filter drops errors.

mod metrics;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::FmtSpan;

pub use metrics::{Metrics, Unit};

/// Sets up logging for a Lambda function. `level` is `AWS_LAMBDA_LOG_LEVEL`, or none for `INFO`.
pub fn init(level: Option<&str>) {
    let level = level
        .and_then(|text| text.parse::<LevelFilter>().ok())
        .unwrap_or(LevelFilter::INFO);
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_span_events(FmtSpan::NONE)
        .with_target(false)
        .with_max_level(level)
        .finish();
    // Fails only if logging is set up already, which is as good.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
