//! A world as somebody writes it, in YAML: services, connections, policy, and what happens later.
//! docs/replay.md explains it and docs/world.schema.json describes it to editors.
//!
//! Nothing is passed over: an unknown key, an id that is none, a connection to a service that is
//! not there are errors with their place in the file, before anything is done.

mod attachments;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use gatekeeper_core::acknowledgement::{Acknowledgement, Value};
use gatekeeper_core::approver::{Approver, ApproverId, PrincipalPattern, SlackUserId};
use gatekeeper_core::connection::ConnectionState;
use gatekeeper_core::ids::{AccountId, EndpointId, Region, ServiceId};
use gatekeeper_core::policy::settings::WrittenSettings;
use gatekeeper_core::policy::{About, Conditions, Effect, Entry, Policy, Principal, Rule, Scope};
use gatekeeper_core::purge;
use jiff::Timestamp;
use local_aws::{ConnectionEvent, Ec2, NewConnection, NewService, State};
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::world::{PROVIDER, REGION, World, WorldError};
use attachments::put_attachment;
pub use attachments::{Attachment, AttachmentId, Subject};
pub use steps::{Click, Step, Verb};

/// A world, checked.
#[derive(Debug, Clone, Default)]
pub struct WorldFile {
    /// The clock of the run; none takes the time of day.
    pub now: Option<Timestamp>,
    /// The provider's services.
    pub services: Vec<Service>,
    /// What consumers have connected to them.
    pub connections: Vec<Connection>,
    /// What transit gateways are attached to them.
    pub attachments: Vec<Attachment>,
    /// What decides.
    pub policy: Policy,
    /// What people know of already.
    pub acknowledgements: Vec<Acknowledgement>,
    /// What happens later, in this order.
    pub then: Vec<Step>,
}

/// An endpoint service of the provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its id.
    pub service_id: ServiceId,
    /// Whether connections have to be accepted.
    #[serde(default = "yes")]
    pub acceptance_required: bool,
    /// Whether it has a connection notification that tells Gatekeeper's topic of requests.
    #[serde(default = "yes")]
    pub notification: bool,
    /// Who may create endpoints: ARNs, or `*`. The owners of the connections below always may.
    #[serde(default)]
    pub principals: Vec<String>,
    /// Whether it is for Gateway Load Balancer endpoints, and takes transit gateway attachments.
    #[serde(default)]
    pub gateway_load_balancer: bool,
}

/// A connection as EC2 has it when the run begins.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// The consumer's endpoint.
    pub endpoint_id: EndpointId,
    /// The service.
    pub service_id: ServiceId,
    /// The consumer.
    pub owner: AccountId,
    /// Where the endpoint is.
    #[serde(default = "home")]
    pub region: Region,
    /// Its state.
    #[serde(default = "waiting")]
    pub state: ConnectionState,
}

/// What is wrong with a world file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadWorld {
    line: Option<u64>,
    problem: String,
}

impl fmt::Display for BadWorld {
    /// As compilers put it: the line, then the problem. The file's name comes before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{line}: {}", self.problem),
            None => write!(f, " {}", self.problem),
        }
    }
}

