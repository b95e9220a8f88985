use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::clock::{Clock, system_clock};

/// The settings that a double keeps. `Debug` shows neither the token nor the secret.
#[derive(Clone)]
pub struct SlackConfig {
    pub clock: Clock,
    /// Where ids begin; `None` takes a random place, the same number gives the same ids.
    pub seed: Option<u64>,
    /// The workspace, `T…`.
    pub team_id: String,
    /// The app, `A…`.
    pub app_id: String,
    /// The token of the app's calls to the Web API, `xoxb-…`.
    pub bot_token: String,
    /// The secret that interactions are signed with.
    pub signing_secret: String,
}

/// The machine's clock, random ids, `T0LOCAL0001`, `A0LOCAL0001`, and a token and a secret that everybody knows.
impl Default for SlackConfig {
    fn default() -> Self {
        Self {
            clock: system_clock(),
            seed: None,
            team_id: "T0LOCAL0001".to_owned(),
            app_id: "A0LOCAL0001".to_owned(),
            bot_token: "xoxb-local".to_owned(),
            signing_secret: "00000000000000000000000000000000".to_owned(),
        }
    }
}

impl fmt::Debug for SlackConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlackConfig")
            .field("seed", &self.seed)
            .field("team_id", &self.team_id)
            .field("app_id", &self.app_id)
            .finish_non_exhaustive()
    }
}

/// Options that [`Slack::set_options`](crate::Slack::set_options) changes at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlackOptions {
    /// The scopes of the bot token. A method whose scope is missing answers `missing_scope`.
    pub scopes: BTreeSet<String>,
    /// The workspace does not let messages be edited (any more): `chat.update` answers `edit_window_closed`.
    pub edit_window_closed: bool,
    /// The `Retry-After` of an answer 429, in whole seconds.
    pub retry_after: Duration,
    /// Apply the documented limits: one message a second to a channel (with bursts of ten, which are not documented),
    /// 50 calls a minute of methods of Tier 3, 100 of Tier 4.
    pub throttling: bool,
    /// Slack's clock is behind by this much. Its messages and signatures carry the earlier time.
    pub clock_behind: Duration,
    /// The most messages at once, even if `limit` asks for more.
    pub page_size: usize,
}

/// The scopes that posting, updating and reading channels need; one second, no throttling, the right time, 999.
impl Default for SlackOptions {
    fn default() -> Self {
        let scopes = ["chat:write", "channels:history", "groups:history"];
        Self {
            scopes: scopes.map(str::to_owned).into(),
            edit_window_closed: false,
            retry_after: Duration::from_secs(1),
            throttling: false,
            clock_behind: Duration::ZERO,
            page_size: 999,
        }
    }
}

/// A channel to be put into the world. Without further settings it is public, and the app is a member.
#[derive(Debug, Clone)]
#[must_use]
pub struct NewChannel {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) private: bool,
    pub(crate) member: bool,
    pub(crate) archived: bool,
}

impl NewChannel {
    /// With this id, `C…`, and this name, without `#`.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            private: false,
            member: true,
            archived: false,
        }
    }

    /// A private channel. An app that is no member does not learn that it exists.
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    pub fn without_app(mut self) -> Self {
        self.member = false;
        self
    }

    pub fn archived(mut self) -> Self {
        self.archived = true;
        self
    }
}
