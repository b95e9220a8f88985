//! The server on loopback: AWS's services, the local page and the approvals page at one address.

use std::sync::Arc;

use axum::Router;
use gatekeeper_approvals::handler::Handler as ApprovalsHandler;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::approvals;
use crate::error::WorldError;
use crate::function::Function;
use crate::in_process::Transport;
use crate::options::Options;
use crate::page::{self, Source};
use crate::place::NOWHERE;
use crate::world::World;

impl World {
    /// Makes a world: servers on loopback, empty tables, topics, functions.
    ///
    /// # Errors
    /// [`WorldError`].
    pub async fn start(options: Options) -> Result<Self, WorldError> {
        let port = options.port;
        let listener = match options.transport {
            Transport::Loopback => Some(listen(port).await?),
            Transport::InProcess(_) => None,
        };
        let address = match &listener {
            Some(listener) => listener
                .local_addr()
                .map_err(|source| WorldError::Listen { port, source })?,
            None => NOWHERE,
        };
        let world = Self::assemble(options, address).await?;
        if let Some(listener) = listener {
            serve(listener, routes(&world), world.stopped());
        }
        world.make_tables().await?;
        Ok(world)
    }
}

/// Everything at the world's address, out of the reach of other web pages.
fn routes(world: &World) -> Router {
    let page = page::router(Source {
        ec2: world.ec2.clone(),
        sns: world.sns.clone(),
        slack: world.slack.clone(),
        dynamodb: world.dynamodb.clone(),
        tables: world.tables().clone(),
        reader: Arc::clone(&world.reader),
        config: world.config.clone(),
        approvals_topic: world.approvals_topic.clone(),
        clock: world.clock.clone(),
        address: world.address(),
        stopped: world.stopped(),
    });
    let approvals = match &world.slack {
        Some(slack) => slack.approvals(),
        None => {
            let gatekeeper = world.gatekeeper(Function::Approvals);
            Arc::new(ApprovalsHandler::new(Arc::clone(gatekeeper), None))
        }
    };
    let approvals = approvals::router(approvals, world.clock.clone());
    page::guarded(world.services_router().merge(page).merge(approvals))
}

async fn listen(port: u16) -> Result<TcpListener, WorldError> {
    // Loopback and nothing else: anybody who can reach this can do anything with it.
    TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(|source| WorldError::Listen { port, source })
}

/// Serves in the background until the world stops.
fn serve(listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) {
    tokio::spawn(async move {
        let until = async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        if let Err(error) = local_aws::serve(listener, router, until).await {
            tracing::error!(%error, "the local world's server stopped");
        }
    });
}
