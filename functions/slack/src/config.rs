//! What the function needs to know, from environment variables through a look-up that the caller passes.

use std::fmt::Display;
use std::str::FromStr;

use gatekeeper_aws::config::ConfigError;
use gatekeeper_core::approver::SlackChannelId;
use gatekeeper_slack_api::address::BaseUrl;
use gatekeeper_slack_api::ids::AppId;

/// What the function needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The allowlist table's name (`ALLOWLIST_TABLE`), for services' settings.
    pub allowlist_table: String,
    /// The requests table's name (`REQUESTS_TABLE`).
    pub requests_table: String,
    /// The secret with the bot token (`SLACK_SECRET_ARN`).
    pub secret_arn: String,
    /// Our app (`SLACK_APP_ID`), to tell our messages from other apps'; without it they are told by
    /// their marks alone.
    pub app: Option<AppId>,
    /// The channel of services that name none (`SLACK_CHANNEL`); without it, those are not shown.
    pub channel: Option<SlackChannelId>,
    /// Where Slack is (`SLACK_URL`).
    pub url: BaseUrl,
}

impl Config {
    /// Reads the configuration.
    ///
    /// # Errors
    /// [`ConfigError`] with the variable's name, at once and not at the first event.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let required = |name: &'static str| set(name).ok_or(ConfigError::Missing(name));
        Ok(Self {
            allowlist_table: required("ALLOWLIST_TABLE")?,
            requests_table: required("REQUESTS_TABLE")?,
            secret_arn: required("SLACK_SECRET_ARN")?,
            app: parsed("SLACK_APP_ID", set("SLACK_APP_ID"))?,
            channel: parsed("SLACK_CHANNEL", set("SLACK_CHANNEL"))?,
            url: parsed("SLACK_URL", set("SLACK_URL"))?.unwrap_or_default(),
        })
    }
}

fn parsed<T>(name: &'static str, value: Option<String>) -> Result<Option<T>, ConfigError>
where
    T: FromStr,
    T::Err: Display,
{
    let Some(text) = value else { return Ok(None) };
    let read = text.parse().map(Some);
    read.map_err(|error: T::Err| ConfigError::Invalid {
        name,
        detail: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_lookup(|name| {
            let pair = pairs.iter().rev().find(|(key, _)| *key == name);
            pair.map(|(_, value)| (*value).to_owned())
        })
    }

    const GOOD: [(&str, &str); 3] = [
        ("ALLOWLIST_TABLE", "allowlist"),
        ("REQUESTS_TABLE", "requests"),
        ("SLACK_SECRET_ARN", "slack"),
    ];

    #[test]
    fn what_may_be_left_out_may_be_empty() {
        let config = config(&[&GOOD[..], &[("SLACK_CHANNEL", ""), ("SLACK_URL", "")]].concat());
        let config = config.unwrap();
        assert_eq!((config.channel, config.app), (None, None));
        assert_eq!(config.url.to_string(), "https://slack.com");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (index, (name, _)) in GOOD.iter().enumerate() {
            let mut pairs = GOOD.to_vec();
            pairs.remove(index);
            let error = config(&pairs).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        for wrong in [
            ("SLACK_CHANNEL", "#approvals"),
            ("SLACK_APP_ID", "gatekeeper"),
            ("SLACK_URL", "http://slack.com"),
        ] {
            let error = config(&[&GOOD[..], &[wrong]].concat()).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(wrong.0), "{error}");
        }
    }
}
