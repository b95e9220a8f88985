//! The ids that attributes hold.

use super::declare::typed_id;
use crate::ids::{AccountId, ApproverId, EndpointId, ServiceId, SlackChannelId, SlackUserId};
use crate::scope::Scope;

typed_id! {
    AccountId: AccountId::EXPECTED,
    ApproverId: ApproverId::EXPECTED,
    EndpointId: EndpointId::EXPECTED,
    ServiceId: ServiceId::EXPECTED,
    SlackChannelId: SlackChannelId::EXPECTED,
    SlackUserId: SlackUserId::EXPECTED,
    Scope: "a service's id (vpce-svc- and 8 or 17 lower-case hex digits), or * for every service",
}
