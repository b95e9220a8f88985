//! What an interaction's `response_url` takes.

use std::time::Duration;

use serde_json::Value;

use super::chat::{self, Draft, LONGEST};
use super::errors::SlackError;
use super::store::edit;
use super::workspace::Request;
use crate::clock::after;

/// "These responses can be sent up to 5 times within 30 minutes of receiving the payload."
const MOST: u32 = 5;
const LIFE: Duration = Duration::from_secs(30 * 60);

/// Carries out a message to the URL with this path behind `/actions/`. The errors are not documented: `used_url` and
/// `expired_url` are as people report them.
pub(crate) fn post(req: &Request<'_>, path: &str) -> Result<Value, SlackError> {
    let mut store = req.slack.store();
    let url = store.response_urls.get(path).cloned();
    let url = url.ok_or_else(|| SlackError::new("no_service"))?;
    if req.now > after(url.at, LIFE) {
        return Err(SlackError::new("expired_url"));
    }
    if url.uses >= MOST {
        return Err(SlackError::new("used_url"));
    }
    let flag = |name| Ok::<_, SlackError>(req.args.flag(name)?.unwrap_or(false));
    let (replace, delete) = (flag("replace_original")?, flag("delete_original")?);
    let in_channel = match req.args.text("response_type")? {
        None | Some("ephemeral") => false,
        Some("in_channel") => true,
        Some(_) => return Err(SlackError::new("invalid_payload")),
    };
    let draft = Draft::read(req, LONGEST)?;
    let says_something = draft.content().is_ok();
    if !delete && !says_something {
        return Err(SlackError::new("no_text"));
    }
    let ephemeral = |shown: &&mut super::message::SlackEphemeral| {
        (&shown.channel, &shown.ts) == (&url.channel, &url.ts)
    };
    if delete {
        let key = (url.channel.clone(), url.ts.clone());
        store.messages.remove(&key);
        store
            .ephemerals
            .retain(|shown| (&shown.channel, &shown.ts) != (&url.channel, &url.ts));
    }
    if replace {
        let content = draft.content()?;
        store.note(&draft.sent(req.method, &url.channel, &url.ts));
        if let Some(message) = store.message_mut(&url.channel, &url.ts) {
            edit(message, content);
        } else if let Some(shown) = store.ephemerals.iter_mut().find(ephemeral) {
            shown.content = content;
        } else {
            return Err(SlackError::new("message_not_found"));
        }
    } else if says_something && in_channel {
        let thread_ts = chat::thread(req.args.text("thread_ts")?, &store, &url.channel)?;
        chat::add(req, &mut store, &url.channel, thread_ts, &draft, None)?;
    } else if says_something {
        chat::add_ephemeral(req, &mut store, &url.channel, &url.user, &draft)?;
    }
    if let Some(url) = store.response_urls.get_mut(path) {
        url.uses += 1;
    }
    Ok(Value::Null)
}
