//! Fields that several events have.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::malformed::Malformed;

type Object = Map<String, Value>;

/// The `detail` of an EventBridge event: an object, or an object as text, which is what a careless
/// `PutEvents` through some other tool makes of it.
pub(super) fn detail_of<'a>(
    name: &'static str,
    event: &'a Object,
) -> Result<Cow<'a, Object>, Malformed> {
    let detail = match event.get("detail") {
        Some(Value::Object(detail)) => Some(Cow::Borrowed(detail)),
        Some(Value::String(text)) => serde_json::from_str(text).ok().map(Cow::Owned),
        _ => None,
    };
    detail.ok_or_else(|| Malformed::field(name, "detail", "is not an object"))
}
