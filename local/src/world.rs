//! The deployment on one machine: what template.yaml makes at AWS, wired the same way.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement,
    KeyType, Projection, ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType,
};
use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use axum::Router;
use futures_util::FutureExt as _;
use gatekeeper_announcements::handler::{
    Answer as AnnouncementsAnswer, Handler as AnnouncementsHandler,
};
use gatekeeper_approvals::handler::Handler as ApprovalsHandler;
use gatekeeper_aws::announcements::{Announcements, AnnouncementsConfig, EventBus};
use gatekeeper_aws::clients::{Access, Clients, Endpoints, Timeouts};
use gatekeeper_aws::clock::{Clock, Deadline};
use gatekeeper_aws::config::{Approvals, Config, Limits, Managed};
use gatekeeper_aws::error::{Error, Step};
use gatekeeper_aws::gatekeeper::{Gatekeeper, Reconciled};
use gatekeeper_aws::subscriptions::Subscriptions;
use gatekeeper_aws::tables::{
    Tables, encode_acknowledgement, encode_approver, encode_entry, encode_settings,
};
use gatekeeper_aws::telemetry::Metrics;
use gatekeeper_connections::decode::OwnRoles;
use gatekeeper_connections::handler::{Answer, Handler};
use gatekeeper_core::acknowledgement::Acknowledgement;
use gatekeeper_core::approver::ApproverId;
use gatekeeper_core::ids::{EndpointId, InvalidId};
use gatekeeper_core::policy::{Policy, Rule};
use gatekeeper_core::request::{Request, Transition};
use gatekeeper_policy_changes::handler::Handler as PolicyChangesHandler;
use gatekeeper_reconcile::handler::Handler as ReconcileHandler;
use jiff::SignedDuration;
use local_aws::{
    ConnectionNotification, Delivery, Ec2, Ec2Options, Events, Message as SnsMessage, NewRule,
    NewSubscription, Organizations, Secrets, Sns,
};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::approvals;
use crate::deployment::{
    ALLOWLIST_STREAM, ANNOUNCEMENTS_TIMEOUT, CONNECTIONS_QUEUE, CONNECTIONS_TIMEOUT,
    POLICY_CHANGES_TIMEOUT, RECONCILE_TIMEOUT, REQUESTS_STREAM,
};
use crate::dynamodb::{DynamoDb, StartError};
use crate::function::{Function, Gatekeepers};
use crate::in_process::{ClockSleep, Transport, http_client};
use crate::page::{self, Source};
use crate::permissions::Recording;
use crate::queue::{self, Queue};
use crate::slack::{self, Workspace};

/// The provider's account in the local world.
pub const PROVIDER: &str = "111122223333";
/// The provider's Region in the local world.
pub const REGION: &str = "us-east-1";
/// The role of all functions in the local world.
pub const OWN_ROLE: &str = "arn:aws:iam::111122223333:role/privatelink-gatekeeper";
/// The functions' secret key in the local world; tests look for it where it must not be.
pub const SECRET: &str = "secret-of-the-local-world";
/// How CloudTrail names a function that calls under [`OWN_ROLE`], but for the function's name.
const OWN_SESSIONS: &str = "arn:aws:sts::111122223333:assumed-role/privatelink-gatekeeper";
/// Who sets up and looks at the world, and is none of its functions.
const HARNESS: &str = "world";
/// The rule for AWS CloudTrail's events in the local world.
pub const CLOUD_TRAIL_RULE: &str = "cloud-trail";
/// The event bus for what is announced, if it is put on one.
pub const EVENT_BUS: &str = "gatekeeper";
/// The function that sends, and its identity on the wire.
pub const ANNOUNCEMENTS: &str = "announcements";
/// Who reads the announcements' e-mails.
pub const READER: &str = "team@example.com";

/// The address of a world that is reached in process only: a host for URLs, at which nobody listens.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
pub(crate) const ALLOWLIST: &str = "allowlist";
const REQUESTS: &str = "requests";

