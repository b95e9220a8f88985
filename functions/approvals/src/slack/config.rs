//! Whether there is Slack, and which.

use std::fmt::Display;
use std::str::FromStr;

use gatekeeper_aws::config::ConfigError;
use gatekeeper_slack_api::address::BaseUrl;
use gatekeeper_slack_api::ids::AppId;
use gatekeeper_slack_api::tenants::Tenants;

/// The workspaces that decide, and the app in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlackConfig {
    /// The secret with the signing secret and the bot token (`SLACK_SECRET_ARN`).
    pub secret_arn: String,
    /// The workspaces and organizations whose people decide (`SLACK_TEAM_ID`).
    pub tenants: Tenants,
    /// The app's id (`SLACK_APP_ID`).
    pub app: AppId,
    /// Slack's URL (`SLACK_URL`).
    pub url: BaseUrl,
}

impl SlackConfig {
    /// Reads the configuration. `None` if no secret is named, which means that Slack is off.
    ///
    /// # Errors
    /// [`ConfigError`] with the variable's name, when the function starts.
    pub fn from_lookup(
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, ConfigError> {
        let set = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let Some(secret_arn) = set("SLACK_SECRET_ARN") else {
            return Ok(None);
        };
        let required = |name| set(name).ok_or(ConfigError::Missing(name));
        Ok(Some(Self {
            secret_arn,
            tenants: parsed("SLACK_TEAM_ID", &required("SLACK_TEAM_ID")?)?,
            app: parsed("SLACK_APP_ID", &required("SLACK_APP_ID")?)?,
            url: match set("SLACK_URL") {
                Some(url) => parsed("SLACK_URL", &url)?,
                None => BaseUrl::default(),
            },
        }))
    }
}

fn parsed<T>(name: &'static str, text: &str) -> Result<T, ConfigError>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| ConfigError::Invalid {
        name,
        detail: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<Option<SlackConfig>, ConfigError> {
        SlackConfig::from_lookup(|name| {
            let pair = pairs.iter().rev().find(|(key, _)| *key == name);
            pair.map(|(_, value)| (*value).to_owned())
        })
    }

    const GOOD: [(&str, &str); 3] = [
        ("SLACK_SECRET_ARN", "slack"),
        ("SLACK_TEAM_ID", "T0123ABCD"),
        ("SLACK_APP_ID", "A0123ABCD"),
    ];

    #[test]
    fn slack_is_on_where_a_secret_is_named_and_then_it_is_whole() {
        assert_eq!(config(&[]), Ok(None));
        let off = [GOOD[1], GOOD[2], ("SLACK_SECRET_ARN", "")];
        assert_eq!(config(&off), Ok(None));
        let on = config(&GOOD).unwrap().unwrap();
        assert_eq!(on.url, BaseUrl::default());
        for missing in 1..GOOD.len() {
            let mut pairs = GOOD.to_vec();
            let (name, _) = pairs.remove(missing);
            let error = config(&pairs).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        for wrong in [
            ("SLACK_TEAM_ID", "example"),
            ("SLACK_TEAM_ID", "T0123ABCD,"),
            ("SLACK_APP_ID", "T0123ABCD"),
            ("SLACK_URL", "http://slack.com"),
        ] {
            let pairs = [&GOOD[..], &[wrong]].concat();
            let error = config(&pairs).unwrap_err().to_string();
            assert!(error.contains(wrong.0), "{error}");
        }
    }
}
