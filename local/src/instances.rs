//! Instances of the functions, each with clients of its own.

use std::sync::Arc;

use aws_smithy_async::rt::sleep::SharedAsyncSleep;
use axum::Router;
use gatekeeper_aws::announcements::{Announcements, AnnouncementsConfig};
use gatekeeper_aws::clients::{Access, Clients};
use gatekeeper_aws::clock::Clock;
use gatekeeper_aws::config::Config;
use gatekeeper_aws::gatekeeper::Gatekeeper;
use gatekeeper_aws::telemetry::Metrics;
use local_aws::Ec2;

use crate::in_process::{ClockSleep, Transport, http_client};
use crate::place::OWN_SESSIONS;

/// Makes clients, and instances of the functions that use them.
pub(crate) struct Instances {
    pub(crate) access: Access,
    pub(crate) ec2: Ec2,
    pub(crate) router: Router,
    pub(crate) transport: Transport,
    pub(crate) clock: Clock,
}

impl Instances {
    /// The clients of a caller; the name is the access key id of its calls.
    pub(crate) fn clients(&self, caller: &str) -> Clients {
        let access = Access {
            access_key_id: caller.to_owned(),
            ..self.access.clone()
        };
        let session = format!("{OWN_SESSIONS}/{caller}");
        self.ec2.set_identity(caller, session);
        match &self.transport {
            Transport::Loopback => Clients::new(&access),
            Transport::InProcess(watcher) => Clients::over(
                &access,
                http_client(caller, self.router.clone(), watcher.clone()),
                SharedAsyncSleep::new(ClockSleep(self.clock.clone())),
            ),
        }
    }

    /// The gatekeeper in the instance of this name.
    pub(crate) fn gatekeeper(&self, name: &str, config: &Config) -> Gatekeeper {
        let (clients, clock) = (self.clients(name), self.clock.clone());
        Gatekeeper::new(&clients, config, clock.clone(), Metrics::off(clock))
    }

    /// The function `announcements` in the instance of this name.
    pub(crate) fn announcements(
        &self,
        name: &str,
        config: &AnnouncementsConfig,
    ) -> Arc<Announcements> {
        let (clients, clock) = (self.clients(name), self.clock.clone());
        let metrics = Metrics::off(clock.clone());
        Arc::new(Announcements::new(&clients, config, clock, metrics))
    }
}
