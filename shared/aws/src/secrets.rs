//! The Slack secret from AWS Secrets Manager, kept for a while.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::clients::Clients;
use crate::clock::Clock;
use crate::error::{Call, Error, Permanent, Retryable, Step, chain};

/// For how long a secret is kept.
const FRESH: SignedDuration = SignedDuration::from_secs(300);
/// A wrong signature makes us read the secret again, but no more often than this.
const AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// The secret: a JSON object with these two fields.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct SlackSecret {
    /// Slack signs its requests with this.
    pub signing_secret: String,
    /// We authenticate to Slack with this: `xoxb-…`.
    pub bot_token: String,
}

impl std::fmt::Debug for SlackSecret {
    /// Leaves out the secret's values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SlackSecret(…)")
    }
}

/// Reads the Slack secret when it is needed.
#[derive(Debug)]
pub struct SlackSecrets {
    client: aws_sdk_secretsmanager::Client,
    arn: String,
    clock: Clock,
    kept: Mutex<Option<(Timestamp, Arc<SlackSecret>)>>,
}

impl SlackSecrets {
    /// Reads the secret with this ARN or name.
    #[must_use]
    pub fn new(clients: &Clients, arn: String, clock: Clock) -> Self {
        Self {
            client: clients.secrets.clone(),
            arn,
            clock,
            kept: Mutex::default(),
        }
    }

    /// The secret, not older than five minutes.
    ///
    /// # Errors
    /// If it could not be read, or is not valid.
    pub async fn get(&self) -> Result<Arc<SlackSecret>, Arc<Error>> {
        self.not_older_than(FRESH).await
    }

    /// Reads the secret again after a wrong signature, because it may have been rotated. Within
    /// half a minute of the last time it answers the kept one.
    ///
    /// # Errors
    /// If it could not be read, or is not valid.
    pub async fn again(&self) -> Result<Arc<SlackSecret>, Arc<Error>> {
        self.not_older_than(AGAIN).await
    }

    async fn not_older_than(&self, age: SignedDuration) -> Result<Arc<SlackSecret>, Arc<Error>> {
        // Held during reading, so that a burst of requests reads it once.
        let mut kept = self.kept.lock().await;
        let now = self.clock.now();
        if let Some((at, secret)) = &*kept
            && now.duration_since(*at) < age
        {
            return Ok(Arc::clone(secret));
        }
        let secret = match (self.read().await, &*kept) {
            (Ok(secret), _) => Arc::new(secret),
            // The last secret is more likely right than wrong, and a caller with a wrong signature
            // gets the same answer whether or not Secrets Manager works.
            (Err(error), Some((_, secret))) => {
                tracing::warn!(
                    error = chain(&*error),
                    "the Slack secret could not be read again; the last one is used"
                );
                return Ok(Arc::clone(secret));
            }
            (Err(error), None) => return Err(error),
        };
        *kept = Some((now, Arc::clone(&secret)));
        Ok(secret)
    }

    async fn read(&self) -> Result<SlackSecret, Arc<Error>> {
        let output = self
            .client
            .get_secret_value()
            .secret_id(&self.arn)
            .send()
            .await
            .map_err(|error| {
                let call = Call::new(
                    Step::Announce,
                    "secretsmanager:GetSecretValue",
                    Retryable::ReadSecret,
                    format!("the Slack secret {} could not be read", self.arn),
                );
                call.failed(error)
            })?;
        // The message never quotes the secret.
        let malformed = |detail: &str| {
            let what = format!("the Slack secret {} cannot be read: {detail}", self.arn);
            let class = Permanent::MalformedSecret;
            Error::new(Step::Announce, "read the secret", class, what)
        };
        let text = output
            .secret_string()
            .ok_or_else(|| malformed("it is binary; it must be a JSON text"))?;
        // The parser's message could quote the secret.
        let secret: SlackSecret = serde_json::from_str(text).map_err(|_| {
            malformed("it must be a JSON object with the texts signing_secret and bot_token")
        })?;
        if secret.signing_secret.trim().is_empty() || secret.bot_token.trim().is_empty() {
            return Err(malformed("signing_secret or bot_token is empty").into());
        }
        Ok(secret)
    }
}
