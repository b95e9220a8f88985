//! The deployment that a command works with: Region, credentials and names.

use std::cell::Cell;
use std::process::Command;

use gatekeeper_aws::clients::{Access, Clients, Endpoints, Timeouts};
use gatekeeper_aws::clock::Clock;
use gatekeeper_aws::config::Approvals;
use gatekeeper_aws::config::{Config, Limits, Managed};
use gatekeeper_aws::error::Step;
use gatekeeper_aws::operator::{OperatorEc2, People};
use gatekeeper_aws::subscriptions::Subscriptions;
use gatekeeper_aws::tables::{OperatorTables, Tables};
use gatekeeper_core::decide::Setup;
use gatekeeper_core::reach::SETTLES;
use gatekeeper_local::place_at;
use jiff::SignedDuration;
use serde::Deserialize;

use crate::args::Global;
use crate::error::CliError;
use crate::stack::{self, Stack, StackAlarm};

/// Reads an environment variable.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A deployment, with clients. Nothing has been called yet.
pub(crate) struct Deployment {
    pub(crate) tables: Tables,
    pub(crate) operator: OperatorTables,
    pub(crate) ec2: OperatorEc2,
    pub(crate) access: Access,
    pub(crate) clock: Clock,
    clients: Clients,
    /// How often AWS was asked about connections.
    pub(crate) calls: Calls,
    limits: Limits,
    names: Names,
    stack: Option<Stack>,
    sts_endpoint: Option<String>,
    is_local: bool,
}

impl Deployment {
    /// Finds the names and credentials: options win over environment variables, and those over the
    /// outputs of the stack.
    pub(crate) async fn of(
        global: &Global,
        lookup: Lookup<'_>,
        clock: Clock,
    ) -> Result<Self, CliError> {
        let local = match global.local {
            Some(port) => Some(port),
            None => lookup("GATEKEEPER_LOCAL")
                .map(|port| port_of(&port))
                .transpose()?,
        };
        let (access, mut names) = match local {
            Some(port) => of_local(port),
            None => (access(global, lookup)?, names(global, lookup)),
        };
        let clients = Clients::new(&access);
        let stack = global.stack.clone().or_else(|| lookup("GATEKEEPER_STACK"));
        let stack = stack.filter(|_| local.is_none()).map(|name| Stack {
            name,
            cloudformation: endpoint(global, lookup, "AWS_ENDPOINT_URL_CLOUDFORMATION"),
            cloudwatch: endpoint(global, lookup, "AWS_ENDPOINT_URL_CLOUDWATCH"),
        });
        if let Some(stack) = &stack {
            names.complete(stack::outputs(&clients, stack).await?);
        }
        let region = access
            .region
            .parse()
            .map_err(|error| CliError::usage(format!("AWS_REGION is not a Region: {error}")))?;
        let config = Config {
            allowlist_table: required(&names.allowlist, "allowlist table", "allowlist-table")?,
            requests_table: required(&names.requests, "requests table", "requests-table")?,
            asks_by_email: true,
            managed: Managed::Tagged,
            notification_topic: None,
            cloud_trail_rule: None,
            organizations: false,
            own_role_arns: Vec::new(),
            region,
            limits: Limits::default(),
        };
        let tables = Tables::named(
            &clients,
            &config.allowlist_table,
            &config.requests_table,
            clock.clone(),
            Step::Observe,
        );
        Ok(Self {
            operator: tables.operator(),
            tables,
            ec2: OperatorEc2::new(&clients, &config, clock.clone()),
            clients,
            access,
            clock,
            calls: Calls::default(),
            limits: config.limits,
            names,
            stack,
            sts_endpoint: endpoint(global, lookup, "AWS_ENDPOINT_URL_STS"),
            is_local: local.is_some(),
        })
    }

    /// The address of the approvals API.
    pub(crate) fn approvals_url(&self) -> Result<&str, CliError> {
        let url = self.names.approvals.as_deref();
        url.ok_or_else(|| missing("approvals API", "approvals-url"))
    }

    /// The topics.
    pub(crate) fn topics(&self) -> &Topics {
        &self.names.topics
    }

    /// The topic that services' connection notifications go to.
    pub(crate) fn notification_topic(&self) -> Result<&str, CliError> {
        let topic = self.names.topics.notification.as_deref();
        topic.ok_or_else(|| missing_topic("connection notifications", "NOTIFICATION"))
    }

    /// Whether it is a local world.
    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    /// Who is subscribed.
    pub(crate) fn people(&self) -> People {
        People::new(&self.clients, &self.tables)
    }

    /// How long a filter policy of a subscription takes until it holds.
    pub(crate) fn settles(&self) -> SignedDuration {
        match self.is_local {
            true => SignedDuration::ZERO,
            false => SETTLES,
        }
    }

