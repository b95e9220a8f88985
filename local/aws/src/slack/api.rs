//! The methods for worlds and tests, in process. None of it is counted, logged or disturbed by faults.

use axum::Router;

use super::answer;
use super::config::{NewChannel, SlackOptions};
use super::message::{
    SlackEphemeral, SlackLink, SlackMarkup, SlackMessage, SlackShownError, SlackView,
};
use super::store::Channel;
use super::workspace::Slack;

impl Slack {
    /// Answers the methods at `/api/<method>` and responses to interactions at `/actions/…`, wherever that is mounted.
    /// Under a prefix, mount it with [`Router::nest_service`], as [`Ec2::router`](crate::Ec2::router), and say where
    /// with [`Slack::set_base_url`].
    pub fn router(&self) -> Router {
        answer::router(self.clone())
    }

    /// Where the router can be reached, without a slash at the end: the `response_url`s of later interactions lead
    /// there. Until then it is `https://hooks.slack.com`, where nothing is.
    pub fn set_base_url(&self, url: impl Into<String>) {
        self.store().base_url = url.into();
    }

    /// From now on the app has another token; the one before is refused.
    pub fn set_bot_token(&self, token: impl Into<String>) {
        self.store().bot_token = token.into();
    }

    /// From now on interactions are signed with another secret.
    pub fn set_signing_secret(&self, secret: impl Into<String>) {
        self.store().signing_secret = secret.into();
    }

    pub fn options(&self) -> SlackOptions {
        self.store().options.clone()
    }

    pub fn set_options(&self, change: impl FnOnce(&mut SlackOptions)) {
        change(&mut self.store().options);
    }

    /// Adds a channel, or changes the one with that id; its messages stay.
    pub fn put_channel(&self, new: NewChannel) {
        let channel = Channel {
            name: new.name,
            private: new.private,
            member: new.member,
            archived: new.archived,
        };
        self.store().channels.insert(new.id, channel);
    }

    /// Adds a user, `U…`, who is in every channel.
    pub fn put_user(&self, id: impl Into<String>, username: impl Into<String>) {
        self.store().users.insert(id.into(), username.into());
    }

    /// The messages of a channel with the replies to them, oldest first.
    pub fn messages(&self, channel: &str) -> Vec<SlackMessage> {
        self.store().messages_of(channel).cloned().collect()
    }

    pub fn message(&self, channel: &str, ts: &str) -> Option<SlackMessage> {
        self.store().message(channel, ts).cloned()
    }

    /// The replies to a message, oldest first.
    pub fn replies(&self, channel: &str, ts: &str) -> Vec<SlackMessage> {
        let store = self.store();
        let messages = store.messages_of(channel);
        messages
            .filter(|message| message.thread_ts.as_deref() == Some(ts))
            .cloned()
            .collect()
    }

    /// The messages that only this user sees in a channel, oldest first.
    pub fn ephemerals(&self, channel: &str, user: &str) -> Vec<SlackEphemeral> {
        let store = self.store();
        let shown = store.ephemerals.iter();
        shown
            .filter(|shown| shown.channel == channel && shown.user == user)
            .cloned()
            .collect()
    }

    /// The modals that a user has open; the last one is on top.
    pub fn views(&self, user: &str) -> Vec<SlackView> {
        let store = self.store();
        let views = store.views.iter().filter(|view| view.user == user);
        views.cloned().collect()
    }

    /// The errors that Slack showed to a user, oldest first.
    pub fn errors_shown(&self, user: &str) -> Vec<SlackShownError> {
        let store = self.store();
        let errors = store.errors.iter().filter(|error| error.user == user);
        errors.cloned().collect()
    }

    /// All links in what the app sent, oldest first: those that it meant, and those that came in with a text from
    /// outside.
    pub fn links(&self) -> Vec<SlackLink> {
        self.store().links.clone()
    }

    /// All mentions of people, groups, channels and everybody in what the app sent, oldest first.
    pub fn mentions(&self) -> Vec<SlackMarkup> {
        self.store().mentions.clone()
    }

    /// Each `&`, `<` and `>` in what the app sent that was not escaped, although it is no markup.
    pub fn unescaped(&self) -> Vec<SlackMarkup> {
        self.store().unescaped.clone()
    }

    /// The links that Slack would fetch to show a preview: those in texts that were posted without `unfurl_links` and
    /// `unfurl_media` set to `false`.
    pub fn unfurled(&self) -> Vec<SlackLink> {
        self.store().unfurled.clone()
    }

    /// The methods that were called although an earlier answer's `Retry-After` was not over, once for each call.
    pub fn too_early(&self) -> Vec<String> {
        self.store().too_early.clone()
    }
}
