//! Configuration, telemetry, clients, warm-up, run.

use gatekeeper_approvals::handler::Handler;
use gatekeeper_approvals::http::Response;
use gatekeeper_approvals::lambda::{ApiGatewayResponse, decode};
use gatekeeper_aws::bootstrap::environment;
use gatekeeper_aws::clock::Deadline;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let handler = Handler::from_lookup(environment)?;
    handler.warm_up().await;
    run(service_fn(async |event: LambdaEvent<Value>| {
        let deadline = Deadline::from_system_time(event.context.deadline());
        let response = match decode(event.payload, &event.context.invoked_function_arn) {
            Ok(request) => handler.handle(&request, deadline).await,
            Err(not_a_request) => Response::from(not_a_request),
        };
        Ok::<ApiGatewayResponse, Error>(response.into())
    }))
    .await
}