impl std::error::Error for BadWorld {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, deserialize_with = "time")]
    now: Option<Timestamp>,
    services: Vec<Spanned<Service>>,
    #[serde(default)]
    connections: Vec<Spanned<Connection>>,
    #[serde(default)]
    attachments: Vec<Spanned<Attachment>>,
    #[serde(default)]
    policy: WrittenPolicy,
    #[serde(default)]
    then: Vec<Spanned<steps::WrittenStep>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPolicy {
    #[serde(default)]
    settings: Vec<Spanned<WrittenSettings>>,
    #[serde(default)]
    entries: Vec<Spanned<WrittenEntry>>,
    #[serde(default)]
    approvers: Vec<Spanned<WrittenApprover>>,
    #[serde(default)]
    acknowledgements: Vec<Spanned<WrittenAcknowledgement>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAcknowledgement {
    finding: String,
    service_id: ServiceId,
    evidence: Vec<String>,
    acknowledged_by: String,
    until: String,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenApprover {
    id: ApproverId,
    slack_user_id: Option<SlackUserId>,
    iam_principal: Option<PrincipalPattern>,
    services: BTreeSet<Scope>,
    #[serde(default)]
    own_accounts: BTreeSet<AccountId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEntry {
    service_id: Scope,
    principal: Principal,
    effect: Effect,
    max_connections: Option<u32>,
    regions: Option<BTreeSet<Region>>,
    #[serde(default, deserialize_with = "time")]
    expires_at: Option<Timestamp>,
    customer: Option<String>,
    contact: Option<String>,
    ticket: Option<String>,
    reason: Option<String>,
    created_by: Option<String>,
    purge_at: Option<i64>,
}

fn time<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_| {
        serde::de::Error::custom(format!(
            "{text:?} is not a time such as 2027-01-01T00:00:00Z"
        ))
    })
}

fn yes() -> bool {
    true
}

fn waiting() -> ConnectionState {
    ConnectionState::PendingAcceptance
}

fn home() -> Region {
    // The literal is a Region; a default cannot fail.
    REGION
        .parse()
        .unwrap_or_else(|_| unreachable!("{REGION} is a Region"))
}

impl WorldFile {
    /// Reads and checks a world.
    ///
    /// # Errors
    /// [`BadWorld`] for the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, BadWorld> {
        let written: Written = serde_saphyr::from_str(text).map_err(|error| BadWorld {
            line: error.location().map(|location| location.line()),
            problem: in_our_words(&error.without_snippet().to_string()),
        })?;
        let mut world = WorldFile {
            now: written.now,
            ..WorldFile::default()
        };
        let mut known = Known::default();
        for service in written.services {
            let line = line_of(&service);
            let service = service.value;
            let takes_attachments = service.gateway_load_balancer;
            let before = known
                .services
                .insert(service.service_id.clone(), takes_attachments);
            if before.is_some() {
                return Err(bad(
                    line,
                    format!("the service {} stands here twice", service.service_id),
                ));
            }
            world.services.push(service);
        }
        for connection in written.connections {
            world.connections.push(known.connection(connection)?);
        }
        for attachment in written.attachments {
            world.attachments.push(known.attachment(attachment)?);
        }
        let mut written_policy = written.policy;
        let acknowledgements = std::mem::take(&mut written_policy.acknowledgements);
        world.acknowledgements = acknowledged(acknowledgements)?;
        world.policy = policy(written_policy)?;
        let mut course = steps::Course::new(&mut known, world.now, &world.policy);
        for step in written.then {
            world.then.push(course.step(step)?);
        }
        Ok(world)
    }

    /// All connections there ever are, those of the beginning first.
    pub fn all_connections(&self) -> impl Iterator<Item = &Connection> {
        let later = self.then.iter().flat_map(|step| &step.connections);
        self.connections.iter().chain(later)
    }

    /// All attachments there ever are, those of the beginning first.
    pub fn all_attachments(&self) -> impl Iterator<Item = &Attachment> {
        let later = self.then.iter().flat_map(|step| &step.attachments);
        self.attachments.iter().chain(later)
    }

    /// Puts services and connections into EC2, and the policy into the allowlist table.
    ///
    /// # Errors
    /// What the world refuses.
    pub async fn put_into(&self, world: &World) -> Result<(), WorldError> {
        for service in &self.services {
            let asking = self
                .all_connections()
                .filter(|one| one.service_id == service.service_id);
            let attaching = self
                .all_attachments()
                .filter(|one| one.service_id == service.service_id);
            put_service(&world.ec2, service, asking, attaching);
        }
        for connection in &self.connections {
            put_connection(&world.ec2, connection)?;
        }
        for attachment in &self.attachments {
            put_attachment(&world.ec2, attachment)?;
        }
        // Later than the connections, which were there before and are no news.
        for service in self.services.iter().filter(|one| one.notification) {
            let (id, topic) = (service.service_id.as_str(), &world.notification_topic);
            world
                .ec2
                .put_notification(id, topic, [ConnectionEvent::Connect])
                .map_err(|error| WorldError::Make("a notification", error.to_string()))?;
        }
        world.put_acknowledgements(&self.acknowledgements).await?;
        world.put_policy(&self.policy).await
    }
}

