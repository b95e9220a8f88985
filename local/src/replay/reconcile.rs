//! Reconcile runs without Lambda's time-out.

use std::time::Duration;

use crate::world::World;

/// One run does everything there is to do: no Lambda time-out ends it.
const NO_LIMIT: Duration = Duration::from_secs(365 * 24 * 3600);

/// Runs reconcile once, and returns what it could not settle.
pub(super) async fn reconcile(world: &World) -> Vec<String> {
    let done = world.reconcile_within(NO_LIMIT).await;
    let mut unreconciled = Vec::new();
    for report in &done.services {
        if let Some(error) = &report.first_failure {
            unreconciled.push(format!(
                "{}: {} of {} connections could not be settled; the first: {}",
                report.service_id,
                report.failures,
                report.connections,
                gatekeeper_aws::error::chain(&**error)
            ));
        }
    }
    for (service, error) in done.failed {
        let service = service.map_or_else(|| "the services".to_owned(), |id| id.to_string());
        let why = gatekeeper_aws::error::chain(&*error);
        unreconciled.push(format!("{service} could not be reconciled: {why}"));
    }
    unreconciled
}
