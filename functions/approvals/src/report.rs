//! What is logged and counted here; of votes, the gatekeeper tells itself.

use std::sync::Arc;

use gatekeeper_aws::error::{Error, chain};
use gatekeeper_aws::gatekeeper::Gatekeeper;
use gatekeeper_aws::telemetry::Unit;

/// Why a review could not be looked at.
pub(crate) fn report(gatekeeper: &Gatekeeper, error: &Arc<Error>) {
    let (step, error_type) = (error.step().as_str(), error.error_type());
    let error_chain = chain(&**error);
    if error.is_retryable() {
        tracing::warn!(
            step,
            error_type,
            error = error_chain,
            "a review could not be looked at"
        );
    } else {
        tracing::error!(
            step,
            error_type,
            error = error_chain,
            "a review could not be looked at; somebody must act"
        );
    }
    let metrics = gatekeeper.metrics();
    metrics.put("StepFailures", Unit::Count, 1.0, &[("step", step)]);
    if error_type == "Permanent.Forbidden" {
        metrics.put("Forbidden", Unit::Count, 1.0, &[("step", step)]);
    }
}
