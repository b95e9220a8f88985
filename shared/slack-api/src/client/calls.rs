//! The methods that we call: what each takes and answers. Reference:
//! `https://docs.slack.dev/reference/methods/…`.

use serde::de::{DeserializeOwned, Deserializer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::{Error, Permanent};
use super::method::Method;
use crate::blocks::{Message, Modal};
use crate::form;
use crate::ids::{AppId, ChannelId, MessageTs, UserId};
use crate::interaction::TriggerId;

/// A method with its arguments.
pub trait Call: sealed::Sealed {
    /// Which.
    const METHOD: Method;
    /// What it answers.
    type Response: DeserializeOwned;

    /// The arguments as they are sent.
    ///
    /// # Errors
    /// [`Permanent::Encode`].
    fn body(&self) -> Result<Body, Error>;
}

mod sealed {
    /// Slack has no more methods than these.
    pub trait Sealed {}
}

/// A request's body.
#[derive(Debug)]
pub struct Body {
    content_type: &'static str,
    content: String,
}

impl Body {
    pub(crate) fn json(method: Method, value: &impl Serialize) -> Result<Self, Error> {
        let content = serde_json::to_string(value).map_err(|source| Permanent::Encode {
            method,
            source: Box::new(source),
        })?;
        Ok(Self {
            content_type: "application/json; charset=utf-8",
            content,
        })
    }

    fn form(fields: &[(&str, &str)]) -> Self {
        Self {
            content_type: "application/x-www-form-urlencoded",
            content: form::encode(fields),
        }
    }

    pub(crate) fn into_parts(self) -> (&'static str, String) {
        (self.content_type, self.content)
    }
}

/// A message without previews of links, which fetch them. That nothing else is made of its texts, each
/// of them says itself.
#[derive(Debug, Serialize)]
struct Quiet<'a> {
    #[serde(flatten)]
    message: &'a Message,
    unfurl_links: bool,
    unfurl_media: bool,
}

impl<'a> Quiet<'a> {
    fn new(message: &'a Message) -> Self {
        Self {
            message,
            unfurl_links: false,
            unfurl_media: false,
        }
    }
}

/// A mark on a message that people do not see and that we find it again by. Everybody in the workspace
/// can read it, and other apps can set the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    event_type: String,
    #[serde(default)]
    event_payload: Map<String, Value>,
}

impl Metadata {
    /// A mark of this type with an id.
    #[must_use]
    pub fn new(event_type: &str, id: &str) -> Self {
        Self {
            event_type: event_type.to_owned(),
            event_payload: Map::from_iter([("id".to_owned(), Value::from(id))]),
        }
    }
}

/// `chat.postMessage`: posts into a channel, or into a message's thread.
#[derive(Debug, Serialize)]
pub struct PostMessage<'a> {
    channel: &'a ChannelId,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_ts: Option<&'a MessageTs>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reply_broadcast: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Metadata>,
    #[serde(flatten)]
    message: Quiet<'a>,
}

impl<'a> PostMessage<'a> {
    /// A message for a channel.
    #[must_use]
    pub fn new(channel: &'a ChannelId, message: &'a Message) -> Self {
        Self {
            channel,
            thread_ts: None,
            reply_broadcast: false,
            metadata: None,
            message: Quiet::new(message),
        }
    }

    /// As a reply to a message of the channel.
    #[must_use]
    pub fn in_thread(mut self, ts: &'a MessageTs) -> Self {
        self.thread_ts = Some(ts);
        self
    }

    /// The reply is shown in the channel too: a thread alone calls nobody who has not written in it.
    #[must_use]
    pub fn broadcast(mut self) -> Self {
        self.reply_broadcast = true;
        self
    }

    /// With a mark.
    #[must_use]
    pub fn marked(mut self, metadata: &'a Metadata) -> Self {
        self.metadata = Some(metadata);
        self
    }
}

/// Where a message is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Posted {
    /// Its channel.
    pub channel: ChannelId,
    /// Its time, which is its id there.
    pub ts: MessageTs,
}

/// `chat.update`: puts another text into a message of ours. It keeps its mark.
#[derive(Debug, Serialize)]
pub struct UpdateMessage<'a> {
    channel: &'a ChannelId,
    ts: &'a MessageTs,
    #[serde(flatten)]
    message: Quiet<'a>,
}

impl<'a> UpdateMessage<'a> {
    /// What a message is to be.
    #[must_use]
    pub fn new(channel: &'a ChannelId, ts: &'a MessageTs, message: &'a Message) -> Self {
        Self {
            channel,
            ts,
            message: Quiet::new(message),
        }
    }
}

/// `chat.postEphemeral`: shows something to one person in a channel, until they look away.
#[derive(Debug, Serialize)]
pub struct PostEphemeral<'a> {
    channel: &'a ChannelId,
    user: &'a UserId,
    #[serde(flatten)]
    message: Quiet<'a>,
}

impl<'a> PostEphemeral<'a> {
    /// What to show to whom where.
    #[must_use]
    pub fn new(channel: &'a ChannelId, user: &'a UserId, message: &'a Message) -> Self {
        Self {
            channel,
            user,
            message: Quiet::new(message),
        }
    }
}

/// `views.open`: opens a modal for whom a trigger came from.
#[derive(Debug, Serialize)]
pub struct OpenView<'a> {
    #[serde(serialize_with = "exposed")]
    trigger_id: &'a TriggerId,
    view: &'a Modal,
}

