//! What the page adds to the state of a review: a badge, HTTP's status, and what to do next.

use gatekeeper_aws::gatekeeper::{Listed, RequestDetails, ReviewState};
use gatekeeper_core::request::Status;
use gatekeeper_core::vote::Unrecorded;

use crate::review_state::choices;
use crate::sentences;

/// The status at a glance. It is shown by word and sign as well as by colour.
pub(super) struct Badge {
    pub(super) class: &'static str,
    pub(super) sign: &'static str,
    pub(super) word: &'static str,
}

impl Badge {
    pub(super) fn of(state: &ReviewState, details: &RequestDetails) -> Self {
        let (class, sign, word) = match (state, details.request.status) {
            (ReviewState::Ineligible(_), Status::InReview) => ("wait", "–", "Not yours to decide"),
            (ReviewState::Unmanaged, Status::InReview) => ("wait", "–", "Not decided here"),
            (_, Status::InReview) => ("wait", "…", "In review"),
            (_, Status::Accepting) => ("yes", "…", "Being accepted"),
            (_, Status::Accepted) => ("yes", "✓", "Accepted"),
            (_, Status::Rejecting) => ("no", "…", "Being rejected"),
            (_, Status::Rejected) => ("no", "✕", "Rejected"),
            (_, Status::Revoking) => ("no", "!", "Accepted, to be revoked"),
            (_, Status::Gone) => ("wait", "–", "Gone"),
        };
        Self { class, sign, word }
    }
}

/// HTTP's status.
pub(crate) fn status(state: &ReviewState) -> u16 {
    match state {
        ReviewState::Open
        | ReviewState::Decided
        | ReviewState::Waiting
        | ReviewState::Done
        | ReviewState::Already => 200,
        ReviewState::Recorded => 202,
        ReviewState::Ineligible(_) => 403,
        ReviewState::Mistyped => 422,
        ReviewState::Unrecorded(Unrecorded::Silent) => 503,
        ReviewState::TooLate
        | ReviewState::Overtaken
        | ReviewState::Unmanaged
        // Nothing failed, and trying again in a moment does not help.
        | ReviewState::Unrecorded(_) => 409,
    }
}

/// What the reader can do next, if anything.
pub(super) fn next(state: &ReviewState, details: &RequestDetails) -> Option<String> {
    if let Some(still) = sentences::still_possible(choices(state, details)) {
        return Some(format!(
            "You can close this page. Until the review ends, the same link lets you {still}."
        ));
    }
    let is_waiting = |one: &Listed| one.request.status == Status::InReview && one.own.is_none();
    if details.others.iter().any(is_waiting) && status(state) < 300 {
        return Some("Your link works for the other requests that are listed below.".to_owned());
    }
    let next = match state {
        ReviewState::Ineligible(_) if details.request.status == Status::InReview => {
            Some("The approvers who may decide were notified, each with a link of their own.")
        }
        ReviewState::Recorded | ReviewState::Done => match details.others.is_empty() {
            true => Some("You can close this page. Your link is used up and does not work again."),
            false => Some("You can close this page. For this connection, your link is used up."),
        },
        ReviewState::TooLate | ReviewState::Overtaken => Some("The decision is shown below."),
        ReviewState::Unmanaged => Some(
            "If Gatekeeper manages the service again while the connection is pending, your link works as before.",
        ),
        _ => None,
    };
    next.map(str::to_owned)
}

/// The text of the link back to the form.
pub(super) fn again(state: &ReviewState, details: &RequestDetails) -> Option<&'static str> {
    match choices(state, details) {
        [] => None,
        _ => Some("Change your vote"),
    }
}
