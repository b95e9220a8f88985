//! Buttons in Slack: a vote, or a modal that asks for a reason and then a vote.
//!
//! | module | does |
//! | --- | --- |
//! | [`config`](SlackConfig) | whether Slack is used, and which workspaces decide |
//! | `gate` | refuses requests that Slack did not sign, or that are about another app |
//! | `calls` | answers Slack, within its three seconds |
//! | `reply` | the text of the replies |
//!
//! A person is known by their Slack user id, which is looked up among the approvers at each vote. Of
//! what a button or a modal sends back, only the review's name is used.

mod budget;
mod calls;
mod config;
mod gate;
mod reply;

use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use gatekeeper_aws::clients::Clients;
use gatekeeper_aws::clock::{Clock, Deadline};
use gatekeeper_aws::error::chain;
use gatekeeper_aws::gatekeeper::{Gatekeeper, ReviewState, ReviewView, Voter};
use gatekeeper_aws::secrets::SlackSecrets;
use gatekeeper_core::vote::{Ballot, Choice, Unrecorded};
use gatekeeper_slack_api::blocks::{PrivateMetadata, SubmissionAnswer};
use gatekeeper_slack_api::client::Client;
use gatekeeper_slack_api::ids::{EnterpriseId, TeamId, TenantId};
use gatekeeper_slack_api::interaction::{By, Interaction, Pressed, Submitted};
use gatekeeper_slack_api::prompt::{APPROVE, REJECT, SHOW, Subject, WITHDRAW};
use gatekeeper_slack_api::text::Plain;

pub use config::SlackConfig;

use crate::http::{Request, Response};
use budget::Budget;
use reply::{NOT_LOOKED_UP, NOT_NOW, NOT_OPENED, PressReply, REASON, REJECTION, reply};

/// How long warming up may take.
const WARM_UP: Duration = Duration::from_secs(3);

/// Answers what people press in the workspaces that decide.
#[derive(Debug)]
pub struct Slack {
    config: SlackConfig,
    secrets: SlackSecrets,
    client: Client,
    clock: Clock,
}

impl Slack {
    /// `connector` carries the calls to Slack. No call is made here.
    #[must_use]
    pub fn new(
        clients: &Clients,
        config: SlackConfig,
        connector: SharedHttpConnector,
        clock: Clock,
    ) -> Self {
        Self {
            secrets: SlackSecrets::new(clients, config.secret_arn.clone(), clock.clone()),
            client: Client::new(connector, config.url.clone()),
            config,
            clock,
        }
    }

    /// Reads the secret before it is needed. Errors are only warnings here; the first request reports
    /// them.
    pub(crate) async fn warm_up(&self) {
        let soon = Deadline::after(&self.clock, WARM_UP);
        match self.clock.until_done(soon.0, self.secrets.get()).await {
            None => tracing::warn!("reading the Slack secret took too long and was given up"),
            Some(Err(error)) => {
                tracing::warn!(error = chain(&*error), "reading the Slack secret failed");
            }
            Some(Ok(_)) => {}
        }
    }

    /// Answers a request to Slack's path.
    pub(crate) async fn handle(
        &self,
        gatekeeper: &Gatekeeper,
        request: &Request,
        deadline: Deadline,
    ) -> Response {
        let budget = Budget::from_now(&self.clock);
        let interaction = match self.let_in(gatekeeper.metrics(), request).await {
            Ok(interaction) => interaction,
            Err(refusal) => return refusal,
        };
        match interaction {
            Interaction::Pressed(pressed) => match pressed.action_id.as_str() {
                APPROVE => {
                    let choice = Choice::Approve;
                    self.vote(gatekeeper, &pressed, choice, budget, deadline)
                        .await
                }
                WITHDRAW => {
                    let choice = Choice::Withdraw;
                    self.vote(gatekeeper, &pressed, choice, budget, deadline)
                        .await
                }
                REJECT => self.ask_reason(gatekeeper, &pressed, budget).await,
                one if one.starts_with(SHOW) => self.show(gatekeeper, &pressed, budget).await,
                _ => Response::empty(200),
            },
            Interaction::Submitted(modal) if modal.callback_id == REJECTION => {
                self.reject(gatekeeper, &modal, budget, deadline).await
            }
            // It is not about this app, or there is nothing to do.
            Interaction::Submitted(_) | Interaction::Closed(_) | Interaction::Ignored(_) => {
                Response::empty(200)
            }
        }
    }

