//! Finds approvers' items that evidently belong to one person.

use gatekeeper_core::approver::{ApproverId, entered_twice};

use super::log::Log;
use crate::tables::Allowlist;
use crate::telemetry::{Metric, Metrics};

/// Reads the approvers' items.
#[derive(Debug)]
pub(super) struct ApproverItems {
    pub(super) allowlist: Allowlist,
    pub(super) metrics: Metrics,
    pub(super) log: Log,
}

impl ApproverItems {
    /// Logs and measures people who are entered as an approver more than once. They count once, and
    /// the administrator who entered them may expect otherwise.
    pub(super) async fn look(&self) {
        let approvers = match self.allowlist.approvers().await {
            Ok(approvers) => approvers,
            Err(error) => return self.log.failure(&error, None),
        };
        let twice = entered_twice(&approvers.list);
        for items in &twice {
            let ids: Vec<&str> = items.iter().map(ApproverId::as_str).collect();
            tracing::error!(
                approvers = ids.join(", "),
                "these approvers' items are evidently one person's, who has one vote: keep one of them"
            );
        }
        let people = u32::try_from(twice.len()).unwrap_or(u32::MAX);
        self.metrics
            .put(Metric::ApproversEnteredTwice, f64::from(people), &[]);
    }
}
