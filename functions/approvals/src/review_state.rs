//! What a voter reads about the state of a review, on a page or in Slack: a headline and an
//! explanation.

use gatekeeper_aws::gatekeeper::{RequestDetails, ReviewState};
use gatekeeper_core::approver::Ineligible;
use gatekeeper_core::request::Status;
use gatekeeper_core::vote::Choice;
use gatekeeper_core::words;

use crate::sentences;

/// What the voter can do after this. It is empty where the page or the reply does not offer to vote
/// again.
pub(crate) fn choices(state: &ReviewState, details: &RequestDetails) -> &'static [Choice] {
    match state {
        ReviewState::Waiting | ReviewState::Already
            if details.request.status == Status::InReview =>
        {
            details.choices
        }
        _ => &[],
    }
}

/// The headline. It differs from state to state, and begins with what others did if that decided
/// the request.
pub(crate) fn headline(state: &ReviewState, details: &RequestDetails) -> String {
    let request = &details.request;
    let is_open = request.status == Status::InReview;
    let status = words::status_explained(request.status);
    let still_needed = || sentences::still_needed(details);
    if let Some(meanwhile) = sentences::meanwhile(details) {
        match state {
            ReviewState::Decided => return meanwhile.to_owned(),
            ReviewState::TooLate => return format!("{meanwhile}, so your vote does not count"),
            ReviewState::Overtaken => return format!("{meanwhile}, so your vote had no effect"),
            ReviewState::Already => return format!("{meanwhile}, and you had voted before"),
            _ => {}
        }
    }
    match state {
        ReviewState::Open | ReviewState::Mistyped => "Nothing is decided yet".to_owned(),
        ReviewState::Unrecorded(_) => "Not recorded".to_owned(),
        ReviewState::Waiting if sentences::has_withdrawn(details) => {
            format!("Your approval is withdrawn: {}", still_needed())
        }
        ReviewState::Waiting => format!("Your vote counts: {}", still_needed()),
        ReviewState::Already if is_open => format!("You had voted before: {}", still_needed()),
        ReviewState::Already => format!("You had voted before, and the connection is {status}"),
        ReviewState::Decided => format!("Already decided: the connection is {status}"),
        ReviewState::TooLate => format!("Too late: the connection is {status}"),
        ReviewState::Recorded => format!("Recorded: the connection is {status}"),
        ReviewState::Done => format!("Done: the connection is {status}"),
        ReviewState::Overtaken => format!("Your vote had no effect: the connection is {status}"),
        ReviewState::Unmanaged => "Gatekeeper no longer manages this service".to_owned(),
        ReviewState::Ineligible(Ineligible::OwnAccount) => {
            "You may not decide about your own account".to_owned()
        }
        ReviewState::Ineligible(Ineligible::OtherService) => {
            "You may not decide about this service".to_owned()
        }
    }
}

/// What the headline means for the voter.
pub(crate) fn explanation(state: &ReviewState, details: &RequestDetails) -> String {
    let request = &details.request;
    let is_open = request.status == Status::InReview;
    let (consumer, service) = (sentences::consumer(request), sentences::service(request));
    let own_vote = sentences::own_vote(details);
    let until = sentences::UNTIL;
    match state {
        ReviewState::Open | ReviewState::Mistyped => "Press again in a moment.".to_owned(),
        ReviewState::Unrecorded(why) => why.to_string(),
        ReviewState::Waiting => format!("{own_vote} {until}"),
        ReviewState::Already if is_open && sentences::has_withdrawn(details) => {
            format!("{own_vote} Nobody can approve twice in one review. {until}")
        }
        ReviewState::Already if is_open => {
            format!("{own_vote} Voting again changes nothing. {until}")
        }
        ReviewState::Already => format!(
            "{own_vote} Voting again changes nothing. The review is over, and no vote can be \
             withdrawn."
        ),
        ReviewState::Decided => "There is nothing left for you to do.".to_owned(),
        ReviewState::TooLate => {
            "It was decided before your vote arrived, so your vote does not count.".to_owned()
        }
        ReviewState::Recorded => format!(
            "{own_vote} EC2 has not confirmed it yet. Gatekeeper asks it again every few minutes \
             until it does."
        ),
        ReviewState::Done => match request.status {
            Status::Accepted => {
                format!("EC2 accepted it: {consumer} is connected to {service}.")
            }
            Status::Rejected => {
                format!("EC2 rejected it: {consumer} is not connected to {service}.")
            }
            _ => own_vote,
        },
        ReviewState::Overtaken => format!(
            "{own_vote} Your vote is recorded, but something else had happened before EC2 was asked."
        ),
        ReviewState::Ineligible(ineligible) => sentences::ineligible(*ineligible, request),
        ReviewState::Unmanaged => format!(
            "Gatekeeper decides nothing about {service} and asks nobody: the service was taken out \
             of Gatekeeper, or its tag was removed. The service's owners decide in the AWS console."
        ),
    }
}
