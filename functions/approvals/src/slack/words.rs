//! What people are told in Slack.

use gatekeeper_aws::gatekeeper::RequestDetails;
use gatekeeper_core::request::Request;
use gatekeeper_core::vote::{Choice, REASON_LIMIT};
use gatekeeper_slack_api::blocks::{
    Block, Button, ButtonValue, Confirm, Message, Modal, PrivateMetadata, Style, TextInput,
};
use gatekeeper_slack_api::ids::{EnterpriseId, TeamId, UserId};
use gatekeeper_slack_api::prompt::{APPROVE, BUTTONS, REJECT, Subject, WITHDRAW};
use gatekeeper_slack_api::tenants::{Stranger, Tenants};
use gatekeeper_slack_api::text::{Mrkdwn, Plain};

use crate::standing::{Outcome, Standing};
use crate::words;

/// The modal that asks for the reason of a rejection.
pub(super) const REJECTION: &str = "rejection";
/// Its input, as a block and as an action.
pub(super) const REASON: &str = "reason";

/// Something did not answer in time, or at all.
pub(super) const NOT_NOW: &str = "Something did not answer, so your vote may or may not have been \
     recorded. Trying again is safe: a vote counts once.";
/// It could not even be looked up.
pub(super) const NOT_LOOKED_UP: &str =
    "Something did not answer, and nothing has changed. Press again in a moment.";
/// The modal did not open.
pub(super) const NOT_OPENED: &str = "Slack did not open the form for your reason, and nothing has \
     changed. Press again in a moment.";

