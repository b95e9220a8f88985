//! What a stack says about a deployment, and who calls.

use gatekeeper_aws::clients::{Access, Clients};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::error::CliError;
use crate::signed_call::SignedCall;

pub(crate) use calls::{caller, outputs};

/// CloudWatch describes no more alarms at once.
const ALARMS_AT_ONCE: usize = 100;

/// A stack, and the addresses for calls about it, if they are not AWS's own.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    pub(crate) name: String,
    #[cfg_attr(
        not(feature = "deployment"),
        expect(dead_code, reason = "only the feature asks CloudFormation")
    )]
    pub(crate) cloudformation: Option<String>,
    pub(crate) cloudwatch: Option<String>,
}

/// An alarm of a stack.
#[derive(Debug, Clone)]
pub(crate) struct StackAlarm {
    /// Its name in the template, as docs/operations.md has it.
    pub(crate) name: String,
    pub(crate) state: AlarmState,
    pub(crate) reason: String,
    /// Whether anybody is notified of it.
    pub(crate) is_notified: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum AlarmState {
    #[serde(rename = "OK")]
    Ok,
    #[serde(rename = "ALARM")]
    Alarm,
    #[serde(rename = "INSUFFICIENT_DATA")]
    Unknown,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    #[serde(default)]
    metric_alarms: Vec<DescribedAlarm>,
    #[serde(default)]
    composite_alarms: Vec<DescribedAlarm>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribedAlarm {
    alarm_name: String,
    state_value: AlarmState,
    #[serde(default)]
    state_reason: String,
    #[serde(default)]
    actions_enabled: bool,
}

/// The states of a stack's alarms.
///
/// CloudWatch is asked by a signed call: its SDK brings features that would have the other SDKs compiled
/// twice.
pub(crate) async fn alarms(
    clients: &Clients,
    access: &Access,
    stack: &Stack,
    now: Timestamp,
) -> Result<Vec<StackAlarm>, CliError> {
    let names = calls::alarms_of(clients, stack).await?;
    let url = stack
        .cloudwatch
        .clone()
        .unwrap_or_else(|| cloudwatch(&access.region));
    let mut found = Vec::new();
    let all: Vec<&String> = names.keys().collect();
    for some in all.chunks(ALARMS_AT_ONCE) {
        let types = ["MetricAlarm", "CompositeAlarm"];
        let body = json!({ "AlarmNames": some, "AlarmTypes": types, "MaxRecords": ALARMS_AT_ONCE });
        let call = SignedCall {
            url: &url,
            service: "monitoring",
            content_type: "application/x-amz-json-1.0",
            target: Some("GraniteServiceVersion20100801.DescribeAlarms"),
            body: &body,
        };
        let failed = |what: String| {
            CliError::new(format!(
                "the alarms could not be described (cloudwatch:DescribeAlarms): {what}"
            ))
        };
        let (status, answer) = call.send(access, now).await.map_err(failed)?;
        if status != 200 {
            return Err(failed(format!("HTTP status {status}: {answer}")));
        }
        let described: Described =
            serde_json::from_value(answer).map_err(|error| failed(error.to_string()))?;
        let described = described
            .metric_alarms
            .into_iter()
            .chain(described.composite_alarms);
        found.extend(described.map(|one| {
            StackAlarm {
                name: names
                    .get(&one.alarm_name)
                    .cloned()
                    .unwrap_or(one.alarm_name),
                state: one.state_value,
                reason: one.state_reason,
                is_notified: one.actions_enabled,
            }
        }));
    }
    Ok(found)
}

/// CloudWatch's address in a Region.
fn cloudwatch(region: &str) -> String {
    let suffix = match region.starts_with("cn-") {
        true => "amazonaws.com.cn",
        false => "amazonaws.com",
    };
    format!("https://monitoring.{region}.{suffix}/")
}

/// Refuses a write by a command that is newer than the deployed functions.
pub(crate) fn may_write(deployed: &str, own: &str) -> Result<(), CliError> {
    let numbers = |version: &str| -> Option<(u64, u64)> {
        let mut parts = version.split('.').map(str::parse);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    };
    match (numbers(deployed), numbers(own)) {
        (Some(functions), Some(own_version)) if functions < own_version => Err(CliError::new(format!(
            "this is gatekeeper {own}, and the deployed functions are {deployed}: they might not read \
             what it writes"
        ))
        .next(format!(
            "Deploy {own} first, or use gatekeeper {deployed}. Nothing was written."
        ))),
        _ => Ok(()),
    }
}

/// Without the feature, nothing is known of stacks.
#[cfg(not(feature = "deployment"))]
mod calls {
    use std::collections::BTreeMap;

    use gatekeeper_aws::clients::Clients;

    use super::Stack;
    use crate::deployment::Names;
    use crate::error::CliError;

    pub(crate) async fn outputs(_: &Clients, stack: &Stack) -> Result<Names, CliError> {
        std::future::ready(()).await;
        let what = format!(
            "this build looks up no stacks, so it does not know {}",
            stack.name
        );
        Err(CliError::usage(what).next(
            "Use a released binary, or build with: cargo build --release -p gatekeeper-cli \
             --features deployment",
        ))
    }

    pub(crate) async fn caller(_: &Clients, _: Option<String>) -> Option<String> {
        std::future::ready(()).await;
        None
    }

    pub(crate) async fn alarms_of(
        _: &Clients,
        _: &Stack,
    ) -> Result<BTreeMap<String, String>, CliError> {
        std::future::ready(()).await;
        Ok(BTreeMap::new())
    }
}

#[cfg(feature = "deployment")]
mod calls {
    use std::collections::BTreeMap;

    use aws_sdk_cloudformation::error::ProvideErrorMetadata as _;
    use gatekeeper_aws::clients::Clients;
    use gatekeeper_aws::error::chain;

    use super::Stack;
    use crate::deployment::{Names, Topics};
    use crate::error::CliError;

    /// The outputs of a stack of Gatekeeper's.
    pub(crate) async fn outputs(clients: &Clients, stack: &Stack) -> Result<Names, CliError> {
        let (client, stack) = (client(clients, stack), &stack.name);
        let described = client.describe_stacks().stack_name(stack).send().await;
        let described = described.map_err(|error| match error.code() {
            Some("ValidationError") => CliError::new(format!("there is no stack {stack} here"))
                .next(
                    "Check name, Region and account: aws cloudformation describe-stacks --query \
                     'Stacks[].StackName'",
                ),
            _ => CliError::new(format!(
                "the outputs of the stack {stack} could not be read (cloudformation:DescribeStacks): {}",
                chain(&error)
            ))
            .next(
                "Check the credentials with: aws sts get-caller-identity. Without this permission, \
                 name the tables: --allowlist-table and --requests-table",
            ),
        })?;
        let [one] = described.stacks() else {
            let count = described.stacks().len();
            return Err(CliError::new(format!("{count} stacks are called {stack}"))
                .next("Name the stack by its id."));
        };
        let outputs: BTreeMap<&str, &str> = one
            .outputs()
            .iter()
            .filter_map(|output| Some((output.output_key()?, output.output_value()?)))
            .collect();
        let output = |name: &str| outputs.get(name).map(|value| (*value).to_owned());
        if output("AllowlistTable").is_none() {
            return Err(CliError::new(format!(
                "the stack {stack} is not Gatekeeper's: it has no output AllowlistTable"
            ))
            .next("Name the stack that was deployed from Gatekeeper's template."));
        }
        Ok(Names {
            allowlist: output("AllowlistTable"),
            requests: output("RequestsTable"),
            approvals: output("ApprovalsUrl"),
            topics: Topics {
                notification: output("ConnectionNotificationTopicArn"),
                announcements: output("AnnouncementsTopicArn"),
                approvals: output("ApprovalsTopicArn"),
                alarms: output("AlarmsTopicArn"),
            },
            version: output("Version"),
        })
    }

    /// The names of the stack's alarms, each with its name in the template.
    pub(crate) async fn alarms_of(
        clients: &Clients,
        stack: &Stack,
    ) -> Result<BTreeMap<String, String>, CliError> {
        let listed = client(clients, stack)
            .list_stack_resources()
            .stack_name(&stack.name)
            .into_paginator()
            .items()
            .send()
            .try_collect()
            .await
            .map_err(|error| {
                CliError::new(format!(
                    "the alarms of the stack {} could not be listed (cloudformation:ListStackResources): {}",
                    stack.name,
                    chain(&error)
                ))
            })?;
        let alarms = listed
            .into_iter()
            .filter(|one| one.resource_type() == Some("AWS::CloudWatch::Alarm"));
        Ok(alarms
            .filter_map(|one| Some((one.physical_resource_id?, one.logical_resource_id?)))
            .collect())
    }

    fn client(clients: &Clients, stack: &Stack) -> aws_sdk_cloudformation::Client {
        let mut config = aws_sdk_cloudformation::config::Builder::from(clients.sdk_config());
        config.set_endpoint_url(stack.cloudformation.clone());
        aws_sdk_cloudformation::Client::from_conf(config.build())
    }

    /// The caller's ARN. It is for notes only, so an error is as good as no answer.
    pub(crate) async fn caller(clients: &Clients, endpoint: Option<String>) -> Option<String> {
        let mut config = aws_sdk_sts::config::Builder::from(clients.sdk_config());
        config.set_endpoint_url(endpoint);
        let client = aws_sdk_sts::Client::from_conf(config.build());
        client.get_caller_identity().send().await.ok()?.arn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_does_not_write_for_older_functions() {
        for (deployed, own, may) in [
            ("0.1.0", "0.1.0", true),
            ("0.1.0", "0.1.9", true),
            ("0.2.0", "0.1.0", true),
            ("1.0.0", "0.9.0", true),
            ("0.1.9", "0.2.0", false),
            ("0.9.0", "0.10.0", false),
            ("0.9.0", "1.0.0", false),
            // What cannot be understood stops nobody.
            ("unreleased", "0.1.0", true),
        ] {
            assert_eq!(may_write(deployed, own).is_ok(), may, "{deployed} {own}");
        }
    }
}
