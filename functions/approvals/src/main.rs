//! Configuration, telemetry, clients, warm-up, run.

use std::sync::Arc;

use gatekeeper_approvals::handler::Handler;
use gatekeeper_approvals::http::Response;
use gatekeeper_approvals::lambda::{Answer, decode};
use gatekeeper_aws::bootstrap::{self, environment};
use gatekeeper_aws::clock::Deadline;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (gatekeeper, _) = bootstrap::gatekeeper(environment)?;
    gatekeeper.warm_up().await;
    let handler = Handler::new(Arc::new(gatekeeper));
    run(service_fn(async |event: LambdaEvent<Value>| {
        let deadline = Deadline::from_system_time(event.context.deadline());
        let response = match decode(event.payload) {
            Ok(request) => handler.handle(&request, deadline).await,
            Err(not_a_request) => Response::from(not_a_request),
        };
        Ok::<Answer, Error>(response.into())
    }))
    .await
}