/// What kind of world it is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The time.
    pub clock: Clock,
    /// The port on loopback; 0 takes a free one.
    pub port: u16,
    /// Where tables are kept; none keeps them in memory.
    pub data: Option<PathBuf>,
    /// Which services are managed.
    pub managed: Managed,
    /// The functions' sizes and times.
    pub limits: Limits,
    /// The clients' time-outs and retries.
    pub timeouts: Timeouts,
    /// How EC2 behaves.
    pub ec2: Ec2Options,
    /// Roles whose calls are taken for our own, besides [`OWN_ROLE`].
    pub own_role_arns: Vec<String>,
    /// Whether accounts are looked up in AWS Organizations.
    pub organizations: bool,
    /// Whether there is Slack. Not in a world that is reached in process: the functions call Slack over
    /// HTTP.
    pub slack: bool,
    /// Whether it is watched that somebody is subscribed to the topics, one for alarms among them.
    pub watch_topics: bool,
    /// Whether all that is announced is put on an event bus, too.
    pub event_bus: bool,
    /// How long approval e-mail is held since a filter policy is new: 15 minutes at AWS. Here they hold at once, unless
    /// [`Sns::set_filter_delay`] says otherwise.
    pub filter_settles: SignedDuration,
    /// Where ids begin; none takes a random place.
    pub seed: Option<u64>,
    /// How the functions reach AWS's stand-ins.
    pub transport: Transport,
}

impl Options {
    /// A world in memory on a free port, whose services are managed by tag.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            port: 0,
            data: None,
            managed: Managed::Tagged,
            limits: Limits::default(),
            timeouts: Timeouts {
                // Nothing here is far away, and a fault is there on purpose.
                backoff: Duration::from_millis(2),
                ..Timeouts::default()
            },
            ec2: Ec2Options::default(),
            own_role_arns: Vec::new(),
            organizations: false,
            slack: false,
            watch_topics: false,
            event_bus: false,
            filter_settles: SignedDuration::ZERO,
            seed: None,
            transport: Transport::Loopback,
        }
    }
}

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
    way: Way,
    config: Config,
    announcements_config: AnnouncementsConfig,
    announcements: Arc<Announcements>,
    tables: aws_sdk_dynamodb::Client,
    reader: Arc<Tables>,
    own_roles: OwnRoles,
    gatekeepers: Gatekeepers,
    handler: Arc<Handler>,
    /// Edits of the allowlist that the function `policy-changes` has not dealt with.
    edits: Mutex<Vec<Value>>,
    /// What was written into the outbox and the function `announcements` has not been told of.
    outbox: Mutex<Vec<Value>>,
    /// In a world that is reached in process: what is on its way to the queue.
    pipes: Mutex<Option<Pipes>>,
    stop: watch::Sender<bool>,
}

/// How clients of this world are made.
struct Way {
    access: Access,
    ec2: Ec2,
    router: Router,
    transport: Transport,
    clock: Clock,
}

impl Way {
    /// The clients of whoever bears this name, which is the access key id of their calls.
    fn clients(&self, caller: &str) -> Clients {
        let access = Access {
            access_key_id: caller.to_owned(),
            ..self.access.clone()
        };
        let session = format!("{OWN_SESSIONS}/{caller}");
        self.ec2.set_identity(caller, session);
        match &self.transport {
            Transport::Loopback => Clients::new(&access),
            Transport::InProcess(watcher) => Clients::over(
                &access,
                http_client(caller, self.router.clone(), watcher.clone()),
                SharedAsyncSleep::new(ClockSleep(self.clock.clone())),
            ),
        }
    }

    /// The gatekeeper of the instance of this name.
    fn gatekeeper(&self, name: &str, config: &Config) -> Gatekeeper {
        let (clients, clock) = (self.clients(name), self.clock.clone());
        Gatekeeper::new(&clients, config, clock.clone(), Metrics::off(clock))
    }

    /// The function that sends, in the instance of this name.
    fn announcements(&self, name: &str, config: &AnnouncementsConfig) -> Arc<Announcements> {
        let (clients, clock) = (self.clients(name), self.clock.clone());
        let metrics = Metrics::off(clock.clone());
        Arc::new(Announcements::new(&clients, config, clock, metrics))
    }
}

/// What EC2 and SNS send, on its way.
struct Pipes {
    notifications: mpsc::UnboundedReceiver<ConnectionNotification>,
    deliveries: mpsc::UnboundedReceiver<Delivery>,
    events: mpsc::UnboundedReceiver<Value>,
}

/// What became of all records in the queue.
#[derive(Debug, Default)]
pub struct Drained {
    /// Messages that made no sense, by id, and why.
    pub malformed: Vec<(String, String)>,
    /// Messages that failed as often as the queue allows, by id.
    pub dead: Vec<String>,
    /// The last failure of each message that failed, by id.
    pub failures: BTreeMap<String, String>,
}

