//! Starting points for several tests of this crate.

use jiff::Timestamp;

use crate::connection::{Connection, ConnectionState};
use crate::judge::{Decision, Verdict};
use crate::request::{Actor, Request, Status};

/// An arbitrary moment.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// A connection in a state.
pub(crate) fn connection(state: ConnectionState) -> Connection {
    Connection {
        service_id: "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap(),
        endpoint_id: "vpce-0123456789abcdef0".parse().unwrap(),
        owner: "012345678901".parse().unwrap(),
        region: "eu-central-1".parse().unwrap(),
        state,
        created_at: None,
    }
}

/// Its request, which has this status since second 0.
pub(crate) fn request(status: Status) -> Request {
    let connection = connection(ConnectionState::PendingAcceptance);
    Request {
        endpoint_id: connection.endpoint_id,
        service_id: connection.service_id,
        account_id: connection.owner,
        region: connection.region,
        status,
        version: 1,
        revision: 1,
        verdict: Verdict {
            decision: Decision::Review,
            rule: None,
            failed: Vec::new(),
            reason: String::new(),
        },
        decided_by: Actor::Policy(None),
        decided_in: 1,
        other_names: Default::default(),
        opened_at: at(0),
        status_since: at(0),
        claimed_until: None,
        service_name: None,
        customer: None,
        review: (status == Status::InReview).then_some(1),
        notified: Default::default(),
        approval_emails_at: None,
        deciders: 0,
        approvals_required: 0,
        votes: Vec::new(),
        deadline: None,
        deadline_rejects: false,
        reminders: 0,
        reminded_at: None,
        due: None,
        past_policy: false,
        reported_at: None,
        retried_at: None,
        stays_rejected: None,
        out_of_reach_since: None,
        purged: None,
    }
}
