//! One set of SDK clients from one configuration, over one HTTP client.
//!
//! It is not built by `aws-config`'s loader: on Lambda, Region and credentials are always in the
//! environment, and the loader's chain costs milliseconds on every cold start (docs/adr/0002).

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::config::retry::RetryPartition;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::config::ConfigError;

/// The SDK clients of the gatekeeper.
#[derive(Debug, Clone)]
pub struct Clients {
    pub(crate) ec2: aws_sdk_ec2::Client,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) sns: aws_sdk_sns::Client,
    pub(crate) organizations: aws_sdk_organizations::Client,
    pub(crate) eventbridge: aws_sdk_eventbridge::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    shared: SdkConfig,
    http_client: SharedHttpClient,
}

/// The Region, credentials and addresses for AWS.
#[derive(Clone)]
pub struct Access {
    pub region: String,
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<String>,
    /// Addresses other than AWS's own (`AWS_ENDPOINT_URL_…`).
    pub endpoints: Endpoints,
    pub timeouts: Timeouts,
}

/// Addresses other than AWS's own, for VPC endpoints and the local world.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    /// `AWS_ENDPOINT_URL_EC2`.
    pub ec2: Option<String>,
    /// `AWS_ENDPOINT_URL_DYNAMODB`.
    pub dynamodb: Option<String>,
    /// `AWS_ENDPOINT_URL_SNS`.
    pub sns: Option<String>,
    /// `AWS_ENDPOINT_URL_ORGANIZATIONS`.
    pub organizations: Option<String>,
    /// `AWS_ENDPOINT_URL_EVENTBRIDGE`.
    pub eventbridge: Option<String>,
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER`.
    pub secrets: Option<String>,
}

/// Time-outs and retries of every call. The total time of one call is well below the shortest
/// function time-out, so that the function can still answer when a call fails.
#[derive(Debug, Clone)]
pub struct Timeouts {
    /// To open a connection.
    pub connect: Duration,
    /// For one attempt; EC2 needs seconds for a page of 1000 connections.
    pub attempt: Duration,
    /// For all attempts of a call together.
    pub operation: Duration,
    /// How often a call is tried.
    pub attempts: u32,
    /// The first pause is drawn from this; the pauses double.
    pub backoff: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            attempt: Duration::from_secs(6),
            operation: Duration::from_secs(20),
            attempts: 4,
            backoff: Duration::from_millis(500),
        }
    }
}

impl std::fmt::Debug for Access {
    /// Leaves out the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("region", &self.region)
            .field("access_key_id", &self.access_key_id)
            .field("endpoints", &self.endpoints)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

impl Access {
    /// Reads the environment variables that Lambda sets, and AWS's usual ones for other addresses.
    ///
    /// # Errors
    /// [`ConfigError`] with the variable's name.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let required = |name: &'static str| lookup(name).ok_or(ConfigError::Missing(name));
        let endpoint = |name: &str| lookup(name).or_else(|| lookup("AWS_ENDPOINT_URL"));
        Ok(Self {
            region: required("AWS_REGION")?,
            access_key_id: required("AWS_ACCESS_KEY_ID")?,
            secret_access_key: required("AWS_SECRET_ACCESS_KEY")?,
            session_token: lookup("AWS_SESSION_TOKEN"),
            endpoints: Endpoints {
                ec2: endpoint("AWS_ENDPOINT_URL_EC2"),
                dynamodb: endpoint("AWS_ENDPOINT_URL_DYNAMODB"),
                sns: endpoint("AWS_ENDPOINT_URL_SNS"),
                organizations: endpoint("AWS_ENDPOINT_URL_ORGANIZATIONS"),
                eventbridge: endpoint("AWS_ENDPOINT_URL_EVENTBRIDGE"),
                secrets: endpoint("AWS_ENDPOINT_URL_SECRETS_MANAGER"),
            },
            timeouts: Timeouts::default(),
        })
    }
}

impl Clients {
    /// The DynamoDB client, for code that prepares tables.
    #[must_use]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        self.dynamodb.clone()
    }

    /// The HTTP client that all clients share, for other calls.
    #[must_use]
    pub fn http_client(&self) -> SharedHttpClient {
        self.http_client.clone()
    }

    /// The configuration that all clients share, but for their addresses, to make others from.
    #[must_use]
    pub fn sdk_config(&self) -> &SdkConfig {
        &self.shared
    }

    /// Makes the clients. Opens no connection.
    #[must_use]
    pub fn new(access: &Access) -> Self {
        let timeouts = &access.timeouts;
        let http_client = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(
                tls::rustls_provider::CryptoMode::AwsLc,
            ))
            .build_https();
        let time_outs = TimeoutConfig::builder()
            .connect_timeout(timeouts.connect)
            .operation_attempt_timeout(timeouts.attempt)
            .operation_timeout(timeouts.operation)
            .build();
        let sleep = SharedAsyncSleep::new(TokioSleep::new());
        Self::build(access, http_client, sleep, time_outs, None)
    }

    /// Makes the clients over another HTTP client; before a retry they pause by `sleep`. They
    /// depend on nothing else: they have no time-outs, since `sleep` need not follow the time of
    /// day, and they have a retry quota of their own, while other clients share the process's.
    #[must_use]
    pub fn over(access: &Access, http_client: SharedHttpClient, sleep: SharedAsyncSleep) -> Self {
        let quota = RetryPartition::custom("own").build();
        let time_outs = TimeoutConfig::disabled();
        Self::build(access, http_client, sleep, time_outs, Some(quota))
    }

    fn build(
        access: &Access,
        http_client: SharedHttpClient,
        sleep: SharedAsyncSleep,
        time_outs: TimeoutConfig,
        quota: Option<RetryPartition>,
    ) -> Self {
        let credentials = Credentials::new(
            &access.access_key_id,
            &access.secret_access_key,
            access.session_token.clone(),
            None,
            "environment",
        );
        let shared = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(access.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client.clone())
            .sleep_impl(sleep)
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(time_outs)
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(access.timeouts.attempts)
                    .with_initial_backoff(access.timeouts.backoff),
            )
            .build();

        let mut ec2 = aws_sdk_ec2::config::Builder::from(&shared);
        let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(&shared);
        let mut sns = aws_sdk_sns::config::Builder::from(&shared);
        let mut organizations = aws_sdk_organizations::config::Builder::from(&shared);
        let mut secrets = aws_sdk_secretsmanager::config::Builder::from(&shared);
        let mut eventbridge = aws_sdk_eventbridge::config::Builder::from(&shared);
        ec2.set_endpoint_url(access.endpoints.ec2.clone());
        dynamodb.set_endpoint_url(access.endpoints.dynamodb.clone());
        sns.set_endpoint_url(access.endpoints.sns.clone());
        organizations.set_endpoint_url(access.endpoints.organizations.clone());
        eventbridge.set_endpoint_url(access.endpoints.eventbridge.clone());
        secrets.set_endpoint_url(access.endpoints.secrets.clone());
        ec2.set_retry_partition(quota.clone());
        dynamodb.set_retry_partition(quota.clone());
        sns.set_retry_partition(quota.clone());
        organizations.set_retry_partition(quota.clone());
        eventbridge.set_retry_partition(quota.clone());
        secrets.set_retry_partition(quota);
        Self {
            ec2: aws_sdk_ec2::Client::from_conf(ec2.build()),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
            sns: aws_sdk_sns::Client::from_conf(sns.build()),
            organizations: aws_sdk_organizations::Client::from_conf(organizations.build()),
            eventbridge: aws_sdk_eventbridge::Client::from_conf(eventbridge.build()),
            secrets: aws_sdk_secretsmanager::Client::from_conf(secrets.build()),
            shared,
            http_client,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_secrets() {
        let access = Access::from_lookup(|name| match name {
            "AWS_REGION" => Some("eu-central-1".to_owned()),
            "AWS_ACCESS_KEY_ID" => Some("AKIDEXAMPLE".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("the-secret-key".to_owned()),
            "AWS_SESSION_TOKEN" => Some("the-session-token".to_owned()),
            _ => None,
        })
        .unwrap();
        for shown in [
            format!("{access:?}"),
            format!("{:?}", Clients::new(&access)),
        ] {
            assert!(!shown.contains("the-secret-key"), "{shown}");
            assert!(!shown.contains("the-session-token"), "{shown}");
        }
    }
}
