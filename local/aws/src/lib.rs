//! Simulators of EC2's endpoint services and connections, which no emulator models, and of the parts of AWS and Slack that
//! go with them. Each is a small server on loopback that any SDK or the AWS CLI can talk to.
//!
//! - [`Ec2`]: endpoint services, endpoint connections and their state machine, connection notifications.
//! - [`Sns`]: topics, subscriptions with filter policies that are confirmed, and an inbox to read what was delivered.
//! - [`Organizations`]: one organization with nested OUs and accounts, and where an account is in it.
//! - [`Events`]: EventBridge's rules, whether one is there and enabled, and what is put on its buses.
//! - [`Secrets`]: Secrets Manager, read by name or ARN, with a current and a previous version.
//! - [`Slack`]: a workspace with an app that posts messages and opens modals, and the people who see and press them.
//!
//! Each of them is a [`Simulator`] with a state of its own. The simulators of AWS are made from a [`Config`], [`Slack`]
//! from a [`SlackConfig`]. [`Ec2`] and [`Sns`] speak the AWS Query protocol, [`Slack`] its own, the others AWS JSON 1.1.
//!
//! An access key id of 12 digits is the account of the caller; signatures are not checked. Time comes from a [`Clock`],
//! ids come from a seed, so that a test is the same every time. Serve them on loopback only: anybody who can reach them can
//! do anything with them.

mod buckets;
mod caller;
mod clock;
mod control;
pub mod ec2;
mod error;
pub mod events;
mod exchange;
mod fault;
mod http;
mod ids;
mod json;
pub mod organizations;
mod page;
mod protocol;
mod query;
pub mod secrets;
mod serve;
mod simulator;
pub mod slack;
pub mod sns;
mod xml;

pub use caller::Caller;
pub use clock::{Clock, ManualClock, system_clock};
pub use control::{CallPhase, CallRecord, Control, OnAnswer, OnCall};
pub use ec2::{
    Attachment, AttachmentListing, Connection, ConnectionEvent, ConnectionNotification, Ec2,
    Ec2Options, NewAttachment, NewConnection, NewEndpoint, NewService, Notification,
    NotificationBody, NotificationFacts, Service, ServiceKind, State, Unsuccessful,
    operations as ec2_operations,
};
pub use error::AwsError;
pub use events::{BusEvent, Events, NewRule, OnEvent, Rule, RuleState};
pub use fault::{Fault, FaultKind};
pub use organizations::{Member, NewOrganization, NewOu, Organization, Organizations};
pub use secrets::Secrets;
pub use serve::serve;
pub use simulator::{Config, Simulator};
pub use slack::{
    CannotDo, Interaction, LinkKind, NewChannel, Slack, SlackAuthor, SlackConfig, SlackContent,
    SlackEphemeral, SlackLink, SlackMarkup, SlackMessage, SlackOptions, SlackPlace,
    SlackShownError, SlackView, slack_signature,
};
pub use sns::{
    Attribute, Delivery, DeliveryKind, Message, NewSubscription, OnPublish, Published, Sns,
    Subscription, Topic,
};
