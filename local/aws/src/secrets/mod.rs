//! Secrets Manager: secrets that are read by name or ARN, with a current and a previous version.

mod api;
mod calls;
mod errors;
mod store;

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::clock::{Clock, system_clock};
use crate::control::{Control, lock};
use crate::error::AwsError;
use crate::fault::FaultKind;
use crate::http::{Api, Call};
use crate::ids::Ids;
use crate::json;
use crate::protocol::Protocol;
use crate::query::Params;
use store::Store;

/// What is fixed when a simulator is made.
#[derive(Clone)]
pub struct SecretsConfig {
    /// The account of callers whose access key id is not an account, and of all secrets.
    pub account: String,
    /// The Region of callers that name none, and of all secrets.
    pub region: String,
    /// The time.
    pub clock: Clock,
    /// Where ids begin; `None` takes a random place, the same number gives the same ids.
    pub seed: Option<u64>,
}

/// Account 123456789012, us-east-1, the machine's clock, random ids.
impl Default for SecretsConfig {
    fn default() -> Self {
        Self {
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            clock: system_clock(),
            seed: None,
        }
    }
}

impl fmt::Debug for SecretsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsConfig")
            .field("account", &self.account)
            .field("region", &self.region)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// A simulator of Secrets Manager, as far as reading goes. Clones are the same simulator.
///
/// It is used in process through its methods, and over HTTP through [`Secrets::router`]. Faults, the log of calls and
/// the like are those of [`Control`], to which it dereferences. No log and no `Debug` holds a secret's value.
///
/// ```
/// use local_aws::{Secrets, SecretsConfig};
///
/// let secrets = Secrets::new(SecretsConfig::default());
/// let arn = secrets.put_secret("slack/signing-secret", "8f742231b10e8888")?;
/// assert!(arn.starts_with("arn:aws:secretsmanager:us-east-1:123456789012:secret:slack/signing-secret-"));
/// secrets.rotate("slack/signing-secret", "e6b19c573432dcc6")?;
/// # Ok::<(), local_aws::AwsError>(())
/// ```
#[derive(Clone)]
pub struct Secrets(Arc<Inner>);

struct Inner {
    account: String,
    region: String,
    clock: Clock,
    ids: Ids,
    control: Control,
    store: Mutex<Store>,
}

impl Secrets {
    /// Without secrets.
    pub fn new(config: SecretsConfig) -> Self {
        Self(Arc::new(Inner {
            account: config.account,
            region: config.region,
            clock: config.clock,
            ids: Ids::new(config.seed),
            control: Control::new(),
            store: Mutex::default(),
        }))
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.0.store)
    }

    fn ids(&self) -> &Ids {
        &self.0.ids
    }

    fn now(&self) -> Timestamp {
        (self.0.clock)()
    }
}

impl Deref for Secrets {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.0.control
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("account", &self.0.account)
            .field("region", &self.0.region)
            .finish_non_exhaustive()
    }
}

/// A call with what every operation needs.
struct Request<'a> {
    secrets: &'a Secrets,
    caller: &'a Caller,
    body: &'a [u8],
}

impl Request<'_> {
    fn input<T: DeserializeOwned>(&self) -> Result<T, AwsError> {
        json::input(self.body)
    }
}

impl Api for Secrets {
    const PROTOCOL: Protocol = Protocol::Json {
        prefix: "secretsmanager.",
    };

    fn control(&self) -> &Control {
        &self.0.control
    }

    fn home(&self) -> (&str, &str) {
        (&self.0.account, &self.0.region)
    }

    fn request_id(&self) -> String {
        self.0.ids.uuid()
    }

    fn logged(params: &Params) -> Vec<(String, String)> {
        // Operations that are not there would be refused after their secrets have been logged.
        let secret = |name: &str| name.starts_with("Secret") && name != "SecretId";
        let params = params.pairs().iter();
        params.filter(|(name, _)| !secret(name)).cloned().collect()
    }

    fn run(&self, call: &Call<'_>) -> Result<String, AwsError> {
        let operation: fn(&Request<'_>) -> Result<Value, AwsError> = match call.action {
            "GetSecretValue" => calls::get_value,
            other => return Err(json::unknown_operation(other)),
        };
        let answer = operation(&Request {
            secrets: self,
            caller: call.caller,
            body: call.body,
        })?;
        Ok(answer.to_string())
    }

    fn error(&self, error: &AwsError, _request_id: &str) -> String {
        json!({ "__type": error.code, "Message": error.message }).to_string()
    }

    fn refusal(&self, kind: &FaultKind, call: &Call<'_>) -> AwsError {
        match kind {
            FaultKind::Throttle => errors::throttled(),
            FaultKind::Unavailable => json::unavailable(),
            FaultKind::Unauthorized => {
                let permission = format!("secretsmanager:{}", call.action);
                let secret = call.params.get("SecretId").unwrap_or("*");
                json::unauthorized(&call.caller.arn, &permission, secret)
            }
            _ => errors::internal(),
        }
    }
}
