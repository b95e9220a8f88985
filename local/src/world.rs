//! The deployment on one machine: what template.yaml makes at AWS, wired the same way.

mod allowlist;
mod functions;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use gatekeeper_aws::announcements::{Announcements, AnnouncementsConfig};
use gatekeeper_aws::clients::{Access, Endpoints, Timeouts};
use gatekeeper_aws::clock::Clock;
use gatekeeper_aws::config::{Approvals, Config};
use gatekeeper_aws::error::{Error, Step};
use gatekeeper_aws::gatekeeper::Gatekeeper;
use gatekeeper_aws::subscriptions::Subscriptions;

use gatekeeper_aws::tables::{OperatorTables, Tables};
use gatekeeper_connections::decode::OwnRoles;
use gatekeeper_connections::handler::Handler;
use gatekeeper_core::ids::{EndpointId, InvalidId};
use gatekeeper_core::request::{Request, Transition};
use local_aws::{Ec2, Events, Organizations, Secrets, Sns};
use serde_json::Value;
use tokio::sync::watch;

use crate::deployment::CONNECTIONS_QUEUE;
use crate::dynamodb::DynamoDb;
use crate::function::{Function, Gatekeepers};
use crate::in_process::Transport;
use crate::instances::Instances;
use crate::permissions::Recording;
use crate::place::{ALLOWLIST, HARNESS, REQUESTS, environment};
use crate::queue::Queue;
use crate::services::Services;
use crate::slack::{self, Workspace};
use crate::tables;
use crate::topics::Topics;
use crate::wiring::Wiring;

pub use crate::error::WorldError;
pub use crate::options::Options;
pub use crate::place::{
    ANNOUNCEMENTS, CLOUD_TRAIL_RULE, EVENT_BUS, OWN_ROLE, PROVIDER, READER, REGION, SECRET,
};
pub use functions::Drained;

/// A deployment on one machine.
pub struct World {
    /// EC2's endpoint connections.
    pub ec2: Ec2,
    /// SNS, with the inbox.
    pub sns: Sns,
    /// AWS Organizations; there is no organization at first.
    pub organizations: Organizations,
    /// EventBridge; the rule for AWS CloudTrail's events is there, and [`EVENT_BUS`] if what is announced is put
    /// there.
    pub events: Events,
    /// Secrets Manager.
    pub secrets: Secrets,
    /// Slack, if there is.
    pub slack: Option<Arc<Workspace>>,
    /// DynamoDB.
    pub dynamodb: DynamoDb,
    /// The queue in front of the function `connections`.
    pub queue: Arc<Queue>,
    /// The time.
    pub clock: Clock,
    /// The topic that services' connection notifications publish to.
    pub notification_topic: String,
    /// The topic for people and machines.
    pub announcements_topic: String,
    /// The topic that approvers alone subscribe to.
    pub approvals_topic: String,
    address: SocketAddr,
    instances: Instances,
    pub(crate) config: Config,
    announcements_config: AnnouncementsConfig,
    announcements: Arc<Announcements>,
    tables: aws_sdk_dynamodb::Client,
    pub(crate) reader: Arc<Tables>,
    own_roles: OwnRoles,
    gatekeepers: Gatekeepers,
    handler: Arc<Handler>,
    /// Edits of the allowlist that the function `policy-changes` has not dealt with.
    edits: Mutex<Vec<Value>>,
    /// What was written into the outbox and the function `announcements` has not been told of.
    outbox: Mutex<Vec<Value>>,
    wiring: Wiring,
    stop: watch::Sender<bool>,
}

