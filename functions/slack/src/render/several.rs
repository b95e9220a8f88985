//! One message for several reviews of the same account at the same service, a line for each.

use std::collections::BTreeMap;

use gatekeeper_core::grouping::Prompted;
use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::request::{Actor, Request, Status};
use gatekeeper_core::words;
use gatekeeper_slack_api::blocks::{Block, Button, ButtonValue, Message};
use gatekeeper_slack_api::prompt::{SHOW, Subject};
use gatekeeper_slack_api::text::{Mrkdwn, Plain};

use super::fields::ConnectionFields;
use super::{RenderedPrompt, if_nobody_answers};

/// One message shows no more: each takes a block, and Slack takes 50 of them and some 12,000 characters.
pub const LISTED_AT_MOST: usize = 40;
/// A line is no longer, so that all of them fit.
const LINE: usize = 80;
/// Who decided is shown up to here.
const DECIDER: usize = 60;

/// Whether a review is open and somebody may decide it.
#[must_use]
pub fn is_asked(request: &Request, review: u64) -> bool {
    request.is_open_review(review) && !request.nobody_may_decide()
}

/// Whether nothing more comes of a review.
#[must_use]
pub fn is_ended(request: &Request, review: u64) -> bool {
    let stands = matches!(
        request.status,
        Status::Accepted | Status::Rejected | Status::Revoking | Status::Gone
    );
    // Who did it without Gatekeeper is often told minutes later.
    request.review != Some(review) || (stands && request.decided_by != Actor::Unknown)
}

/// The message as of now. `None` if no request of it is known.
#[must_use]
pub fn several(
    listed: &[Prompted],
    requests: &BTreeMap<EndpointId, Request>,
) -> Option<RenderedPrompt> {
    let known: Vec<(&Request, u64)> = known(listed, requests);
    let (first, _) = known.first()?;
    let details = ConnectionFields::of(first);
    let open = known.iter();
    let open = open.filter(|(request, review)| request.is_open_review(*review));
    let (open, all) = (open.count(), known.len());
    let (title, waits) = match open {
        0 => (
            format!("{all} connection requests: {}", details.service()),
            format!("asked to connect {all} endpoints more. None of them waits any more."),
        ),
        open if open == all => (
            format!("{all} connection requests: {}", details.service()),
            format!("asks to connect {all} endpoints more, and somebody has to decide about each."),
        ),
        open => (
            format!("{open} of {all} connection requests: {}", details.service()),
            format!(
                "asks to connect {all} endpoints more, and somebody has to decide about {open} of them."
            ),
        ),
    };
    let head = || {
        let lead = Block::section(details.lead(&waits));
        let whose = Block::fields(details.account_fields());
        let title = Block::header(Plain::new(&title));
        [title, lead].into_iter().chain(whose)
    };
    let fallback = Mrkdwn::line(&format!(
        "{} {waits} Service: {}.",
        details.consumer(),
        details.service()
    ));
    let lines = |with_buttons| {
        let known = known.iter();
        known.map(move |(request, review)| line(request, *review, with_buttons))
    };
    let mut blocks: Vec<Block> = head().chain(lines(true)).collect();
    let is_asked = known
        .iter()
        .any(|(request, review)| is_asked(request, *review));
    if is_asked {
        blocks.push(Block::context(Mrkdwn::line(
            "Each is decided by itself. Only people who are entered as approvers of the service decide, here, by \
             e-mail or with IAM. Everybody in this channel reads their reasons.",
        )));
    }
    Some(RenderedPrompt {
        message: Message::new(fallback.clone(), blocks),
        plain: Message::new(fallback, head().chain(lines(false))),
        is_over: known
            .iter()
            .all(|(request, review)| is_ended(request, *review)),
        has_buttons: is_asked,
    })
}

/// A reply in the thread of that message. `None` if no review is open any more.
#[must_use]
pub fn reminder_of_several(
    listed: &[Prompted],
    requests: &BTreeMap<EndpointId, Request>,
) -> Option<Message> {
    let mut open = known(listed, requests);
    open.retain(|(request, review)| request.is_open_review(*review));
    let (first, _) = open.first()?;
    let details = ConnectionFields::of(first);
    let waits = match open.len() {
        1 => format!(
            "still waits for somebody to decide about {}.",
            first.endpoint_id
        ),
        n => format!("still waits for somebody to decide about {n} endpoints."),
    };
    Some(Message::text(details.lead(&waits)))
}

fn known<'a>(
    listed: &[Prompted],
    requests: &'a BTreeMap<EndpointId, Request>,
) -> Vec<(&'a Request, u64)> {
    let known = listed.iter();
    let known = known.filter_map(|(endpoint, review)| Some((requests.get(endpoint)?, *review)));
    known.collect()
}

/// A review in one line, with a button.
fn line(request: &Request, review: u64, with_button: bool) -> Block {
    let id = Mrkdwn::code(request.endpoint_id.as_str());
    let since = Mrkdwn::line(&format!(
        " in {}, since {}",
        request.region,
        words::moment(request.opened_at)
    ));
    let text = id
        .and(&since)
        .and(&Mrkdwn::line(&stands(request, review)).cut(LINE));
    let subject = Subject {
        endpoint_id: request.endpoint_id.clone(),
        review,
    };
    let value = ButtonValue::try_from(subject.to_string()).ok();
    match value.filter(|_| with_button && is_asked(request, review)) {
        Some(value) => {
            let action = format!("{SHOW}{}", request.endpoint_id);
            Block::section_with(text, Button::new(action, "Decide…".into(), value))
        }
        None => Block::section(text),
    }
}

fn stands(request: &Request, review: u64) -> String {
    if request.is_open_review(review) {
        let approvals = request.votes.iter().filter(|vote| vote.approves()).count();
        let required = request.approvals_required.max(1);
        let unanswered = match (request.deadline, request.deadline_rejects) {
            (Some(_), true) => format!(" {}", if_nobody_answers(request)),
            _ => String::new(),
        };
        return format!(": {approvals} of {required} needed.{unanswered}");
    }
    if request.review != Some(review) {
        return ": decided since, and asked about anew.".to_owned();
    }
    let by: String = request
        .decided_by
        .to_string()
        .chars()
        .take(DECIDER)
        .collect();
    format!(": {}, decided by {by}.", words::status(request.status))
}
