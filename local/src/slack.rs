//! Slack in the local world: a workspace with one channel, the function `slack` with the queue in front
//! of it, and people whose presses reach the function `approvals`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatekeeper_approvals::handler::Handler as ApprovalsHandler;
use gatekeeper_approvals::http::{Method, Request};
use gatekeeper_approvals::slack::{Slack as Interactivity, SlackConfig as InteractivityConfig};
use gatekeeper_aws::clients::Clients;
use gatekeeper_aws::clock::{Clock, Deadline};
use gatekeeper_aws::config::Config as WorldConfig;
use gatekeeper_aws::gatekeeper::Gatekeeper;
use gatekeeper_aws::telemetry::Metrics;
use gatekeeper_slack::config::Config;
use gatekeeper_slack::handler::Handler;
use gatekeeper_slack_api::address::BaseUrl;
use gatekeeper_slack_api::client::https_connector;
use gatekeeper_slack_api::ids::AppId;
use gatekeeper_slack_api::tenants::Tenants;
use local_aws::{
    CannotDo, Delivery, Interaction, NewChannel, Secrets, Slack, SlackConfig, SlackMessage,
};
use serde_json::json;

use crate::deployment::{APPROVALS_TIMEOUT, SLACK_QUEUE, SLACK_TIMEOUT};
use crate::error::WorldError;
use crate::place::{PROVIDER, REGION};
use crate::queue::{self, Queue};

/// The channel of services that name none.
pub const CHANNEL: &str = "C0REVIEWS";
/// The channel's name, without `#`.
pub const CHANNEL_NAME: &str = "connection-reviews";
/// What the functions call Slack with, at first.
pub const BOT_TOKEN: &str = "xoxb-of-the-local-world";
/// What Slack signs with, at first.
pub const SIGNING_SECRET: &str = "signing-secret-of-the-local-world";
/// The name of the secret that holds both.
pub const SECRET_NAME: &str = "slack";

/// The name of the function that posts here, and its identity on the wire.
pub(crate) const FUNCTION: &str = "slack";
/// The path that Slack answers below.
pub(crate) const MOUNT: &str = "/slack-stand-in";
const TEAM: &str = "T0LOCAL0001";
const APP: &str = "A0LOCAL0001";

/// A workspace whose app is Gatekeeper.
pub struct Workspace {
    /// Slack itself, with all that people see of it.
    pub slack: Slack,
    queue: Queue,
    config: Config,
    interactivity: InteractivityConfig,
    clients: Clients,
    voting_clients: Clients,
    clock: Clock,
    function: Handler,
    approvals: Arc<ApprovalsHandler>,
    /// Who is at the keyboard; none at first.
    present: Mutex<Option<String>>,
    /// How often people did something here.
    acts: AtomicU64,
}

/// What the functions know of the world that the workspace is in.
pub(crate) struct Deployment<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) config: &'a WorldConfig,
    /// The function `slack`'s.
    pub(crate) clients: Clients,
    /// The function `approvals`'s.
    pub(crate) voting_clients: Clients,
    pub(crate) voting: &'a Arc<Gatekeeper>,
    pub(crate) clock: &'a Clock,
}

/// Slack with its one channel, to be served at `address` below [`MOUNT`].
pub(crate) fn stand_in(clock: &Clock, seed: Option<u64>, address: SocketAddr) -> Slack {
    let ticks = clock.clone();
    let slack = Slack::new(SlackConfig {
        clock: Arc::new(move || ticks.now()),
        seed,
        team_id: TEAM.to_owned(),
        app_id: APP.to_owned(),
        bot_token: BOT_TOKEN.to_owned(),
        signing_secret: SIGNING_SECRET.to_owned(),
    });
    slack.put_channel(NewChannel::new(CHANNEL, CHANNEL_NAME));
    slack.set_base_url(url(address));
    slack
}

/// The secret as the functions read it.
#[must_use]
pub fn secret(bot_token: &str, signing_secret: &str) -> String {
    json!({ "bot_token": bot_token, "signing_secret": signing_secret }).to_string()
}

/// Puts the secret where the functions read it.
pub(crate) fn put_secret(secrets: &Secrets) -> Result<(), WorldError> {
    secrets
        .put_secret(SECRET_NAME, &secret(BOT_TOKEN, SIGNING_SECRET))
        .map(drop)
        .map_err(|error| WorldError::Make("Slack's secret", error.to_string()))
}

/// The queue in front of the function `slack`, as SNS knows it.
pub(crate) fn queue_arn() -> String {
    format!("arn:aws:sqs:{REGION}:{PROVIDER}:slack")
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}{MOUNT}")
}

fn parsed<T>(what: &'static str, text: &str) -> Result<T, WorldError>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let parsed = text.parse();
    parsed.map_err(|error: T::Err| WorldError::Make(what, error.to_string()))
}

