//! Who asks what of whom.

use gatekeeper_core::announcement::Announcement;
use gatekeeper_core::ids::{AccountId, EndpointId, Region, ServiceId};
use gatekeeper_core::policy::ServiceName;
use gatekeeper_core::request::Request;
use gatekeeper_slack_api::text::Mrkdwn;
use jiff::Timestamp;

use super::history::moment;

/// The allowlist lets people write a customer's name at any length.
const CUSTOMER: usize = 200;

/// What is to be known of a connection.
pub(super) struct Facts<'a> {
    service_id: &'a ServiceId,
    service_name: Option<&'a ServiceName>,
    customer: Option<String>,
    account_id: &'a AccountId,
    endpoint_id: &'a EndpointId,
    region: &'a Region,
    since: Timestamp,
}

impl<'a> Facts<'a> {
    pub(super) fn of(request: &'a Request) -> Self {
        Self {
            service_id: &request.service_id,
            service_name: request.service_name.as_ref(),
            customer: shortened(request.customer.as_deref()),
            account_id: &request.account_id,
            endpoint_id: &request.endpoint_id,
            region: &request.region,
            since: request.opened_at,
        }
    }

    pub(super) fn announcement(announcement: &'a Announcement) -> Self {
        Self {
            service_id: &announcement.service_id,
            service_name: announcement.service_name.as_ref(),
            customer: shortened(announcement.customer.as_deref()),
            account_id: &announcement.account_id,
            endpoint_id: &announcement.endpoint_id,
            region: &announcement.region,
            since: announcement.since,
        }
    }

    /// What people call the service, or its id.
    pub(super) fn service(&self) -> &str {
        match self.service_name {
            Some(name) => name.as_str(),
            None => self.service_id.as_str(),
        }
    }

    /// Who asks: by name where it is known.
    pub(super) fn consumer(&self) -> String {
        match &self.customer {
            Some(customer) => format!("{customer} (account {})", self.account_id),
            None => format!("Account {}", self.account_id),
        }
    }

    /// Who asks, and what is the matter.
    pub(super) fn lead(&self, what: &str) -> Mrkdwn {
        Mrkdwn::literal("*")
            .and(&Mrkdwn::line(&self.consumer()))
            .and(&Mrkdwn::literal("* "))
            .and(&Mrkdwn::line(what))
    }

    /// Everything, in two columns.
    pub(super) fn fields(&self) -> Vec<Mrkdwn> {
        let field = |name, value: &Mrkdwn| Mrkdwn::literal(name).and(value);
        let mut fields = self.whose();
        fields.extend([
            field("*Region*\n", &Mrkdwn::line(self.region.as_str())),
            field("*Endpoint*\n", &Mrkdwn::code(self.endpoint_id.as_str())),
            field("*Since*\n", &moment(self.since)),
        ]);
        fields
    }

    /// What all endpoints of an account have in common.
    pub(super) fn whose(&self) -> Vec<Mrkdwn> {
        let field = |name, value: &Mrkdwn| Mrkdwn::literal(name).and(value);
        let service_id = Mrkdwn::code(self.service_id.as_str());
        let service = match self.service_name {
            Some(name) => Mrkdwn::line(name.as_str())
                .and(&Mrkdwn::literal("\n"))
                .and(&service_id),
            None => service_id,
        };
        let customer = match &self.customer {
            Some(customer) => Mrkdwn::line(customer),
            None => Mrkdwn::literal("not known"),
        };
        vec![
            field("*Service*\n", &service),
            field("*Customer*\n", &customer),
            field("*Account*\n", &Mrkdwn::code(self.account_id.as_str())),
        ]
    }
}

/// A customer's name as it is shown: where there is nothing to be seen of it, none.
fn shortened(customer: Option<&str>) -> Option<String> {
    let customer = customer?.trim();
    let mut shown: String = customer.chars().take(CUSTOMER).collect();
    if customer.chars().nth(CUSTOMER).is_some() {
        shown.push('…');
    }
    (!shown.is_empty()).then_some(shown)
}
