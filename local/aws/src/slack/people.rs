//! What people do, and what they get to see for it.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::blocks::elements;
use super::chat::to_json;
use super::interaction::{Did, Interaction};
use super::message::{SlackAuthor, SlackContent, SlackMessage, SlackView};
use super::store::{ResponseUrl, Store, Trigger, in_view};
use super::text::text_of;
use super::views;
use super::workspace::Slack;

/// "This must be sent within 3 seconds of receiving the payload."
const TIMEOUT: Duration = Duration::from_secs(3);

/// "A modal can hold up to 3 views at a time."
const MOST_VIEWS: usize = 3;

/// Why a person cannot do a thing: what it is done with is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CannotDo(String);

/// A button with the block that it is in.
type Button<'a> = (&'a str, &'a Value);

fn button<'a>(content: &'a SlackContent, action_id: &str) -> Option<Button<'a>> {
    let mut buttons = content.blocks.iter().flat_map(|block| {
        let elements = elements(block);
        elements.map(move |element| (text_of(block, "block_id"), element))
    });
    buttons.find(|(_, element)| {
        text_of(element, "type") == "button" && text_of(element, "action_id") == action_id
    })
}

impl Slack {
    /// A user presses a button of a message, or of an ephemeral one that only this user sees. A user who is not known
    /// becomes so.
    ///
    /// # Errors
    /// If there is no such message, or it has no such button now.
    pub fn press(
        &self,
        user: &str,
        channel: &str,
        ts: &str,
        action_id: &str,
    ) -> Result<Interaction, CannotDo> {
        self.press_in(user, channel, ts, action_id, false)
    }

    /// [`Slack::press`] of a button that the message may have lost since: the user's screen shows what was.
    ///
    /// # Errors
    /// If there is no such message, or it never had such a button.
    pub fn press_stale(
        &self,
        user: &str,
        channel: &str,
        ts: &str,
        action_id: &str,
    ) -> Result<Interaction, CannotDo> {
        self.press_in(user, channel, ts, action_id, true)
    }

    fn press_in(
        &self,
        user: &str,
        channel: &str,
        ts: &str,
        action_id: &str,
        stale: bool,
    ) -> Result<Interaction, CannotDo> {
        let mut store = self.store();
        let message = store.message(channel, ts).cloned();
        let ephemeral = store.ephemerals.iter().find(|shown| {
            (
                shown.channel.as_str(),
                shown.ts.as_str(),
                shown.user.as_str(),
            ) == (channel, ts, user)
        });
        let (content, earlier, is_ephemeral) = match (&message, ephemeral) {
            (Some(message), _) => (message.content.clone(), message.earlier.clone(), false),
            (None, Some(shown)) => (shown.content.clone(), Vec::new(), true),
            (None, None) => {
                let why = format!("{channel} has no message {ts} that {user} sees");
                return Err(CannotDo(why));
            }
        };
        let earlier = earlier.iter().rev().filter(|_| stale);
        let found = std::iter::once(&content)
            .chain(earlier)
            .find_map(|content| button(content, action_id));
        let (block_id, button) = found.ok_or_else(|| {
            let why = format!("message {ts} in {channel} has no button {action_id}");
            CannotDo(why)
        })?;
        let now = self.now();
        let slacks_now = store.slacks_now(now);
        let mut action = json!({ "block_id": block_id, "action_ts": store.next_ts(slacks_now) });
        if let (Some(fields), Some(given)) = (action.as_object_mut(), button.as_object()) {
            // The fields of the button come back as well.
            fields.extend(given.clone());
        }
        let response_url = self.made_response_url(
            &mut store,
            ResponseUrl {
                user: user.to_owned(),
                channel: channel.to_owned(),
                ts: ts.to_owned(),
                at: now,
                uses: 0,
            },
        );
        let mut payload = self.payload(&mut store, "block_actions", user, now);
        payload.extend([
            (
                "container".to_owned(),
                json!({ "type": "message", "message_ts": ts, "channel_id": channel, "is_ephemeral": is_ephemeral }),
            ),
            (
                "channel".to_owned(),
                json!({ "id": channel, "name": store.channels.get(channel).map(|channel| channel.name.clone()) }),
            ),
            ("state".to_owned(), json!({ "values": {} })),
            ("response_url".to_owned(), json!(response_url)),
            ("actions".to_owned(), json!([action])),
        ]);
        if let Some(message) = message {
            payload.insert("message".to_owned(), to_json(self, &message));
        }
        Ok(self.interaction(&store, payload, Did::Press, now))
    }