impl World {
    /// Makes a world at an address that somebody else serves. Its tables are still to be made.
    pub(crate) async fn assemble(
        options: Options,
        address: SocketAddr,
    ) -> Result<Self, WorldError> {
        let clock = options.clock.clone();
        let services = Services::start(&options).await?;
        let router = match Recording::wanted(&options, &services.ec2)? {
            Some(recording) => recording.over(services.router()),
            None => services.router(),
        };
        // The functions call Slack over HTTP, which a world in process does not serve.
        let has_slack = options.slack && matches!(options.transport, Transport::Loopback);
        let slack = has_slack.then(|| slack::stand_in(&clock, options.seed, address));
        let router = match &slack {
            Some(slack) => router.nest_service(slack::MOUNT, slack.router()),
            None => router,
        };
        let topics = Topics::make(&options, &services.sns, &services.events)?;
        topics.subscribe(&services.sns, has_slack)?;
        if has_slack {
            slack::put_secret(&services.secrets)?;
        }
        let config = config(&options, &topics)?;
        let own_roles = OwnRoles::parse(config.own_role_arns.iter().map(String::as_str))?;
        let announcements_config =
            announcements_config(&options, &topics, &config, address, has_slack);
        let instances = Instances {
            access: access(address, options.timeouts.clone()),
            ec2: services.ec2.clone(),
            router,
            transport: options.transport.clone(),
            clock: clock.clone(),
        };
        let harness = instances.clients(HARNESS);
        let reader = Tables::named(&harness, ALLOWLIST, REQUESTS, clock.clone(), Step::Judge);
        let gatekeepers =
            Gatekeepers::new(|function| instances.gatekeeper(function.name(), &config));
        let slack = match slack {
            None => None,
            Some(slack) => {
                let deployment = slack::Deployment {
                    address,
                    config: &config,
                    clients: instances.clients(slack::FUNCTION),
                    voting_clients: instances.clients(Function::Approvals.name()),
                    voting: gatekeepers.of(Function::Approvals),
                    clock: &clock,
                };
                Some(Arc::new(Workspace::new(slack, deployment)?))
            }
        };
        let queue = connections_queue(&clock);
        let wiring = Wiring::connect(
            &options.transport,
            &services.ec2,
            &services.sns,
            &queue,
            slack.clone(),
        );
        let fed_by_queue = Arc::clone(gatekeepers.of(Function::Connections));
        Ok(Self {
            announcements: instances.announcements(ANNOUNCEMENTS, &announcements_config),
            handler: Arc::new(Handler::new(fed_by_queue, own_roles.clone())),
            queue,
            ec2: services.ec2,
            sns: services.sns,
            organizations: services.organizations,
            events: services.events,
            secrets: services.secrets,
            slack,
            dynamodb: services.dynamodb,
            clock,
            notification_topic: topics.notifications,
            announcements_topic: topics.announcements,
            approvals_topic: topics.approvals,
            address,
            instances,
            config,
            announcements_config,
            tables: harness.dynamodb(),
            reader: Arc::new(reader),
            own_roles,
            gatekeepers,
            edits: Mutex::default(),
            outbox: Mutex::default(),
            wiring,
            stop: watch::channel(false).0,
        })
    }

    /// Makes the tables. Clients reach them over loopback, so the world must be served by then.
    pub(crate) async fn make_tables(&self) -> Result<(), WorldError> {
        tables::make_tables(&self.tables)
            .await
            .map_err(|error| WorldError::Make("the tables", error))?;
        for table in [ALLOWLIST, REQUESTS] {
            self.dynamodb
                .set_time_to_live(table, "purge_at")
                .map_err(|error| WorldError::Make("the tables' time to live", error))?;
        }
        self.dynamodb.reset_calls();
        Ok(())
    }

    /// AWS's services and Slack, without the pages.
    pub(crate) fn services_router(&self) -> Router {
        self.instances.router.clone()
    }

    /// Tells whether the world has stopped.
    pub(crate) fn stopped(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// In a world that is reached in process: brings what EC2 and SNS have sent since the last call
    /// to the queue. Elsewhere that happens by itself.
    pub fn deliver(&self) {
        self.wiring.deliver();
    }

    /// Where the world is; port 0 if it is reached in process only.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The variables that point an SDK or the AWS CLI at this world.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        environment(self.address)
    }

    /// The gatekeeper of a function.
    #[must_use]
    pub fn gatekeeper(&self, function: Function) -> &Arc<Gatekeeper> {
        self.gatekeepers.of(function)
    }

    /// The tables as an operator reads and writes them.
    #[must_use]
    pub fn operator(&self) -> OperatorTables {
        self.reader.operator()
    }

    /// Approvers' e-mail subscriptions, as an operator makes them.
    #[must_use]
    pub fn subscriptions(&self) -> Subscriptions {
        let approvals = Approvals {
            topic: self.approvals_topic.clone(),
            url: String::new(),
        };
        Subscriptions::new(&self.instances.clients("operator"), &approvals)
    }

    /// Another instance of a function, with clients, buckets and caches of its own: the nth. In a world that
    /// is reached in process, the watcher sees its calls under both, as in `connections-2`.
    #[must_use]
    pub fn instance(&self, function: Function, nth: usize) -> Arc<Gatekeeper> {
        let name = format!("{function}-{nth}");
        Arc::new(self.instances.gatekeeper(&name, &self.config))
    }

    /// The same, deployed with other settings.
    #[must_use]
    pub fn instance_with(
        &self,
        function: Function,
        nth: usize,
        change: impl FnOnce(&mut Config),
    ) -> Arc<Gatekeeper> {
        let mut config = self.config.clone();
        change(&mut config);
        Arc::new(
            self.instances
                .gatekeeper(&format!("{function}-{nth}"), &config),
        )
    }

