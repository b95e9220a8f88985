//! Configuration: one struct, read from environment variables through a look-up that the caller
//! passes. So nothing else reads the environment, and tests need not change it.

use std::time::Duration;

use gatekeeper_core::ids::{Region, ServiceId};
use jiff::SignedDuration;

/// The configuration of the functions.
#[derive(Debug, Clone)]
pub struct Config {
    /// The allowlist table's name (`ALLOWLIST_TABLE`).
    pub allowlist_table: String,
    /// The requests table's name (`REQUESTS_TABLE`).
    pub requests_table: String,
    /// Whether approvers can be notified by e-mail (`APPROVAL_EMAILS`: `on` or `off`); otherwise
    /// they are notified in Slack only.
    pub asks_by_email: bool,
    /// The services whose connections are decided (`MANAGED_SERVICES`).
    pub managed: Managed,
    /// The topic that services' connection notifications should go to
    /// (`CONNECTION_NOTIFICATION_TOPIC_ARN`). With `None`, any topic is accepted.
    pub notification_topic: Option<String>,
    /// The EventBridge rule for AWS CloudTrail's events (`CLOUDTRAIL_RULE_NAME`). With `None`, it
    /// is not checked.
    pub cloud_trail_rule: Option<String>,
    /// Whether accounts are looked up in AWS Organizations (`ORGANIZATIONS`: `on` or `off`).
    pub organizations: bool,
    /// The functions' own roles (`OWN_ROLE_ARNS`), which distinguish our calls from other people's.
    pub own_role_arns: Vec<String>,
    /// The Region of the functions and the services (`AWS_REGION`).
    pub region: Region,
    /// Sizes and times.
    pub limits: Limits,
}

/// How approvers are notified by e-mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvals {
    /// The topic that they alone subscribe to, each with a filter policy (`APPROVALS_TOPIC_ARN`).
    pub topic: String,
    /// The URL of the function `approvals` (`APPROVALS_URL`), without a slash at its end.
    pub url: String,
}

/// Which endpoint services are managed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Managed {
    /// The services with the tag `privatelink-gatekeeper=managed`.
    Tagged,
    /// These services.
    Listed(Vec<ServiceId>),
}

/// The tag that opts a service in.
pub const MANAGED_TAG: (&str, &str) = ("privatelink-gatekeeper", "managed");

/// Sizes and times, with defaults for production.
#[derive(Debug, Clone)]
pub struct Limits {
    /// How long a handler has a request to itself between decision and outcome. Longer than a call
    /// to EC2 takes, shorter than the queue's visibility time-out.
    pub claim: SignedDuration,
    /// For how long after our own change EC2's descriptions may lag behind it.
    pub lag: SignedDuration,
    /// Endpoint ids in one Accept or Reject call (`ENFORCE_BATCH`), until EC2 takes fewer. AWS documents no
    /// maximum.
    pub enforce_batch: usize,
    /// For how long we remember how many endpoint ids EC2 took.
    pub batch_fresh: SignedDuration,
    /// Connections in one page of a description; EC2 takes 5 to 1000.
    pub page: i32,
    /// Connections that are settled together: decided, then enforced, then announced.
    pub slice: usize,
    /// How often an endpoint that EC2 does not list yet is looked for again.
    pub look_again: u32,
    /// The pause before looking again.
    pub look_again_after: Duration,
    /// Longer than one try of a call to EC2 can take
    /// ([`Timeouts::attempt`](crate::clients::Timeouts)). A call is not begun if it could outlast
    /// the invocation, or a claim that it needs.
    pub call: Duration,
    /// The time that an invocation keeps back to answer in good order.
    pub margin: Duration,
    /// The first pause before a failed Accept or Reject is tried again; the pauses double.
    pub retry_pause: Duration,
    /// How many transitions are written at the same time.
    pub concurrency: usize,
    /// For how long the list of managed services is valid.
    pub services_fresh: SignedDuration,
    /// For how long an account's place in AWS Organizations is valid.
    pub places_fresh: SignedDuration,
    /// For how long a failed look-up is not tried again.
    pub places_failed: SignedDuration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            claim: SignedDuration::from_secs(120),
            lag: SignedDuration::from_secs(60),
            enforce_batch: 50,
            batch_fresh: SignedDuration::from_hours(1),
            page: 1000,
            slice: 200,
            look_again: 2,
            look_again_after: Duration::from_millis(1500),
            call: Duration::from_secs(7),
            margin: Duration::from_secs(5),
            retry_pause: Duration::from_millis(500),
            concurrency: 8,
            services_fresh: SignedDuration::from_secs(60),
            places_fresh: SignedDuration::from_secs(300),
            places_failed: SignedDuration::from_secs(15),
        }
    }
}

