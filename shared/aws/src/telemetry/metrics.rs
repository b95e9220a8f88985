//! Metrics in CloudWatch's embedded metric format: JSON lines on standard output.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::Metric;
use crate::clock::Clock;
use crate::error::Error;

const NAMESPACE: &str = "PrivateLinkGatekeeper";
/// The dimension that every metric has.
const STACK: &str = "stack";

/// Writes metrics.
#[derive(Debug, Clone)]
pub struct Metrics {
    clock: Clock,
    to: Sink,
}

/// A dimension's name and value. Values come from fixed lists in the code, because CloudWatch
/// keeps, and charges for, one metric for each.
pub type Dimension<'a> = (&'a str, &'a str);

#[derive(Debug, Clone)]
enum Sink {
    /// With the dimension `stack`, because two stacks in one account and Region must not share
    /// alarms.
    StandardOutput { stack: String },
    /// The last value of each name, and of each name with a dimension.
    Memory(Arc<Mutex<BTreeMap<String, f64>>>),
}

impl Metrics {
    /// Writes to standard output, for Lambda, with the stack's name.
    #[must_use]
    pub fn embedded(clock: Clock, stack: String) -> Self {
        let to = Sink::StandardOutput { stack };
        Self { clock, to }
    }

    /// Writes nowhere, because the local world's standard output is for people. The last values can
    /// be read.
    #[must_use]
    pub fn off(clock: Clock) -> Self {
        let to = Sink::Memory(Arc::default());
        Self { clock, to }
    }

    /// The last value under a name, with any dimensions; `None` if there is none, or if it went to
    /// standard output.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<f64> {
        self.remembered(name)
    }

    /// The last value under a name and this dimension; `None` as for [`last`](Self::last).
    #[must_use]
    pub fn last_of(&self, name: &str, dimension: Dimension<'_>) -> Option<f64> {
        self.remembered(&key(name, dimension))
    }

    fn remembered(&self, key: &str) -> Option<f64> {
        match &self.to {
            Sink::StandardOutput { .. } => None,
            Sink::Memory(values) => {
                let values = values.lock().unwrap_or_else(PoisonError::into_inner);
                values.get(key).copied()
            }
        }
    }

    /// Puts one value; with dimensions, under each of them by itself, and not under all together.
    pub fn put(&self, metric: Metric, value: f64, dimensions: &[Dimension<'_>]) {
        debug_assert!(
            dimensions
                .iter()
                .all(|(name, _)| metric.dimensions().contains(name)),
            "{metric:?} is declared without one of {dimensions:?}"
        );
        let name = metric.name();
        match &self.to {
            Sink::StandardOutput { stack } => {
                let line = self.line(stack, metric, value, dimensions);
                // A metric that cannot be written must not stop a decision.
                let _ = writeln!(std::io::stdout().lock(), "{line}");
            }
            Sink::Memory(values) => {
                let mut values = values.lock().unwrap_or_else(PoisonError::into_inner);
                for dimension in dimensions {
                    values.insert(key(name, *dimension), value);
                }
                values.insert(name.to_owned(), value);
            }
        }
    }

    /// Counts a step that failed, by step and by error type. Some types mean that somebody must
    /// act, and each of those has its alarm. An item of the allowlist that cannot be understood is
    /// also counted under what it stops, and has an alarm for each.
    pub fn count_failure(&self, error: &Error) {
        let (step, error_type) = (error.step().as_str(), error.error_type());
        let mut dimensions = vec![("step", step), ("error_type", error_type)];
        dimensions.extend(error.stops().map(|stops| ("stops", stops.as_str())));
        self.put(Metric::StepFailures, 1.0, &dimensions);
    }

    /// Counts a call to Slack, or from Slack, that failed, by error type and by whether a retry can
    /// succeed.
    pub fn count_slack_failure(&self, error_type: &str, is_retryable: bool) {
        let class = if is_retryable {
            "retryable"
        } else {
            "permanent"
        };
        let dimensions = [("error_type", error_type), ("class", class)];
        self.put(Metric::SlackFailures, 1.0, &dimensions);
    }

    /// Counts an answer to somebody with a valid link, or to Slack, by whether it succeeded.
    /// Strangers' calls are not counted, because they would hide failures for approvers.
    pub fn count_answer(&self, is_served: bool) {
        let outcome = if is_served { "served" } else { "failed" };
        self.put(Metric::Answers, 1.0, &[("outcome", outcome)]);
    }

    /// Counts a press in Slack by somebody outside the workspaces that may decide, by the reason.
    pub fn count_slack_stranger(&self, reason: &str) {
        self.put(Metric::SlackStrangers, 1.0, &[("reason", reason)]);
    }

    fn line(&self, stack: &str, metric: Metric, value: f64, dimensions: &[Dimension<'_>]) -> Value {
        let name = metric.name();
        let sets: Vec<Vec<&str>> = if dimensions.is_empty() {
            vec![vec![STACK]]
        } else {
            let names = dimensions.iter().map(|(name, _)| *name);
            names.map(|name| vec![STACK, name]).collect()
        };
        let mut line = Map::new();
        line.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": self.clock.now().as_millisecond(),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": sets,
                    "Metrics": [{ "Name": name, "Unit": metric.unit().as_str() }],
                }],
            }),
        );
        line.insert(name.to_owned(), json!(value));
        line.insert(STACK.to_owned(), json!(stack));
        for (name, value) in dimensions {
            line.insert((*name).to_owned(), json!(value));
        }
        Value::Object(line)
    }
}

