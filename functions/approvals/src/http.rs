//! HTTP as this function sees it, whatever brought the request here.

use std::fmt;

use crate::headers;

/// The longest form in bytes: a reason of 1000 characters, each encoded as 12 bytes.
pub const FORM_LIMIT: usize = 16 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    /// As `GET`, without the body.
    Head,
    Post,
    Other,
}

impl Method {
    /// The method with this name. Names are in upper case (RFC 9110, section 9.1).
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            _ => Self::Other,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// An approver's link, with what stands in the place of the token.
    Link(&'a str),
    /// Slack sends to it what people pressed.
    Interactions,
    /// Signed votes on the request of an endpoint, with what stands in the place of its id.
    Votes(&'a str),
    Nowhere,
}

impl<'a> Route<'a> {
    pub(crate) fn of(path: &'a str) -> Self {
        if path == "/slack/interactions" {
            return Self::Interactions;
        }
        if let Some(endpoint) = path
            .strip_prefix("/requests/")
            .and_then(|rest| rest.strip_suffix("/votes"))
        {
            return Self::Votes(endpoint);
        }
        match path.strip_prefix("/a/") {
            // With whatever was left behind it: what of it is a token, and whether nothing that matters
            // follows, is the token's to say.
            Some(token) if !token.is_empty() => Self::Link(token),
            _ => Self::Nowhere,
        }
    }

    /// The name for logs. The token in a link's path is a secret.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Link(_) => "/a/{token}",
            Self::Interactions => "/slack/interactions",
            Self::Votes(_) => "/requests/{endpoint_id}/votes",
            Self::Nowhere => "elsewhere",
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    /// The path, without a query. It may hold a token.
    pub path: String,
    /// Names in any case, and values.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The ARN of the IAM identity whose signature API Gateway checked, on the route of signed votes.
    pub caller: Option<String>,
}

impl fmt::Debug for Request {
    /// Leaves out the token, the signature and the form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("route", &self.route().name())
            .finish_non_exhaustive()
    }
}

impl Request {
    pub(crate) fn route(&self) -> Route<'_> {
        Route::of(&self.path)
    }

    /// The first value of a header. `name` is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// A response. Its constructors add all security headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Names in lower case, each once, and values.
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Response {
    pub(crate) fn page(status: u16, html: String) -> Self {
        Self::with(status, "text/html; charset=utf-8", html)
    }

    pub(crate) fn json(status: u16, json: String) -> Self {
        Self::with(status, "application/json; charset=utf-8", json)
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self::with(status, "text/plain; charset=utf-8", String::new())
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn with(status: u16, content_type: &'static str, body: String) -> Self {
        let mut headers = vec![("content-type", content_type.to_owned())];
        headers.extend(headers::security());
        Self {
            status,
            headers,
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_names_a_link_the_interactions_signed_votes_or_nothing() {
        for (path, route) in [
            ("/a/x", Route::Link("x")),
            ("/a/%2e%2e", Route::Link("%2e%2e")),
            ("/slack/interactions", Route::Interactions),
            ("/slack/interactions/", Route::Nowhere),
            ("/requests/vpce-1/votes", Route::Votes("vpce-1")),
            ("/requests/a/b/votes", Route::Votes("a/b")),
            ("/requests/vpce-1", Route::Nowhere),
            ("/requests/vpce-1/votes/", Route::Nowhere),
            ("/a/", Route::Nowhere),
            ("/a", Route::Nowhere),
            ("/a/x/", Route::Link("x/")),
            ("/a/x/y", Route::Link("x/y")),
            ("/A/x", Route::Nowhere),
            ("//a/x", Route::Nowhere),
            ("a/x", Route::Nowhere),
            ("", Route::Nowhere),
        ] {
            assert!(Route::of(path) == route, "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_request_shows_nothing_of_what_it_holds(
            token in "[A-Za-z0-9_-]{20,60}",
            route in prop::sample::select(vec!["/a/", "/b/", "/slack/"]),
        ) {
            let request = Request {
                method: Method::Post,
                path: format!("{route}{token}"),
                headers: vec![("x-slack-signature".to_owned(), token.clone())],
                body: token.clone().into_bytes(),
                caller: Some(token.clone()),
            };
            let shown = format!("{request:?}");
            prop_assert!(!shown.contains(&token), "{}", shown);
        }
    }

    #[test]
    fn every_answer_has_the_security_headers_each_once() {
        for response in [
            Response::page(200, String::new()),
            Response::json(200, String::new()),
            Response::empty(401),
            Response::empty(405).header("allow", "POST"),
        ] {
            for name in headers::NAMES {
                let mut found = response.headers.iter().filter(|(known, _)| *known == name);
                assert!(found.next().is_some() && found.next().is_none(), "{name}");
            }
        }
    }
}
