//! What is new since one last looked: transitions of requests, and what was announced.

use std::collections::{BTreeMap, BTreeSet};

use gatekeeper_core::alarm::Alarm;
use gatekeeper_core::announcement::{Announcement, AnnouncementKind};
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use gatekeeper_core::reach::ReachAlarm;
use gatekeeper_core::request::{Actor, Cause, Ec2Answer, Status, Transition};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::problem::Unusable;
use crate::world::World;
use crate::world_file::Connection;

/// Looks at a world again and again.
pub(super) struct Observer<'a> {
    world: &'a World,
    connections: Vec<&'a Connection>,
    /// How many rows of each one's history are no news.
    rows: BTreeMap<&'a EndpointId, usize>,
    /// What was announced before, by message id.
    subscribed: BTreeSet<String>,
    /// Calls to DynamoDB that looking and editing took, which are none of Gatekeeper's.
    pub(super) own_calls: BTreeMap<String, u64>,
}

/// One thing that happened.
pub(super) enum News<'a> {
    Changed(&'a Connection, Transition),
    Told(Told),
}

/// What is published on the announcements topic.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Told {
    Connection(Box<Announcement>),
    Service(Box<Alarm>),
    Approvers(Box<ReachAlarm>),
}

/// A piece of news for machines, in this order.
#[derive(Serialize)]
struct JsonNews<'a> {
    step: usize,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    transition: Option<JsonTransition<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    announcement: Option<&'a Told>,
}

#[derive(Serialize)]
struct JsonTransition<'a> {
    endpoint_id: &'a EndpointId,
    service_id: &'a ServiceId,
    account_id: &'a AccountId,
    from: Option<Status>,
    to: Status,
    cause: Cause,
    actor: &'a Actor,
    reason: &'a str,
    ec2: Option<&'a Ec2Answer>,
}

impl<'a> Observer<'a> {
    /// Follows these connections, some of which may not be there yet.
    pub(super) fn new(
        world: &'a World,
        connections: impl IntoIterator<Item = &'a Connection>,
    ) -> Self {
        Self {
            world,
            connections: connections.into_iter().collect(),
            rows: BTreeMap::new(),
            subscribed: BTreeSet::new(),
            own_calls: BTreeMap::new(),
        }
    }

    /// What is new, oldest first; of the same moment, connection by connection.
    pub(super) async fn look(&mut self) -> Result<Vec<News<'a>>, Unusable> {
        let mut news = Vec::new();
        let histories = self
            .aside(histories(self.world, self.connections.clone()))
            .await?;
        for (connection, history) in self.connections.iter().copied().zip(histories) {
            let rows = self.rows.entry(&connection.endpoint_id).or_default();
            let new = history.into_iter().skip(*rows);
            let before = news.len();
            news.extend(new.map(|transition| News::Changed(connection, transition)));
            *rows += news.len() - before;
        }
        for message in self.world.sns.published() {
            if message.topic_arn == self.world.announcements_topic
                && self.subscribed.insert(message.message_id)
            {
                let announced = Told::parse(&message.message)
                    .map_err(|error| Unusable::ReadBack(error.to_string()))?;
                news.push(News::Told(announced));
            }
        }
        let places: BTreeMap<&EndpointId, usize> = self
            .connections
            .iter()
            .enumerate()
            .map(|(place, connection)| (&connection.endpoint_id, place))
            .collect();
        // The sort is stable: what is told of a transition stays behind it, and so do services
        // behind their connections.
        news.sort_by_key(|one| {
            let place = one.endpoint().and_then(|id| places.get(id).copied());
            (one.at(), place.unwrap_or(usize::MAX))
        });
        Ok(news)
    }

    /// Does something whose calls to DynamoDB are not counted.
    pub(super) async fn aside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let before = self.world.dynamodb.calls();
        let done = work.await;
        for (name, calls) in self.world.dynamodb.calls() {
            let earlier = before.get(&name).copied().unwrap_or(0);
            *self.own_calls.entry(name).or_default() += calls.saturating_sub(earlier);
        }
        done
    }
}