/// The key under which a metric's last value with one dimension is remembered.
fn key(name: &str, (dimension, value): Dimension<'_>) -> String {
    format!("{name} {dimension}={value}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn line(metric: Metric, value: f64, dimensions: &[Dimension<'_>]) -> Value {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let metrics = Metrics::off(Clock::manual(now));
        metrics.line("gatekeeper", metric, value, dimensions)
    }

    #[test]
    fn a_line_follows_cloudwatchs_specification() {
        assert_eq!(
            line(Metric::Requests, 3.0, &[("outcome", "accepted")]),
            json!({
                "_aws": {
                    "Timestamp": 1_800_000_000_000_i64,
                    "CloudWatchMetrics": [{
                        "Namespace": "PrivateLinkGatekeeper",
                        "Dimensions": [["stack", "outcome"]],
                        "Metrics": [{ "Name": "Requests", "Unit": "Count" }],
                    }],
                },
                "Requests": 3.0,
                "stack": "gatekeeper",
                "outcome": "accepted",
            })
        );
    }

    #[test]
    fn a_value_is_filed_under_each_dimension_and_always_under_its_stack() {
        let sets = |dimensions: &[Dimension<'_>]| {
            let line = line(Metric::StepFailures, 1.0, dimensions);
            line["_aws"]["CloudWatchMetrics"][0]["Dimensions"].clone()
        };
        assert_eq!(sets(&[]), json!([["stack"]]));
        let both = [("step", "judge"), ("error_type", "Permanent.Forbidden")];
        assert_eq!(
            sets(&both),
            json!([["stack", "step"], ["stack", "error_type"]])
        );
    }

    #[test]
    fn the_last_value_is_remembered_by_name_and_by_dimension() {
        let metrics = Metrics::off(Clock::manual(Timestamp::from_second(0).unwrap()));
        metrics.put(Metric::Votes, 1.0, &[("choice", "approve")]);
        metrics.put(Metric::Votes, 2.0, &[("choice", "reject")]);
        assert_eq!(metrics.last("Votes"), Some(2.0));
        assert_eq!(metrics.last_of("Votes", ("choice", "approve")), Some(1.0));
        assert_eq!(metrics.last_of("Votes", ("choice", "abstain")), None);
    }
}
