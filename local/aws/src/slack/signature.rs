use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// How Slack signs a request: `v0=` and HMAC-SHA256, in lowercase hexadecimal, of `v0:<timestamp>:<body>` under the
/// signing secret ("Verifying requests from Slack"). `timestamp` is what stands in `X-Slack-Request-Timestamp`.
///
/// ```
/// let signature = local_aws::slack_signature("secret", "1531420618", b"payload=%7B%7D");
/// assert_eq!(signature.len(), "v0=".len() + 64);
/// ```
pub fn slack_signature(secret: &str, timestamp: &str, body: &[u8]) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    for part in [b"v0:", timestamp.as_bytes(), b":", body] {
        mac.update(part);
    }
    let digest = mac.finalize().into_bytes();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("v0={hex}")
}

#[cfg(test)]
mod tests {
    use super::slack_signature;

    /// The example in "Verifying requests from Slack".
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const BODY: &[u8] = b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
        &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=\
        &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
        &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

    #[test]
    fn slacks_own_example_comes_out() {
        assert_eq!(
            slack_signature(SECRET, "1531420618", BODY),
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
        );
    }

    #[test]
    fn everything_counts() {
        let signatures = [
            slack_signature(SECRET, "1531420618", BODY),
            slack_signature("other", "1531420618", BODY),
            slack_signature(SECRET, "1531420619", BODY),
            slack_signature(SECRET, "1531420618", b""),
        ];
        for (n, one) in signatures.iter().enumerate() {
            assert!(!signatures[..n].contains(one), "{one}");
        }
    }
}
