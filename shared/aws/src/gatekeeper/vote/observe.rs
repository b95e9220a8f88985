//! Asks EC2 about a vote's connection, for as long as the voter waits.

use std::sync::Arc;
use std::time::Duration;

use gatekeeper_core::connection::{Connection, Phase};
use gatekeeper_core::ids::{EndpointId, ServiceId};
use gatekeeper_core::request::Request;
use gatekeeper_core::vote::{Channel, Unrecorded};
use jiff::Timestamp;

use super::super::log::Log;
use crate::clock::{Clock, Deadline};
use crate::ec2::{Connections, Listed, Services};
use crate::error::Error;

/// How long a voter waits for one call to EC2, and for all of them. If they take longer, reconcile
/// does the rest.
const TIMEOUTS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(8));
/// Slack shows an error after three seconds in all.
const TIMEOUTS_IN_SLACK: (Duration, Duration) =
    (Duration::from_millis(700), Duration::from_millis(1700));

/// How long a voter waits.
#[derive(Clone, Copy)]
pub(super) struct Waits {
    /// For each call.
    each: Duration,
    /// The end of all calls.
    pub(super) end: Timestamp,
}

/// EC2's answers about a vote's connection.
pub(super) struct Observed {
    /// The managed services; `None` if EC2 did not say.
    pub(super) managed: Option<Arc<[ServiceId]>>,
    /// The connection, or `None` if EC2 does not list it; or why its answer cannot be used.
    pub(super) connection: Result<Option<Connection>, Unrecorded>,
    /// A time that is not later than the call.
    pub(super) seen_at: Timestamp,
}

/// Asks EC2 for votes.
#[derive(Debug)]
pub(in super::super) struct Observer {
    pub(in super::super) connections: Connections,
    pub(in super::super) services: Services,
    pub(in super::super) clock: Clock,
    pub(in super::super) log: Log,
}

impl Waits {
    pub(super) fn new(channel: Channel, clock: &Clock) -> Self {
        let (each, all) = match channel {
            Channel::Slack => TIMEOUTS_IN_SLACK,
            Channel::Email | Channel::Iam => TIMEOUTS,
        };
        let end = Deadline::after(clock, all).0;
        Self { each, end }
    }

    /// When the next call has to be finished.
    pub(super) fn until(self, clock: &Clock) -> Timestamp {
        Deadline::after(clock, self.each).0.min(self.end)
    }
}

impl Observed {
    /// What is known if EC2 did not answer.
    pub(super) fn silent(seen_at: Timestamp) -> Self {
        Self {
            managed: None,
            connection: Err(Unrecorded::Silent),
            seen_at,
        }
    }
}

impl Observer {
    /// The managed services; `None` if EC2 does not list them in time. Nobody is refused a vote for
    /// that reason.
    pub(super) async fn managed(&self, waits: Waits) -> Option<Arc<[ServiceId]>> {
        let asked = self.services.managed_services();
        match self.clock.until_done(waits.until(&self.clock), asked).await {
            Some(Ok(managed)) => Some(managed),
            Some(Err(error)) => {
                self.log.failure(&error, None);
                None
            }
            None => {
                tracing::warn!(
                    "EC2 takes longer than anybody waits to say which services are managed"
                );
                None
            }
        }
    }

    /// What EC2 says of a request's connection.
    pub(super) async fn observe(&self, request: &Request, waits: Waits) -> Observed {
        let (id, service) = (&request.endpoint_id, &request.service_id);
        let seen_at = self.clock.now();
        let asked = async {
            let managed = self.services.managed_services().await?;
            let (ids, services) = (std::slice::from_ref(id), std::slice::from_ref(service));
            let listed = self.connections.connections(ids, services).await?;
            Ok::<_, Arc<Error>>((managed, listed))
        };
        match self.in_time(id, waits, asked).await {
            Some((managed, listed)) => Observed {
                managed: Some(managed),
                connection: self.listed_for(request, listed, waits).await,
                seen_at,
            },
            None => Observed::silent(seen_at),
        }
    }

