//! How a world is to be made.

use std::path::PathBuf;
use std::time::Duration;

use gatekeeper_aws::clients::Timeouts;
use gatekeeper_aws::clock::Clock;
use gatekeeper_aws::config::{Limits, Managed};
use jiff::SignedDuration;
use local_aws::Ec2Options;

use crate::in_process::Transport;

/// How a world is to be made.
#[derive(Debug, Clone)]
pub struct Options {
    /// The time.
    pub clock: Clock,
    /// The port on loopback; 0 takes a free one.
    pub port: u16,
    /// Where tables are kept; none keeps them in memory.
    pub data: Option<PathBuf>,
    /// Which services are managed.
    pub managed: Managed,
    /// The functions' sizes and times.
    pub limits: Limits,
    /// The clients' time-outs and retries.
    pub timeouts: Timeouts,
    /// How EC2 behaves.
    pub ec2: Ec2Options,
    /// Roles whose calls are taken for our own, besides [`OWN_ROLE`](crate::world::OWN_ROLE).
    pub own_role_arns: Vec<String>,
    /// Whether accounts are looked up in AWS Organizations.
    pub organizations: bool,
    /// Whether there is Slack. Not in a world that is reached in process: the functions call Slack over
    /// HTTP.
    pub slack: bool,
    /// Whether it is watched that somebody is subscribed to the topics, one for alarms among them.
    pub watch_topics: bool,
    /// Whether all that is announced is put on an event bus, too.
    pub event_bus: bool,
    /// How long approval e-mail is held since a filter policy is new: 15 minutes at AWS. Here they hold at once, unless
    /// [`Sns::set_filter_delay`](local_aws::Sns::set_filter_delay) says otherwise.
    pub filter_settles: SignedDuration,
    /// Where ids begin; none takes a random place.
    pub seed: Option<u64>,
    /// How the functions reach AWS's stand-ins.
    pub transport: Transport,
}

impl Options {
    /// A world in memory on a free port, whose services are managed by tag.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            port: 0,
            data: None,
            managed: Managed::Tagged,
            limits: Limits::default(),
            timeouts: Timeouts {
                // Nothing here is far away, and a fault is there on purpose.
                backoff: Duration::from_millis(2),
                ..Timeouts::default()
            },
            ec2: Ec2Options::default(),
            own_role_arns: Vec::new(),
            organizations: false,
            slack: false,
            watch_topics: false,
            event_bus: false,
            filter_settles: SignedDuration::ZERO,
            seed: None,
            transport: Transport::Loopback,
        }
    }
}
