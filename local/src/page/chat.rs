//! A Slack channel as people see it.

use std::cmp::Reverse;

use gatekeeper_core::approver::Approver;
use jiff::Timestamp;
use local_aws::{SlackAuthor, SlackContent, SlackEphemeral, SlackMessage, SlackView};
use serde_json::Value;

use super::mrkdwn::{Span, plain, spans};
use crate::slack::{CHANNEL, CHANNEL_NAME, Workspace};

/// More than this many messages nobody reads here.
const SHOWN: usize = 12;
/// Somebody in the workspace who is no approver, to see what becomes of their presses.
const STRANGER: &str = "U0MALLORY";

/// The channel, as one person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chat {
    pub(super) channel: &'static str,
    /// Everybody whom one can be.
    pub(super) people: Vec<Person>,
    /// Who one is: one of them.
    pub(super) me: String,
    /// The newest first.
    pub(super) posts: Vec<Post>,
    /// How many are not among them, because they are too many.
    pub(super) more: usize,
    pub(super) modal: Option<Modal>,
}

/// Somebody in the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) name: String,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Post {
    pub(super) ts: String,
    pub(super) at: Timestamp,
    pub(super) author: String,
    pub(super) is_edited: bool,
    /// Whether nobody else sees it.
    pub(super) is_private: bool,
    pub(super) parts: Vec<Part>,
    /// The oldest first.
    pub(super) replies: Vec<Post>,
}

/// A block of a message or a modal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Header(String),
    Text(Vec<Span>),
    /// In two columns, where there is room.
    Fields(Vec<Vec<Span>>),
    Context(Vec<Span>),
    Buttons(Vec<Button>),
    Input(Input),
}

/// A button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Button {
    pub(super) action_id: String,
    pub(super) label: String,
    /// `primary`, `danger` or nothing.
    pub(super) style: String,
    /// What Slack asks before it sends the press.
    pub(super) confirm: Option<Confirm>,
}

/// A question before a press is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Confirm {
    pub(super) title: String,
    pub(super) text: Vec<Span>,
    pub(super) yes: String,
}

/// A field of a modal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Input {
    /// The id of its block.
    pub(super) id: String,
    pub(super) label: String,
    pub(super) hint: Option<String>,
    pub(super) is_required: bool,
    pub(super) longest: u64,
    /// What the app found wrong with it.
    pub(super) error: Option<String>,
}

/// A modal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Modal {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) parts: Vec<Part>,
    /// What submits it; without, there is nothing to submit.
    pub(super) submit: Option<String>,
    pub(super) close: String,
}

impl Chat {
    /// The channel as the person at the keyboard sees it.
    pub(super) fn read(workspace: &Workspace, approvers: &[Approver]) -> Self {
        let people = people(approvers);
        let me = workspace
            .present()
            .filter(|id| people.iter().any(|person| person.id == *id))
            .or_else(|| people.first().map(|person| person.id.clone()))
            .unwrap_or_default();
        let slack = &workspace.slack;
        let (replies, tops): (Vec<SlackMessage>, Vec<SlackMessage>) = slack
            .messages(CHANNEL)
            .into_iter()
            .partition(|message| message.thread_ts.is_some() && !message.broadcast);
        let mut posts: Vec<Post> = tops
            .iter()
            .map(|message| Post {
                replies: replies
                    .iter()
                    .filter(|reply| reply.thread_ts.as_ref() == Some(&message.ts))
                    .map(|reply| Post::of(reply, &people))
                    .collect(),
                ..Post::of(message, &people)
            })
            .collect();
        let announced = slack.ephemerals(CHANNEL, &me);
        posts.extend(announced.iter().map(Post::to_me));
        posts.sort_by_key(|post| Reverse(post.at));
        let more = posts.len().saturating_sub(SHOWN);
        posts.truncate(SHOWN);
        Self {
            channel: CHANNEL_NAME,
            modal: slack.views(&me).last().map(Modal::of),
            people,
            me,
            posts,
            more,
        }
    }
}

/// Approvers who are known in Slack, and a stranger.
fn people(approvers: &[Approver]) -> Vec<Person> {
    let known = approvers.iter().filter_map(|approver| {
        Some(Person {
            id: approver.slack_user_id.as_ref()?.to_string(),
            name: approver.id.to_string(),
        })
    });
    let stranger = Person {
        id: STRANGER.to_owned(),
        name: "somebody else".to_owned(),
    };
    known.chain([stranger]).collect()
}

impl Post {
    fn of(message: &SlackMessage, people: &[Person]) -> Self {
        let author = match &message.author {
            SlackAuthor::App => "Gatekeeper".to_owned(),
            SlackAuthor::User(id) => {
                let known = people.iter().find(|person| person.id == *id);
                known.map_or_else(|| id.clone(), |person| person.name.clone())
            }
        };
        Self {
            ts: message.ts.clone(),
            at: moment(&message.ts),
            author,
            is_edited: message.edits > 0,
            is_private: false,
            parts: parts_of(&message.content),
            replies: Vec::new(),
        }
    }

