//! Messages and modals in Block Kit: the blocks that we use, within Slack's limits whatever the text.
//!
//! Limits: <https://docs.slack.dev/reference/block-kit>, and of a message as a whole
//! <https://github.com/slackapi/bolt-js/issues/2509>. What is too long is cut where it is put in; what
//! must not be cut, because it comes back to us, is an [`Opaque`].

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::text::{Mrkdwn, Plain};

/// Slack takes this many blocks in a message.
const BLOCKS_IN_MESSAGE: usize = 50;
/// Slack takes this many blocks in a modal.
const BLOCKS_IN_MODAL: usize = 100;
/// Slack refuses a message whose blocks hold some 12,000 characters together, and does not say how it
/// counts.
const TEXT_IN_MESSAGE: usize = 9000;
/// `chat.update` takes no longer fallback text.
const FALLBACK: usize = 4000;
const SECTION: usize = 3000;
const FIELD: usize = 2000;
const FIELDS: usize = 10;
const HEADER: usize = 150;
const LABEL: usize = 2000;
const PLACEHOLDER: usize = 150;
const INPUT: u32 = 3000;
const BUTTON: usize = 75;
const TITLE: usize = 24;
const CONFIRM_TITLE: usize = 100;
const CONFIRM_TEXT: usize = 300;
const CONFIRM_BUTTON: usize = 30;
/// Not documented; enough for a sentence.
const ERROR: usize = 500;

/// What Slack hands back to us as it got it, up to so many characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Opaque<const MAX: usize>(String);

/// What a button says when it is pressed.
pub type ButtonValue = Opaque<2000>;
/// What a modal remembers until it is sent in. It comes back through the person's client, so it
/// proves nothing.
pub type PrivateMetadata = Opaque<3000>;

/// Too long to come back whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{length} characters are more than the {max} that Slack hands back")]
pub struct TooLong {
    length: usize,
    max: usize,
}

impl<const MAX: usize> TryFrom<String> for Opaque<MAX> {
    type Error = TooLong;

    fn try_from(text: String) -> Result<Self, TooLong> {
        let length = text.encode_utf16().count();
        if length <= MAX {
            Ok(Self(text))
        } else {
            Err(TooLong { length, max: MAX })
        }
    }
}

/// A message: what is shown, and what stands for it in notifications and screen readers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    #[serde(serialize_with = "as_string")]
    text: Mrkdwn,
    blocks: Vec<Block>,
}

impl Message {
    /// A message of blocks, with a text that says the same without them.
    #[must_use]
    pub fn new(fallback: Mrkdwn, blocks: impl IntoIterator<Item = Block>) -> Self {
        let (buttons, mut blocks): (Vec<_>, Vec<_>) = blocks
            .into_iter()
            .enumerate()
            .partition(|(_, block)| block.has_buttons());
        // Where room is short, buttons stay: without them nobody can answer.
        let mut left = TEXT_IN_MESSAGE;
        for (_, block) in &buttons {
            left = left.saturating_sub(block.length());
        }
        blocks.truncate(BLOCKS_IN_MESSAGE.saturating_sub(buttons.len()));
        let fitting = blocks.into_iter().filter_map(|(at, block)| {
            let block = block.within(left)?;
            left = left.saturating_sub(block.length());
            Some((at, block))
        });
        let mut blocks: Vec<_> = fitting.chain(buttons).collect();
        blocks.sort_by_key(|(at, _)| *at);
        blocks.truncate(BLOCKS_IN_MESSAGE);
        Self {
            text: fallback.fit(FALLBACK),
            blocks: blocks.into_iter().map(|(_, block)| block).collect(),
        }
    }

    /// A message of nothing but text.
    #[must_use]
    pub fn text(text: Mrkdwn) -> Self {
        Self::new(text.clone(), [Block::section(text)])
    }
}

/// One block of a message or a modal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Block(Kind);

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Kind {
    Header {
        text: Plain,
    },
    Section {
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<Mrkdwn>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        fields: Vec<Mrkdwn>,
        #[serde(skip_serializing_if = "Option::is_none")]
        accessory: Option<Button>,
    },
    Context {
        elements: Vec<Mrkdwn>,
    },
    Actions {
        block_id: &'static str,
        elements: Vec<Button>,
    },
    Input {
        block_id: &'static str,
        label: Plain,
        element: TextInput,
        #[serde(skip_serializing_if = "Option::is_none")]
        hint: Option<Plain>,
        optional: bool,
    },
}

impl Block {
    /// A line in large letters.
    #[must_use]
    pub fn header(text: Plain) -> Self {
        Self(Kind::Header {
            text: text.fit(HEADER),
        })
    }

