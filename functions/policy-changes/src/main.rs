//! Configuration, telemetry, clients, warm-up, run.

use std::sync::Arc;

use gatekeeper_aws::bootstrap::{self, diagnostic, environment};
use gatekeeper_aws::clock::Deadline;
use gatekeeper_policy_changes::handler::Handler;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (gatekeeper, _) = bootstrap::gatekeeper(environment)?;
    gatekeeper.warm_up().await;
    let handler = Handler::new(Arc::new(gatekeeper));
    run(service_fn(async |event: LambdaEvent<Value>| {
        let deadline = Deadline::from_system_time(event.context.deadline());
        let answer = handler.handle(&event.payload, deadline).await?;
        answer.into_response().map_err(|error| diagnostic(&error))
    }))
    .await
}