    /// A user fills in a modal, each value by the id of its block, and submits it. It stays open until
    /// [`Slack::answered`] has closed it, so it can be submitted twice.
    ///
    /// # Errors
    /// If the user has no such modal open, or Slack's own client would not send it: something that is required is
    /// missing, is too short or too long, or is no option.
    pub fn submit_view(
        &self,
        user: &str,
        view_id: &str,
        values: &[(&str, &str)],
    ) -> Result<Interaction, CannotDo> {
        let mut store = self.store();
        let view = open_view(&store, user, view_id)?;
        let state = state(&view, values)?;
        let now = self.now();
        let mut payload = self.payload(&mut store, "view_submission", user, now);
        payload.insert("view".to_owned(), views::to_json(self, &view, &state));
        payload.insert("response_urls".to_owned(), json!([]));
        let did = Did::Submit(view_id.to_owned());
        Ok(self.interaction(&store, payload, did, now))
    }

    /// A user closes a modal. Slack tells the app only if it wanted to be told.
    ///
    /// # Errors
    /// If the user has no such modal open.
    pub fn close_view(&self, user: &str, view_id: &str) -> Result<Option<Interaction>, CannotDo> {
        let mut store = self.store();
        let view = open_view(&store, user, view_id)?;
        store.views.retain(|open| open.id != view_id);
        let notify = view.view.get("notify_on_close");
        if notify.is_none_or(|notify| *notify != true) {
            return Ok(None);
        }
        let now = self.now();
        let mut payload = self.payload(&mut store, "view_closed", user, now);
        payload.insert("view".to_owned(), views::to_json(self, &view, &json!({})));
        payload.insert("is_cleared".to_owned(), json!(false));
        Ok(Some(self.interaction(&store, payload, Did::Close, now)))
    }

    /// Tells Slack what the app answered, and how long that took. The user sees an error if the answer was not 200
    /// within three seconds, or makes no sense. The answer to a submission closes, changes or replaces the modal.
    pub fn answered(&self, interaction: &Interaction, status: u16, body: &[u8], took: Duration) {
        let mut store = self.store();
        let now = self.now();
        let result = if status != 200 {
            Err(format!("the answer's status was {status}"))
        } else if took > TIMEOUT {
            Err(format!("the answer took {} ms", took.as_millis()))
        } else if let Did::Submit(view_id) = &interaction.did {
            self.submitted(&mut store, interaction, view_id, body)
        } else {
            Ok(())
        };
        if let Err(why) = result {
            store.show_error(&interaction.user, why, now);
        }
    }

    fn submitted(
        &self,
        store: &mut Store,
        interaction: &Interaction,
        view_id: &str,
        body: &[u8],
    ) -> Result<(), String> {
        let answer: Value = if body.is_empty() {
            json!({})
        } else {
            serde_json::from_slice(body).map_err(|_| "the answer's body is not JSON".to_owned())?
        };
        let open = store.views.iter().position(|open| open.id == view_id);
        let Some(open) = open else {
            return Ok(());
        };
        let user = interaction.user.clone();
        let action = text_of(&answer, "response_action").to_owned();
        let view = |store: &mut Store, id: &str| {
            let view = answer.get("view").cloned().unwrap_or_default();
            let view = views::take(self, store, view, in_view("answer", id));
            view.map_err(|error| format!("the view that was answered: {}", error.to_json()))
        };
        match action.as_str() {
            "" => drop(store.views.remove(open)),
            "clear" => store.views.retain(|open| open.user != user),
            "update" => {
                let view = view(store, view_id)?;
                views::replace(self, store, view_id, view);
            }
            "push" => {
                let theirs = store.views.iter().filter(|open| open.user == user).count();
                if theirs >= MOST_VIEWS {
                    return Err("the answer pushes a view on three others".to_owned());
                }
                let id = self.made_view_id();
                let view = view(store, &id)?;
                views::add(self, store, &user, id, view);
            }
            "errors" => {
                let errors = answer.get("errors").and_then(Value::as_object);
                let errors = errors.filter(|errors| !errors.is_empty());
                let errors = errors.ok_or("the answer names no errors")?;
                let Some(open) = store.views.get_mut(open) else {
                    return Ok(());
                };
                let is_input = |id: &str| {
                    let mut blocks = open.blocks().iter();
                    blocks.any(|block| {
                        text_of(block, "type") == "input" && text_of(block, "block_id") == id
                    })
                };
                if let Some(id) = errors.keys().find(|id| !is_input(id)) {
                    return Err(format!(
                        "the view has no input block {id} to show an error at"
                    ));
                }
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                open.errors = errors
                    .iter()
                    .map(|(id, error)| (id.clone(), text(error)))
                    .collect();
            }
            other => return Err(format!("the answer's response_action is {other:?}")),
        }
        Ok(())
    }

