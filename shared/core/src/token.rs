//! The secret in a link: anybody who has it may vote as the approver to whom it was sent.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// The number of characters of a token in a link.
const LENGTH: usize = 43;
/// Forwarding a link encodes it once, and opening it perhaps again.
const ENCODED_AT_MOST: usize = 3;

/// 256 random bits, as a link carries them. Only its [`TokenHash`] is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

/// SHA-256 of a token, in hexadecimal: enough to recognize it, too little to make a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash(String);

/// A text that is no token. The error does not quote the text, which may be most of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("that is not a token")]
pub struct InvalidToken;

impl Token {
    /// A token of these bits, which nobody else may know or guess.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// The token as it stands in a link. Keep it out of logs.
    #[must_use]
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The token in the last part of a link's path, as people paste it: perhaps encoded, broken
    /// across lines, or with characters that a sentence or a mail program appends, such as `.`,
    /// `)`, `>` or `/`. The token itself must be whole, and no letter or digit may follow it.
    ///
    /// # Errors
    /// [`InvalidToken`].
    pub fn from_link(text: &str) -> Result<Self, InvalidToken> {
        let mut plain = text.to_owned();
        for _ in 0..ENCODED_AT_MOST {
            plain = decoded(&plain);
        }
        let is_nothing = |c: char| c.is_whitespace() || c.is_control() || is_unseen(c);
        plain.retain(|c| !is_nothing(c));
        let (token, rest) = plain.split_at_checked(LENGTH).ok_or(InvalidToken)?;
        if rest.contains(char::is_alphanumeric) {
            return Err(InvalidToken);
        }
        token.parse()
    }

    /// The hash that is stored.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        use fmt::Write as _;
        let mut hex = String::with_capacity(64);
        for byte in Sha256::digest(self.0) {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        TokenHash(hex)
    }
}

impl TokenHash {
    /// In hexadecimal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = InvalidToken;

    /// Accepts exactly what [`Token::reveal`] gives.
    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let mut bits = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bits) {
            Ok(32) if text.len() == LENGTH => Ok(Self(bits)),
            _ => Err(InvalidToken),
        }
    }
}

/// Removes percent-encoding, once. Other text stays as it is.
fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part.split_at_checked(2).and_then(|(code, rest)| {
            // The parser would also accept a sign.
            let is_hex = code.bytes().all(|c| c.is_ascii_hexdigit());
            let byte = u8::from_str_radix(code, 16).ok().filter(|_| is_hex)?;
            Some((byte, rest))
        });
        match byte {
            Some((byte, rest)) => {
                bytes.push(byte);
                bytes.extend(rest.as_bytes());
            }
            None => {
                bytes.push(b'%');
                bytes.extend(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Characters that mail programs and pages leave in a copied link. A soft hyphen is not among them:
/// it is at a place where a word was broken, and a hyphen may belong to the token.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_its_hash_shows() {
        let token = Token::new([0xab; 32]);
        assert_eq!(format!("{token:?}"), "Token(…)");
        // sha256sum of 32 bytes 0xab.
        assert_eq!(token.hash().as_str().len(), 64);
        assert_ne!(token.hash(), Token::new([0xac; 32]).hash());
    }

    /// In a URL, with everything encoded that may be.
    fn encoded(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }

    #[test]
    fn characters_appended_to_a_link_are_ignored() {
        // Its text has both characters that are neither letter nor digit.
        let token = Token::new([0xfb; 32]);
        let text = token.reveal();
        assert!(text.contains('-') || text.contains('_'), "{text}");
        for rest in [
            "", ".", ",", ";", ":", "!", "?", ")", "]", "}", ">", "\"", "'", "`", "/", "//", "/>",
            ").", ">)", "*", "_", "-", "=", "&", "\\", "|", "»", "”", "’", "…", "。", " ", "\n",
            "\r\n", "\t", "\u{a0}", "\u{200b}", "\u{feff}", "%", "%.", " .\r\n",
        ] {
            let opened =
                |link: String| assert!(Token::from_link(&link) == Ok(token.clone()), "{link:?}");
            opened(format!("{text}{rest}"));
            opened(format!("{text}{}", encoded(rest)));
            opened(encoded(&format!("{text}{rest}")));
            opened(encoded(&encoded(&format!("{text}{rest}"))));
        }
        let (head, tail) = text.split_at(20);
        for broken in [
            "\r\n", "\n", " ", "\n    ", "%0A", "%0D%0A", "%20", "\u{ad}\n",
        ] {
            let link = format!("{head}{broken}{tail}");
            let opens = Token::from_link(&link) == Ok(token.clone());
            assert_eq!(opens, !broken.contains('\u{ad}'), "{link:?}");
        }
    }

    #[test]
    fn characters_that_could_belong_to_a_token_are_not_ignored() {
        let text = Token::new([0x5a; 32]).reveal();
        let short = text.split_at(42).0;
        for link in [
            format!("{text}A"),
            format!("{text}.A"),
            format!("{text}/x"),
            format!("{text}%41"),
            format!("{text}%2"),
            format!("{text}é"),
            format!("x{text}"),
            format!("({text}"),
            format!("{text}{text}"),
            short.to_owned(),
            format!("{short}."),
            format!("{short}="),
            format!("{short}%2E"),
            String::new(),
            "/".to_owned(),
            "é".repeat(43),
        ] {
            assert!(Token::from_link(&link) == Err(InvalidToken), "{link:?}");
        }
    }

    proptest! {
        #[test]
        fn only_a_text_with_the_whole_token_opens(text in "\\PC{0,60}") {
            if let Ok(token) = Token::from_link(&text) {
                prop_assert_eq!(Token::from_link(&token.reveal()), Ok(token));
            }
        }

        #[test]
        fn a_token_is_read_as_it_is_shown(bits: [u8; 32]) {
            let token = Token::new(bits);
            prop_assert_eq!(token.reveal().parse::<Token>(), Ok(token));
        }

        #[test]
        fn no_other_text_is_a_token(text in "\\PC{0,60}") {
            if let Ok(token) = text.parse::<Token>() {
                prop_assert_eq!(token.reveal(), text);
            }
        }
    }
}
