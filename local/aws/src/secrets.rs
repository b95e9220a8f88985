//! Secrets Manager: secrets that are read by name or ARN, with a current and a previous version.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use axum::Router;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::control::lock;
use crate::error::AwsError;
use crate::http::{self, Api, Call};
use crate::json;
use crate::protocol::Protocol;
use crate::query::Params;
use crate::simulator::Simulator;

/// A simulator of Secrets Manager that answers `GetSecretValue`. No log and no `Debug` holds a secret's value.
///
/// ```
/// use local_aws::{Config, Secrets};
///
/// let secrets = Secrets::new(Config::default());
/// let arn = secrets.put_secret("slack/signing-secret", "8f742231b10e8888")?;
/// assert!(arn.starts_with("arn:aws:secretsmanager:us-east-1:123456789012:secret:slack/signing-secret-"));
/// secrets.rotate("slack/signing-secret", "e6b19c573432dcc6")?;
/// # Ok::<(), local_aws::AwsError>(())
/// ```
pub type Secrets = Simulator<SecretsState>;

/// The secrets by name.
#[derive(Default)]
pub struct SecretsState(Mutex<BTreeMap<String, Secret>>);

struct Secret {
    arn: String,
    name: String,
    /// `AWSCURRENT`.
    current: Version,
    /// `AWSPREVIOUS`.
    previous: Option<Version>,
}

struct Version {
    id: String,
    value: String,
    created: Timestamp,
}

impl Secret {
    /// Whether `wanted` is its name, its ARN, or its ARN without the hyphen and the six characters at the end
    /// ("Finding a secret from a partial ARN").
    fn is(&self, wanted: &str) -> bool {
        let rest = self.arn.strip_prefix(wanted);
        let fits = |rest: &str| rest.is_empty() || rest.starts_with('-') && rest.len() == 7;
        wanted == self.name || wanted.starts_with("arn:") && rest.is_some_and(fits)
    }
}

/// In process. None of it is counted, logged or disturbed by faults.
impl Secrets {
    /// Answers Secrets Manager's calls, at every path. Under a prefix, mount it with [`Router::nest_service`].
    pub fn router(&self) -> Router {
        http::router(self.clone())
    }

    /// Adds a secret with this value, and answers its ARN. If the secret is there already, the value becomes its only
    /// version, and the ARN stays.
    ///
    /// # Errors
    /// `ValidationException` if the name is not allowed, `InvalidParameterException` if the value is empty or longer
    /// than 65,536 bytes.
    pub fn put_secret(&self, name: &str, value: &str) -> Result<String, AwsError> {
        // "The secret name can contain ASCII letters, numbers, and the following characters: /_+=.@-"
        let allowed = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
        if name.is_empty() || name.len() > 512 || !name.chars().all(allowed) {
            let text = "Invalid name. Must be a valid name containing alphanumeric characters, or any of the \
                        following: -/_+=.@!";
            return Err(AwsError::bad("ValidationException", text));
        }
        let current = self.version(value)?;
        let mut secrets = self.secrets();
        let known = secrets.get(name).map(|secret| secret.arn.clone());
        let arn = known.unwrap_or_else(|| {
            let (home, suffix) = (self.home(), self.ids().hex(6));
            format!(
                "arn:aws:secretsmanager:{}:{}:secret:{name}-{suffix}",
                home.region, home.account
            )
        });
        let secret = Secret {
            arn: arn.clone(),
            name: name.to_owned(),
            current,
            previous: None,
        };
        secrets.insert(name.to_owned(), secret);
        Ok(arn)
    }

    /// Gives a secret, named by its name or ARN, a new current version. `AWSCURRENT` becomes `AWSPREVIOUS`; the old
    /// `AWSPREVIOUS` is gone.
    ///
    /// # Errors
    /// `ResourceNotFoundException` if there is no such secret, `InvalidParameterException` as [`Secrets::put_secret`].
    pub fn rotate(&self, secret: &str, value: &str) -> Result<(), AwsError> {
        let version = self.version(value)?;
        let mut secrets = self.secrets();
        let found = secrets.values_mut().find(|found| found.is(secret));
        let found = found.ok_or_else(no_secret)?;
        found.previous = Some(std::mem::replace(&mut found.current, version));
        Ok(())
    }

    /// Removes a secret, named by its name or ARN; `false` if there is none.
    pub fn remove_secret(&self, secret: &str) -> bool {
        let mut secrets = self.secrets();
        let before = secrets.len();
        secrets.retain(|_, found| !found.is(secret));
        secrets.len() < before
    }

