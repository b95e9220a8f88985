use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use jiff::Timestamp;

use crate::caller::Caller;
use crate::clock::{Clock, system_clock};
use crate::control::Control;
use crate::ids::Ids;

/// The settings that a simulator of an AWS service keeps.
#[derive(Clone)]
pub struct Config {
    /// The account of callers whose access key id is not an account.
    pub account: String,
    /// The Region of callers that name none.
    pub region: String,
    pub clock: Clock,
    /// The same number gives the same ids in the same order; `None` takes a random one.
    pub seed: Option<u64>,
}

/// Account 123456789012, us-east-1, the machine's clock, random ids.
impl Default for Config {
    fn default() -> Self {
        Self {
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            clock: system_clock(),
            seed: None,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("account", &self.account)
            .field("region", &self.region)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// A simulator of one service, whose state is `S`. Clones are the same simulator.
///
/// Tests use it in process through its methods. Callers reach it over HTTP through its `router`. It dereferences to
/// [`Control`], which has the faults, the log of calls and the hooks. `Debug` shows nothing of the state.
pub struct Simulator<S>(Arc<Inner<S>>);

struct Inner<S> {
    home: Caller,
    clock: Clock,
    ids: Ids,
    control: Control,
    data: S,
}

impl<S: Default> Simulator<S> {
    /// A simulator with nothing in it.
    pub fn new(config: Config) -> Self {
        let ids = Ids::new(config.seed);
        let home = Caller::new(config.account, config.region);
        Self::with_state(home, config.clock, ids, S::default())
    }
}

impl<S> Simulator<S> {
    pub(crate) fn with_state(home: Caller, clock: Clock, ids: Ids, data: S) -> Self {
        Self(Arc::new(Inner {
            home,
            clock,
            ids,
            control: Control::new(),
            data,
        }))
    }

    /// The caller of calls that name none.
    pub(crate) fn home(&self) -> &Caller {
        &self.0.home
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    pub(crate) fn ids(&self) -> &Ids {
        &self.0.ids
    }

    pub(crate) fn data(&self) -> &S {
        &self.0.data
    }
}

impl<S> Clone for Simulator<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Deref for Simulator<S> {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.0.control
    }
}

impl<S> fmt::Debug for Simulator<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("account", &self.0.home.account)
            .field("region", &self.0.home.region)
            .finish_non_exhaustive()
    }
}