    /// Waits for EC2 as long as the voter waits; `None` if it does not answer by then, or fails.
    async fn in_time<T>(
        &self,
        endpoint_id: &EndpointId,
        waits: Waits,
        asked: impl Future<Output = Result<T, Arc<Error>>>,
    ) -> Option<T> {
        let until = waits.until(&self.clock);
        match self.clock.until_done(until, asked).await {
            Some(Ok(answer)) => Some(answer),
            Some(Err(error)) => {
                self.log.failure(&error, Some(endpoint_id));
                None
            }
            None => {
                tracing::warn!(%endpoint_id, "EC2 takes longer than the voter waits; the vote is not recorded");
                None
            }
        }
    }

    /// The connection, listed by its id or among its consumer's connections; `None` if EC2 lists it
    /// in neither way.
    async fn listed_for(
        &self,
        request: &Request,
        listed: Listed,
        waits: Waits,
    ) -> Result<Option<Connection>, Unrecorded> {
        let id = &request.endpoint_id;
        if let Some(connection) = read_from(listed, id)? {
            return Ok(Some(connection));
        }
        let asked = self
            .connections
            .of_consumer(&request.service_id, &request.account_id);
        match self.in_time(id, waits, asked).await {
            Some(listed) => read_from(listed, id),
            None => Err(Unrecorded::Silent),
        }
    }
}

/// An endpoint's connection from EC2's list; `None` if it is not there.
fn read_from(listed: Listed, id: &EndpointId) -> Result<Option<Connection>, Unrecorded> {
    let is_listed = |connection: &&Connection| connection.endpoint_id == *id;
    let connection = listed.connections.iter().find(is_listed).cloned();
    let mut unreadable = listed.unreadable.iter();
    let is_named = unreadable.any(|one| one.endpoint_id.as_ref() == Some(id));
    match connection {
        _ if is_named || listed.is_attachment(id) => Err(Unrecorded::Unreadable),
        None if listed.leaves_alone(id) => Err(Unrecorded::Unreadable),
        Some(connection) if connection.state.phase() == Phase::Unknown => {
            Err(Unrecorded::UnknownState(connection.state))
        }
        connection => Ok(connection),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatekeeper_core::connection::ConnectionState;
    use gatekeeper_core::listing::Unreadable;

    #[test]
    fn a_vote_needs_a_readable_answer_from_ec2() {
        let id: EndpointId = "vpce-00000000000000003".parse().unwrap();
        let connection = |id: &str, state: &str| Connection {
            service_id: "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap(),
            endpoint_id: id.parse().unwrap(),
            owner: "000000000003".parse().unwrap(),
            region: "eu-central-1".parse().unwrap(),
            state: state.to_owned().into(),
            created_at: None,
        };
        // A malformed id stands for an entry that cannot be read.
        let unreadable_one = |id: &&str| Unreadable {
            name: (*id).to_owned(),
            service_id: None,
            endpoint_id: id.parse().ok(),
            field: "vpcEndpointOwner",
            why: "is missing".to_owned(),
            created_at: None,
            has_ended: false,
        };
        let read = |connections: &[Connection], unreadable: &[&str]| {
            let listed = Listed {
                connections: connections.to_vec(),
                unreadable: unreadable.iter().map(unreadable_one).collect(),
                ..Listed::default()
            };
            read_from(listed, &id)
        };
        let waits = connection(id.as_str(), "pendingAcceptance");
        let other = connection("vpce-00000000000000009", "hibernating");
        assert_eq!(read(&[], &[]), Ok(None));
        assert_eq!(
            read(std::slice::from_ref(&other), &["vpce-00000000000000008"]),
            Ok(None)
        );
        assert_eq!(read(&[other, waits.clone()], &[]), Ok(Some(waits.clone())));
        assert_eq!(read(&[], &[id.as_str()]), Err(Unrecorded::Unreadable));
        assert_eq!(read(&[], &["?"]), Err(Unrecorded::Unreadable));
        let listed = Some(waits.clone());
        assert_eq!(read(std::slice::from_ref(&waits), &["?"]), Ok(listed));
        // It is listed twice, once in a form that cannot be read: that one may be the one that
        // counts.
        assert_eq!(read(&[waits], &[id.as_str()]), Err(Unrecorded::Unreadable));
        let state = ConnectionState::Unknown("hibernating".to_owned());
        let odd = connection(id.as_str(), "hibernating");
        assert_eq!(read(&[odd], &[]), Err(Unrecorded::UnknownState(state)));
    }
}
