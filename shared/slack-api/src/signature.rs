//! Whether a request is Slack's: HMAC-SHA256, version `v0`, over the bytes as they came.
//!
//! <https://docs.slack.dev/authentication/verifying-requests-from-slack>. The body must be the raw
//! one: a form that was decoded and encoded again is another body (`*` and `%2A`).

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;

use crate::secret::SigningSecret;

/// The header with the time at which Slack signed, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "x-slack-request-timestamp";
/// The header with the signature, `v0=` and 64 hex digits.
pub const SIGNATURE_HEADER: &str = "x-slack-signature";

/// A request this much older or newer than now is refused, so that one that was overheard cannot be
/// used again later.
pub const WINDOW: SignedDuration = SignedDuration::from_mins(5);

const VERSION: &str = "v0";
const DIGEST: usize = 32;

/// Why a request is not taken for Slack's. Holds neither signature nor secret: the signature that was
/// received may be good, for this body at this time, and must not reach a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSlacks {
    /// A header is not there.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// A header is there more than once.
    #[error("the header {0} is there more than once")]
    Repeated(&'static str),
    /// The time is no time.
    #[error("the header {TIMESTAMP_HEADER} is not a number of seconds")]
    MalformedTimestamp,
    /// The signature is none.
    #[error("the header {SIGNATURE_HEADER} is not v0= and 64 lower-case hex digits")]
    MalformedSignature,
    /// It was signed too long ago, or in the future.
    #[error("the request was signed {} s {}, more than {} s", .by.as_secs(), if *.early { "from now" } else { "ago" }, WINDOW.as_secs())]
    OutsideWindow {
        /// How far from now.
        by: SignedDuration,
        /// Whether that is in the future.
        early: bool,
    },
    /// There is no secret to compare with.
    #[error("no signing secret is configured")]
    NoSecret,
    /// Another secret, another body, or another time.
    #[error("the signature does not match")]
    Mismatch,
}

/// Refuses a request that is not Slack's.
///
/// `headers` are all of the request's, names in any case. `body` is the raw body: where it came in
/// base64, what that stands for. Any of `secrets` may be the one: while a secret is replaced, there
/// are two.
///
/// # Errors
/// [`NotSlacks`], with what was wrong.
pub fn verify<'a>(
    secrets: &[SigningSecret],
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    body: &[u8],
    now: Timestamp,
) -> Result<(), NotSlacks> {
    let (mut timestamp, mut signature) = (None, None);
    for (name, value) in headers {
        for (wanted, found) in [
            (TIMESTAMP_HEADER, &mut timestamp),
            (SIGNATURE_HEADER, &mut signature),
        ] {
            if name.eq_ignore_ascii_case(wanted) && found.replace(value).is_some() {
                return Err(NotSlacks::Repeated(wanted));
            }
        }
    }
    let timestamp = timestamp.ok_or(NotSlacks::Missing(TIMESTAMP_HEADER))?;
    let signature = signature.ok_or(NotSlacks::Missing(SIGNATURE_HEADER))?;
    let signed_at = seconds(timestamp).ok_or(NotSlacks::MalformedTimestamp)?;
    let signature = digest(signature).ok_or(NotSlacks::MalformedSignature)?;

    let age = now.duration_since(signed_at);
    if age.abs() > WINDOW {
        return Err(NotSlacks::OutsideWindow {
            by: age.abs(),
            early: age.is_negative(),
        });
    }
    if secrets.is_empty() {
        return Err(NotSlacks::NoSecret);
    }
    secrets
        .iter()
        .any(|secret| matches(secret, timestamp, body, &signature))
        .then_some(())
        .ok_or(NotSlacks::Mismatch)
}

/// Compares in constant time.
fn matches(
    secret: &SigningSecret,
    timestamp: &[u8],
    body: &[u8],
    signature: &[u8; DIGEST],
) -> bool {
    // HMAC takes a key of any length. Slack's is the secret as text, not what its hex stands for.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
        return false;
    };
    for part in [VERSION.as_bytes(), b":", timestamp, b":", body] {
        mac.update(part);
    }
    mac.verify_slice(signature).is_ok()
}

fn seconds(value: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(value).ok()?;
    // Longer numbers are no times; `parse` alone would take a sign.
    let is_number = (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let seconds: i64 = text.parse().ok().filter(|_| is_number)?;
    Timestamp::from_second(seconds).ok()
}

fn digest(value: &[u8]) -> Option<[u8; DIGEST]> {
    let hex = value.strip_prefix(VERSION.as_bytes())?.strip_prefix(b"=")?;
    if hex.len() != 2 * DIGEST {
        return None;
    }
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; DIGEST];
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