    fn to_me(announced: &SlackEphemeral) -> Self {
        Self {
            ts: announced.ts.clone(),
            at: moment(&announced.ts),
            author: "Gatekeeper".to_owned(),
            is_edited: false,
            is_private: true,
            parts: parts_of(&announced.content),
            replies: Vec::new(),
        }
    }
}

impl Modal {
    /// A modal that somebody has open.
    pub(super) fn of(view: &SlackView) -> Self {
        let mut parts = parts(array(&view.view, "blocks"));
        for part in &mut parts {
            if let Part::Input(input) = part {
                input.error = view.errors.get(&input.id).cloned();
            }
        }
        Self {
            id: view.id.clone(),
            title: label(&view.view, "title").unwrap_or_default(),
            submit: label(&view.view, "submit"),
            close: label(&view.view, "close").unwrap_or_else(|| "Close".to_owned()),
            parts,
        }
    }

    /// The ids of its fields.
    pub(super) fn inputs(&self) -> impl Iterator<Item = &Input> {
        self.parts.iter().filter_map(|part| match part {
            Part::Input(input) => Some(input),
            _ => None,
        })
    }
}

/// What a message shows: the text only where there are no blocks.
fn parts_of(content: &SlackContent) -> Vec<Part> {
    if content.blocks.is_empty() {
        return vec![Part::Text(spans(&content.text))];
    }
    parts(&content.blocks)
}

fn parts(blocks: &[Value]) -> Vec<Part> {
    blocks.iter().flat_map(parts_in).collect()
}

fn parts_in(block: &Value) -> Vec<Part> {
    match string(block, "type") {
        "header" => label(block, "text").map(Part::Header).into_iter().collect(),
        "section" => {
            let text = block.get("text").map(|text| Part::Text(text_in(text)));
            let fields: Vec<_> = array(block, "fields").iter().map(text_in).collect();
            let fields = (!fields.is_empty()).then_some(Part::Fields(fields));
            let accessory = block.get("accessory");
            let accessory = accessory.filter(|element| string(element, "type") == "button");
            let beside = accessory.map(|element| Part::Buttons(vec![button(element)]));
            text.into_iter().chain(fields).chain(beside).collect()
        }
        "context" => {
            let elements = array(block, "elements").iter();
            elements.map(|one| Part::Context(text_in(one))).collect()
        }
        "actions" => {
            let elements = array(block, "elements").iter();
            let buttons = elements.filter(|element| string(element, "type") == "button");
            vec![Part::Buttons(buttons.map(button).collect())]
        }
        "input" => vec![Part::Input(input(block))],
        _ => Vec::new(),
    }
}

fn button(button: &Value) -> Button {
    Button {
        action_id: string(button, "action_id").to_owned(),
        label: label(button, "text").unwrap_or_default(),
        style: string(button, "style").to_owned(),
        confirm: button.get("confirm").map(|confirm| Confirm {
            title: label(confirm, "title").unwrap_or_default(),
            text: confirm.get("text").map(text_in).unwrap_or_default(),
            yes: label(confirm, "confirm").unwrap_or_default(),
        }),
    }
}

fn input(block: &Value) -> Input {
    let longest = block.pointer("/element/max_length").and_then(Value::as_u64);
    Input {
        id: string(block, "block_id").to_owned(),
        label: label(block, "label").unwrap_or_default(),
        hint: label(block, "hint"),
        is_required: block.get("optional") != Some(&Value::Bool(true)),
        longest: longest.unwrap_or(3000),
        error: None,
    }
}

/// A text object.
fn text_in(text: &Value) -> Vec<Span> {
    match string(text, "type") {
        "mrkdwn" => spans(string(text, "text")),
        _ => plain(string(text, "text")),
    }
}

/// What a text object of this name says, where it has no markup.
fn label(owner: &Value, name: &str) -> Option<String> {
    let text = owner.get(name).map(|text| string(text, "text"));
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

fn string<'v>(owner: &'v Value, name: &str) -> &'v str {
    let value = owner.get(name).and_then(Value::as_str);
    value.unwrap_or_default()
}

fn array<'v>(owner: &'v Value, name: &str) -> &'v [Value] {
    let value = owner.get(name).and_then(Value::as_array);
    value.map(Vec::as_slice).unwrap_or_default()
}

/// When a message was posted: its `ts` is in seconds and microseconds.
fn moment(ts: &str) -> Timestamp {
    let microseconds = ts.replace('.', "").parse().ok();
    let moment = microseconds.and_then(|at| Timestamp::from_microsecond(at).ok());
    moment.unwrap_or_default()
}
