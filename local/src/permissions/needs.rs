//! What IAM is asked about a call: the action, the resource, and what conditions can look at.
//!
//! The Service Authorization Reference says which
//! (<https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>).

use std::collections::{BTreeMap, BTreeSet};

use axum::http::request::Parts;
use local_aws::Ec2;
use serde_json::Value;

use crate::in_process::{operation_of, service_of};
use crate::place::{PROVIDER, REGION};

/// DynamoDB's condition key for the partitions that a call touches.
const LEADING_KEYS: &str = "dynamodb:LeadingKeys";
/// What comes instead of what Secrets Manager adds to a secret's name.
const SUFFIX: &str = "XXXXXX";

/// One question to IAM.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Need {
    pub(super) action: String,
    /// An ARN; `*` where the service defines no resource for the action.
    pub(super) resource: String,
    /// The values of condition keys.
    pub(super) context: BTreeMap<String, BTreeSet<String>>,
}

impl Need {
    fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            resource: resource.into(),
            context: BTreeMap::new(),
        }
    }

    fn with(mut self, key: impl Into<String>, values: BTreeSet<String>) -> Self {
        self.context.insert(key.into(), values);
        self
    }
}

/// What a call needs. More than one thing where it is carried out in parts.
pub(super) fn of(parts: &Parts, body: &[u8], ec2: &Ec2) -> Vec<Need> {
    let service = service_of(parts.uri.path());
    let operation = operation_of(parts, body);
    let json = || -> Value {
        let text = std::str::from_utf8(body).unwrap_or_default();
        text.parse().unwrap_or_default()
    };
    match service {
        "dynamodb" => of_tables(&operation, &json()),
        "ec2" => vec![of_ec2(&operation, &form(body), ec2)],
        "sns" => vec![of_topic(&operation, &form(body))],
        "events" if operation == "PutEvents" => of_buses(&json()),
        "events" => {
            let rule = arn("events", &format!("rule/{}", text(&json(), "Name")));
            vec![Need::new(format!("events:{operation}"), rule)]
        }
        "secrets" => {
            let secret = secret_arn(text(&json(), "SecretId"));
            vec![Need::new(format!("secretsmanager:{operation}"), secret)]
        }
        // Accounts and units of any organization.
        service => vec![Need::new(format!("{service}:{operation}"), "*")],
    }
}

/// The ARN of a secret, from its name or its ARN, and the same for the secret of every world.
pub(super) fn secret_arn(id: &str) -> String {
    let name = match id.strip_prefix("arn:") {
        Some(_) => {
            let name = id.rsplit(':').next().unwrap_or_default();
            name.rsplit_once('-').map_or(name, |(name, _)| name)
        }
        None => id,
    };
    arn("secretsmanager", &format!("secret:{name}-{SUFFIX}"))
}

pub(super) fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{PROVIDER}:{resource}")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn form(body: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(body).into_owned().collect()
}

/// EC2 knows the endpoint service as a resource of what is done to one service, and nothing of descriptions of
/// many.
fn of_ec2(operation: &str, form: &BTreeMap<String, String>, ec2: &Ec2) -> Need {
    let action = format!("ec2:{operation}");
    let Some(id) = form.get("ServiceId") else {
        return Need::new(action, "*");
    };
    let need = Need::new(action, arn("ec2", &format!("vpc-endpoint-service/{id}")));
    let tags = ec2.service(id).map(|service| service.tags);
    let tags = tags.unwrap_or_default().into_iter();
    tags.fold(need, |need, (key, value)| {
        need.with(format!("aws:ResourceTag/{key}"), [value].into())
    })
}

/// A batch is allowed by the permission to publish. For what is asked of one subscription the reference names no
/// resource.
fn of_topic(operation: &str, form: &BTreeMap<String, String>) -> Need {
    let action = match operation {
        "PublishBatch" => "Publish",
        other => other,
    };
    let topic = form.get("TopicArn").map_or("*", String::as_str);
    Need::new(format!("sns:{action}"), topic)
}

