//! Routes a request to an approver's link or to Slack.

use std::sync::Arc;
use std::time::Duration;

use gatekeeper_aws::bootstrap;
use gatekeeper_aws::clients::{Access, Clients};
use gatekeeper_aws::clock::{Clock, Deadline};
use gatekeeper_aws::config::{Config, ConfigError};
use gatekeeper_aws::gatekeeper::Gatekeeper;
use gatekeeper_aws::telemetry;
use gatekeeper_slack_api::client::https_connector;

use crate::http::{FORM_LIMIT, Method, Request, Response, Route};
use crate::link;
use crate::page::{self, Notice};
use crate::signed_vote;
use crate::slack::{Slack, SlackConfig};

/// The longest that a page may take. People do not wait longer.
pub const PAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// The time kept back to send the response.
pub const MARGIN: Duration = Duration::from_secs(1);

/// Handles requests. Share it between them.
#[derive(Debug)]
pub struct Handler {
    gatekeeper: Arc<Gatekeeper>,
    slack: Option<Slack>,
}

impl Handler {
    /// Without `slack`, Slack's path answers 404.
    #[must_use]
    pub fn new(gatekeeper: Arc<Gatekeeper>, slack: Option<Slack>) -> Self {
        Self { gatekeeper, slack }
    }

    /// Sets up logging, reads the configuration and makes the clients.
    ///
    /// # Errors
    /// [`ConfigError`] with the variable's name, before any request is taken.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        telemetry::init(lookup("AWS_LAMBDA_LOG_LEVEL").as_deref());
        let config = Config::from_lookup(&lookup)?;
        let slack = SlackConfig::from_lookup(&lookup)?;
        let clients = Clients::new(&Access::from_lookup(&lookup)?);
        let clock = Clock::system();
        let metrics = bootstrap::metrics(&lookup, clock.clone())?;
        let gatekeeper = Gatekeeper::new(&clients, &config, clock.clone(), metrics);
        let slack = slack.map(|config| Slack::new(&clients, config, https_connector(), clock));
        Ok(Self::new(Arc::new(gatekeeper), slack))
    }

    /// Opens connections to AWS while the function still has the whole CPU. Slack waits three seconds
    /// for an answer, which includes a cold start.
    pub async fn warm_up(&self) {
        let slack = async {
            if let Some(slack) = &self.slack {
                slack.warm_up().await;
            }
        };
        tokio::join!(self.gatekeeper.warm_up(), slack);
    }

    /// Handles one request. `deadline` is the invocation's.
    pub async fn handle(&self, request: &Request, deadline: Deadline) -> Response {
        let mut response = self.answer(request, deadline).await;
        tracing::debug!(
            method = ?request.method,
            route = request.route().name(),
            status = response.status,
            "answered"
        );
        if request.method == Method::Head {
            response.body.clear();
        }
        response
    }

    async fn answer(&self, request: &Request, deadline: Deadline) -> Response {
        match request.route() {
            Route::Link(token) => self.link(token, request, deadline).await,
            Route::Interactions => match &self.slack {
                Some(slack) if request.method == Method::Post => {
                    slack.handle(&self.gatekeeper, request, deadline).await
                }
                Some(_) => page::notice(Notice::Method).header("allow", "POST"),
                None => page::notice(Notice::Nowhere),
            },
            Route::Votes(endpoint) if request.method == Method::Post => {
                signed_vote::answer(&self.gatekeeper, endpoint, request, deadline).await
            }
            Route::Votes(_) => page::notice(Notice::Method).header("allow", "POST"),
            Route::Nowhere => page::notice(Notice::Nowhere),
        }
    }

    async fn link(&self, token: &str, request: &Request, deadline: Deadline) -> Response {
        if request.method == Method::Other {
            return page::notice(Notice::Method).header("allow", "GET, HEAD, POST");
        }
        if request.body.len() > FORM_LIMIT {
            return page::notice(Notice::TooLarge);
        }
        let clock = self.gatekeeper.clock();
        let answer = async {
            match request.method {
                Method::Post if is_from_elsewhere(request) => page::notice(Notice::CrossSite),
                Method::Post => link::decide(&self.gatekeeper, token, request, deadline).await,
                _ => link::look(&self.gatekeeper, token).await,
            }
        };
        let soon = Deadline::after(clock, PAGE_TIMEOUT);
        let until = soon.0.min(deadline.earlier(MARGIN).0);
        match clock.until_done(until, Box::pin(answer)).await {
            Some(response) => response,
            None => {
                tracing::warn!("AWS takes longer than anybody waits for a page");
                link::unavailable(&self.gatekeeper, token)
            }
        }
    }
}

/// Whether the browser says that another site's page sent the form. Older browsers do not say it, and
/// `Origin` is `null` under our referrer policy (<https://fetch.spec.whatwg.org/#origin-header>).
fn is_from_elsewhere(request: &Request) -> bool {
    let site = request.header("sec-fetch-site");
    site.is_some_and(|site| !matches!(site, "same-origin" | "none"))
}
