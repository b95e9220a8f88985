//! Secrets, which do not show: `Debug` says what they are and no more, and there is no `Display`.

use std::fmt;
use std::str::FromStr;

/// Why a text is no such secret. Says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// There is nothing in it.
    #[error("Slack's {0} is blank")]
    Blank(&'static str),
    /// It holds what no such secret holds.
    #[error("Slack's {0} holds a blank, a line break or a character that is not ASCII")]
    Unprintable(&'static str),
}

/// Declares a secret.
macro_rules! secret {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The secret itself.
            pub(crate) fn expose(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidSecret;

            /// Blanks and line breaks around it are left out: whoever stores a file's content as a
            /// secret stores its last line break too.
            fn from_str(text: &str) -> Result<Self, InvalidSecret> {
                let text = text.trim_ascii();
                if text.is_empty() {
                    return Err(InvalidSecret::Blank($what));
                }
                if !text.bytes().all(|b| b.is_ascii_graphic()) {
                    return Err(InvalidSecret::Unprintable($what));
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

secret!(
    /// What Slack signs its requests to the app with ("Basic Information", "Signing Secret").
    SigningSecret,
    "signing secret"
);
secret!(
    /// What the app calls Slack's Web API with, `xoxb-…`.
    BotToken,
    "bot token"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show() {
        let secret: SigningSecret = "8f742231b10e8888abcd99yyyzzz85a5".parse().unwrap();
        let token: BotToken = "xoxb-not-a-token".parse().unwrap();
        assert_eq!(
            format!("{secret:?} {token:?}"),
            "SigningSecret(…) BotToken(…)"
        );
        let wrong = "xoxb-not a-token".parse::<BotToken>().unwrap_err();
        assert!(!format!("{wrong} {wrong:?}").contains("xoxb"), "{wrong}");
    }

    #[test]
    fn blank_ones_are_refused_and_a_files_line_break_is_not() {
        for blank in ["", " ", "\r\n\t"] {
            assert!(blank.parse::<SigningSecret>().is_err(), "{blank:?}");
            assert!(blank.parse::<BotToken>().is_err(), "{blank:?}");
        }
        assert_eq!("abc\n".parse::<BotToken>().unwrap().expose(), "abc");
        for bad in ["a\nb", "a b", "naïve"] {
            assert!(bad.parse::<BotToken>().is_err(), "{bad:?}");
        }
    }
}