    /// Approvers' subscriptions to their e-mail.
    pub(crate) fn subscriptions(&self) -> Result<Subscriptions, CliError> {
        let topic = self.names.topics.approvals.clone();
        let topic = topic.ok_or_else(|| missing_topic("approval e-mail", "APPROVALS"))?;
        let approvals = Approvals {
            topic,
            url: self.names.approvals.clone().unwrap_or_default(),
        };
        Ok(Subscriptions::new(&self.clients, &approvals))
    }

    /// The ARN of the caller, for `created_by`. `None` where it cannot be found out.
    pub(crate) async fn caller(&self) -> Option<String> {
        match self.is_local {
            // The simulators take an access key id for an account.
            true => Some(format!("arn:aws:iam::{}:root", self.access.access_key_id)),
            false => stack::caller(&self.clients, self.sts_endpoint.clone()).await,
        }
    }

    /// The stack's alarms. `None` if no stack was named.
    pub(crate) async fn alarms(&self) -> Option<Result<Vec<StackAlarm>, CliError>> {
        let stack = self.stack.as_ref()?;
        Some(stack::alarms(&self.clients, &self.access, stack, self.clock.now()).await)
    }

    /// Refuses to write if the deployed functions are older than this command: they might not read what
    /// it writes. The version is known if the stack was named.
    pub(crate) fn may_write(&self) -> Result<(), CliError> {
        match &self.names.version {
            Some(deployed) => stack::may_write(deployed, env!("CARGO_PKG_VERSION")),
            None => Ok(()),
        }
    }

    /// How the functions decide.
    pub(crate) fn setup(&self) -> Setup {
        Setup {
            lag: self.limits.lag,
            claim: self.limits.claim,
            asks_by_email: true,
        }
    }
}

/// The number of calls to EC2 and DynamoDB.
#[derive(Debug, Default)]
pub(crate) struct Calls(Cell<(usize, usize)>);

impl Calls {
    pub(crate) fn add(&self, ec2: usize, dynamodb: usize) {
        let (before_ec2, before_dynamodb) = self.0.get();
        self.0.set((before_ec2 + ec2, before_dynamodb + dynamodb));
    }

    pub(crate) fn in_words(&self) -> String {
        let (ec2, dynamodb) = self.0.get();
        format!(
            "Asked EC2 {ec2} times about connections, and DynamoDB {dynamodb} times about requests."
        )
    }
}

/// The names of a deployment's tables, API and topics.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    pub(crate) allowlist: Option<String>,
    pub(crate) requests: Option<String>,
    pub(crate) approvals: Option<String>,
    pub(crate) topics: Topics,
    /// The version of the deployed functions.
    pub(crate) version: Option<String>,
}

/// The ARNs of a deployment's topics.
#[derive(Debug, Clone, Default)]
pub(crate) struct Topics {
    pub(crate) notification: Option<String>,
    pub(crate) announcements: Option<String>,
    pub(crate) approvals: Option<String>,
    pub(crate) alarms: Option<String>,
}

impl Names {
    /// Takes the names that are missing from others.
    fn complete(&mut self, others: Names) {
        let complete = |name: &mut Option<String>, other: Option<String>| {
            if name.is_none() {
                *name = other;
            }
        };
        complete(&mut self.allowlist, others.allowlist);
        complete(&mut self.requests, others.requests);
        complete(&mut self.approvals, others.approvals);
        complete(&mut self.version, others.version);
        let (topics, others) = (&mut self.topics, others.topics);
        complete(&mut topics.notification, others.notification);
        complete(&mut topics.announcements, others.announcements);
        complete(&mut topics.approvals, others.approvals);
        complete(&mut topics.alarms, others.alarms);
    }
}

fn of_local(port: u16) -> (Access, Names) {
    let place = place_at(port);
    let access = Access {
        region: place.region,
        access_key_id: place.access_key_id,
        secret_access_key: "local".to_owned(),
        session_token: None,
        endpoints: Endpoints {
            ec2: Some(place.ec2),
            dynamodb: Some(place.dynamodb),
            sns: Some(place.sns),
            ..Endpoints::default()
        },
        timeouts: Timeouts::default(),
    };
    let names = Names {
        allowlist: Some(place.allowlist_table),
        requests: Some(place.requests_table),
        approvals: Some(place.approvals_url),
        topics: Topics {
            notification: Some(place.notification_topic),
            announcements: Some(place.announcements_topic),
            approvals: Some(place.approvals_topic),
            alarms: None,
        },
        version: None,
    };
    (access, names)
}