/// What the file has named so far.
#[derive(Default)]
struct Known {
    /// And whether each takes attachments.
    services: BTreeMap<ServiceId, bool>,
    /// Endpoints and attachments, and the service that each is connected to.
    subjects: BTreeMap<Subject, ServiceId>,
}

impl Known {
    /// Checks a connection against what was named before it.
    fn connection(&mut self, written: Spanned<Connection>) -> Result<Connection, BadWorld> {
        let line = line_of(&written);
        let connection = written.value;
        let endpoint = &connection.endpoint_id;
        if !self.services.contains_key(&connection.service_id) {
            return Err(bad(
                line,
                format!(
                    "the connection {endpoint} is to the service {}, which is not among the services",
                    connection.service_id
                ),
            ));
        }
        known_state(&connection.state)
            .map_err(|why| bad(line, format!("the connection {endpoint} is {why}")))?;
        let subject = Subject::Endpoint(endpoint.clone());
        self.subject(line, subject, &connection.service_id)?;
        Ok(connection)
    }

    /// Notes what is connected to a service; each stands in a world once.
    fn subject(
        &mut self,
        line: u64,
        subject: Subject,
        service_id: &ServiceId,
    ) -> Result<(), BadWorld> {
        let problem = format!("{} stands here twice", subject.named());
        match self.subjects.insert(subject, service_id.clone()) {
            Some(_) => Err(bad(line, problem)),
            None => Ok(()),
        }
    }
}

/// A state that EC2 has, or what is wrong with it.
fn known_state(state: &ConnectionState) -> Result<(), String> {
    let ConnectionState::Unknown(state) = state else {
        return Ok(());
    };
    let known: Vec<String> = ConnectionState::KNOWN.map(|s| s.to_string()).into();
    Err(format!(
        "in the state {state:?}, which EC2 does not have; it has {}",
        known.join(", ")
    ))
}

fn put_service<'a>(
    ec2: &Ec2,
    service: &Service,
    asking: impl IntoIterator<Item = &'a Connection>,
    attaching: impl IntoIterator<Item = &'a Attachment>,
) {
    let mut new = NewService::new()
        .id(service.service_id.as_str())
        .owner(PROVIDER)
        .region(REGION)
        .tag(
            gatekeeper_aws::config::MANAGED_TAG.0,
            gatekeeper_aws::config::MANAGED_TAG.1,
        );
    for principal in &service.principals {
        new = new.allow(principal.as_str());
    }
    for connection in asking {
        new = new.allow_account(connection.owner.as_str());
    }
    if service.gateway_load_balancer {
        new = new.gateway_load_balancer();
    }
    for attachment in attaching {
        new = new.allow_attachments_of(attachment.owner.as_str());
    }
    if !service.acceptance_required {
        new = new.auto_accept();
    }
    ec2.put_service(new);
}

fn put_connection(ec2: &Ec2, connection: &Connection) -> Result<(), WorldError> {
    let state = State::parse(connection.state.as_str()).unwrap_or(State::PendingAcceptance);
    ec2.put_connection(
        NewConnection::new(connection.service_id.as_str(), connection.owner.as_str())
            .endpoint_id(connection.endpoint_id.as_str())
            .region(connection.region.as_str())
            .state(state),
    )
    .map(drop)
    .map_err(|error| WorldError::Make("a connection", error.to_string()))
}