impl World {
    /// Makes a world: servers on loopback, empty tables, topics, functions.
    ///
    /// # Errors
    /// [`WorldError`].
    pub async fn start(options: Options) -> Result<Self, WorldError> {
        let clock = options.clock.clone();
        let ticks: local_aws::Clock = {
            let clock = clock.clone();
            Arc::new(move || clock.now())
        };
        let simulated = local_aws::Config {
            account: PROVIDER.to_owned(),
            region: REGION.to_owned(),
            clock: ticks,
            seed: options.seed,
        };
        let ec2 = Ec2::new(simulated.clone());
        ec2.set_options(|now| now.clone_from(&options.ec2));
        let sns = Sns::new(simulated.clone());
        let organizations = Organizations::new(simulated.clone());
        let events = Events::new(simulated.clone());
        let secrets = Secrets::new(simulated);
        let file = match &options.data {
            None => None,
            Some(folder) => {
                std::fs::create_dir_all(folder).map_err(|source| WorldError::Folder {
                    path: folder.clone(),
                    source,
                })?;
                Some(folder.join("dynamodb.sqlite"))
            }
        };
        let dynamodb = match options.transport {
            Transport::Loopback => DynamoDb::start(file.as_deref(), clock.clone()).await?,
            Transport::InProcess(_) => DynamoDb::direct(file.as_deref(), clock.clone())?,
        };
        let listener = match options.transport {
            Transport::Loopback => Some(listen(options.port).await?),
            Transport::InProcess(_) => None,
        };
        let address = match &listener {
            Some(listener) => listener.local_addr().map_err(|source| WorldError::Listen {
                port: options.port,
                source,
            })?,
            None => NOWHERE,
        };
        let (stop, stopped) = watch::channel(false);
        let router = Router::new()
            .nest_service("/ec2", ec2.router())
            .nest_service("/sns", sns.router())
            .nest_service("/organizations", organizations.router())
            .nest_service("/events", events.router())
            .nest_service("/secrets", secrets.router())
            .nest_service("/dynamodb", dynamodb.router());
        let router = match Recording::wanted(&options, &ec2)? {
            Some(recording) => recording.over(router),
            None => router,
        };
        let slack = (options.slack && listener.is_some())
            .then(|| slack::stand_in(&clock, options.seed, address));
        let router = match &slack {
            Some(slack) => router.nest_service(slack::MOUNT, slack.router()),
            None => router,
        };

        let access = Access {
            region: REGION.to_owned(),
            access_key_id: HARNESS.to_owned(),
            secret_access_key: SECRET.to_owned(),
            session_token: None,
            endpoints: Endpoints {
                ec2: Some(format!("http://{address}/ec2")),
                dynamodb: Some(format!("http://{address}/dynamodb")),
                sns: Some(format!("http://{address}/sns")),
                organizations: Some(format!("http://{address}/organizations")),
                eventbridge: Some(format!("http://{address}/events")),
                secrets: Some(format!("http://{address}/secrets")),
            },
            timeouts: options.timeouts.clone(),
        };
        let make = |what, error: local_aws::AwsError| WorldError::Make(what, error.to_string());
        let pattern = r#"{"source":["aws.ec2"]}"#;
        events
            .put_rule(NewRule::new(CLOUD_TRAIL_RULE, pattern))
            .map_err(|error| make("a rule", error))?;
        let announcements_topic = sns
            .put_topic("announcements")
            .map_err(|error| make("a topic", error))?;
        let event_bus = options.event_bus.then(|| events.put_bus(EVENT_BUS));
        let event_bus = event_bus
            .transpose()
            .map_err(|error| make("an event bus", error))?
            .map(|bus| event_bus_of(&bus, &announcements_topic))
            .transpose()?;
        let approvals_topic = sns
            .put_topic("approvals")
            .map_err(|error| make("a topic", error))?;
        let notification_topic = sns
            .put_topic("connection-notifications")
            .map_err(|error| make("a topic", error))?;
        let alarms_topic = options.watch_topics.then(|| sns.put_topic("alarms"));
        let alarms_topic = alarms_topic
            .transpose()
            .map_err(|error| make("a topic", error))?;
        sns.subscribe(NewSubscription::new(&announcements_topic, "email", READER))
            .map_err(|error| make("a subscription", error))?;
        let queue_arn = format!("arn:aws:sqs:{REGION}:{PROVIDER}:connections");
        sns.subscribe(NewSubscription::new(&notification_topic, "sqs", queue_arn))
            .map_err(|error| make("a subscription", error))?;

        if slack.is_some() {
            slack::put_secret(&secrets)?;
            let queue = slack::queue_arn();
            sns.subscribe(NewSubscription::new(&announcements_topic, "sqs", queue))
                .map_err(|error| make("a subscription", error))?;
        }

        let mut own_role_arns = vec![OWN_ROLE.to_owned()];
        own_role_arns.extend(options.own_role_arns);
        let own_roles = OwnRoles::parse(own_role_arns.iter().map(String::as_str))?;
        let config = Config {
            allowlist_table: ALLOWLIST.to_owned(),
            requests_table: REQUESTS.to_owned(),
            asks_by_email: true,
            managed: options.managed,
            notification_topic: Some(notification_topic.clone()),
            cloud_trail_rule: Some(CLOUD_TRAIL_RULE.to_owned()),
            organizations: options.organizations,
            own_role_arns,
            region: REGION
                .parse()
                .map_err(|error: gatekeeper_core::ids::InvalidId| {
                    WorldError::Make("the Region", error.to_string())
                })?,
            limits: options.limits,
        };
        let announcements_config = AnnouncementsConfig {
            allowlist_table: config.allowlist_table.clone(),
            requests_table: config.requests_table.clone(),
            announcements_topic: announcements_topic.clone(),
            approvals: Some(Approvals {
                topic: approvals_topic.clone(),
                url: format!("http://{address}"),
            }),
            alarms_topic,
            slack_queue: slack.is_some().then(slack::queue_arn),
            event_bus,
            filter_settles: options.filter_settles,
            margin: config.limits.margin,
        };
        let way = Way {
            access,
            ec2: ec2.clone(),
            router,
            transport: options.transport,
            clock: clock.clone(),
        };
        let harness = way.clients(HARNESS);
        let tables = harness.dynamodb();
        let step = Step::Judge;
        let reader = Tables::named(&harness, ALLOWLIST, REQUESTS, clock.clone(), step);
        let reader = Arc::new(reader);
        let gatekeepers = Gatekeepers::new(|function| way.gatekeeper(function.name(), &config));
        let announcements = way.announcements(ANNOUNCEMENTS, &announcements_config);
        let voting = gatekeepers.of(Function::Approvals);
        let slack = match slack {
            None => None,
            Some(slack) => {
                let deployment = slack::Deployment {
                    address,
                    config: &config,
                    clients: way.clients(slack::FUNCTION),
                    voting_clients: way.clients(Function::Approvals.name()),
                    voting,
                    clock: &clock,
                };
                Some(Arc::new(Workspace::new(slack, deployment)?))
            }
        };
        if let Some(listener) = listener {
            let page = page::router(Source {
                ec2: ec2.clone(),
                sns: sns.clone(),
                slack: slack.clone(),
                dynamodb: dynamodb.clone(),
                tables: tables.clone(),
                reader: Arc::clone(&reader),
                config: config.clone(),
                approvals_topic: approvals_topic.clone(),
                clock: clock.clone(),
                address,
                stopped: stopped.clone(),
            });
            let approvals = match &slack {
                Some(slack) => slack.approvals(),
                None => Arc::new(ApprovalsHandler::new(Arc::clone(voting), None)),
            };
            let approvals = approvals::router(approvals, clock.clone());
            let router = page::guarded(way.router.clone().merge(page).merge(approvals));
            serve(listener, router, stopped);
        }
        make_tables(&tables)
            .await
            .map_err(|error| WorldError::Make("the tables", error))?;
        for table in [ALLOWLIST, REQUESTS] {
            dynamodb
                .set_time_to_live(table, "purge_at")
                .map_err(|error| WorldError::Make("the tables' time to live", error))?;
        }
        dynamodb.reset_calls();
        let fed_by_queue = Arc::clone(gatekeepers.of(Function::Connections));
        let handler = Arc::new(Handler::new(fed_by_queue, own_roles.clone()));
        let world = Self {
            queue: Arc::new(Queue::new(
                clock.clone(),
                CONNECTIONS_QUEUE.visibility,
                CONNECTIONS_QUEUE.max_receives,
            )),
            ec2,
            sns,
            organizations,
            events,
            secrets,
            slack,
            dynamodb,
            clock,
            notification_topic,
            announcements_topic,
            approvals_topic,
            address,
            way,
            config,
            announcements_config,
            announcements,
            tables,
            reader,
            own_roles,
            gatekeepers,
            handler,
            edits: Mutex::default(),
            outbox: Mutex::default(),
            pipes: Mutex::default(),
            stop,
        };
        world.wire();
        Ok(world)
    }

