//! What a world file has named so far.

use std::collections::BTreeMap;

use gatekeeper_core::ids::ServiceId;

use super::attachments::{Attachment, Subject};
use super::parts::{Connection, Service};
use super::problem::{BadWorld, Place, bad};
use super::yaml::Node;

/// What the file has named so far.
#[derive(Default)]
pub(super) struct Known {
    /// And whether each takes attachments.
    services: BTreeMap<ServiceId, bool>,
    /// Endpoints and attachments, and the service that each is connected to.
    pub(super) subjects: BTreeMap<Subject, ServiceId>,
}

impl Known {
    pub(super) fn service(&mut self, node: &Node) -> Result<Service, BadWorld> {
        let service = Service::read(node)?;
        let takes_attachments = service.gateway_load_balancer;
        let id = service.service_id.clone();
        match self.services.insert(id, takes_attachments) {
            Some(_) => Err(bad(
                node.place,
                format!("the service {} stands here twice", service.service_id),
            )),
            None => Ok(service),
        }
    }

    /// Checks a connection against what was named before it.
    pub(super) fn connection(&mut self, node: &Node) -> Result<Connection, BadWorld> {
        let connection = Connection::read(node)?;
        let endpoint = &connection.endpoint_id;
        if !self.services.contains_key(&connection.service_id) {
            return Err(bad(
                node.place,
                format!(
                    "the connection {endpoint} is to the service {}, which is not among the services",
                    connection.service_id
                ),
            ));
        }
        let subject = Subject::Endpoint(endpoint.clone());
        self.subject(node.place, subject, &connection.service_id)?;
        Ok(connection)
    }

    /// Checks an attachment against what was named before it.
    pub(super) fn attachment(&mut self, node: &Node) -> Result<Attachment, BadWorld> {
        let attachment = Attachment::read(node)?;
        let (id, service) = (&attachment.attachment_id, &attachment.service_id);
        let problem = match self.services.get(service) {
            None => "which is not among the services",
            Some(false) => "which takes none; give it `gateway_load_balancer: true`",
            Some(true) => "",
        };
        if !problem.is_empty() {
            return Err(bad(
                node.place,
                format!("the attachment {id} is to the service {service}, {problem}"),
            ));
        }
        for endpoint in &attachment.endpoint_ids {
            self.subject(node.place, Subject::Endpoint(endpoint.clone()), service)?;
        }
        self.subject(node.place, Subject::Attachment(id.clone()), service)?;
        Ok(attachment)
    }

    /// Notes what is connected to a service; each stands in a world once.
    fn subject(
        &mut self,
        place: Place,
        subject: Subject,
        service_id: &ServiceId,
    ) -> Result<(), BadWorld> {
        let problem = format!("{} stands here twice", subject.named());
        match self.subjects.insert(subject, service_id.clone()) {
            Some(_) => Err(bad(place, problem)),
            None => Ok(()),
        }
    }
}
