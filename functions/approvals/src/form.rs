//! What somebody filled in: `application/x-www-form-urlencoded`, as a browser sends it.

use gatekeeper_core::ids::EndpointId;
use gatekeeper_core::visible::as_typed;
use gatekeeper_core::vote::{Ballot, Choice, Unrecorded};

use crate::sentences;

/// The form as it was sent. It is shown again if something is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Entered {
    pub(crate) choice: Option<Choice>,
    pub(crate) reason: String,
    pub(crate) typed: String,
    /// The request that the page showed, or is to show, if the link lists several.
    pub(crate) of: Option<EndpointId>,
    pub(crate) faults: Faults,
}

/// What is wrong with each field, in words for the approver.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Faults {
    /// The whole form is not what the page sends.
    pub(crate) form: Option<&'static str>,
    /// The form is right, but the vote was not recorded.
    pub(crate) unrecorded: Option<Unrecorded>,
    pub(crate) choice: Option<&'static str>,
    pub(crate) reason: Option<String>,
    pub(crate) typed: Option<&'static str>,
}

impl Faults {
    pub(crate) fn any(&self) -> bool {
        *self != Self::default()
    }
}

/// The typed characters are not the end of the endpoint's id.
pub(crate) const MISTYPED: &str =
    "That is not how this endpoint's id ends. Type its last six characters.";
/// The same, if the link lists several requests.
pub(crate) const MISTYPED_OF_SEVERAL: &str = "That is not how exactly one of the ids of these endpoints ends. Type the \
     last six characters of the one that you decide about, or all of its id.";
const NOT_TYPED: &str = "Type the last six characters of the endpoint's id.";
const NOT_CHOSEN: &str = "Choose one.";
const NOT_A_FORM: &str =
    "What was sent is not this page's form, or was damaged on its way. Please fill it in below.";

/// Reads a form, and notes in it what is wrong.
pub(crate) fn read(content_type: Option<&str>, body: &[u8]) -> Entered {
    let damaged = || Entered {
        faults: Faults {
            form: Some(NOT_A_FORM),
            ..Faults::default()
        },
        ..Entered::default()
    };
    let kind = content_type.unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return damaged();
    }
    let (mut choice, mut reason, mut typed, mut of) = (None, None, None, None);
    for (name, value) in form_urlencoded::parse(body) {
        let field = match name.as_ref() {
            "choice" => &mut choice,
            "reason" => &mut reason,
            "typed" => &mut typed,
            "of" => &mut of,
            // Browser extensions and mail gateways add fields of their own.
            _ => continue,
        };
        // What was not UTF-8 became this character.
        if value.contains(char::REPLACEMENT_CHARACTER) || field.replace(value).is_some() {
            return damaged();
        }
    }
    let choice = choice.map(|choice| as_typed(&choice));
    let choice = match choice.as_deref() {
        None => None,
        Some("approve") => Some(Choice::Approve),
        Some("withdraw") => Some(Choice::Withdraw),
        Some("reject") => Some(Choice::Reject),
        Some(_) => return damaged(),
    };
    Entered {
        choice,
        reason: reason.unwrap_or_default().into_owned(),
        typed: typed.unwrap_or_default().into_owned(),
        of: of.and_then(|of| of.parse().ok()),
        faults: Faults::default(),
    }
}

/// Whether the form only asks to see another of the requests that the link lists.
pub(crate) fn only_looks(entered: &Entered) -> bool {
    let is_empty =
        entered.choice.is_none() && entered.reason.is_empty() && entered.typed.is_empty();
    is_empty && entered.of.is_some() && !entered.faults.any()
}

