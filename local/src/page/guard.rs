//! Keeps other web pages out. A server on loopback is in reach of every page that a browser on the
//! same machine shows, and whoever reaches this one can do anything with its world.

use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Its own style, script and picture, its own forms and events, and nothing else from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Answers what other web pages ask for instead of whoever was asked.
pub(super) async fn keep_out(request: Request, next: Next) -> Response {
    match check(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// What a browser may do with an answer of the page's.
pub(super) async fn restrict(mut response: Response) -> Response {
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Links in mails carry tokens, and lead away from here.
        (REFERRER_POLICY, "same-origin"),
        (CORP, "same-origin"),
        (CACHE_CONTROL, "no-store"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

type Refusal = (StatusCode, &'static str);

fn check(method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
    let host = only(headers, &HOST).ok_or((
        StatusCode::BAD_REQUEST,
        "exactly one Host header is needed\n",
    ))?;
    // A name that somebody else's DNS points here would make their page one of ours.
    if !is_loopback(host) {
        return Err((
            StatusCode::MISDIRECTED_REQUEST,
            "this server answers to 127.0.0.1, localhost and [::1] only; use one of them\n",
        ));
    }
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) || is_own(headers, host) {
        return Ok(());
    }
    Err((
        StatusCode::FORBIDDEN,
        "this came from another web page; only the local world's own may do that\n",
    ))
}

/// Whether a request comes from a page of this server, or from no page at all. Browsers say which by
/// `Sec-Fetch-Site`, and old ones by `Origin`; SDKs and curl send neither.
/// <https://web.dev/articles/fetch-metadata>
fn is_own(headers: &HeaderMap, host: &str) -> bool {
    match (
        headers.contains_key(&FETCH_SITE),
        headers.contains_key(ORIGIN),
    ) {
        (true, _) => matches!(only(headers, &FETCH_SITE), Some("same-origin" | "none")),
        (false, true) => only(headers, &ORIGIN)
            .and_then(|origin| origin.strip_prefix("http://"))
            .is_some_and(|origin| origin == host),
        (false, false) => true,
    }
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    value.to_str().ok()
}

/// A loopback name, with a port or without.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|own| own.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: Method, headers: &[(&str, &str)]) -> Option<u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        check(&method, &map)
            .err()
            .map(|(status, _)| status.as_u16())
    }

    #[test]
    fn names_that_lead_elsewhere_are_not_answered() {
        for good in [
            "127.0.0.1:8700",
            "localhost:8700",
            "LOCALHOST",
            "[::1]:1",
            "[::1]",
        ] {
            assert_eq!(status(Method::GET, &[("host", good)]), None, "{good}");
        }
        for bad in [
            "evil.example:8700",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8700",
            "evil.example:localhost",
            "127.0.0.1:8700:evil",
            "",
        ] {
            assert_eq!(status(Method::GET, &[("host", bad)]), Some(421), "{bad}");
        }
        assert_eq!(status(Method::GET, &[]), Some(400));
        let two = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(status(Method::GET, &two), Some(400));
    }

    #[test]
    fn only_pages_of_ours_and_no_pages_at_all_may_change_something() {
        let cases: [(&[(&str, &str)], Option<u16>); 10] = [
            (&[], None),
            (&[("origin", "http://127.0.0.1:8700")], None),
            (&[("origin", "http://127.0.0.1:8701")], Some(403)),
            (&[("origin", "https://127.0.0.1:8700")], Some(403)),
            (&[("origin", "http://evil.example")], Some(403)),
            (&[("origin", "null")], Some(403)),
            (
                &[("sec-fetch-site", "same-origin"), ("origin", "null")],
                None,
            ),
            (&[("sec-fetch-site", "none")], None),
            (&[("sec-fetch-site", "same-site")], Some(403)),
            (
                &[
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "http://127.0.0.1:8700"),
                ],
                Some(403),
            ),
        ];
        for (headers, expected) in cases {
            let headers: Vec<_> = [("host", "127.0.0.1:8700")]
                .into_iter()
                .chain(headers.iter().copied())
                .collect();
            assert_eq!(status(Method::POST, &headers), expected, "{headers:?}");
            assert_eq!(status(Method::GET, &headers), None, "{headers:?}");
        }
    }
}
