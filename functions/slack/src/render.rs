//! Renders Slack messages from a request and its history, an announcement or an alarm. This is pure.

mod ending;
mod fields;
mod history;
mod several;

use gatekeeper_core::alarm::{self, Alarm};
use gatekeeper_core::announcement::{Announcement, AnnouncementKind, Review};
use gatekeeper_core::request::{Actor, Request, Status, Transition};
use gatekeeper_core::vote::Vote;
use gatekeeper_core::words;
use gatekeeper_slack_api::blocks::{Block, Button, ButtonValue, Confirm, Message, Style};
use gatekeeper_slack_api::prompt::{APPROVE, BUTTONS, REJECT, Subject};
use gatekeeper_slack_api::text::{Mrkdwn, Plain};
use jiff::Timestamp;

use ending::Ending;
use fields::ConnectionFields;
pub use several::{LISTED_AT_MOST, is_asked, is_ended, reminder_of_several, several};

/// The longest text of people that is shown, in characters.
const REASON: usize = 1500;
/// The most votes that are shown one by one.
const VOTES: usize = 10;
/// The longest reason of a vote that is shown, in characters.
const VOTE: usize = 300;

/// The message of a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedPrompt {
    pub message: Message,
    /// The same without buttons, for a reply.
    pub plain: Message,
    /// Whether it shows the end of the review, and so is final.
    pub is_over: bool,
    /// Whether people can decide here.
    pub has_buttons: bool,
}

/// The message of a request's review as of now.
#[must_use]
pub fn prompt(request: &Request, history: &[Transition], review: u64) -> RenderedPrompt {
    if request.is_open_review(review) {
        open(request, review)
    } else {
        over(request, &ending::of(history, review))
    }
}

fn open(request: &Request, review: u64) -> RenderedPrompt {
    let details = ConnectionFields::of(request);
    let waits = if request.nobody_may_decide() {
        "asks to connect, and nobody may decide about it."
    } else {
        "asks to connect, and somebody has to decide."
    };
    let approvals = Review {
        number: review,
        approvals_required: request.approvals_required,
        deciders: request.deciders,
        votes: request.votes.clone(),
        rejected_when_due: request.deadline_rejects,
    };
    let mut blocks = vec![
        Block::header(Plain::new(&format!(
            "Connection request: {}",
            details.service()
        ))),
        Block::section(details.lead(waits)),
    ];
    blocks.extend(Block::fields(details.fields()));
    blocks.push(paragraph("*Why a person*\n", &request.verdict.reason));
    blocks.push(paragraph("*Approvals*\n", &approvals.to_string()));
    blocks.extend(votes(&request.votes));
    blocks.push(Block::section(
        Mrkdwn::literal("*If nobody answers*\n").and(&Mrkdwn::line(&if_nobody_answers(request))),
    ));
    let fallback = Mrkdwn::line(&format!(
        "{} {waits} Service: {}. Endpoint: {}.",
        details.consumer(),
        details.service(),
        request.endpoint_id
    ));
    let plain = Message::new(fallback.clone(), blocks.clone());
    let subject = Subject {
        endpoint_id: request.endpoint_id.clone(),
        review,
    };
    // It is never too long; and if it were, a message without buttons is better than none.
    let value = ButtonValue::try_from(subject.to_string()).ok();
    let buttons = value.filter(|_| !request.nobody_may_decide());
    let has_buttons = buttons.is_some();
    blocks.extend(buttons.map(|value| buttons_of(&details, request, value)));
    blocks.push(Block::context(Mrkdwn::line(
        "Only people who are entered as approvers of the service decide, here, by e-mail or with IAM. \
         Everybody in this channel reads their reasons.",
    )));
    RenderedPrompt {
        message: Message::new(fallback, blocks),
        plain,
        is_over: false,
        has_buttons,
    }
}