fn acknowledged(
    written: Vec<Spanned<WrittenAcknowledgement>>,
) -> Result<Vec<Acknowledgement>, BadWorld> {
    let mut read: Vec<Acknowledgement> = Vec::new();
    for one in written {
        let line = line_of(&one);
        let one = one.value;
        let rule = format!("{}#{}", one.finding, one.service_id);
        let texts = [
            ("acknowledged_by", Some(one.acknowledged_by)),
            ("until", Some(one.until)),
            ("reason", one.reason),
        ];
        let texts = texts.into_iter().filter_map(|(name, text)| {
            let text = text.map(Value::Text)?;
            Some((name.to_owned(), text))
        });
        let evidence = ("evidence".to_owned(), Value::Texts(one.evidence));
        let attributes = texts.chain([evidence]).collect();
        let new = Acknowledgement::read(&rule, &attributes)
            .map_err(|error| bad(line, format!("the acknowledgement {rule}: {error}")))?;
        if read
            .iter()
            .any(|known| (known.finding, &known.service_id) == (new.finding, &new.service_id))
        {
            return Err(bad(
                line,
                format!("the acknowledgement {rule} stands here twice"),
            ));
        }
        read.push(new);
    }
    Ok(read)
}

fn policy(written: WrittenPolicy) -> Result<Policy, BadWorld> {
    let mut settings = BTreeMap::new();
    for one in written.settings {
        let line = line_of(&one);
        let (scope, values) = one.value.into_parts();
        if settings.insert(scope.clone(), values).is_some() {
            return Err(bad(
                line,
                format!("the settings of {scope} stand here twice"),
            ));
        }
    }
    let mut entries: Vec<Entry> = Vec::new();
    let mut rules = BTreeSet::new();
    for one in written.entries {
        let line = line_of(&one);
        let one = one.value;
        let rule = Rule {
            service_id: one.service_id,
            principal: one.principal,
            effect: one.effect,
        };
        if !rules.insert(rule.clone()) {
            return Err(bad(
                line,
                format!(
                    "the entry \"{rule}\" stands here twice; the allowlist holds one for each service, principal and effect"
                ),
            ));
        }
        let conditions = Conditions {
            max_connections: one.max_connections,
            regions: one.regions,
            expires_at: one.expires_at,
        };
        let about = About {
            customer: one.customer,
            contact: one.contact,
            ticket: one.ticket,
            reason: one.reason,
            created_by: one.created_by,
        };
        let entry = Entry::new(rule.clone(), conditions, about)
            .map_err(|error| bad(line, format!("the entry \"{rule}\": {error}")))?
            .with_purge_at(one.purge_at);
        purge::check(&entry)
            .map_err(|error| bad(line, format!("the entry \"{rule}\": {error}")))?;
        entries.push(entry);
    }
    let mut approvers: Vec<Approver> = Vec::new();
    for one in written.approvers {
        let line = line_of(&one);
        let one = one.value;
        if approvers.iter().any(|other| other.id == one.id) {
            return Err(bad(
                line,
                format!("the approver {} stands here twice", one.id),
            ));
        }
        approvers.push(Approver {
            id: one.id,
            slack_user_id: one.slack_user_id,
            iam_principal: one.iam_principal,
            services: one.services,
            own_accounts: one.own_accounts,
        });
    }
    Ok(Policy {
        entries,
        settings,
        approvers,
    })
}

fn bad(line: u64, problem: String) -> BadWorld {
    BadWorld {
        line: Some(line),
        problem,
    }
}

fn line_of<T>(spanned: &Spanned<T>) -> u64 {
    spanned.referenced.line()
}

