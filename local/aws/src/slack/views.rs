//! Modals.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::blocks;
use super::errors::{self, SlackError};
use super::message::{SlackPlace, SlackView};
use super::store::{Sent, Store, in_view};
use super::text::text_of;
use super::workspace::{Request, Slack};
use crate::clock::after;

/// "A `trigger_id` will expire 3 seconds after it's sent to your app."
const TRIGGER_LIFE: Duration = Duration::from_secs(3);

/// "Error returned if the provided view is greater than 250kb."
const LARGEST: usize = 250_000;

/// Checks a view, notes the links and mentions in its texts, and gives it the ids that it lacks.
pub(crate) fn take(
    slack: &Slack,
    store: &mut Store,
    mut view: Value,
    place: SlackPlace,
) -> Result<Value, SlackError> {
    if view.to_string().len() > LARGEST {
        return Err(SlackError::new("view_too_large"));
    }
    let found = blocks::modal(&view)
        .map_err(|wrong| SlackError::new("invalid_arguments").with_messages(wrong))?;
    let external_id = text_of(&view, "external_id");
    let same = |other: &SlackView| {
        !external_id.is_empty()
            && other.id != place.id
            && text_of(&other.view, "external_id") == external_id
    };
    if store.views.iter().any(same) {
        return Err(SlackError::new("duplicate_external_id"));
    }
    store.note(&Sent {
        place,
        text: None,
        is_shown: false,
        found: &found,
    });
    if let Some(view_blocks) = view.get_mut("blocks") {
        blocks::fill_ids(view_blocks, slack.ids());
    }
    Ok(view)
}

/// Shows a view that was checked to a user, above those that the user has open.
pub(crate) fn add(slack: &Slack, store: &mut Store, user: &str, id: String, view: Value) -> Value {
    let view = SlackView {
        id,
        user: user.to_owned(),
        view,
        hash: slack.made_hash(),
        errors: BTreeMap::new(),
    };
    let json = to_json(slack, &view, &json!({}));
    store.views.push(view);
    json
}

fn view_of(req: &Request<'_>) -> Result<Value, SlackError> {
    let view = req.args.json("view", "invalid_arguments")?;
    view.ok_or_else(|| errors::missing("view"))
}

/// The page about interactions calls the errors `trigger_expired` and `trigger_exchanged`; these are those of the
/// method's reference, and of public reports.
pub(crate) fn open(req: &Request<'_>) -> Result<Value, SlackError> {
    let mut store = req.slack.store();
    let id = req.args.required("trigger_id")?;
    let trigger = store.triggers.get(id).cloned();
    let trigger = trigger.ok_or_else(|| SlackError::new("invalid_trigger_id"))?;
    if req.now > after(trigger.at, TRIGGER_LIFE) {
        return Err(SlackError::new("expired_trigger_id"));
    }
    if trigger.exchanged {
        return Err(SlackError::new("exchanged_trigger_id"));
    }
    let view_id = req.slack.made_view_id();
    let place = in_view(req.method, &view_id);
    let view = take(req.slack, &mut store, view_of(req)?, place)?;
    if let Some(trigger) = store.triggers.get_mut(id) {
        trigger.exchanged = true;
    }
    let view = add(req.slack, &mut store, &trigger.user, view_id, view);
    Ok(json!({ "view": view }))
}

pub(crate) fn update(req: &Request<'_>) -> Result<Value, SlackError> {
    let mut store = req.slack.store();
    let (view_id, external_id) = (req.args.text("view_id")?, req.args.text("external_id")?);
    if view_id.is_none() && external_id.is_none() {
        return Err(errors::missing("view_id"));
    }
    let named = |view: &&SlackView| match view_id {
        Some(id) => view.id == id,
        None => Some(text_of(&view.view, "external_id")) == external_id,
    };
    let open = store.views.iter().find(named).cloned();
    let open = open.ok_or_else(|| SlackError::new("not_found"))?;
    if req.args.text("hash")?.is_some_and(|hash| hash != open.hash) {
        return Err(SlackError::new("hash_conflict"));
    }
    let place = in_view(req.method, &open.id);
    let view = take(req.slack, &mut store, view_of(req)?, place)?;
    let view = replace(req.slack, &mut store, &open.id, view);
    Ok(json!({ "view": view }))
}

/// Puts a view that was checked in the place of another; what was wrong with it before is forgotten.
pub(crate) fn replace(slack: &Slack, store: &mut Store, id: &str, view: Value) -> Option<Value> {
    let open = store.views.iter_mut().find(|open| open.id == id)?;
    open.view = view;
    open.hash = slack.made_hash();
    open.errors.clear();
    Some(to_json(slack, open, &json!({})))
}

/// A view as the Web API and interactions have it, with what its inputs hold.
pub(crate) fn to_json(slack: &Slack, view: &SlackView, values: &Value) -> Value {
    let mut json = json!({
        "id": view.id,
        "team_id": slack.team_id(),
        "type": "modal",
        "blocks": [],
        "private_metadata": "",
        "callback_id": "",
        "state": { "values": values },
        "hash": view.hash,
        "title": null,
        "clear_on_close": false,
        "notify_on_close": false,
        "close": null,
        "submit": null,
        "previous_view_id": null,
        "root_view_id": view.id,
        "app_id": slack.app_id(),
        "external_id": "",
        "app_installed_team_id": slack.team_id(),
        "bot_id": slack.bot_id(),
    });
    if let (Some(fields), Some(given)) = (json.as_object_mut(), view.view.as_object()) {
        let given = given.iter().filter(|(name, _)| *name != "submit_disabled");
        fields.extend(given.map(|(name, value)| (name.clone(), value.clone())));
    }
    json
}
