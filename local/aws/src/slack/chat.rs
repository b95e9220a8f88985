//! Posting and changing messages.

use serde_json::{Map, Value, json};

use super::blocks::{self, Found};
use super::errors::{self, SlackError};
use super::message::{SlackAuthor, SlackContent, SlackEphemeral, SlackMessage};
use super::store::{Sent, Store, edit, in_channel, list};
use super::text::text_of;
use super::workspace::{Request, Slack};

/// "Slack will truncate messages containing more than 40,000 characters." The double refuses them.
pub(crate) const LONGEST: usize = 40_000;

/// "Message text is too long. The `text` field cannot exceed 4,000 characters." (`chat.update`)
const LONGEST_UPDATE: usize = 4_000;

/// Arguments that Slack takes and the double does not model. The double refuses them, so that they do not seem to work.
const NOT_MODELLED: [&str; 7] = [
    "attachments",
    "markdown_text",
    "parse",
    "link_names",
    "username",
    BROADCAST,
    "as_user",
];

/// Shows a reply in the channel too; modelled where a message is posted, and nowhere else.
const BROADCAST: &str = "reply_broadcast";

/// The content that a call gives to a message.
pub(crate) struct Draft {
    pub(crate) text: Option<String>,
    pub(crate) blocks: Option<Vec<Value>>,
    pub(crate) found: Found,
    /// Whether the text is read for markup.
    mrkdwn: bool,
}

impl Draft {
    pub(crate) fn read(req: &Request<'_>, longest: usize) -> Result<Self, SlackError> {
        let args = req.args;
        let is_modelled = |name: &str| name == BROADCAST && req.method == "chat.postMessage";
        let mut given = NOT_MODELLED.into_iter().filter(|name| args.has(name));
        if let Some(name) = given.find(|name| !is_modelled(name)) {
            let why = format!("{name} is not modelled by the double");
            return Err(errors::invalid_argument(why));
        }
        let text = args.text("text")?.map(str::to_owned);
        if text
            .as_ref()
            .is_some_and(|text| text.chars().count() > longest)
        {
            return Err(SlackError::new("msg_too_long"));
        }
        let mut found = Found::default();
        let blocks = match args.json("blocks", "invalid_blocks_format")? {
            None => None,
            Some(Value::Array(blocks)) if blocks.is_empty() => Some(Vec::new()),
            Some(mut blocks) => {
                if !blocks.is_array() {
                    return Err(SlackError::new("invalid_blocks_format"));
                }
                found = blocks::message(&blocks)
                    .map_err(|wrong| SlackError::new("invalid_blocks").with_messages(wrong))?;
                blocks::fill_ids(&mut blocks, req.slack.ids());
                Some(list(blocks))
            }
        };
        Ok(Self {
            text,
            blocks,
            found,
            mrkdwn: args.flag("mrkdwn")?.unwrap_or(true),
        })
    }

    /// The content of a new message.
    pub(crate) fn content(&self) -> Result<SlackContent, SlackError> {
        let content = SlackContent {
            text: self.text.clone().unwrap_or_default(),
            blocks: self.blocks.clone().unwrap_or_default(),
        };
        if content == SlackContent::default() {
            return Err(SlackError::new("no_text"));
        }
        Ok(content)
    }

    pub(crate) fn sent(&self, method: &str, channel: &str, ts: &str) -> Sent<'_> {
        Sent {
            place: in_channel(method, channel, ts),
            text: self.text.as_deref().filter(|_| self.mrkdwn),
            is_shown: self.blocks.as_ref().is_none_or(Vec::is_empty),
            found: &self.found,
        }
    }
}

