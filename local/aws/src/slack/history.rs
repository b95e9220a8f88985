//! Reading a channel.

use serde_json::{Value, json};

use super::chat::to_json;
use super::errors::{self, SlackError};
use super::message::SlackMessage;
use super::store::Store;
use super::workspace::Request;

/// "Default: 100", "Maximum of 999".
const PAGE: u64 = 100;
const MOST: u64 = 999;

/// Where a page begins: before or behind this `ts`, by the order of the list.
const CURSOR: &str = "next_ts:";

/// The channel that the call names, if the app may read it.
fn readable(req: &Request<'_>, store: &Store) -> Result<String, SlackError> {
    let id = req.args.required("channel")?;
    let channel = store.channels.get(id);
    let channel = channel.filter(|channel| channel.member || !channel.private);
    let channel = channel.ok_or_else(|| SlackError::new("channel_not_found"))?;
    let scope = if channel.private {
        "groups:history"
    } else {
        "channels:history"
    };
    if !store.options.scopes.contains(scope) {
        return Err(errors::missing_scope(
            scope,
            store.options.scopes.iter().cloned(),
        ));
    }
    if !channel.member {
        return Err(SlackError::new("not_in_channel"));
    }
    Ok(id.to_owned())
}

/// Reads seconds with up to six decimals as microseconds.
fn micros(ts: &str) -> Option<i64> {
    let (seconds, fraction) = ts.split_once('.').unwrap_or((ts, ""));
    if fraction.len() > 6 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: i64 = format!("{fraction:0<6}").parse().ok()?;
    let seconds: i64 = seconds.parse().ok()?;
    seconds.checked_mul(1_000_000)?.checked_add(fraction)
}

/// The part of a list that the call asks for.
struct Range {
    oldest: Option<i64>,
    latest: Option<i64>,
    inclusive: bool,
    cursor: Option<i64>,
    limit: usize,
}

impl Range {
    fn read(req: &Request<'_>, page_size: usize) -> Result<Self, SlackError> {
        let bound = |name: &str| {
            let Some(ts) = req.args.text(name)? else {
                return Ok(None);
            };
            let code = format!("invalid_ts_{name}");
            micros(ts).map(Some).ok_or_else(|| SlackError::new(code))
        };
        let cursor = match req.args.text("cursor")? {
            None => None,
            Some(cursor) => {
                let ts = cursor.strip_prefix(CURSOR).and_then(micros);
                Some(ts.ok_or_else(|| SlackError::new("invalid_cursor"))?)
            }
        };
        let limit = req.args.number("limit")?.unwrap_or(PAGE);
        if !(1..=MOST).contains(&limit) {
            return Err(SlackError::new("invalid_limit"));
        }
        let limit = usize::try_from(limit).unwrap_or(page_size);
        Ok(Self {
            oldest: bound("oldest")?,
            latest: bound("latest")?,
            inclusive: req.args.flag("inclusive")?.unwrap_or(false),
            cursor,
            limit: limit.min(page_size).max(1),
        })
    }

    fn holds(&self, at: i64) -> bool {
        let behind = |bound: i64| at > bound || self.inclusive && at == bound;
        let before = |bound: i64| at < bound || self.inclusive && at == bound;
        self.oldest.is_none_or(behind) && self.latest.is_none_or(before)
    }
}

/// The messages of a page as the Web API has them, and the cursor of the next.
fn page<'a>(
    req: &Request<'_>,
    range: &Range,
    all: impl Iterator<Item = &'a SlackMessage>,
    behind_cursor: impl Fn(i64, i64) -> bool,
) -> Result<Value, SlackError> {
    let at = |message: &SlackMessage| micros(&message.ts).unwrap_or_default();
    let mut wanted = all
        .filter(|message| range.holds(at(message)))
        .filter(|message| {
            range
                .cursor
                .is_none_or(|cursor| behind_cursor(at(message), cursor))
        });
    let messages: Vec<&SlackMessage> = wanted.by_ref().take(range.limit).collect();
    let more = wanted.next().is_some();
    let all_metadata = req.args.flag("include_all_metadata")?.unwrap_or(false);
    let listed: Vec<Value> = messages
        .iter()
        .map(|message| {
            let mut json = to_json(req.slack, message);
            if let (true, Some(metadata), Some(fields)) =
                (all_metadata, &message.metadata, json.as_object_mut())
            {
                fields.insert("metadata".to_owned(), metadata.clone());
            }
            json
        })
        .collect();
    let mut answer = json!({ "messages": listed, "has_more": more });
    if let (true, Some(last), Some(fields)) = (more, messages.last(), answer.as_object_mut()) {
        let cursor = json!({ "next_cursor": format!("{CURSOR}{}", last.ts) });
        fields.insert("response_metadata".to_owned(), cursor);
    }
    Ok(answer)
}

/// `conversations.history`: the newest first. Replies are in their threads; those that are shown in the channel, here
/// too.
pub(crate) fn history(req: &Request<'_>) -> Result<Value, SlackError> {
    let store = req.slack.store();
    let channel = readable(req, &store)?;
    let range = Range::read(req, store.options.page_size)?;
    let all = store.messages_of(&channel).rev();
    let all = all.filter(|message| message.thread_ts.is_none() || message.broadcast);
    page(req, &range, all, |at, cursor| at < cursor)
}

/// `conversations.replies`: the message and what replies to it, the oldest first.
pub(crate) fn replies(req: &Request<'_>) -> Result<Value, SlackError> {
    let store = req.slack.store();
    let channel = readable(req, &store)?;
    let ts = req.args.required("ts")?;
    let range = Range::read(req, store.options.page_size)?;
    if store.message(&channel, ts).is_none() {
        return Err(SlackError::new("thread_not_found"));
    }
    let all = store.messages_of(&channel);
    let all = all.filter(|message| message.ts == ts || message.thread_ts.as_deref() == Some(ts));
    page(req, &range, all, |at, cursor| at > cursor)
}

#[cfg(test)]
mod tests {
    use super::micros;

    #[test]
    fn timestamps_are_seconds_with_up_to_six_digits_behind() {
        for (ts, expected) in [
            ("0", Some(0)),
            ("1767225600", Some(1_767_225_600_000_000)),
            ("1767225600.000001", Some(1_767_225_600_000_001)),
            ("1767225600.5", Some(1_767_225_600_500_000)),
            ("1767225600.", Some(1_767_225_600_000_000)),
            ("1767225600.0000001", None),
            ("1.+1", None),
            ("x", None),
            ("", None),
            ("99999999999999999", None),
        ] {
            assert_eq!(micros(ts), expected, "{ts}");
        }
    }
}
