//! A double of Slack that checks what Slack checks: the Web API's methods that an app posts, changes and reads messages
//! and opens modals with; what people see of it; and what Slack posts to the app when they press a button or submit a
//! modal, signed as Slack signs it.

mod answer;
mod api;
mod args;
mod blocks;
mod chat;
mod config;
mod errors;
mod history;
mod interaction;
mod message;
mod mrkdwn;
mod people;
mod response_url;
mod signature;
mod store;
mod views;

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use serde_json::Value;

pub use config::{NewChannel, SlackConfig, SlackOptions};
pub use interaction::Interaction;
pub use message::{
    LinkKind, SlackAuthor, SlackContent, SlackEphemeral, SlackLink, SlackMarkup, SlackMessage,
    SlackPlace, SlackShownError, SlackView,
};
pub use people::CannotDo;
pub use signature::slack_signature;

use crate::clock::Clock;
use crate::control::{Control, lock};
use crate::ids::Ids;
use args::Args;
use store::{ResponseUrl, Store};

/// A double of Slack: one workspace with one app. Clones are the same double.
///
/// The app reaches it over HTTP through [`Slack::router`]; people are played in process, through [`Slack::press`] and
/// the like. Faults, the log of calls and so on are those of [`Control`], to which it dereferences; an action is a
/// method (`chat.postMessage`), or `response_url`. No log and no `Debug` holds the token or the signing secret.
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
#[derive(Clone)]
pub struct Slack(Arc<Inner>);

struct Inner {
    clock: Clock,
    ids: Ids,
    team_id: String,
    app_id: String,
    /// The old way to tell that a request is Slack's; nobody should look at it.
    verification_token: String,
    control: Control,
    store: Mutex<Store>,
}

impl Slack {
    /// Without channels and users.
    pub fn new(config: SlackConfig) -> Self {
        let ids = Ids::new(config.seed);
        Self(Arc::new(Inner {
            clock: config.clock,
            team_id: config.team_id,
            app_id: config.app_id,
            verification_token: ids.hex(24),
            ids,
            control: Control::new(),
            store: Mutex::new(Store::new(config.bot_token, config.signing_secret)),
        }))
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.0.store)
    }

    fn ids(&self) -> &Ids {
        &self.0.ids
    }

    fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    /// The app's part of an id, as its bot's id and user id have it here.
    fn bot(&self, prefix: &str) -> String {
        let app = self.0.app_id.strip_prefix('A');
        format!("{prefix}{}", app.unwrap_or(&self.0.app_id))
    }

    fn bot_id(&self) -> String {
        self.bot("B")
    }

    fn bot_user(&self) -> String {
        self.bot("U")
    }

    fn made_view_id(&self) -> String {
        format!("V{}", self.0.ids.hex(10).to_uppercase())
    }

    fn made_hash(&self) -> String {
        format!("{}.{}", self.now().as_second(), self.0.ids.hex(8))
    }

    fn made_trigger_id(&self, now: Timestamp) -> String {
        let hex = self.0.ids.hex(32);
        format!("{}.{}.{hex}", now.as_millisecond(), now.as_second())
    }

    /// Keeps what a `response_url` is for, and answers the URL.
    fn made_response_url(&self, store: &mut Store, url: ResponseUrl) -> String {
        let path = format!("{}/{}", self.0.team_id, self.0.ids.hex(24));
        let made = format!("{}/actions/{path}", store.base_url);
        store.response_urls.insert(path, url);
        made
    }
}

impl Deref for Slack {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.0.control
    }
}

impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slack")
            .field("team_id", &self.0.team_id)
            .field("app_id", &self.0.app_id)
            .finish_non_exhaustive()
    }
}

/// A call with what every method needs.
struct Request<'a> {
    slack: &'a Slack,
    method: &'a str,
    args: &'a Args,
    now: Timestamp,
}

/// A text in an object, or nothing.
fn text_of<'v>(value: &'v Value, name: &str) -> &'v str {
    let text = value.get(name).and_then(Value::as_str);
    text.unwrap_or_default()
}