/// The ballot, or `None` if something is wrong with the form, which is then noted in it. Whether the
/// typed characters are right is checked when the vote is cast.
pub(crate) fn ballot(entered: &mut Entered) -> Option<Ballot> {
    let faults = &mut entered.faults;
    if faults.any() {
        return None;
    }
    if as_typed(&entered.typed).is_empty() {
        faults.typed = Some(NOT_TYPED);
    }
    let ballot = match entered.choice {
        Some(choice) => Ballot::new(choice, &entered.reason)
            .map_err(|invalid| faults.reason = Some(sentences::invalid_ballot(invalid)))
            .ok(),
        None => {
            faults.choice = Some(NOT_CHOSEN);
            None
        }
    };
    ballot.filter(|_| !faults.any())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatekeeper_core::vote::REASON_LIMIT;
    use proptest::prelude::*;

    const FORM: &str = "application/x-www-form-urlencoded";

    fn sent(body: &str) -> (Option<Ballot>, Entered) {
        let mut entered = read(Some(FORM), body.as_bytes());
        (ballot(&mut entered), entered)
    }

    fn refused(body: &str) -> Entered {
        let (ballot, entered) = sent(body);
        assert_eq!(ballot, None, "{body}");
        entered
    }

    #[test]
    fn what_a_browser_sends_is_a_ballot() {
        let (ballot, entered) =
            sent("choice=reject&reason=not+a+customer%0D%0A%E2%80%93%20yet&typed=abcdef");
        let ballot = ballot.unwrap();
        assert_eq!(ballot.choice, Choice::Reject);
        assert_eq!(ballot.reason, "not a customer – yet");
        assert_eq!(entered.typed, "abcdef");
        let charset = format!("{FORM}; charset=UTF-8");
        let entered = read(Some(&charset), b"choice=approve&typed=abcdef&utm=1");
        assert_eq!(entered.choice, Some(Choice::Approve));
        assert!(!entered.faults.any());
    }

    #[test]
    fn a_choice_is_read_whatever_keyboard_it_was_written_on() {
        for (written, choice) in [
            ("ａｐｐｒｏｖｅ", Choice::Approve),
            ("re\u{200b}ject\u{feff} ", Choice::Reject),
        ] {
            let body = form_urlencoded::Serializer::new(String::new())
                .append_pair("choice", written)
                .append_pair("reason", "x")
                .append_pair("typed", "ａｂｃｄｅｆ")
                .finish();
            assert_eq!(sent(&body).0.map(|ballot| ballot.choice), Some(choice));
        }
        let nothing = refused("choice=approve&typed=%E3%85%A4%E2%80%8B");
        assert_eq!(nothing.faults.typed, Some(NOT_TYPED));
    }

    #[test]
    fn what_is_missing_is_named_at_its_field_and_the_rest_is_kept() {
        let entered = refused("reason=hm&typed=");
        assert!(entered.faults.choice.is_some() && entered.faults.typed.is_some());
        assert_eq!(entered.reason, "hm");
        let entered = refused("choice=reject&reason=+%0A&typed=abcdef");
        let expected = "A rejection needs a reason: say why, in a few words.";
        assert_eq!(entered.faults.reason.as_deref(), Some(expected));
        assert_eq!(entered.choice, Some(Choice::Reject));
        assert_eq!(entered.typed, "abcdef");
        let long = "x".repeat(REASON_LIMIT + 1);
        let entered = refused(&format!("choice=approve&reason={long}&typed=abcdef"));
        assert_eq!(entered.reason, long);
        assert!(entered.faults.reason.is_some());
        refused("");
        refused("reason=&typed=");
    }

    #[test]
    fn what_our_page_does_not_send_is_no_ballot() {
        let good = "choice=approve&typed=abcdef";
        for body in [
            "choice=approve&choice=reject&typed=abcdef&reason=x",
            "choice=approve&choice=approve&typed=abcdef",
            "choice=approve&typed=abcdef&typed=abcdef",
            "choice=Approve&typed=abcdef",
            "choice=&typed=abcdef",
            "choice=approve&typed=abcdef&reason=%ff",
        ] {
            let entered = refused(body);
            assert!(entered.faults.form.is_some(), "{body}");
            assert_eq!(entered.choice, None, "{body}");
        }
        for content_type in ["", "text/plain", "multipart/form-data", "application/json"] {
            let entered = read(Some(content_type), good.as_bytes());
            assert!(entered.faults.form.is_some(), "{content_type}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>) {
            let _ = ballot(&mut read(Some(FORM), &body));
        }

        #[test]
        fn what_was_written_is_read(reason in "[^\u{FFFD}]{0,80}", typed in "[^\u{FFFD}]{1,20}") {
            let body = form_urlencoded::Serializer::new(String::new())
                .append_pair("choice", "approve")
                .append_pair("reason", &reason)
                .append_pair("typed", &typed)
                .finish();
            let entered = read(Some(FORM), body.as_bytes());
            prop_assert_eq!((entered.reason, entered.typed), (reason, typed));
        }
    }
}
