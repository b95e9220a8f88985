//! What happens later in a world: time passes, the allowlist is edited, people click.

use std::collections::BTreeSet;
use std::time::Duration;

use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::policy::{Policy, Rule};
use gatekeeper_core::written::{Misfit, Shape, Typed, Value};
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use super::attachments::{Attachment, Subject};
use super::item::{first, read_with};
use super::known::Known;
use super::parts::Connection;
use super::policy;
use super::problem::{BadWorld, Place, bad};
use super::yaml::Node;
use crate::error::WorldError;
use crate::world::World;

/// The pause between two runs of reconcile, if a step says nothing: as in a deployment.
const PAUSE: Duration = Duration::from_secs(5 * 60);
/// All steps together take no longer: a hundred years, so that the clock stays within its range.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// The lists of a step besides those of a policy.
const LISTS: [&str; 6] = [
    "remove",
    "connections",
    "attachments",
    "accept",
    "reject",
    "delete",
];
/// The lists of what people do, in this order.
const VERBS: [(&str, Verb); 3] = [
    ("accept", Verb::Accept),
    ("reject", Verb::Reject),
    ("delete", Verb::Delete),
];

/// What happens when some time has passed: the clock moves, then edits are made and people click,
/// then reconcile runs.
#[derive(Debug, Clone)]
pub struct Step {
    /// How far the clock moves first.
    pub after: Duration,
    /// Entries that are taken out of the allowlist.
    pub removed: Vec<Rule>,
    /// What is put into it afterwards, over what is there.
    pub policy: Policy,
    /// What consumers connect.
    pub connections: Vec<Connection>,
    /// What transit gateways attach.
    pub attachments: Vec<Attachment>,
    /// What people do about connections, in this order.
    pub clicks: Vec<Click>,
    /// How often reconcile runs.
    pub reconciles: u32,
    /// From the beginning of one run to that of the next.
    pub every: Duration,
}

/// What somebody does without Gatekeeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Click {
    /// What.
    pub verb: Verb,
    /// To whose connection.
    pub subject: Subject,
    /// The service that it is connected to.
    pub service_id: ServiceId,
    place: Place,
}

/// What can be done to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Somebody at the provider accepts it on the console.
    Accept,
    /// Somebody at the provider rejects it on the console.
    Reject,
    /// The consumer deletes the endpoint.
    Delete,
}

impl Verb {
    fn done(self) -> &'static str {
        match self {
            Self::Accept => "accepted",
            Self::Reject => "rejected",
            Self::Delete => "deleted",
        }
    }
}

/// How long something takes.
struct Length(Duration);

impl Typed for Length {
    const SHAPE: Shape = Shape::Id("a duration such as 90m, 24h or P1DT2H");

    fn read(value: &Value, _: &Shape) -> Result<Self, Misfit> {
        let text = value.as_text().unwrap_or_default();
        let length = duration(text).map(Self);
        length.map_err(|advice| Misfit::new(value.shown(), advice))
    }

    fn write(&self) -> Value {
        Value::Text(format!("{:?}", self.0))
    }
}

/// How long after one another things happen.
struct Pause(Duration);

impl Typed for Pause {
    const SHAPE: Shape = Length::SHAPE;

    fn read(value: &Value, shape: &Shape) -> Result<Self, Misfit> {
        match Length::read(value, shape)? {
            Length(Duration::ZERO) => {
                let advice = "write more, since two runs at the same moment are no schedule";
                Err(Misfit::new(value.shown(), advice))
            }
            Length(pause) => Ok(Self(pause)),
        }
    }

    fn write(&self) -> Value {
        Length(self.0).write()
    }
}

/// A day has 24 hours here.
fn duration(text: &str) -> Result<Duration, String> {
    let usual = || format!("write {}", Length::SHAPE.expected());
    let span: Span = text.parse().map_err(|_| usual())?;
    if span.is_negative() {
        return Err("write one that is not negative, since time only moves on".to_owned());
    }
    if span.get_months() != 0 || span.get_years() != 0 {
        return Err("write days, since months and years differ in length".to_owned());
    }
    span.to_duration(SpanRelativeTo::days_are_24_hours())
        .ok()
        .and_then(|exact| Duration::try_from(exact).ok())
        .ok_or_else(usual)
}

