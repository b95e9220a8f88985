use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;

use jiff::Timestamp;

use super::connection::Connection;
use super::endpoint::Endpoint;
use super::notification::Notification;
use super::service::Service;
use crate::caller::Caller;
use crate::query::Params;

/// An account, a Region, an action, and the `ClientToken` of a call.
pub(crate) type TokenKey = (String, String, String, String);

/// The id of what a call with a `ClientToken` created, and the parameters of that call.
#[derive(Debug)]
pub(crate) struct Created {
    pub(crate) id: String,
    pub(crate) params: Params,
}

/// All that there is, with the indexes that keep lists fast.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) services: BTreeMap<String, Service>,
    pub(crate) notifications: BTreeMap<String, Notification>,
    /// What calls with a `ClientToken` created.
    pub(crate) client_tokens: HashMap<TokenKey, Created>,
    endpoints: HashMap<String, Endpoint>,
    by_service: BTreeMap<String, BTreeMap<u64, String>>,
    by_owner: BTreeMap<String, BTreeMap<u64, String>>,
    /// The connections of each transit gateway attachment.
    by_attachment: BTreeMap<String, BTreeMap<u64, String>>,
    /// Deleted endpoints and when they are gone.
    graves: VecDeque<(Timestamp, String)>,
    last_number: u64,
    /// Counts what may have changed an endpoint.
    changes: u64,
}

impl Store {
    /// The number of the next endpoint: lists are in the order of numbers.
    pub(crate) fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Adds an endpoint; one with the same id is replaced.
    pub(crate) fn insert(&mut self, endpoint: Endpoint) {
        self.changes += 1;
        self.remove(&endpoint.id);
        let index = self
            .by_service
            .entry(endpoint.service_id.clone())
            .or_default();
        index.insert(endpoint.number, endpoint.id.clone());
        let index = self.by_owner.entry(endpoint.owner.clone()).or_default();
        index.insert(endpoint.number, endpoint.id.clone());
        if let Some(of) = &endpoint.attachment {
            let index = self.by_attachment.entry(of.id.clone()).or_default();
            index.insert(endpoint.number, endpoint.id.clone());
        }
        self.endpoints.insert(endpoint.id.clone(), endpoint);
    }

    pub(crate) fn remove(&mut self, id: &str) {
        self.changes += 1;
        if let Some(endpoint) = self.endpoints.remove(id) {
            if let Some(index) = self.by_service.get_mut(&endpoint.service_id) {
                index.remove(&endpoint.number);
            }
            if let Some(index) = self.by_owner.get_mut(&endpoint.owner) {
                index.remove(&endpoint.number);
            }
            let of = endpoint.attachment.map(|of| of.id);
            if let Some(index) = of.and_then(|id| self.by_attachment.get_mut(&id)) {
                index.remove(&endpoint.number);
            }
        }
    }

    pub(crate) fn endpoint(&self, id: &str) -> Option<&Endpoint> {
        self.endpoints.get(id)
    }

    pub(crate) fn endpoint_mut(&mut self, id: &str) -> Option<&mut Endpoint> {
        self.changes += 1;
        self.endpoints.get_mut(id)
    }

    /// Goes up whenever an endpoint may have changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// All connections of endpoints as of a moment, by service, then by age.
    pub(crate) fn connections(&self, now: Timestamp) -> Vec<Connection> {
        let endpoints = self.connected("").flat_map(|id| self.of_service(id, 0));
        endpoints
            .filter(|endpoint| endpoint.attachment.is_none())
            .filter_map(|endpoint| endpoint.connection(now))
            .collect()
    }

    /// The endpoints of a service, from behind a number on.
    pub(crate) fn of_service(&self, id: &str, after: u64) -> impl Iterator<Item = &Endpoint> {
        self.indexed(self.by_service.get(id), after)
    }

    /// All services that anything is or was connected to, deleted ones too, from one on, by their ids.
    pub(crate) fn connected(&self, from: &str) -> impl Iterator<Item = &str> {
        let range = (Bound::Included(from), Bound::Unbounded);
        self.by_service
            .range::<str, _>(range)
            .map(|(id, _)| id.as_str())
    }

    /// The keys of the connections of a transit gateway attachment.
    pub(crate) fn attached(&self, id: &str) -> Vec<String> {
        let index = self.by_attachment.get(id);
        index
            .into_iter()
            .flat_map(BTreeMap::values)
            .cloned()
            .collect()
    }

    /// The ids of all transit gateway attachments, in order.
    pub(crate) fn attachment_ids(&self) -> impl Iterator<Item = &String> {
        self.by_attachment.keys()
    }

    /// The endpoints of an account, from behind a number on.
    pub(crate) fn of_owner(&self, account: &str, after: u64) -> impl Iterator<Item = &Endpoint> {
        self.indexed(self.by_owner.get(account), after)
    }

    fn indexed<'a>(
        &'a self,
        index: Option<&'a BTreeMap<u64, String>>,
        after: u64,
    ) -> impl Iterator<Item = &'a Endpoint> {
        let range = (Bound::Excluded(after), Bound::Unbounded);
        index
            .into_iter()
            .flat_map(move |index| index.range(range))
            .filter_map(|(_, id)| self.endpoints.get(id))
    }

    /// The service, if it is the caller's own, in the Region of the call.
    pub(crate) fn own_service(&self, caller: &Caller, id: &str) -> Option<&Service> {
        self.services
            .get(id)
            .filter(|service| service.is_own(caller))
    }

    pub(crate) fn own_service_mut(&mut self, caller: &Caller, id: &str) -> Option<&mut Service> {
        self.services
            .get_mut(id)
            .filter(|service| service.is_own(caller))
    }

    /// Remembers when an endpoint is to be forgotten.
    pub(crate) fn bury(&mut self, gone: Timestamp, id: &str) {
        self.graves.push_back((gone, id.to_owned()));
    }

    /// Forgets the endpoints that were gone before `before`.
    pub(crate) fn sweep(&mut self, before: Timestamp) {
        while let Some((gone, id)) = self.graves.pop_front() {
            if gone > before {
                self.graves.push_front((gone, id));
                break;
            }
            // Its state may have been set by hand since, or its id given to another.
            let still = self
                .endpoints
                .get(&id)
                .is_some_and(|endpoint| endpoint.timeline.state_at(before).is_some());
            if !still {
                self.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{Config, Ec2, ManualClock, NewConnection, NewService, State};

    #[test]
    fn what_is_gone_is_forgotten_unless_it_was_brought_back() {
        let clock = ManualClock::default();
        let ec2 = Ec2::new(Config {
            clock: clock.clock(),
            ..Config::default()
        });
        let service = ec2.put_service(NewService::new()).id;
        let put = || ec2.put_connection(NewConnection::new(&service, "111122223333"));
        let [gone, back, later] = [(); 3].map(|()| put().unwrap().endpoint_id);
        assert!(ec2.delete_endpoint(&gone) && ec2.delete_endpoint(&back));
        assert!(ec2.set_state(&back, State::Available));
        clock.advance(Duration::from_secs(4));
        assert!(ec2.delete_endpoint(&later));
        ec2.store().sweep(clock.now());
        let known = |id: &str| ec2.store().endpoint(id).is_some();
        assert_eq!(
            [known(&gone), known(&back), known(&later)],
            [false, true, true]
        );
        assert_eq!(ec2.store().of_service(&service, 0).count(), 2);
    }
}
