//! The hints of a batch, sorted by endpoint.

use std::collections::{BTreeMap, BTreeSet};

use super::{Hint, HintKind, Subject};
use crate::caller::Caller;
use crate::ids::{EndpointId, ServiceId};

/// The hints of a batch by the endpoints that they name. Built once, so that the work for a batch
/// grows with the size of its hints, and not with that times the number of hints.
#[derive(Debug, Default)]
pub struct ByEndpoint<'a>(BTreeMap<&'a EndpointId, Said<'a>>);

/// What hints say about one endpoint.
#[derive(Debug, Default)]
pub struct Said<'a> {
    /// The services that they name; `None` for a hint that names none.
    services: BTreeSet<Option<&'a ServiceId>>,
    /// The services of those hints after which the endpoint may be new.
    may_be_new: BTreeSet<Option<&'a ServiceId>>,
    /// The hints that name an actor.
    named_by: Vec<&'a Hint>,
    /// Whether a policy entry about it was edited.
    pub is_edited: bool,
}

impl<'a> ByEndpoint<'a> {
    /// Sorts hints by endpoint.
    #[must_use]
    pub fn of(hints: &'a [Hint]) -> Self {
        let mut all: BTreeMap<&EndpointId, Said<'a>> = BTreeMap::new();
        for hint in hints {
            let Subject::Endpoints {
                service_id,
                endpoint_ids,
            } = &hint.subject
            else {
                continue;
            };
            for id in endpoint_ids {
                let said = all.entry(id).or_default();
                said.services.insert(service_id.as_ref());
                if !matches!(hint.kind, HintKind::Deleted | HintKind::PolicyEdited) {
                    said.may_be_new.insert(service_id.as_ref());
                }
                if hint.actor.is_some() {
                    said.named_by.push(hint);
                }
                said.is_edited |= hint.kind == HintKind::PolicyEdited;
            }
        }
        Self(all)
    }

    /// Whether no hint names an endpoint.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The endpoints that hints name, each once.
    #[must_use]
    pub fn ids(&self) -> BTreeSet<EndpointId> {
        self.0.keys().map(|id| (*id).clone()).collect()
    }

    /// What the hints say about this endpoint.
    #[must_use]
    pub fn get(&self, id: &EndpointId) -> Option<&Said<'a>> {
        self.0.get(id)
    }
}

impl<'a> Said<'a> {
    /// The services that hints name for the endpoint; `None` if one of them names none, so that it
    /// may be any service.
    #[must_use]
    pub fn services(&self) -> Option<impl Iterator<Item = &'a ServiceId>> {
        let named = !self.services.contains(&None);
        named.then(|| self.services.iter().filter_map(|service| *service))
    }

    /// Whether an endpoint that EC2 does not list may soon be listed at one of our services.
    #[must_use]
    pub fn may_be_new(&self, managed: &BTreeSet<ServiceId>) -> bool {
        let mut services = self.may_be_new.iter();
        services.any(|service| service.is_none_or(|service| managed.contains(service)))
    }

    /// Who decided about the endpoint of this service, in the order of the hints. A call about
    /// another service did not affect it.
    #[must_use]
    pub fn callers(&self, service: &ServiceId) -> Vec<Caller> {
        let is_about = |hint: &&&Hint| match &hint.subject {
            Subject::Endpoints { service_id, .. } => {
                service_id.as_ref().is_none_or(|id| id == service)
            }
            _ => false,
        };
        let about = self.named_by.iter().filter(is_about);
        about.filter_map(|hint| Caller::of(hint)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(n: usize) -> EndpointId {
        format!("vpce-{n:017x}").parse().unwrap()
    }

    fn service(n: usize) -> ServiceId {
        format!("vpce-svc-{n:017x}").parse().unwrap()
    }

    fn hint(kind: HintKind, service_id: Option<ServiceId>, ids: &[usize]) -> Hint {
        Hint {
            kind,
            subject: Subject::Endpoints {
                service_id,
                endpoint_ids: ids.iter().map(|n| endpoint(*n)).collect(),
            },
            actor: None,
        }
    }

    fn named(mut hint: Hint, name: &str) -> Hint {
        let arn = format!("arn:aws:iam::111122223333:user/{name}");
        hint.actor = Some(arn.parse().unwrap());
        hint
    }

    #[test]
    fn each_endpoint_has_the_content_of_its_hints() {
        let hints = [
            hint(HintKind::Requested, Some(service(1)), &[1, 2]),
            hint(HintKind::Deleted, None, &[2, 3]),
            hint(HintKind::PolicyEdited, Some(service(1)), &[4]),
        ];
        let by_endpoint = ByEndpoint::of(&hints);
        assert_eq!(by_endpoint.ids().len(), 4);
        let of = |n| by_endpoint.get(&endpoint(n)).unwrap();
        let services = |n| Some(of(n).services()?.cloned().collect::<Vec<_>>());
        assert_eq!(services(1), Some(vec![service(1)]));
        assert_eq!(services(2), None, "one of its hints names no service");
        let managed = BTreeSet::from([service(1)]);
        let new: Vec<bool> = (1..=4).map(|n| of(n).may_be_new(&managed)).collect();
        assert_eq!(new, [true, true, false, false]);
        assert!(!of(1).may_be_new(&BTreeSet::from([service(2)])));
        assert!(of(4).is_edited && !of(1).is_edited);
        assert!(by_endpoint.get(&endpoint(9)).is_none());
    }

    #[test]
    fn the_caller_for_another_service_is_not_named() {
        let hints = [
            named(hint(HintKind::Accepted, Some(service(2)), &[1]), "mallory"),
            named(hint(HintKind::Accepted, Some(service(1)), &[1]), "alice"),
            named(hint(HintKind::Requested, Some(service(1)), &[1]), "bob"),
            named(hint(HintKind::Rejected, None, &[1]), "carol"),
        ];
        let by_endpoint = ByEndpoint::of(&hints);
        let callers = by_endpoint.get(&endpoint(1)).unwrap().callers(&service(1));
        let names: Vec<&str> = callers.iter().map(|caller| caller.arn.as_str()).collect();
        assert_eq!(
            names,
            [
                "arn:aws:iam::111122223333:user/alice",
                "arn:aws:iam::111122223333:user/carol"
            ]
        );
    }

    /// This would take hours here if each hint were compared with each endpoint, or each endpoint
    /// with each other: 200,000 endpoints in 20,000 hints.
    #[test]
    fn the_work_grows_with_the_size_of_the_hints() {
        let hints: Vec<Hint> = (0..20_000)
            .map(|n| {
                let ids: Vec<usize> = (n * 10..(n + 1) * 10).collect();
                hint(HintKind::Deleted, None, &ids)
            })
            .collect();
        let by_endpoint = ByEndpoint::of(&hints);
        let ids = by_endpoint.ids();
        assert_eq!(ids.len(), 200_000);
        let managed = BTreeSet::from([service(1)]);
        let new = ids.iter().filter_map(|id| by_endpoint.get(id));
        assert_eq!(new.filter(|said| said.may_be_new(&managed)).count(), 0);
    }
}
