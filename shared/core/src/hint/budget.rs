//! Bounds how many things events can make us look up one by one.
//!
//! The sender of an event chooses what it names. Beyond the budget, we look through the named
//! service, or through everything: that costs as much as one run of reconcile, no matter how much
//! was named.

use std::collections::HashSet;

use super::{Hint, Subject};
use crate::ids::{EndpointId, ServiceId};

/// Endpoints that one record can make us look up one by one.
pub const MOST_ENDPOINTS: usize = 100;
/// Endpoints that all records of a batch can make us look up one by one: more than a full batch of
/// records names if each reports one call.
pub const MOST_IN_BATCH: usize = 1000;
/// Services that a record, or a batch, may name.
pub const MOST_SERVICES: usize = 10;
/// Topics that a record, or a batch, may name: each costs a call to EC2.
pub const MOST_TOPICS: usize = 10;

/// What is left of the budget.
#[derive(Debug)]
pub struct Budget {
    endpoints: UpTo<EndpointId>,
    services: UpTo<ServiceId>,
    topics: UpTo<String>,
}

impl Budget {
    /// For the hints of one record.
    #[must_use]
    pub fn of_record() -> Self {
        Self::new(MOST_ENDPOINTS)
    }

    /// For the hints of all records of a batch.
    #[must_use]
    pub fn of_batch() -> Self {
        Self::new(MOST_IN_BATCH)
    }

    fn new(endpoints: usize) -> Self {
        Self {
            endpoints: UpTo::new(endpoints),
            services: UpTo::new(MOST_SERVICES),
            topics: UpTo::new(MOST_TOPICS),
        }
    }

    /// The hint, if the budget allows it; otherwise a wider one that includes its subject.
    #[must_use]
    pub fn admit(&mut self, hint: Hint) -> Hint {
        let Hint {
            kind,
            subject,
            actor,
        } = hint;
        let subject = self.admit_subject(subject);
        // The name belongs to the endpoints of the call.
        let actor = actor.filter(|_| !subject.endpoints().is_empty());
        Hint {
            kind,
            subject,
            actor,
        }
    }

    fn admit_subject(&mut self, subject: Subject) -> Subject {
        match subject {
            Subject::Endpoints {
                service_id,
                endpoint_ids,
            } => {
                if self.endpoints.take_all(&endpoint_ids) {
                    return Subject::Endpoints {
                        service_id,
                        endpoint_ids,
                    };
                }
                let service = service_id.map(Subject::Service);
                service.map_or(Subject::Everything, |subject| self.admit_subject(subject))
            }
            Subject::Service(id) if !self.services.take_all(std::slice::from_ref(&id)) => {
                Subject::Everything
            }
            Subject::Topic(arn) if !self.topics.take_all(std::slice::from_ref(&arn)) => {
                Subject::Everything
            }
            // Edits of the policy are trusted; no event names a consumer.
            subject => subject,
        }
    }
}

/// A set with a maximum size.
#[derive(Debug)]
struct UpTo<T> {
    most: usize,
    taken: HashSet<T>,
}

impl<T: Clone + Eq + std::hash::Hash> UpTo<T> {
    fn new(most: usize) -> Self {
        Self {
            most,
            taken: HashSet::new(),
        }
    }

    /// Adds all of them, if there is room for all.
    fn take_all(&mut self, items: &[T]) -> bool {
        let new: Vec<&T> = items
            .iter()
            .filter(|item| !self.taken.contains(item))
            .collect();
        if self.taken.len() + new.len() > self.most {
            return false;
        }
        let new: Vec<T> = new.into_iter().cloned().collect();
        self.taken.extend(new);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hint::HintKind;

    fn hint(subject: Subject) -> Hint {
        Hint {
            kind: HintKind::Accepted,
            subject,
            actor: Some("arn:aws:iam::111122223333:user/alice".parse().unwrap()),
        }
    }

    fn endpoints(service: Option<&ServiceId>, ids: std::ops::Range<usize>) -> Hint {
        hint(Subject::Endpoints {
            service_id: service.cloned(),
            endpoint_ids: ids
                .map(|n| format!("vpce-{n:017x}").parse().unwrap())
                .collect(),
        })
    }

    fn service(n: usize) -> ServiceId {
        format!("vpce-svc-{n:017x}").parse().unwrap()
    }

    #[test]
    fn beyond_the_budget_the_service_or_everything_is_looked_through() {
        let mut budget = Budget::of_record();
        let within = endpoints(Some(&service(1)), 0..MOST_ENDPOINTS);
        assert_eq!(budget.admit(within.clone()), within);
        assert_eq!(
            budget.admit(within.clone()),
            within,
            "the same again costs nothing"
        );
        let one_more = 0..MOST_ENDPOINTS + 1;
        let beyond = budget.admit(endpoints(Some(&service(1)), one_more.clone()));
        assert_eq!(beyond.subject, Subject::Service(service(1)));
        assert_eq!(beyond.actor, None, "nobody is named for a whole service");
        assert_eq!(beyond.kind, HintKind::Accepted);
        let beyond = budget.admit(endpoints(None, one_more));
        assert_eq!(beyond.subject, Subject::Everything);
    }

    #[test]
    fn services_and_topics_are_bounded_as_well() {
        let mut budget = Budget::of_batch();
        for n in 0..MOST_SERVICES + 5 {
            let announced = budget.admit(hint(Subject::Service(service(n)))).subject;
            let within = n < MOST_SERVICES;
            assert_eq!(announced == Subject::Service(service(n)), within, "{n}");
            assert_eq!(announced == Subject::Everything, !within, "{n}");
        }
        for n in 0..MOST_TOPICS + 5 {
            let announced = budget
                .admit(hint(Subject::Topic(format!("arn:{n}"))))
                .subject;
            assert_eq!(announced == Subject::Everything, n >= MOST_TOPICS, "{n}");
        }
    }

    /// No matter how many hints there are, the number of look-ups stays within the bounds.
    #[test]
    fn no_number_of_hints_gets_past_the_bounds() {
        let mut budget = Budget::of_batch();
        let mut named: HashSet<EndpointId> = HashSet::new();
        let mut subjects: HashSet<Subject> = HashSet::new();
        for n in 0..2000 {
            let announced = budget.admit(endpoints(Some(&service(n)), n * 50..(n + 1) * 50));
            named.extend(announced.subject.endpoints().iter().cloned());
            if announced.subject.endpoints().is_empty() {
                subjects.insert(announced.subject);
            }
        }
        assert_eq!(named.len(), MOST_IN_BATCH);
        assert!(subjects.len() <= MOST_SERVICES + 1, "{}", subjects.len());
    }
}
