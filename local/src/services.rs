//! AWS's services in this world, and the router that reaches them.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use local_aws::{Config, Ec2, Events, Organizations, Secrets, Sns};

use crate::dynamodb::DynamoDb;
use crate::error::WorldError;
use crate::in_process::Transport;
use crate::options::Options;
use crate::place::{PROVIDER, REGION};

pub(crate) struct Services {
    pub(crate) ec2: Ec2,
    pub(crate) sns: Sns,
    pub(crate) organizations: Organizations,
    pub(crate) events: Events,
    pub(crate) secrets: Secrets,
    pub(crate) dynamodb: DynamoDb,
}

impl Services {
    pub(crate) async fn start(options: &Options) -> Result<Self, WorldError> {
        let clock = options.clock.clone();
        let config = Config {
            account: PROVIDER.to_owned(),
            region: REGION.to_owned(),
            clock: Arc::new(move || clock.now()),
            seed: options.seed,
        };
        let ec2 = Ec2::new(config.clone());
        ec2.set_options(|now| now.clone_from(&options.ec2));
        Ok(Self {
            ec2,
            sns: Sns::new(config.clone()),
            organizations: Organizations::new(config.clone()),
            events: Events::new(config.clone()),
            secrets: Secrets::new(config),
            dynamodb: dynamodb(options).await?,
        })
    }

    pub(crate) fn router(&self) -> Router {
        Router::new()
            .nest_service("/ec2", self.ec2.router())
            .nest_service("/sns", self.sns.router())
            .nest_service("/organizations", self.organizations.router())
            .nest_service("/events", self.events.router())
            .nest_service("/secrets", self.secrets.router())
            .nest_service("/dynamodb", self.dynamodb.router())
    }
}

async fn dynamodb(options: &Options) -> Result<DynamoDb, WorldError> {
    let file = database_file(options)?;
    let clock = options.clock.clone();
    Ok(match options.transport {
        Transport::Loopback => DynamoDb::start(file.as_deref(), clock).await?,
        Transport::InProcess(_) => DynamoDb::direct(file.as_deref(), clock)?,
    })
}

fn database_file(options: &Options) -> Result<Option<PathBuf>, WorldError> {
    let Some(folder) = &options.data else {
        return Ok(None);
    };
    std::fs::create_dir_all(folder).map_err(|source| WorldError::Folder {
        path: folder.clone(),
        source,
    })?;
    Ok(Some(folder.join("dynamodb.sqlite")))
}
