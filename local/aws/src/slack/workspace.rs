use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;

use super::args::Args;
use super::config::SlackConfig;
use super::store::{ResponseUrl, Store};
use crate::caller::Caller;
use crate::control::lock;
use crate::ids::Ids;
use crate::simulator::Simulator;

/// A double of Slack: one workspace with one app.
///
/// The app reaches it over HTTP through [`Slack::router`]. Tests play people in process, through [`Slack::press`] and the
/// like. In faults and in the log of calls, an action is a method (`chat.postMessage`) or `response_url`. No log and no
/// `Debug` holds the token or the signing secret.
///
/// ```
/// use local_aws::{NewChannel, Slack, SlackConfig};
///
/// let slack = Slack::new(SlackConfig::default());
/// slack.put_channel(NewChannel::new("C0123456789", "connection-reviews"));
/// slack.put_user("U0ALICE", "alice");
/// let ts = slack.post_as("U0ALICE", "C0123456789", "Good morning");
/// assert_eq!(slack.messages("C0123456789")[0].ts, ts);
/// ```
pub type Slack = Simulator<SlackState>;

/// One workspace. Its id is the account of the double, the app's id the access key.
pub struct SlackState {
    /// Slack's deprecated proof that a request is its own. Apps should not use it.
    pub(crate) verification_token: String,
    store: Mutex<Store>,
}

impl Slack {
    /// A workspace without channels and users.
    pub fn new(config: SlackConfig) -> Self {
        let ids = Ids::new(config.seed);
        let state = SlackState {
            verification_token: ids.hex(24),
            store: Mutex::new(Store::new(config.bot_token, config.signing_secret)),
        };
        let home = Caller {
            account: config.team_id,
            region: String::new(),
            access_key: config.app_id,
            arn: String::new(),
        };
        Self::with_state(home, config.clock, ids, state)
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.data().store)
    }

    pub(crate) fn team_id(&self) -> &str {
        &self.home().account
    }

    pub(crate) fn app_id(&self) -> &str {
        &self.home().access_key
    }

    /// The app's part of an id, as its bot's id and user id have it here.
    fn bot(&self, prefix: &str) -> String {
        let app = self.app_id().strip_prefix('A');
        format!("{prefix}{}", app.unwrap_or(self.app_id()))
    }

    pub(crate) fn bot_id(&self) -> String {
        self.bot("B")
    }

    pub(crate) fn bot_user(&self) -> String {
        self.bot("U")
    }

    pub(crate) fn made_view_id(&self) -> String {
        format!("V{}", self.ids().hex(10).to_uppercase())
    }

    pub(crate) fn made_hash(&self) -> String {
        format!("{}.{}", self.now().as_second(), self.ids().hex(8))
    }

    pub(crate) fn made_trigger_id(&self, now: Timestamp) -> String {
        let hex = self.ids().hex(32);
        format!("{}.{}.{hex}", now.as_millisecond(), now.as_second())
    }

    /// Keeps what a `response_url` is for, and answers the URL.
    pub(crate) fn made_response_url(&self, store: &mut Store, url: ResponseUrl) -> String {
        let path = format!("{}/{}", self.team_id(), self.ids().hex(24));
        let made = format!("{}/actions/{path}", store.base_url);
        store.response_urls.insert(path, url);
        made
    }
}

/// A call with what every method needs.
pub(crate) struct Request<'a> {
    pub(crate) slack: &'a Slack,
    pub(crate) method: &'a str,
    pub(crate) args: &'a Args,
    pub(crate) now: Timestamp,
}