/// The channel that the call names by its id, if the app may write there.
fn writable(req: &Request<'_>, store: &Store) -> Result<String, SlackError> {
    let id = req.args.required("channel")?;
    let channel = store.channels.get(id);
    let channel = channel.filter(|channel| channel.member || !channel.private);
    let channel = channel.ok_or_else(|| SlackError::new("channel_not_found"))?;
    if !channel.member {
        return Err(SlackError::new("not_in_channel"));
    }
    if channel.archived {
        let code = if req.method == "chat.update" {
            "is_inactive"
        } else {
            "is_archived"
        };
        return Err(SlackError::new(code));
    }
    Ok(id.to_owned())
}

/// `event_type` and `event_payload`; an empty object is `Some(None)`.
fn metadata(req: &Request<'_>) -> Result<Option<Option<Value>>, SlackError> {
    let code = "invalid_metadata_format";
    let Some(metadata) = req.args.json("metadata", code)? else {
        return Ok(None);
    };
    if metadata.as_object().is_some_and(Map::is_empty) {
        return Ok(Some(None));
    }
    let payload = metadata.get("event_payload").is_some_and(Value::is_object);
    if text_of(&metadata, "event_type").is_empty() || !payload {
        return Err(SlackError::new(code));
    }
    Ok(Some(Some(metadata)))
}

/// The message that a reply goes to.
pub(crate) fn thread(
    thread_ts: Option<&str>,
    store: &Store,
    channel: &str,
) -> Result<Option<String>, SlackError> {
    let Some(ts) = thread_ts else {
        return Ok(None);
    };
    let parent = store.message(channel, ts);
    let parent = parent.ok_or_else(|| SlackError::new("thread_not_found"))?;
    // "Avoid using a reply's ts value; use its parent instead."
    if parent.thread_ts.is_some() {
        return Err(SlackError::new("cannot_reply_to_message"));
    }
    Ok(Some(ts.to_owned()))
}

/// Adds a message of the app's, and answers its `ts`.
pub(crate) fn add(
    req: &Request<'_>,
    store: &mut Store,
    channel: &str,
    thread_ts: Option<String>,
    draft: &Draft,
    metadata: Option<Value>,
) -> Result<String, SlackError> {
    let content = draft.content()?;
    let ts = store.next_ts(store.slacks_now(req.now));
    let links = store.note(&draft.sent(req.method, channel, &ts));
    let flag = |name| Ok::<_, SlackError>(req.args.flag(name)?.unwrap_or(true));
    // The URL does not say what kind of page it leads to.
    if flag("unfurl_links")? || flag("unfurl_media")? {
        store.unfurled.extend(links);
    }
    // "Used in conjunction with thread_ts"
    let broadcast = thread_ts.is_some() && req.args.flag(BROADCAST)?.unwrap_or(false);
    store.put(SlackMessage {
        channel: channel.to_owned(),
        ts: ts.clone(),
        thread_ts,
        broadcast,
        author: SlackAuthor::App,
        content,
        metadata,
        edits: 0,
        earlier: Vec::new(),
        posted_at: req.now,
    });
    Ok(ts)
}

pub(crate) fn post_message(req: &Request<'_>) -> Result<Value, SlackError> {
    let mut store = req.slack.store();
    let channel = writable(req, &store)?;
    let draft = Draft::read(req, LONGEST)?;
    let thread_ts = thread(req.args.text("thread_ts")?, &store, &channel)?;
    let metadata = metadata(req)?.flatten();
    let ts = add(req, &mut store, &channel, thread_ts, &draft, metadata)?;
    let message = store.message(&channel, &ts);
    let message = message.map(|message| to_json(req.slack, message));
    Ok(json!({ "channel": channel, "ts": ts, "message": message }))
}