fn buttons_of(details: &ConnectionFields<'_>, request: &Request, value: ButtonValue) -> Block {
    let approves = match request.approvals_required {
        0 | 1 => "Your approval connects",
        _ => "With enough approvals, this connects",
    };
    let question = Mrkdwn::line(&format!(
        "{approves} {} to {} through {}.",
        details.consumer(),
        details.service(),
        request.endpoint_id
    ));
    let confirm = Confirm::new(
        "Approve this connection?".into(),
        question,
        "Approve".into(),
        "Not yet".into(),
    );
    let approve = Button::new(APPROVE, "Approve".into(), value.clone())
        .style(Style::Primary)
        .confirm(confirm);
    let reject = Button::new(REJECT, "Reject…".into(), value).style(Style::Danger);
    Block::actions(BUTTONS, [approve, reject])
}

fn over(request: &Request, ending: &Ending<'_>) -> RenderedPrompt {
    let details = ConnectionFields::of(request);
    let mut blocks = vec![
        Block::header(Plain::new(&format!(
            "{}: {}",
            ending.title(),
            details.service()
        ))),
        Block::section(details.lead(ending.words())),
    ];
    let mut fields = details.fields();
    let decider = ending.decider(request);
    if let Some(decision) = ending.decision {
        let by = decider.map(ToString::to_string).unwrap_or_default();
        fields.push(Mrkdwn::literal("*Decided by*\n").and(&Mrkdwn::line(&by)));
        fields.push(Mrkdwn::literal("*Decided at*\n").and(&moment(decision.at)));
    }
    blocks.extend(Block::fields(fields));
    if let Some(names) = ending.also_named(request) {
        blocks.push(Block::section(
            Mrkdwn::line(&format!("{names}.")).cut(REASON),
        ));
    }
    if let Some(decision) = ending.decision {
        blocks.push(paragraph("*Why*\n", &decision.reason));
        blocks.extend(votes(&decision.votes));
    }
    blocks.push(Block::section(
        Mrkdwn::literal("*EC2*\n").and(&Mrkdwn::line(&ending.ec2())),
    ));
    let by = decider.map(|by| format!(" Decided by {by}."));
    let by = by.unwrap_or_default();
    let fallback = Mrkdwn::line(&format!(
        "{} {}{by} Service: {}. Endpoint: {}.",
        details.consumer(),
        ending.words(),
        details.service(),
        request.endpoint_id
    ));
    let message = Message::new(fallback, blocks);
    RenderedPrompt {
        plain: message.clone(),
        message,
        // Who did it without Gatekeeper is often told minutes later.
        is_over: ending.is_final() && decider != Some(&Actor::Unknown),
        has_buttons: false,
    }
}

/// A reply in the thread of a review's message that is still to be answered.
#[must_use]
pub fn reminder(request: &Request) -> Message {
    let details = ConnectionFields::of(request);
    let lead = details.lead("still waits for somebody to decide.");
    let since = Mrkdwn::literal(" It has asked since ").and(&moment(request.opened_at));
    let rest = Mrkdwn::line(&format!(". {}", if_nobody_answers(request)));
    Message::text(lead.and(&since).and(&rest))
}

/// What is told once of a connection; `now` is its request as it stands when this is posted.
#[must_use]
pub fn notice(announcement: &Announcement, now: Option<&Request>) -> Message {
    let details = ConnectionFields::announcement(announcement);
    let mut blocks = vec![Block::section(details.lead(announcement.headline()))];
    let mut fields = details.fields();
    fields.push(Mrkdwn::literal("*At*\n").and(&moment(announcement.at)));
    if let (Some(due), Status::Revoking) = (announcement.due, announcement.status) {
        fields.push(Mrkdwn::literal("*Revoked at*\n").and(&moment(due)));
    }
    blocks.extend(Block::fields(fields));
    if matches!(
        announcement.kind,
        AnnouncementKind::DeciderNamed | AnnouncementKind::DeciderContradicted
    ) {
        let by = Mrkdwn::line(&announcement.decided_by.to_string()).cut(REASON);
        blocks.push(Block::section(Mrkdwn::literal("*Decided by*\n").and(&by)));
    }
    if let Some(names) = now.and_then(|now| now.other_names.words(now.decided_in)) {
        blocks.push(Block::section(
            Mrkdwn::line(&format!("{names}.")).cut(REASON),
        ));
    }
    blocks.push(paragraph("*Why*\n", &announcement.reason));
    if let Some(ec2) = &announcement.ec2 {
        blocks.push(paragraph("*EC2*\n", &ending::answer(ec2)));
    }
    if let Some(what_now) = announcement.what_now() {
        blocks.push(Block::section(Mrkdwn::line(what_now)));
    }
    // Announcements come in any order, and late.
    if let Some(now) = now
        && now.status != announcement.status
    {
        let since = Mrkdwn::line(&format!(
            "Meanwhile it is {}, since ",
            words::status(now.status)
        ));
        blocks.push(Block::context(since.and(&moment(now.status_since))));
    }
    let fallback = format!("{} {}", details.consumer(), announcement.headline());
    Message::new(Mrkdwn::line(&fallback), blocks)
}