fn names(global: &Global, lookup: Lookup<'_>) -> Names {
    let named =
        |option: &Option<String>, variable: &str| option.clone().or_else(|| lookup(variable));
    Names {
        allowlist: named(&global.allowlist_table, "GATEKEEPER_ALLOWLIST_TABLE"),
        requests: named(&global.requests_table, "GATEKEEPER_REQUESTS_TABLE"),
        approvals: named(&global.approvals_url, "GATEKEEPER_APPROVALS_URL"),
        topics: Topics {
            notification: lookup("GATEKEEPER_NOTIFICATION_TOPIC"),
            announcements: lookup("GATEKEEPER_ANNOUNCEMENTS_TOPIC"),
            approvals: lookup("GATEKEEPER_APPROVALS_TOPIC"),
            alarms: lookup("GATEKEEPER_ALARMS_TOPIC"),
        },
        version: None,
    }
}

fn required(name: &Option<String>, what: &str, option: &str) -> Result<String, CliError> {
    name.clone().ok_or_else(|| missing(what, option))
}

fn missing_topic(what: &str, variable: &str) -> CliError {
    CliError::usage(format!("the topic for {what} is not known")).next(format!(
        "Say --stack NAME, or set GATEKEEPER_{variable}_TOPIC to its ARN; the stack's outputs have it."
    ))
}

fn missing(what: &str, option: &str) -> CliError {
    let variable = option.replace('-', "_").to_uppercase();
    CliError::usage(format!("the name of the {what} is not known")).next(format!(
        "Say --stack NAME or --{option} NAME, or set GATEKEEPER_STACK or GATEKEEPER_{variable}. For \
         the local world, start `gatekeeper local` and say --local."
    ))
}

fn port_of(text: &str) -> Result<u16, CliError> {
    text.parse().map_err(|_| {
        CliError::usage(format!("GATEKEEPER_LOCAL is {text:?}"))
            .next("Set it to the port of the local world, such as 8700, or unset it.")
    })
}

/// Region, credentials and addresses: from the environment, or from the AWS CLI for a profile.
fn access(global: &Global, lookup: Lookup<'_>) -> Result<Access, CliError> {
    let region = global
        .region
        .as_ref()
        .map(ToString::to_string)
        .or_else(|| lookup("AWS_REGION"))
        .or_else(|| lookup("AWS_DEFAULT_REGION"))
        .ok_or_else(|| {
            CliError::usage("the AWS Region is not known")
                .next("Say --region eu-central-1 or set AWS_REGION.")
        })?;
    let profile = global.profile.clone().or_else(|| lookup("AWS_PROFILE"));
    let in_environment = lookup("AWS_ACCESS_KEY_ID").zip(lookup("AWS_SECRET_ACCESS_KEY"));
    let credentials = match (profile, in_environment) {
        (None, Some((access_key_id, secret_access_key))) => Exported {
            access_key_id,
            secret_access_key,
            session_token: lookup("AWS_SESSION_TOKEN"),
        },
        (profile, _) => exported(profile.as_deref())?,
    };
    let endpoint = |name: &str| endpoint(global, lookup, name);
    Ok(Access {
        region,
        access_key_id: credentials.access_key_id,
        secret_access_key: credentials.secret_access_key,
        session_token: credentials.session_token,
        endpoints: Endpoints {
            ec2: endpoint("AWS_ENDPOINT_URL_EC2"),
            dynamodb: endpoint("AWS_ENDPOINT_URL_DYNAMODB"),
            sns: endpoint("AWS_ENDPOINT_URL_SNS"),
            ..Endpoints::default()
        },
        timeouts: Timeouts::default(),
    })
}

/// The address for calls to one AWS service, if it is not AWS's own.
fn endpoint(global: &Global, lookup: Lookup<'_>, variable: &str) -> Option<String> {
    global
        .endpoint_url
        .clone()
        .or_else(|| lookup(variable))
        .or_else(|| lookup("AWS_ENDPOINT_URL"))
}

/// Credentials as `aws configure export-credentials` prints them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Exported {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

/// Asks the AWS CLI for credentials. It knows profiles, IAM Identity Center, assumed roles and MFA.
fn exported(profile: Option<&str>) -> Result<Exported, CliError> {
    let mut command = Command::new("aws");
    command.args(["configure", "export-credentials", "--format", "process"]);
    if let Some(profile) = profile {
        command.args(["--profile", profile]);
    }
    let next = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or install the AWS CLI (version 2), \
                which resolves profiles and IAM Identity Center: aws sso login";
    let output = command.output().map_err(|error| {
        CliError::new(format!(
            "there are no credentials: the AWS CLI cannot be run: {error}"
        ))
        .next(next)
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim();
        return Err(CliError::new(format!(
            "there are no credentials: the AWS CLI says: {said}"
        ))
        .next(next));
    }
    serde_json::from_slice(&output.stdout).map_err(|_| {
        // The output may hold a secret.
        CliError::new("the AWS CLI printed no credentials that can be read").next(next)
    })
}
