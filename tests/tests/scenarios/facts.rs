//! What the checks of the template and of the documents have to know of the code. They are Python and run before
//! anything is compiled, so it stands in a file, `tests/facts.json`, which this test holds to the code.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use gatekeeper_approvals::handler::{MARGIN, PAGE_TIMEOUT};
use gatekeeper_approvals::slack::SlackConfig;
use gatekeeper_aws::announcements::AnnouncementsConfig;
use gatekeeper_aws::bootstrap;
use gatekeeper_aws::clients::{Access, Timeouts};
use gatekeeper_aws::clock::Clock;
use gatekeeper_aws::config::{Config, ConfigError};
use gatekeeper_aws::error::{Permanent, Retryable, Step};
use gatekeeper_aws::telemetry::{Metric, Metrics};
use gatekeeper_core::policy_key::Stops;
use gatekeeper_core::waiting::Whose;
use gatekeeper_local::deployment::{QUEUES, STREAMS, TIMEOUTS};
use serde_json::{Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/facts.json");

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the person who runs it says whether to write"
)]
fn the_facts_that_python_reads_are_those_of_the_code() {
    let facts = json!({
        "metrics": metrics(),
        "values": values(),
        "longest_call_seconds": longest_calls(),
        "slack_hands_back_after_seconds": gatekeeper_slack::HANDED_BACK.as_secs(),
        "variables": variables(),
        "local_world": local_world(),
        "ec2_operations": local_aws::ec2_operations().collect::<BTreeSet<_>>(),
    });
    let text = format!("{}\n", serde_json::to_string_pretty(&facts).unwrap());
    if std::env::var_os("GATEKEEPER_WRITE").is_some() {
        std::fs::write(Path::new(FILE), &text).unwrap();
    }
    let written = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        written == text,
        "tests/facts.json is not what the code says. Write it anew, and look at the difference: \
         GATEKEEPER_WRITE=1 cargo test --workspace --locked --test scenarios -- facts"
    );
}

/// By name, the dimensions of each metric.
fn metrics() -> BTreeMap<&'static str, &'static [&'static str]> {
    Metric::ALL
        .iter()
        .map(|metric| (metric.name(), metric.dimensions()))
        .collect()
}

/// By dimension, the values that alarms may wait for.
fn values() -> Value {
    json!({
        "account": Whose::NAMES,
        "class": of_a_dimension("SlackFailures", "class", |metrics| {
            metrics.count_slack_failure("x", true);
            metrics.count_slack_failure("x", false);
        }, &["permanent", "retryable"]),
        "error_type": ([Permanent::NAMES, Retryable::NAMES].concat()),
        "outcome": of_a_dimension("Answers", "outcome", |metrics| {
            metrics.count_answer(true);
            metrics.count_answer(false);
        }, &["failed", "served"]),
        "step": Step::NAMES,
        "stops": Stops::NAMES,
    })
}

/// Those of the values that were put under the dimension.
fn of_a_dimension<'a>(
    metric: &str,
    dimension: &str,
    put: impl Fn(&Metrics),
    values: &[&'a str],
) -> Vec<&'a str> {
    let metrics = Metrics::off(Clock::system());
    put(&metrics);
    let values = values.iter().copied();
    values
        .filter(|value| metrics.last_of(metric, (dimension, value)).is_some())
        .collect()
}

/// The longest that a function waits for one call, with all that is tried again, or for all of them together.
fn longest_calls() -> BTreeMap<&'static str, u64> {
    TIMEOUTS
        .iter()
        .map(|(function, _)| {
            let longest = match *function {
                "ApprovalsFunction" => PAGE_TIMEOUT + MARGIN,
                _ => Timeouts::default().operation,
            };
            (*function, seconds(longest))
        })
        .collect()
}

/// The environment variables that each function reads, but for AWS's own, and those without which it does not
/// start.
fn variables() -> Value {
    let gatekeeper = || read(|lookup| Config::from_lookup(lookup).map(drop));
    json!({
        "AnnouncementsFunction": read(|lookup| AnnouncementsConfig::from_lookup(lookup).map(drop)),
        "ApprovalsFunction": read(|lookup| {
            Config::from_lookup(lookup)?;
            SlackConfig::from_lookup(lookup).map(drop)
        }),
        "ConnectionsFunction": gatekeeper(),
        "PolicyChangesFunction": gatekeeper(),
        "ReconcileFunction": gatekeeper(),
        "SlackFunction": read(|lookup| gatekeeper_slack::config::Config::from_lookup(lookup).map(drop)),
    })
}

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

fn read(config: impl Fn(Lookup<'_>) -> Result<(), ConfigError>) -> Value {
    let start = |lookup: Lookup<'_>| {
        config(lookup)?;
        Access::from_lookup(lookup)?;
        bootstrap::metrics(lookup, Clock::system()).map(drop)
    };
    let asked = RefCell::new(BTreeSet::new());
    start(&|name| {
        asked.borrow_mut().insert(name.to_owned());
        Some(value(name).to_owned())
    })
    .unwrap();
    let asked: Vec<String> = asked
        .into_inner()
        .into_iter()
        .filter(|name| !name.starts_with("AWS_"))
        .collect();
    let is_required = |wanted: &&String| {
        let without = |name: &str| (name != *wanted).then(|| value(name).to_owned());
        start(&without).is_err()
    };
    let required: Vec<&String> = asked.iter().filter(is_required).collect();
    json!({ "read": asked, "required": required })
}

/// A value that makes sense.
fn value(name: &str) -> &'static str {
    match name {
        "ALARMS_TOPIC_ARN" | "ANNOUNCEMENTS_TOPIC_ARN" | "APPROVALS_TOPIC_ARN" => {
            "arn:aws:sns:eu-central-1:111122223333:topic"
        }
        "APPROVALS_URL" | "SLACK_URL" => "https://approvals.example.com",
        "APPROVAL_EMAILS" | "ORGANIZATIONS" => "on",
        "AWS_REGION" => "eu-central-1",
        "ENFORCE_BATCH" => "50",
        "EVENT_BUS_ARN" => "arn:aws:events:eu-central-1:111122223333:event-bus/default",
        "MANAGED_SERVICES" => "tagged",
        "OWN_ROLE_ARNS" => "arn:aws:iam::111122223333:role/connections",
        "SLACK_APP_ID" => "A0EXAMPLE",
        "SLACK_CHANNEL" => "C0EXAMPLE",
        "SLACK_QUEUE_ARN" => "arn:aws:sqs:eu-central-1:111122223333:slack",
        "SLACK_TEAM_ID" => "T0EXAMPLE",
        _ => "anything",
    }
}

/// The numbers by which the local world runs the functions.
fn local_world() -> Value {
    let timeouts: BTreeMap<_, _> = TIMEOUTS
        .iter()
        .map(|(function, timeout)| (*function, seconds(*timeout)))
        .collect();
    let queues: BTreeMap<_, _> = QUEUES
        .iter()
        .map(|queue| {
            let numbers = json!({
                "visibility_seconds": seconds(queue.visibility),
                "batch": queue.batch,
                "max_receives": queue.max_receives,
            });
            (queue.queue, numbers)
        })
        .collect();
    let streams: BTreeMap<_, _> = STREAMS
        .iter()
        .map(|stream| {
            let numbers = json!({ "batch": stream.batch, "max_attempts": stream.max_attempts });
            (stream.function, numbers)
        })
        .collect();
    json!({ "timeout_seconds": timeouts, "queues": queues, "streams": streams })
}

/// A whole number of seconds, upwards.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
