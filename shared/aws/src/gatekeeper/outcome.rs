//! The result for a connection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatekeeper_core::decide::LeaveReason;
use gatekeeper_core::ids::{AccountId, EndpointId, ServiceId};
use gatekeeper_core::judge::Decision;
use gatekeeper_core::request::{Request, Status};

use crate::error::Error;

/// What came of a hint: all it pointed at is settled, or an error says what is left to do.
pub type Handled = Result<(), Arc<Error>>;

/// What came of one connection.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The record already agreed with EC2 and the policy.
    Unchanged(Option<Box<Request>>),
    /// It was left alone for now.
    Left(LeaveReason),
    /// Somebody else decided first. This is the request as it is now, if that is known.
    Lost(Option<Box<Request>>),
    /// The request changed.
    Changed {
        /// The status before; `None` if the request is new.
        from: Option<Status>,
        /// The request as it is now.
        request: Box<Request>,
    },
}

/// The result for each connection.
pub(super) type Settled = BTreeMap<EndpointId, Result<Outcome, Arc<Error>>>;

/// The consumers, by service, whose usage went down: their other connections may have waited for
/// the place.
pub(super) fn consumers_with_room(settled: &Settled) -> BTreeMap<ServiceId, BTreeSet<AccountId>> {
    let mut consumers: BTreeMap<ServiceId, BTreeSet<AccountId>> = BTreeMap::new();
    for outcome in settled.values() {
        let Ok(Outcome::Changed { from, request }) = outcome else {
            continue;
        };
        let held = from.is_some_and(Status::counts_as_usage);
        // It also counted between the decision to accept it and EC2's answer.
        let briefly = request.verdict.decision == Decision::Accept;
        if !request.status.counts_as_usage() && (held || briefly) {
            let accounts = consumers.entry(request.service_id.clone()).or_default();
            accounts.insert(request.account_id.clone());
        }
    }
    consumers
}
