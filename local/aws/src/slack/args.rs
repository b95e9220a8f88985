use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::errors::{self, SlackError};

#[derive(Debug, Default)]
pub(crate) struct Args {
    fields: Map<String, Value>,
    /// A warning that Slack adds to its answer.
    pub(crate) warning: Option<&'static str>,
}

impl Args {
    /// From a JSON object or a form. In a form, objects and lists are written as JSON.
    pub(crate) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, SlackError> {
        let content_type = headers.get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        if body.is_empty() {
            return Ok(Self::default());
        }
        let content_type = content_type.ok_or_else(|| SlackError::new("missing_post_type"))?;
        let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        match kind.trim() {
            "application/json" => {
                let charset = parameters.trim().to_ascii_lowercase();
                let warning = match charset.strip_prefix("charset=") {
                    None => Some("missing_charset"),
                    Some("utf-8") => None,
                    Some(_) => return Err(SlackError::new("invalid_charset")),
                };
                match serde_json::from_slice(body) {
                    Ok(Value::Object(fields)) => Ok(Self { fields, warning }),
                    Ok(_) => Err(SlackError::new("json_not_object")),
                    Err(_) => Err(SlackError::new("invalid_json")),
                }
            }
            "application/x-www-form-urlencoded" => {
                let fields = form_urlencoded::parse(body)
                    .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())));
                Ok(Self {
                    fields: fields.collect(),
                    warning: None,
                })
            }
            _ => Err(SlackError::new("invalid_post_type")),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|value| !value.is_null())
    }

    /// A text; an empty one is none.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, SlackError> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(errors::invalid_argument(format!(
                "must be a string [json-pointer:/{name}]"
            ))),
        }
    }

    /// A text that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, SlackError> {
        self.text(name)?.ok_or_else(|| errors::missing(name))
    }

    /// A boolean, which may be written as text.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, SlackError> {
        let text = match self.fields.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Bool(flag)) => return Ok(Some(*flag)),
            Some(other) => other
                .as_str()
                .map_or_else(|| other.to_string(), str::to_owned),
        };
        match text.as_str() {
            "true" | "1" => Ok(Some(true)),
            "false" | "0" | "" => Ok(Some(false)),
            _ => Err(errors::invalid_argument(format!(
                "must be a boolean [json-pointer:/{name}]"
            ))),
        }
    }

    /// A number, which may be written as text.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, SlackError> {
        let number = match self.fields.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.parse().ok(),
            Some(other) => other.as_u64(),
        };
        number.map(Some).ok_or_else(|| {
            errors::invalid_argument(format!("must be a number [json-pointer:/{name}]"))
        })
    }

    /// An object or a list, which may be written as text. `unreadable` is the error for any other text.
    pub(crate) fn json(&self, name: &str, unreadable: &str) -> Result<Option<Value>, SlackError> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => match serde_json::from_str(text) {
                Ok(value @ (Value::Object(_) | Value::Array(_))) => Ok(Some(value)),
                _ => Err(SlackError::new(unreadable)),
            },
            Some(value) => Ok(Some(value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Args;
    use axum::http::HeaderMap;
    use axum::http::header::CONTENT_TYPE;
    use serde_json::json;

    fn parse(kind: Option<&'static str>, body: &str) -> Result<Args, String> {
        let mut headers = HeaderMap::new();
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
        }
        Args::parse(&headers, body.as_bytes()).map_err(|error| error.code)
    }

    #[test]
    fn bodies_are_json_or_forms() {
        let json = Some("application/json; charset=utf-8");
        let form = Some("application/x-www-form-urlencoded");
        for (kind, body, expected) in [
            (json, "{}", Ok(None)),
            (Some("application/json;charset=UTF-8"), "{}", Ok(None)),
            (Some("application/json"), "{}", Ok(Some("missing_charset"))),
            (
                Some("application/json; charset=latin1"),
                "{}",
                Err("invalid_charset"),
            ),
            (json, "{", Err("invalid_json")),
            (json, "[]", Err("json_not_object")),
            (form, "a=b", Ok(None)),
            (Some("text/html"), "a", Err("invalid_post_type")),
            (None, "a", Err("missing_post_type")),
            (None, "", Ok(None)),
        ] {
            let parsed = parse(kind, body).map(|args| args.warning);
            assert_eq!(parsed, expected.map_err(str::to_owned), "{kind:?} {body}");
        }
    }

    #[test]
    fn a_form_says_the_same_as_json() {
        let json = json!({ "t": "x", "f": true, "n": 5, "j": [1], "e": "", "z": null });
        let json = parse(Some("application/json; charset=utf-8"), &json.to_string());
        let form = parse(
            Some("application/x-www-form-urlencoded"),
            "t=x&f=true&n=5&j=%5B1%5D&e=",
        );
        for args in [json.unwrap(), form.unwrap()] {
            assert_eq!(args.text("t"), Ok(Some("x")));
            assert_eq!(args.flag("f"), Ok(Some(true)));
            assert_eq!(args.number("n"), Ok(Some(5)));
            assert_eq!(args.json("j", "odd"), Ok(Some(json!([1]))));
            assert_eq!(
                (args.text("e"), args.text("z"), args.has("z")),
                (Ok(None), Ok(None), false)
            );
            assert_eq!(args.required("e").unwrap_err().code, "invalid_arguments");
            assert_eq!(args.json("t", "odd").unwrap_err().code, "odd");
            assert!(args.flag("t").is_err() && args.number("t").is_err());
        }
    }
}
