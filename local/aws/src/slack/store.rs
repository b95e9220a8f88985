use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::blocks::Found;
use super::config::SlackOptions;
use super::message::{
    LinkKind, SlackContent, SlackEphemeral, SlackLink, SlackMarkup, SlackMessage, SlackPlace,
    SlackShownError, SlackView,
};
use super::mrkdwn::{Markup, scan};
use crate::buckets::Buckets;

/// A channel. It is in the store under its id.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    pub(crate) name: String,
    pub(crate) private: bool,
    pub(crate) member: bool,
    pub(crate) archived: bool,
}

/// A trigger lets an app open one modal.
#[derive(Debug, Clone)]
pub(crate) struct Trigger {
    pub(crate) user: String,
    pub(crate) at: Timestamp,
    pub(crate) exchanged: bool,
}

/// A `response_url` lets an app answer where an interaction happened.
#[derive(Debug, Clone)]
pub(crate) struct ResponseUrl {
    pub(crate) user: String,
    pub(crate) channel: String,
    /// The message that the interaction was in.
    pub(crate) ts: String,
    pub(crate) at: Timestamp,
    pub(crate) uses: u32,
}

/// Texts that the app sent.
pub(crate) struct Sent<'a> {
    pub(crate) place: SlackPlace,
    /// The text that is read for markup.
    pub(crate) text: Option<&'a str>,
    /// Whether people see the text. Beside blocks, only notifications show it.
    pub(crate) is_shown: bool,
    pub(crate) found: &'a Found,
}

/// All that there is. Without `Debug`: it holds the token and the secret.
pub(crate) struct Store {
    pub(crate) bot_token: String,
    pub(crate) signing_secret: String,
    pub(crate) base_url: String,
    pub(crate) options: SlackOptions,
    pub(crate) channels: BTreeMap<String, Channel>,
    /// Usernames by the ids of users.
    pub(crate) users: BTreeMap<String, String>,
    pub(crate) messages: BTreeMap<(String, String), SlackMessage>,
    pub(crate) ephemerals: Vec<SlackEphemeral>,
    /// The last one is on top.
    pub(crate) views: Vec<SlackView>,
    pub(crate) triggers: HashMap<String, Trigger>,
    /// By the path behind `/actions/`.
    pub(crate) response_urls: HashMap<String, ResponseUrl>,
    pub(crate) errors: Vec<SlackShownError>,
    pub(crate) links: Vec<SlackLink>,
    pub(crate) mentions: Vec<SlackMarkup>,
    pub(crate) unescaped: Vec<SlackMarkup>,
    pub(crate) unfurled: Vec<SlackLink>,
    pub(crate) buckets: Buckets,
    /// When a method may be called again.
    pub(crate) limited_until: HashMap<String, Timestamp>,
    pub(crate) too_early: Vec<String>,
    last_ts: i64,
}

impl Store {
    pub(crate) fn new(bot_token: String, signing_secret: String) -> Self {
        Self {
            bot_token,
            signing_secret,
            base_url: "https://hooks.slack.com".to_owned(),
            options: SlackOptions::default(),
            channels: BTreeMap::new(),
            users: BTreeMap::new(),
            messages: BTreeMap::new(),
            ephemerals: Vec::new(),
            views: Vec::new(),
            triggers: HashMap::new(),
            response_urls: HashMap::new(),
            errors: Vec::new(),
            links: Vec::new(),
            mentions: Vec::new(),
            unescaped: Vec::new(),
            unfurled: Vec::new(),
            buckets: Buckets::default(),
            limited_until: HashMap::new(),
            too_early: Vec::new(),
            last_ts: 0,
        }
    }

    /// A `ts` that is later than `now` and than all others, so that no two messages share one.
    pub(crate) fn next_ts(&mut self, now: Timestamp) -> String {
        self.last_ts = now.as_microsecond().max(self.last_ts) + 1;
        let (seconds, micros) = (self.last_ts / 1_000_000, self.last_ts % 1_000_000);
        format!("{seconds}.{micros:06}")
    }