/// What of a world is there at some step, to check the next against.
pub(super) struct Course<'a> {
    known: &'a mut Known,
    entries: BTreeSet<Rule>,
    deleted: BTreeSet<Subject>,
    began: Option<Timestamp>,
    taken: Duration,
}

impl<'a> Course<'a> {
    pub(super) fn new(known: &'a mut Known, began: Option<Timestamp>, policy: &Policy) -> Self {
        Self {
            known,
            entries: policy.entries.iter().map(|e| e.rule().clone()).collect(),
            deleted: BTreeSet::new(),
            began,
            taken: Duration::ZERO,
        }
    }

    pub(super) fn step(&mut self, node: &Node) -> Result<Step, BadWorld> {
        let (Length(after), reconciles, every) =
            read_with(node, "the step", "a key of a step", |reader| {
                for name in LISTS.iter().chain(&policy::LISTS) {
                    reader.knows(name);
                }
                let after = reader.required("after");
                let reconciles = reader.optional("reconciles").unwrap_or(1);
                let every = reader.optional("every").map_or(PAUSE, |Pause(every)| every);
                Some((after?, reconciles, every))
            })?;
        self.pass(after, reconciles, every)
            .map_err(|problem| bad(node.place, problem))?;

        let mut removed = Vec::new();
        for one in node.list("remove")? {
            removed.push(self.remove(one)?);
        }
        let written = policy::policy(node).map_err(|problems| first(problems, node.place))?;
        let twice = removed
            .iter()
            .find_map(|rule| written.places.get_key_value(rule));
        if let Some((rule, place)) = twice {
            return Err(bad(
                *place,
                format!("the entry \"{rule}\" is removed and put in the same step"),
            ));
        }
        self.entries.extend(written.places.into_keys());

        let mut connections = Vec::new();
        for one in node.list("connections")? {
            connections.push(self.known.connection(one)?);
        }
        let mut attachments = Vec::new();
        for one in node.list("attachments")? {
            attachments.push(self.known.attachment(one)?);
        }
        let clicks = self.clicks(node)?;
        Ok(Step {
            after,
            removed,
            policy: written.policy,
            connections,
            attachments,
            clicks,
            reconciles,
            every,
        })
    }

    fn pass(&mut self, after: Duration, reconciles: u32, every: Duration) -> Result<(), String> {
        let runs = every.saturating_mul(reconciles.saturating_sub(1));
        self.taken = self.taken.saturating_add(after).saturating_add(runs);
        if self.taken > LONGEST {
            return Err("with this step it all takes more than a hundred years".to_owned());
        }
        let taken = SignedDuration::try_from(self.taken).unwrap_or(SignedDuration::MAX);
        match self.began.map(|began| began.checked_add(taken)) {
            Some(Err(_)) => Err("this step is after the year 9999".to_owned()),
            _ => Ok(()),
        }
    }

    fn remove(&mut self, node: &Node) -> Result<Rule, BadWorld> {
        let rule = policy::rule(node).map_err(|problems| first(problems, node.place))?;
        if self.entries.remove(&rule) {
            Ok(rule)
        } else {
            Err(bad(
                node.place,
                format!("the entry \"{rule}\" cannot be removed: it is not there by then"),
            ))
        }
    }

