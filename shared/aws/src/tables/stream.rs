//! Reads items of the allowlist from its stream.

use gatekeeper_core::policy::PolicyItem;
use gatekeeper_core::policy_key::PolicyKey;
use gatekeeper_core::precondition::UnreadablePolicy;
use serde::Deserialize as _;
use serde_json::Value;

use super::{Item, decode_policy_item};

/// Reads an image of an allowlist item from a record of the table's stream, as strictly as the item
/// itself is read. A record's `Keys` are read as an item with that key and nothing else.
///
/// Images are in DynamoDB JSON, in which a value is an object of its type and itself:
/// `{"rule": {"S": "settings"}, "review_hours": {"N": "24"}}`.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_AttributeValue.html>
///
/// # Errors
/// [`UnreadablePolicy`], which names the item as far as it has a name.
pub fn decode_image(image: &Value) -> Result<PolicyItem, UnreadablePolicy> {
    let mut item = Item::new();
    for (name, value) in image.as_object().into_iter().flatten() {
        let read = serde_dynamo::AttributeValue::deserialize(value);
        let read = read.map_err(|error| not_an_attribute(image, name, value, &error))?;
        item.insert(name.clone(), read.into());
    }
    decode_policy_item(&item)
}

/// Nothing that DynamoDB writes: somebody called the function by hand.
fn not_an_attribute(
    image: &Value,
    name: &str,
    value: &Value,
    error: &serde_json::Error,
) -> UnreadablePolicy {
    let key = |name: &str| {
        let value = image.get(name).and_then(|value| value.get("S"));
        value.and_then(Value::as_str).unwrap_or("?")
    };
    let key = PolicyKey::new(key("service_id"), key("rule"));
    UnreadablePolicy {
        item: key.to_string(),
        stops: key.stops(),
        detail: format!(
            "{name} is {value}, which is no value as DynamoDB writes it, such as {{\"S\":\"a text\"}}: {error}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use aws_sdk_dynamodb::primitives::Blob;
    use aws_sdk_dynamodb::types::AttributeValue;
    use gatekeeper_core::policy::{Revoke, Scope, ServiceSettings};
    use serde_json::json;

    use super::*;
    use crate::tables::{encode_entry, encode_settings};

    /// An item as DynamoDB writes it into a stream, by the documented names of its types.
    fn image(item: &Item) -> Value {
        let value = |value: &AttributeValue| match value {
            AttributeValue::S(text) => json!({ "S": text }),
            AttributeValue::N(number) => json!({ "N": number }),
            AttributeValue::Ss(texts) => json!({ "SS": texts }),
            // serde_dynamo writes a set as a list by default; DynamoDB accepts either.
            AttributeValue::L(items) => {
                let texts = items.iter().map(|item| json!({"S": item.as_s().unwrap()}));
                json!({ "L": texts.collect::<Vec<_>>() })
            }
            other => panic!("{other:?}"),
        };
        item.iter()
            .map(|(name, attribute)| (name.clone(), value(attribute)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    fn full() -> Value {
        json!({
            "service_id": {"S": "vpce-svc-0a1b2c3d4e5f60718"},
            "rule": {"S": "allow#012345678901"},
            "max_connections": {"N": "2"},
            "regions": {"SS": ["eu-central-1", "us-east-1"]},
            "expires_at": {"S": "2027-01-01T00:00:00Z"},
            "customer": {"S": "Example GmbH"},
            "contact": {"NULL": true},
            "purge_at": {"N": "1800000000"},
        })
    }

    #[test]
    fn an_image_is_read_as_the_item_is() {
        let PolicyItem::Entry(entry) = decode_image(&full()).unwrap() else {
            panic!("an entry")
        };
        assert_eq!(
            entry.rule().to_string(),
            "allow 012345678901 on vpce-svc-0a1b2c3d4e5f60718"
        );
        let conditions = entry.conditions();
        assert_eq!(conditions.max_connections, Some(2));
        assert_eq!(conditions.regions.as_ref().unwrap().len(), 2);
        let end = conditions.expires_at.unwrap();
        assert_eq!(end.to_string(), "2027-01-01T00:00:00Z");
        assert_eq!(entry.about().customer.as_deref(), Some("Example GmbH"));
        assert_eq!(entry.about().contact, None);
        let written = image(&encode_entry(&entry).unwrap());
        assert_eq!(decode_image(&written).unwrap(), PolicyItem::Entry(entry));

        let settings = ServiceSettings {
            revoke: Some(Revoke::Report),
            review_hours: Some(24),
            ..ServiceSettings::default()
        };
        let written = image(&encode_settings(&Scope::Every, &settings).unwrap());
        assert_eq!(
            decode_image(&written).unwrap(),
            PolicyItem::Settings(Scope::Every, settings)
        );
    }

    #[test]
    fn a_key_is_an_item_with_nothing_else() {
        let key = |service_id: &str, rule: &str| {
            decode_image(&json!({"service_id": {"S": service_id}, "rule": {"S": rule}}))
        };
        assert!(matches!(
            key("*", "deny#o-1/r-ab12/*").unwrap(),
            PolicyItem::Entry(entry) if entry.rule().to_string() == "deny o-1/r-ab12/* on *"
        ));
        assert_eq!(
            key("*", "settings").unwrap(),
            PolicyItem::Settings(Scope::Every, ServiceSettings::default())
        );
        assert!(key("vpce-0a1b2c3d", "settings").is_err());
        assert!(key("*", "allow").is_err());
    }

    #[test]
    fn an_error_names_the_item_of_the_image() {
        let named = "vpce-svc-0a1b2c3d4e5f60718 / allow#012345678901";
        for (attribute, value, said) in [
            ("max_connections", json!({"N": "two"}), "two"),
            (
                "max_connections",
                json!({"S": "2"}),
                "max_connections is the text \"2\"; write the number 2",
            ),
            ("max_connections", json!(2), "an object with a single key"),
            ("max_connections", json!({"N": 2}), "expected a string"),
            (
                "regions",
                json!({"SS": "eu-central-1"}),
                "expected a sequence",
            ),
            ("regions", json!({"NS": ["1"]}), "regions has the number 1"),
            ("customer", json!({"B": "not base64!"}), "base64"),
            (
                "customer",
                json!({"M": {"name": {"S": "Example"}}}),
                "customer is a map; write one text",
            ),
            ("customer", json!({"S": "a", "N": "1"}), "multiple keys"),
            ("customer", json!({"T": "a"}), "'T'"),
            ("customer", json!({}), "none"),
            ("customer", json!(null), "an object with a single key"),
            (
                "max_conections",
                json!({"N": "2"}),
                "did you mean max_connections?",
            ),
        ] {
            let mut bad = full();
            bad[attribute] = value.clone();
            let error = decode_image(&bad).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("the allowlist item {named} cannot be understood")),
                "{error}"
            );
            assert!(error.contains(said), "{attribute} {value}: {error}");
        }
        for nothing in [
            json!(null),
            json!("text"),
            json!([]),
            json!({}),
            json!({"service_id": 1}),
        ] {
            let error = decode_image(&nothing).unwrap_err().to_string();
            assert!(error.contains("item ? / ? cannot"), "{error}");
        }
    }

    #[test]
    fn a_value_of_any_type_is_what_the_sdk_has() {
        let s = |text: &str| AttributeValue::S(text.to_owned());
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let cases = [
            (json!({"S": "é"}), s("é")),
            (json!({"S": ""}), s("")),
            (
                json!({"N": "-1.5E3"}),
                AttributeValue::N("-1.5E3".to_owned()),
            ),
            (json!({"BOOL": false}), AttributeValue::Bool(false)),
            (json!({"NULL": true}), AttributeValue::Null(true)),
            (
                json!({"B": "/+8="}),
                AttributeValue::B(Blob::new([0xff, 0xef])),
            ),
            (
                json!({"SS": ["a", "b"]}),
                AttributeValue::Ss(texts(&["a", "b"])),
            ),
            (
                json!({"NS": ["1", "2"]}),
                AttributeValue::Ns(texts(&["1", "2"])),
            ),
            (
                json!({"BS": ["YQ=="]}),
                AttributeValue::Bs(vec![Blob::new("a")]),
            ),
            (
                json!({"L": [{"S": "a"}, {"L": []}]}),
                AttributeValue::L(vec![s("a"), AttributeValue::L(Vec::new())]),
            ),
            (
                json!({"M": {"a": {"S": "b"}}}),
                AttributeValue::M(HashMap::from([("a".to_owned(), s("b"))])),
            ),
        ];
        for (written, expected) in cases {
            let image = json!({ "attribute": written });
            let read: Item = serde_dynamo::Item::deserialize(&image).unwrap().into();
            assert_eq!(read, Item::from([("attribute".to_owned(), expected)]));
        }
    }
}
