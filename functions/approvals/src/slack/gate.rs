//! Lets nothing in but what Slack says of our app.

use gatekeeper_aws::error::{Error, chain};
use gatekeeper_aws::telemetry::Metrics;
use gatekeeper_slack_api::interaction::{BODY_LIMIT, By, Interaction, decode};
use gatekeeper_slack_api::secret::SigningSecret;
use gatekeeper_slack_api::signature::{NotSlacks, verify};

use super::Slack;
use crate::http::{Request, Response};

impl Slack {
    /// Checks that Slack signed the request and that it is about this app, and reads it.
    ///
    /// # Errors
    /// The response to any other request. The reason is logged and is not in the response.
    pub(super) async fn let_in(
        &self,
        metrics: &Metrics,
        request: &Request,
    ) -> Result<Interaction, Response> {
        if request.body.len() > BODY_LIMIT {
            return Err(Response::empty(413));
        }
        self.verify(metrics, request).await?;
        let interaction = decode(&request.body, &self.config.url).map_err(|malformed| {
            tracing::error!(
                error = chain(&malformed),
                "what Slack sent cannot be understood"
            );
            // It is signed: a way to press that this version does not know.
            metrics.count_slack_failure("Permanent.SlackMalformed", false);
            Response::empty(400)
        })?;
        match by(&interaction) {
            Some(by) if by.app != self.config.app => {
                tracing::error!(
                    app = by.app.as_str(),
                    "a request that our app's secret signed is of another app; SlackAppId is wrong, or the secret"
                );
                metrics.count_slack_failure("Permanent.SlackOtherApp", false);
                Err(Response::empty(403))
            }
            _ => Ok(interaction),
        }
    }

    /// The signing secret may have been replaced since it was read. So after a signature that does not
    /// match, it is read again, but not for every wrong signature.
    async fn verify(&self, metrics: &Metrics, request: &Request) -> Result<(), Response> {
        let secret = self.secrets.get().await;
        let secret = secret.map_err(|error| unreadable(metrics, &error))?;
        let Err(refused) = self.is_signed(metrics, request, &secret.signing_secret) else {
            return Ok(());
        };
        let refused = match refused {
            NotSlacks::Mismatch => {
                let again = self.secrets.again().await;
                let again = again.map_err(|error| unreadable(metrics, &error))?;
                match self.is_signed(metrics, request, &again.signing_secret) {
                    Ok(()) => return Ok(()),
                    Err(refused) => refused,
                }
            }
            refused => refused,
        };
        // The error says what is wrong with the signature and does not quote it.
        tracing::warn!(
            error = chain(&refused),
            "a request that says it is Slack's was refused"
        );
        Err(Response::empty(401))
    }

    fn is_signed(
        &self,
        metrics: &Metrics,
        request: &Request,
        secret: &str,
    ) -> Result<(), NotSlacks> {
        let secret: SigningSecret = secret.parse().map_err(|invalid| {
            metrics.count_slack_failure("Permanent.MalformedSecret", false);
            tracing::error!(
                error = chain(&invalid),
                "the Slack secret has no usable signing secret; put the app's into it"
            );
            NotSlacks::NoSecret
        })?;
        let headers = request.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
        verify(&[secret], headers, &request.body, self.clock.now())
    }
}

fn by(interaction: &Interaction) -> Option<&By> {
    match interaction {
        Interaction::Pressed(pressed) => Some(&pressed.by),
        Interaction::Submitted(submitted) => Some(&submitted.by),
        Interaction::Closed(closed) => Some(&closed.by),
        Interaction::Ignored(_) => None,
    }
}

/// Without the secret no request can be verified. Slack shows the person that it failed.
fn unreadable(metrics: &Metrics, error: &Error) -> Response {
    let error_type = error.error_type();
    metrics.count_slack_failure(error_type, error.is_retryable());
    let error_chain = chain(error);
    if error.is_retryable() {
        tracing::warn!(
            error_type,
            error = error_chain,
            "the Slack secret could not be read"
        );
    } else {
        tracing::error!(
            error_type,
            error = error_chain,
            "the Slack secret could not be read; somebody must act"
        );
    }
    Response::empty(503)
}
