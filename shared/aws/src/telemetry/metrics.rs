//! Metrics by CloudWatch's embedded metric format: a JSON line on standard output is all it takes.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use crate::clock::Clock;

const NAMESPACE: &str = "PrivateLinkGatekeeper";

/// What a metric's value counts in.
#[derive(Debug, Clone, Copy)]
pub enum Unit {
    /// Things.
    Count,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
}

impl Unit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Milliseconds => "Milliseconds",
            Self::Seconds => "Seconds",
        }
    }
}

/// Where metrics go.
#[derive(Debug, Clone)]
pub struct Metrics {
    clock: Clock,
    to: Sink,
}

#[derive(Debug, Clone)]
enum Sink {
    StandardOutput,
    /// The last value of each name.
    Memory(Arc<Mutex<BTreeMap<String, f64>>>),
}

impl Metrics {
    /// To standard output, as Lambda wants it.
    #[must_use]
    pub fn embedded(clock: Clock) -> Self {
        let to = Sink::StandardOutput;
        Self { clock, to }
    }

    /// Nowhere: the local world's standard output is for people. The last values can be asked for.
    #[must_use]
    pub fn off(clock: Clock) -> Self {
        let to = Sink::Memory(Arc::default());
        Self { clock, to }
    }

    /// The value that was put last under a name, with whatever dimensions; none if there was none,
    /// or if it went to standard output.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<f64> {
        match &self.to {
            Sink::StandardOutput => None,
            Sink::Memory(values) => {
                let values = values.lock().unwrap_or_else(PoisonError::into_inner);
                values.get(name).copied()
            }
        }
    }

    /// Puts one value, with the dimensions to file it under.
    pub fn put(&self, name: &str, unit: Unit, value: f64, dimensions: &[(&str, &str)]) {
        match &self.to {
            Sink::StandardOutput => {
                let line = self.line(name, unit, value, dimensions);
                // A metric that cannot be written must not stop a decision.
                let _ = writeln!(std::io::stdout().lock(), "{line}");
            }
            Sink::Memory(values) => {
                let mut values = values.lock().unwrap_or_else(PoisonError::into_inner);
                values.insert(name.to_owned(), value);
            }
        }
    }

    fn line(&self, name: &str, unit: Unit, value: f64, dimensions: &[(&str, &str)]) -> Value {
        let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
        let mut line = Map::new();
        line.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": self.clock.now().as_millisecond(),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [names],
                    "Metrics": [{ "Name": name, "Unit": unit.as_str() }],
                }],
            }),
        );
        line.insert(name.to_owned(), json!(value));
        for (name, value) in dimensions {
            line.insert((*name).to_owned(), json!(value));
        }
        Value::Object(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    #[test]
    fn a_line_is_what_cloudwatch_specifies() {
        let metrics = Metrics::off(Clock::manual(
            Timestamp::from_second(1_800_000_000).unwrap(),
        ));
        let line = metrics.line("Requests", Unit::Count, 3.0, &[("outcome", "accepted")]);
        assert_eq!(
            line,
            json!({
                "_aws": {
                    "Timestamp": 1_800_000_000_000_i64,
                    "CloudWatchMetrics": [{
                        "Namespace": "PrivateLinkGatekeeper",
                        "Dimensions": [["outcome"]],
                        "Metrics": [{ "Name": "Requests", "Unit": "Count" }],
                    }],
                },
                "Requests": 3.0,
                "outcome": "accepted",
            })
        );
    }
}