/// A variable that is missing or invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// Its value is invalid.
    #[error("the environment variable {name} is wrong: {detail}")]
    Invalid {
        /// The variable's name.
        name: &'static str,
        /// What is wrong with it.
        detail: String,
    },
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// [`ConfigError`] with the variable's name, at the start and not at the first event.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let required = |name: &'static str| {
            lookup(name)
                .filter(|value| !value.is_empty())
                .ok_or(ConfigError::Missing(name))
        };
        let mut limits = Limits::default();
        if let Some(text) = lookup("ENFORCE_BATCH") {
            limits.enforce_batch = text
                .parse()
                .ok()
                .filter(|n| (1..=1000).contains(n))
                .ok_or_else(|| ConfigError::Invalid {
                    name: "ENFORCE_BATCH",
                    detail: format!("{text:?} is not a number from 1 to 1000"),
                })?;
        }
        Ok(Self {
            allowlist_table: required("ALLOWLIST_TABLE")?,
            requests_table: required("REQUESTS_TABLE")?,
            asks_by_email: switch(&lookup, "APPROVAL_EMAILS")?,
            managed: managed(&required("MANAGED_SERVICES")?)?,
            notification_topic: lookup("CONNECTION_NOTIFICATION_TOPIC_ARN")
                .filter(|topic| !topic.is_empty()),
            cloud_trail_rule: lookup("CLOUDTRAIL_RULE_NAME").filter(|rule| !rule.is_empty()),
            organizations: switch(&lookup, "ORGANIZATIONS")?,
            own_role_arns: words(&required("OWN_ROLE_ARNS")?),
            region: required("AWS_REGION")?
                .parse()
                .map_err(|error| invalid("AWS_REGION", error))?,
            limits,
        })
    }
}

fn switch(
    lookup: &impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<bool, ConfigError> {
    match lookup(name).as_deref() {
        None | Some("" | "off") => Ok(false),
        Some("on") => Ok(true),
        Some(text) => Err(ConfigError::Invalid {
            name,
            detail: format!("{text:?} is neither \"on\" nor \"off\""),
        }),
    }
}

/// How approvers are notified by e-mail; `None` if they are not.
pub(crate) fn approvals(
    lookup: &impl Fn(&str) -> Option<String>,
) -> Result<Option<Approvals>, ConfigError> {
    let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
    let (topic, url) = match (set("APPROVALS_TOPIC_ARN"), set("APPROVALS_URL")) {
        (None, None) => return Ok(None),
        (Some(topic), Some(url)) => (topic, url),
        (None, Some(_)) => return Err(ConfigError::Missing("APPROVALS_TOPIC_ARN")),
        (Some(_), None) => return Err(ConfigError::Missing("APPROVALS_URL")),
    };
    if !url.starts_with("https://") && !url.starts_with("http://127.0.0.1") {
        return Err(ConfigError::Invalid {
            name: "APPROVALS_URL",
            detail: format!(
                "{url:?} does not begin with https://, and links must not be read on the way"
            ),
        });
    }
    let url = url.trim_end_matches('/').to_owned();
    Ok(Some(Approvals { topic, url }))
}

fn managed(text: &str) -> Result<Managed, ConfigError> {
    if text == "tagged" {
        return Ok(Managed::Tagged);
    }
    words(text)
        .iter()
        .map(|id| id.parse())
        .collect::<Result<_, _>>()
        .map(Managed::Listed)
        .map_err(|error| ConfigError::Invalid {
            name: "MANAGED_SERVICES",
            detail: format!("{error}; write \"tagged\", or service ids with commas between them"),
        })
}

fn words(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn invalid(name: &'static str, error: impl std::fmt::Display) -> ConfigError {
    ConfigError::Invalid {
        name,
        detail: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    const GOOD: [(&str, &str); 5] = [
        ("ALLOWLIST_TABLE", "allowlist"),
        ("REQUESTS_TABLE", "requests"),
        (
            "MANAGED_SERVICES",
            "vpce-svc-0a1b2c3d4e5f60718, vpce-svc-0ffffffffffffffff",
        ),
        (
            "OWN_ROLE_ARNS",
            "arn:aws:iam::111122223333:role/connections",
        ),
        ("AWS_REGION", "eu-central-1"),
    ];

    #[test]
    fn it_is_read_whole() {
        let config = Config::from_lookup(lookup(&GOOD)).unwrap();
        let Managed::Listed(services) = config.managed else {
            panic!("listed")
        };
        assert_eq!(services.len(), 2);
    }

    #[test]
    fn a_missing_or_wrong_variable_is_named() {
        for (index, (name, _)) in GOOD.iter().enumerate() {
            let mut pairs = GOOD.to_vec();
            pairs.remove(index);
            let error = Config::from_lookup(lookup(&pairs)).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        let mut pairs = GOOD.to_vec();
        pairs.push(("ORGANIZATIONS", "yes"));
        let error = Config::from_lookup(lookup(&pairs)).unwrap_err().to_string();
        assert!(
            error.contains("ORGANIZATIONS") && error.contains("\"yes\""),
            "{error}"
        );
        pairs.truncate(5);
        pairs[2].1 = "all";
        let error = Config::from_lookup(lookup(&pairs)).unwrap_err().to_string();
        assert!(
            error.contains("MANAGED_SERVICES") && error.contains("\"all\""),
            "{error}"
        );
    }
}
