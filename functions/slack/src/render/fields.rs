//! The details of a connection in Slack's blocks.

use gatekeeper_core::announcement::Announcement;
use gatekeeper_core::ids::{AccountId, EndpointId, Region, ServiceId};
use gatekeeper_core::policy::ServiceName;
use gatekeeper_core::request::Request;
use gatekeeper_core::words;
use gatekeeper_slack_api::text::Mrkdwn;
use jiff::Timestamp;

/// The longest customer name that is shown. The allowlist sets no limit.
const CUSTOMER: usize = 200;

pub(super) struct ConnectionFields<'a> {
    service_id: &'a ServiceId,
    service_name: Option<&'a ServiceName>,
    customer: Option<String>,
    account_id: &'a AccountId,
    endpoint_id: &'a EndpointId,
    region: &'a Region,
    since: Timestamp,
}

impl<'a> ConnectionFields<'a> {
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

    pub(super) fn service(&self) -> &str {
        words::service(self.service_name, self.service_id)
    }

    pub(super) fn consumer(&self) -> String {
        words::consumer(self.customer.as_deref(), self.account_id)
    }

    /// The first sentence: the consumer, and what it asks.
    pub(super) fn lead(&self, what: &str) -> Mrkdwn {
        Mrkdwn::literal("*")
            .and(&Mrkdwn::line(&self.consumer()))
            .and(&Mrkdwn::literal("* "))
            .and(&Mrkdwn::line(what))
    }

    /// All fields, in two columns.
    pub(super) fn fields(&self) -> Vec<Mrkdwn> {
        let field = |name, value: &Mrkdwn| Mrkdwn::literal(name).and(value);
        let mut fields = self.account_fields();
        fields.extend([
            field("*Region*\n", &Mrkdwn::line(self.region.as_str())),
            field("*Endpoint*\n", &Mrkdwn::code(self.endpoint_id.as_str())),
            field("*Since*\n", &Mrkdwn::line(&words::moment(self.since))),
        ]);
        fields
    }

    /// The fields that all endpoints of an account have in common.
    pub(super) fn account_fields(&self) -> Vec<Mrkdwn> {
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

/// A customer's name as it is shown. `None` if it is blank.
fn shortened(customer: Option<&str>) -> Option<String> {
    let customer = customer?.trim();
    let mut shown: String = customer.chars().take(CUSTOMER).collect();
    if customer.chars().nth(CUSTOMER).is_some() {
        shown.push('…');
    }
    (!shown.is_empty()).then_some(shown)
}
