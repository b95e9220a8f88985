//! The ids of a prompt's buttons. One function posts the prompt, and another handles its buttons.

use std::fmt;
use std::str::FromStr;

use gatekeeper_core::ids::{EndpointId, InvalidId};

/// The `block_id` of a prompt's buttons.
pub const BUTTONS: &str = "decide";
/// The `action_id` of the button that approves.
pub const APPROVE: &str = "approve";
/// The `action_id` of the button that asks for the reason of a rejection.
pub const REJECT: &str = "reject";

/// The `action_id` of the button that takes an approval back, which only the approver who gave it sees.
pub const WITHDRAW: &str = "withdraw";

/// The start of the `action_id` of a button that shows one of several reviews. The endpoint follows, because
/// one message has several such buttons.
pub const SHOW: &str = "show ";

/// The review that a prompt is about. The buttons hold nothing else; everything else is read when somebody
/// presses one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The consumer's endpoint, which names the request.
    pub endpoint_id: EndpointId,
    /// Which of the request's reviews: the version that it opened with.
    pub review: u64,
}

/// Why a text does not name a review.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubject {
    /// It is not two words.
    #[error("a button's value is an endpoint id and a review's number, with a blank between them")]
    Form,
    /// The first word is no endpoint.
    #[error("a button's value does not begin with an endpoint id: {0}")]
    Endpoint(#[from] InvalidId),
    /// The second word is no number.
    #[error("a button's value does not end with a review's number")]
    Review,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.endpoint_id, self.review)
    }
}

impl FromStr for Subject {
    type Err = InvalidSubject;

    fn from_str(text: &str) -> Result<Self, InvalidSubject> {
        let (endpoint_id, review) = text.split_once(' ').ok_or(InvalidSubject::Form)?;
        let endpoint_id = endpoint_id.parse()?;
        // `parse` alone would take a sign and leading zeros.
        let number: u64 = review.parse().map_err(|_| InvalidSubject::Review)?;
        if number == 0 || number.to_string() != review {
            return Err(InvalidSubject::Review);
        }
        Ok(Self {
            endpoint_id,
            review: number,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_read_as_it_is_written_and_nothing_else_is() {
        let subject: Subject = "vpce-0123456789abcdef0 3".parse().unwrap();
        assert_eq!(subject.endpoint_id.as_str(), "vpce-0123456789abcdef0");
        assert_eq!(subject.review, 3);
        assert_eq!(subject.to_string(), "vpce-0123456789abcdef0 3");
        for bad in [
            "",
            "vpce-0123456789abcdef0",
            "vpce-0123456789abcdef0 ",
            "vpce-0123456789abcdef0 0",
            "vpce-0123456789abcdef0 +3",
            "vpce-0123456789abcdef0 03",
            "vpce-0123456789abcdef0  3",
            "vpce-0123456789abcdef0 3 4",
            "vpce-svc-0a1b2c3d4e5f60718 3",
            "3 vpce-0123456789abcdef0",
            "vpce-0123456789abcdef0 18446744073709551616",
        ] {
            assert!(bad.parse::<Subject>().is_err(), "{bad:?}");
        }
    }
}
