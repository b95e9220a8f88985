//! Asking EC2 for a vote's sake, as long as whoever votes waits.

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

/// For how long whoever votes waits for EC2 to say what is, and then for it to do what was decided; and for
/// all of it. What is not done by then is done by reconcile.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(8));
/// Slack shows an error after three seconds, all told.
const PATIENCE_IN_SLACK: (Duration, Duration) =
    (Duration::from_millis(700), Duration::from_millis(1700));

/// For how long whoever votes waits.
#[derive(Clone, Copy)]
pub(super) struct Waits {
    /// For each thing.
    each: Duration,
    /// Until when, all told.
    pub(super) end: Timestamp,
}

/// What EC2 said when it was asked for a vote's sake.
pub(super) struct Observed {
    /// The managed services; none if EC2 did not say.
    pub(super) managed: Option<Arc<[ServiceId]>>,
    /// The connection, none if EC2 does not list it; or why its answer cannot be relied upon.
    pub(super) connection: Result<Option<Connection>, Unrecorded>,
    /// Not later than it was asked.
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
            Channel::Slack => PATIENCE_IN_SLACK,
            Channel::Email | Channel::Iam => PATIENCE,
        };
        let end = Deadline::after(clock, all).0;
        Self { each, end }
    }

    /// Until when the next thing is waited for.
    pub(super) fn until(self, clock: &Clock) -> Timestamp {
        Deadline::after(clock, self.each).0.min(self.end)
    }
}

impl Observed {
    /// What is known where EC2 said nothing.
    pub(super) fn silent(seen_at: Timestamp) -> Self {
        Self {
            managed: None,
            connection: Err(Unrecorded::Silent),
            seen_at,
        }
    }
}

impl Observer {
    /// The services that are looked after; none if EC2 does not say so in time. Nobody is kept from
    /// looking for that.
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

    /// Has EC2 asked as long as whoever votes waits; none if it does not answer by then, or not at all.
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
                tracing::warn!(%endpoint_id, "EC2 takes longer than whoever votes waits; the vote is not recorded");
                None
            }
        }
    }

    /// The connection as EC2 lists it, by itself or among its consumer's; none if neither.
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

/// An endpoint's connection from what EC2 listed; none if it is not there.
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
    fn what_ec2_lists_is_voted_on_only_where_it_can_be_read() {
        let id: EndpointId = "vpce-00000000000000003".parse().unwrap();
        let connection = |id: &str, state: &str| Connection {
            service_id: "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap(),
            endpoint_id: id.parse().unwrap(),
            owner: "000000000003".parse().unwrap(),
            region: "eu-central-1".parse().unwrap(),
            state: state.to_owned().into(),
            created_at: None,
        };
        // A name that is no id stands for one that cannot be read.
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
        // Listed twice, once in a way that cannot be read: that may be the one that counts.
        assert_eq!(read(&[waits], &[id.as_str()]), Err(Unrecorded::Unreadable));
        let state = ConnectionState::Unknown("hibernating".to_owned());
        let odd = connection(id.as_str(), "hibernating");
        assert_eq!(read(&[odd], &[]), Err(Unrecorded::UnknownState(state)));
    }
}