    pub(crate) fn message(&self, channel: &str, ts: &str) -> Option<&SlackMessage> {
        self.messages.get(&(channel.to_owned(), ts.to_owned()))
    }

    pub(crate) fn message_mut(&mut self, channel: &str, ts: &str) -> Option<&mut SlackMessage> {
        self.messages.get_mut(&(channel.to_owned(), ts.to_owned()))
    }

    pub(crate) fn messages_of(
        &self,
        channel: &str,
    ) -> impl DoubleEndedIterator<Item = &SlackMessage> {
        let messages = self.messages.values();
        messages.filter(move |message| message.channel == channel)
    }

    pub(crate) fn put(&mut self, message: SlackMessage) {
        let key = (message.channel.clone(), message.ts.clone());
        self.messages.insert(key, message);
    }

    pub(crate) fn username(&self, user: &str) -> String {
        let name = self.users.get(user);
        name.cloned().unwrap_or_else(|| user.to_lowercase())
    }

    pub(crate) fn show_error(&mut self, user: &str, why: impl Into<String>, at: Timestamp) {
        self.errors.push(SlackShownError {
            user: user.to_owned(),
            why: why.into(),
            at,
        });
    }

    /// Keeps what a text and blocks have in them that has a meaning, and answers the URLs.
    pub(crate) fn note(&mut self, sent: &Sent<'_>) -> Vec<SlackLink> {
        let place = &sent.place;
        let mut links = Vec::new();
        let link = |url: String, label, kind| SlackLink {
            place: place.clone(),
            url,
            label,
            kind,
        };
        let markup = |found: String| SlackMarkup {
            place: place.clone(),
            found,
        };
        let texts = sent.text.into_iter().map(|text| (text, !sent.is_shown));
        let of_blocks = sent.found.mrkdwn.iter();
        for (text, verbatim) in
            texts.chain(of_blocks.map(|(text, verbatim)| (text.as_str(), *verbatim)))
        {
            for found in scan(text) {
                match found {
                    Markup::Link { url, label } => links.push(link(url, label, LinkKind::Markup)),
                    Markup::Bare(_) if verbatim => {}
                    Markup::Bare(url) => links.push(link(url, None, LinkKind::Bare)),
                    Markup::Mention(found) => self.mentions.push(markup(found)),
                    Markup::Unescaped(c) => self.unescaped.push(markup(c.to_string())),
                }
            }
        }
        let unfurled = links.clone();
        let buttons = sent.found.urls.iter().cloned();
        links.extend(buttons.map(|url| link(url, None, LinkKind::Button)));
        self.links.extend(links);
        unfurled
    }

    /// The time on Slack's clock.
    pub(crate) fn slacks_now(&self, now: Timestamp) -> Timestamp {
        let behind = SignedDuration::try_from(self.options.clock_behind);
        now.saturating_sub(behind.unwrap_or_default())
            .unwrap_or(now)
    }
}

/// Replaces what a message shows.
pub(crate) fn edit(message: &mut SlackMessage, content: SlackContent) {
    let before = std::mem::replace(&mut message.content, content);
    message.earlier.push(before);
    message.edits += 1;
}

/// The place of something in a channel.
pub(crate) fn in_channel(method: &str, channel: &str, ts: &str) -> SlackPlace {
    SlackPlace {
        method: method.to_owned(),
        channel: Some(channel.to_owned()),
        id: ts.to_owned(),
    }
}

/// The place of something in a view.
pub(crate) fn in_view(method: &str, id: &str) -> SlackPlace {
    SlackPlace {
        method: method.to_owned(),
        channel: None,
        id: id.to_owned(),
    }
}

pub(crate) fn list(blocks: Value) -> Vec<Value> {
    match blocks {
        Value::Array(blocks) => blocks,
        _ => Vec::new(),
    }
}
