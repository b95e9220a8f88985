//! The secret in a link: whoever has it may vote as the approver that it was sent to, once.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// 256 random bits, as a link carries them. Only its [`TokenHash`] is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

/// SHA-256 of a token, in hexadecimal: enough to know it again, too little to make a link of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash(String);

/// A text that is no token. It says nothing of the text, which may be most of one.
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

    /// What is kept of it.
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

    /// Takes exactly what [`Token::reveal`] gives.
    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let mut bits = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bits) {
            Ok(32) if text.len() == 43 => Ok(Self(bits)),
            _ => Err(InvalidToken),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
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

    proptest! {
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