    /// A paragraph.
    #[must_use]
    pub fn section(text: Mrkdwn) -> Self {
        Self(Kind::Section {
            text: Some(text.fit(SECTION)),
            fields: Vec::new(),
            accessory: None,
        })
    }

    /// A paragraph with a button beside it.
    #[must_use]
    pub fn section_with(text: Mrkdwn, button: Button) -> Self {
        Self(Kind::Section {
            text: Some(text.fit(SECTION)),
            fields: Vec::new(),
            accessory: Some(button),
        })
    }

    /// Short texts beside each other, in two columns, in as many blocks as it takes.
    #[must_use]
    pub fn fields(fields: impl IntoIterator<Item = Mrkdwn>) -> Vec<Self> {
        let fields: Vec<Mrkdwn> = fields.into_iter().map(|text| text.fit(FIELD)).collect();
        let block = |fields: &[Mrkdwn]| {
            Self(Kind::Section {
                text: None,
                fields: fields.to_vec(),
                accessory: None,
            })
        };
        fields.chunks(FIELDS).map(block).collect()
    }

    /// A line in small letters.
    #[must_use]
    pub fn context(text: Mrkdwn) -> Self {
        Self(Kind::Context {
            elements: vec![text.fit(SECTION)],
        })
    }

    /// A row of buttons. `block_id` is the message's only one of that name.
    #[must_use]
    pub fn actions<const N: usize>(block_id: &'static str, buttons: [Button; N]) -> Self {
        const { assert!(matches!(N, 1..=25), "Slack takes 1 to 25 elements") };
        Self(Kind::Actions {
            block_id,
            elements: buttons.into(),
        })
    }

    /// A field to write into, for modals. What was written comes back under `block_id` and the
    /// input's `action_id`.
    #[must_use]
    pub fn input(block_id: &'static str, label: Plain, input: TextInput) -> Self {
        Self(Kind::Input {
            block_id,
            label: label.fit(LABEL),
            element: input,
            hint: None,
            optional: false,
        })
    }

    /// The input with a hint below it.
    #[must_use]
    pub fn hint(mut self, text: Plain) -> Self {
        if let Kind::Input { hint, .. } = &mut self.0 {
            *hint = Some(text.fit(LABEL));
        }
        self
    }

    fn has_buttons(&self) -> bool {
        match &self.0 {
            Kind::Actions { .. } => true,
            Kind::Section { accessory, .. } => accessory.is_some(),
            Kind::Header { .. } | Kind::Context { .. } | Kind::Input { .. } => false,
        }
    }

    /// How much text it holds.
    fn length(&self) -> usize {
        match &self.0 {
            Kind::Header { text } => text.length(),
            Kind::Section {
                text,
                fields,
                accessory,
            } => {
                let texts = text.iter().chain(fields).map(Mrkdwn::length);
                texts.sum::<usize>() + accessory.as_ref().map_or(0, Button::length)
            }
            Kind::Context { elements } => elements.iter().map(Mrkdwn::length).sum(),
            Kind::Actions { elements, .. } => elements.iter().map(Button::length).sum(),
            Kind::Input { label, hint, .. } => {
                label.length() + hint.as_ref().map_or(0, Plain::length)
            }
        }
    }

    /// The block with no more text than this, each of its texts shortened alike; `None` if that
    /// leaves nothing of them.
    fn within(self, limit: usize) -> Option<Self> {
        if self.length() <= limit {
            return Some(self);
        }
        let share = |texts: usize| limit.checked_div(texts).filter(|share| *share > 0);
        Some(Self(match self.0 {
            Kind::Header { text } => Kind::Header {
                text: text.fit(share(1)?),
            },
            Kind::Section {
                text,
                fields,
                accessory,
            } => {
                let share = share(fields.len() + usize::from(text.is_some()))?;
                Kind::Section {
                    text: text.map(|text| text.fit(share)),
                    fields: fields.into_iter().map(|text| text.fit(share)).collect(),
                    accessory,
                }
            }
            Kind::Context { elements } => {
                let share = share(elements.len())?;
                Kind::Context {
                    elements: elements.into_iter().map(|text| text.fit(share)).collect(),
                }
            }
            other @ (Kind::Actions { .. } | Kind::Input { .. }) => other,
        }))
    }
}

/// A button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Button {
    r#type: &'static str,
    action_id: Cow<'static, str>,
    text: Plain,
    value: ButtonValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    style: Option<Style>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm: Option<Confirm>,
}

/// A button's colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Green.
    Primary,
    /// Red.
    Danger,
}

