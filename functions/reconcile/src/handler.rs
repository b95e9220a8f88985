//! Handles the schedule's invocations: runs the gatekeeper, and answers a summary.

use std::sync::Arc;

use gatekeeper_aws::clock::Deadline;
use gatekeeper_aws::error::Error;
use gatekeeper_aws::gatekeeper::{Gatekeeper, Reconciled};
use serde_json::{Value, json};

/// Handles the schedule's invocations, with any payload.
#[derive(Debug)]
pub struct Handler {
    gatekeeper: Arc<Gatekeeper>,
}

impl Handler {
    #[must_use]
    pub fn new(gatekeeper: Arc<Gatekeeper>) -> Self {
        Self { gatekeeper }
    }

    /// Reconciles once.
    pub async fn handle(&self, deadline: Deadline) -> Reconciled {
        self.gatekeeper.reconcile(deadline).await
    }
}

/// The function's answer: a summary for people who invoke it by hand.
///
/// # Errors
/// The first failure, if a service could not be looked through: the invocation has failed, and the
/// schedule tries it again.
pub fn into_response(done: Reconciled) -> Result<Value, Arc<Error>> {
    if let Some((_, error)) = done.failed.into_iter().next() {
        return Err(error);
    }
    let services: Vec<Value> = done
        .services
        .iter()
        .map(|report| {
            json!({
                "service_id": report.service_id,
                "connections": report.connections,
                "changed": report.changed,
                "failures": report.failures,
                "oldest_undecided": report.oldest_undecided().map(|since| since.to_string()),
                "attachments": report.attachments(),
                "oldest_review": report.oldest_review.map(|since| since.to_string()),
                "revocations_held": report.revocations_held,
            })
        })
        .collect();
    Ok(
        json!({ "services": services, "unfinished": done.unfinished, "not_reached": done.not_reached }),
    )
}
