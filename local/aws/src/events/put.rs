//! `PutEvents`: what lies on a bus is kept to be looked at. No rule takes it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::name::{self, DEFAULT_BUS};
use super::{Request, errors};
use crate::caller::Caller;
use crate::error::AwsError;

/// The most entries of a call.
const MOST_ENTRIES: usize = 10;
/// The most bytes of a call, all entries together: 256 KB, which AWS has raised to 1 MB in some partitions.
const MOST_BYTES: usize = 256 * 1024;
/// The longest detail type. What has a longer one is answered with an id, and is on no bus.
const LONGEST_DETAIL_TYPE: usize = 128;

/// An event on a bus.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BusEvent {
    /// The id that EventBridge gave it.
    pub id: String,
    /// The bus, by its ARN.
    pub bus: String,
    /// Who put it.
    pub account: String,
    /// Where it was put.
    pub region: String,
    /// Its source.
    pub source: String,
    /// Its detail type.
    pub detail_type: String,
    /// When it happened, in seconds since 1970, if that was said.
    pub time: Option<f64>,
    /// What it is about.
    pub resources: Vec<String>,
    /// What it says.
    pub detail: Value,
}

/// Is shown each event that is put on a bus.
pub type OnEvent = Arc<dyn Fn(&BusEvent) + Send + Sync>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents {
    entries: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    time: Option<f64>,
    source: Option<String>,
    resources: Option<Vec<String>>,
    detail_type: Option<String>,
    detail: Option<String>,
    event_bus_name: Option<String>,
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

    /// What is wrong with it, or what lies on the bus.
    fn read(&self, id: &str, bus: &str, caller: &Caller) -> Result<BusEvent, AwsError> {
        let required = |given: &Option<String>, name: &str| match given.as_deref() {
            None | Some("") => Err(errors::no_argument(name)),
            Some(given) => Ok(given.to_owned()),
        };
        let source = required(&self.source, "Source")?;
        let detail_type = required(&self.detail_type, "DetailType")?;
        let detail = required(&self.detail, "Detail")?;
        if source.starts_with("aws.") {
            return Err(errors::not_your_source());
        }
        let detail: Value = serde_json::from_str(&detail)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(errors::malformed_detail)?;
        Ok(BusEvent {
            id: id.to_owned(),
            bus: bus.to_owned(),
            account: caller.account.clone(),
            region: caller.region.clone(),
            source,
            detail_type,
            time: self.time,
            resources: self.resources.clone().unwrap_or_default(),
            detail,
        })
    }

    /// Whether a fault of some items means it: by one of its resources.
    fn is_covered(&self, req: &Request<'_>) -> bool {
        let resources = self.resources.iter().flatten();
        let fault = req.item_fault;
        fault.is_some_and(|fault| {
            fault.covers_all() || resources.into_iter().any(|it| fault.covers(it))
        })
    }
}

/// "The response `Entries` array always includes the same number of entries as the request array."
pub(crate) fn put(req: &Request<'_>) -> Result<Value, AwsError> {
    let input: PutEvents = req.input()?;
    let entries = input.entries.unwrap_or_default();
    if entries.is_empty() || entries.len() > MOST_ENTRIES {
        let rule = match entries.is_empty() {
            true => "have length greater than or equal to 1",
            false => "have length less than or equal to 10",
        };
        return Err(errors::constraint("'[...]'", "entries", rule));
    }
    if entries.iter().map(Entry::size).sum::<usize>() > MOST_BYTES {
        return Err(errors::entries_too_large());
    }
    let mut failed = 0;
    let mut answers = Vec::new();
    for entry in &entries {
        let put = if entry.is_covered(req) {
            let fault = req.item_fault;
            let error = fault.map(|fault| AwsError::new(400, &fault.code, &fault.message));
            Err(error.unwrap_or_else(errors::internal))
        } else {
            put_one(req, entry)
        };
        answers.push(match put {
            Ok(id) => json!({ "EventId": id }),
            Err(error) => {
                failed += 1;
                json!({ "ErrorCode": error.code, "ErrorMessage": error.message })
            }
        });
    }
    Ok(json!({ "FailedEntryCount": failed, "Entries": answers }))
}

fn put_one(req: &Request<'_>, entry: &Entry) -> Result<String, AwsError> {
    let id = req.events.0.ids.uuid();
    let bus = entry.event_bus_name.as_deref().unwrap_or(DEFAULT_BUS);
    let arn = name::bus_arn(req.caller, bus);
    let event = entry.read(&id, &arn, req.caller)?;
    // A bus that is not there takes everything, and so does a detail type that is too long:
    // https://github.com/aws/aws-cli/issues/9186
    let is_kept = event.detail_type.chars().count() <= LONGEST_DETAIL_TYPE
        && req.events.store().has_bus_of(&arn);
    if is_kept {
        req.events.store().put.push(event.clone());
        req.events.tell(&event);
    }
    Ok(id)
}
