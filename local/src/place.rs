//! Names and addresses in the local world: account, Region, role, tables.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The provider's account in the local world.
pub const PROVIDER: &str = "111122223333";
/// The provider's Region in the local world.
pub const REGION: &str = "us-east-1";
/// The role of all functions in the local world.
pub const OWN_ROLE: &str = "arn:aws:iam::111122223333:role/privatelink-gatekeeper";
/// The functions' secret key in the local world; tests look for it where it must not be.
pub const SECRET: &str = "secret-of-the-local-world";
/// The session ARN of a function under [`OWN_ROLE`], without the function's name.
pub(crate) const OWN_SESSIONS: &str =
    "arn:aws:sts::111122223333:assumed-role/privatelink-gatekeeper";
/// The caller that sets up and looks at the world; it is none of the functions.
pub(crate) const HARNESS: &str = "world";
/// The rule for AWS CloudTrail's events in the local world.
pub const CLOUD_TRAIL_RULE: &str = "cloud-trail";
/// The event bus for what is announced, if it is put on one.
pub const EVENT_BUS: &str = "gatekeeper";
/// The function that sends; the access key id of its calls bears this name.
pub const ANNOUNCEMENTS: &str = "announcements";
/// The address that subscribes to the announcements.
pub const READER: &str = "team@example.com";

/// The address of a world that is reached in process only: a host for URLs, at which nobody listens.
pub(crate) const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
pub(crate) const ALLOWLIST: &str = "allowlist";
pub(crate) const REQUESTS: &str = "requests";
/// The topic that services' connection notifications publish to.
pub(crate) const NOTIFICATIONS: &str = "connection-notifications";
/// The topic for people and machines.
pub(crate) const ANNOUNCEMENTS_TOPIC: &str = "announcements";
/// The topic that approvers alone subscribe to.
pub(crate) const APPROVALS: &str = "approvals";

/// The variables that point an SDK or the AWS CLI at the world at this address.
pub(crate) fn environment(address: SocketAddr) -> Vec<(&'static str, String)> {
    let endpoint = |service: &str| format!("http://{address}/{service}");
    vec![
        ("AWS_ENDPOINT_URL_EC2", endpoint("ec2")),
        ("AWS_ENDPOINT_URL_SNS", endpoint("sns")),
        ("AWS_ENDPOINT_URL_DYNAMODB", endpoint("dynamodb")),
        // Some SDKs read the one, some the other.
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
    ]
}

/// A local world as programs outside of it use it.
#[derive(Debug, Clone)]
pub struct Place {
    pub region: String,
    /// The operator's access key id: the provider's account.
    pub access_key_id: String,
    /// Addresses of the simulated services.
    pub ec2: String,
    pub dynamodb: String,
    pub sns: String,
    pub allowlist_table: String,
    pub requests_table: String,
    pub approvals_url: String,
    /// The ARNs of the topics.
    pub notification_topic: String,
    pub announcements_topic: String,
    pub approvals_topic: String,
}

/// The world that is served on this port of loopback.
#[must_use]
pub fn place_at(port: u16) -> Place {
    let base = format!("http://127.0.0.1:{port}");
    let topic = |name: &str| format!("arn:aws:sns:{REGION}:{PROVIDER}:{name}");
    Place {
        region: REGION.to_owned(),
        access_key_id: PROVIDER.to_owned(),
        ec2: format!("{base}/ec2"),
        dynamodb: format!("{base}/dynamodb"),
        sns: format!("{base}/sns"),
        allowlist_table: ALLOWLIST.to_owned(),
        requests_table: REQUESTS.to_owned(),
        approvals_url: base,
        notification_topic: topic(NOTIFICATIONS),
        announcements_topic: topic(ANNOUNCEMENTS_TOPIC),
        approvals_topic: topic(APPROVALS),
    }
}
