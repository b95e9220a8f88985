//! Configuration, telemetry, clients, warm-up, run.

use gatekeeper_aws::bootstrap::{self, environment};
use gatekeeper_aws::clients::{Access, Clients};
use gatekeeper_aws::clock::{Clock, Deadline};
use gatekeeper_aws::telemetry;
use gatekeeper_slack::config::Config;
use gatekeeper_slack::handler::Handler;
use gatekeeper_slack_api::client::https_connector;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    telemetry::init(environment("AWS_LAMBDA_LOG_LEVEL").as_deref());
    let config = Config::from_lookup(environment)?;
    let clients = Clients::new(&Access::from_lookup(environment)?);
    let clock = Clock::system();
    let metrics = bootstrap::metrics(environment, clock.clone())?;
    let handler = Handler::new(&clients, config, https_connector(), clock, metrics);
    handler.warm_up().await;
    run(service_fn(async |event: LambdaEvent<Value>| {
        let deadline = Deadline::from_system_time(event.context.deadline());
        let answer = handler.handle(event.payload, deadline).await;
        answer.into_response()
    }))
    .await
}
