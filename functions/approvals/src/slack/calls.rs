//! Answers to Slack, within the three seconds that it gives
//! (<https://docs.slack.dev/interactivity/handling-user-interaction>).

use std::future::pending;

use gatekeeper_aws::error::chain;
use gatekeeper_aws::gatekeeper::Gatekeeper;
use gatekeeper_slack_api::blocks::Modal;
use gatekeeper_slack_api::client::calls::{OpenView, Reply};
use gatekeeper_slack_api::client::error::Error as SlackError;
use gatekeeper_slack_api::client::refusal::Reason;
use gatekeeper_slack_api::interaction::{Pressed, TriggerId};
use gatekeeper_slack_api::secret::{BotToken, InvalidSecret};
use jiff::Timestamp;

use super::Slack;
use super::budget::Budget;
use super::reply::PressReply;
use crate::http::Response;

/// Why a modal was not opened.
#[derive(Debug, thiserror::Error)]
enum NotOpened {
    #[error("the Slack secret could not be read")]
    Secret(#[source] std::sync::Arc<gatekeeper_aws::error::Error>),
    #[error(transparent)]
    Token(#[from] InvalidSecret),
    #[error(transparent)]
    Slack(#[from] SlackError),
}

impl Slack {
    /// Replies to the person who pressed; nobody else sees it. If a failure cannot be reported to them
    /// this way, Slack gets an error status, which it shows them.
    pub(super) async fn reply_to(
        &self,
        gatekeeper: &Gatekeeper,
        pressed: &Pressed,
        reply: &PressReply,
        budget: Budget,
    ) -> Response {
        let Some(url) = &pressed.response_url else {
            return Response::empty(200);
        };
        let message = reply.message();
        let ephemeral = Reply::ephemeral(&message);
        let sent = self
            .client
            .respond(url, &ephemeral, self.until(budget.answer));
        let Err(error) = sent.await else {
            return Response::empty(200);
        };
        log_failure(
            gatekeeper,
            error.error_type(),
            &chain(&error),
            error.is_retryable(),
        );
        Response::empty(if reply.is_failure { 503 } else { 200 })
    }

    /// Opens a modal. False if it could not be opened; the error is logged here.
    pub(super) async fn open(
        &self,
        gatekeeper: &Gatekeeper,
        trigger: &TriggerId,
        modal: &Modal,
        budget: Budget,
    ) -> bool {
        let Err(error) = self.try_to_open(trigger, modal, budget).await else {
            return true;
        };
        let (error_type, is_retryable) = match &error {
            NotOpened::Secret(error) => (error.error_type(), error.is_retryable()),
            NotOpened::Token(_) => ("Permanent.MalformedSecret", false),
            NotOpened::Slack(error) => (error.error_type(), error.is_retryable()),
        };
        log_failure(gatekeeper, error_type, &chain(&error), is_retryable);
        false
    }

    async fn try_to_open(
        &self,
        trigger: &TriggerId,
        modal: &Modal,
        budget: Budget,
    ) -> Result<(), NotOpened> {
        let call = OpenView::new(trigger, modal);
        let secret = self.secrets.get().await.map_err(NotOpened::Secret)?;
        let token: BotToken = secret.bot_token.parse()?;
        let until = self.until(budget.answer);
        let refused = match self.client.call(&token, &call, until).await {
            Ok(_) => return Ok(()),
            Err(error) if is_about_the_token(&error) => error,
            Err(error) => return Err(error.into()),
        };
        // The token may have been replaced. Slack has done nothing, and the trigger is still valid.
        let secret = self.secrets.again().await.map_err(NotOpened::Secret)?;
        let again: BotToken = secret.bot_token.parse()?;
        if again == token {
            return Err(refused.into());
        }
        let until = self.until(budget.answer);
        self.client.call(&again, &call, until).await?;
        Ok(())
    }

    async fn until(&self, moment: Timestamp) {
        self.clock.until_done(moment, pending::<()>()).await;
    }
}

fn is_about_the_token(error: &SlackError) -> bool {
    let refusal = error.refusal();
    refusal.is_some_and(|refusal| refusal.reason() == Reason::Token)
}

fn log_failure(gatekeeper: &Gatekeeper, error_type: &'static str, error: &str, is_retryable: bool) {
    if is_retryable {
        tracing::warn!(error_type, error, "somebody in Slack could not be answered");
    } else {
        tracing::error!(
            error_type,
            error,
            "somebody in Slack could not be answered; somebody must act"
        );
    }
    gatekeeper
        .metrics()
        .count_slack_failure(error_type, is_retryable);
}
