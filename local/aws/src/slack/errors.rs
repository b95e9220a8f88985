//! Slack's errors: an `error` that programs compare, in an answer with status 200. The codes are those of the methods'
//! references, except where it says otherwise.

use serde_json::{Map, Value, json};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlackError {
    pub(crate) code: String,
    /// `response_metadata.messages`.
    messages: Vec<String>,
    fields: Vec<(&'static str, String)>,
}

impl SlackError {
    pub(crate) fn new(code: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            messages: Vec::new(),
            fields: Vec::new(),
        }
    }

    pub(crate) fn with_messages(mut self, messages: impl IntoIterator<Item = String>) -> Self {
        self.messages.extend(messages);
        self
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("ok".to_owned(), json!(false));
        fields.insert("error".to_owned(), json!(self.code));
        for (name, value) in &self.fields {
            fields.insert((*name).to_owned(), json!(value));
        }
        if !self.messages.is_empty() {
            let messages = json!({ "messages": self.messages });
            fields.insert("response_metadata".to_owned(), messages);
        }
        Value::Object(fields)
    }
}

/// An argument is missing or malformed. The text is as public reports quote it.
pub(crate) fn invalid_argument(why: impl Into<String>) -> SlackError {
    SlackError::new("invalid_arguments").with_messages([format!("[ERROR] {}", why.into())])
}

pub(crate) fn missing(name: &str) -> SlackError {
    invalid_argument(format!("missing required field: {name}"))
}

pub(crate) fn unknown_method(method: &str) -> SlackError {
    let mut error = SlackError::new("unknown_method");
    error.fields.push(("req_method", method.to_owned()));
    error
}

/// `needed` is one of the scopes that would do, `provided` are those that the token has.
pub(crate) fn missing_scope(
    needed: &str,
    provided: impl IntoIterator<Item = String>,
) -> SlackError {
    let mut error = SlackError::new("missing_scope");
    let provided: Vec<String> = provided.into_iter().collect();
    error.fields.push(("needed", needed.to_owned()));
    error.fields.push(("provided", provided.join(",")));
    error
}