/// What came of a press, or of a modal that was sent in: a headline, and what it means.
pub(super) struct Said {
    pub(super) title: String,
    pub(super) meaning: String,
    /// Whether it did not work, and they should try again.
    pub(super) is_failure: bool,
    /// What they can still say, on which review.
    still: Option<(ButtonValue, &'static [Choice])>,
    /// What an approval does, where they can give one.
    approving: Option<String>,
}

/// What somebody is told.
pub(super) fn said(outcome: &Outcome, user: &UserId) -> Said {
    let (title, meaning) = match outcome {
        Outcome::Stands(standing, details) => (standing.title(details), stands(*standing, details)),
        // A press is not typed, and who may vote is not told so.
        Outcome::Open(_) | Outcome::Mistyped(_) => (
            "Nothing is decided yet".to_owned(),
            "Press again in a moment.".to_owned(),
        ),
        Outcome::Unrecorded(why, _) => {
            return Said {
                title: "Not recorded".to_owned(),
                meaning: why.to_string(),
                is_failure: true,
                still: None,
                approving: None,
            };
        }
        Outcome::Expired => (
            "The time for this review is over".to_owned(),
            "It is being rejected, as the service's settings say.".to_owned(),
        ),
        Outcome::Invalid => (
            "This review is over".to_owned(),
            "If the connection is in review again, there is a newer message.".to_owned(),
        ),
        Outcome::NotAnApprover => (
            "You are not an approver".to_owned(),
            format!(
                "Nobody, or more than one, is entered with your Slack user id, {}, so your vote does not count.",
                user.as_str()
            ),
        ),
    };
    Said {
        title,
        meaning,
        is_failure: false,
        still: still(outcome),
        approving: None,
    }
}

/// What somebody can still say who has voted.
fn still(outcome: &Outcome) -> Option<(ButtonValue, &'static [Choice])> {
    match outcome {
        Outcome::Stands(standing, details) => sayable(details, standing.choices(details)),
        _ => None,
    }
}

fn sayable(
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

fn stands(standing: Standing, details: &RequestDetails) -> String {
    let meaning = standing.meaning(details);
    let tells_who = matches!(
        standing,
        Standing::IsDecided | Standing::TooLate | Standing::Overtaken | Standing::Already
    );
    match words::decision(details) {
        Some(decision) if tells_who => format!(
            "{meaning} Decided by {} on {}. {}{}",
            words::decider(details, decision),
            words::moment(decision.at),
            words::also_named(details).map_or(String::new(), |names| format!("{names} ")),
            decision.reason
        ),
        _ => meaning,
    }
}

impl Said {
    /// That it did not work.
    pub(super) fn failed(meaning: &str) -> Self {
        Self {
            title: "Not now".to_owned(),
            meaning: meaning.to_owned(),
            is_failure: true,
            still: None,
            approving: None,
        }
    }

    /// A review that they may decide, or on which they may say something else than they did.
    pub(super) fn asked(details: &RequestDetails) -> Self {
        let request = &details.request;
        let said = match &details.own {
            Some(_) => format!(" {}", words::own_vote(details)),
            None => String::new(),
        };
        let approves = match request.approvals_required {
            0 | 1 => "Your approval connects",
            _ => "With enough approvals, this connects",
        };
        Self {
            title: words::question(request),
            meaning: format!(
                "{} in {}, since {}. {} {} of {} approvals needed.{said}",
                request.endpoint_id,
                request.region,
                words::moment(request.opened_at),
                request.verdict.reason,
                details.given,
                request.approvals_required.max(1),
            ),
            is_failure: false,
            still: sayable(details, details.choices),
            approving: Some(format!(
                "{approves} {} to {} through {}.",
                words::consumer(request),
                words::service(request),
                request.endpoint_id
            )),
        }
    }

    /// That they are not of ours, or did it elsewhere, and what to do.
    pub(super) fn stranger(stranger: &Stranger, tenants: &Tenants) -> Self {
        let by_mail =
            "Your vote does not count. If you are an approver, vote by the link in your e-mail";
        let listed = |id: &str| {
            format!(
                "if people of {id} are to decide, whoever runs Gatekeeper adds it to the parameter SlackTeamId"
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
        Self {
            title: title.to_owned(),
            meaning,
            is_failure: false,
            still: None,
            approving: None,
        }
    }

    /// For whoever pressed, and nobody else.
    pub(super) fn message(&self) -> Message {
        let title = Mrkdwn::literal("*")
            .and(&Mrkdwn::line(&self.title))
            .and(&Mrkdwn::literal("*\n"));
        let text = title.and(&Mrkdwn::line(&self.meaning));
        let buttons = self.still.iter().map(|(value, choices)| {
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

    /// In place of the modal that was sent in.
    pub(super) fn modal(&self, remembered: PrivateMetadata) -> Modal {
        Modal::new(
            "said",
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

/// Approves, once that is meant.
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

/// Takes an approval back, once that is meant.
fn withdraw(value: &ButtonValue) -> Button {
    let question = Mrkdwn::line(&format!("If you do, {}.", words::WITHDRAWING));
    let confirm = Confirm::new(
        "Withdraw your approval?".into(),
        question,
        "Withdraw".into(),
        "Not yet".into(),
    );
    Button::new(WITHDRAW, "Withdraw approval".into(), value.clone()).confirm(confirm)
}

/// Asks for the reason of a rejection. Whoever sends it in is looked up anew.
pub(super) fn rejection(request: &Request, remembered: PrivateMetadata) -> Modal {
    let limit = u32::try_from(REASON_LIMIT).unwrap_or(u32::MAX);
    let asked = Mrkdwn::line(&words::question(request))
        .and(&Mrkdwn::literal("\n"))
        .and(&Mrkdwn::code(request.endpoint_id.as_str()))
        .and(&Mrkdwn::line(&format!(" in {}", request.region)));
    let reason = TextInput::multiline(REASON, limit);
    let hint = "It is kept with the decision and sent to whoever is told of it. To ask again, the \
                customer has to create a new endpoint.";
    Modal::new(
        REJECTION,
        remembered,
        "Reject this connection".into(),
        "Cancel".into(),
        [
            Block::section(asked),
            Block::input(REASON, "Reason".into(), reason).hint(hint.into()),
        ],
    )
    .submit("Reject".into())
}