    fn clicks(&mut self, node: &Node) -> Result<Vec<Click>, BadWorld> {
        let mut clicks = Vec::new();
        let mut touched = BTreeSet::new();
        for (name, verb) in VERBS {
            for (index, one) in node.list(name)?.iter().enumerate() {
                let misread = |misfit: Misfit| {
                    let mistake = misfit.in_element(index).of(name);
                    bad(one.place, format!("the step: {mistake}"))
                };
                let id = Subject::read(&one.value(), &Subject::SHAPE).map_err(misread)?;
                let service = self.known.subjects.get(&id);
                let problem = match service {
                    None => "there is no such connection by then",
                    Some(_) if self.deleted.contains(&id) => "it is deleted by then",
                    Some(_) if touched.contains(&id) => "the step does something with it already",
                    Some(service_id) => {
                        clicks.push(Click {
                            verb,
                            subject: id.clone(),
                            service_id: service_id.clone(),
                            place: one.place,
                        });
                        touched.insert(id);
                        continue;
                    }
                };
                let done = verb.done();
                return Err(bad(
                    one.place,
                    format!("{} cannot be {done}: {problem}", id.named()),
                ));
            }
        }
        let deleted = clicks.iter().filter(|click| click.verb == Verb::Delete);
        self.deleted
            .extend(deleted.map(|click| click.subject.clone()));
        Ok(clicks)
    }
}

impl Step {
    /// Makes the edits and the clicks. Answers which clicks EC2 refused, and why: in which state a
    /// connection is by then cannot be known beforehand.
    ///
    /// # Errors
    /// What the world refuses.
    pub async fn put_into(&self, world: &World) -> Result<Vec<BadWorld>, WorldError> {
        for rule in &self.removed {
            world.remove_entry(rule).await?;
        }
        world.put_policy(&self.policy).await?;
        for connection in &self.connections {
            connection.put_into(&world.ec2)?;
        }
        for attachment in &self.attachments {
            attachment.put_into(&world.ec2)?;
        }
        Ok(self
            .clicks
            .iter()
            .filter_map(|click| click.make(world).err().map(|why| bad(click.place, why)))
            .collect())
    }
}

impl Click {
    fn make(&self, world: &World) -> Result<(), String> {
        let (ec2, service) = (&world.ec2, self.service_id.as_str());
        let console = ec2.provider();
        let is_deleted = |deleted: bool| {
            let gone = || format!("{} could not be deleted: it is gone", self.subject.named());
            deleted.then(Vec::new).ok_or_else(gone)
        };
        let answer = match (self.verb, &self.subject) {
            (Verb::Accept, Subject::Endpoint(id)) => ec2.accept(&console, service, [id.as_str()]),
            (Verb::Reject, Subject::Endpoint(id)) => ec2.reject(&console, service, [id.as_str()]),
            (Verb::Accept, Subject::Attachment(id)) => {
                ec2.accept_attachments(&console, service, [id.as_str()])
            }
            (Verb::Reject, Subject::Attachment(id)) => {
                ec2.reject_attachments(&console, service, [id.as_str()])
            }
            (Verb::Delete, Subject::Endpoint(id)) => {
                Ok(is_deleted(ec2.delete_endpoint(id.as_str()))?)
            }
            (Verb::Delete, Subject::Attachment(id)) => {
                Ok(is_deleted(ec2.delete_attachment(id.as_str()))?)
            }
        };
        let why = match answer {
            Ok(failed) => match failed.into_iter().next() {
                None => return Ok(()),
                Some(failed) => format!("{}: {}", failed.code, failed.message),
            },
            Err(error) => error.to_string(),
        };
        let done = self.verb.done();
        Err(format!(
            "{} could not be {done}: {why}",
            self.subject.named()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let hours = |n: u64| Ok(Duration::from_secs(n * 3600));
        for (text, expected) in [
            ("24h", hours(24)),
            ("90m", Ok(Duration::from_secs(5400))),
            ("1 day 2 hours", hours(26)),
            ("P1DT2H", hours(26)),
            ("2w", hours(14 * 24)),
            ("0s", hours(0)),
        ] {
            assert_eq!(duration(text), expected, "{text}");
        }
        for (text, why) in [
            ("", "write a duration such as 90m"),
            ("90", "write a duration such as 90m"),
            ("soon", "write a duration such as 90m"),
            ("-5m", "not negative"),
            ("5m ago", "not negative"),
            ("1 month", "write days"),
            ("P1Y", "write days"),
        ] {
            let said = duration(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
