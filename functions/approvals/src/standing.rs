//! How a request stands for whoever looked at it or voted: in a headline and a sentence, which pages and
//! Slack share.

use gatekeeper_aws::gatekeeper::{Dossier, View, Voted};
use gatekeeper_core::approver::Bar;
use gatekeeper_core::request::Status;
use gatekeeper_core::vote::{Choice, Unrecorded};

use crate::words;

/// What came of looking at a review, or of voting on it.
pub(crate) enum Outcome {
    /// They may vote, or say something else than they did.
    Open(Box<Dossier>),
    /// What they typed is not the end of the endpoint's id.
    Mistyped(Box<Dossier>),
    /// Nothing was recorded, and they may vote again.
    Unrecorded(Unrecorded, Box<Dossier>),
    /// There is nothing for them to do.
    Stands(Standing, Box<Dossier>),
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
    Barred(Bar),
    /// Nobody decides here about this service any more.
    Unmanaged,
}

impl From<View> for Outcome {
    fn from(view: View) -> Self {
        match view {
            View::Open(dossier) | View::Voted(dossier) => Self::Open(dossier),
            View::Decided(dossier) => Self::Stands(Standing::IsDecided, dossier),
            View::Barred(bar, dossier) => Self::Stands(Standing::Barred(bar), dossier),
            View::Unmanaged(dossier) => Self::Stands(Standing::Unmanaged, dossier),
            View::Expired => Self::Expired,
            View::Invalid => Self::Invalid,
            View::NotAnApprover => Self::NotAnApprover,
        }
    }
}

impl From<Voted> for Outcome {
    fn from(voted: Voted) -> Self {
        match voted {
            Voted::Waiting(dossier) => Self::Stands(Standing::Waiting, dossier),
            Voted::Decided(dossier) => Self::Stands(Standing::Done, dossier),
            Voted::Recorded(dossier) => Self::Stands(Standing::Recorded, dossier),
            Voted::Overtaken(dossier) => Self::Stands(Standing::Overtaken, dossier),
            Voted::Unrecorded(why, dossier) => Self::Unrecorded(why, dossier),
            Voted::Already(dossier) => Self::Stands(Standing::Already, dossier),
            Voted::TooLate(dossier) => Self::Stands(Standing::TooLate, dossier),
            Voted::Barred(bar, dossier) => Self::Stands(Standing::Barred(bar), dossier),
            Voted::Unmanaged(dossier) => Self::Stands(Standing::Unmanaged, dossier),
            Voted::Mistyped(dossier) => Self::Mistyped(dossier),
            Voted::Expired => Self::Expired,
            Voted::Invalid => Self::Invalid,
            Voted::NotAnApprover => Self::NotAnApprover,
        }
    }
}

impl Standing {
    /// What whoever reads this can still say.
    pub(crate) fn choices(self, dossier: &Dossier) -> &'static [Choice] {
        match self {
            Self::Waiting | Self::Already if dossier.request.status == Status::InReview => {
                dossier.choices
            }
            _ => &[],
        }
    }

    /// The headline. Each tells what it is from all others, and begins with what happened where that was
    /// none of Gatekeeper's doing.
    pub(crate) fn title(self, dossier: &Dossier) -> String {
        let request = &dossier.request;
        let is_open = request.status == Status::InReview;
        let stands = words::standing(request.status);
        let meanwhile = words::meanwhile(dossier);
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
            Self::Waiting if words::has_withdrawn(dossier) => {
                format!(
                    "Your approval is withdrawn: {}",
                    words::still_needed(dossier)
                )
            }
            Self::Waiting => format!("Your vote counts: {}", words::still_needed(dossier)),
            Self::Already if is_open => {
                format!("You had voted before: {}", words::still_needed(dossier))
            }
            Self::Already => format!("You had voted before, and the connection is {stands}"),
            Self::IsDecided => format!("Decided already: the connection is {stands}"),
            Self::TooLate => format!("Too late: the connection is {stands}"),
            Self::Recorded => format!("Recorded: the connection is {stands}"),
            Self::Done => format!("Done: the connection is {stands}"),
            Self::Overtaken => format!("Your vote came to nothing: the connection is {stands}"),
            Self::Unmanaged => "Gatekeeper does not look after this service any more".to_owned(),
            Self::Barred(Bar::OwnAccount) => "You may not decide about your own account".to_owned(),
            Self::Barred(Bar::OtherService) => "You may not decide about this service".to_owned(),
        }
    }

    /// What it means.
    pub(crate) fn meaning(self, dossier: &Dossier) -> String {
        let request = &dossier.request;
        let is_open = request.status == Status::InReview;
        let (consumer, service) = (words::consumer(request), words::service(request));
        let voted = words::own_vote(dossier);
        let until = words::UNTIL;
        match self {
            Self::Waiting => format!("{voted} {until}"),
            Self::Already if is_open && words::has_withdrawn(dossier) => {
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
            Self::Barred(bar) => words::barred(bar, request),
            Self::Unmanaged => format!(
                "Nothing is decided here about {service}, and nobody is asked: it was taken from \
                 Gatekeeper, or its tag was removed. Whoever looks after the service decides on the AWS \
                 console."
            ),
        }
    }
}