    fn secrets(&self) -> MutexGuard<'_, BTreeMap<String, Secret>> {
        lock(&self.data().0)
    }

    fn version(&self, value: &str) -> Result<Version, AwsError> {
        if value.is_empty() || value.len() > 65_536 {
            let text = "SecretString must have from 1 to 65536 bytes.";
            return Err(AwsError::bad("InvalidParameterException", text));
        }
        Ok(Version {
            id: self.ids().uuid(),
            value: value.to_owned(),
            created: self.now(),
        })
    }
}

impl Api for SecretsState {
    const PROTOCOL: Protocol = Protocol::Json {
        prefix: "secretsmanager.",
        message: "Message",
    };

    fn run(call: &Call<'_, Self>) -> Result<String, AwsError> {
        match call.action {
            "GetSecretValue" => get_secret_value(call),
            other => Err(json::unknown_operation(other)),
        }
    }

    fn logged(params: &Params) -> Vec<(String, String)> {
        // The log also keeps calls of unknown operations, which may carry a value.
        let secret = |name: &str| name.starts_with("Secret") && name != "SecretId";
        let params = params.pairs().iter();
        params.filter(|(name, _)| !secret(name)).cloned().collect()
    }

    fn throttled() -> AwsError {
        AwsError::bad("ThrottlingException", "Rate exceeded")
    }

    fn internal() -> AwsError {
        let text = "An error occurred on the server side.";
        AwsError::new(500, "InternalServiceError", text)
    }

    fn unauthorized(call: &Call<'_, Self>) -> AwsError {
        let secret = call.params.get("SecretId").unwrap_or("*");
        json::unauthorized(&call.caller.arn, "secretsmanager", call.action, secret)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetSecretValue {
    secret_id: Option<String>,
    version_id: Option<String>,
    version_stage: Option<String>,
}

/// "If you don't specify either a `VersionStage` or `VersionId`, then Secrets Manager returns the `AWSCURRENT`
/// version"; with both, "the two parameters must refer to the same secret version".
fn get_secret_value(call: &Call<'_, SecretsState>) -> Result<String, AwsError> {
    let input: GetSecretValue = call.input()?;
    let id = input.secret_id.filter(|id| !id.is_empty());
    let no_id = || {
        let text = "You must provide a value for the SecretId parameter.";
        AwsError::bad("InvalidParameterException", text)
    };
    let id = id.ok_or_else(no_id)?;
    let (home, secrets) = (call.simulator.home(), call.simulator.secrets());
    // Another account finds a secret only by its ARN. Resource policies are not modelled.
    let own = call.caller.account == home.account;
    let findable = call.caller.region == home.region && (own || id.starts_with("arn:"));
    let found = secrets.values().find(|secret| findable && secret.is(&id));
    let secret = found.ok_or_else(no_secret)?;
    if !own {
        let arn = &call.caller.arn;
        return Err(json::unauthorized(
            arn,
            "secretsmanager",
            call.action,
            &secret.arn,
        ));
    }
    let stage = match (&input.version_stage, &input.version_id) {
        (None, None) => Some("AWSCURRENT"),
        (stage, _) => stage.as_deref(),
    };
    let current = std::iter::once(("AWSCURRENT", &secret.current));
    let previous = secret
        .previous
        .iter()
        .map(|version| ("AWSPREVIOUS", version));
    let mut versions = current.chain(previous);
    let is = |found: &str, wanted: Option<&str>| wanted.is_none_or(|wanted| wanted == found);
    let version = versions
        .find(|(label, version)| is(label, stage) && is(&version.id, input.version_id.as_deref()));
    let (label, version) = version.ok_or_else(|| match (stage, &input.version_id) {
        (Some(_), Some(_)) => AwsError::bad(
            "InvalidRequestException",
            "You provided a VersionStage that is not associated to the provided VersionId.",
        ),
        (_, Some(id)) => no_version("VersionId", id),
        (stage, None) => no_version("staging label", stage.unwrap_or_default()),
    })?;
    let answer = json!({
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": version.id,
        "SecretString": version.value,
        "VersionStages": [label],
        "CreatedDate": version.created.as_duration().as_secs_f64(),
    });
    Ok(answer.to_string())
}

fn no_secret() -> AwsError {
    let text = "Secrets Manager can't find the specified secret.";
    AwsError::bad("ResourceNotFoundException", text)
}

fn no_version(what: &str, value: &str) -> AwsError {
    AwsError::bad(
        "ResourceNotFoundException",
        format!("Secrets Manager can't find the specified secret value for {what}: {value}"),
    )
}
