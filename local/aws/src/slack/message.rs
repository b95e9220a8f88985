//! What people see.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::blocks::elements;
use super::text::text_of;

/// The content of a message, or of an earlier version of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SlackContent {
    /// The text; of a message with blocks, only notifications show it.
    pub text: String,
    /// The blocks. Ids that were not given are made.
    pub blocks: Vec<Value>,
}

impl SlackContent {
    /// All that people read, line by line: the blocks' texts and, in brackets, buttons; without blocks, the text. Markup
    /// stands as it was sent.
    pub fn shown(&self) -> String {
        if self.blocks.is_empty() {
            return self.text.clone();
        }
        let lines: Vec<String> = self.blocks.iter().flat_map(lines).collect();
        lines.join("\n")
    }

    /// The action ids of its buttons, in order.
    pub fn buttons(&self) -> Vec<String> {
        let elements = self.blocks.iter().flat_map(elements);
        let buttons = elements.filter(|element| text_of(element, "type") == "button");
        buttons
            .map(|button| text_of(button, "action_id").to_owned())
            .collect()
    }
}

fn lines(block: &Value) -> Vec<String> {
    let label = |owner: &Value, name: &str| {
        let text = owner.get(name).map(|text| text_of(text, "text").to_owned());
        text.filter(|text| !text.is_empty())
    };
    let mut lines: Vec<String> = ["text", "label", "title"]
        .into_iter()
        .filter_map(|name| label(block, name))
        .collect();
    let fields = block.get("fields").and_then(Value::as_array);
    let fields = fields.into_iter().flatten();
    lines.extend(fields.map(|field| text_of(field, "text").to_owned()));
    for element in elements(block) {
        match text_of(element, "type") {
            "button" => lines.extend(label(element, "text").map(|text| format!("[{text}]"))),
            "plain_text" | "mrkdwn" => lines.push(text_of(element, "text").to_owned()),
            "image" => lines.push(text_of(element, "alt_text").to_owned()),
            _ => {}
        }
    }
    lines.extend(label(block, "hint"));
    lines
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SlackAuthor {
    App,
    User(String),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SlackMessage {
    pub channel: String,
    /// Identifies it in the channel: seconds and microseconds, later than any other in the workspace.
    pub ts: String,
    /// The message that this one replies to.
    pub thread_ts: Option<String>,
    /// Whether the channel shows the reply too.
    pub broadcast: bool,
    pub author: SlackAuthor,
    /// The current content.
    #[serde(flatten)]
    pub content: SlackContent,
    /// `event_type` and `event_payload`.
    pub metadata: Option<Value>,
    /// How often it was changed.
    pub edits: u32,
    /// The content before each change, oldest first.
    pub earlier: Vec<SlackContent>,
    pub posted_at: Timestamp,
}

impl SlackMessage {
    /// [`SlackContent::shown`] of what it shows now.
    pub fn shown(&self) -> String {
        self.content.shown()
    }

    /// [`SlackContent::buttons`] of what it shows now.
    pub fn buttons(&self) -> Vec<String> {
        self.content.buttons()
    }
}

/// A message that only one user sees.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SlackEphemeral {
    pub channel: String,
    pub user: String,
    /// Identifies it in the channel.
    pub ts: String,
    #[serde(flatten)]
    pub content: SlackContent,
}

/// A modal that a user has open.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SlackView {
    /// `V…`.
    pub id: String,
    pub user: String,
    /// The view as the app sent it, with the ids that it lacked.
    pub view: Value,
    /// Changes with each update.
    pub hash: String,
    /// The errors that the app answered to the last submission, by block id.
    pub errors: BTreeMap<String, String>,
}

impl SlackView {
    /// All that people read, line by line.
    pub fn shown(&self) -> String {
        let part = |name: &str| {
            let text = self.view.get(name).map(|text| text_of(text, "text"));
            text.unwrap_or_default().to_owned()
        };
        let content = SlackContent {
            text: String::new(),
            blocks: self.blocks().to_vec(),
        };
        let parts = [
            part("title"),
            content.shown(),
            part("submit"),
            part("close"),
        ];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        let lines: Vec<String> = parts.chain(self.errors.values().cloned()).collect();
        lines.join("\n")
    }

    pub(crate) fn blocks(&self) -> &[Value] {
        let blocks = self.view.get("blocks").and_then(Value::as_array);
        blocks.map(Vec::as_slice).unwrap_or_default()
    }
}

/// An error that Slack showed to a user, because the app did not answer an interaction as it must.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlackShownError {
    pub user: String,
    pub why: String,
    pub at: Timestamp,
}

/// How the app wrote a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkKind {
    /// It is written as a link: `<url>` or `<url|label>`.
    Markup,
    /// It stands in the open, and Slack makes a link of it.
    Bare,
    /// The URL of a button.
    Button,
}

/// A link in something that the app sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlackLink {
    pub place: SlackPlace,
    pub url: String,
    /// The text that people see instead of the URL.
    pub label: Option<String>,
    pub kind: LinkKind,
}

/// Something with a meaning in a text that the app sent: a mention, or a control character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlackMarkup {
    pub place: SlackPlace,
    /// For example `<!here>`, `<@U…>` or `&`.
    pub found: String,
}

/// The call with which the app sent something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlackPlace {
    /// `chat.postMessage`, `views.open`, `response_url`, …; `answer` for what stood in the answer to an interaction.
    pub method: String,
    /// The channel, where there is one.
    pub channel: Option<String>,
    /// The message's `ts`, or the view's id.
    pub id: String,
}
