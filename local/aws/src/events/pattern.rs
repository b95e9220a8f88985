use serde_json::Value;

use super::errors;
use crate::error::AwsError;

/// The longest pattern, in characters.
const LONGEST: usize = 4096;

/// Whether a text can be an event pattern: an object of objects and arrays, none of them empty. The values in the
/// arrays are checked only for not being arrays.
pub(crate) fn check(pattern: &str) -> Result<(), AwsError> {
    if pattern.chars().count() > LONGEST {
        let rule = format!("have length less than or equal to {LONGEST}");
        return Err(errors::constraint(
            format!("'{pattern}'"),
            "eventPattern",
            &rule,
        ));
    }
    let pattern: Value = serde_json::from_str(pattern).map_err(errors::invalid_pattern)?;
    if pattern.is_object() {
        check_field("", &pattern)
    } else {
        Err(errors::invalid_pattern("Filter is not an object"))
    }
}

fn check_field(name: &str, value: &Value) -> Result<(), AwsError> {
    match value {
        Value::Object(fields) if fields.is_empty() => {
            Err(errors::invalid_pattern("Empty objects are not allowed"))
        }
        Value::Object(fields) => fields
            .iter()
            .try_for_each(|(name, value)| check_field(name, value)),
        Value::Array(values) if values.is_empty() => {
            Err(errors::invalid_pattern("Empty arrays are not allowed"))
        }
        Value::Array(values) if values.iter().any(Value::is_array) => Err(errors::invalid_pattern(
            "Match value must be String, number, true, false, or null",
        )),
        Value::Array(_) => Ok(()),
        _ => Err(errors::invalid_pattern(format!(
            "\"{name}\" must be an object or an array"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn patterns_are_objects_of_arrays() {
        for pattern in [
            r#"{"source": ["aws.ec2"]}"#,
            r#"{"source": ["aws.ec2"], "detail": {"eventName": [{"prefix": "Accept"}, null, 1, true]}}"#,
            r#"{"$or": [{"source": ["a"]}, {"source": ["b"]}]}"#,
        ] {
            assert_eq!(check(pattern), Ok(()), "{pattern}");
        }
        for (pattern, why) in [
            ("", "EOF"),
            ("{", "EOF"),
            ("[]", "not an object"),
            ("\"source\"", "not an object"),
            ("{}", "Empty objects"),
            (r#"{"detail": {}}"#, "Empty objects"),
            (r#"{"detail": {"source": []}}"#, "Empty arrays"),
            (r#"{"source": [["a"]]}"#, "Match value"),
            (r#"{"source": "aws.ec2"}"#, "\"source\" must be"),
            (
                r#"{"detail": {"eventName": null}}"#,
                "\"eventName\" must be",
            ),
        ] {
            let error = check(pattern).unwrap_err();
            assert_eq!(error.code, "InvalidEventPatternException", "{pattern}");
            assert!(error.message.contains(why), "{pattern}: {error}");
        }
    }

    #[test]
    fn patterns_have_a_greatest_length() {
        let of = |len: usize| format!("{{\"s\": [\"{}\"]}}", "ä".repeat(len - 11));
        assert_eq!(check(&of(4096)), Ok(()));
        let error = check(&of(4097)).unwrap_err();
        assert_eq!(error.code, "ValidationException");
    }
}