impl Button {
    /// A button that says `value` when it is pressed. `action_id` is the message's only one of that
    /// name.
    #[must_use]
    pub fn new(action_id: impl Into<Cow<'static, str>>, text: Plain, value: ButtonValue) -> Self {
        Self {
            r#type: "button",
            action_id: action_id.into(),
            text: text.fit(BUTTON),
            value,
            style: None,
            confirm: None,
        }
    }

    /// In a colour.
    #[must_use]
    pub fn style(mut self, style: Style) -> Self {
        self.style = Some(style);
        self
    }

    /// Asks before it counts as pressed.
    #[must_use]
    pub fn confirm(mut self, confirm: Confirm) -> Self {
        self.confirm = Some(confirm);
        self
    }

    fn length(&self) -> usize {
        self.text.length() + self.confirm.as_ref().map_or(0, Confirm::length)
    }
}

/// What a button asks before it counts as pressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confirm {
    title: Plain,
    text: Mrkdwn,
    confirm: Plain,
    deny: Plain,
}

impl Confirm {
    /// A question with a title, and what the buttons for yes and no say.
    #[must_use]
    pub fn new(title: Plain, text: Mrkdwn, yes: Plain, no: Plain) -> Self {
        Self {
            title: title.fit(CONFIRM_TITLE),
            text: text.fit(CONFIRM_TEXT),
            confirm: yes.fit(CONFIRM_BUTTON),
            deny: no.fit(CONFIRM_BUTTON),
        }
    }

    fn length(&self) -> usize {
        self.title.length() + self.text.length() + self.confirm.length() + self.deny.length()
    }
}

/// A field of several lines to write into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TextInput {
    r#type: &'static str,
    action_id: &'static str,
    multiline: bool,
    min_length: u32,
    max_length: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    placeholder: Option<Plain>,
}

impl TextInput {
    /// A field that takes 1 to `max_length` characters, 3000 at most.
    #[must_use]
    pub fn multiline(action_id: &'static str, max_length: u32) -> Self {
        Self {
            r#type: "plain_text_input",
            action_id,
            multiline: true,
            min_length: 1,
            max_length: max_length.clamp(1, INPUT),
            placeholder: None,
        }
    }

    /// With a text that shows while it is empty.
    #[must_use]
    pub fn placeholder(mut self, text: Plain) -> Self {
        self.placeholder = Some(text.fit(PLACEHOLDER));
        self
    }
}

/// A modal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Modal {
    r#type: &'static str,
    callback_id: &'static str,
    private_metadata: PrivateMetadata,
    title: Plain,
    #[serde(skip_serializing_if = "Option::is_none")]
    submit: Option<Plain>,
    close: Plain,
    blocks: Vec<Block>,
}

impl Modal {
    /// A modal to read and close. `callback_id` and `private_metadata` come back when it is sent in.
    #[must_use]
    pub fn new(
        callback_id: &'static str,
        private_metadata: PrivateMetadata,
        title: Plain,
        close: Plain,
        blocks: impl IntoIterator<Item = Block>,
    ) -> Self {
        Self {
            r#type: "modal",
            callback_id,
            private_metadata,
            title: title.fit(TITLE),
            submit: None,
            close: close.fit(TITLE),
            blocks: blocks.into_iter().take(BLOCKS_IN_MODAL).collect(),
        }
    }

    /// A modal to send in: with inputs, Slack wants a button for it.
    #[must_use]
    pub fn submit(mut self, text: Plain) -> Self {
        self.submit = Some(text.fit(TITLE));
        self
    }
}

/// What becomes of a modal that was sent in, as the body of the answer to Slack. An answer without a
/// body closes it (<https://docs.slack.dev/surfaces/modals>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SubmissionAnswer(Outcome);

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "response_action", rename_all = "snake_case")]
enum Outcome {
    Errors {
        errors: BTreeMap<&'static str, String>,
    },
    Update {
        view: Box<Modal>,
    },
    Clear,
}

impl SubmissionAnswer {
    /// It stays open and says beneath an input, by its `block_id`, what is wrong.
    #[must_use]
    pub fn error(block_id: &'static str, text: Plain) -> Self {
        let errors = BTreeMap::from([(block_id, text.fit(ERROR).into_string())]);
        Self(Outcome::Errors { errors })
    }

    /// It becomes another.
    #[must_use]
    pub fn update(modal: Modal) -> Self {
        let view = Box::new(modal);
        Self(Outcome::Update { view })
    }

    /// It closes, with all that are open beneath it.
    #[must_use]
    pub fn clear() -> Self {
        Self(Outcome::Clear)
    }
}

/// The message's own text is no text object.
fn as_string<S: serde::Serializer>(text: &Mrkdwn, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text.as_str())
}

#[cfg(test)]
#[path = "blocks_tests.rs"]
mod tests;
