//! Acknowledgements of findings: items of the allowlist table, in a partition of their own. Nothing writes
//! them but people.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use gatekeeper_core::acknowledgement::{ACKNOWLEDGEMENTS, Acknowledgement, Value};
use gatekeeper_core::ids::ServiceId;
use gatekeeper_core::policy_key::PolicyKey;
use gatekeeper_core::watch::Finding;
use serde::Deserialize as _;

use super::item::{Item, all_of, text};
use super::{Allowlist, UnreadableAcknowledgement};
use crate::error::Error;

/// All acknowledgements that can be understood.
#[derive(Debug, Default)]
pub(crate) struct Acknowledgements {
    pub(crate) by_service: BTreeMap<ServiceId, BTreeMap<Finding, Acknowledgement>>,
    /// What is wrong with those that cannot: they silence nothing.
    pub(crate) malformed: Vec<Arc<Error>>,
}

impl Allowlist {
    /// Reads all acknowledgements, consistently.
    pub(crate) async fn acknowledgements(&self) -> Result<Acknowledgements, Arc<Error>> {
        let query = self
            .db
            .client
            .query()
            .table_name(&self.db.allowlist)
            .consistent_read(true)
            .key_condition_expression("service_id = :acknowledgements")
            .expression_attribute_values(":acknowledgements", text(ACKNOWLEDGEMENTS));
        let mut read = Acknowledgements::default();
        let what = "the acknowledgements of findings could not be read";
        let call = self.db.reading("dynamodb:Query", what);
        for item in all_of(query, call).await? {
            match decode_acknowledgement(&item) {
                Ok(one) => {
                    let of_service = read.by_service.entry(one.service_id.clone()).or_default();
                    of_service.insert(one.finding, one);
                }
                Err(error) => read.malformed.push(error.read_in(self.db.step).into()),
            }
        }
        Ok(read)
    }
}

fn decode_acknowledgement(item: &Item) -> Result<Acknowledgement, UnreadableAcknowledgement> {
    let rule = item.get("rule").and_then(|rule| rule.as_s().ok());
    let rule = rule.map_or("", String::as_str);
    let attributes = item
        .iter()
        .filter(|(name, _)| !["service_id", "rule"].contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value_of(value)))
        .collect();
    Acknowledgement::read(rule, &attributes).map_err(|detail| UnreadableAcknowledgement {
        item: PolicyKey::new(ACKNOWLEDGEMENTS, rule).to_string(),
        detail,
    })
}

/// Reads an image of an acknowledgement from a record of the table's stream; see
/// [`decode_image`](super::decode_image).
///
/// # Errors
/// [`UnreadableAcknowledgement`], which names the item and what is wrong with it.
pub fn decode_acknowledgement_image(
    image: &serde_json::Value,
) -> Result<Acknowledgement, UnreadableAcknowledgement> {
    // What is no item at all lacks everything.
    let item = serde_dynamo::Item::deserialize(image).unwrap_or_default();
    decode_acknowledgement(&item.into())
}

/// An acknowledgement as an item of the allowlist table.
#[must_use]
pub fn encode_acknowledgement(written: &Acknowledgement) -> Item {
    let rule = Acknowledgement::rule(written.finding, &written.service_id);
    let evidence = written.evidence.iter().cloned().collect();
    let reason = written.reason.as_ref();
    Item::from([
        ("service_id".to_owned(), text(ACKNOWLEDGEMENTS)),
        ("rule".to_owned(), text(rule)),
        ("evidence".to_owned(), AttributeValue::Ss(evidence)),
        ("acknowledged_by".to_owned(), text(&written.acknowledged_by)),
        ("until".to_owned(), text(written.until.to_string())),
    ])
    .into_iter()
    .chain(reason.map(|reason| ("reason".to_owned(), text(reason))))
    .collect()
}

fn value_of(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => Value::Text(text.clone()),
        AttributeValue::Ss(texts) => Value::Texts(texts.clone()),
        AttributeValue::L(list) => {
            let texts = list.iter().map(|one| one.as_s().cloned());
            let texts: Result<Vec<String>, _> = texts.collect();
            texts.map_or(
                Value::Other("a list of other things than texts"),
                Value::Texts,
            )
        }
        AttributeValue::N(_) => Value::Other("a number"),
        AttributeValue::Bool(_) => Value::Other("true or false"),
        AttributeValue::Null(_) => Value::Other("null"),
        AttributeValue::M(_) => Value::Other("a map"),
        _ => Value::Other("no text"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written() -> Acknowledgement {
        Acknowledgement {
            finding: Finding::AnyoneMayAsk,
            service_id: "vpce-svc-0a1b2c3d4e5f60718".parse().unwrap(),
            evidence: ["*".to_owned(), "arn:aws:iam::777788889999:root".to_owned()].into(),
            acknowledged_by: "alice@example.com".to_owned(),
            until: "2027-01-31T00:00:00Z".parse().unwrap(),
            reason: Some("A test service".to_owned()),
        }
    }

    #[test]
    fn an_acknowledgement_is_read_as_it_is_written_and_as_the_stream_has_it() {
        let item = encode_acknowledgement(&written());
        assert_eq!(decode_acknowledgement(&item).unwrap(), written());
        let mut list = item;
        let evidence = written().evidence.into_iter().map(AttributeValue::S);
        let evidence = AttributeValue::L(evidence.collect());
        list.insert("evidence".to_owned(), evidence);
        assert_eq!(decode_acknowledgement(&list).unwrap(), written());
        let image = json!({
            "service_id": {"S": "acknowledgements"},
            "rule": {"S": "anyone_may_ask#vpce-svc-0a1b2c3d4e5f60718"},
            "evidence": {"SS": ["arn:aws:iam::777788889999:root", "*"]},
            "acknowledged_by": {"S": "alice@example.com"},
            "until": {"S": "2027-01-31T00:00:00Z"},
            "reason": {"S": "A test service"},
        });
        assert_eq!(decode_acknowledgement_image(&image).unwrap(), written());
    }

    #[test]
    fn what_is_wrong_is_told_with_the_item() {
        let mut item = encode_acknowledgement(&written());
        item.insert("until".to_owned(), AttributeValue::N("5".to_owned()));
        let said = decode_acknowledgement(&item).unwrap_err().to_string();
        let expected = "the acknowledgement acknowledgements / \
                        anyone_may_ask#vpce-svc-0a1b2c3d4e5f60718 cannot be understood, so it silences \
                        nothing: until is a number; write when it ends";
        assert!(said.starts_with(expected), "{said}");
        for nothing in [
            json!(null),
            json!("x"),
            json!({}),
            json!({"rule": {"S": ""}}),
        ] {
            assert!(decode_acknowledgement_image(&nothing).is_err(), "{nothing}");
        }
    }
}
