//! A world as somebody writes it, in YAML: services, connections, policy, and what happens later.
//! docs/replay.md explains it and docs/world.schema.json describes it to editors.
//!
//! Nothing is passed over: an unknown key, an id that is none, a connection to a service that is
//! not there are errors with their place in the file, before anything is done.

mod attachments;
mod cases;
#[cfg(test)]
mod fuzz_tests;
mod item;
mod known;
mod parts;
mod policy;
mod problem;
mod steps;
mod yaml;

use gatekeeper_core::acknowledgement::Acknowledgement;
use gatekeeper_core::policy::Policy;
use gatekeeper_core::written::Shape;
use jiff::Timestamp;
use local_aws::{ConnectionEvent, Ec2, NewService};

use crate::error::WorldError;
use crate::place::{PROVIDER, REGION};
use crate::world::World;
use item::{first, read_with};
use known::Known;
use steps::Course;
use yaml::Node;

pub use attachments::{Attachment, AttachmentId, Subject};
pub use cases::read_cases;
pub use parts::{Connection, Service};
pub use problem::{BadWorld, Place};
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

/// Reads a policy as a file of its own has it: what stands under `policy` in a world file, but for
/// acknowledgements.
///
/// # Errors
/// All that is wrong, in the order of the file.
pub fn read_policy(text: &str) -> Result<Policy, Vec<BadWorld>> {
    let node = Node::parse(text).map_err(|problem| vec![problem])?;
    let known = read_with(&node, "the policy", "a key of a policy", |reader| {
        for name in policy::LISTS {
            reader.knows(name);
        }
        Some(())
    });
    let read = policy::policy(&node);
    let mut problems: Vec<BadWorld> = known.err().into_iter().collect();
    match read {
        Ok(written) if problems.is_empty() => return Ok(written.policy),
        Ok(_) => {}
        Err(others) => problems.extend(others),
    }
    problems.sort_by_key(BadWorld::place);
    Err(problems)
}