    /// The function `announcements`.
    #[must_use]
    pub fn announcements(&self) -> &Arc<Announcements> {
        &self.announcements
    }

    /// Another instance of the function `announcements`, as [`World::instance`] is of the others.
    #[must_use]
    pub fn announcements_instance(&self, nth: usize) -> Arc<Announcements> {
        let name = format!("{ANNOUNCEMENTS}-{nth}");
        self.instances
            .announcements(&name, &self.announcements_config)
    }

    /// The function `connections`.
    #[must_use]
    pub fn handler(&self) -> Arc<Handler> {
        Arc::clone(&self.handler)
    }

    /// A second instance of the function `connections`.
    #[must_use]
    pub fn another_handler(&self) -> Arc<Handler> {
        self.handler_of(self.instance(Function::Connections, 2))
    }

    /// The function `connections` in an instance of one's own.
    #[must_use]
    pub fn handler_of(&self, gatekeeper: Arc<Gatekeeper>) -> Arc<Handler> {
        Arc::new(Handler::new(gatekeeper, self.own_roles.clone()))
    }

    /// The DynamoDB client that the world itself uses.
    #[must_use]
    pub fn tables(&self) -> &aws_sdk_dynamodb::Client {
        &self.tables
    }

    /// The allowlist table's name.
    #[must_use]
    pub fn allowlist_table(&self) -> &str {
        &self.config.allowlist_table
    }

    /// The requests table's name.
    #[must_use]
    pub fn requests_table(&self) -> &str {
        &self.config.requests_table
    }

    /// The request of an endpoint.
    ///
    /// # Errors
    /// What reading it fails with.
    pub async fn request(&self, endpoint: &EndpointId) -> Result<Option<Request>, Arc<Error>> {
        self.reader.request(endpoint).await
    }

    /// The history of a request, oldest first.
    ///
    /// # Errors
    /// What reading it fails with.
    pub async fn history(&self, endpoint: &EndpointId) -> Result<Vec<Transition>, Arc<Error>> {
        self.reader.history(endpoint).await
    }

    /// Stops the servers.
    pub fn stop(&self) {
        self.stop.send_replace(true);
        self.dynamodb.stop();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

fn connections_queue(clock: &Clock) -> Arc<Queue> {
    Arc::new(Queue::new(
        clock.clone(),
        CONNECTIONS_QUEUE.visibility,
        CONNECTIONS_QUEUE.max_receives,
    ))
}

/// How the world's own client calls; the functions differ only in the access key id.
fn access(address: SocketAddr, timeouts: Timeouts) -> Access {
    let endpoint = |service: &str| Some(format!("http://{address}/{service}"));
    Access {
        region: REGION.to_owned(),
        access_key_id: HARNESS.to_owned(),
        secret_access_key: SECRET.to_owned(),
        session_token: None,
        endpoints: Endpoints {
            ec2: endpoint("ec2"),
            dynamodb: endpoint("dynamodb"),
            sns: endpoint("sns"),
            organizations: endpoint("organizations"),
            eventbridge: endpoint("events"),
            secrets: endpoint("secrets"),
        },
        timeouts,
    }
}

fn config(options: &Options, topics: &Topics) -> Result<Config, WorldError> {
    let mut own_role_arns = vec![OWN_ROLE.to_owned()];
    own_role_arns.extend_from_slice(&options.own_role_arns);
    let region = REGION.parse();
    Ok(Config {
        allowlist_table: ALLOWLIST.to_owned(),
        requests_table: REQUESTS.to_owned(),
        asks_by_email: true,
        managed: options.managed.clone(),
        notification_topic: Some(topics.notifications.clone()),
        cloud_trail_rule: Some(CLOUD_TRAIL_RULE.to_owned()),
        organizations: options.organizations,
        own_role_arns,
        region: region
            .map_err(|error: InvalidId| WorldError::Make("the Region", error.to_string()))?,
        limits: options.limits.clone(),
    })
}

fn announcements_config(
    options: &Options,
    topics: &Topics,
    config: &Config,
    address: SocketAddr,
    has_slack: bool,
) -> AnnouncementsConfig {
    AnnouncementsConfig {
        allowlist_table: config.allowlist_table.clone(),
        requests_table: config.requests_table.clone(),
        announcements_topic: topics.announcements.clone(),
        approvals: Some(Approvals {
            topic: topics.approvals.clone(),
            url: format!("http://{address}"),
        }),
        alarms_topic: topics.alarms.clone(),
        slack_queue: has_slack.then(slack::queue_arn),
        event_bus: topics.event_bus.clone(),
        filter_settles: options.filter_settles,
        margin: config.limits.margin,
    }
}
