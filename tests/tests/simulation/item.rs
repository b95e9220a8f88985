//! Reads DynamoDB's JSON.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// An item, or a value of one, as plain JSON.
pub(crate) fn plain(value: &Value) -> Value {
    let Value::Object(fields) = value else {
        return value.clone();
    };
    if let (1, Some((kind, inner))) = (fields.len(), fields.iter().next()) {
        match (kind.as_str(), inner) {
            ("S" | "BOOL" | "SS", inner) => return inner.clone(),
            ("NULL", _) => return Value::Null,
            ("N", Value::String(digits)) => {
                return serde_json::from_str(digits).unwrap_or_default();
            }
            ("L", Value::Array(all)) => return all.iter().map(plain).collect(),
            ("M", Value::Object(_)) => return plain_fields(inner),
            _ => {}
        }
    }
    plain_fields(value)
}

fn plain_fields(value: &Value) -> Value {
    let fields = value.as_object().into_iter().flatten();
    Value::Object(
        fields
            .map(|(name, value)| (name.clone(), plain(value)))
            .collect::<Map<_, _>>(),
    )
}

/// A field's text; empty if it has none.
pub(crate) fn text<'a>(item: &'a Value, name: &str) -> &'a str {
    item[name].as_str().unwrap_or_default()
}

/// A field's time.
pub(crate) fn time(item: &Value, name: &str) -> Option<Timestamp> {
    item[name].as_str()?.parse().ok()
}