impl<'a> OpenView<'a> {
    /// A modal in return for a trigger, which is good for three seconds, once.
    #[must_use]
    pub fn new(trigger_id: &'a TriggerId, view: &'a Modal) -> Self {
        Self { trigger_id, view }
    }
}

/// Nothing that we need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Done {}

/// `conversations.history`, or with a thread `conversations.replies`: the messages of a channel, the
/// newest first, or of a thread, the oldest first, with their marks.
#[derive(Debug)]
pub struct Messages<'a, const THREAD: bool> {
    channel: &'a ChannelId,
    thread: Option<&'a MessageTs>,
    oldest: Option<&'a str>,
    cursor: Option<&'a str>,
}

/// The messages of a channel; not those in threads.
pub type History<'a> = Messages<'a, false>;
/// The messages of a thread.
pub type Replies<'a> = Messages<'a, true>;

impl<'a> History<'a> {
    /// The messages of a channel.
    #[must_use]
    pub fn of(channel: &'a ChannelId) -> Self {
        Self {
            channel,
            thread: None,
            oldest: None,
            cursor: None,
        }
    }
}

impl<'a> Replies<'a> {
    /// The messages of a thread, by the message that it is about.
    #[must_use]
    pub fn to(channel: &'a ChannelId, thread: &'a MessageTs) -> Self {
        Self {
            channel,
            thread: Some(thread),
            oldest: None,
            cursor: None,
        }
    }
}

impl<'a, const THREAD: bool> Messages<'a, THREAD> {
    /// None that are older than this, in seconds since 1970 with six digits after a dot.
    #[must_use]
    pub fn since(mut self, oldest: &'a MessageTs) -> Self {
        self.oldest = Some(oldest.as_str());
        self
    }

    /// The page that another page named as its next.
    #[must_use]
    pub fn page(mut self, cursor: &'a str) -> Self {
        self.cursor = Some(cursor);
        self
    }
}

/// A page of messages.
#[derive(Debug, Clone, Deserialize)]
pub struct MessagePage {
    /// The messages.
    pub messages: Vec<Listed>,
    #[serde(default)]
    response_metadata: Next,
}

impl MessagePage {
    /// What names the next page; none after the last.
    #[must_use]
    pub fn next(&self) -> Option<&str> {
        let cursor = self.response_metadata.next_cursor.as_deref()?;
        (!cursor.is_empty()).then_some(cursor)
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Next {
    next_cursor: Option<String>,
}

/// A message of anybody's, as far as it concerns us.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Listed {
    /// Its time, which is its id in its channel.
    pub ts: MessageTs,
    /// The app that posted it, if one did.
    #[serde(default, deserialize_with = "if_readable")]
    pub app_id: Option<AppId>,
    /// Its mark, if it has one.
    #[serde(default, deserialize_with = "if_readable")]
    pub metadata: Option<Metadata>,
}

/// An answer to an interaction.
#[derive(Debug, Serialize)]
pub struct Reply<'a> {
    response_type: &'static str,
    replace_original: bool,
    #[serde(flatten)]
    message: Quiet<'a>,
}

impl<'a> Reply<'a> {
    /// Shown to the person alone; the message that they pressed a button in stays as it is.
    #[must_use]
    pub fn ephemeral(message: &'a Message) -> Self {
        Self {
            response_type: "ephemeral",
            replace_original: false,
            message: Quiet::new(message),
        }
    }
}

fn exposed<S: serde::Serializer>(id: &TriggerId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(id.expose())
}

/// What others put into their messages may be anything.
fn if_readable<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

/// Says what a struct calls, where it is sent as it is.
macro_rules! call {
    ($name:ident, $method:ident, $answer:ty) => {
        impl sealed::Sealed for $name<'_> {}

        impl Call for $name<'_> {
            const METHOD: Method = Method::$method;
            type Response = $answer;

            fn body(&self) -> Result<Body, Error> {
                Body::json(Self::METHOD, self)
            }
        }
    };
}

call!(PostMessage, PostMessage, Posted);
call!(UpdateMessage, UpdateMessage, Done);
call!(PostEphemeral, PostEphemeral, Done);
call!(OpenView, OpenView, Done);

/// How many messages of a page to ask for: few enough that a page stays well below what we read of an
/// answer. Slack recommends no more than 200.
const PAGE: &str = "100";

impl<const THREAD: bool> sealed::Sealed for Messages<'_, THREAD> {}

impl<const THREAD: bool> Call for Messages<'_, THREAD> {
    const METHOD: Method = if THREAD {
        Method::Replies
    } else {
        Method::History
    };
    type Response = MessagePage;

    /// A form: methods that read take no JSON.
    fn body(&self) -> Result<Body, Error> {
        let mut fields = vec![
            ("channel", self.channel.as_str()),
            ("include_all_metadata", "true"),
            ("limit", PAGE),
        ];
        fields.extend(self.thread.map(|ts| ("ts", ts.as_str())));
        if let Some(oldest) = self.oldest {
            fields.extend([("oldest", oldest), ("inclusive", "true")]);
        }
        fields.extend(self.cursor.map(|cursor| ("cursor", cursor)));
        Ok(Body::form(&fields))
    }
}