    /// Takes a vote from a button.
    async fn vote(
        &self,
        gatekeeper: &Gatekeeper,
        pressed: &Pressed,
        choice: Choice,
        budget: Budget,
        deadline: Deadline,
    ) -> Response {
        let (voter, _) = match self.voter(gatekeeper, &pressed.by, &pressed.value) {
            Ok(voter) => voter,
            Err(refusal) => return self.reply_to(gatekeeper, pressed, &refusal, budget).await,
        };
        let Ok(ballot) = Ballot::new(choice, "") else {
            // Only a rejection needs a reason.
            return Response::empty(200);
        };
        let vote = Box::pin(gatekeeper.vote(&voter, &ballot, deadline));
        let voted = self.clock.until_done(budget.decide, vote).await;
        gatekeeper.metrics().count_answer(is_answered(&voted));
        let reply = match voted {
            Some(Ok(view)) => reply(&view, &pressed.by.user),
            // The gatekeeper has logged the error, or finishes after this reply.
            Some(Err(_)) | None => PressReply::failed(NOT_NOW),
        };
        self.reply_to(gatekeeper, pressed, &reply, budget).await
    }

    /// Shows the details of one of several reviews, with buttons.
    async fn show(&self, gatekeeper: &Gatekeeper, pressed: &Pressed, budget: Budget) -> Response {
        let (voter, _) = match self.voter(gatekeeper, &pressed.by, &pressed.value) {
            Ok(voter) => voter,
            Err(refusal) => return self.reply_to(gatekeeper, pressed, &refusal, budget).await,
        };
        let looked = self.look(gatekeeper, &voter, budget).await;
        let reply = match looked {
            Some(ReviewView::Shown(ReviewState::Open, details)) => PressReply::details(&details),
            Some(view) => reply(&view, &pressed.by.user),
            None => PressReply::failed(NOT_LOOKED_UP),
        };
        self.reply_to(gatekeeper, pressed, &reply, budget).await
    }

    /// The state of a review for the person who pressed. `None` if reading it took too long, or failed
    /// and is logged.
    async fn look(
        &self,
        gatekeeper: &Gatekeeper,
        voter: &Voter,
        budget: Budget,
    ) -> Option<ReviewView> {
        let view = Box::pin(gatekeeper.view(voter));
        let looked = self.clock.until_done(budget.look, view).await;
        let looked = looked.and_then(Result::ok);
        gatekeeper.metrics().count_answer(looked.is_some());
        looked
    }

    /// Opens the modal for the reason, if the person may reject.
    async fn ask_reason(
        &self,
        gatekeeper: &Gatekeeper,
        pressed: &Pressed,
        budget: Budget,
    ) -> Response {
        let (voter, remembered) = match self.voter(gatekeeper, &pressed.by, &pressed.value) {
            Ok(voter) => voter,
            Err(refusal) => return self.reply_to(gatekeeper, pressed, &refusal, budget).await,
        };
        let looked = self.look(gatekeeper, &voter, budget).await;
        let reply = match looked {
            Some(ReviewView::Shown(ReviewState::Open, details))
                if details.choices.contains(&Choice::Reject) =>
            {
                let modal = reply::rejection(&details.request, remembered);
                let opened = self.open(gatekeeper, &pressed.trigger_id, &modal, budget);
                if opened.await {
                    return Response::empty(200);
                }
                PressReply::failed(NOT_OPENED)
            }
            Some(view) => reply(&view, &pressed.by.user),
            None => PressReply::failed(NOT_LOOKED_UP),
        };
        self.reply_to(gatekeeper, pressed, &reply, budget).await
    }

