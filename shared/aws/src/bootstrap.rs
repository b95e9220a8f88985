//! What every function's `main` does before its first event.

use lambda_runtime::Diagnostic;

use crate::announcements::{Announcements, AnnouncementsConfig};
use crate::clients::{Access, Clients};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::error::{Error, chain};
use crate::gatekeeper::Gatekeeper;
use crate::telemetry::{self, Metrics};

/// The process's environment, to be passed on. Nothing else reads it.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the environment comes in"
    )]
    std::env::var(name).ok()
}

/// Metrics on standard output, under the stack's name (`STACK_NAME`), which its alarms filter by.
///
/// # Errors
/// [`ConfigError`] if it is not set, because alarms without data would never go off.
pub fn metrics(
    lookup: impl Fn(&str) -> Option<String>,
    clock: Clock,
) -> Result<Metrics, ConfigError> {
    let stack = lookup("STACK_NAME").filter(|stack| !stack.is_empty());
    let stack = stack.ok_or(ConfigError::Missing("STACK_NAME"))?;
    Ok(Metrics::embedded(clock, stack))
}

/// Sets up logging, reads the configuration and makes the clients.
///
/// # Errors
/// [`ConfigError`] with the variable's name, before the first event.
pub fn gatekeeper(
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<(Gatekeeper, Config), ConfigError> {
    telemetry::init(lookup("AWS_LAMBDA_LOG_LEVEL").as_deref());
    let config = Config::from_lookup(&lookup)?;
    let clients = Clients::new(&Access::from_lookup(&lookup)?);
    let clock = Clock::system();
    let metrics = metrics(&lookup, clock.clone())?;
    Ok((Gatekeeper::new(&clients, &config, clock, metrics), config))
}

/// Does the same for the function that sends the outbox.
///
/// # Errors
/// [`ConfigError`] with the variable's name, before the first event.
pub fn announcements(
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Announcements, ConfigError> {
    telemetry::init(lookup("AWS_LAMBDA_LOG_LEVEL").as_deref());
    let config = AnnouncementsConfig::from_lookup(&lookup)?;
    let clients = Clients::new(&Access::from_lookup(&lookup)?);
    let clock = Clock::system();
    let metrics = metrics(&lookup, clock.clone())?;
    Ok(Announcements::new(&clients, &config, clock, metrics))
}

/// A failure in the form in which Lambda reports it, under a name that alarms can filter by.
#[must_use]
pub fn diagnostic(error: &Error) -> Diagnostic {
    Diagnostic {
        error_type: error.error_type().to_owned(),
        error_message: chain(error),
    }
}
