//! Finds ids in a text or a document whose layout nobody guarantees.

use std::collections::HashSet;
use std::hash::Hash;

use gatekeeper_core::hint::{MOST_ENDPOINTS, MOST_SERVICES, Subject};
use gatekeeper_core::ids::{EndpointId, ServiceId};
use serde_json::Value;

/// Ids in the order in which they were found, each once, up to as many as are looked up one by one.
#[derive(Debug, Default)]
pub(super) struct Mentioned {
    services: UpTo<ServiceId, MOST_SERVICES>,
    endpoints: UpTo<EndpointId, MOST_ENDPOINTS>,
    /// Whether there is an id of a Transit Gateway attachment.
    attachments: bool,
}

impl Mentioned {
    pub(super) fn in_value(value: &Value) -> Self {
        let mut mentioned = Self::default();
        each_text(value, &mut |text| mentioned.add(text));
        mentioned
    }

    /// Adds the ids in a text. An id ends where no letter, digit or dash follows.
    pub(super) fn add(&mut self, text: &str) {
        // This is one pass that stops adding at the limits. If it collected everything without
        // repeats first, a text of nothing but ids would take quadratic time.
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        for word in words {
            self.attachments |= word.starts_with("tgw-attach-");
            if !word.starts_with("vpce-") {
                continue;
            }
            if let Ok(endpoint) = word.parse() {
                self.endpoints.add(endpoint);
            } else if let Ok(service) = word.parse() {
                self.services.add(service);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.services.found.is_empty() && self.endpoints.found.is_empty()
    }

    pub(super) fn add_service(&mut self, service: ServiceId) {
        self.services.add(service);
    }

    pub(super) fn forget_services(&mut self) {
        self.services = UpTo::default();
    }

    /// Removes endpoints. Answers whether that removed all that there were.
    pub(super) fn leave_out(&mut self, others: &Mentioned) -> bool {
        let before = self.endpoints.found.len();
        self.endpoints
            .found
            .retain(|endpoint| !others.endpoints.known.contains(endpoint));
        before > 0 && self.endpoints.found.is_empty() && !self.endpoints.more
    }

    /// Where to look after a decision: like [`Mentioned::subjects`], unless it names attachments
    /// and no endpoint.
    pub(super) fn subjects_of_decision(self, fallback: Subject) -> Vec<Subject> {
        if !self.attachments || !self.endpoints.found.is_empty() {
            return self.subjects(fallback);
        }
        if self.services.found.is_empty() || self.services.more {
            return vec![Subject::Attachments(None)];
        }
        let services = self.services.found.into_iter();
        services.map(|id| Subject::Attachments(Some(id))).collect()
    }

    /// Where to look: at the endpoints; without any, at the services; without any, at `fallback`.
    pub(super) fn subjects(self, fallback: Subject) -> Vec<Subject> {
        let Self {
            mut services,
            endpoints,
            ..
        } = self;
        if !endpoints.found.is_empty() && !endpoints.more {
            // With several services it is unknown which endpoint belongs to which.
            let only = services.found.len() == 1;
            return vec![Subject::Endpoints {
                service_id: services.found.pop().filter(|_| only),
                endpoint_ids: endpoints.found,
            }];
        }
        if !services.found.is_empty() && !services.more {
            return services.found.into_iter().map(Subject::Service).collect();
        }
        vec![fallback]
    }
}

/// A small set in order of arrival that remembers whether there was more.
#[derive(Debug)]
struct UpTo<T, const MOST: usize> {
    found: Vec<T>,
    known: HashSet<T>,
    more: bool,
}

impl<T, const MOST: usize> Default for UpTo<T, MOST> {
    fn default() -> Self {
        Self {
            found: Vec::new(),
            known: HashSet::new(),
            more: false,
        }
    }
}

impl<T: Clone + Eq + Hash, const MOST: usize> UpTo<T, MOST> {
    fn add(&mut self, item: T) {
        if self.more || self.known.contains(&item) {
            return;
        }
        if self.found.len() == MOST {
            self.more = true;
        } else {
            self.known.insert(item.clone());
            self.found.push(item);
        }
    }
}

/// Every text in a document, names of fields included.
///
/// This does not read the document's own text: in that, an id after an escaped line end reads
/// `\nvpce-…` and would look like a longer word.
pub(super) fn each_text(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(items) => {
            for item in items {
                each_text(item, see);
            }
        }
        Value::Object(fields) => {
            for (name, item) in fields {
                see(name);
                each_text(item, see);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn subjects(text: &str) -> Vec<Subject> {
        let mut mentioned = Mentioned::default();
        mentioned.add(text);
        mentioned.subjects(Subject::Everything)
    }

    fn service(id: &str) -> ServiceId {
        id.parse().unwrap()
    }

    fn endpoints(service_id: Option<&str>, ids: &[&str]) -> Vec<Subject> {
        vec![Subject::Endpoints {
            service_id: service_id.map(service),
            endpoint_ids: ids.iter().map(|id| id.parse().unwrap()).collect(),
        }]
    }

    #[test]
    fn endpoints_then_services_then_the_fallback() {
        assert_eq!(
            subjects(
                "vpce-0a1b2c3d of com.amazonaws.vpce.us-east-1.vpce-svc-0a1b2c3d, again vpce-0a1b2c3d"
            ),
            endpoints(Some("vpce-svc-0a1b2c3d"), &["vpce-0a1b2c3d"])
        );
        assert_eq!(
            subjects("vpce-svc-0a1b2c3d"),
            [Subject::Service(service("vpce-svc-0a1b2c3d"))]
        );
        assert_eq!(
            subjects("vpce-nfn-0a1b2c3d xvpce-0a1b2c3d vpce-0a1b2c3d-x"),
            [Subject::Everything]
        );
        assert_eq!(subjects(""), [Subject::Everything]);
    }

    #[test]
    fn with_several_services_none_is_called_the_endpoints_one() {
        assert_eq!(
            subjects("vpce-svc-0a1b2c3d vpce-svc-11111111 vpce-0a1b2c3d"),
            endpoints(None, &["vpce-0a1b2c3d"])
        );
        assert_eq!(
            subjects("vpce-svc-0a1b2c3d vpce-svc-11111111"),
            [
                Subject::Service(service("vpce-svc-0a1b2c3d")),
                Subject::Service(service("vpce-svc-11111111"))
            ]
        );
    }

    #[test]
    fn too_many_ids_are_not_looked_up_one_by_one() {
        let ids = |prefix: &str, count: usize| -> String {
            (0..count).map(|n| format!("{prefix}{n:08x} ")).collect()
        };
        let most = subjects(&ids("vpce-", MOST_ENDPOINTS));
        assert!(
            matches!(&most[..], [Subject::Endpoints { endpoint_ids, .. }] if endpoint_ids.len() == MOST_ENDPOINTS)
        );
        assert_eq!(
            subjects(&ids("vpce-", MOST_ENDPOINTS + 1)),
            [Subject::Everything]
        );
        assert_eq!(
            subjects(&(ids("vpce-", MOST_ENDPOINTS + 1) + "vpce-svc-0a1b2c3d")),
            [Subject::Service(service("vpce-svc-0a1b2c3d"))]
        );
        assert_eq!(
            subjects(&ids("vpce-svc-", MOST_SERVICES)).len(),
            MOST_SERVICES
        );
        assert_eq!(
            subjects(&ids("vpce-svc-", MOST_SERVICES + 1)),
            [Subject::Everything]
        );
    }

    #[test]
    fn an_id_is_found_wherever_it_stands_in_a_document() {
        for value in [
            json!("vpce-0a1b2c3d"),
            json!([[1, null, {"x": {"y": "line\nvpce-0a1b2c3d\n"}}]]),
            json!({"vpce-0a1b2c3d": true}),
            json!({"arn": "arn:aws:ec2:us-east-1:111122223333:vpc-endpoint/vpce-0a1b2c3d"}),
        ] {
            assert_eq!(
                Mentioned::in_value(&value).subjects(Subject::Everything),
                endpoints(None, &["vpce-0a1b2c3d"]),
                "{value}"
            );
        }
    }
}
