//! The AWS JSON 1.1 protocol, as far as it is the same for all services.

use axum::http::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::AwsError;
use crate::query::Params;

/// The action in `x-amz-target`; of another service's target all of it, which is no action of this one's.
pub(crate) fn action(headers: &HeaderMap, prefix: &str) -> String {
    let target = headers.get("x-amz-target");
    let target = target
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    target.strip_prefix(prefix).unwrap_or(target).to_owned()
}

/// The fields of a body in the form in which the Query protocol has them, for the log of calls and for faults: by
/// name, nested ones as `Tags.1.Key`. None, if it is no object.
pub(crate) fn params(body: &[u8]) -> Params {
    let mut pairs = Vec::new();
    if let Ok(body @ Value::Object(_)) = serde_json::from_slice(body) {
        flatten(String::new(), body, &mut pairs);
    }
    Params::from_iter(pairs)
}

fn flatten(name: String, value: Value, pairs: &mut Vec<(String, String)>) {
    let nested = |field: &dyn std::fmt::Display| match name.as_str() {
        "" => field.to_string(),
        name => format!("{name}.{field}"),
    };
    match value {
        Value::Null => {}
        Value::String(text) => pairs.push((name, text)),
        Value::Bool(_) | Value::Number(_) => pairs.push((name, value.to_string())),
        Value::Array(items) => {
            for (item, number) in items.into_iter().zip(1_u32..) {
                flatten(nested(&number), item, pairs);
            }
        }
        Value::Object(fields) => {
            for (field, value) in fields {
                flatten(nested(&field), value, pairs);
            }
        }
    }
}

/// The body of a call as what the operation takes. Fields that it does not take are ignored, as AWS does.
pub(crate) fn input<T: DeserializeOwned>(body: &[u8]) -> Result<T, AwsError> {
    // A call without parameters may come without a body.
    let body = if body.is_empty() { b"{}" } else { body };
    let object: serde_json::Map<String, Value> =
        serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    serde_json::from_value(Value::Object(object)).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> AwsError {
    AwsError::new(400, "SerializationException", error.to_string())
}

/// The target names no operation of the service.
pub(crate) fn unknown_operation(action: &str) -> AwsError {
    let message = format!("The operation '{action}' is not known");
    AwsError::new(400, "UnknownOperationException", message)
}

/// "Common Errors" of the API references.
pub(crate) fn unavailable() -> AwsError {
    AwsError::new(
        503,
        "ServiceUnavailable",
        "The request has failed due to a temporary failure of the server.",
    )
}

/// IAM's refusal of `<service>:<action>`.
pub(crate) fn unauthorized(arn: &str, service: &str, action: &str, resource: &str) -> AwsError {
    let permission = format!("{service}:{action}");
    AwsError::bad(
        "AccessDeniedException",
        format!(
            "User: {arn} is not authorized to perform: {permission} on resource: {resource} because no identity-based \
             policy allows the {permission} action"
        ),
    )
}

/// A page of a list, and the token of the next one.
pub(crate) fn page(name: &str, items: Vec<Value>, token: Option<String>) -> Value {
    let mut page = serde_json::Map::from_iter([(name.to_owned(), Value::Array(items))]);
    page.extend(token.map(|token| ("NextToken".to_owned(), Value::String(token))));
    Value::Object(page)
}

#[cfg(test)]
mod tests {
    use super::{action, input, params};
    use axum::http::HeaderMap;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        child_id: Option<String>,
        max_results: Option<i64>,
    }

    #[test]
    fn the_target_names_the_action() {
        for (target, expected) in [
            (Some("Service.Do"), "Do"),
            (Some("Other.Do"), "Other.Do"),
            (Some("Do"), "Do"),
            (None, ""),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(target) = target {
                headers.insert("x-amz-target", target.parse().unwrap());
            }
            assert_eq!(action(&headers, "Service."), expected, "{target:?}");
        }
    }

    #[test]
    fn bodies_become_parameters() {
        let body = br#"{"Name": "a", "Limit": 5, "Force": true, "None": null,
                        "Tags": [{"Key": "k", "Value": "v"}, {"Key": "l"}], "Ids": ["x", "y"]}"#;
        let params = params(body);
        for (name, expected) in [
            ("Name", Some("a")),
            ("Limit", Some("5")),
            ("Force", Some("true")),
            ("None", None),
            ("Tags.1.Value", Some("v")),
            ("Tags.2.Key", Some("l")),
        ] {
            assert_eq!(params.get(name), expected, "{name}");
        }
        assert_eq!(params.list("Ids"), ["x", "y"]);
        for body in ["", "[1]", "\"a\"", "{", "null"] {
            assert!(super::params(body.as_bytes()).pairs().is_empty(), "{body}");
        }
    }

    #[test]
    fn bodies_are_read_as_what_they_ought_to_be() {
        let read = |body: &str| input::<Input>(body.as_bytes()).map_err(|error| error.code);
        let full = Input {
            child_id: Some("1".to_owned()),
            max_results: Some(2),
        };
        let body = r#"{"ChildId": "1", "MaxResults": 2, "Unknown": []}"#;
        assert_eq!(read(body), Ok(full));
        for body in ["", "{}", r#"{"ChildId": null}"#] {
            assert_eq!(read(body), Ok(Input::default()), "{body}");
        }
        // The last one would pass for a struct with two fields.
        for body in [
            "{",
            "null",
            r#"{"ChildId": 1}"#,
            r#"{"MaxResults": "2"}"#,
            r#"["1", 2]"#,
        ] {
            let error = read(body).unwrap_err();
            assert_eq!(error, "SerializationException", "{body}");
        }
    }
}
