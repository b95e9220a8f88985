//! The replies in Slack, for the person who pressed.

use gatekeeper_aws::gatekeeper::{RequestDetails, ReviewState, ReviewView};
use gatekeeper_core::request::Request;
use gatekeeper_core::vote::{Choice, REASON_LIMIT};
use gatekeeper_core::words;
use gatekeeper_slack_api::blocks::{
    Block, Button, ButtonValue, Confirm, Message, Modal, PrivateMetadata, Style, TextInput,
};
use gatekeeper_slack_api::ids::{EnterpriseId, TeamId, UserId};
use gatekeeper_slack_api::prompt::{APPROVE, BUTTONS, REJECT, Subject, WITHDRAW};
use gatekeeper_slack_api::tenants::{Stranger, Tenants};
use gatekeeper_slack_api::text::{Mrkdwn, Plain};

use crate::{review_state, sentences};

/// The modal that asks for the reason of a rejection.
pub(super) const REJECTION: &str = "rejection";
/// Its input, as a block and as an action.
pub(super) const REASON: &str = "reason";

/// A vote failed, or took too long.
pub(super) const NOT_NOW: &str = "Something did not answer, so your vote may or may not have been \
     recorded. Trying again is safe: a vote counts once.";
/// The review could not be read.
pub(super) const NOT_LOOKED_UP: &str =
    "Something did not answer, and nothing has changed. Press again in a moment.";
/// The modal did not open.
pub(super) const NOT_OPENED: &str = "Slack did not open the form for your reason, and nothing has \
     changed. Press again in a moment.";

/// The reply to somebody who pressed a button or sent the modal: a headline, and what it means.
pub(super) struct PressReply {
    pub(super) title: String,
    pub(super) meaning: String,
    /// Whether it failed, so that they should try again.
    pub(super) is_failure: bool,
    /// What they can still do, and on which review.
    choices: Option<(ButtonValue, &'static [Choice])>,
    /// What an approval does, if they can approve.
    approving: Option<String>,
}

/// The reply for the state of a review.
pub(super) fn reply(view: &ReviewView, user: &UserId) -> PressReply {
    match view {
        ReviewView::Shown(state, details) => PressReply {
            title: review_state::headline(state, details),
            meaning: explanation(state, details),
            is_failure: matches!(state, ReviewState::Unrecorded(_)),
            choices: offered(details, review_state::choices(state, details)),
            approving: None,
        },
        ReviewView::Expired => PressReply::new(
            "The time for this review is over",
            "It is being rejected, as the service's settings say.",
        ),
        ReviewView::Invalid => PressReply::new(
            "This review is over",
            "If the connection is in review again, there is a newer message.",
        ),
        ReviewView::NotAnApprover => PressReply::new(
            "You are not an approver",
            format!(
                "No approver, or more than one, is entered with your Slack user id, {}, so your vote does not count.",
                user.as_str()
            ),
        ),
    }
}

/// The choices on a review that is open.
fn offered(
    details: &RequestDetails,
    choices: &'static [Choice],
) -> Option<(ButtonValue, &'static [Choice])> {
    let review = details.request.review.filter(|_| !choices.is_empty())?;
    let subject = Subject {
        endpoint_id: details.request.endpoint_id.clone(),
        review,
    };
    Some((ButtonValue::try_from(subject.to_string()).ok()?, choices))
}

fn explanation(state: &ReviewState, details: &RequestDetails) -> String {
    let explanation = review_state::explanation(state, details);
    let names_decider = matches!(
        state,
        ReviewState::Decided | ReviewState::TooLate | ReviewState::Overtaken | ReviewState::Already
    );
    match sentences::decision(details) {
        Some(decision) if names_decider => format!(
            "{explanation} Decided by {} at {}. {}{}",
            sentences::decider(details, decision),
            words::moment(decision.at),
            sentences::also_named(details).map_or(String::new(), |names| format!("{names} ")),
            decision.reason
        ),
        _ => explanation,
    }
}

impl PressReply {
    fn new(title: impl Into<String>, meaning: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            meaning: meaning.into(),
            is_failure: false,
            choices: None,
            approving: None,
        }
    }

    /// The reply when something failed.
    pub(super) fn failed(meaning: &str) -> Self {
        Self {
            is_failure: true,
            ..Self::new("Not now", meaning)
        }
    }

    /// The details of a review that they may decide, or in which they may change their vote.
    pub(super) fn details(details: &RequestDetails) -> Self {
        let request = &details.request;
        let own_vote = match &details.own {
            Some(_) => format!(" {}", sentences::own_vote(details)),
            None => String::new(),
        };
        let approves = match request.approvals_required {
            0 | 1 => "Your approval connects",
            _ => "With enough approvals, this connects",
        };
        Self {
            title: sentences::question(request),
            meaning: format!(
                "{} in {}, since {}. {} {} of {} approvals needed.{own_vote}",
                request.endpoint_id,
                request.region,
                words::moment(request.opened_at),
                request.verdict.reason,
                details.given,
                request.approvals_required.max(1),
            ),
            is_failure: false,
            choices: offered(details, details.choices),
            approving: Some(format!(
                "{approves} {} to {} through {}.",
                sentences::consumer(request),
                sentences::service(request),
                request.endpoint_id
            )),
        }
    }

