//! What the steps log and measure.

use std::sync::Arc;

use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::request::Status;

use super::outcome::Outcome;
use crate::error::Error;
use crate::telemetry::{Metric, Metrics, log_failure};

/// Writes log lines with the metrics that go with them.
#[derive(Debug, Clone)]
pub(super) struct Log {
    metrics: Metrics,
}

impl Log {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics }
    }

    /// Logs a failure, once, where it is handled.
    pub(super) fn failure(&self, error: &Arc<Error>, endpoint_id: Option<&EndpointId>) {
        log_failure(&self.metrics, error, endpoint_id);
    }

    /// Writes one wide line for each connection that changed, and the metrics that go with it.
    pub(super) fn outcome(&self, outcome: &Outcome, duration_ms: f64) {
        match outcome {
            Outcome::Changed { from, request } => {
                tracing::info!(
                    endpoint_id = %request.endpoint_id,
                    service_id = %request.service_id,
                    account_id = %request.account_id,
                    region = %request.region,
                    verdict = request.verdict.decision.as_str(),
                    rule = request.verdict.rule.as_ref().map(ToString::to_string),
                    reason = request.verdict.reason,
                    decided_by = %request.decided_by,
                    from = from.map(Status::as_str),
                    to = request.status.as_str(),
                    version = request.version,
                    duration_ms,
                    "decision"
                );
                let outcome = request.status.as_str();
                self.metrics
                    .put(Metric::Requests, 1.0, &[("outcome", outcome)]);
                self.metrics.put(
                    Metric::DecisionLatency,
                    duration_ms,
                    &[("outcome", outcome)],
                );
            }
            Outcome::Lost(Some(request)) => {
                tracing::info!(
                    endpoint_id = %request.endpoint_id,
                    status = request.status.as_str(),
                    version = request.version,
                    decided_by = %request.decided_by,
                    since = %request.status_since,
                    "somebody else decided first"
                );
            }
            Outcome::Left(reason) => tracing::debug!(reason = reason.as_str(), "left alone"),
            Outcome::Lost(None) | Outcome::Unchanged(_) => {}
        }
    }
}
