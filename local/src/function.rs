//! The functions that run the gatekeeper, each in a process of its own and under a role of its own.

use std::fmt;
use std::sync::Arc;

use gatekeeper_aws::gatekeeper::Gatekeeper;

/// A function that runs the gatekeeper. Its name is its identity on the wire: the access key id of its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Fed by the queue.
    Connections,
    /// Fed by the allowlist's stream.
    PolicyChanges,
    /// Started by the schedule.
    Reconcile,
    /// Behind the HTTP API.
    Approvals,
}

impl Function {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Connections,
        Self::PolicyChanges,
        Self::Reconcile,
        Self::Approvals,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::PolicyChanges => "policy-changes",
            Self::Reconcile => "reconcile",
            Self::Approvals => "approvals",
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A gatekeeper for each of them: as at AWS, they share no clients, no buckets and no caches.
pub(crate) struct Gatekeepers {
    connections: Arc<Gatekeeper>,
    policy_changes: Arc<Gatekeeper>,
    reconcile: Arc<Gatekeeper>,
    approvals: Arc<Gatekeeper>,
}

impl Gatekeepers {
    pub(crate) fn new(make: impl Fn(Function) -> Gatekeeper) -> Self {
        let make = |function| Arc::new(make(function));
        Self {
            connections: make(Function::Connections),
            policy_changes: make(Function::PolicyChanges),
            reconcile: make(Function::Reconcile),
            approvals: make(Function::Approvals),
        }
    }

    pub(crate) fn of(&self, function: Function) -> &Arc<Gatekeeper> {
        match function {
            Function::Connections => &self.connections,
            Function::PolicyChanges => &self.policy_changes,
            Function::Reconcile => &self.reconcile,
            Function::Approvals => &self.approvals,
        }
    }
}
