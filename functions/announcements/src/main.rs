//! Configuration, telemetry, clients, run.

use std::sync::Arc;

use gatekeeper_announcements::handler::{Handler, HandlerResult};
use gatekeeper_aws::bootstrap::{self, diagnostic, environment};
use gatekeeper_aws::clock::Deadline;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let announcements = bootstrap::announcements(environment)?;
    let handler = Handler::new(Arc::new(announcements));
    run(service_fn(async |event: LambdaEvent<Value>| {
        let deadline = Deadline::from_system_time(event.context.deadline());
        let answer = handler.handle(&event.payload, deadline).await;
        let response = answer.and_then(HandlerResult::into_response);
        response.map_err(|error| diagnostic(&error))
    }))
    .await
}