impl Workspace {
    pub(crate) fn new(slack: Slack, deployment: Deployment<'_>) -> Result<Self, WorldError> {
        let Deployment {
            address,
            config,
            clients,
            voting_clients,
            voting,
            clock,
        } = deployment;
        let url: BaseUrl = parsed("Slack's address", &url(address))?;
        let app: AppId = parsed("the app's id", APP)?;
        let tenants: Tenants = parsed("the workspace's id", TEAM)?;
        let interactivity = InteractivityConfig {
            secret_arn: SECRET_NAME.to_owned(),
            tenants,
            app: app.clone(),
            url: url.clone(),
        };
        let config = Config {
            allowlist_table: config.allowlist_table.clone(),
            requests_table: config.requests_table.clone(),
            secret_arn: SECRET_NAME.to_owned(),
            app: Some(app),
            channel: Some(parsed("the channel's id", CHANNEL)?),
            url,
        };
        let pressed = interactivity_of(&voting_clients, &interactivity, clock);
        let approvals = ApprovalsHandler::new(Arc::clone(voting), Some(pressed));
        Ok(Self {
            function: function_of(&clients, &config, clock),
            approvals: Arc::new(approvals),
            queue: Queue::new(
                clock.clone(),
                SLACK_QUEUE.visibility,
                SLACK_QUEUE.max_receives,
            ),
            clock: clock.clone(),
            slack,
            config,
            interactivity,
            clients,
            voting_clients,
            present: Mutex::default(),
            acts: AtomicU64::default(),
        })
    }

    /// A new instance of the function `slack`.
    #[must_use]
    pub fn instance(&self) -> Handler {
        function_of(&self.clients, &self.config, &self.clock)
    }

    /// What people press, for a new instance of the function `approvals`.
    #[must_use]
    pub fn interactivity(&self) -> Interactivity {
        interactivity_of(&self.voting_clients, &self.interactivity, &self.clock)
    }

    /// The function `approvals` that presses reach.
    pub(crate) fn approvals(&self) -> Arc<ApprovalsHandler> {
        Arc::clone(&self.approvals)
    }

    /// Takes what SNS delivers to this queue, and nothing else; whether it did.
    pub(crate) fn take(&self, delivery: &Delivery) -> bool {
        let is_ours = delivery.protocol == "sqs" && delivery.endpoint == queue_arn();
        if is_ours {
            self.queue.send(delivery.envelope().to_string());
        }
        is_ours
    }

    /// Hands what waits in the queue to the function `slack`, as Lambda does. What it gives back comes
    /// again when it is visible again.
    pub async fn pump(&self) {
        loop {
            let batch = self.queue.receive(SLACK_QUEUE.batch);
            if batch.is_empty() {
                return;
            }
            let deadline = Deadline::after(&self.clock, SLACK_TIMEOUT);
            let handled = self.function.handle(queue::event(&batch), deadline);
            let answer = Box::pin(handled).await;
            for (index, message) in batch.iter().enumerate() {
                if !answer.failed.iter().any(|(at, _)| *at == index) {
                    self.queue.delete(&message.id);
                }
            }
        }
    }

    /// Somebody presses a button of a message in the channel, which may have lost it since.
    ///
    /// # Errors
    /// If there is no such message, or it never had such a button.
    pub async fn press(&self, user: &str, ts: &str, action_id: &str) -> Result<(), CannotDo> {
        let sent = self.slack.press_stale(user, CHANNEL, ts, action_id)?;
        self.send(&sent).await;
        Ok(())
    }

    /// Somebody fills in a modal, each value by the id of its block, and submits it.
    ///
    /// # Errors
    /// If they have no such modal open, or Slack itself would not send it.
    pub async fn submit(
        &self,
        user: &str,
        view: &str,
        values: &[(&str, &str)],
    ) -> Result<(), CannotDo> {
        let sent = self.slack.submit_view(user, view, values)?;
        self.send(&sent).await;
        Ok(())
    }

    /// Somebody closes a modal.
    ///
    /// # Errors
    /// If they have no such modal open.
    pub async fn close(&self, user: &str, view: &str) -> Result<(), CannotDo> {
        if let Some(sent) = self.slack.close_view(user, view)? {
            self.send(&sent).await;
        }
        self.note_act();
        Ok(())
    }

    /// Posts to the function what Slack posts to the app, and has Slack have its answer.
    async fn send(&self, sent: &Interaction) {
        let request = Request {
            method: Method::Post,
            path: "/slack/interactions".to_owned(),
            headers: sent.headers.clone(),
            body: sent.body.clone(),
            caller: None,
        };
        let began = self.clock.now();
        let deadline = Deadline::after(&self.clock, APPROVALS_TIMEOUT);
        let answer = Box::pin(self.approvals.handle(&request, deadline)).await;
        let took = self.clock.now().duration_since(began);
        let took = Duration::try_from(took).unwrap_or_default();
        let body = answer.body.as_bytes();
        self.slack.answered(sent, answer.status, body, took);
        self.note_act();
    }

    /// Who is at the keyboard, if that was said.
    pub(crate) fn present(&self) -> Option<String> {
        let present = self.present.lock();
        present.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Somebody else sits down at the keyboard.
    pub(crate) fn set_present(&self, user: &str) {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        *present = Some(user.to_owned());
        drop(present);
        self.note_act();
    }

    fn note_act(&self) {
        self.acts.fetch_add(1, Ordering::Relaxed);
    }

    /// What tells that something may look otherwise than before.
    pub(crate) fn glance(&self) -> (u64, Vec<SlackMessage>) {
        let acts = self.acts.load(Ordering::Relaxed);
        (acts, self.slack.messages(CHANNEL))
    }
}

fn function_of(clients: &Clients, config: &Config, clock: &Clock) -> Handler {
    let metrics = Metrics::off(clock.clone());
    let connector = https_connector();
    Handler::new(clients, config.clone(), connector, clock.clone(), metrics)
}

fn interactivity_of(
    clients: &Clients,
    config: &InteractivityConfig,
    clock: &Clock,
) -> Interactivity {
    Interactivity::new(clients, config.clone(), https_connector(), clock.clone())
}
