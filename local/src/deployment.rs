//! The numbers by which the functions run at AWS, for the local world to run them by. A test holds them to
//! template.yaml.

use std::time::Duration;

/// A queue that feeds a function.
#[derive(Debug, Clone, Copy)]
pub struct QueueSettings {
    /// The logical id of the queue in template.yaml.
    pub queue: &'static str,
    /// How long a message that is not deleted stays away.
    pub visibility: Duration,
    /// Messages in a batch.
    pub batch: usize,
    /// How often a message is handed over before it goes to the dead letters.
    pub max_receives: u32,
}

/// A table's stream that feeds a function.
#[derive(Debug, Clone, Copy)]
pub struct StreamSettings {
    /// The logical id of the function in template.yaml.
    pub function: &'static str,
    /// Records in a batch.
    pub batch: usize,
    /// How often a record is handed over, the first time included.
    pub max_attempts: u32,
}

/// The time-out of `connections`.
pub const CONNECTIONS_TIMEOUT: Duration = Duration::from_secs(60);
/// The time-out of `policy-changes`.
pub const POLICY_CHANGES_TIMEOUT: Duration = Duration::from_secs(60);
/// The time-out of `reconcile`.
pub const RECONCILE_TIMEOUT: Duration = Duration::from_secs(300);
/// The time-out of `approvals`.
pub const APPROVALS_TIMEOUT: Duration = Duration::from_secs(15);
/// The time-out of `announcements`.
pub const ANNOUNCEMENTS_TIMEOUT: Duration = Duration::from_secs(60);
/// The time-out of `slack`.
pub const SLACK_TIMEOUT: Duration = Duration::from_secs(60);

/// All time-outs, by the function's logical id in template.yaml.
pub const TIMEOUTS: [(&str, Duration); 6] = [
    ("AnnouncementsFunction", ANNOUNCEMENTS_TIMEOUT),
    ("ApprovalsFunction", APPROVALS_TIMEOUT),
    ("ConnectionsFunction", CONNECTIONS_TIMEOUT),
    ("PolicyChangesFunction", POLICY_CHANGES_TIMEOUT),
    ("ReconcileFunction", RECONCILE_TIMEOUT),
    ("SlackFunction", SLACK_TIMEOUT),
];

/// Hints for `connections`.
pub const CONNECTIONS_QUEUE: QueueSettings = QueueSettings {
    queue: "ConnectionsQueue",
    visibility: Duration::from_secs(370),
    batch: 100,
    max_receives: 5,
};
/// Announcements for `slack`.
pub const SLACK_QUEUE: QueueSettings = QueueSettings {
    queue: "SlackQueue",
    visibility: Duration::from_secs(360),
    batch: 5,
    max_receives: 25,
};
/// All queues.
pub const QUEUES: [QueueSettings; 2] = [CONNECTIONS_QUEUE, SLACK_QUEUE];

/// Edits of the allowlist, for `policy-changes`.
pub const ALLOWLIST_STREAM: StreamSettings = StreamSettings {
    function: "PolicyChangesFunction",
    batch: 100,
    max_attempts: 6,
};
/// What is new in the outbox, for `announcements`.
pub const REQUESTS_STREAM: StreamSettings = StreamSettings {
    function: "AnnouncementsFunction",
    batch: 100,
    max_attempts: 4,
};
/// All streams.
pub const STREAMS: [StreamSettings; 2] = [ALLOWLIST_STREAM, REQUESTS_STREAM];
