use axum::http::{HeaderMap, Uri};

use crate::json;
use crate::query::Params;

/// How calls and answers are written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Protocol {
    /// AWS Query: a form in, XML out.
    Query,
    /// AWS JSON 1.1: an object in, an object out. What is called stands in a header, behind the service's prefix.
    Json {
        /// With the dot at its end.
        prefix: &'static str,
    },
}

impl Protocol {
    /// The action that is called, or nothing, and its parameters.
    pub(crate) fn decode(self, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> (String, Params) {
        match self {
            Self::Query => {
                let params = Params::parse(uri.query(), body);
                let action = params.get("Action").unwrap_or_default().to_owned();
                (action, params)
            }
            Self::Json { prefix } => (json::action(headers, prefix), json::params(body)),
        }
    }

    /// Of all answers, errors included.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Query => "text/xml;charset=UTF-8",
            Self::Json { .. } => "application/x-amz-json-1.1",
        }
    }
}
