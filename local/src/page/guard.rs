//! Keeps other web pages out. A server on loopback is in reach of every page that a browser on the same machine shows, and
//! anybody who reaches this one can do anything with its world: the simulators take calls by GET as well as by POST, so that
//! even a picture's address could be one.
//!
//! | a request | is let in |
//! | --- | --- |
//! | from no page: SDKs, curl, an address typed by hand | everywhere |
//! | from a page of this server | everywhere |
//! | from another page | to a page of this server, as a navigation of the whole window |
//! | from a browser that does not say from where | to a page of this server |

use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERER, REFERRER_POLICY, USER_AGENT,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
/// Before somebody asks for it: <https://wicg.github.io/nav-speculation/prefetch.html#sec-purpose-header>, and what
/// browsers sent before there was that.
const PREFETCH: [HeaderName; 3] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-moz"),
];

/// Its own style, script and picture, its own forms and events, and nothing else from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Answers requests of other web pages, in place of the page or simulator that was asked.
pub(super) async fn keep_out(request: Request, next: Next) -> Response {
    match check(request.method(), request.uri().path(), request.headers()) {
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

fn check(method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
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
    let let_in = match Source::of(headers, host) {
        Source::OwnPage | Source::NoPage => true,
        Source::OtherPage => is_page(path) && is_navigation(method, headers),
        // Old browsers and mail scanners: opening a page changes nothing, and an approval's link has a rule of its own.
        Source::Unknown => {
            is_approval(path) || (is_page(path) && matches!(*method, Method::GET | Method::HEAD))
        }
    };
    if let_in {
        return Ok(());
    }
    Err((
        StatusCode::FORBIDDEN,
        "this came from another web page; from there only the local world's pages can be opened\n",
    ))
}

/// What has asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// A page of this server.
    OwnPage,
    /// A program, or a person by hand.
    NoPage,
    /// Another page.
    OtherPage,
    /// A browser without `Sec-Fetch-Site`, so that it cannot be told.
    Unknown,
}

impl Source {
    /// Browsers say it by `Sec-Fetch-Site`, and old ones by `Origin` and `Referer`; SDKs and curl send none of these.
    /// <https://web.dev/articles/fetch-metadata>
    fn of(headers: &HeaderMap, host: &str) -> Self {
        if headers.contains_key(&FETCH_SITE) {
            return match only(headers, &FETCH_SITE) {
                Some("same-origin") => Self::OwnPage,
                Some("none") => Self::NoPage,
                _ => Self::OtherPage,
            };
        }
        let is_browser = only(headers, &USER_AGENT)
            .is_some_and(|agent| agent.starts_with("Mozilla/"))
            || headers.contains_key(&FETCH_MODE)
            || headers.contains_key(&FETCH_DEST);
        let named = [&ORIGIN, &REFERER]
            .into_iter()
            .find(|name| headers.contains_key(*name));
        match named {
            Some(name) if only(headers, name).is_some_and(|url| is_own(url, host)) => Self::OwnPage,
            Some(_) => Self::Unknown,
            None if is_browser => Self::Unknown,
            None => Self::NoPage,
        }
    }
}

/// Whether an address, or the origin alone, is of this server under the name that it was asked by.
fn is_own(url: &str, host: &str) -> bool {
    url.strip_prefix("http://")
        .and_then(|rest| rest.strip_prefix(host))
        .is_some_and(|path| path.is_empty() || path.starts_with('/'))
}

/// What can be opened by a link from anywhere: it only shows something.
fn is_page(path: &str) -> bool {
    path == "/" || is_approval(path)
}

/// The page of an approval e-mail's link, where the function `approvals` says what may be sent from where.
fn is_approval(path: &str) -> bool {
    path.strip_prefix("/a/")
        .is_some_and(|token| !token.is_empty())
}

/// Whether somebody follows a link: not a picture, a frame, a script's request, or a browser's guess.
fn is_navigation(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::GET
        && only(headers, &FETCH_MODE) == Some("navigate")
        && only(headers, &FETCH_DEST) == Some("document")
        && !PREFETCH.iter().any(|name| headers.contains_key(name))
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

    const OWN: &str = "127.0.0.1:8700";

    fn status(method: Method, path: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        check(&method, path, &map)
            .err()
            .map(|(status, _)| status.as_u16())
    }

    /// Of a request to [`OWN`].
    fn sent(method: &Method, path: &str, headers: &[(&str, &str)]) -> Option<u16> {
        status(method.clone(), path, &[&[("host", OWN)], headers].concat())
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
            let host = [("host", good)];
            assert_eq!(status(Method::GET, "/ec2", &host), None, "{good}");
        }
        for bad in [
            "evil.example:8700",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8700",
            "evil.example:localhost",
            "127.0.0.1:8700:evil",
            "",
        ] {
            for path in ["/", "/ec2", "/a/token", "/slack/interactions"] {
                let host = [("host", bad), ("sec-fetch-site", "same-origin")];
                assert_eq!(status(Method::GET, path, &host), Some(421), "{bad}");
            }
        }
        assert_eq!(status(Method::GET, "/", &[]), Some(400));
        let two = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(status(Method::GET, "/", &two), Some(400));
    }

    /// The paths at which something is, but for pages, and how they are asked.
    const PATHS: [&str; 8] = [
        "/ec2",
        "/ec2/",
        "/sns/inbox",
        "/dynamodb",
        "/slack-api/api/chat.postMessage",
        "/page/live",
        "/page/remove",
        "/a/",
    ];
    const METHODS: [Method; 6] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
    ];

    #[test]
    fn programs_people_and_our_own_pages_do_what_they_like() {
        let all: [&[(&str, &str)]; 11] = [
            &[],
            &[
                ("user-agent", "Boto3/1.43.108 md/Botocore#1.43.127"),
                ("content-type", "application/x-www-form-urlencoded"),
            ],
            &[("user-agent", "curl/8.5.0"), ("accept", "*/*")],
            &[
                ("user-agent", "aws-sdk-rust/1.3.9"),
                ("content-type", "application/x-amz-json-1.0"),
            ],
            &[
                ("sec-fetch-site", "none"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ],
            &[
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-mode", "cors"),
            ],
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            &[("origin", "http://127.0.0.1:8700")],
            &[
                ("origin", "http://127.0.0.1:8700"),
                ("user-agent", "Mozilla/5.0 (X11)"),
            ],
            &[
                ("referer", "http://127.0.0.1:8700/?principal=1"),
                ("user-agent", "Mozilla/5.0 (X11)"),
            ],
            &[("referer", "http://127.0.0.1:8700")],
        ];
        for headers in all {
            for path in PATHS.into_iter().chain(["/", "/a/token"]) {
                for method in METHODS {
                    assert_eq!(
                        sent(&method, path, headers),
                        None,
                        "{method} {path} {headers:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn other_pages_reach_nothing_but_pages() {
        let all: [&[(&str, &str)]; 20] = [
            &[("sec-fetch-site", "cross-site")],
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
            ],
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("sec-fetch-dest", "document"),
                ("sec-fetch-user", "?1"),
            ],
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "no-cors"),
                ("sec-fetch-dest", "image"),
            ],
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "http://127.0.0.1:8700"),
            ],
            &[
                ("sec-fetch-site", "same-site"),
                ("sec-fetch-mode", "no-cors"),
            ],
            &[
                ("sec-fetch-site", "same-site"),
                ("referer", "http://127.0.0.1:8700/"),
            ],
            &[
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-site", "none"),
            ],
            &[("sec-fetch-site", "Same-Origin")],
            &[("sec-fetch-site", "")],
            &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
            &[("origin", "http://evil.example")],
            &[("origin", "null")],
            &[("origin", "http://127.0.0.1:8701")],
            &[("origin", "https://127.0.0.1:8700")],
            &[("origin", "http://127.0.0.1:8700.evil.example")],
            &[
                ("origin", "http://evil.example"),
                ("referer", "http://127.0.0.1:8700/"),
            ],
            &[("referer", "https://evil.example/127.0.0.1:8700/")],
            &[("referer", "http://127.0.0.1:8700@evil.example/")],
            &[(
                "user-agent",
                "Mozilla/5.0 (Macintosh) Version/15.0 Safari/605.1.15",
            )],
        ];
        for headers in all {
            for path in PATHS {
                for method in METHODS {
                    assert_eq!(
                        sent(&method, path, headers),
                        Some(403),
                        "{method} {path} {headers:?}"
                    );
                }
            }
            for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
                assert_eq!(
                    sent(&method, "/", headers),
                    Some(403),
                    "{method} / {headers:?}"
                );
            }
        }
    }

    #[test]
    fn other_pages_may_link_to_our_pages_and_not_hold_them() {
        let cases: [(&[(&str, &str)], Option<u16>); 9] = [
            (
                &[
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "document"),
                ],
                None,
            ),
            (
                &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
                Some(403),
            ),
            (
                &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "embed")],
                Some(403),
            ),
            (
                &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "object")],
                Some(403),
            ),
            (
                &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
                Some(403),
            ),
            (
                &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
                Some(403),
            ),
            (&[("sec-fetch-mode", "navigate")], Some(403)),
            (
                &[
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "document"),
                    ("sec-purpose", "prefetch"),
                ],
                Some(403),
            ),
            (
                &[
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "document"),
                    ("purpose", "prefetch"),
                ],
                Some(403),
            ),
        ];
        for (headers, expected) in cases {
            for site in ["cross-site", "same-site"] {
                let headers = [&[("sec-fetch-site", site)], headers].concat();
                for path in ["/", "/a/token"] {
                    assert_eq!(
                        sent(&Method::GET, path, &headers),
                        expected,
                        "{path} {headers:?}"
                    );
                    assert_eq!(
                        sent(&Method::POST, path, &headers),
                        Some(403),
                        "{path} {headers:?}"
                    );
                    assert_eq!(
                        sent(&Method::HEAD, path, &headers),
                        Some(403),
                        "{path} {headers:?}"
                    );
                }
            }
        }
        // A mail scanner, which opens links and sends forms, is for the function `approvals` to stop.
        let scanner = [("referer", "https://mail.example.com/")];
        assert_eq!(sent(&Method::GET, "/", &scanner), None);
        assert_eq!(sent(&Method::POST, "/a/token", &scanner), None);
    }
}