    /// Connects what AWS and the template connect: EC2 to SNS, SNS and EventBridge to the queue.
    fn wire(&self) {
        let (sink, mut notifications) = mpsc::unbounded_channel();
        self.ec2.set_notification_sink(sink);
        let (sink, mut deliveries) = mpsc::unbounded_channel();
        self.sns.set_delivery_sink(sink);
        let (sink, mut events) = mpsc::unbounded_channel();
        self.ec2.set_event_sink(sink);
        if matches!(self.way.transport, Transport::InProcess(_)) {
            // A task would run when the runtime likes.
            *self.pipes() = Some(Pipes {
                notifications,
                deliveries,
                events,
            });
            return;
        }
        let sns = self.sns.clone();
        tokio::spawn(async move {
            while let Some(notification) = notifications.recv().await {
                publish(&sns, notification);
            }
        });
        let (queue, slack) = (Arc::clone(&self.queue), self.slack.clone());
        tokio::spawn(async move {
            while let Some(delivery) = deliveries.recv().await {
                if !slack.as_ref().is_some_and(|slack| slack.take(&delivery)) {
                    enqueue(&queue, &delivery);
                }
            }
        });
        let queue = Arc::clone(&self.queue);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                queue.send(Value::to_string(&event));
            }
        });
    }

    /// In a world that is reached in process: brings what EC2 and SNS have sent since the last time
    /// to the queue. Elsewhere that happens by itself.
    pub fn deliver(&self) {
        let mut pipes = self.pipes();
        let Some(pipes) = pipes.as_mut() else {
            return;
        };
        while let Ok(notification) = pipes.notifications.try_recv() {
            publish(&self.sns, notification);
        }
        while let Ok(delivery) = pipes.deliveries.try_recv() {
            enqueue(&self.queue, &delivery);
        }
        while let Ok(event) = pipes.events.try_recv() {
            self.queue.send(event.to_string());
        }
    }

    fn pipes(&self) -> MutexGuard<'_, Option<Pipes>> {
        lock(&self.pipes)
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

    /// Approvers' e-mail subscriptions, as an operator makes them.
    #[must_use]
    pub fn subscriptions(&self) -> Subscriptions {
        let approvals = Approvals {
            topic: self.approvals_topic.clone(),
            url: String::new(),
        };
        Subscriptions::new(&self.way.clients("operator"), &approvals)
    }

    /// Another instance of a function, with clients, buckets and caches of its own: the nth. In a world that
    /// is reached in process, the watcher sees its calls under both, as in `connections-2`.
    #[must_use]
    pub fn instance(&self, function: Function, nth: usize) -> Arc<Gatekeeper> {
        let name = format!("{function}-{nth}");
        Arc::new(self.way.gatekeeper(&name, &self.config))
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
        Arc::new(self.way.gatekeeper(&format!("{function}-{nth}"), &config))
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
        self.way.announcements(&name, &self.announcements_config)
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

    /// Writes acknowledgements of findings into the allowlist table, over what is there.
    ///
    /// # Errors
    /// What DynamoDB says.
    pub async fn put_acknowledgements(
        &self,
        acknowledgements: &[Acknowledgement],
    ) -> Result<(), WorldError> {
        let items = acknowledgements.iter().map(encode_acknowledgement);
        self.put_allowlist(items.collect()).await
    }

    /// Writes a policy into the allowlist table, over what is there.
    ///
    /// # Errors
    /// What DynamoDB or the encoding says.
    pub async fn put_policy(&self, policy: &Policy) -> Result<(), WorldError> {
        let mut items = Vec::new();
        for entry in &policy.entries {
            items.push(encode_entry(entry).map_err(|error| made("an entry", &error))?);
        }
        for (scope, settings) in &policy.settings {
            items
                .push(encode_settings(scope, settings).map_err(|error| made("a setting", &error))?);
        }
        for approver in &policy.approvers {
            items.push(encode_approver(approver).map_err(|error| made("an approver", &error))?);
            subscribe_approver(&self.sns, &self.approvals_topic, &approver.id)?;
        }
        self.put_allowlist(items).await
    }

    async fn put_allowlist(
        &self,
        items: Vec<HashMap<String, AttributeValue>>,
    ) -> Result<(), WorldError> {
        for item in items {
            self.tables
                .put_item()
                .table_name(ALLOWLIST)
                .set_item(Some(item))
                .send()
                .await
                .map_err(|error| made("an item of the allowlist", &error))?;
        }
        Ok(())
    }

    /// Takes an approver out of the allowlist table. Their subscription stays.
    ///
    /// # Errors
    /// What DynamoDB says.
    pub async fn remove_approver(&self, id: &ApproverId) -> Result<(), WorldError> {
        self.remove_item("approvers", &format!("approver#{id}"))
            .await
    }

    /// Takes an entry out of the allowlist table.
    ///
    /// # Errors
    /// What DynamoDB says.
    pub async fn remove_entry(&self, rule: &Rule) -> Result<(), WorldError> {
        let sort = format!("{}#{}", rule.effect, rule.principal);
        self.remove_item(&rule.service_id.to_string(), &sort).await
    }

    async fn remove_item(&self, partition: &str, sort: &str) -> Result<(), WorldError> {
        let text = |value: &str| AttributeValue::S(value.to_owned());
        self.tables
            .delete_item()
            .table_name(ALLOWLIST)
            .key("service_id", text(partition))
            .key("rule", text(sort))
            .send()
            .await
            .map(drop)
            .map_err(|error| made("a removal", &error))
    }

    /// Has DynamoDB delete the items whose `purge_at` has passed. Answers how many; those of the allowlist
    /// are edits.
    ///
    /// # Errors
    /// What the engine says.
    pub fn delete_expired(&self) -> Result<usize, WorldError> {
        let deleted = self.dynamodb.delete_expired();
        deleted.map_err(|error| WorldError::Make("a deletion by time to live", error))
    }

    /// Hands what the allowlist table's stream holds to the function `policy-changes`, as Lambda
    /// does: in batches, and again from the first record that it gives back. Answers how many
    /// records it gave back as often as it may.
    ///
    /// # Errors
    /// What the engine says of the stream.
    pub async fn follow_edits(&self) -> Result<usize, WorldError> {
        let new = self
            .dynamodb
            .stream_records(ALLOWLIST)
            .map_err(|error| WorldError::Make("the allowlist's stream", error))?;
        let mut edits = std::mem::take(&mut *lock(&self.edits));
        edits.extend(new);
        let gatekeeper = self.gatekeeper(Function::PolicyChanges);
        let handler = PolicyChangesHandler::new(Arc::clone(gatekeeper));
        let mut attempts = 0;
        while !edits.is_empty() && attempts < ALLOWLIST_STREAM.max_attempts {
            let batch: Vec<&Value> = edits.iter().take(ALLOWLIST_STREAM.batch).collect();
            let deadline = Deadline::after(&self.clock, POLICY_CHANGES_TIMEOUT);
            let event = serde_json::json!({ "Records": batch });
            let taken = batch.len();
            let first_failed = match handler.handle(&event, deadline).await {
                Ok(answer) => answer.failed.first().map(|(index, _)| *index),
                Err(error) => return Err(made("the stream's event", &error)),
            };
            attempts = first_failed.map_or(0, |_| attempts + 1);
            edits.drain(..first_failed.unwrap_or(taken).min(edits.len()));
        }
        let left = edits.len();
        *lock(&self.edits) = edits;
        self.announce().await?;
        Ok(left)
    }

    /// The records of the requests table's stream that tell of something new in the outbox, since this
    /// was last asked: the mapping's filter in template.yaml.
    ///
    /// # Errors
    /// What the engine says of the stream.
    pub fn outbox_records(&self) -> Result<Vec<Value>, WorldError> {
        let new = self.dynamodb.stream_records(REQUESTS);
        let mut new = new.map_err(|error| WorldError::Make("the requests' stream", error))?;
        new.retain(|record| {
            let partition = record.pointer("/dynamodb/Keys/pk/S");
            let partition = partition.and_then(Value::as_str);
            let is_outbox = partition.is_some_and(|pk| pk.starts_with("outbox#"));
            let is_new = record.get("eventName").and_then(Value::as_str) == Some("INSERT");
            is_new && is_outbox
        });
        Ok(new)
    }

    /// Hands what was written into the outbox to the function `announcements`, as Lambda does. What it
    /// gives back too often is left to the schedule.
    ///
    /// # Errors
    /// What the engine says of the stream, or the function.
    pub async fn announce(&self) -> Result<(), WorldError> {
        let mut records = std::mem::take(&mut *lock(&self.outbox));
        records.extend(self.outbox_records()?);
        let handler = AnnouncementsHandler::new(Arc::clone(&self.announcements));
        let mut attempts = 0;
        while !records.is_empty() {
            let batch: Vec<&Value> = records.iter().take(REQUESTS_STREAM.batch).collect();
            let taken = batch.len();
            let event = serde_json::json!({ "Records": batch });
            let deadline = Deadline::after(&self.clock, ANNOUNCEMENTS_TIMEOUT);
            let answer = handler.handle(&event, deadline).await;
            let first_failed = match answer.map_err(|error| made("an announcement", &*error))? {
                AnnouncementsAnswer::Stream(answer) => answer.failed.first().map(|(at, _)| *at),
                AnnouncementsAnswer::Swept(_) => None,
            };
            // Lambda gives the first that failed up, and goes on behind it.
            attempts = first_failed.map_or(0, |_| attempts + 1);
            let done = match first_failed {
                Some(first) if attempts == REQUESTS_STREAM.max_attempts => {
                    attempts = 0;
                    first + 1
                }
                first => first.unwrap_or(taken),
            };
            records.drain(..done.min(records.len()));
        }
        Ok(())
    }

    /// Runs the function `announcements` as its schedule does: what is due is sent, and whatever came of
    /// looking at the topics.
    pub async fn sweep(&self) {
        let deadline = Deadline::after(&self.clock, ANNOUNCEMENTS_TIMEOUT);
        let handler = AnnouncementsHandler::new(Arc::clone(&self.announcements));
        // What fails is logged there, and tried again by the next one.
        let _ = handler.handle(&Value::Null, deadline).boxed().await;
        self.tell_what_is_new().await;
    }

    /// The same, without staying for what an address would not take at once.
    pub async fn sweep_once(&self) {
        let deadline = Deadline::after(&self.clock, ANNOUNCEMENTS_TIMEOUT);
        let _ = self.announcements.sweep(deadline).await;
        self.tell_what_is_new().await;
    }

    async fn tell_what_is_new(&self) {
        if let Err(error) = self.announce().await {
            tracing::error!(%error, "the outbox cannot be followed");
        }
    }

    /// Has the edits made so far be nobody's: what the allowlist held when everything began.
    ///
    /// # Errors
    /// What the engine says of the stream.
    pub fn forget_edits(&self) -> Result<(), WorldError> {
        lock(&self.edits).clear();
        self.dynamodb
            .stream_records(ALLOWLIST)
            .map(drop)
            .map_err(|error| WorldError::Make("the allowlist's stream", error))
    }

    /// Hands one batch from the queue to the function `connections`; false if none was visible.
    pub async fn pump(&self, drained: &mut Drained) -> bool {
        self.deliver();
        let batch = self.queue.receive(CONNECTIONS_QUEUE.batch);
        if batch.is_empty() {
            drained.dead = self
                .queue
                .dead_letters()
                .into_iter()
                .map(|m| m.id)
                .collect();
            return false;
        }
        let deadline = Deadline::after(&self.clock, CONNECTIONS_TIMEOUT);
        let answer = self.handler.handle(queue::event(&batch), deadline).await;
        self.settle_batch(&batch, &answer, drained);
        true
    }

    fn settle_batch(&self, batch: &[queue::Message], answer: &Answer, drained: &mut Drained) {
        for (index, message) in batch.iter().enumerate() {
            if let Some((_, malformed)) = answer.given_up.iter().find(|(at, _)| *at == index) {
                drained
                    .malformed
                    .push((message.id.clone(), malformed.to_string()));
            }
            match answer.failed.iter().find(|(at, _)| *at == index) {
                Some((_, error)) => {
                    drained
                        .failures
                        .insert(message.id.clone(), gatekeeper_aws::error::chain(&**error));
                }
                None => {
                    self.queue.delete(&message.id);
                    drained.failures.remove(&message.id);
                }
            }
        }
    }

    /// Empties the queue: hands out batch after batch, and moves a manual clock on to the next
    /// redelivery, until every message is handled or dead.
    pub async fn drain(&self) -> Drained {
        let mut drained = Drained::default();
        loop {
            while self.pump(&mut drained).await {}
            let Some(next) = self.queue.next_visible() else {
                drained.dead = self
                    .queue
                    .dead_letters()
                    .into_iter()
                    .map(|m| m.id)
                    .collect();
                self.tell_what_is_new().await;
                return drained;
            };
            self.clock.sleep(self.clock.until(next)).await;
        }
    }

    /// Runs the function `reconcile` once.
    pub async fn reconcile(&self) -> Reconciled {
        self.reconcile_within(RECONCILE_TIMEOUT).await
    }

    /// Runs the function `reconcile` once, with another time-out than at AWS.
    pub async fn reconcile_within(&self, timeout: Duration) -> Reconciled {
        let deadline = Deadline::after(&self.clock, timeout);
        let done = self.run_reconcile(deadline).await;
        self.tell_what_is_new().await;
        // It runs every minute, and so at least once between two runs of reconcile.
        self.sweep().await;
        done
    }

    /// Runs the function `reconcile` once, and nothing after it.
    pub async fn reconcile_alone(&self) -> Reconciled {
        self.run_reconcile(Deadline::after(&self.clock, RECONCILE_TIMEOUT))
            .await
    }

    async fn run_reconcile(&self, deadline: Deadline) -> Reconciled {
        ReconcileHandler::new(Arc::clone(self.gatekeeper(Function::Reconcile)))
            .handle(deadline)
            .await
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
        let _ = self.stop.send(true);
        self.dynamodb.stop();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

fn event_bus_of(bus: &str, topic: &str) -> Result<EventBus, WorldError> {
    let made = |error: InvalidId| WorldError::Make("an event bus", error.to_string());
    Ok(EventBus {
        arn: bus.parse().map_err(made)?,
        home: topic.parse().map_err(made)?,
    })
}

/// A topic that is not there loses the message, as at AWS.
fn publish(sns: &Sns, notification: ConnectionNotification) {
    let message = SnsMessage::new(notification.body);
    let _ = sns.publish(&notification.topic_arn, &message);
}

fn enqueue(queue: &Queue, delivery: &Delivery) {
    if delivery.protocol == "sqs" {
        queue.send(delivery.envelope().to_string());
    }
}

/// Has an approver get what is sent to them, and nothing else.
pub(crate) fn subscribe_approver(
    sns: &Sns,
    topic: &str,
    id: &ApproverId,
) -> Result<(), WorldError> {
    let filter = serde_json::json!({ "approver": [id] });
    let subscription = NewSubscription::new(topic, "email", id.as_str());
    sns.subscribe(subscription.filter_policy(filter.to_string()))
        .map(drop)
        .map_err(|error| WorldError::Make("a subscription", error.to_string()))
}

/// The variables that point an SDK or the AWS CLI at the world at this address.
pub(crate) fn environment(address: SocketAddr) -> Vec<(&'static str, String)> {
    let endpoint = |service: &str| format!("http://{address}/{service}");
    vec![
        ("AWS_ENDPOINT_URL_EC2", endpoint("ec2")),
        ("AWS_ENDPOINT_URL_SNS", endpoint("sns")),
        ("AWS_ENDPOINT_URL_DYNAMODB", endpoint("dynamodb")),
        // Some SDKs read the one, some the other.
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
    ]
}

fn made(what: &'static str, error: &(dyn std::error::Error + 'static)) -> WorldError {
    WorldError::Make(what, gatekeeper_aws::error::chain(error))
}

async fn listen(port: u16) -> Result<TcpListener, WorldError> {
    // Loopback and nothing else: whoever can reach this can do anything with it.
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

/// Makes the tables as template.yaml does, unless they are there already.
async fn make_tables(client: &aws_sdk_dynamodb::Client) -> Result<(), String> {
    let existing = client
        .list_tables()
        .send()
        .await
        .map_err(|error| gatekeeper_aws::error::chain(&error))?;
    let is_there = |name: &str| existing.table_names().iter().any(|table| table == name);
    if !is_there(ALLOWLIST) {
        make_table(client, ALLOWLIST, ("service_id", "rule"), None).await?;
    }
    if !is_there(REQUESTS) {
        let open = ("open", "open_service_id", "pk");
        make_table(client, REQUESTS, ("pk", "sk"), Some(open)).await?;
    }
    Ok(())
}

async fn make_table(
    client: &aws_sdk_dynamodb::Client,
    name: &str,
    (partition, sort): (&str, &str),
    index: Option<(&str, &str, &str)>,
) -> Result<(), String> {
    let built = |error: aws_sdk_dynamodb::error::BuildError| error.to_string();
    let key = |name: &str, kind: KeyType| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
            .map_err(built)
    };
    let mut names = vec![partition, sort];
    // Each table's stream, as in template.yaml.
    let view = match name {
        ALLOWLIST => StreamViewType::NewAndOldImages,
        _ => StreamViewType::KeysOnly,
    };
    let stream = StreamSpecification::builder()
        .stream_enabled(true)
        .stream_view_type(view)
        .build()
        .map_err(built)?;
    let mut request = client
        .create_table()
        .stream_specification(stream)
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .key_schema(key(partition, KeyType::Hash)?)
        .key_schema(key(sort, KeyType::Range)?);
    if let Some((index, partition, sort)) = index {
        names.push(partition);
        request = request.global_secondary_indexes(
            GlobalSecondaryIndex::builder()
                .index_name(index)
                .key_schema(key(partition, KeyType::Hash)?)
                .key_schema(key(sort, KeyType::Range)?)
                .projection(
                    Projection::builder()
                        .projection_type(ProjectionType::All)
                        .build(),
                )
                .build()
                .map_err(built)?,
        );
    }
    for name in names {
        request = request.attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S)
                .build()
                .map_err(built)?,
        );
    }
    request
        .send()
        .await
        .map(drop)
        .map_err(|error| gatekeeper_aws::error::chain(&error))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
