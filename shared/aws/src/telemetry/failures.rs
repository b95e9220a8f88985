//! Logs failures for operators.

use std::sync::Arc;

use gatekeeper_core::ids::EndpointId;

use super::Metrics;
use crate::error::{Error, chain};

/// Logs a failure, once, where it is handled. The level is `error` if somebody must act.
pub(crate) fn log_failure(metrics: &Metrics, error: &Arc<Error>, endpoint_id: Option<&EndpointId>) {
    let step = error.step().as_str();
    let (error_type, operation, code) = (error.error_type(), error.operation(), error.code());
    let endpoint_id = endpoint_id.map(EndpointId::as_str);
    if error.is_retryable() {
        tracing::warn!(
            step,
            error_type,
            operation,
            code,
            endpoint_id,
            error = chain(&**error),
            "a step failed and will be tried again"
        );
    } else {
        tracing::error!(
            step,
            error_type,
            operation,
            code,
            endpoint_id,
            error = chain(&**error),
            "a step failed; somebody must act"
        );
    }
    metrics.count_failure(error);
}
