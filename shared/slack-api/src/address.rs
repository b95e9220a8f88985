//! Where Slack is, and the addresses that it gives us to answer at.

use std::fmt;
use std::str::FromStr;

/// Where Slack is, `https://slack.com`: its Web API's methods are below `/api/` there.
///
/// `https`, or `http` on the machine's own loopback: the bot token goes there with every call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    /// Scheme, host and port.
    origin: String,
    /// With its leading slash, without a trailing one.
    path: String,
}

/// Why an address is not one that we may talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAddress {
    /// Not `https`, and not on this machine.
    #[error(
        "Slack's address must begin with https://, or with http:// on 127.0.0.1, [::1] or localhost"
    )]
    Scheme,
    /// Something in it is not what an address of Slack's has.
    #[error(
        "Slack's address must be a host, perhaps a port, and a path of letters, digits and -._~/"
    )]
    Form,
    /// An address to answer at that is not Slack's.
    #[error("the response_url is not on Slack's host")]
    Elsewhere,
}

impl Default for BaseUrl {
    fn default() -> Self {
        Self {
            origin: "https://slack.com".to_owned(),
            path: String::new(),
        }
    }
}

impl FromStr for BaseUrl {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidAddress::Scheme)?;
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, format!("/{path}")),
            None => (rest, String::new()),
        };
        let host = host(authority).ok_or(InvalidAddress::Form)?;
        let loopback = matches!(host, "127.0.0.1" | "[::1]" | "localhost");
        if scheme != "https" && !(scheme == "http" && loopback) {
            return Err(InvalidAddress::Scheme);
        }
        if !is_path(&path) {
            return Err(InvalidAddress::Form);
        }
        Ok(Self {
            origin: format!("{scheme}://{authority}"),
            path: path.trim_end_matches('/').to_owned(),
        })
    }
}

impl BaseUrl {
    /// The address of a method.
    pub(crate) fn method(&self, name: &str) -> String {
        format!("{}{}/api/{name}", self.origin, self.path)
    }

    /// Where Slack lets apps answer: `hooks.slack.com` beside `slack.com`.
    fn hooks(&self) -> Option<String> {
        let host = self.origin.strip_prefix("https://")?;
        Some(format!("https://hooks.{host}"))
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

/// Where one interaction may be answered, up to five times within 30 minutes. Anybody who knows it may
/// post there, so it does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseUrl(String);

impl ResponseUrl {
    /// Takes an address that came with an interaction.
    ///
    /// # Errors
    /// [`InvalidAddress`] if it is neither on Slack's host for answers nor on the host of `base`.
    pub fn parse(text: &str, base: &BaseUrl) -> Result<Self, InvalidAddress> {
        // What follows the origin begins with a slash, so the origin ends where it seems to: no
        // user info, no longer host, no other port.
        let after = |origin: &str| {
            text.strip_prefix(origin)
                .filter(|path| path.starts_with('/'))
        };
        let path = after(&base.origin).or_else(|| base.hooks().and_then(|hooks| after(&hooks)));
        match path {
            Some(path) if is_path(path) => Ok(Self(text.to_owned())),
            Some(_) => Err(InvalidAddress::Form),
            None => Err(InvalidAddress::Elsewhere),
        }
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ResponseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseUrl(…)")
    }
}

/// The host of an authority without user info.
fn host(authority: &str) -> Option<&str> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
    let is_name = !host.is_empty() && host.bytes().all(name);
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
    ((is_name || host == "[::1]") && is_port).then_some(host)
}

fn is_path(path: &str) -> bool {
    path.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'-' | b'.' | b'_' | b'~' | b'%'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_goes_to_slack_or_stays_on_this_machine() {
        assert_eq!("https://slack.com".parse(), Ok(BaseUrl::default()));
        for (given, method) in [
            ("https://slack.com/", "https://slack.com/api/views.open"),
            (
                "https://slack-gov.com",
                "https://slack-gov.com/api/views.open",
            ),
            (
                "http://127.0.0.1:8700/slack",
                "http://127.0.0.1:8700/slack/api/views.open",
            ),
            ("http://[::1]:8700", "http://[::1]:8700/api/views.open"),
        ] {
            let base: BaseUrl = given.parse().unwrap();
            assert_eq!(base.method("views.open"), method);
        }
        for (bad, expected) in [
            ("", InvalidAddress::Scheme),
            ("slack.com", InvalidAddress::Scheme),
            ("http://slack.com", InvalidAddress::Scheme),
            ("http://127.0.0.1.example.com", InvalidAddress::Scheme),
            ("ftp://slack.com", InvalidAddress::Scheme),
            ("https://alice@slack.com", InvalidAddress::Form),
            ("https://slack.com:x", InvalidAddress::Form),
            ("https:///", InvalidAddress::Form),
            ("https://slack.com/?x=1", InvalidAddress::Form),
        ] {
            assert_eq!(bad.parse::<BaseUrl>(), Err(expected), "{bad:?}");
        }
    }

    #[test]
    fn answers_go_to_slack_only() {
        let slack = BaseUrl::default();
        let own: BaseUrl = "http://127.0.0.1:8700/slack".parse().unwrap();
        let real = "https://hooks.slack.com/actions/T0/1/x_Y-z";
        assert!(ResponseUrl::parse(real, &slack).is_ok());
        assert!(ResponseUrl::parse("http://127.0.0.1:8700/slack/actions/1", &own).is_ok());
        for bad in [
            "http://hooks.slack.com/actions/T0/1/x",
            "https://hooks.slack.com.example.com/actions",
            "https://hooks.slack.com:444/actions",
            "https://hooks.slack.com@example.com/",
            "https://hooks.slack.com",
            "https://example.com/https://hooks.slack.com/",
            "https://hooks.slack.com/\\@example.com",
            "https://hooks.slack.com/a b",
            "https://hooks.slack.com/a\r\nHost: example.com",
            "http://127.0.0.1:8700/slack/actions/1",
            "",
        ] {
            assert!(ResponseUrl::parse(bad, &slack).is_err(), "{bad:?}");
        }
        assert!(ResponseUrl::parse("http://127.0.0.1:87001/x", &own).is_err());
        let shown = format!("{:?}", ResponseUrl::parse(real, &slack));
        assert_eq!(shown, "Ok(ResponseUrl(…))");
    }
}
