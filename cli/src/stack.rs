//! What a stack says about a deployment, and who calls.

use crate::error::CliError;

pub(crate) use calls::{caller, outputs};

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
    use gatekeeper_aws::clients::Clients;

    use crate::deployment::Names;
    use crate::error::CliError;

    pub(crate) async fn outputs(
        _: &Clients,
        _: Option<String>,
        stack: &str,
    ) -> Result<Names, CliError> {
        std::future::ready(()).await;
        let what = format!("this build looks up no stacks, so it does not know {stack}");
        Err(CliError::usage(what).next(
            "Use a released binary, or build with: cargo build --release -p gatekeeper-cli \
             --features deployment",
        ))
    }

    pub(crate) async fn caller(_: &Clients, _: Option<String>) -> Option<String> {
        std::future::ready(()).await;
        None
    }
}

#[cfg(feature = "deployment")]
mod calls {
    use std::collections::BTreeMap;

    use aws_sdk_cloudformation::error::{DisplayErrorContext, ProvideErrorMetadata as _};
    use gatekeeper_aws::clients::Clients;

    use crate::deployment::{Names, Topics};
    use crate::error::CliError;

    /// The outputs of a stack of Gatekeeper's.
    pub(crate) async fn outputs(
        clients: &Clients,
        endpoint: Option<String>,
        stack: &str,
    ) -> Result<Names, CliError> {
        let mut config = aws_sdk_cloudformation::config::Builder::from(clients.sdk_config());
        config.set_endpoint_url(endpoint);
        let client = aws_sdk_cloudformation::Client::from_conf(config.build());
        let described = client.describe_stacks().stack_name(stack).send().await;
        let described = described.map_err(|error| match error.code() {
            Some("ValidationError") => CliError::new(format!("there is no stack {stack} here"))
                .next(
                    "Check name, Region and account: aws cloudformation describe-stacks --query \
                     'Stacks[].StackName'",
                ),
            _ => CliError::new(format!(
                "the outputs of the stack {stack} could not be read (cloudformation:DescribeStacks): {}",
                DisplayErrorContext(&error)
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
