//! What a page adds to how a request stands.

use gatekeeper_aws::gatekeeper::{Listed, RequestDetails};
use gatekeeper_core::request::Status;

use crate::standing::Standing;
use crate::words;

/// How it stands at a glance: by word and by shape, not by colour alone.
pub(super) struct Mark {
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    pub(super) word: &'static str,
}

impl Mark {
    pub(super) fn of(standing: Standing, details: &RequestDetails) -> Self {
        let (class, sign, word) = match (standing, details.request.status) {
            (Standing::Ineligible(_), Status::InReview) => ("wait", "–", "Not yours to decide"),
            (Standing::Unmanaged, Status::InReview) => ("wait", "–", "Not decided here"),
            (_, Status::InReview) => ("wait", "…", "In review"),
            (_, Status::Accepting) => ("yes", "…", "Being accepted"),
            (_, Status::Accepted) => ("yes", "✓", "Accepted"),
            (_, Status::Rejecting) => ("no", "…", "Being rejected"),
            (_, Status::Rejected) => ("no", "✕", "Rejected"),
            (_, Status::Revoking) => ("no", "!", "Accepted, to be cut"),
            (_, Status::Gone) => ("wait", "–", "Gone"),
        };
        Self { class, sign, word }
    }
}

/// HTTP's status.
pub(super) fn status(standing: Standing) -> u16 {
    match standing {
        Standing::IsDecided | Standing::Waiting | Standing::Done | Standing::Already => 200,
        Standing::Recorded => 202,
        Standing::Ineligible(_) => 403,
        Standing::TooLate | Standing::Overtaken | Standing::Unmanaged => 409,
    }
}

/// What there is to do, if anything.
pub(super) fn next(standing: Standing, details: &RequestDetails) -> Option<String> {
    if let Some(still) = words::still_to_say(standing.choices(details)) {
        return Some(format!(
            "You can close this page. Until the review ends, the same link lets you {still}."
        ));
    }
    let waits = |one: &Listed| one.request.status == Status::InReview && one.own.is_none();
    if details.others.iter().any(waits) && status(standing) < 300 {
        return Some("Your link works for the others that it lists below.".to_owned());
    }
    let next = match standing {
        Standing::Ineligible(_) if details.request.status == Status::InReview => {
            Some("The others who may decide were asked, each with a link of their own.")
        }
        Standing::Recorded | Standing::Done => match details.others.is_empty() {
            true => Some("You can close this page. Your link is used up and does not work again."),
            false => Some("You can close this page. For this connection, your link is used up."),
        },
        Standing::TooLate | Standing::Overtaken => {
            Some("How it was decided, and by whom, stands below.")
        }
        Standing::Unmanaged => Some(
            "Should Gatekeeper look after it again while the connection waits, your link works as before.",
        ),
        _ => None,
    };
    next.map(str::to_owned)
}

/// What a link back to the form says.
pub(super) fn again(standing: Standing, details: &RequestDetails) -> Option<&'static str> {
    match standing.choices(details) {
        [] => None,
        _ => Some("Change your vote"),
    }
}