/// What the parser says, in one line, without the place (which stands before it) and without its
/// advice to programmers.
fn in_our_words(said: &str) -> String {
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = said
        .rsplit_once(" at line ")
        .map_or(said.as_str(), |(said, _)| said);
    [", set DuplicateKeyPolicy", "; use from_str_multiple"]
        .iter()
        .fold(said, |said, advice| {
            said.split(advice).next().unwrap_or(said)
        })
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
now: 2026-11-20T12:00:00Z
services:
  - service_id: vpce-svc-0a1b2c3d4e5f60718
connections:
  - endpoint_id: vpce-0123456789abcdef0
    service_id: vpce-svc-0a1b2c3d4e5f60718
    owner: "012345678901"
    region: eu-central-1
    state: PendingAcceptance
  - endpoint_id: vpce-0123456789abcdef1
    service_id: vpce-svc-0a1b2c3d4e5f60718
    owner: 012345678901
policy:
  settings:
    - service_id: "*"
      on_unlisted: reject
  entries:
    - service_id: "*"
      principal: "012345678901"
      effect: allow
      max_connections: 2
      regions: [eu-central-1]
      expires_at: 2027-01-01T00:00:00Z
      customer: Example GmbH
"#;

    #[test]
    fn a_world_is_read_whole() {
        let world = WorldFile::parse(GOOD).unwrap();
        assert_eq!(world.connections.len(), 2);
        assert_eq!(
            world.connections[1].owner.as_str(),
            "012345678901",
            "unquoted"
        );
        assert_eq!(world.connections[1].region.as_str(), "us-east-1");
        assert_eq!(
            world.policy.entries[0].conditions().max_connections,
            Some(2)
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        // What is replaced, by what, the text on whose line the error is to be, and its words.
        let entry = "- service_id: \"*\"\n      principal";
        let cases = [
            ("on_unlisted", "on_unlistet", "on_unlistet", "on_unlistet"),
            (
                "owner: \"012345678901\"",
                "owner: \"12345\"",
                "owner: \"12345\"",
                "\"12345\" is not an AWS account id",
            ),
            (
                "effect: allow",
                "effect: deny",
                entry,
                "max_connections is for allow entries only",
            ),
            (
                "effect: allow",
                "effect: permit",
                "effect: permit",
                "permit",
            ),
            (
                "state: PendingAcceptance",
                "state: asleep",
                "endpoint_id: vpce-0123456789abcdef0",
                "asleep",
            ),
            (
                "abcdef1",
                "abcdef0",
                "  - endpoint_id: vpce-0123456789abcdef0\n    service_id: vpce-svc-0a1b2c3d4e5f60718\n    owner: 0",
                "twice",
            ),
            (
                "service_id: vpce-svc-0a1b2c3d4e5f60718\n    owner: 0",
                "service_id: vpce-svc-0000000000000000a\n    owner: 0",
                "endpoint_id: vpce-0123456789abcdef1",
                "not among the services",
            ),
            (
                "regions: [eu-central-1]",
                "regions: []",
                entry,
                "regions is empty",
            ),
            ("2027-01-01T00:00:00Z", "soon", "soon", "is not a time"),
            (
                "max_connections: 2",
                "max_connections: -2",
                "max_connections: -2",
                "",
            ),
            (
                "policy:",
                "services: []\npolicy:",
                "services: []",
                "duplicate mapping key",
            ),
        ];
        let good = GOOD.replacen("60718\n", "60718\n    acceptance_required: true\n", 1);
        for (from, to, anchor, expected) in cases {
            assert!(good.contains(from), "{from}");
            let bad = good.replacen(from, to, 1);
            let error = WorldFile::parse(&bad).unwrap_err().to_string();
            assert!(error.contains(expected), "{to}: {error}");
            assert!(
                !error.contains('\n') && !error.contains(" at line "),
                "{error}"
            );
            let line = bad.split(anchor).next().unwrap().matches('\n').count() + 1;
            assert!(
                error.starts_with(&format!("{line}: ")),
                "{to}: line {line}: {error}"
            );
        }
    }
}