/// Each bus that an entry names, by its ARN as the functions do.
fn of_buses(request: &Value) -> Vec<Need> {
    let entries = request.get("Entries").and_then(Value::as_array);
    let buses: BTreeSet<&str> = entries
        .into_iter()
        .flatten()
        .map(|entry| text(entry, "EventBusName"))
        .collect();
    let need = |bus| Need::new("events:PutEvents", bus);
    buses.into_iter().map(need).collect()
}

/// A transaction needs what its parts need, and nothing itself. A batch has an action of its own, for each
/// table in it.
fn of_tables(operation: &str, request: &Value) -> Vec<Need> {
    if let Some(parts) = request.get("TransactItems").and_then(Value::as_array) {
        let parts = parts.iter().filter_map(Value::as_object).flatten();
        let need = |(part, request): (&String, &Value)| {
            let action = match part.as_str() {
                "ConditionCheck" => "ConditionCheckItem".to_owned(),
                part => format!("{part}Item"),
            };
            let table = text(request, "TableName");
            of_table(&action, table, None, keys_of(table, request))
        };
        return parts.map(need).collect();
    }
    if let Some(tables) = request.get("RequestItems").and_then(Value::as_object) {
        let need = |(table, request): (&String, &Value)| {
            of_table(operation, table, None, keys_of_batch(table, request))
        };
        return tables.iter().map(need).collect();
    }
    let (table, index) = (text(request, "TableName"), request.get("IndexName"));
    let keys = keys_of(table, request).or_else(|| key_of_query(request));
    let index = index.and_then(Value::as_str);
    vec![of_table(operation, table, index, keys)]
}

fn of_table(
    action: &str,
    table: &str,
    index: Option<&str>,
    keys: Option<BTreeSet<String>>,
) -> Need {
    let index = index.map_or_else(String::new, |index| format!("/index/{index}"));
    let resource = arn("dynamodb", &format!("table/{table}{index}"));
    let need = Need::new(format!("dynamodb:{action}"), resource);
    match keys {
        Some(keys) => need.with(LEADING_KEYS, keys),
        None => need,
    }
}

/// The partition of the one item that a request names by its key or brings whole.
fn keys_of(table: &str, request: &Value) -> Option<BTreeSet<String>> {
    let item = request.get("Key").or_else(|| request.get("Item"))?;
    Some([partition(table, item)?].into())
}

/// The partitions of all items that a batch names.
fn keys_of_batch(table: &str, request: &Value) -> Option<BTreeSet<String>> {
    if let Some(keys) = request.get("Keys").and_then(Value::as_array) {
        return keys.iter().map(|key| partition(table, key)).collect();
    }
    let writes = request.as_array()?.iter().filter_map(Value::as_object);
    let writes = writes.flat_map(|write| write.values());
    let keys: Option<Vec<_>> = writes.map(|write| keys_of(table, write)).collect();
    Some(keys?.into_iter().flatten().collect())
}

/// The partition that a query asks for: its condition begins with it, as in `pk = :pk`.
fn key_of_query(request: &Value) -> Option<BTreeSet<String>> {
    let condition = text(request, "KeyConditionExpression");
    let (_, value) = condition.split_once(" = ")?;
    let name = value.split_whitespace().next()?;
    let key = request.get("ExpressionAttributeValues")?.get(name)?;
    Some([kind(text(key, "S"))].into())
}

fn partition(table: &str, item: &Value) -> Option<String> {
    let attribute = match table {
        crate::place::ALLOWLIST => "service_id",
        _ => "pk",
    };
    item.get(attribute)?.get("S")?.as_str().map(kind)
}

/// A partition as a policy can mean it: `link#x` stands for every link, `vpce-x` for every endpoint.
fn kind(key: &str) -> String {
    let mut prefixes = ["vpce-svc-", "vpce-"].into_iter();
    let prefix = prefixes.find(|prefix| key.starts_with(prefix));
    match (key.split_once('#'), prefix) {
        (Some((word, _)), _) => format!("{word}#x"),
        (None, Some(prefix)) => format!("{prefix}x"),
        (None, None) => key.to_owned(),
    }
}

#[cfg(test)]
#[path = "needs_tests.rs"]
mod tests;
