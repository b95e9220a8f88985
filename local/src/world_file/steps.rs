//! What happens later in a world: time passes, the allowlist is edited, people click.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::policy::{Effect, Policy, Principal, Rule, Scope};
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    Attachment, BadWorld, Connection, Known, Subject, WrittenEntry, WrittenPolicy, WrittenSettings,
    bad, line_of, policy, put_attachment, put_connection,
};
use crate::world::{World, WorldError};

/// The pause between two runs of reconcile, if a step says nothing: as in a deployment.
const PAUSE: Duration = Duration::from_secs(5 * 60);
/// All steps together take no longer: a hundred years, so that the clock stays within its range.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

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
    line: u64,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenStep {
    #[serde(deserialize_with = "after")]
    after: Duration,
    #[serde(default)]
    remove: Vec<Spanned<WrittenRule>>,
    #[serde(default)]
    entries: Vec<Spanned<WrittenEntry>>,
    #[serde(default)]
    approvers: Vec<Spanned<super::WrittenApprover>>,
    #[serde(default)]
    settings: Vec<Spanned<WrittenSettings>>,
    #[serde(default)]
    connections: Vec<Spanned<Connection>>,
    #[serde(default)]
    attachments: Vec<Spanned<Attachment>>,
    #[serde(default)]
    accept: Vec<Spanned<Subject>>,
    #[serde(default)]
    reject: Vec<Spanned<Subject>>,
    #[serde(default)]
    delete: Vec<Spanned<Subject>>,
    reconciles: Option<u32>,
    #[serde(default, deserialize_with = "every")]
    every: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    service_id: Scope,
    principal: Principal,
    effect: Effect,
}

fn after<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    duration(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

fn every<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else {
        return Ok(None);
    };
    match duration(&text).map_err(serde::de::Error::custom)? {
        Duration::ZERO => Err(serde::de::Error::custom(
            "every is 0, and two runs at the same moment are no schedule",
        )),
        pause => Ok(Some(pause)),
    }
}

/// A day has 24 hours here.
fn duration(text: &str) -> Result<Duration, String> {
    let is_none = || format!("{text:?} is not a duration such as 90m, 24h or P1DT2H");
    let span: Span = text.parse().map_err(|_| is_none())?;
    if span.is_negative() {
        return Err(format!("{text:?} is negative, and time only moves on"));
    }
    if span.get_months() != 0 || span.get_years() != 0 {
        return Err(format!(
            "{text:?} is of no certain length, since months and years differ; write days"
        ));
    }
    span.to_duration(SpanRelativeTo::days_are_24_hours())
        .ok()
        .and_then(|exact| Duration::try_from(exact).ok())
        .ok_or_else(is_none)
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

    pub(super) fn step(&mut self, written: Spanned<WrittenStep>) -> Result<Step, BadWorld> {
        let line = line_of(&written);
        let written = written.value;
        let reconciles = written.reconciles.unwrap_or(1);
        let every = written.every.unwrap_or(PAUSE);
        self.pass(written.after, reconciles, every)
            .map_err(|problem| bad(line, problem))?;

        let mut removed = Vec::new();
        for one in written.remove {
            removed.push(self.remove(one)?);
        }
        let mut lines = BTreeMap::new();
        for one in &written.entries {
            let rule = Rule {
                service_id: one.value.service_id.clone(),
                principal: one.value.principal.clone(),
                effect: one.value.effect,
            };
            lines.insert(rule, line_of(one));
        }
        let policy = policy(WrittenPolicy {
            settings: written.settings,
            entries: written.entries,
            approvers: written.approvers,
            acknowledgements: Vec::new(),
        })?;
        if let Some((rule, line)) = removed.iter().find_map(|rule| lines.get_key_value(rule)) {
            return Err(bad(
                *line,
                format!("the entry \"{rule}\" is removed and put in the same step"),
            ));
        }
        self.entries.extend(lines.into_keys());

        let mut connections = Vec::new();
        for one in written.connections {
            connections.push(self.known.connection(one)?);
        }
        let mut attachments = Vec::new();
        for one in written.attachments {
            attachments.push(self.known.attachment(one)?);
        }
        let clicks = self.clicks([
            (Verb::Accept, written.accept),
            (Verb::Reject, written.reject),
            (Verb::Delete, written.delete),
        ])?;
        Ok(Step {
            after: written.after,
            removed,
            policy,
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

    fn remove(&mut self, written: Spanned<WrittenRule>) -> Result<Rule, BadWorld> {
        let line = line_of(&written);
        let WrittenRule {
            service_id,
            principal,
            effect,
        } = written.value;
        let rule = Rule {
            service_id,
            principal,
            effect,
        };
        if self.entries.remove(&rule) {
            Ok(rule)
        } else {
            Err(bad(
                line,
                format!("the entry \"{rule}\" cannot be removed: it is not there by then"),
            ))
        }
    }

    fn clicks(
        &mut self,
        written: [(Verb, Vec<Spanned<Subject>>); 3],
    ) -> Result<Vec<Click>, BadWorld> {
        let mut clicks = Vec::new();
        let mut touched = BTreeSet::new();
        for (verb, ids) in written {
            for id in ids {
                let line = line_of(&id);
                let id = id.value;
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
                            line,
                        });
                        touched.insert(id);
                        continue;
                    }
                };
                let done = verb.done();
                return Err(bad(
                    line,
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
            put_connection(&world.ec2, connection)?;
        }
        for attachment in &self.attachments {
            put_attachment(&world.ec2, attachment)?;
        }
        Ok(self
            .clicks
            .iter()
            .filter_map(|click| click.make(world).err().map(|why| bad(click.line, why)))
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
            ("", "is not a duration"),
            ("90", "is not a duration"),
            ("soon", "is not a duration"),
            ("-5m", "is negative"),
            ("5m ago", "is negative"),
            ("1 month", "of no certain length"),
            ("P1Y", "of no certain length"),
        ] {
            let said = duration(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
