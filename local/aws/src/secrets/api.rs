//! What a world or a test does with the simulator in process. None of it is counted, logged or disturbed.

use axum::Router;

use super::store::{Secret, Version};
use super::{Secrets, errors};
use crate::error::AwsError;
use crate::http;

impl Secrets {
    /// Answers Secrets Manager's calls, at every path. Under a prefix, mount it with [`Router::nest_service`], as
    /// [`Ec2::router`](crate::Ec2::router).
    pub fn router(&self) -> Router {
        http::router(self.clone())
    }

    /// Adds a secret with this value, and answers its ARN. Of one that is there already, this becomes the only
    /// version, and the ARN stays.
    ///
    /// # Errors
    /// `ValidationException` if the name is none, `InvalidParameterException` if the value is empty or longer than
    /// 65,536 bytes.
    pub fn put_secret(&self, name: &str, value: &str) -> Result<String, AwsError> {
        check_name(name)?;
        let version = self.version(value)?;
        let mut store = self.store();
        let secret = store.get_mut(name);
        if let Some(secret) = secret {
            secret.current = version;
            secret.previous = None;
            return Ok(secret.arn.clone());
        }
        let (account, region) = (&self.0.account, &self.0.region);
        let suffix = self.ids().hex(6);
        let arn = format!("arn:aws:secretsmanager:{region}:{account}:secret:{name}-{suffix}");
        store.add(Secret {
            arn: arn.clone(),
            name: name.to_owned(),
            current: version,
            previous: None,
        });
        Ok(arn)
    }

    /// Gives a secret, named by its name or ARN, a new current version: `AWSCURRENT` becomes `AWSPREVIOUS`, and what
    /// was `AWSPREVIOUS` is gone.
    ///
    /// # Errors
    /// `ResourceNotFoundException` if there is none, `InvalidParameterException` as [`Secrets::put_secret`].
    pub fn rotate(&self, secret: &str, value: &str) -> Result<(), AwsError> {
        let version = self.version(value)?;
        let mut store = self.store();
        let secret = store.get_mut(secret).ok_or_else(errors::no_secret)?;
        secret.previous = Some(std::mem::replace(&mut secret.current, version));
        Ok(())
    }

    /// Removes a secret, named by its name or ARN; `false` if there is none.
    pub fn remove_secret(&self, secret: &str) -> bool {
        self.store().remove(secret)
    }

    fn version(&self, value: &str) -> Result<Version, AwsError> {
        if value.is_empty() || value.len() > 65_536 {
            return Err(errors::invalid_value());
        }
        Ok(Version {
            id: self.ids().uuid(),
            value: value.to_owned(),
            created: self.now(),
        })
    }
}

/// "The secret name can contain ASCII letters, numbers, and the following characters: /_+=.@-", 512 at most.
fn check_name(name: &str) -> Result<(), AwsError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
    if !name.is_empty() && name.len() <= 512 && name.chars().all(allowed) {
        Ok(())
    } else {
        Err(errors::invalid_name())
    }
}