    /// The fields that the payloads of all interactions share.
    fn payload(
        &self,
        store: &mut Store,
        kind: &str,
        user: &str,
        now: Timestamp,
    ) -> Map<String, Value> {
        let name = store.username(user);
        store
            .users
            .entry(user.to_owned())
            .or_insert_with(|| name.clone());
        let trigger_id = self.made_trigger_id(now);
        store.triggers.insert(
            trigger_id.clone(),
            Trigger {
                user: user.to_owned(),
                at: now,
                exchanged: false,
            },
        );
        let team = self.team_id();
        let payload = json!({
            "type": kind,
            "user": { "id": user, "username": name, "name": name, "team_id": team },
            "api_app_id": self.app_id(),
            "token": self.data().verification_token,
            "trigger_id": trigger_id,
            "team": { "id": team, "domain": "local" },
            "enterprise": null,
            "is_enterprise_install": false,
        });
        match payload {
            Value::Object(payload) => payload,
            _ => Map::new(),
        }
    }

    fn interaction(
        &self,
        store: &Store,
        payload: Map<String, Value>,
        did: Did,
        now: Timestamp,
    ) -> Interaction {
        let at = store.slacks_now(now);
        Interaction::new(
            Value::Object(payload),
            did,
            at,
            store.signing_secret.clone(),
        )
    }

    /// A person writes a message, and its `ts` is answered. A user who is not known becomes so.
    pub fn post_as(&self, user: &str, channel: &str, text: &str) -> String {
        let mut store = self.store();
        let now = self.now();
        let slacks_now = store.slacks_now(now);
        let ts = store.next_ts(slacks_now);
        let name = store.username(user);
        store.users.entry(user.to_owned()).or_insert(name);
        store.put(SlackMessage {
            channel: channel.to_owned(),
            ts: ts.clone(),
            thread_ts: None,
            broadcast: false,
            author: SlackAuthor::User(user.to_owned()),
            content: SlackContent {
                text: text.to_owned(),
                blocks: Vec::new(),
            },
            metadata: None,
            edits: 0,
            earlier: Vec::new(),
            posted_at: now,
        });
        ts
    }

    /// Deletes any message, as an administrator may; `false` if there is none.
    pub fn delete_message(&self, channel: &str, ts: &str) -> bool {
        let key = (channel.to_owned(), ts.to_owned());
        self.store().messages.remove(&key).is_some()
    }
}

fn open_view(store: &Store, user: &str, view_id: &str) -> Result<SlackView, CannotDo> {
    let mut views = store.views.iter();
    let view = views.find(|view| (view.user.as_str(), view.id.as_str()) == (user, view_id));
    let why = || CannotDo(format!("{user} has no modal {view_id} open"));
    view.cloned().ok_or_else(why)
}

/// `state.values`: what the inputs hold, by block id and action id.
fn state(view: &SlackView, values: &[(&str, &str)]) -> Result<Value, CannotDo> {
    let inputs = view.blocks().iter();
    let inputs = inputs.filter(|block| text_of(block, "type") == "input");
    let mut state = Map::new();
    for block in inputs {
        let Some(element) = block.get("element") else {
            continue;
        };
        let id = text_of(block, "block_id");
        let given = values.iter().find(|(block_id, _)| *block_id == id);
        let given = given.map(|(_, value)| *value);
        let held = held(block, element, given)?;
        let action = json!({ text_of(element, "action_id"): held });
        state.insert(id.to_owned(), action);
    }
    if let Some((id, _)) = values.iter().find(|(id, _)| !state.contains_key(*id)) {
        return Err(CannotDo(format!("the modal has no input block {id}")));
    }
    Ok(Value::Object(state))
}

/// The value of an input.
fn held(block: &Value, element: &Value, given: Option<&str>) -> Result<Value, CannotDo> {
    let id = text_of(block, "block_id");
    let kind = text_of(element, "type");
    let optional = block
        .get("optional")
        .is_some_and(|optional| *optional == true);
    let missing = || CannotDo(format!("block {id} of the modal must be filled in"));
    if kind != "plain_text_input" {
        let options = element.get("options").and_then(Value::as_array);
        let mut options = options.into_iter().flatten();
        let chosen = match given {
            Some(value) => {
                let chosen = options.find(|option| text_of(option, "value") == value);
                let why = || CannotDo(format!("block {id} of the modal has no option {value}"));
                Some(chosen.ok_or_else(why)?)
            }
            None => element.get("initial_option"),
        };
        if chosen.is_none() && !optional {
            return Err(missing());
        }
        return Ok(json!({ "type": kind, "selected_option": chosen }));
    }
    let text = given.unwrap_or_else(|| text_of(element, "initial_value"));
    if text.is_empty() {
        // An input that may be left empty comes back as null.
        return if optional {
            Ok(json!({ "type": kind, "value": null }))
        } else {
            Err(missing())
        };
    }
    let limit = |name: &str| element.get(name).and_then(Value::as_u64);
    let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
    let (least, most) = (limit("min_length"), limit("max_length"));
    let (least, most) = (least.unwrap_or(0), most.unwrap_or(3000));
    if !(least..=most).contains(&length) {
        let why = format!("block {id} of the modal takes {least} to {most} characters");
        return Err(CannotDo(why));
    }
    Ok(json!({ "type": kind, "value": text }))
}