async fn histories(
    world: &World,
    connections: Vec<&Connection>,
) -> Result<Vec<Vec<Transition>>, Unusable> {
    let mut histories = Vec::new();
    for connection in connections {
        let history = world.history(&connection.endpoint_id).await;
        histories.push(
            history.map_err(|error| Unusable::ReadBack(gatekeeper_aws::error::chain(&*error)))?,
        );
    }
    Ok(histories)
}

impl Told {
    /// Reads the document for machines out of a message.
    fn parse(message: &str) -> Result<Self, serde_json::Error> {
        let texts: Value = serde_json::from_str(message)?;
        let document = texts.get("default").and_then(Value::as_str);
        serde_json::from_str(document.unwrap_or_default())
    }
}

impl News<'_> {
    fn at(&self) -> Timestamp {
        match self {
            Self::Changed(_, transition) => transition.at,
            Self::Told(Told::Connection(announced)) => announced.at,
            Self::Told(Told::Service(announced)) => announced.at,
            Self::Told(Told::Approvers(announced)) => announced.at,
        }
    }

    fn endpoint(&self) -> Option<&EndpointId> {
        match self {
            Self::Changed(connection, _) => Some(&connection.endpoint_id),
            Self::Told(Told::Connection(announced)) => Some(&announced.endpoint_id),
            Self::Told(Told::Service(_) | Told::Approvers(_)) => None,
        }
    }

    pub(super) fn json(&self, step: usize) -> String {
        let (transition, announcement) = match self {
            Self::Changed(connection, transition) => {
                (Some(JsonTransition::new(connection, transition)), None)
            }
            Self::Told(announced) => (None, Some(announced)),
        };
        let line = JsonNews {
            step,
            at: self.at(),
            transition,
            announcement,
        };
        serde_json::to_string(&line).unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        let what = match self {
            Self::Changed(connection, transition) => format!(
                "{} {} → {} ({}): {}",
                connection.endpoint_id,
                transition.from.map_or("new", Status::as_str),
                transition.to.as_str(),
                transition.cause.as_str(),
                transition.reason
            ),
            Self::Told(Told::Connection(announced)) => {
                format!(
                    "{} announced: {}{}",
                    announced.endpoint_id,
                    announced.kind.as_str(),
                    more(announced)
                )
            }
            Self::Told(Told::Service(announced)) => format!(
                "{} announced: {} {}. {}",
                announced.service_id,
                announced.kind.as_str(),
                announced.finding.as_str(),
                announced.meaning
            ),
            Self::Told(Told::Approvers(announced)) => format!(
                "announced: {} {}. {}",
                announced.kind.as_str(),
                announced.finding.as_str(),
                announced.meaning
            ),
        };
        format!("  {:.0} {what}", self.at())
    }
}

/// What no line of a transition says: moments that are set, and why, if nothing changed.
fn more(announced: &Announcement) -> String {
    let moment = match (announced.kind, announced.due) {
        (AnnouncementKind::RevocationStarted, Some(due)) => format!(", revoked at {due:.0}"),
        (AnnouncementKind::ReviewOpened | AnnouncementKind::ReviewReminder, Some(due)) => {
            format!(", answer by {due:.0}")
        }
        _ => String::new(),
    };
    if announced.previous_status == Some(announced.status) {
        format!("{moment}. {}", announced.reason)
    } else {
        moment
    }
}

impl<'a> JsonTransition<'a> {
    fn new(connection: &'a Connection, transition: &'a Transition) -> Self {
        Self {
            endpoint_id: &connection.endpoint_id,
            service_id: &connection.service_id,
            account_id: &connection.owner,
            from: transition.from,
            to: transition.to,
            cause: transition.cause,
            actor: &transition.actor,
            reason: &transition.reason,
            ec2: transition.ec2.as_ref(),
        }
    }
}
