//! How a request stands for whoever looked at it or voted: in a headline and a sentence, which pages and
//! Slack share.

use gatekeeper_aws::gatekeeper::{RequestDetails, View, Voted};
use gatekeeper_core::approver::Ineligible;
use gatekeeper_core::request::Status;
use gatekeeper_core::vote::{Choice, Unrecorded};

use crate::words;

/// What came of looking at a review, or of voting on it.
pub(crate) enum Outcome {
    /// They may vote, or say something else than they did.
    Open(Box<RequestDetails>),
    /// What they typed is not the end of the endpoint's id.
    Mistyped(Box<RequestDetails>),
    /// Nothing was recorded, and they may vote again.
    Unrecorded(Unrecorded, Box<RequestDetails>),
    /// There is nothing for them to do.
    Stands(Standing, Box<RequestDetails>),
    /// Their link, or the review's time, is over.
    Expired,
    /// There is no such link or review, for them.
    Invalid,
    /// They are no approver.
    NotAnApprover,
}

/// Why there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// They looked; it is decided.
    IsDecided,
    /// What they said is recorded, and more people must approve.
    Waiting,
    /// Their vote decided, and EC2 has done it.
    Done,
    /// Their vote decided; EC2 has not answered yet.
    Recorded,
    /// Their vote decided, and came to nothing: something else had happened meanwhile.
    Overtaken,
    /// They said so before, or may not say it any more, which changes nothing.
    Already,
    /// They voted after it had been decided.
    TooLate,
    /// They may not decide this one.
    Ineligible(Ineligible),
    /// Nobody decides here about this service any more.
    Unmanaged,
}

impl From<View> for Outcome {
    fn from(view: View) -> Self {
        match view {
            View::Open(details) | View::Voted(details) => Self::Open(details),
            View::Decided(details) => Self::Stands(Standing::IsDecided, details),
            View::Ineligible(bar, details) => Self::Stands(Standing::Ineligible(bar), details),
            View::Unmanaged(details) => Self::Stands(Standing::Unmanaged, details),
            View::Expired => Self::Expired,
            View::Invalid => Self::Invalid,
            View::NotAnApprover => Self::NotAnApprover,
        }
    }
}

impl From<Voted> for Outcome {
    fn from(voted: Voted) -> Self {
        match voted {
            Voted::Waiting(details) => Self::Stands(Standing::Waiting, details),
            Voted::Decided(details) => Self::Stands(Standing::Done, details),
            Voted::Recorded(details) => Self::Stands(Standing::Recorded, details),
            Voted::Overtaken(details) => Self::Stands(Standing::Overtaken, details),
            Voted::Unrecorded(why, details) => Self::Unrecorded(why, details),
            Voted::Already(details) => Self::Stands(Standing::Already, details),
            Voted::TooLate(details) => Self::Stands(Standing::TooLate, details),
            Voted::Ineligible(bar, details) => Self::Stands(Standing::Ineligible(bar), details),
            Voted::Unmanaged(details) => Self::Stands(Standing::Unmanaged, details),
            Voted::Mistyped(details) => Self::Mistyped(details),
            Voted::Expired => Self::Expired,
            Voted::Invalid => Self::Invalid,
            Voted::NotAnApprover => Self::NotAnApprover,
        }
    }
}

impl Standing {
    /// What whoever reads this can still say.
    pub(crate) fn choices(self, details: &RequestDetails) -> &'static [Choice] {
        match self {
            Self::Waiting | Self::Already if details.request.status == Status::InReview => {
                details.choices
            }
            _ => &[],
        }
    }

    /// The headline. Each tells what it is from all others, and begins with what happened where that was
    /// none of Gatekeeper's doing.
    pub(crate) fn title(self, details: &RequestDetails) -> String {
        let request = &details.request;
        let is_open = request.status == Status::InReview;
        let stands = words::standing(request.status);
        let meanwhile = words::meanwhile(details);
        match (self, meanwhile) {
            (Self::IsDecided, Some(happened)) => return happened.to_owned(),
            (Self::TooLate, Some(happened)) => {
                return format!("{happened}, so your vote does not count");
            }
            (Self::Overtaken, Some(happened)) => {
                return format!("{happened}, so your vote came to nothing");
            }
            (Self::Already, Some(happened)) => {
                return format!("{happened}, and you had voted before");
            }
            _ => {}
        }
        match self {
            Self::Waiting if words::has_withdrawn(details) => {
                format!(
                    "Your approval is withdrawn: {}",
                    words::still_needed(details)
                )
            }
            Self::Waiting => format!("Your vote counts: {}", words::still_needed(details)),
            Self::Already if is_open => {
                format!("You had voted before: {}", words::still_needed(details))
            }
            Self::Already => format!("You had voted before, and the connection is {stands}"),
            Self::IsDecided => format!("Decided already: the connection is {stands}"),
            Self::TooLate => format!("Too late: the connection is {stands}"),
            Self::Recorded => format!("Recorded: the connection is {stands}"),
            Self::Done => format!("Done: the connection is {stands}"),
            Self::Overtaken => format!("Your vote came to nothing: the connection is {stands}"),
            Self::Unmanaged => "Gatekeeper does not look after this service any more".to_owned(),
            Self::Ineligible(Ineligible::OwnAccount) => {
                "You may not decide about your own account".to_owned()
            }
            Self::Ineligible(Ineligible::OtherService) => {
                "You may not decide about this service".to_owned()
            }
        }
    }

    /// What it means.
    pub(crate) fn meaning(self, details: &RequestDetails) -> String {
        let request = &details.request;
        let is_open = request.status == Status::InReview;
        let (consumer, service) = (words::consumer(request), words::service(request));
        let voted = words::own_vote(details);
        let until = words::UNTIL;
        match self {
            Self::Waiting => format!("{voted} {until}"),
            Self::Already if is_open && words::has_withdrawn(details) => {
                format!("{voted} Nobody approves twice in one review. {until}")
            }
            Self::Already if is_open => {
                format!("{voted} Voting again changes nothing. {until}")
            }
            Self::Already => {
                format!(
                    "{voted} Voting again changes nothing. The review is over, and nothing can be taken back."
                )
            }
            Self::IsDecided => "There is nothing left for you to do.".to_owned(),
            Self::TooLate => {
                "It was decided before your vote came in, so your vote does not count.".to_owned()
            }
            Self::Recorded => format!(
                "{voted} EC2 has not confirmed it yet: it is asked again every few minutes until it has."
            ),
            Self::Done => match request.status {
                Status::Accepted => {
                    format!("EC2 accepted it: {consumer} is connected to {service}.")
                }
                Status::Rejected => {
                    format!("EC2 rejected it: {consumer} is not connected to {service}.")
                }
                _ => voted.to_owned(),
            },
            Self::Overtaken => format!(
                "{voted} That was recorded, and when EC2 was asked, something else had happened already."
            ),
            Self::Ineligible(bar) => words::ineligible(bar, request),
            Self::Unmanaged => format!(
                "Nothing is decided here about {service}, and nobody is asked: it was taken from \
                 Gatekeeper, or its tag was removed. Whoever looks after the service decides on the AWS \
                 console."
            ),
        }
    }
}