    /// The reply to somebody who is not of the workspaces that decide, or pressed elsewhere.
    pub(super) fn stranger(stranger: &Stranger, tenants: &Tenants) -> Self {
        let by_mail =
            "Your vote does not count. If you are an approver, vote by the link in your e-mail";
        let listed = |id: &str| {
            format!(
                "if people of {id} are to decide, the operators of Gatekeeper add it to the parameter SlackTeamId"
            )
        };
        let (title, meaning) = match stranger {
            Stranger::Elsewhere { team, organization } => {
                let workspace = team.as_ref().map(TeamId::as_str);
                let organization = organization.as_ref().map(EnterpriseId::as_str);
                let place = match (workspace, organization) {
                    (Some(team), Some(org)) => format!("in {team} of the organization {org}"),
                    (Some(team), None) => format!("in {team}"),
                    (None, Some(org)) => {
                        format!("by an app that is installed for all of the organization {org}")
                    }
                    (None, None) => "in a workspace that Slack does not name".to_owned(),
                };
                let widen = organization.or(workspace).map(listed);
                (
                    "Reviews are not decided in this workspace",
                    format!(
                        "They are decided in {tenants}, and you pressed {place}. {by_mail}, or there{}.",
                        widen.map_or(String::new(), |widen| format!("; {widen}"))
                    ),
                )
            }
            Stranger::Guest(tenant) => (
                "You are not of this workspace",
                format!(
                    "Only people of {tenants} decide here, and Slack says that you are of {tenant}. {by_mail}; {}.",
                    listed(tenant.as_str())
                ),
            ),
            Stranger::Nameless => (
                "Slack does not say of which workspace you are",
                format!("Only people of {tenants} decide here. {by_mail}."),
            ),
        };
        Self::new(title, meaning)
    }

    /// The message, which only the person who pressed sees.
    pub(super) fn message(&self) -> Message {
        let title = Mrkdwn::literal("*")
            .and(&Mrkdwn::line(&self.title))
            .and(&Mrkdwn::literal("*\n"));
        let text = title.and(&Mrkdwn::line(&self.meaning));
        let buttons = self.choices.iter().map(|(value, choices)| {
            let reject = Button::new(REJECT, "Reject…".into(), value.clone()).style(Style::Danger);
            match (&self.approving, choices) {
                (Some(means), [Choice::Approve, ..]) => {
                    Block::actions(BUTTONS, [approve(value, means), reject])
                }
                (_, [Choice::Withdraw, ..]) => Block::actions(BUTTONS, [withdraw(value), reject]),
                _ => Block::actions(BUTTONS, [reject]),
            }
        });
        Message::new(
            text.clone(),
            std::iter::once(Block::section(text)).chain(buttons),
        )
    }

    /// The modal in place of the one that was sent.
    pub(super) fn modal(&self, remembered: PrivateMetadata) -> Modal {
        Modal::new(
            "result",
            remembered,
            "Your rejection".into(),
            "Close".into(),
            [
                Block::header(Plain::new(&self.title)),
                Block::section(Mrkdwn::line(&self.meaning)),
            ],
        )
    }
}

/// The button that approves, after a confirmation.
fn approve(value: &ButtonValue, means: &str) -> Button {
    let confirm = Confirm::new(
        "Approve this connection?".into(),
        Mrkdwn::line(means),
        "Approve".into(),
        "Not yet".into(),
    );
    Button::new(APPROVE, "Approve".into(), value.clone())
        .style(Style::Primary)
        .confirm(confirm)
}

/// The button that withdraws an approval, after a confirmation.
fn withdraw(value: &ButtonValue) -> Button {
    let question = Mrkdwn::line(&format!("If you do, {}.", sentences::WITHDRAWING));
    let confirm = Confirm::new(
        "Withdraw your approval?".into(),
        question,
        "Withdraw".into(),
        "Not yet".into(),
    );
    Button::new(WITHDRAW, "Withdraw approval".into(), value.clone()).confirm(confirm)
}

/// The modal that asks for the reason of a rejection. Whether its sender may vote is checked when it
/// is sent.
pub(super) fn rejection(request: &Request, remembered: PrivateMetadata) -> Modal {
    let limit = u32::try_from(REASON_LIMIT).unwrap_or(u32::MAX);
    let question = Mrkdwn::line(&sentences::question(request))
        .and(&Mrkdwn::literal("\n"))
        .and(&Mrkdwn::code(request.endpoint_id.as_str()))
        .and(&Mrkdwn::line(&format!(" in {}", request.region)));
    let reason = TextInput::multiline(REASON, limit);
    let hint = "It is kept with the decision and sent to everybody who is notified. To ask again, the \
                customer has to create a new endpoint.";
    Modal::new(
        REJECTION,
        remembered,
        "Reject this connection".into(),
        "Cancel".into(),
        [
            Block::section(question),
            Block::input(REASON, "Reason".into(), reason).hint(hint.into()),
        ],
    )
    .submit("Reject".into())
}