impl WorldFile {
    /// Reads and checks a world.
    ///
    /// # Errors
    /// [`BadWorld`] for the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, BadWorld> {
        let node = Node::parse(text)?;
        let now = read_with(&node, "the world", "a key of a world", |reader| {
            reader.needs("services", "the list of the provider's endpoint services");
            for name in ["connections", "attachments", "policy", "then"] {
                reader.knows(name);
            }
            let never = "leave now out for the time of day";
            Some(reader.optional_as("now", &Shape::Time { never }))
        })?;
        let mut world = WorldFile {
            now,
            ..WorldFile::default()
        };
        let mut known = Known::default();
        for service in node.list("services")? {
            world.services.push(known.service(service)?);
        }
        for connection in node.list("connections")? {
            world.connections.push(known.connection(connection)?);
        }
        for attachment in node.list("attachments")? {
            world.attachments.push(known.attachment(attachment)?);
        }
        if let Some(policy) = node.get("policy") {
            world.read_policy(policy)?;
        }
        let mut course = Course::new(&mut known, world.now, &world.policy);
        for step in node.list("then")? {
            world.then.push(course.step(step)?);
        }
        Ok(world)
    }

    fn read_policy(&mut self, node: &Node) -> Result<(), BadWorld> {
        read_with(node, "the policy", "a key of a policy", |reader| {
            for name in policy::LISTS {
                reader.knows(name);
            }
            reader.knows("acknowledgements");
            Some(())
        })?;
        self.acknowledgements = policy::acknowledgements(node.list("acknowledgements")?)?;
        let written = policy::policy(node).map_err(|problems| first(problems, node.place))?;
        self.policy = written.policy;
        Ok(())
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
            connection.put_into(&world.ec2)?;
        }
        for attachment in &self.attachments {
            attachment.put_into(&world.ec2)?;
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
    fn a_policy_of_its_own_is_read_whole_or_told_with_all_that_is_wrong() {
        let policy = "entries:\n  - {service_id: \"*\", principal: 012345678901, effect: allow}\n";
        let read = read_policy(policy).unwrap();
        assert_eq!(
            read.entries[0].rule().to_string(),
            "allow 012345678901 on *"
        );
        let wrong = "\
            settings:\n  - {service_id: \"*\", revoke: of}\nentrys: []\n\
            entries:\n  - {service_id: \"*\", principal: \"*\", effect: allow, expires_at: never, max: 2}\n";
        let problems = read_policy(wrong).unwrap_err();
        let said = problems.iter().map(|problem| {
            let place = problem.place().unwrap();
            format!("{}:{}: {}", place.line, place.column, problem.problem())
        });
        assert_eq!(
            said.collect::<Vec<_>>(),
            [
                "2:31: the settings of *: revoke is \"of\"; did you mean off? It can be off, report or enforce",
                "3:1: the policy: entrys is not a key of a policy; did you mean entries?",
                "5:66: the entry \"allow * on *\": expires_at is \"never\"; leave expires_at out of an entry that \
                 never expires",
                "5:73: the entry \"allow * on *\": max is not an attribute of an entry; take it out, or write one of \
                 service_id, principal, effect, max_connections, regions, expires_at, customer, contact, ticket, \
                 reason, created_by, imported, purge_at",
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        // What is replaced, by what, the text on whose line the error is to be, and its words.
        let cases = [
            (
                "on_unlisted",
                "on_unlistet",
                "on_unlistet",
                "the settings of *: on_unlistet is not a setting; did you mean on_unlisted?",
            ),
            (
                "owner: \"012345678901\"",
                "owner: \"12345\"",
                "owner: \"12345\"",
                "the connection vpce-0123456789abcdef0: owner is \"12345\"; write an AWS account id: 12 digits, \
                 leading zeros included",
            ),
            (
                "effect: allow",
                "effect: deny",
                "max_connections",
                "the entry \"deny 012345678901 on *\": max_connections is for allow entries only; leave it out of \
                 this deny",
            ),
            (
                "effect: allow",
                "effect: permit",
                "effect: permit",
                "the entry: effect is \"permit\"; write allow or deny",
            ),
            (
                "state: PendingAcceptance",
                "state: asleep",
                "state: asleep",
                "the connection vpce-0123456789abcdef0: state is \"asleep\"; write a state that EC2 has: ",
            ),
            (
                "abcdef1",
                "abcdef0",
                "  - endpoint_id: vpce-0123456789abcdef0\n    service_id: vpce-svc-0a1b2c3d4e5f60718\n    owner: 0",
                "the endpoint vpce-0123456789abcdef0 stands here twice",
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
                "regions: []",
                "regions is empty",
            ),
            (
                "regions: [eu-central-1]",
                "regions:\n      - us-east-1\n      - eu-central-1a",
                "- eu-central-1a",
                "regions has \"eu-central-1a\"; write the Region of this zone: \"eu-central-1\"",
            ),
            (
                "2027-01-01T00:00:00Z",
                "soon",
                "soon",
                "expires_at is \"soon\"; write a time such as \"2027-01-31T00:00:00Z\"",
            ),
            (
                "max_connections: 2",
                "max_connections: \"2\"",
                "max_connections",
                "max_connections is the text \"2\"; write the number 2",
            ),
            (
                "max_connections: 2",
                "max_connections: -2",
                "max_connections",
                "max_connections is -2; write a whole number from 0 to 1000000",
            ),
            (
                "max_connections: 2",
                "max_connections: 0x2",
                "max_connections",
                "max_connections is 0x2; write a whole number from 0 to 1000000",
            ),
            (
                "acceptance_required: true",
                "acceptance_required: maybe",
                "acceptance_required",
                "the service vpce-svc-0a1b2c3d4e5f60718: acceptance_required is the text \"maybe\"; write true or \
                 false",
            ),
            (
                "now: 2026-11-20T12:00:00Z",
                "now: never",
                "now: never",
                "the world: now is \"never\"; leave now out for the time of day",
            ),
            (
                "  entries:\n    - service_id",
                "  entries:\n      service_id",
                "      service_id",
                "entries is a map; write a list",
            ),
            (
                "policy:\n",
                "policy: none\nconections:\n",
                "conections",
                "the world: conections is not a key of a world; did you mean connections?",
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