/// "If you don't include `blocks`, the message's previous `blocks` will only be retained if the `text` argument is not
/// provided"; "If you don't include [`metadata`], the message's previous `metadata` will be retained. To remove previous
/// `metadata`, include an empty object".
pub(crate) fn update(req: &Request<'_>) -> Result<Value, SlackError> {
    let mut store = req.slack.store();
    let channel = writable(req, &store)?;
    let ts = req.args.required("ts")?;
    let message = store.message(&channel, ts);
    let message = message.ok_or_else(|| SlackError::new("message_not_found"))?;
    if message.author != SlackAuthor::App {
        return Err(SlackError::new("cant_update_message"));
    }
    if store.options.edit_window_closed {
        return Err(SlackError::new("edit_window_closed"));
    }
    let draft = Draft::read(req, LONGEST_UPDATE)?;
    let metadata = metadata(req)?;
    if draft.text.is_none() && draft.blocks.is_none() && metadata.is_none() {
        return Err(SlackError::new("no_text"));
    }
    let before = &message.content;
    let content = SlackContent {
        text: draft.text.clone().unwrap_or_else(|| before.text.clone()),
        blocks: match (&draft.blocks, &draft.text) {
            (Some(blocks), _) => blocks.clone(),
            (None, Some(_)) => Vec::new(),
            (None, None) => before.blocks.clone(),
        },
    };
    if content == SlackContent::default() {
        return Err(SlackError::new("no_text"));
    }
    store.note(&draft.sent(req.method, &channel, ts));
    let message = store.message_mut(&channel, ts);
    let message = message.ok_or_else(|| SlackError::new("message_not_found"))?;
    edit(message, content);
    if let Some(metadata) = metadata {
        message.metadata = metadata;
    }
    let (text, message) = (&message.content.text, to_json(req.slack, message));
    Ok(json!({ "channel": channel, "ts": ts, "text": text, "message": message }))
}

pub(crate) fn post_ephemeral(req: &Request<'_>) -> Result<Value, SlackError> {
    let mut store = req.slack.store();
    let channel = writable(req, &store)?;
    let user = req.args.required("user")?;
    if !store.users.contains_key(user) {
        return Err(SlackError::new("user_not_in_channel"));
    }
    let draft = Draft::read(req, LONGEST)?;
    thread(req.args.text("thread_ts")?, &store, &channel)?;
    let ts = add_ephemeral(req, &mut store, &channel, user, &draft)?;
    Ok(json!({ "message_ts": ts }))
}

/// Shows a message to one user only, and answers its `ts`.
pub(crate) fn add_ephemeral(
    req: &Request<'_>,
    store: &mut Store,
    channel: &str,
    user: &str,
    draft: &Draft,
) -> Result<String, SlackError> {
    let content = draft.content()?;
    let ts = store.next_ts(store.slacks_now(req.now));
    store.note(&draft.sent(req.method, channel, &ts));
    store.ephemerals.push(SlackEphemeral {
        channel: channel.to_owned(),
        user: user.to_owned(),
        ts: ts.clone(),
        content,
    });
    Ok(ts)
}

/// A message as the Web API and interactions have it, without its metadata.
pub(crate) fn to_json(slack: &Slack, message: &SlackMessage) -> Value {
    let mut json = json!({
        "type": "message",
        "ts": message.ts,
        "text": message.content.text,
        "team": slack.team_id(),
    });
    let Some(fields) = json.as_object_mut() else {
        return json;
    };
    let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    match &message.author {
        SlackAuthor::App => {
            put("user", json!(slack.bot_user()));
            put("bot_id", json!(slack.bot_id()));
            put("app_id", json!(slack.app_id()));
        }
        SlackAuthor::User(user) => put("user", json!(user)),
    }
    if !message.content.blocks.is_empty() {
        put("blocks", json!(message.content.blocks));
    } else if message.edits > 0 {
        // "If `blocks` are used and a message is being updated, the `edited` flag will not be displayed."
        put(
            "edited",
            json!({ "user": slack.bot_user(), "ts": message.ts }),
        );
    }
    if let Some(ts) = &message.thread_ts {
        put("thread_ts", json!(ts));
    }
    if message.broadcast {
        put("subtype", json!("thread_broadcast"));
    }
    json
}
