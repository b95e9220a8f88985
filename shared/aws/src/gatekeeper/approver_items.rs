//! Approvers' items that are evidently one person's.

use gatekeeper_core::approver::{ApproverId, entered_twice};

use super::Gatekeeper;
use crate::telemetry::Unit;

impl Gatekeeper {
    /// Logs and measures who is entered as an approver more than once: they count once, and whoever entered
    /// them may think otherwise.
    pub(super) async fn look_at_approvers(&self) {
        let approvers = match self.tables.approvers().await {
            Ok(approvers) => approvers,
            Err(error) => return self.report(&error, None),
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
            .put("ApproversEnteredTwice", Unit::Count, f64::from(people), &[]);
    }
}
