//! An invocation in, messages in Slack, an response out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::SqsBatchResponse;
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use gatekeeper_aws::clients::Clients;
use gatekeeper_aws::clock::{Clock, Deadline};
use gatekeeper_aws::error::{Step, chain};
use gatekeeper_aws::secrets::SlackSecrets;
use gatekeeper_aws::tables::Tables;
use gatekeeper_aws::telemetry::{Metric, Metrics};
use gatekeeper_core::announcement::Announcement;
use gatekeeper_core::ids::EndpointId;
use gatekeeper_slack_api::client::Client;
use lambda_runtime::Diagnostic;
use serde_json::Value;

use crate::config::Config;
use crate::decode::{Malformed, News, Record, decode};
use crate::failure::Failure;
use crate::prompts::Prompts;
use crate::slack::Slack;

/// How long warming up may take.
const WARM_UP: Duration = Duration::from_secs(3);

/// Handles invocations. Share it between them.
#[derive(Debug)]
pub struct Handler {
    prompts: Prompts,
    clock: Clock,
    metrics: Metrics,
}

/// The response to an invocation.
#[derive(Debug, Default)]
pub struct BatchResponse {
    /// Records to hand over again, by their place in the batch, and why.
    pub failed: Vec<(usize, Arc<Failure>)>,
    /// Records that make no sense and never will, by their place in the batch. They do not come again.
    pub given_up: Vec<(usize, Malformed)>,
    /// The records' SQS message ids.
    ids: Vec<Option<String>>,
}

impl Handler {
    /// A handler. `connector` is how Slack is reached; it talks to nobody yet.
    #[must_use]
    pub fn new(
        clients: &Clients,
        config: Config,
        connector: SharedHttpConnector,
        clock: Clock,
        metrics: Metrics,
    ) -> Self {
        let (allowlist, requests) = (&config.allowlist_table, &config.requests_table);
        let step = Step::Announce;
        let tables = Tables::named(clients, allowlist, requests, clock.clone(), step);
        let secrets = SlackSecrets::new(clients, config.secret_arn, clock.clone());
        let slack = Slack::new(Client::new(connector, config.url), secrets, clock.clone());
        let prompts = Prompts::new(slack, tables, clock.clone(), config.app, config.channel);
        Self {
            prompts,
            clock,
            metrics,
        }
    }

    /// Reads the token while the function still has the whole CPU. What fails here will fail, and be
    /// told, where it matters.
    pub async fn warm_up(&self) {
        let soon = Deadline::after(&self.clock, WARM_UP);
        let warmed = self.clock.until_done(soon.0, self.prompts.warm_up()).await;
        match warmed {
            None => tracing::warn!("warming up took too long and was left"),
            Some(Err(failure)) => {
                tracing::warn!(error = chain(&failure), "warming up failed");
            }
            Some(Ok(())) => {}
        }
    }

    /// Handles one invocation. Every payload gets a response.
    pub async fn handle(&self, payload: Value, deadline: Deadline) -> BatchResponse {
        let records = match decode(payload) {
            Ok(records) => records,
            Err(malformed) => {
                self.give_up(None, &malformed);
                return BatchResponse {
                    given_up: vec![(0, malformed)],
                    ..BatchResponse::default()
                };
            }
        };
        let mut response = BatchResponse::default();
        // All announcements about one connection are handled together: its messages show the current state.
        let mut of_endpoints: BTreeMap<EndpointId, Vec<(usize, Announcement)>> = BTreeMap::new();
        let mut alarms = Vec::new();
        for (index, Record { id, news }) in records.into_iter().enumerate() {
            match news {
                Ok(News::Announcement(announced)) => {
                    let of_endpoint = of_endpoints.entry(announced.endpoint_id.clone());
                    of_endpoint.or_default().push((index, *announced));
                }
                Ok(News::Alarm(announced)) => alarms.push((index, announced)),
                Ok(News::Reach) => {}
                Err(malformed) => {
                    self.give_up(id.as_deref(), &malformed);
                    response.given_up.push((index, malformed));
                }
            }
            response.ids.push(id);
        }
        let mut hopeless: Option<Arc<Failure>> = None;
        let mut announced = BTreeSet::new();
        for (endpoint, announcements) in &of_endpoints {
            let (indices, about_it): (Vec<usize>, Vec<&Announcement>) = announcements
                .iter()
                .map(|(index, announcement)| (*index, announcement))
                .unzip();
            let done = match &hopeless {
                Some(failure) => Err(Arc::clone(failure)),
                None => {
                    let done = self
                        .prompts
                        .post_announcements(endpoint, &about_it, deadline)
                        .await;
                    done.map_err(Arc::new)
                }
            };
            if let Err(failure) = done {
                self.note(&failure, &mut hopeless, &mut announced);
                let failed = indices.into_iter().map(|index| (index, failure.clone()));
                response.failed.extend(failed);
            }
        }
        for (index, alarm) in &alarms {
            let done = match &hopeless {
                Some(failure) => Err(Arc::clone(failure)),
                None => {
                    let done = self.prompts.post_alarm(alarm, deadline).await;
                    done.map_err(Arc::new)
                }
            };
            if let Err(failure) = done {
                self.note(&failure, &mut hopeless, &mut announced);
                response.failed.push((*index, failure));
            }
        }
        response
    }

    /// Notes a failure: logged once in an invocation, however many records it concerns.
    fn note(
        &self,
        failure: &Arc<Failure>,
        hopeless: &mut Option<Arc<Failure>>,
        announced: &mut BTreeSet<String>,
    ) {
        if matches!(**failure, Failure::Waits) {
            tracing::debug!("a review waits to be shown with others; the queue hands it back");
            return;
        }
        let error_type = failure.error_type();
        self.metrics
            .count_slack_failure(error_type, failure.is_retryable());
        if failure.concerns_all() {
            hopeless.get_or_insert_with(|| Arc::clone(failure));
        }
        let error = chain(&**failure);
        if !announced.insert(error.clone()) {
            return;
        }
        if failure.is_retryable() {
            tracing::warn!(
                error_type,
                error,
                "Slack is not up to date; it will be tried again"
            );
        } else {
            tracing::error!(
                error_type,
                error,
                "Slack is not up to date; somebody must act"
            );
        }
    }

    /// A record that makes no sense is logged once, counted, and gone.
    fn give_up(&self, message_id: Option<&str>, malformed: &Malformed) {
        tracing::warn!(
            message_id,
            error = chain(malformed),
            "malformed record given up"
        );
        self.metrics.put(Metric::MalformedRecords, 1.0, &[]);
    }
}

impl BatchResponse {
    /// The response as Lambda takes it: the records to hand over again.
    ///
    /// # Errors
    /// The failure of a record that cannot be named: then only all of them can be tried again.
    pub fn into_response(self) -> Result<SqsBatchResponse, Diagnostic> {
        let mut response = SqsBatchResponse::default();
        for (index, failure) in self.failed {
            match self.ids.get(index).cloned().flatten() {
                Some(id) => response.add_failure(id),
                None => {
                    return Err(Diagnostic {
                        error_type: failure.error_type().to_owned(),
                        error_message: chain(&*failure),
                    });
                }
            }
        }
        Ok(response)
    }
}
