use axum::http::{HeaderMap, Uri};
use serde_json::json;

use crate::error::AwsError;
use crate::json;
use crate::query::Params;

#[derive(Clone, Copy)]
pub(crate) enum Protocol {
    /// AWS Query: a form in, XML out.
    Query {
        /// Writes the document of an error, given the id of the request.
        error: fn(&AwsError, &str) -> String,
    },
    /// AWS JSON 1.1: an object in, an object out. A header names the action.
    Json {
        /// What stands before the action in the header, with the dot at its end.
        prefix: &'static str,
        /// The field of an error that holds its text: `message` or `Message`.
        message: &'static str,
    },
}

impl Protocol {
    /// The action that is called, or nothing, and its parameters.
    pub(crate) fn decode(self, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> (String, Params) {
        match self {
            Self::Query { .. } => {
                let params = Params::parse(uri.query(), body);
                let action = params.get("Action").unwrap_or_default().to_owned();
                (action, params)
            }
            Self::Json { prefix, .. } => (json::action(headers, prefix), json::params(body)),
        }
    }

    /// The content type of all answers, errors included.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Query { .. } => "text/xml;charset=UTF-8",
            Self::Json { .. } => "application/x-amz-json-1.1",
        }
    }

    pub(crate) fn error(self, error: &AwsError, request_id: &str) -> String {
        match self {
            Self::Query { error: write } => write(error, request_id),
            Self::Json { message, .. } => {
                let mut document = json!({ "__type": error.code, message: error.message });
                if let (Some(reason), Some(fields)) = (error.reason, document.as_object_mut()) {
                    fields.insert("Reason".to_owned(), json!(reason));
                }
                document.to_string()
            }
        }
    }
}
