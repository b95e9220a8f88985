use serde_json::Value;

/// A text in an object, or nothing.
pub(crate) fn text_of<'v>(value: &'v Value, name: &str) -> &'v str {
    let text = value.get(name).and_then(Value::as_str);
    text.unwrap_or_default()
}
