//! The entries of `PutEvents`, and what becomes of them on a bus.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::errors;
use crate::caller::Caller;
use crate::error::AwsError;
use crate::fault::ItemFault;

const MOST_ENTRIES: usize = 10;
/// The most bytes of a call, all entries together: 256 KB, which AWS has raised to 1 MB in some partitions.
const MOST_BYTES: usize = 256 * 1024;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BusEvent {
    /// The id that EventBridge gave it.
    pub id: String,
    /// The ARN of the bus.
    pub bus: String,
    /// The account that put it.
    pub account: String,
    pub region: String,
    pub source: String,
    pub detail_type: String,
    /// When it happened, in seconds since 1970, if the entry says it.
    pub time: Option<f64>,
    pub resources: Vec<String>,
    pub detail: Value,
}

/// Is shown each event that is put on a bus.
pub type OnEvent = Arc<dyn Fn(&BusEvent) + Send + Sync>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PutEvents {
    entries: Option<Vec<Entry>>,
}

impl PutEvents {
    /// The entries, if there are not too many, and they are not too large.
    pub(crate) fn entries(self) -> Result<Vec<Entry>, AwsError> {
        let entries = self.entries.unwrap_or_default();
        let rule = match entries.len() {
            0 => "have length greater than or equal to 1",
            1..=MOST_ENTRIES => {
                if entries.iter().map(Entry::size).sum::<usize>() > MOST_BYTES {
                    let text = "Total size of the entries in the request is over the limit.";
                    return Err(errors::invalid(text));
                }
                return Ok(entries);
            }
            _ => "have length less than or equal to 10",
        };
        Err(errors::constraint("'[...]'", "entries", rule))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Entry {
    time: Option<f64>,
    source: Option<String>,
    resources: Option<Vec<String>>,
    detail_type: Option<String>,
    detail: Option<String>,
    pub(crate) event_bus_name: Option<String>,
}

impl Entry {
    /// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevent-size>
    fn size(&self) -> usize {
        let texts = [&self.source, &self.detail_type, &self.detail];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let resources: usize = self.resources.iter().flatten().map(String::len).sum();
        let time = self.time.map_or(0, |_| 14);
        time + texts + resources
    }

    /// The event on the bus, unless something is wrong with the entry.
    pub(crate) fn read(&self, id: &str, bus: &str, caller: &Caller) -> Result<BusEvent, AwsError> {
        let source = required(self.source.as_ref(), "Source")?;
        let detail_type = required(self.detail_type.as_ref(), "DetailType")?;
        let detail = required(self.detail.as_ref(), "Detail")?;
        if source.starts_with("aws.") {
            let text = "Not authorized for the source.";
            return Err(AwsError::bad("NotAuthorizedForSourceException", text));
        }
        let detail = serde_json::from_str(&detail).ok().filter(Value::is_object);
        let malformed = || AwsError::bad("MalformedDetail", "Detail is malformed.");
        Ok(BusEvent {
            id: id.to_owned(),
            bus: bus.to_owned(),
            account: caller.account.clone(),
            region: caller.region.clone(),
            source,
            detail_type,
            time: self.time,
            resources: self.resources.clone().unwrap_or_default(),
            detail: detail.ok_or_else(malformed)?,
        })
    }

    /// The error of a fault that names this entry by one of its resources.
    pub(crate) fn failed_by(&self, fault: Option<&ItemFault>) -> Option<AwsError> {
        let fault = fault?;
        let mut resources = self.resources.iter().flatten();
        let covered = fault.covers_all() || resources.any(|it| fault.covers(it));
        covered.then(|| AwsError::bad(&fault.code, &fault.message))
    }
}

fn required(given: Option<&String>, name: &str) -> Result<String, AwsError> {
    given
        .filter(|given| !given.is_empty())
        .cloned()
        .ok_or_else(|| {
            let text =
                format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
            AwsError::bad("InvalidArgument", text)
        })
}
