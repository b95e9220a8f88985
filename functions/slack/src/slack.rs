//! Calls to Slack: with the token, no more often than Slack lets us, and not past the deadline.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatekeeper_aws::clock::{Clock, Deadline};
use gatekeeper_aws::secrets::SlackSecrets;
use gatekeeper_slack_api::client::Client;
use gatekeeper_slack_api::client::calls::Call;
use gatekeeper_slack_api::client::error::Error as SlackError;
use gatekeeper_slack_api::client::method::Method;
use gatekeeper_slack_api::client::refusal::Reason;
use gatekeeper_slack_api::secret::BotToken;
use jiff::{SignedDuration, Timestamp};

use crate::failure::Failure;

/// How long Slack has for one call.
const CALL: Duration = Duration::from_secs(8);
/// Time an invocation keeps back to answer in good order.
pub(crate) const MARGIN: Duration = Duration::from_secs(3);

/// Slack, as this function calls it.
#[derive(Debug)]
pub(crate) struct Slack {
    client: Client,
    secrets: SlackSecrets,
    clock: Clock,
    /// Until when Slack takes no more calls of a method.
    paused: Mutex<BTreeMap<Method, Timestamp>>,
}

impl Slack {
    pub(crate) fn new(client: Client, secrets: SlackSecrets, clock: Clock) -> Self {
        Self {
            client,
            secrets,
            clock,
            paused: Mutex::default(),
        }
    }

    /// Reads the token before it is needed.
    pub(crate) async fn warm_up(&self) -> Result<(), Failure> {
        self.secrets.get().await?;
        Ok(())
    }

    /// Waits until a method may be called, if there is time for that and for the call, and has the token
    /// at hand: who calls has a message to themselves, and not for long.
    pub(crate) async fn ready(&self, method: Method, deadline: Deadline) -> Result<(), Failure> {
        self.secrets.get().await?;
        let until = self.paused().get(&method).copied();
        if let Some(until) = until {
            let pause = self.clock.until(until);
            if !deadline.leaves(&self.clock, pause + CALL + MARGIN) {
                return Err(Failure::Paused(method));
            }
            if pause > Duration::ZERO {
                self.clock.sleep(pause).await;
            }
        }
        if deadline.leaves(&self.clock, CALL + MARGIN) {
            Ok(())
        } else {
            Err(Failure::OutOfTime)
        }
    }

    /// Makes a call. A token that Slack does not take is read once more, since it may have been
    /// replaced: Slack did nothing then.
    pub(crate) async fn call<C: Call>(&self, call: &C) -> Result<C::Response, Failure> {
        let token: BotToken = self.secrets.get().await?.bot_token.parse()?;
        let refused = match self.try_to_call(&token, call).await {
            Err(error) if is_about_the_token(&error) => error,
            done => return Ok(done?),
        };
        let again: BotToken = self.secrets.again().await?.bot_token.parse()?;
        if again == token {
            return Err(refused.into());
        }
        Ok(self.try_to_call(&again, call).await?)
    }

    async fn try_to_call<C: Call>(
        &self,
        token: &BotToken,
        call: &C,
    ) -> Result<C::Response, SlackError> {
        let until = Deadline::after(&self.clock, CALL);
        let time_out = async {
            self.clock.until_done(until.0, pending::<()>()).await;
        };
        let done = self.client.call(token, call, time_out).await;
        if let Err(error) = &done
            && let Some(after) = error.retry_after()
        {
            let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
            let until = self.clock.now().saturating_add(after);
            if let Ok(until) = until {
                self.paused().insert(error.method(), until);
            }
        }
        done
    }

    fn paused(&self) -> MutexGuard<'_, BTreeMap<Method, Timestamp>> {
        self.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_about_the_token(error: &SlackError) -> bool {
    error
        .refusal()
        .is_some_and(|refusal| refusal.reason() == Reason::Token)
}