/// What is told once of a service.
#[must_use]
pub fn alarm(alarm: &Alarm) -> Message {
    let service = alarm.service_id.as_str();
    let (head, more) = match alarm.kind {
        alarm::AlarmKind::AlarmStarted => (
            "Something is wrong with",
            Some(paragraph("*What to do*\n", &alarm.remedy)),
        ),
        alarm::AlarmKind::AlarmEnded if alarm.unmanaged => (
            "Gatekeeper does not look any more at",
            Some(Block::section(Mrkdwn::literal(
                "This was seen last, and may be so still.",
            ))),
        ),
        alarm::AlarmKind::AlarmEnded if alarm.deleted => {
            ("This is over, with the deletion of", None)
        }
        alarm::AlarmKind::AlarmEnded => ("This is over, of", None),
        alarm::AlarmKind::AlarmAcknowledged => (
            "This is acknowledged, of",
            Some(paragraph("", &alarm.acknowledgement_in_words())),
        ),
        alarm::AlarmKind::AcknowledgementEnded => (
            "This is not acknowledged any more, of",
            Some(paragraph("", &alarm.acknowledgement_in_words())),
        ),
    };
    let lead = Mrkdwn::literal("*")
        .and(&Mrkdwn::line(head))
        .and(&Mrkdwn::literal("* "))
        .and(&Mrkdwn::code(service))
        .and(&Mrkdwn::literal("\n"))
        .and(&Mrkdwn::line(&alarm.meaning).cut(REASON));
    let at = Mrkdwn::literal("At ").and(&moment(alarm.at));
    let evidence =
        (!alarm.evidence.is_empty()).then(|| paragraph("*Evidence*\n", &alarm.evidence.join("\n")));
    let blocks = [Block::section(lead)].into_iter().chain(evidence);
    let blocks = blocks.chain(more);
    let fallback = Mrkdwn::line(&format!("{head} {service}: {}", alarm.meaning));
    Message::new(fallback, blocks.chain([Block::context(at)]))
}

/// A paragraph of what somebody wrote, under a title.
fn paragraph(title: &'static str, text: &str) -> Block {
    Block::section(Mrkdwn::literal(title).and(&Mrkdwn::lines(text).cut(REASON)))
}

/// Who voted what, a line each.
fn votes(votes: &[Vote]) -> Option<Block> {
    let mut lines = Mrkdwn::default();
    for (index, vote) in votes.iter().take(VOTES).enumerate() {
        let said = Mrkdwn::line(&format!(" {vote}")).cut(VOTE);
        let line = Mrkdwn::literal(if index == 0 { "" } else { "\n" });
        lines = lines.and(&line).and(&moment(vote.at)).and(&said);
    }
    if let Some(more) = votes.len().checked_sub(VOTES).filter(|more| *more > 0) {
        lines = lines.and(&Mrkdwn::line(&format!(" … and {more} more")));
    }
    (!lines.is_empty()).then(|| Block::section(lines))
}

fn moment(at: Timestamp) -> Mrkdwn {
    Mrkdwn::line(&words::moment(at))
}

fn if_nobody_answers(request: &Request) -> String {
    match (request.deadline, request.deadline_rejects) {
        (Some(deadline), true) => format!("It is rejected at {}.", words::moment(deadline)),
        (Some(deadline), false) => format!(
            "It should be answered by {}, and stays pending after that.",
            words::moment(deadline)
        ),
        (None, _) => "It stays pending until somebody decides.".to_owned(),
    }
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
