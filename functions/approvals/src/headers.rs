//! The headers of every response, for browsers, caches and search engines.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// The pages' style. Browsers apply it because its hash is in the content security policy.
pub(crate) const STYLE: &str = include_str!("page/style.css");

/// Allows the pages' style by its hash, and forms to the same host. Scripts are forbidden.
static CONTENT_SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'"
    )
});

/// The other headers. Pages are not cached, framed or indexed, and do not pass their address on.
const FIXED: [(&str, &str); 9] = [
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("x-robots-tag", "noindex, nofollow"),
    ("strict-transport-security", "max-age=31536000"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

pub(crate) fn security() -> impl Iterator<Item = (&'static str, String)> {
    let csp = (
        "content-security-policy",
        CONTENT_SECURITY_POLICY.as_str().to_owned(),
    );
    let fixed = FIXED.iter();
    let fixed = fixed.map(|(name, value)| (*name, (*value).to_owned()));
    std::iter::once(csp).chain(fixed)
}

#[cfg(test)]
pub(crate) const NAMES: [&str; 10] = [
    "cache-control",
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "referrer-policy",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "x-robots-tag",
];