    /// Takes a rejection with its reason from the modal.
    async fn reject(
        &self,
        gatekeeper: &Gatekeeper,
        modal: &Submitted,
        budget: Budget,
        deadline: Deadline,
    ) -> Response {
        let (voter, remembered) = match self.voter(gatekeeper, &modal.by, &modal.private_metadata) {
            Ok(voter) => voter,
            Err(refusal) => return wrong(&refusal.meaning),
        };
        let reason = modal.input(REASON, REASON).unwrap_or_default();
        let ballot = match Ballot::new(Choice::Reject, reason) {
            Ok(ballot) => ballot,
            Err(invalid) => return wrong(&crate::sentences::invalid_ballot(invalid)),
        };
        let vote = Box::pin(gatekeeper.vote(&voter, &ballot, deadline));
        let voted = self.clock.until_done(budget.answer, vote).await;
        gatekeeper.metrics().count_answer(is_answered(&voted));
        match voted {
            // The modal stays open with the reason, to be sent again.
            Some(Ok(ReviewView::Shown(ReviewState::Unrecorded(why), _))) => wrong(&why.to_string()),
            Some(Ok(view)) => {
                let reply = reply(&view, &modal.by.user);
                answer(&SubmissionAnswer::update(reply.modal(remembered)))
            }
            Some(Err(_)) | None => wrong(NOT_NOW),
        }
    }

    /// The voter and the review: the person by their Slack user id, the review by the button's value.
    fn voter(
        &self,
        gatekeeper: &Gatekeeper,
        by: &By,
        subject: &str,
    ) -> Result<(Voter, PrivateMetadata), PressReply> {
        let tenants = &self.config.tenants;
        if let Err(stranger) = tenants.admit(by) {
            tracing::warn!(
                user = by.user.as_str(),
                user_tenant = by.user_tenant.as_ref().map(TenantId::as_str),
                team = by.team.as_ref().map(TeamId::as_str),
                organization = by.organization.as_ref().map(EnterpriseId::as_str),
                reason = stranger.as_str(),
                "somebody pressed who is not of a workspace or organization that decides; SlackTeamId lists those"
            );
            gatekeeper.metrics().count_slack_stranger(stranger.as_str());
            return Err(PressReply::stranger(&stranger, tenants));
        }
        let read = || {
            let subject: Subject = subject.parse().ok()?;
            let user = by.user.as_str().parse().ok()?;
            let remembered = PrivateMetadata::try_from(subject.to_string()).ok()?;
            Some((subject, user, remembered))
        };
        let Some((subject, user, remembered)) = read() else {
            return Err(reply(&ReviewView::Invalid, &by.user));
        };
        let voter = Voter::Slack {
            user,
            endpoint_id: subject.endpoint_id,
            review: subject.review,
        };
        Ok((voter, remembered))
    }
}

/// Whether AWS answered what the vote needed.
fn is_answered<E>(voted: &Option<Result<ReviewView, E>>) -> bool {
    !matches!(
        voted,
        None | Some(Err(_))
            | Some(Ok(ReviewView::Shown(
                ReviewState::Unrecorded(Unrecorded::Silent),
                _
            )))
    )
}

/// The modal stays open, and its input shows what is wrong.
fn wrong(what: &str) -> Response {
    answer(&SubmissionAnswer::error(REASON, Plain::new(what)))
}

fn answer(answer: &SubmissionAnswer) -> Response {
    match serde_json::to_string(answer) {
        Ok(json) => Response::json(200, json),
        // An answer without a body closes the modal.
        Err(_) => Response::empty(200),
    }
}
