//! Why a world cannot be made or run.

use std::path::PathBuf;

use crate::dynamodb::StartError;

/// Why a world could not be made.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The port is taken, or may not be had.
    #[error("port {port} on loopback could not be had; choose another with --port")]
    Listen {
        /// Which.
        port: u16,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// The DynamoDB engine did not start.
    #[error(transparent)]
    DynamoDb(#[from] StartError),
    /// A role's ARN is none.
    #[error(transparent)]
    OwnRole(#[from] gatekeeper_connections::decode::InvalidRoleArn),
    /// AWS's stand-ins refused something that the world is made of.
    #[error("{0} could not be made: {1}")]
    Make(&'static str, String),
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] gatekeeper_aws::config::ConfigError),
    /// The database's folder could not be made.
    #[error("the folder {path} could not be made")]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// [`WorldError::Make`] with the error and its causes.
pub(crate) fn made(what: &'static str, error: &(dyn std::error::Error + 'static)) -> WorldError {
    WorldError::Make(what, gatekeeper_aws::error::chain(error))
}
