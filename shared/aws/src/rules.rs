//! The EventBridge rule for AWS CloudTrail's events, by which Gatekeeper learns who decides at EC2.

use std::sync::Arc;

use aws_sdk_eventbridge::operation::describe_rule::DescribeRuleError;
use aws_sdk_eventbridge::types::RuleState;

use crate::clients::Clients;
use crate::config::Config;
use crate::error::{Call, Error, Retryable, Step};

/// Checks the deployment's own rule.
#[derive(Debug)]
pub(crate) struct Rules {
    client: aws_sdk_eventbridge::Client,
    cloud_trail_rule: Option<String>,
}

impl Rules {
    pub(crate) fn new(clients: &Clients, config: &Config) -> Self {
        Self {
            client: clients.eventbridge.clone(),
            cloud_trail_rule: config.cloud_trail_rule.clone(),
        }
    }

    /// Whether the rule exists and is enabled; `None` if no rule is named.
    pub(crate) async fn cloud_trail_rule(&self) -> Result<Option<bool>, Arc<Error>> {
        let Some(name) = &self.cloud_trail_rule else {
            return Ok(None);
        };
        match self.client.describe_rule().name(name).send().await {
            Ok(rule) => Ok(Some(rule.state() != Some(&RuleState::Disabled))),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(DescribeRuleError::is_resource_not_found_exception) =>
            {
                Ok(Some(false))
            }
            Err(error) => {
                let call = Call::new(
                    Step::Observe,
                    "events:DescribeRule",
                    Retryable::WatchServices,
                    format!("the rule {name} for CloudTrail's events could not be looked at"),
                );
                Err(call.failed(error))
            }
        }
    }
}
